"""What every ContactStore must do. Backends inherit this and give `store`, empty."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import orjson
import pytest

from contactsync.adapters.items import Unstorable
from contactsync.core.identity import SHARDS, shard_of
from contactsync.core.overlay import laid_bare
from contactsync.model.contact import (
    Alias,
    Audit,
    Contact,
    Fields,
    Glimpse,
    Origin,
    Slot,
    Source,
    Tombstone,
    glimpse_of,
)
from contactsync.ports import ContactStore, Insert, Remove, Replace, Write

ACCOUNT = "acc1"
AUDIT = Audit("2026-01-01T00:00:00Z", "run:r1", "2026-01-02T00:00:00Z", "member:m1")

NAUGHTY = {
    "name": "",
    "given_name": "  Ada\tΛ ",
    "family_name": "O'Brien\"; DROP TABLE contacts; -- ? ?",
    "notes": 'line\r\nline\x00nul \u2028 \ufeff 👩‍👩‍👧 e\u0301 é \U0010ffff {"S": "x"}',
    "nickname": "İß",
}
VALUES = {
    "age": 2**63 - 1,
    "balance": -(2**63),
    "zero": 0,
    "vip": True,
    "blocked": False,
    "price": "12.50",
    "empty_list": [],
    "empty_map": {},
    "nothing": None,
    "emails": [{"value": "ada@example.com", "label": "work"}, {"value": "a@example.org", "label": ""}],
    "phones": [{"value": "+442079460018", "label": "", "text": "020 7946 0018"}],
    "address": {"street": "1 High St\nFlat 2", "city": "Zürich", "country": "CH", "lines": ["", "x"]},
}


def contact_id(number: int) -> str:
    return hashlib.blake2b(str(number).encode(), digest_size=16).hexdigest()


def arrival(number: int, fields: bytes) -> bytes:
    """The plan line of a newcomer whose row, hash and contact id follow from one number; `fields` as JSON."""
    return b'["add","%b",%d,"%016x",%b]' % (contact_id(number).encode(), number, number, fields)


def contact(number: int, **fields: object) -> Contact:
    return Contact(
        id=contact_id(number),
        version=1,
        fields={"name": f"Person {number}", **fields},
        audit=AUDIT,
        sources={"sync1": Source("run1", number, f"hash{number}")},
    )


def edited(before: Contact, **fields: object) -> Contact:
    return replace(before, version=before.version + 1, fields=before.fields | fields)


def written(store: ContactStore, *writes: Write, account: str = ACCOUNT) -> list[bool]:
    """The outcomes, in the order of `writes`."""
    outcomes = [(write, done) for write, done in store.write(account, writes)]
    assert len(outcomes) == len(writes)
    by_id = {id(write): done for write, done in outcomes}
    return [by_id[id(write)] for write in writes]


def everything(store: ContactStore, account: str = ACCOUNT) -> list[Slot]:
    return [each for shard in range(SHARDS) for each in store.scan(account, shard)]


def paged(store: ContactStore, limit: int, account: str = ACCOUNT) -> list[Contact]:
    found: list[Contact] = []
    after = None
    while True:
        page = store.page(account, after=after, limit=limit)
        assert len(page.contacts) <= limit
        found += page.contacts
        if page.next is None:
            return found
        assert page.next == page.contacts[-1].id
        after = page.next


class ContactStoreContract:
    def test_what_is_inserted_is_read_back_equal(self, store):
        ada = contact(1, **VALUES)
        assert written(store, Insert(ada)) == [True]
        assert store.get(ACCOUNT, [ada.id]) == {ada.id: ada}
        assert list(store.scan(ACCOUNT, shard_of(ada.id))) == [ada]

    def test_text_survives_byte_for_byte(self, store):
        ada = replace(contact(1), fields=NAUGHTY, audit=replace(AUDIT, updated_by="member:Ω'\""))
        written(store, Insert(ada))
        assert store.get(ACCOUNT, [ada.id])[ada.id] == ada

    def test_numbers_and_booleans_keep_their_types(self, store):
        ada = contact(1, **VALUES)
        written(store, Insert(ada))
        back = store.get(ACCOUNT, [ada.id])[ada.id].fields
        assert {key: type(value) for key, value in back.items()} == {
            key: type(value) for key, value in ada.fields.items()
        }

    def test_a_contact_without_fields_sources_or_segments(self, store):
        bare = Contact(contact_id(1), 1, {}, AUDIT)
        assert written(store, Insert(bare)) == [True]
        assert store.get(ACCOUNT, [bare.id]) == {bare.id: bare}

    def test_segments_come_and_go_with_a_replacement(self, store):
        first = replace(contact(1), segments=("a segment", "b"))
        second = replace(edited(first), segments=())
        third = replace(edited(second), segments=("ü",))
        assert written(store, Insert(first)) == [True]
        assert store.get(ACCOUNT, [first.id])[first.id] == first
        assert written(store, Replace(second)) == [True]
        assert store.get(ACCOUNT, [first.id])[first.id] == second
        assert written(store, Replace(third)) == [True]
        assert store.get(ACCOUNT, [first.id])[first.id] == third

    def test_a_replacement_replaces_every_field(self, store):
        first = contact(1, notes="gone afterwards")
        second = replace(
            first,
            version=2,
            fields={"nickname": "A"},
            sources={"sync2": Source("run2", 2**40, "h")},
            audit=Audit("a", "b", "c", "d"),
        )
        written(store, Insert(first))
        assert written(store, Replace(second)) == [True]
        assert store.get(ACCOUNT, [first.id]) == {first.id: second}

    @pytest.mark.parametrize(
        "origin",
        [
            Origin(AUDIT, "sync1", "run1"),
            Origin(replace(AUDIT, created_by='a"\\\0%b%%', via="m1#c1"), 's"\0ü%d', "r%2", ("a %s", "ü")),
        ],
        ids=["plain", "odd"],
    )
    def test_an_arrival_is_stored_as_an_insert_of_its_contact_would_be(self, store, origin):
        rows: list[Fields] = [
            {"name": "Ada"},
            VALUES,
            NAUGHTY,
            {},
            {"email": "ada@example.com", "url": None},
            {"name": "Zoe"},
        ]
        arrivals = [arrival(n, orjson.dumps(row, option=orjson.OPT_SORT_KEYS)) for n, row in enumerate(rows)]
        assert list(store.bring(ACCOUNT, arrivals, origin)) == []
        assert store.get(ACCOUNT, [contact_id(n) for n in range(len(rows))]) == {
            contact_id(n): origin.contact(contact_id(n), 1, laid_bare(row), n, f"{n:016x}")
            for n, row in enumerate(rows)
        }

    def test_arrivals_are_signed_by_the_run_that_brings_them_whoever_came_before(self, store):
        """A worker stays warm from one run to the next, and serves one customer after the other."""
        first, second = Origin(AUDIT, "sync1", "run1"), Origin(AUDIT, "sync2", "run2", ("guests",))
        turns = [(ACCOUNT, first), (ACCOUNT, second), ("acc2", second), (ACCOUNT, first)]
        for number, (account, origin) in enumerate(turns):
            assert list(store.bring(account, [arrival(number, b'{"name":"Ada"}')], origin)) == []
            signed = origin.contact(contact_id(number), 1, {"name": "Ada"}, number, f"{number:016x}")
            assert store.get(account, [signed.id]) == {signed.id: signed}

    def test_an_arrival_where_somebody_is_writes_nothing(self, store):
        first, origin = contact(1), Origin(AUDIT, "sync1", "run1")
        gone = Tombstone(contact_id(2), 1, "2026-02-01T00:00:00Z", "member:m1", {}, 4102444800)
        written(store, Insert(first), Insert(gone))
        arrivals = [arrival(n, b'{"name":"Zoe"}') for n in (1, 2, 3)]
        assert sorted(store.bring(ACCOUNT, arrivals, origin)) == sorted(arrivals[:2])
        third = origin.contact(contact_id(3), 1, {"name": "Zoe"}, 3, f"{3:016x}")
        assert {slot.id: slot for slot in everything(store)} == {
            each.id: each for each in (first, gone, third)
        }

    def test_of_two_arrivals_of_one_contact_one_is_stored_and_the_other_told(self, store):
        arrivals = [arrival(1, b'{"name":"Ada"}'), arrival(1, b'{"name":"Zoe"}')]
        [late] = store.bring(ACCOUNT, arrivals, Origin(AUDIT, "sync1", "run1"))
        [first] = {*arrivals} - {late}
        [stored] = everything(store)
        assert isinstance(stored, Contact)
        assert stored.fields == orjson.loads(first)[4]

    def test_an_arrival_that_cannot_be_stored_is_named_after_the_others_were_stored(self, store):
        origin = Origin(AUDIT, "sync1", "run1")
        said = [b'{"name":"Ada"}'] * 40 + [b'{"notes":"%b"}' % (b"n" * 410_000), b'{"score":1.5}']
        arrivals = [arrival(n, each) for n, each in enumerate(said)]
        with pytest.raises(Unstorable) as raised:
            list(store.bring(ACCOUNT, arrivals, origin))
        assert set(raised.value.ids) == {contact_id(40), contact_id(41)}
        assert len(store.slots(ACCOUNT, [contact_id(n) for n in range(42)])) == 40

    def test_an_insert_over_a_contact_writes_nothing(self, store):
        first = contact(1)
        written(store, Insert(first))
        assert written(store, Insert(replace(first, fields={"name": "Zoe"}))) == [False]
        assert store.get(ACCOUNT, [first.id]) == {first.id: first}

    @pytest.mark.parametrize("version", [2, 4])
    def test_a_stale_replacement_writes_nothing(self, store, version):
        first = contact(1)
        second = edited(first, name="second")
        written(store, Insert(first))
        written(store, Replace(second))
        assert written(store, Replace(replace(second, version=version, fields={"name": "stale"}))) == [False]
        assert store.get(ACCOUNT, [first.id]) == {first.id: second}

    def test_a_replacement_of_nothing_writes_nothing(self, store):
        assert written(store, Replace(edited(contact(1)))) == [False]
        assert everything(store) == []

    def test_a_removal_removes_the_version_it_names_and_no_other(self, store):
        first = contact(1)
        written(store, Insert(first))
        assert written(store, Remove(first.id, 2)) == [False]
        assert store.get(ACCOUNT, [first.id]) == {first.id: first}
        assert written(store, Remove(first.id, 1)) == [True]
        assert everything(store) == []

    def test_a_removal_of_nothing_counts_as_done(self, store):
        assert written(store, Remove(contact_id(1), 3)) == [True]

    def test_one_stale_write_does_not_stop_its_neighbours(self, store):
        old = [contact(n) for n in range(25)]
        written(store, *map(Insert, old))
        outcomes = written(
            store,
            *(
                Replace(replace(edited(each, name="new"), version=9 if n % 5 == 0 else 2))
                for n, each in enumerate(old)
            ),
        )
        assert outcomes == [n % 5 != 0 for n in range(25)]
        names = store.get(ACCOUNT, [each.id for each in old])
        assert [names[each.id].fields["name"] == "new" for each in old] == outcomes

    def test_kinds_of_write_mix(self, store):
        kept, gone = contact(1), contact(2)
        written(store, Insert(kept), Insert(gone))
        outcomes = written(store, Replace(edited(kept, name="x")), Remove(gone.id, 1), Insert(contact(3)))
        assert outcomes == [True, True, True]
        assert {each.id for each in everything(store)} == {kept.id, contact_id(3)}

    def test_no_writes_are_no_writes(self, store):
        assert written(store) == []
        assert store.get(ACCOUNT, []) == {}

    def test_writes_may_come_from_a_generator_that_reads_the_store(self, store):
        written(store, Insert(contact(0)))
        reading = (Insert(contact(n, seen=len(store.get(ACCOUNT, [contact_id(0)])))) for n in range(1, 60))
        assert all(done for _, done in store.write(ACCOUNT, reading))

    def test_many_contacts_across_all_shards(self, store):
        contacts = sorted((contact(n) for n in range(1100)), key=lambda each: each.id)
        assert {done for _, done in store.write(ACCOUNT, map(Insert, contacts))} == {True}
        assert {shard_of(each.id) for each in contacts} == set(range(SHARDS))
        assert everything(store) == contacts
        assert store.get(ACCOUNT, [each.id for each in contacts]) == {each.id: each for each in contacts}
        assert paged(store, 100) == contacts

    def test_a_shard_holds_its_own_contacts_in_order(self, store):
        contacts = [contact(n) for n in range(300)]
        written(store, *map(Insert, contacts))
        for shard in (0, 31, 63):
            expected = sorted(
                (each for each in contacts if shard_of(each.id) == shard), key=lambda each: each.id
            )
            assert list(store.scan(ACCOUNT, shard)) == expected

    def test_a_shard_larger_than_one_answer(self, store):
        contacts = [replace(contact(n, notes="n" * 30_000), id=f"00{n:030x}") for n in range(80)]
        written(store, *map(Insert, contacts))
        assert list(store.scan(ACCOUNT, 0)) == contacts
        assert store.get(ACCOUNT, [each.id for each in contacts]) == {each.id: each for each in contacts}
        assert paged(store, 60) == contacts

    def test_a_glimpse_shows_a_contact_s_hashes_and_the_fields_asked_for(self, store):
        ada = replace(
            contact(1, **VALUES),
            sources={"s1": Source("r1", 2, "h1"), "s2": Source("r2", 3, "h2")},
            segments=("b", "a segment"),
        )
        written(store, Insert(ada))
        [seen] = store.glimpses(ACCOUNT, shard_of(ada.id), {"emails", "zero", "name", "unheard_of"})
        assert seen == Glimpse(
            ada.id,
            is_contact=True,
            hashes={"s1": "h1", "s2": "h2"},
            segments=("a segment", "b"),
            created_by="run:r1",
            fields={"name": "Person 1", "emails": VALUES["emails"], "zero": 0},
        )
        assert list(store.glimpses(ACCOUNT, shard_of(ada.id), set())) == [replace(seen, fields={})]
        assert list(store.glimpses("nobody", shard_of(ada.id), {"emails"})) == []

    def test_glimpses_of_what_is_no_contact_tell_no_more_than_that(self, store):
        ada = contact(1)
        others: list[Slot] = [
            Alias(f"{ada.id[:2]}{1:030x}", 1, ada.id, 1_700_000_000),
            Tombstone(
                f"{ada.id[:2]}{2:030x}", 1, "2026-01-01T00:00:00Z", "run:r1", ada.sources, 4_000_000_000
            ),
        ]
        written(store, Insert(ada), *map(Insert, others))
        seen = list(store.glimpses(ACCOUNT, shard_of(ada.id), {"name"}))
        assert seen == [glimpse_of(slot, {"name"}) for slot in store.scan(ACCOUNT, shard_of(ada.id))]
        assert [each.id for each in seen if not each.is_contact] == [each.id for each in others]

    def test_glimpses_of_a_shard_larger_than_one_answer(self, store):
        contacts = [replace(contact(n, notes="n" * 30_000), id=f"00{n:030x}") for n in range(80)]
        written(store, *map(Insert, contacts))
        assert list(store.glimpses(ACCOUNT, 0, {"name"})) == [glimpse_of(each, {"name"}) for each in contacts]

    def test_a_reader_may_stop_early(self, store):
        written(store, *(Insert(replace(contact(n), id=f"00{n:030x}")) for n in range(30)))
        reading = store.scan(ACCOUNT, 0)
        assert next(reading).id == f"00{0:030x}"
        close = getattr(reading, "close", None)
        if close:
            close()

    @pytest.mark.parametrize("limit", [1, 3, 7, 50])
    def test_pages_join_to_the_whole(self, store, limit):
        contacts = sorted((contact(n) for n in range(21)), key=lambda each: each.id)
        written(store, *map(Insert, contacts))
        assert paged(store, limit) == contacts

    def test_the_last_page_says_that_it_is_the_last(self, store):
        contacts = sorted((contact(n) for n in range(4)), key=lambda each: each.id)
        written(store, *map(Insert, contacts))
        assert store.page(ACCOUNT, after=None, limit=4).next is None
        assert store.page(ACCOUNT, after=contacts[-1].id, limit=4).contacts == []
        assert store.page("nobody", after=None, limit=4).contacts == []

    def test_a_page_may_go_on_after_a_contact_that_has_gone(self, store):
        contacts = sorted((contact(n) for n in range(10)), key=lambda each: each.id)
        written(store, *map(Insert, contacts))
        written(store, Remove(contacts[4].id, 1))
        assert store.page(ACCOUNT, after=contacts[4].id, limit=2).contacts == contacts[5:7]

    def test_missing_and_repeated_ids(self, store):
        ada = contact(1)
        written(store, Insert(ada))
        assert store.get(ACCOUNT, [ada.id, contact_id(2), ada.id]) == {ada.id: ada}

    def test_accounts_are_apart(self, store):
        ours, theirs = contact(1), replace(contact(1), fields={"name": "Theirs"})
        assert written(store, Insert(ours)) == [True]
        assert written(store, Insert(theirs), account="acc2") == [True]
        assert written(store, Replace(edited(theirs)), account="acc3") == [False]
        assert written(store, Remove(ours.id, 1), account="acc2") == [True]
        assert everything(store) == [ours]
        assert everything(store, "acc2") == []
        assert store.get("acc2", [ours.id]) == {}

    def test_a_large_contact(self, store):
        big = contact(1, notes="n" * 390_000)
        assert written(store, Insert(big)) == [True]
        assert store.get(ACCOUNT, [big.id]) == {big.id: big}

    @pytest.mark.parametrize(
        "poison",
        [{"notes": "n" * 410_000}, {"notes": "\ud800 half a pair"}, {"notes": 1.5}, {"notes": object()}],
        ids=["too large", "half a surrogate pair", "float", "object"],
    )
    def test_a_contact_that_cannot_be_stored_is_named_after_the_others_were_stored(self, store, poison):
        contacts = [contact(n, **(poison if n == 30 else {})) for n in range(60)]
        outcomes: list[tuple[Write, bool]] = []
        with pytest.raises(Unstorable) as raised:
            outcomes.extend(store.write(ACCOUNT, map(Insert, contacts)))
        assert raised.value.ids == (contacts[30].id,)
        assert len(outcomes) == 59
        assert all(done for _, done in outcomes)
        assert len(everything(store)) == 59

    def test_a_slot_holds_a_contact_an_alias_or_a_tombstone(self, store):
        ada = contact(1)
        alias = Alias(contact_id(2), 1, ada.id, 1_790_000_000)
        tombstone = Tombstone(contact_id(3), 1, "2026-02-01T00:00:00Z", "member:m1", ada.sources, 4102444800)
        assert written(store, Insert(ada), Insert(alias), Insert(tombstone)) == [True] * 3
        assert store.slots(ACCOUNT, [contact_id(n) for n in range(5)]) == {
            slot.id: slot for slot in (ada, alias, tombstone)
        }
        assert store.get(ACCOUNT, [ada.id, alias.id, tombstone.id]) == {ada.id: ada}
        assert paged(store, 1) == [ada]
        assert set(map(type, everything(store))) == {Contact, Alias, Tombstone}

    def test_a_slot_changes_its_kind_only_over_the_version_that_was_read(self, store):
        ada = replace(contact(1), segments=("vip",))
        gone = Tombstone(ada.id, 2, "2026-02-01T00:00:00Z", "member:m1", ada.sources, 4102444800)
        passed_on = Alias(ada.id, 3, contact_id(9), 1_790_000_000)
        back = replace(ada, version=4, segments=())
        written(store, Insert(ada))
        for slot in (gone, passed_on, back):
            assert written(store, Replace(replace(slot, version=slot.version + 1))) == [False]
            assert written(store, Insert(slot)) == [False]
            assert written(store, Replace(slot)) == [True]
            assert store.slots(ACCOUNT, [ada.id]) == {ada.id: slot}

    def test_what_is_handed_out_is_a_copy(self, store):
        ada = contact(1, **VALUES)
        written(store, Insert(ada))
        store.get(ACCOUNT, [ada.id])[ada.id].fields["emails"].append("x")
        ada.fields["name"] = "changed after the write"
        assert store.get(ACCOUNT, [ada.id])[ada.id].fields["emails"] == VALUES["emails"]
        assert store.get(ACCOUNT, [ada.id])[ada.id].fields["name"] == "Person 1"
