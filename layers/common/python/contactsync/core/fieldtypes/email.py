"""Email addresses: what mail can be sent to, as the customer wrote it, with the domain in lower case.

Most addresses are plain ASCII and short: one regular expression, without any way to backtrack, accepts
those. Everything else is email-validator's to judge, so the verdict is always email-validator's.
"""

from __future__ import annotations

import re
import unicodedata

from contactsync.core.fieldtypes.refusal import EDGES, UNSEEN, BadValue, refuse_unprintable

ADDRESS_MAX = 254
"""Octets, RFC 5321: longer ones cannot be the target of a mail command."""

_PLAIN_MAX = 64
"""Up to here no part can exceed its own limit (64 for the name, 63 for a label of the domain)."""

_ATOM = r"[A-Za-z0-9_!#$%&'*+\-/=?^`{|}~]++"
_LABEL = r"[A-Za-z0-9]++(?:-[A-Za-z0-9]++)*+"
_NOT_PUBLIC = r"(?!(?i:arpa|invalid|local|localhost|onion|test)\Z)"
_is_plain = re.compile(rf"{_ATOM}(?:\.{_ATOM})*+@(?:{_LABEL}\.)++{_NOT_PUBLIC}[A-Za-z]{{2,}}+").fullmatch


def email(text: str) -> str | None:
    """Text → address, trimmed, NFC, its domain in lower case; None if nothing but blanks.

    Raises:
        BadValue: code `email_invalid`, `too_long`, `control_character` or `broken_character`.
    """
    if _is_plain(text) and len(text) <= _PLAIN_MAX:
        return text if text.islower() else _with_lower_domain(text)
    # a line end stays, and is refused: behind it might stand a header of a mail
    text = text.strip(f" \t{UNSEEN}")
    return _judged(text) if text.strip(EDGES) else None


def _with_lower_domain(text: str) -> str:
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"


def _judged(text: str) -> str:
    """The unusual address, by email-validator: quoted names and bracketed IP addresses are refused."""
    refuse_unprintable(text)
    if len(text) > ADDRESS_MAX:
        raise BadValue("too_long", f"An email address has at most {ADDRESS_MAX} characters.")
    if "@" not in text or " " in text or ".." in text:
        raise BadValue("email_invalid", _reason(text))
    # 50 ms that most files never need
    from email_validator import EmailNotValidError, validate_email  # noqa: PLC0415

    try:
        found = validate_email(text, check_deliverability=False)
    except EmailNotValidError:
        raise BadValue("email_invalid", _reason(text)) from None
    local = unicodedata.normalize("NFC", text.rpartition("@")[0])
    domain = text.rpartition("@")[2]
    return f"{local}@{domain.lower() if domain.isascii() else found.domain}"


def _reason(text: str) -> str:
    """What is wrong, in our own words: email-validator's would repeat parts of the address."""
    local, at, domain = text.rpartition("@")
    match (local, at, domain):
        case (_, "", _):
            return "There is no @: an email address looks like name@example.com."
        case ("", _, _):
            return "There is nothing before the @: an email address looks like name@example.com."
        case (_, _, ""):
            return "There is nothing after the @: an email address looks like name@example.com."
    if "," in text or ";" in text or "@" in local:
        return "There is more than one address, or a sign that none may hold: one address for each column."
    if "<" in text or ">" in text:
        return "Write the address alone, without a name or < and > around it."
    if any(character.isspace() for character in text):
        return "There is a space inside: an email address has none."
    if any(unicodedata.category(character) == "Cf" for character in text):
        return "There is an invisible character inside: type the address anew."
    if ".." in text or local.startswith(".") or local.endswith("."):
        return "A dot may not stand first, last or next to another dot."
    if local.startswith('"'):
        return "Quoted names before the @ are not supported: write the address without quotes."
    if domain.startswith("["):
        return "An IP address after the @ is not supported: write a domain, like example.com."
    if "." not in domain:
        return "The domain after the @ is incomplete: it looks like example.com."
    return "The part before or after the @ is not one that mail can be sent to: check it for typing errors."
