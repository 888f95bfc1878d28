"""Where a URL leads, read strictly: what browsers forgive is refused here.

Two parsers that disagree about a URL's host are how filters are fooled, so a URL is taken apart once, here, and
the parts are all that is used afterwards.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Container
from dataclasses import dataclass, field
from urllib.parse import quote, unquote, urlsplit

from contactsync.errors import UnreadableFile

DEFAULT_PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 21, "sftp": 22}
"""ftps without a port means TLS that is asked for on port 21 (RFC 4217); port 990 means TLS from the start."""
MAX_URL_CHARACTERS = 4096

_CONTROL_OR_SPACE = re.compile(r"[\x00-\x20\x7f\\]")
_NAME = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(\.(?!-)[a-z0-9_-]{1,63}(?<!-))*")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_LOCAL_NAMES = (
    "localhost",
    "local",
    "localdomain",
    "internal",
    "intranet",
    "lan",
    "home.arpa",
    "in-addr.arpa",
)
"""Names that lead inside by convention. Where they lead is checked as well; this saves the question."""


@dataclass(frozen=True, slots=True)
class Place:
    """A URL's parts. `target` is path and query as they travel, percent-encoded; either may hold a secret."""

    scheme: str
    host: str
    port: int
    target: str = field(repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What a credential may be shown to."""
        return self.scheme, self.host, self.port

    @property
    def name(self) -> str:
        """The path's last segment, readable."""
        return unquote(self.target.partition("?")[0].rpartition("/")[2])


def place_of(url: str, schemes: tuple[str, ...], allowed: Container[tuple[str, int]] = ()) -> Place:
    """Take a URL apart. `allowed` lists hosts and ports that are fetched from whatever they are called.

    Raises:
        UnreadableFile: scheme_not_allowed, address_not_valid or address_not_allowed. None of them quotes the URL.
    """
    scheme = url.partition(":")[0].lower()
    if scheme not in schemes:
        raise UnreadableFile(
            "scheme_not_allowed",
            "A file cannot be fetched that way.",
            f"Use an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}.",
        )
    if len(url) > MAX_URL_CHARACTERS or _CONTROL_OR_SPACE.search(url):
        raise _not_valid(
            "It is too long, or holds a space, a backslash or a control character; write those as %20."
        )
    try:
        parts = urlsplit(url, allow_fragments=scheme in {"http", "https"})
        port = parts.port
    except ValueError:
        raise _not_valid("Its host or port cannot be read.") from None
    if not parts.netloc or not parts.hostname:
        raise _not_valid("After the scheme it needs // and a host.")
    if "@" in parts.netloc:
        raise _not_valid(
            "Put the user name and the password into fields of their own, so that they are kept secret."
        )
    host, port = parts.hostname, port or DEFAULT_PORTS[scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Place(
        scheme=scheme,
        host=host if (host, port) in allowed else host_of(host),
        port=port,
        target=quote(target, safe="%/:=&?~+!$,;'@()*[]#"),
    )


def host_of(written: str) -> str:
    """A host in its one spelling: a lower-case ASCII name, four plain numbers, or an IPv6 address in short form.

    Raises:
        UnreadableFile: address_not_valid for a spelling that needs interpretation; address_not_allowed for a
            name that leads inside wherever it is asked.
    """
    if ":" in written:
        try:
            return str(ipaddress.IPv6Address(written))
        except ValueError:
            raise _not_valid("Its IPv6 address cannot be read.") from None
    name = _ascii(written).removesuffix(".")
    if _NUMBER.fullmatch(name.rpartition(".")[2]):
        # 127.1, 0x7f.1, 2130706433 and 0177.0.0.1 all reach 127.0.0.1, and every library reads them its own way
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError:
            raise _not_valid("Write an IPv4 address as four decimal numbers.") from None
    if not _NAME.fullmatch(name) or len(name) > 253:
        raise _not_valid("Its host is not a name.")
    if "." not in name or any(name == local or name.endswith(f".{local}") for local in _LOCAL_NAMES):
        raise not_allowed()
    return name


def not_allowed() -> UnreadableFile:
    """For every internal address alike, so that nobody maps our network by comparing answers."""
    return UnreadableFile(
        "address_not_allowed",
        "This address cannot be fetched from.",
        "It leads into a private or reserved network. Use an address that can be reached from the internet.",
    )


def _ascii(written: str) -> str:
    if written.isascii():
        return written.lower()
    import idna  # noqa: PLC0415 its tables are large, and few hosts need them

    try:
        # UTS 46 maps full-width and circled digits and the ideographic full stop as resolvers do
        return idna.encode(written, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        try:
            return idna.uts46_remap(written, std3_rules=False).lower().encode("ascii").decode("ascii")
        except (idna.IDNAError, UnicodeError):
            raise _not_valid("Its host is not a name.") from None


def _not_valid(what: str) -> UnreadableFile:
    return UnreadableFile("address_not_valid", "The address of the source is not valid.", what)
