"""The account's own fields: added, changed or taken away, and what that would do, told before it is done.

A field that a sync maps, or finds contacts by, is kept. The values that contacts have in a field, or of a choice, that
goes stay with them until somebody empties them, so nothing is lost by a mistake; that there are any must be confirmed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson

from contactsync.control import new_id
from contactsync.core import checking
from contactsync.errors import Conflict, InvalidRequest, NotFound, Problem
from contactsync.journeys.asked.asking import World, one_a_place
from contactsync.model.account import Caller
from contactsync.model.contact import Contact
from contactsync.model.field import STANDARD_FIELDS, FieldSpec
from contactsync.model.request import FieldChange, FieldRequest
from contactsync.model.sync import Sync
from contactsync.ports import Delete, Put, Record, RecordKey

LOOKED_AT_MAX = 20_000
"""Contacts that are gone through to count the values, while somebody waits."""
READ_AT_ONCE = 1_000
MAX_CHOICES_BYTES = 100_000
"""A record of the control table holds 400 KB, and every field of the account is read with each import."""


@dataclass(frozen=True, slots=True)
class Effects:
    """What a change would do.

    `contacts` have a value that it concerns, counted among the first `looked_at`; `all_seen` if these are all.
    `syncs` map the field, or find contacts by it. `stopped` are those whose runs would fail, as they do not map a field
    that becomes required.
    """

    contacts: int
    looked_at: int
    all_seen: bool
    syncs: tuple[str, ...]
    stopped: tuple[str, ...] = ()


def create_field(world: World, caller: Caller, body: Mapping[str, Any]) -> FieldSpec:
    """Add a field of the account's own. Raises Conflict if the key is taken."""
    request, problems = checking.check(FieldRequest, body)
    kind, choices = body.get("type"), body.get("choices")
    if kind == "choice" and not choices:
        problems.append(Problem("/choices", "A choice needs at least one value to choose."))
    if kind != "choice" and choices:
        problems.append(Problem("/choices", "Only a field of the type choice has choices."))
    if request is not None:
        problems += too_long(request.choices)
    if request is None or problems:
        raise InvalidRequest(one_a_place(problems))
    spec = FieldSpec(**request.model_dump())
    if spec.key in world.control.fields(caller.account_id):
        raise Conflict(
            "field_exists", f"There is a field {spec.key} already.", "Choose another key, or use that field."
        )
    world.control.create_field(caller.account_id, spec)
    return spec


def too_long(choices: Sequence[str]) -> list[Problem]:
    """What is wrong with a field's choices if they are too long to be stored."""
    if len(orjson.dumps(choices)) <= MAX_CHOICES_BYTES:
        return []
    message = f"The choices are longer than {MAX_CHOICES_BYTES:,} bytes together: shorten them."
    return [Problem("/choices", message)]


def change_field(
    world: World, caller: Caller, key: str, body: Mapping[str, Any], *, dry_run: bool, confirm: bool
) -> tuple[FieldSpec, Effects]:
    """Change label, choices, or whether the field is required.

    Raises Conflict where contacts have a choice that would go, unless that is confirmed.
    """
    record = _record(world, caller, key)
    spec = FieldSpec.model_validate(record.document)
    request, problems = checking.check(FieldChange, body)
    if (
        request is not None
        and request.choices is not None
        and (spec.type == "choice") != bool(request.choices)
    ):
        message = (
            "A choice needs at least one value to choose."
            if spec.type == "choice"
            else "Only a field of the type choice has choices."
        )
        problems.append(Problem("/choices", message))
    if request is not None:
        problems += too_long(request.choices or ())
    if request is None or problems:
        raise InvalidRequest(problems)
    changed = spec.model_copy(update=request.model_dump(exclude_none=True))
    gone = set(spec.choices) - set(changed.choices)
    effects = Effects(0, 0, all_seen=True, syncs=_syncs(world, caller, key))
    if gone:
        effects = _effects(world, caller, key, lambda value: _holds(value, gone))
    if changed.required and not spec.required:
        effects = replace(effects, stopped=_stopped(world, caller, key))
    if dry_run:
        return changed, effects
    if gone and not confirm and _concerns(effects):
        raise Conflict(
            "choice_in_use",
            f"{_said(effects)} one of the choices that would go.",
            "Their values would stay until somebody changes them. Send it again with ?confirm=true to do it.",
        )
    typed = world.control.marking(caller.account_id, f"field:{new_id(world.clock.now())}")
    world.control.records.commit([Put(record.key, changed.model_dump(mode="json"), record.version), typed])
    return changed, effects


def delete_field(world: World, caller: Caller, key: str, *, dry_run: bool, confirm: bool) -> Effects:
    """Take a field away. Raises Conflict while syncs use it, or where contacts have values, unless confirmed."""
    record = _record(world, caller, key)
    effects = _effects(world, caller, key, lambda value: value is not None)
    if dry_run:
        return effects
    if effects.syncs:
        raise Conflict(
            "field_in_use",
            "Syncs map this field or find contacts by it.",
            f"Take it out of their mappings first: {', '.join(effects.syncs[:10])}.",
        )
    if not confirm and _concerns(effects):
        raise Conflict(
            "field_has_values",
            f"{_said(effects)} a value in this field.",
            "The values would stay with the contacts until somebody empties them. Send it again with "
            "?confirm=true to do it.",
        )
    world.control.records.commit([Delete(record.key, record.version)])
    return effects


def _record(world: World, caller: Caller, key: str) -> Record:
    if key in STANDARD_FIELDS:
        raise Conflict(
            "built_in_field", "This is a standard field.", "Only the account's own fields can be changed."
        )
    record = world.control.records.get(RecordKey(caller.account_id, f"field#{key}"))
    if record is None:
        raise NotFound
    return record


def _effects(world: World, caller: Caller, key: str, concerns: Callable[[Any], bool]) -> Effects:
    after = None
    found = looked_at = 0
    while looked_at < LOOKED_AT_MAX:
        page = world.contacts.page(caller.account_id, after=after, limit=READ_AT_ONCE)
        found += sum(concerns(_value(contact, key)) for contact in page.contacts)
        looked_at += len(page.contacts)
        after = page.next
        if after is None:
            break
    return Effects(found, looked_at, all_seen=after is None, syncs=_syncs(world, caller, key))


def _value(contact: Contact, key: str) -> Any:
    return contact.fields.get(key)


def _holds(value: Any, choices: set[str]) -> bool:
    if isinstance(value, list):
        return any(entry["value"] in choices for entry in value)
    return value in choices if isinstance(value, str) else False


def _syncs(world: World, caller: Caller, key: str) -> tuple[str, ...]:
    syncs = world.control.every_sync(caller.account_id)
    return tuple(sync.id for sync in syncs if sync.deleted_at is None and _uses(sync, key))


def _stopped(world: World, caller: Caller, key: str) -> tuple[str, ...]:
    """The syncs of files that lack this field; of an export only its file can tell."""
    return tuple(
        sync.id
        for sync in world.control.every_sync(caller.account_id)
        if sync.deleted_at is None
        and not sync.connection_id
        and not _maps(sync, key)
        and (sync.mapping or sync.format.kind != "export")
    )


def _uses(sync: Sync, key: str) -> bool:
    return sync.identity.field == key or _maps(sync, key)


def _maps(sync: Sync, key: str) -> bool:
    return any(rule.field.partition(".")[0] == key for rule in sync.mapping)


def _concerns(effects: Effects) -> bool:
    return bool(effects.contacts) or not effects.all_seen


def _said(effects: Effects) -> str:
    have = "has" if effects.contacts == 1 else "have"
    if effects.all_seen:
        return f"{effects.contacts:,} {'contact' if effects.contacts == 1 else 'contacts'} {have}"
    return f"{effects.contacts:,} of the first {effects.looked_at:,} contacts {have}"
