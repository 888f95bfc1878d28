"""What holds after every run, whatever went wrong in it: one function each, named by what is broken where it fails."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any, get_args

from contactsync.core.decisions import Decision, Delete, Update, Writing, read_decision
from contactsync.core.identity import SHARDS, contact_id, identity_key
from contactsync.journeys.file.reading import CLAIM_S
from contactsync.journeys.file.runfiles import Stage
from contactsync.model.contact import Alias, Contact, Slot, Tombstone
from contactsync.model.run import OPEN_STATUSES, Run
from contactsync.ports import Record
from tests.support.bookworld import BookWorld
from tests.support.world import World

Outcome = dict[str, object]
UNITS = 8
"""No workload has more."""


def slots(world: World, account_id: str = "") -> Iterator[Slot]:
    """All that is stored of an account's contacts; of the world's customer if none is named."""
    for shard in range(SHARDS):
        yield from world.contacts.scan(account_id or world.account.account_id, shard)


def outcome(world: World) -> Outcome:
    """All that is stored, save versions of aliases and how often those were claimed; and what the address book holds."""
    stored: Outcome = {
        slot.id: ("alias of", slot.contact_id) if isinstance(slot, Alias) else slot for slot in slots(world)
    }
    if isinstance(world, BookWorld):
        people = {slot.id: (slot.fields, slot.segments) for slot in slots(world) if isinstance(slot, Contact)}
        stored = {"people": people, **{connection: _side(world, connection) for connection in world.books}}
    return stored


def _side(world: BookWorld, connection: str) -> object:
    """What one address book holds, and what is known of it."""
    cards = world.books[connection].cards()
    held = sorted(repr(sorted(card.fields.items())) for card in cards.values())
    links = world.links(connection)
    return held, {id_: (link.state, link.agreed, link.seen, link.id in cards) for id_, link in links.items()}


def records(world: World, account_id: str = "") -> Iterator[Record]:
    """Every record of an account."""
    after = None
    while True:
        page = world.records.page(account_id or world.account.account_id, "", after=after, limit=1000)
        yield from page.records
        after = page.next
        if after is None:
            return


def digest(world: World, account_id: str) -> str:
    """A hash over all that is stored of an account."""
    told = [repr(slot) for slot in slots(world, account_id)]
    told += [repr((record.key, record.version, record.document)) for record in records(world, account_id)]
    return hashlib.sha256("\n".join(told).encode()).hexdigest()


def stored_is_what_was_meant(world: World, wanted: Outcome, where: str) -> None:
    """The outcome is that of an undisturbed world."""
    assert outcome(world) == wanted, f"{where}: stored is not what was meant"


def one_record_a_key(world: World, where: str) -> None:
    """No two contacts under one address, no address out of reach; no two links to one card, or cards of one marker."""
    stored = {slot.id: slot for slot in slots(world)}
    secret = bytes.fromhex(world.control.account(world.account.account_id).identity_secret)
    if isinstance(world, BookWorld):
        for connection, book in world.books.items():
            linked = [link.id for link in world.links(connection).values()]
            assert len(linked) == len(set(linked)), f"{where}: two links to one card"
            markers = [card.marker for card in book.cards().values() if card.marker]
            assert len(markers) == len(set(markers)), f"{where}: a card was made twice"
        return
    holders: dict[str, str] = {}
    for slot in stored.values():
        if isinstance(slot, Contact) and slot.fields.get("emails"):
            address = contact_id(secret, "email", identity_key("email", slot.fields["emails"][0]["value"]))
            assert holders.setdefault(address, slot.id) == slot.id, f"{where}: two contacts, one address"
    for slot in stored.values():
        if isinstance(slot, Alias) and world.clock.now().timestamp() - slot.claimed_at < CLAIM_S:
            assert holders.get(slot.id) == slot.contact_id, f"{where}: an address is out of reach"
    for address, holder in holders.items():
        there = stored.get(address)
        owner = there.contact_id if isinstance(there, Alias) else there.id if there else None
        assert owner == holder, f"{where}: an address is unprotected"


def no_unproven_deletion(world: World, before: Iterable[Slot], where: str) -> None:
    """Whoever is gone went by a run whose guard let it, over a source that was read to its end."""
    now = {slot.id: slot for slot in slots(world)}
    for was in before:
        slot = now.get(was.id)
        if not isinstance(was, Contact) or isinstance(slot, Contact):
            continue
        assert isinstance(slot, Tombstone), f"{where}: gone, and nobody says by whom"
        run = world.control.run(world.account.account_id, slot.deleted_by.removeprefix("run:")).value
        free = run.verdict is not None and run.verdict.kind == "go"
        assert free or run.approved or run.undoes, f"{where}: deleted past the guard"
        book = world.control.sync(run.account_id, run.sync_id).value.connection_id
        whole = run.proof or run.undoes or run.planned_already or book
        assert whole, f"{where}: deleted without proof"


def rows_add_up(run: Run, where: str) -> None:
    """Every row has one fate."""
    assert run.counts.rows == run.counts.settled, f"{where}: rows do not add up"


def others_are_untouched(world: World, other: str, was: str, where: str) -> None:
    """Nothing of another account has changed."""
    assert digest(world, other) == was, f"{where}: another account has changed"


def at_rest(world: World, run: Run, where: str) -> None:
    """The run has ended, and nothing is held for it: no sync, no turn, no address book, no waiting file."""
    control, account = world.control, run.account_id
    assert run.status not in OPEN_STATUSES, f"{where}: the run is {run.status}"
    assert control.sync(account, run.sync_id).value.active_run is None, f"{where}: the sync is held"
    left = [record.key.name for record in records(world, account)]
    held = [name for name in left if name.startswith(("open_run#", "waiting#"))]
    assert not held, f"{where}: somebody waits: {held}"
    for connection in world.books if isinstance(world, BookWorld) else ():
        book = [record.key.name for record in records(world, f"{account}#{connection}")]
        held = [name for name in book if name == "lease" or name.startswith("intent#")]
        assert not held, f"{where}: the address book is held: {held}"


def all_is_told(world: World, before: Iterable[Slot], where: str) -> None:
    """Of whoever was changed or is gone, the files of a run say so, or the record of an edit, with what was there before."""
    now = {slot.id: slot for slot in slots(world)}
    images: dict[str, list[Any]] = {}
    for run in runs(world):
        for decision in decisions(world, run):
            if isinstance(decision, Delete):
                images.setdefault(decision.target, []).append(decision.contact.fields)
            elif isinstance(decision, Update):
                was = {key: pair[0] for key, pair in decision.changes.items()}
                images.setdefault(decision.target, []).append(was)
    for record in records(world):
        kind, _, name = record.key.name.partition("#")
        if kind == "edit":
            was = {key: pair[0] for key, pair in record.document["changes"].items()}
            images.setdefault(name.partition("#")[0], []).append(was)
    for slot in before:
        if not isinstance(slot, Contact):
            continue
        there = now.get(slot.id)
        if there is None or isinstance(there, Tombstone):
            assert slot.fields in images.get(slot.id, []), f"{where}: a deletion leaves no trace"
        elif isinstance(there, Contact) and there.fields != slot.fields:
            changed = {key for key in slot.fields if there.fields.get(key) != slot.fields[key]}
            told = images.get(slot.id, [])
            for key in changed:
                assert any(each.get(key) == slot.fields[key] for each in told), (
                    f"{where}: a change leaves no trace"
                )


def runs(world: World) -> Iterator[Run]:
    """Every run of the customer."""
    for record in world.records.page(world.account.account_id, "run#", limit=1000).records:
        yield Run.model_validate(record.document)


def decisions(world: World, run: Run) -> Iterator[Decision]:
    """All that a run has decided to write, planned or anew."""
    files = world.files(run)
    stages: tuple[Stage, ...] = get_args(Stage)
    for unit in range(UNITS):
        lines = chain(
            files.plan_lines(unit),
            *(files.deviations(unit, stage) for stage in stages),
        )
        yield from (each for each in map(read_decision, lines) if isinstance(each, Writing))
