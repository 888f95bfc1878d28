"""A static segment: a name under which some contacts are kept together."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from contactsync.model.deferred import Deferred


class Segment(Deferred):
    """One segment of an account. Who is a member stands with the contact, not here."""

    model_config = ConfigDict(frozen=True)

    id: str
    name: str = Field(min_length=1, max_length=200)
    created_at: str
    created_by: str
