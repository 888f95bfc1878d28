"""One person, forgotten: the contact, its history, and every file of a run that mentions them.

    POST /v1/erasures ─→ whom to look for, in the bucket ─→ Erasure stored ─→ EraseDue ─→ erase: stretch by stretch
                                                                                     first: whom else, as runs tell

Text by which a person is found lies in the bucket for as long as the work lasts; its record holds keyed hashes. What
remains, and for how long, is in docs/privacy.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from typing import Any, NamedTuple

import orjson

from contactsync.control import Control
from contactsync.control.clearing import clear_all, pages
from contactsync.core import checking
from contactsync.core.identity import card_mark, email_key
from contactsync.core.identity import contact_id as slot_of
from contactsync.core.redacting import (
    Person,
    decisions_without,
    refusals_without,
    report_without,
    text_lines,
)
from contactsync.core.timestamps import timestamp
from contactsync.errors import Busy, Conflict, InvalidRequest, NotFound, Problem
from contactsync.journeys.account import stretches
from contactsync.journeys.account.exporting import folder as exports_of
from contactsync.journeys.asked import recounting
from contactsync.journeys.asked.addressing import Addresses
from contactsync.journeys.asked.asking import World, derived_id
from contactsync.journeys.asked.deciding import withdrawn
from contactsync.journeys.book.album import Album
from contactsync.journeys.file.runfiles import RunFiles, batches
from contactsync.model.account import Caller
from contactsync.model.connection import Link, read_link
from contactsync.model.contact import Alias, Contact, Slot, Tombstone
from contactsync.model.long_work import Erasure
from contactsync.model.request import ErasureRequest
from contactsync.ports import Clock, ContactStore, Delete, Objects, Put, RecordKey, Remove, Write

DUE = stretches.Due("EraseDue", "erasure_id")
TOLD = timedelta(days=30)
"""How long one can ask how an erasure went."""
REMEMBERED = timedelta(days=36)
"""A day longer than tables can be brought back from a backup: until then an erasure may have to be done again."""
RUNS_A_STRETCH = 20
RECORDS_A_STRETCH = 1000
READ_BYTES = 1 << 20
STAGES = ("earlier", "contact", "history", "books", "answers", "runs", "exports", "done")
NEVER_READ = frozenset({"source", "text", "records", "paste"})


@dataclass(frozen=True, slots=True)
class Stores:
    """Everything that remembers, for those who make it forget."""

    control: Control
    contacts: ContactStore
    runs: Objects
    uploads: Objects
    photos: Objects
    clock: Clock


def ask_for_erasure(world: World, caller: Caller, body: Mapping[str, Any], seed: str) -> Erasure:
    """Begin to forget a person. Raises NotFound, and Conflict while runs are under way."""
    request = checking.parse(ErasureRequest, body)
    if (request.contact_id is None) == (request.email is None):
        raise InvalidRequest([Problem("", "Name the person by contact_id, or else by email.")])
    if request.email is not None and "@" not in request.email:  # would end well, and have found nobody
        raise InvalidRequest(
            [Problem("/email", "There is no @: an email address looks like name@example.com.")]
        )
    erasure_id = derived_id(seed, "erasure")
    key = key_of(caller.account_id, erasure_id)
    if (stored := world.control.records.get(key)) is not None:
        erasure = Erasure.model_validate(stored.document)  # this request was here before
        stretches.call(world.bus, DUE, erasure)
        return erasure
    if under_way := world.control.open_runs(caller.account_id):
        raise Conflict(
            "runs_under_way",
            "Runs are under way, and may be about to bring the person back.",
            f"Wait for them to end, or cancel them; the first is {under_way[0].id}.",
        )
    contact_id, texts, numbers = _whom(world, caller, request)
    now = world.clock.now()
    erasure = Erasure(
        id=erasure_id,
        account_id=caller.account_id,
        kind="person",
        ids=(contact_id,),
        requested_at=timestamp(now),
        requested_by=f"member:{caller.member_id}",
        touched_at=timestamp(now),
        forget_at=int((now + TOLD).timestamp()),
    )
    world.runs.put(_texts_of(erasure), orjson.dumps([texts, numbers]))
    stretches.store(world.control, key, erasure)
    stretches.call(world.bus, DUE, erasure)
    return erasure


def read_erasure(world: World, caller: Caller, erasure_id: str) -> Erasure:
    """How far an erasure is. Raises NotFound."""
    stored = world.control.records.get(key_of(caller.account_id, erasure_id))
    if stored is None:
        raise NotFound
    erasure = Erasure.model_validate(stored.document)
    stretches.remind(world.bus, DUE, erasure, world.clock.now())
    return erasure


def key_of(account_id: str, erasure_id: str) -> RecordKey:
    """Where an erasure's record lies."""
    return RecordKey(account_id, f"erasure#{erasure_id}")


def erase_again(stores: Stores, account_id: str) -> int:
    """After tables were brought back from a backup: empty the slots of everybody who was forgotten since.

    Returns how many slots had been filled again. Needs the records `erased#` as they were before the restore.
    """
    emptied = 0
    for page in pages(stores.control.records, account_id, "erased#"):
        ids = [record.key.name.removeprefix("erased#") for record in page]
        emptied += _empty(stores, account_id, ids, f"again:{timestamp(stores.clock.now())}")
        Album(stores.photos, account_id).forget(ids)
        for each in ids:
            clear_all(stores.control.records, account_id, f"edit#{each}#")
    return emptied


def person_stretch(erasure: Erasure, stores: Stores) -> Erasure:
    """The next bounded part of forgetting a person."""
    match STAGES[erasure.stage]:
        case "earlier":
            after = _look_back(erasure, stores)
            return after if after.stage == erasure.stage else person_stretch(after, stores)
        case "contact":
            _remember(erasure, stores)
            emptied = _empty(stores, erasure.account_id, erasure.ids, erasure.id)
            pictures = Album(stores.photos, erasure.account_id).forget(erasure.ids)
            return _next(erasure, contacts=emptied, files=pictures)
        case "history":
            for each in erasure.ids:
                clear_all(stores.control.records, erasure.account_id, f"edit#{each}#")
            return _next(erasure)
        case "books":
            _forget_in_books(erasure, stores)
            return _next(erasure)
        case "answers":
            return _forget_answers(erasure, stores)
        case "runs":
            return _through_runs(erasure, stores)
        case "exports":
            keys = list(stores.runs.keys(exports_of(erasure.account_id)))
            stores.runs.delete(keys)
            clear_all(stores.control.records, erasure.account_id, "export#")
            return _next(erasure, files=erasure.files + len(keys))
        case _:
            stores.runs.delete([_texts_of(erasure)])
            return erasure.model_copy(update={"status": "succeeded"})


def _next(erasure: Erasure, **found: int) -> Erasure:
    return erasure.model_copy(update={"stage": erasure.stage + 1, "position": None, **found})


# Whom to look for


def _whom(world: World, caller: Caller, request: ErasureRequest) -> tuple[str, list[str], list[str]]:
    """The first slot, the email addresses and the numbers of the person. Raises NotFound for an id that nobody has."""
    addresses = Addresses(world, caller.account_id)
    emails = [request.email.strip()] if request.email else []
    first = request.contact_id or addresses.slot(emails[0])
    slot = world.contacts.slots(caller.account_id, [first]).get(first)
    if slot is None and request.contact_id is not None:
        raise NotFound
    contact = slot if isinstance(slot, Contact) else addresses.contact(emails[0]) if emails else None
    contact_id = contact.id if contact else first
    values = [contact.fields] if contact else []
    for page in pages(world.control.records, caller.account_id, f"edit#{contact_id}#"):
        for record in page:
            values += _sides(record.document["changes"])
    return contact_id, list(dict.fromkeys([*emails, *_emails(values)])), _numbers(values)


def _look_back(erasure: Erasure, stores: Stores) -> Erasure:
    """What the person was found by before, as far as runs tell, some of them at a time: it is looked for as well."""
    contact_id, values, following = erasure.ids[0], [], None
    with suppress(NotFound):  # known by an address only, or emptied by whoever died over this stretch
        page = recounting.history(
            stores, erasure.account_id, contact_id, after=erasure.position, limit=recounting.CHANGES_A_PAGE
        )
        values, following = [side for change in page.items for side in _sides(change.changes)], page.next
    texts, numbers = orjson.loads(stores.runs.get(_texts_of(erasure)))
    texts = list(dict.fromkeys([*texts, *_emails(values)]))
    numbers = [] if texts else list(dict.fromkeys([*numbers, *_numbers(values)]))
    stores.runs.put(_texts_of(erasure), orjson.dumps([texts, numbers]))
    secret = bytes.fromhex(stores.control.account(erasure.account_id).identity_secret)
    slots = [*erasure.ids, *(slot_of(secret, "email", email_key(email)) for email in texts)]
    ids = _theirs(stores.contacts, erasure.account_id, contact_id, slots)
    after = erasure.model_copy(update={"ids": ids, "position": following})
    return after if following else _next(after)


def _theirs(
    contacts: ContactStore, account_id: str, contact_id: str, slots: Sequence[str]
) -> tuple[str, ...]:
    """The contact's slot, and those of the others that are its own, each once."""
    ids = list(dict.fromkeys([contact_id, *slots]))
    found = contacts.slots(account_id, ids)
    return tuple(id_ for id_ in ids if contact_id in (id_, _holder(found.get(id_), contact_id)))


def _holder(slot: Slot | None, contact_id: str) -> str:
    """Whose slot it is: of an address that several share it may be somebody else's. One that nobody has is theirs."""
    if isinstance(slot, Alias):
        return slot.contact_id
    return slot.id if isinstance(slot, Contact) else contact_id


def _sides(changes: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """The fields that a change touched, before it and after it."""
    return [{key: sides[side] for key, sides in changes.items()} for side in (0, 1)]


def _emails(values: Sequence[Mapping[str, Any]]) -> list[str]:
    return [entry["value"] for each in values for entry in each.get("emails") or ()]


def _numbers(values: Sequence[Mapping[str, Any]]) -> list[str]:
    found = (
        number
        for each in values
        for entry in each.get("phones") or ()
        for number in (entry["value"], entry.get("text"))
        if number
    )
    return list(dict.fromkeys(found))


def _texts_of(erasure: Erasure) -> str:
    return f"erasures/{erasure.account_id}/{erasure.id}"


def unfinished(stores: Stores) -> Iterator[Erasure]:
    """Erasures of persons that have not come to their end: until then lies there whom each looks for."""
    for key in stores.runs.keys("erasures/"):
        _, account_id, erasure_id = key.split("/")
        stored = stores.control.records.get(key_of(account_id, erasure_id))
        if stored is not None:
            yield Erasure.model_validate(stored.document)


def _person(erasure: Erasure, runs: Objects) -> Person:
    texts, numbers = orjson.loads(runs.get(_texts_of(erasure)))
    return Person(erasure.ids, texts, numbers)


# The contact, its history, what was answered


def _remember(erasure: Erasure, stores: Stores) -> None:
    """Keep the hashes, without anything that can be read, for as long as a backup could bring the person back."""
    now = stores.clock.now()
    document, expires_at = {"at": timestamp(now)}, int((now + REMEMBERED).timestamp())
    for each in erasure.ids:
        key = RecordKey(erasure.account_id, f"erased#{each}")
        stored = stores.control.records.get(key)
        stores.control.records.commit([Put(key, document, stored.version if stored else 0, expires_at)])


def _empty(stores: Stores, account_id: str, ids: Sequence[str], change: str) -> int:
    """Empty those slots that are theirs; returns how many. Raises Busy if somebody writes there meanwhile."""
    found = stores.contacts.slots(account_id, ids)
    writes: list[Write] = [
        Remove(slot.id, slot.version)
        for slot in found.values()
        if isinstance(slot, Contact | Tombstone) or slot.contact_id in ids
    ]
    if not writes:
        return 0
    gone = sum(isinstance(slot, Contact) for slot in found.values())
    if gone:  # before they go: whoever dies after that finds nobody to count
        stores.control.note_contacts(account_id, change, -gone, now=stores.clock.now())
    stores.control.set_marker(account_id, f"erasing:{timestamp(stores.clock.now())}")
    if not all(done for _, done in stores.contacts.write(account_id, writes)):
        raise Busy("A contact was changed while it was to be forgotten.")
    stores.control.set_marker(account_id, f"erased:{timestamp(stores.clock.now())}")
    return len(writes)


def _forget_in_books(erasure: Erasure, stores: Stores) -> None:
    """What was agreed with address books: boxes, links, and creations that were begun. The cards are not ours.

    They stay where they are, and a complete list would bring the person back: their marks say that they stay out.
    """
    person = _person(erasure, stores.runs)
    secret = bytes.fromhex(stores.control.account(erasure.account_id).identity_secret)
    for each in erasure.ids:
        stores.control.forget_boxes(erasure.account_id, each)
    for connection in stores.control.connections(erasure.account_id):
        place = erasure.account_id, connection.id
        for found in _in_book(erasure, stores, "#".join(place), person):
            if found.waiting:
                stores.control.note_changes(place[0], erasure.id, stores.clock.now(), contacts=found.waiting)
            marks = [card_mark(secret, card) for card in found.card if card]
            stores.control.erase_card(*place, marks, erasure.ids, found.records)


class _Remembered(NamedTuple):
    """Of the person in a book: records that go together, what the card is known by, and contacts that waited for it."""

    records: list[str]
    card: list[str]
    waiting: list[str]


def _in_book(erasure: Erasure, stores: Stores, book: str, person: Person) -> Iterator[_Remembered]:
    records = stores.control.records
    for page in pages(records, book, "card#"):
        for record in page:
            link = read_link(record.document)
            if _is_theirs(link, erasure, stores.contacts, person):
                names = [record.key.name, f"frozen#{link.key}", f"contact#{link.contact_id}"]
                yield _Remembered(names, [link.id, link.marker], [])
    for prefix in ("review#", "intent#"):
        for page in pages(records, book, prefix):
            for name, document in ((record.key.name, record.document) for record in page):
                if person.is_in(orjson.dumps(document)):
                    marker = name.removeprefix("intent#") if prefix == "intent#" else ""
                    card = [document.get("card_id", ""), marker]
                    yield _Remembered([name], card, document.get("contacts", []))


def _is_theirs(link: Link, erasure: Erasure, contacts: ContactStore, person: Person) -> bool:
    """Whether a link is the person's. That of somebody who is here may mention an address that both have."""
    id_ = link.contact_id
    if id_ in erasure.ids or not person.is_in(orjson.dumps(link.document())):
        return id_ in erasure.ids
    return not isinstance(contacts.slots(erasure.account_id, [id_]).get(id_), Contact)


def _forget_answers(erasure: Erasure, stores: Stores) -> Erasure:
    """Answers that are kept to be repeated, as far as they show the person."""
    person = _person(erasure, stores.runs)
    records = stores.control.records
    page = records.page(erasure.account_id, "idempotency#", after=erasure.position, limit=RECORDS_A_STRETCH)
    for record in page.records:
        if person.is_in(orjson.dumps(record.document)):
            records.commit([Delete(record.key, record.version)])
    return erasure.model_copy(update={"position": page.next}) if page.next else _next(erasure)


# Files of runs


def _through_runs(erasure: Erasure, stores: Stores) -> Erasure:
    """The next runs: each whose files mention the person is kept without them."""
    person = _person(erasure, stores.runs)
    base = f"runs/{erasure.account_id}/"
    later = (
        each for each in stores.runs.folders(base) if erasure.position is None or each > erasure.position
    )
    folders = list(islice(later, RUNS_A_STRETCH))
    for folder in folders:
        lines, files, found = _redact(stores, erasure.account_id, folder, person)
        erasure = erasure.model_copy(
            update={
                "runs": erasure.runs + found,
                "lines": erasure.lines + lines,
                "files": erasure.files + files,
            }
        )
    if len(folders) < RUNS_A_STRETCH:
        return _next(erasure)
    return erasure.model_copy(update={"position": folders[-1]})


def _redact(stores: Stores, account_id: str, folder: str, person: Person) -> tuple[int, int, bool]:
    """Lines that were replaced, files that were deleted, and whether the run had mentioned the person.

    Of a run that was never read nobody can tell whom its bytes are about: they go, and its upload. One that found its file
    as another run has kept it is about whom that one is about. Doing it twice does no harm.
    """
    run_id = folder.rstrip("/").rpartition("/")[2]
    objects, names = stores.runs, [key.removeprefix(folder) for key in stores.runs.keys(folder)]
    mentioned = any(_mentions(objects, folder + name, person) for name in names)
    if not mentioned:
        unread = [] if "manifest.json" in names else [name for name in names if name in NEVER_READ]
        if unread:
            _forget_upload(stores, account_id, run_id)
        objects.delete(folder + name for name in unread)
        return 0, len(unread), False
    _withdraw(stores, account_id, run_id)
    told = [name for name in names if name.endswith(".json") or _is_rewritten(name)]
    gone = [name for name in names if name not in told]
    objects.delete(folder + name for name in gone)  # first: what is rewritten shows that these have to go
    lines = 0
    for name in filter(_is_rewritten, names):
        if name == "rejects.csv":
            lines += _report_rewritten(objects, folder + name, person)
        else:
            lines += _rewritten(objects, folder + name, person, refusals=name.startswith("rejects/"))
    return lines, len(gone), True


def _is_rewritten(name: str) -> bool:
    """Whether a file is kept, without the person. JSON holds counts and digests only; all else is deleted."""
    return name == "rejects.csv" or (
        name.endswith(".jsonl") and name.partition("/")[0] in {"plan", "upsert", "held", "rejects"}
    )


def _mentions(objects: Objects, key: str, person: Person) -> bool:
    """Whether a file mentions the person; memory: two blocks."""
    rest = b""
    with objects.open(key) as stream:
        while data := stream.read(READ_BYTES):
            if person.is_in(rest + data):
                return True
            rest = (rest + data)[-person.longest :]
    return False


def _rewritten(objects: Objects, key: str, person: Person, *, refusals: bool) -> int:
    """Write a file of lines anew, where it mentions the person; how many lines did."""
    if not _mentions(objects, key, person):
        return 0
    replaced = 0
    without = refusals_without if refusals else decisions_without
    with objects.writer(key) as out:
        for batch in batches(without(_lines(objects, key), person), 1000):
            out.write(b"".join(line + b"\n" for line, _ in batch))
            replaced += sum(found for _, found in batch)
    return replaced


def _report_rewritten(objects: Objects, key: str, person: Person) -> int:
    if not _mentions(objects, key, person):
        return 0
    left_out = 0
    with objects.writer(key) as out:
        for batch in batches(report_without(text_lines(_blocks(objects, key)), person), 1000):
            out.write("".join(line for line, _ in batch).encode())
            left_out += sum(found for _, found in batch)
    return left_out


def _lines(objects: Objects, key: str) -> Iterator[bytes]:
    """The lines of a file, of which the last one ends, too."""
    rest = b""
    for data in _blocks(objects, key):
        *lines, rest = (rest + data).split(b"\n")
        yield from lines


def _blocks(objects: Objects, key: str) -> Iterator[bytes]:
    with objects.open(key) as stream:
        while data := stream.read(READ_BYTES):
            yield data


def _withdraw(stores: Stores, account_id: str, run_id: str) -> None:
    """The run's plan is not what somebody has looked at any more: it cannot be carried out. Its upload goes too."""
    with suppress(NotFound):
        stores.control.update_run(account_id, run_id, withdrawn)
        _forget_upload(stores, account_id, run_id)


def _forget_upload(stores: Stores, account_id: str, run_id: str) -> None:
    """The file that a run has read goes, unless it is as an earlier run has kept it and may keep it."""
    with suppress(NotFound):
        run = stores.control.run(account_id, run_id).value
        sync = stores.control.sync(account_id, run.sync_id).value
        upload_id = run.upload_id or sync.source.get("upload_id")
        same = RunFiles(stores.runs, account_id, run.same_as).source if run.same_as else None
        stays = run.undoes is not None or (same is not None and stores.runs.size(same) is not None)
        if upload_id and not stays:
            stores.uploads.delete([f"uploads/{account_id}/{upload_id}"])
