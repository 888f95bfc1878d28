"""Web addresses: http and https only, since a stored link will be clicked; and names of pictures that we keep."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from contactsync.core.fieldtypes.refusal import EDGES, BadValue, refuse_unprintable

URL_MAX = 2_048

_HOST = r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_\-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z][A-Za-z0-9\-]{0,61}[A-Za-z0-9]"
_is_plain = re.compile(rf"https?://{_HOST}(?:[/?#][!#-;=?-\[\]_a-z~]*+)?").fullmatch
_is_picture = re.compile(r"ni:///sha-256;[A-Za-z0-9_\-]{43}").fullmatch
_is_host = re.compile(rf"{_HOST}(?::[0-9]{{1,5}})?(?:[/?#].*)?").fullmatch
_has_scheme = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*+:").match
_is_domain = re.compile(r"(?:[A-Za-z0-9_\-]{1,63}(?:\.|\Z))++").fullmatch
_is_ipv4 = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}").fullmatch
_is_number = re.compile(r"[0-9]+|0[xX][0-9A-Fa-f]*").fullmatch
_FORBIDDEN = re.compile(r'[\s<>"\\^`{|}]')


def url(text: str) -> str | None:
    """Text → address as written; a bare host or path gets the `https://` that it lacks. None if blank.

    What a contact's `photo` is called by us (`core.pictures`) comes back as it is: exports hold it, and so do edits.

    Raises:
        BadValue: code `url_invalid`, `url_scheme`, `too_long`, `control_character` or `broken_character`.
    """
    if (_is_plain(text) and len(text) <= URL_MAX) or _is_picture(text):
        return text
    text = text.strip(EDGES)
    if not text:
        return None
    refuse_unprintable(text)
    if len(text) > URL_MAX:
        raise BadValue("too_long", f"A web address has at most {URL_MAX:,} characters.")
    if _is_host(text):
        text = f"https://{text}"
    elif not _has_scheme(text):
        raise BadValue("url_invalid", "This is not a web address: it looks like https://example.com/page.")
    return _checked(text)


def _checked(text: str) -> str:
    """The address, once its parts make sense."""
    if not text[:8].lower().startswith(("http://", "https://")):
        raise BadValue("url_scheme", "Only web addresses that begin with http:// or https:// can be stored.")
    if _FORBIDDEN.search(text):
        raise BadValue("url_invalid", "A web address holds no spaces, quotes, brackets < > or backslashes.")
    try:
        parts = urlsplit(text)
        parts.port  # noqa: B018 - reading it is what checks it
    except ValueError:
        parts = None
    if parts is None or not parts.hostname or not _is_name(parts.hostname):
        raise BadValue(
            "url_invalid", "The host is not valid: a web address looks like https://example.com/page."
        )
    return text


def _is_name(host: str) -> bool:
    """A domain, an international one, or an IP address (urlsplit has checked a bracketed one)."""
    if ":" in host:
        return True
    try:
        name = host.encode("idna").decode("ascii")
    except UnicodeError:
        return False
    if _is_number(name.rstrip(".").rpartition(".")[2]):
        # Browsers take all of it for an IPv4 address then
        return bool(_is_ipv4(name))
    return bool(_is_domain(name)) and len(name) <= 253
