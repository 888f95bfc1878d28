"""The only way out: connections to addresses that were checked, and to no others.

A customer names the hosts that we fetch from, so a customer could name ours: the metadata service that hands
out credentials, Lambda's own runtime API, a neighbour in the network. Every name is resolved once, every answer
is checked, and the connection is made to the very address that was checked. A second look-up would be the hole
that DNS rebinding goes through.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache

from contactsync.errors import SourceAway, UnreadableFile
from contactsync.sources.place import Place, not_allowed, place_of

Resolver = Callable[[str, int], Sequence[str]]
"""Host and port → IP addresses as text. Raises socket.gaierror."""

LOW_PORTS = frozenset({21, 22, 80, 443, 990})
"""The ports of the protocols that we speak. Others below 1024 belong to services that are no file servers (mail,
DNS, SMB) and that a crafted request could be made to act on; above, people run file servers wherever they like."""

_V4_DENIED = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT; `ipaddress` calls it neither private nor global
        "127.0.0.0/8",  # loopback
        "168.63.129.16/32",  # Azure's host agent, on an address that looks public
        "169.254.0.0/16",  # link-local: metadata, Lambda and container credentials
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments; Oracle's metadata; is_private is False before Python 3.12.4
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast; is_private is False
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
_V6_GLOBAL = ipaddress.IPv6Network("2000::/3")
"""All that is assigned to the public. Outside lie loopback, link-local, fc00::/7, the old fec0::/10, multicast,
and the v4-compatible and v4-translated spellings, of which `ipaddress` calls several global."""
_V6_DENIED = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments, Teredo among them: a tunnel to an IPv4 address inside it
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: a tunnel to the IPv4 address that follows
        "3fff::/20",  # documentation
    )
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""How IPv6-only networks reach IPv4 (DNS64): as good or as bad as the address within."""


def is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether anybody on the internet could reach this address, which is when we may."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _V4_DENIED)
    if address.scope_id:
        return False
    if address.ipv4_mapped is not None:
        return is_public(address.ipv4_mapped)
    if address in _NAT64:
        return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return address in _V6_GLOBAL and not any(address in network for network in _V6_DENIED)


def allowed_hosts(listed: str) -> frozenset[tuple[str, int]]:
    """The setting ALLOW_HOSTS, "127.0.0.1:8099,[::1]:8021": hosts that are fetched from although they are private."""
    entries = set()
    for entry in filter(None, (entry.strip() for entry in listed.split(","))):
        host, _, port = entry.rpartition(":")
        entries.add((host.strip("[]").lower(), int(port)))
    return frozenset(entries)


def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system's resolver."""
    return [str(answer[4][0]) for answer in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@cache
def trusted() -> ssl.SSLContext:
    """TLS 1.2 or later, names checked, against the certificate authorities that certifi lists."""
    import certifi  # noqa: PLC0415

    return ssl.create_default_context(cafile=certifi.where())


class Guard:
    """Checks hosts and connects to them. `resolver` and `tls` are replaced in tests."""

    def __init__(
        self,
        allowed: frozenset[tuple[str, int]] = frozenset(),
        *,
        resolver: Resolver = resolve,
        tls: Callable[[], ssl.SSLContext] = trusted,
    ) -> None:
        self._allowed = allowed
        self._resolver = resolver
        self.tls = tls

    def trusts(self, host: str, port: int) -> bool:
        """Whether ALLOW_HOSTS lists it: a server on one's own machine."""
        return (host, port) in self._allowed

    def place(self, url: str, schemes: tuple[str, ...]) -> Place:
        """A URL taken apart; see `place.place_of`."""
        return place_of(url, schemes, self._allowed)

    def addresses(self, host: str, port: int) -> list[str]:
        """The addresses of a host, all of them checked; resolves once.

        Raises:
            UnreadableFile: address_not_allowed if any of them is internal, since the next connection could get
                that one; port_not_allowed; host_not_found.
            SourceAway: the name server is away.
        """
        trusted_here = self.trusts(host, port)
        if not trusted_here and port not in LOW_PORTS and not 1023 < port < 65536:
            raise UnreadableFile(
                "port_not_allowed",
                "This port cannot be fetched from.",
                "Use one of the ports 21, 22, 80, 443 and 990, or one above 1023.",
            )
        try:
            literal = [str(ipaddress.ip_address(host))]
        except ValueError:
            literal = []
        found = literal or self._look_up(host, port)
        if not trusted_here and not all(is_public(ipaddress.ip_address(address)) for address in found):
            raise not_allowed()
        return found

    def connect(self, host: str, port: int, *, timeout_s: float) -> socket.socket:
        """A connection to one of the host's checked addresses.

        Raises:
            UnreadableFile: as `addresses`.
            SourceAway: nobody answers, or the name server is away.
        """
        for address in self.addresses(host, port):
            with suppress(OSError):
                return socket.create_connection((address, port), timeout_s)
        raise SourceAway(f"{host} does not accept connections on port {port}.")

    def secured(self, sock: socket.socket, host: str) -> ssl.SSLSocket:
        """TLS on a connection, with the name that was asked for checked against the certificate."""
        with tls_refusals(host):
            return self.tls().wrap_socket(sock, server_hostname=host)

    def _look_up(self, host: str, port: int) -> list[str]:
        try:
            found = list(dict.fromkeys(self._resolver(host, port)))
        except socket.gaierror as error:
            if error.errno == socket.EAI_AGAIN:
                raise SourceAway(f"The name server did not answer for {host}.") from None
            found = []
        except UnicodeError:
            found = []
        if not found:
            raise UnreadableFile(
                "host_not_found",
                f"There is no host named {host}.",
                "Check the address of the source for typos.",
            )
        return found


@contextmanager
def tls_refusals(host: str) -> Iterator[None]:
    """What goes wrong while TLS is agreed on, as the customer can mend it."""
    try:
        yield
    except ssl.SSLCertVerificationError as error:
        raise UnreadableFile(
            "certificate_not_valid",
            f"The certificate of {host} cannot be trusted: {error.verify_message.rstrip('.')}.",
            "Ask whoever runs the server for a valid certificate under this name; nothing was sent to it.",
        ) from None
    except ssl.SSLEOFError:
        raise
    except ssl.SSLError:
        raise UnreadableFile(
            "encryption_failed",
            f"{host} and we could not agree on encryption.",
            "Check that the port speaks TLS 1.2 or later, or use the scheme without encryption.",
        ) from None


@contextmanager
def cut_after(sock: socket.socket, seconds: float) -> Iterator[None]:
    """Shut a connection down when time is over, whatever it is waiting for.

    A socket's timeout starts anew with each byte, so a server that sends a byte a second would never meet it.
    """
    # a duplicate, because `sock` itself may be handed over to TLS meanwhile
    line = socket.fromfd(sock.fileno(), sock.family, sock.type)
    timer = threading.Timer(seconds, _shut, [line])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        line.close()


def _shut(line: socket.socket) -> None:
    with suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
