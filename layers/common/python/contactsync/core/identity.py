"""Who a row is about: the normal form of an identity, the contact id made from it, the shard that holds it.

Two spellings of one identity give one id: upper and lower case, composed and decomposed accents, a domain in
Unicode or in punycode. Look-alikes give two: compatibility forms are never folded in the part before the @,
so a full-width or Cyrillic letter stays another letter.
"""

from __future__ import annotations

import unicodedata
from hashlib import blake2b

SHARDS = 64
"""Partitions of one account's contacts: fixed, so that a contact never moves."""

ID_BYTES = 16
_SHARD_SHIFT = 2  # the first byte of an id has 256 values, four for each shard


def email_key(email: str) -> str:
    """An address → what makes it the same mailbox: NFC, the domain in ASCII (IDNA), all in lower case."""
    if email.isascii():
        return email.lower()
    local, at, domain = email.rpartition("@")
    return f"{_lower(local)}{at}{_ascii_domain(domain)}"


def _ascii_domain(domain: str) -> str:
    if domain.isascii():
        return domain.lower()
    import idna  # noqa: PLC0415 - large tables, for the few addresses that need them

    try:
        return idna.encode(domain, uts46=True).decode("ascii").lower()
    except (idna.IDNAError, UnicodeError):
        return _lower(domain)


def _lower(text: str) -> str:
    """NFC before, so that both spellings are lowered alike, and after, because lowering can decompose."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).lower())


def identity_key(field_type: str, value: object) -> str:
    """A canonical value → the text that identifies it.

    Email: `email_key`. Phone: E.164, and the extension where there is one, since colleagues share a line.
    Boolean: "true" or "false". Everything else: NFC without blanks around it, case kept.
    """
    if field_type == "email":
        return email_key(str(value))
    if isinstance(value, dict):
        number, extension = str(value["value"]), value.get("extension")
        return f"{number};ext={extension}" if extension else number
    if isinstance(value, bool):
        return "true" if value else "false"
    return unicodedata.normalize("NFC", str(value)).strip()


def contact_id(secret: bytes, field: str, key: str) -> str:
    """The id of the contact that `key` identifies by `field`: 32 hex digits that tell nothing without `secret`.

    `secret` is the account's own, 16 to 64 bytes: the same person has another id in another account.
    """
    digest = blake2b(f"{field}\0{key}".encode(), key=secret, digest_size=ID_BYTES)
    return digest.hexdigest()


def is_contact_id(text: str) -> bool:
    """Whether a text can be a contact's id."""
    return len(text) == 2 * ID_BYTES and all(character in "0123456789abcdef" for character in text)


def card_mark(secret: bytes, card: str) -> str:
    """What an erased person's card is known by, and nobody can read: 32 hex digits of its id, or of its marker."""
    return contact_id(secret, "erased card", card)


PREFIXES = [f"{byte:02x}" for byte in range(256)]
"""How ids begin, as far as it decides about their shard."""


def shard_of(contact_id: str) -> int:
    """Which of SHARDS partitions holds a contact: 0 to 63, ascending with the id."""
    return int(contact_id[:2], 16) >> _SHARD_SHIFT


def first_id(shard: int) -> str:
    """The digits with which the ids of a shard begin: those before sort before it, all of its own after it."""
    return f"{shard << _SHARD_SHIFT:02x}"


def digest_of(text: str) -> str:
    """16 hex digits that stand for a text where it would be too long; no secret, and no proof of anything."""
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
