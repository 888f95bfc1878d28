"""WebDAV on a customer's server: requests through the guarded way out, and what multistatus answers say.

A customer names the server, so everything that `sources.net` guards against holds here too, and its XML is read
without entities. The password goes to the host that it was given for, and to one beside it that it refers to
(www.example.com, dav.example.com), never elsewhere and never unencrypted, save for a server on one's own machine.
"""

from __future__ import annotations

import base64
import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from urllib.parse import quote, unquote_to_bytes, urljoin, urlsplit
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from urllib3 import HTTPHeaderDict

from contactsync.connectors.calling import Lost, put_off, retry_after
from contactsync.errors import AccessLost, ContactSyncError, SourceAway, UnreadableFile
from contactsync.sources.net import Guard, cut_after

SCHEMES = ("https", "http")
MAX_ANSWER_BYTES = 64 * 1024 * 1024
MAX_MARKS = 4_000_000
"""Tags and attributes of an answer. Three bytes may become three hundred in memory; a book of 300,000 cards has fewer."""
ANSWER_S = 300.0
"""How long an answer may take: a server that sends a byte now and then would keep us for as long as we may run."""
MAX_REDIRECTS = 5
WAITS = 3
LONGEST_WAIT_S = 20.0
DAV = "{DAV:}"
_REDIRECTS = frozenset({301, 302, 307, 308})
_STATUS = re.compile("[1-5][0-9][0-9]").fullmatch
_CERTAIN = frozenset({501, 507})
"""That a method is not known there, or that there is no room: neither a passing state nor a lost answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server answered. Its headers are found whatever their case is: proxies write them in small letters."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    url: str = ""

    @property
    def ok(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status < 300

    def tree(self) -> Element:
        """The body as XML. Raises SourceAway if it is none, wants to define entities, or is nothing but markup."""
        if self.body.count(b"<") + self.body.count(b"=") > MAX_MARKS:
            raise _too_large()
        try:
            found: Element = fromstring(self.body, forbid_dtd=True)
        except (ParseError, DefusedXmlException, ValueError):
            raise SourceAway("The server answered something that is no WebDAV.") from None
        return found


@dataclass(frozen=True, slots=True)
class Member:
    """One response of a multistatus: where, how it went, and its properties by "{namespace}name"."""

    href: str
    status: int
    properties: Mapping[str, Element]

    def text(self, name: str) -> str:
        """A property's text; empty without one."""
        found = self.properties.get(name)
        return (found.text or "").strip() if found is not None else ""

    def hrefs(self, name: str) -> list[str]:
        """The places that a property names."""
        found = self.properties.get(name)
        return [(each.text or "").strip() for each in found.iter(f"{DAV}href")] if found is not None else []


class TooLarge(SourceAway):
    """An answer is larger than we read. What was asked for may come in smaller parts."""


class _Cut(HTTPException):
    """An answer began, and broke off."""


class Dav:
    """One person's requests to one server, one after the other over one connection.

    Args:
        url: where the server is; paths are taken from there.
        username, password: for HTTP Basic.
        guard: the way out.
        timeout_s, answer_s: for how long nothing may come, and how long one answer may take.
    """

    def __init__(
        self,
        url: str,
        username: str,
        password: str,
        guard: Guard,
        *,
        timeout_s: float = 30.0,
        answer_s: float = ANSWER_S,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.url = url
        self._guard = guard
        self._timeout_s = timeout_s
        self._answer_s = answer_s
        self._sleep = sleep
        secret = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._authorization = f"Basic {secret}"
        self._connection: tuple[tuple[str, str, int], HTTPConnection] | None = None
        self.made = 0

    def ask(self, method: str, href: str, body: str = "", **headers: str) -> Answer:
        """Read. Follows redirects, and waits a little where the server asks for it."""
        url = self._beside(self.url, href)
        waits = 0
        for _ in range(MAX_REDIRECTS + WAITS + 1):
            answer = self._send(method, url, body.encode(), headers, writes=False)
            if answer.status in _REDIRECTS and answer.headers.get("Location"):
                url = self._beside(url, answer.headers["Location"])
                continue
            if answer.status == 429 or (answer.status >= 500 and answer.status not in _CERTAIN):
                wait_s = retry_after(answer.headers)
                waits += 1
                if waits > WAITS or wait_s is None or wait_s > LONGEST_WAIT_S:
                    raise put_off(answer.status, wait_s, "The server")
                self._sleep(wait_s)
                continue
            return answer
        raise SourceAway("The server keeps sending us elsewhere.")

    def write(self, method: str, href: str, body: bytes = b"", **headers: str) -> Answer:
        """Change something. Raises Lost if it may have been carried out and nobody knows."""
        url = self._beside(self.url, href)
        answer = self._send(method, url, body, headers, writes=True)
        if answer.status == 429 or (answer.status == 503 and "Retry-After" in answer.headers):
            raise put_off(answer.status, retry_after(answer.headers), "The server")
        if answer.status >= 500 and answer.status not in _CERTAIN:
            raise Lost
        return answer

    def _beside(self, url: str, reference: str) -> str:
        """Where the server sends us to, if we may go there with the password."""
        other = joined(url, reference)
        here, there = urlsplit(url), urlsplit(other)
        if (here.scheme, there.scheme, there.hostname) == ("https", "http", here.hostname):
            # Behind a proxy a server need not know how it is reached: Nextcloud says so of its address books
            there = there._replace(scheme=here.scheme, netloc=here.netloc)
            other = there.geturl()
        same_family = family(here.hostname or "") == family(there.hostname or "")
        if not same_family or (here.scheme, there.scheme) == ("https", "http"):
            raise UnreadableFile(
                "redirected_elsewhere",
                "The server refers to another one, to which your password is not sent.",
                "Give the address that it refers to, if you trust it.",
            )
        return other

    def _send(
        self, method: str, url: str, body: bytes, headers: Mapping[str, str], *, writes: bool
    ) -> Answer:
        place = self._guard.place(url, SCHEMES)
        if place.scheme == "http" and not self._guard.trusts(place.host, place.port):
            raise UnreadableFile(
                "encryption_needed",
                "A password is sent to servers with encryption only.",
                "Give the address with https://.",
            )
        sent = {name.replace("_", "-"): value.encode() for name, value in headers.items()}
        sent |= {"Authorization": self._authorization.encode(), "User-Agent": b"contact-sync"}
        if body and "Content-Type" not in sent:
            sent["Content-Type"] = b'application/xml; charset="utf-8"'
        self.made += 1
        reused = self._connection is not None and self._connection[0] == place.origin
        try:
            connection = self._connected(place.origin)
            with cut_after(connection.sock, self._answer_s):
                connection.request(method, place.target, body=body or None, headers=sent)
                answer = self._answered(url)
        except ContactSyncError:
            raise
        except (OSError, HTTPException) as error:
            self.close()
            if writes:
                raise Lost from None
            if not reused or isinstance(error, _Cut):
                raise SourceAway("The server broke off its answer.") from None
            # It had only closed an idle connection
            return self._send(method, url, body, headers, writes=False)
        if answer.status == 401:
            asked = answer.headers.get("WWW-Authenticate", "Basic")
            if "basic" not in asked.lower():  # as Baïkal does unless somebody sets it otherwise
                raise UnreadableFile(
                    "sign_in_not_known",
                    "The server asks for another way of signing in than HTTP Basic.",
                    "Allow Basic in the server's settings: over an encrypted connection nobody can read it.",
                )
            raise AccessLost(
                "access_lost",
                "The server does not take this user name and password.",
                "Connect the address book again with the right ones; nothing was deleted.",
            )
        return answer

    def _answered(self, url: str) -> Answer:
        """What comes back over the connection. Raises _Cut if it ends before it should."""
        assert self._connection is not None
        reply = self._connection[1].getresponse()
        content = reply.read(MAX_ANSWER_BYTES + 1)
        if len(content) > MAX_ANSWER_BYTES:
            self.close()
            raise _too_large()
        if not reply.isclosed() or (reply.length or 0) > 0:
            raise _Cut
        if reply.will_close:
            self.close()
        return Answer(reply.status, HTTPHeaderDict(reply.headers.items()), content, url)

    def _connected(self, origin: tuple[str, str, int]) -> HTTPConnection:
        if self._connection is not None and self._connection[0] == origin:
            return self._connection[1]
        self.close()
        scheme, host, port = origin
        sock = self._guard.connect(host, port, timeout_s=self._timeout_s)
        connection = HTTPConnection(host, port, timeout=self._timeout_s)
        connection.sock = self._guard.secured(sock, host) if scheme == "https" else sock
        connection.sock.settimeout(self._timeout_s)
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.auto_open = 0  # nothing else may open one
        self._connection = origin, connection
        return connection

    def close(self) -> None:
        """Let the connection go."""
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection[1].close()
        self._connection = None


def _too_large() -> TooLarge:
    return TooLarge("The server's answer is larger than any address book should be.")


def members(answer: Answer) -> Iterator[Member]:
    """The responses of a multistatus."""
    for response in answer.tree().iter(f"{DAV}response"):
        href = response.findtext(f"{DAV}href", "").strip()
        properties: dict[str, Element] = {}
        status = _status(response.findtext(f"{DAV}status"))
        for found in response.iter(f"{DAV}propstat"):
            if _status(found.findtext(f"{DAV}status")) == 200:
                for prop in found.iter(f"{DAV}prop"):
                    properties |= {each.tag: each for each in prop}
        yield Member(plain(href), status, properties)


def family(host: str) -> str:
    """The part of a host's name that its neighbours share with it; an address has none.

    Below the domains of countries people get a name on the second level or on the third (example.de, example.co.uk),
    and only a list could tell for certain: where the second is as short as those of registries are, it is the third.
    """
    labels = host.lower().rstrip(".").split(".")
    last, second = labels[-1], labels[-2:][0]
    if not last[:1].isalpha():
        return host
    return ".".join(labels[-3 if len(last) == 2 and len(second) <= 3 else -2 :])


def joined(url: str, reference: str) -> str:
    """Where a reference leads to from a URL. Raises UnreadableFile if it can be read in no way."""
    try:
        return urljoin(url, reference)
    except ValueError:  # a host in brackets that is none, or with characters that stand for others
        raise UnreadableFile(
            "address_not_valid",
            "The address of the server is not valid.",
            "Its host or port cannot be read. Give it as the provider names it, or tell whoever runs the server.",
        ) from None


def plain(href: str) -> str:
    """A path in its one spelling, without the host: servers escape as they like, and so may not we."""
    try:
        path = urlsplit(href).path
    except ValueError:  # it looks like a host in brackets, and is none
        path = href
    return "/".join(quote(unquote_to_bytes(part), safe="~!$&'()*+,;=:@-._") for part in path.split("/"))


def _status(line: str | None) -> int:
    words = (line or "").split()
    return int(words[1]) if len(words) > 1 and _STATUS(words[1]) else 200


def escaped(text: str) -> str:
    """Text within XML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
