"""A property's raw value ↔ text: character sets, quoted-printable, base64, and the escapes of each version."""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterable

from contactsync.core.vcard.card import Param, Property, Version

_CHARSET = re.compile(
    r"(?:utf-?8|us-ascii|iso-?8859-[0-9]{1,2}|(?:windows-|cp)[0-9]{3,4}|shift[_-]?jis|sjis|euc-(?:jp|kr)|iso-2022-jp"
    r"|gb2312|gbk|gb18030|big5|koi8-[ru]|macintosh|mac-?roman)",
    re.IGNORECASE,
)
"""What may stand in CHARSET. Python knows codecs by name that are no character sets; those must not be reached."""

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_UNESCAPED = {"n": "\n", "N": "\n"}
_OLD_ESCAPE = re.compile(r"\\([\\;,:])")
_PARTS = re.compile(r"(?:[^;\\]|\\.|\\$)*", re.DOTALL)
_LISTED = re.compile(r"(?:[^,\\]|\\.|\\$)*", re.DOTALL)
_CARET = re.compile(r"\^([n^'])")
_UNCARET = {"n": "\n", "^": "^", "'": '"'}


def decoded(raw: bytes, charset: str = "") -> str:
    """Bytes → text in the charset that is named, else UTF-8, else Windows-1252. Never fails, never loses a byte's place."""
    names = [charset] if _CHARSET.fullmatch(charset) else []
    for name in (*names, "utf-8", "cp1252"):
        try:
            return codecs.decode(raw, "mac_roman" if name.lower() == "macintosh" else name)
        except (UnicodeDecodeError, LookupError):
            continue
    return raw.decode("latin-1")


def charset_of(prop: Property) -> str:
    """The CHARSET parameter, or ""."""
    return next(iter(prop.param("CHARSET")), "")


def plain(prop: Property) -> str:
    """The value without its transfer encoding; escapes stay. Base64 stays as it is: it is no text."""
    if prop.encoding != "QUOTED-PRINTABLE":
        return prop.value
    raw = binascii.a2b_qp(prop.value.encode("utf-8", "surrogatepass"))
    return decoded(raw, charset_of(prop)).replace("\r\n", "\n").replace("\r", "\n")


def text(prop: Property, version: Version) -> str:
    """The value as text."""
    return unescaped(plain(prop), version)


def parts(prop: Property, version: Version) -> list[str]:
    """The components of a structured value (N, ADR, ORG), each as text."""
    return [unescaped(part, version) for part in _split(_PARTS, plain(prop))]


def listed(prop: Property, version: Version) -> list[str]:
    """The values of a list that commas separate (NICKNAME); 2.1 has no such lists there."""
    if version == "2.1":
        return [text(prop, version)]
    return [unescaped(part, version) for part in _split(_LISTED, plain(prop))]


def _split(pattern: re.Pattern[str], value: str) -> list[str]:
    """The stretches that `pattern` takes, between single separators."""
    found = []
    at = 0
    while match := pattern.match(value, at):
        found.append(match[0])
        at = match.end() + 1
        if at > len(value):
            break
    return found


def unescaped(value: str, version: Version) -> str:
    """Backslashes resolved. Version 2.1 has none for line breaks, and takes a lone backslash as it is."""
    if "\\" not in value:
        return value
    if version == "2.1":
        return _OLD_ESCAPE.sub(r"\1", value)
    return _ESCAPE.sub(lambda found: _UNESCAPED.get(found[1], found[1]), value)


def escaped(value: str, version: Version) -> str:
    """The inverse of `unescaped`, for one component. Line breaks of 2.1 are left to quoted-printable."""
    value = value.replace("\r\n", "\n").replace("\r", "\n").replace("\\", "\\\\").replace(";", "\\;")
    return value if version == "2.1" else value.replace(",", "\\,").replace("\n", "\\n")


def reescaped(value: str, before: Version, after: Version, *, listed: bool = False) -> str:
    """A raw value of one version, as another escapes it. Semicolons that separate stay, commas if `listed`."""
    if "2.1" not in {before, after}:
        return value
    pattern, mark = (_LISTED, ",") if listed and before != "2.1" else (_PARTS, ";")
    if listed and before == "2.1":
        return ",".join(escaped(unescaped(item, before), after) for item in value.split(","))
    return mark.join(escaped(unescaped(part, before), after) for part in _split(pattern, value))


def written(
    name: str,
    components: Iterable[str],
    version: Version,
    *,
    params: Iterable[Param] = (),
    group: str = "",
) -> Property:
    """A property of text components. In 2.1 what is not plain ASCII becomes quoted-printable."""
    value = ";".join(escaped(component, version) for component in components)
    prop = Property(name, value, tuple(params), group)
    return quoted(prop) if version == "2.1" and not (value.isascii() and value.isprintable()) else prop


def quoted(prop: Property) -> Property:
    """The property with its value in quoted-printable."""
    data = prop.value.replace("\n", "\r\n").encode("utf-8", "surrogatepass")
    value = "".join(chr(byte) if _is_safe(byte) else f"={byte:02X}" for byte in data)
    params = (
        *prop.without("CHARSET", "ENCODING").params,
        ("ENCODING", ("QUOTED-PRINTABLE",)),
        ("CHARSET", ("UTF-8",)),
    )
    return Property(prop.name, value, params, prop.group)


def _is_safe(byte: int) -> bool:
    return 32 <= byte < 127 and byte != ord("=")


def uncaret(value: str) -> str:
    """A parameter's value as RFC 6868 has it: ^n, ^^ and ^'."""
    return _CARET.sub(lambda found: _UNCARET[found[1]], value)


def caret(value: str) -> str:
    """The inverse of `uncaret`."""
    return value.replace("^", "^^").replace("\n", "^n").replace('"', "^'")
