"""What a contact field is: the standard ones, and the shape of an account's own."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from contactsync.model.forms import FIELD_KEY

FieldType = Literal[
    "text", "email", "phone", "url", "date", "integer", "decimal", "boolean", "choice", "address"
]


KEY = re.compile(FIELD_KEY)
"""What may be a field's key."""


class FieldSpec(BaseModel):
    """One field of a contact. `key` is how mappings, the API and storage call it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str = Field(pattern=FIELD_KEY, description="Lower-case letters, digits and underscores.")
    label: str = Field(min_length=1, max_length=200)
    type: FieldType
    list: bool = False
    choices: tuple[str, ...] = ()
    required: bool = Field(
        default=False, description="Every import has to map it, and no row may leave it empty."
    )
    built_in: bool = False


def _standard(key: str, label: str, type_: FieldType = "text", *, is_list: bool = False) -> FieldSpec:
    return FieldSpec(key=key, label=label, type=type_, list=is_list, built_in=True)


STANDARD_FIELDS: dict[str, FieldSpec] = {
    spec.key: spec
    for spec in (
        _standard("name", "Name"),
        _standard("given_name", "Given name"),
        _standard("family_name", "Family name"),
        _standard("middle_name", "Middle name"),
        _standard("prefix", "Prefix"),
        _standard("suffix", "Suffix"),
        _standard("nickname", "Nickname"),
        _standard("email", "Email", "email"),
        _standard("emails", "Emails", "email", is_list=True),
        _standard("phone", "Phone", "phone"),
        _standard("phones", "Phones", "phone", is_list=True),
        _standard("address", "Address", "address"),
        _standard("addresses", "Addresses", "address", is_list=True),
        _standard("url", "Website", "url"),
        _standard("urls", "Websites", "url", is_list=True),
        _standard("organization", "Organization"),
        _standard("department", "Department"),
        _standard("job_title", "Job title"),
        _standard("birthday", "Birthday", "date"),
        _standard("notes", "Notes"),
        _standard("photo", "Photo", "url"),
    )
}

NAME_PARTS = ("family_name", "given_name", "middle_name", "prefix", "suffix")
"""What a name consists of, in the order in which a card has it."""

PRIMARIES: dict[str, str] = {"email": "emails", "phone": "phones", "address": "addresses", "url": "urls"}
"""The singular key reads and writes the first value of the list: its primary."""
LISTS = frozenset(PRIMARIES.values())
