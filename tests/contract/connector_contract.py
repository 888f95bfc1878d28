"""What every Connector must do. Backends inherit this and give `book`: the book, and what others do to it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings

from contactsync.errors import AccessLost, BookBusy, Busy, CursorExpired
from contactsync.model.card import Card, Changed, Draft, Edit, Missing, Unknown
from contactsync.model.field import PRIMARIES, STANDARD_FIELDS
from contactsync.ports import Connector
from tests.contract.book import Book, made, pulled, whole, written
from tests.contract.cards import ADA, FULL, NAMED, SAMPLES, any_fields, numbered, picture


class ConnectorContract:
    """Laws of `ports.Connector`."""

    @pytest.fixture
    def book(self) -> Book:
        raise NotImplementedError

    @pytest.fixture
    def connector(self, book: Book) -> Connector:
        return book.connector()

    @pytest.fixture(autouse=True)
    def _means_something_here(self, request: pytest.FixtureRequest, book: Book) -> None:
        for mark in request.node.iter_markers("needs"):
            for name in mark.args:
                if name in book.lacks or (name == "group" and not book.group):
                    pytest.skip(f"this provider has nothing like it: {name}")

    # What it can

    def test_what_it_holds_are_fields_of_ours(self, connector):
        can = connector.capabilities
        assert can.fields <= STANDARD_FIELDS.keys() - PRIMARIES.keys()
        assert can.writes_at_once >= 1
        assert can.settles_after_s >= 0

    def test_it_says_whose_book_it_is(self, book):
        one, other = book.connector().holder(), book.connector().holder()
        assert one == other
        assert one.subject
        assert one.name

    def test_the_whole_book_is_the_first_group(self, book, connector):
        groups = connector.groups()
        ids = [group.id for group in groups]
        assert len(set(ids)) == len(ids)
        assert all(group.name for group in groups)
        id_ = book.add(ADA)
        book.settle()
        assert id_ in pulled(connector, ids[0])[0]
        assert not book.group or book.group in ids[1:]

    # What it holds

    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors])
    @given(fields=any_fields())
    def test_what_is_held_is_held_for_good(self, connector, fields):
        before = deepcopy(fields)
        held = connector.held(fields)
        assert connector.held(held) == held
        assert held.keys() <= connector.capabilities.fields
        assert fields == before
        assert None not in held.values()
        assert [] not in held.values()

    @pytest.mark.parametrize("fields", SAMPLES.values(), ids=SAMPLES.keys())
    def test_a_card_has_exactly_what_is_held(self, book, connector, fields):
        card = made(connector, fields)
        book.settle()
        held = connector.held(fields)
        assert card.fields == held
        assert connector.read([card.id])[card.id].fields == held
        assert pulled(connector, whole(connector))[0][card.id].fields == held

    @pytest.mark.parametrize("fields", SAMPLES.values(), ids=SAMPLES.keys())
    def test_a_card_changes_to_exactly_what_is_held(self, connector, fields):
        for before in (FULL, NAMED):
            card = made(connector, before, marker=f"marker-{len(before)}")
            [(_, outcome)] = connector.update([Edit(card, fields)])
            assert written(outcome).fields == connector.held(fields)
            assert connector.read([card.id])[card.id].fields == connector.held(fields)

    def test_a_card_of_somebody_elses_is_read_alike(self, book, connector):
        id_ = book.add(FULL)
        book.settle()
        assert connector.read([id_])[id_].fields == connector.held(FULL)

    # Pull

    def test_an_empty_book_has_a_cursor(self, connector):
        cards, said = pulled(connector, whole(connector))
        assert not cards
        assert not said.gone
        assert said.cursor

    def test_everything_comes_without_a_cursor(self, book, connector):
        ids = {book.add(numbered(n)) for n in range(5)}
        book.settle()
        cards, said = pulled(connector, whole(connector))
        assert cards.keys() == ids
        assert not said.gone
        assert not said.left
        assert {card.fields["name"] for card in cards.values()} == {f"Person {n}" for n in range(5)}

    def test_a_pulled_card_is_as_it_is_read(self, book, connector):
        id_ = book.add(ADA)
        book.settle()
        card, read = pulled(connector, whole(connector))[0][id_], connector.read([id_])
        assert read == {id_: replace(card, photo="") if card.photo is None else card}

    def test_with_a_cursor_come_the_changes(self, book, connector):
        ada, bob, cem = (book.add({**NAMED, "given_name": name}) for name in ("Ada", "Bob", "Cem"))
        book.settle()
        group = whole(connector)
        cursor = pulled(connector, group)[1].cursor
        dan = book.add({**NAMED, "given_name": "Dan"})
        book.edit(ada, {**NAMED, "given_name": "Adah"})
        book.remove(bob)
        book.settle()
        cards, said = pulled(book.connector(), group, cursor)
        assert {ada, dan} <= cards.keys() <= {ada, cem, dan}
        assert cards[ada].fields["given_name"] == "Adah"
        assert said.gone == (bob,)
        assert not said.left

    def test_nothing_comes_twice_for_long(self, book, connector):
        book.add(ADA)
        book.settle()
        group = whole(connector)
        cursor = pulled(connector, group)[1].cursor
        for _ in range(3):
            cursor = pulled(connector, group, cursor)[1].cursor
        cards, said = pulled(connector, group, cursor)
        assert not cards
        assert not said.gone

    def test_a_cursor_can_be_used_again(self, book, connector):
        group = whole(connector)
        cursor = pulled(connector, group)[1].cursor
        id_ = book.add(ADA)
        book.settle()
        assert [pulled(connector, group, cursor)[0].keys() for _ in range(2)] == [{id_}, {id_}]

    def test_what_comes_and_goes_between_two_pulls_is_not_there(self, book, connector):
        group = whole(connector)
        cursor = pulled(connector, group)[1].cursor
        id_ = book.add(ADA)
        book.settle()
        book.remove(id_)
        book.settle()
        assert id_ not in pulled(connector, group, cursor)[0]

    @pytest.mark.needs("group")
    def test_a_group_has_its_own_cards(self, book, connector):
        inside, outside = book.add(ADA, group=book.group), book.add({**NAMED, "name": "Elsewhere"})
        book.settle()
        assert pulled(connector, book.group)[0].keys() == {inside}
        assert {inside, outside} >= pulled(connector, whole(connector))[0].keys() >= {outside}

    @pytest.mark.needs("group", "leave")
    def test_who_leaves_a_group_is_not_gone(self, book, connector):
        """Case 18."""
        stays, leaves = book.add(ADA, group=book.group), book.add({**NAMED, "name": "Off"}, group=book.group)
        book.settle()
        cursor = pulled(connector, book.group)[1].cursor
        book.leave(leaves)
        book.settle()
        cards, said = pulled(connector, book.group, cursor)
        assert leaves not in cards
        assert said.left == (leaves,)
        assert not said.gone
        assert connector.read([stays, leaves]).keys() == {stays, leaves}

    @pytest.mark.needs("expire")
    @pytest.mark.parametrize("cards", [0, 3])
    def test_a_forgotten_cursor_is_said_to_be(self, book, connector, cards):
        """Case 1, 2."""
        group = whole(connector)
        ids = {book.add(ADA) for _ in range(cards)}
        book.settle()
        cursor = pulled(connector, group)[1].cursor
        book.expire()
        with pytest.raises(CursorExpired):
            pulled(connector, group, cursor)
        assert pulled(connector, group)[0].keys() == ids

    @pytest.mark.needs("cut")
    @pytest.mark.parametrize("incremental", [False, True])
    def test_a_cut_pull_is_busy_and_has_no_cursor(self, book, connector, incremental):
        """Case 3."""
        group = whole(connector)
        cursor = pulled(connector, group)[1].cursor if incremental else ""
        ids = {book.add(numbered(n)) for n in range(3)}
        book.settle()
        book.cut()
        parts = []
        with pytest.raises(Busy):
            parts.extend(connector.pull(group, cursor))
        assert not any(part.cursor for part in parts)
        assert pulled(connector, group, cursor)[0].keys() == ids

    @pytest.mark.needs("rename")
    def test_another_id_names_the_former(self, book, connector):
        """Case 17."""
        group = whole(connector)
        old = book.add(ADA)
        book.settle()
        cursor = pulled(connector, group)[1].cursor
        new = book.rename(old)
        book.settle()
        assert old in pulled(connector, group, cursor)[0][new].former

    @pytest.mark.needs("touch")
    def test_another_version_may_be_no_change(self, book, connector):
        """Case 8."""
        id_ = book.add(ADA)
        before = connector.read([id_])[id_]
        book.touch(id_)
        after = connector.read([id_])[id_]
        assert after.etag != before.etag
        assert after.fields == before.fields

    # Read and find

    def test_only_what_exists_is_read(self, book, connector):
        there, gone = book.add(ADA), book.add(ADA)
        book.remove(gone)
        assert connector.read([there, gone]).keys() == {there}
        assert connector.read([]) == {}

    def test_a_card_is_found_by_its_marker(self, book, connector):
        """Case 4."""
        group = whole(connector)
        drafts = [Draft(f"marker-{n}", numbered(n)) for n in range(3)]
        ids = {draft.marker: written(outcome).id for draft, outcome in connector.create(group, drafts)}
        book.settle()
        found = book.connector().find([*ids, "marker-of-none"])
        assert {marker: card.id for marker, card in found.items()} == ids
        assert {marker: card.marker for marker, card in found.items()} == {marker: marker for marker in ids}
        assert found["marker-1"] == connector.read([ids["marker-1"]])[ids["marker-1"]]
        assert connector.find([]) == {}

    def test_a_marker_outlasts_changes(self, book, connector):
        card = made(connector, ADA)
        [(_, outcome)] = connector.update([Edit(card, NAMED)])
        assert written(outcome).marker == "marker-1"
        book.edit(card.id, {**ADA, "notes": "By somebody else."})
        book.settle()
        assert connector.find(["marker-1"])["marker-1"].id == card.id
        assert pulled(connector, whole(connector))[0][card.id].marker == "marker-1"

    def test_a_deleted_card_is_not_found(self, book, connector):
        card = made(connector, ADA)
        book.remove(card.id)
        book.settle()
        assert connector.find(["marker-1"]) == {}

    # Create

    def test_as_many_as_one_likes_are_made(self, book, connector):
        count = 2 * min(connector.capabilities.writes_at_once, 60) + 1
        drafts = [Draft(f"marker-{n}", numbered(n)) for n in range(count)]
        outcomes = list(connector.create(whole(connector), drafts))
        assert {draft.marker for draft, _ in outcomes} == {draft.marker for draft in drafts}
        cards = {draft.marker: written(outcome) for draft, outcome in outcomes}
        assert all(cards[draft.marker].fields["name"] == draft.fields["name"] for draft in drafts)
        book.settle()
        assert len(pulled(connector, whole(connector))[0]) == count

    @pytest.mark.needs("group")
    def test_a_card_is_made_in_a_group(self, book, connector):
        card = made(connector, ADA, group=book.group)
        book.settle()
        assert pulled(connector, book.group)[0].keys() == {card.id}

    @pytest.mark.needs("lose_answer")
    def test_a_lost_answer_is_unknown_and_can_be_looked_for(self, book, connector):
        """Case 4, 5."""
        book.lose_answer()
        [(_, outcome)] = connector.create(whole(connector), [Draft("marker-1", ADA)])
        assert outcome == Unknown()
        book.settle()
        found = connector.find(["marker-1"])["marker-1"]
        assert pulled(connector, whole(connector))[0].keys() == {found.id}

    @pytest.mark.needs("lose_answer")
    def test_a_lost_answer_to_a_change_is_unknown(self, book, connector):
        card = made(connector, ADA)
        book.lose_answer()
        [(_, outcome)] = connector.update([Edit(card, FULL)])
        assert outcome == Unknown()
        assert connector.read([card.id])[card.id].fields == connector.held(FULL)

    # Update and delete

    def test_one_change_follows_another(self, connector):
        """Case 7."""
        card = made(connector, NAMED)
        for fields in (ADA, FULL, NAMED):
            [(_, outcome)] = connector.update([Edit(card, fields)])
            after = written(outcome)
            assert after.etag != card.etag
            card = after
        assert connector.read([card.id])[card.id] == card

    def test_a_changed_card_is_not_overwritten(self, book, connector):
        """Case 9."""
        card = made(connector, ADA)
        book.edit(card.id, {**ADA, "notes": "By somebody else."})
        [(_, outcome)] = connector.update([Edit(card, FULL)])
        assert outcome == Changed()
        stored = connector.read([card.id])[card.id]
        assert stored.fields == connector.held({**ADA, "notes": "By somebody else."})
        [(_, outcome)] = connector.update([Edit(stored, FULL)])
        assert written(outcome).fields == connector.held(FULL)

    def test_our_own_older_version_is_a_changed_card_too(self, connector):
        card = made(connector, ADA)
        list(connector.update([Edit(card, FULL)]))
        [(_, outcome)] = connector.update([Edit(card, NAMED)])
        assert outcome == Changed()
        assert connector.read([card.id])[card.id].fields == connector.held(FULL)

    def test_a_missing_card_is_said_to_be(self, book, connector):
        """Case 13."""
        card = made(connector, ADA)
        book.remove(card.id)
        assert [outcome for _, outcome in connector.update([Edit(card, FULL)])] == [Missing()]
        assert [outcome for _, outcome in connector.delete([card])] == [Missing()]
        book.settle()
        assert not pulled(connector, whole(connector))[0]

    def test_each_of_several_has_its_own_outcome(self, book, connector):
        fine, changed, missing = (made(connector, ADA, marker=f"marker-{n}") for n in range(3))
        book.edit(changed.id, FULL)
        book.remove(missing.id)
        edits = [Edit(missing, NAMED), Edit(fine, NAMED), Edit(changed, NAMED)]
        outcomes = {edit.card.id: outcome for edit, outcome in connector.update(edits)}
        assert written(outcomes.pop(fine.id)).fields == connector.held(NAMED)
        assert outcomes == {changed.id: Changed(), missing.id: Missing()}

    @pytest.mark.needs("scribble")
    def test_what_is_no_field_of_ours_stays(self, book, connector):
        """Case 38."""
        id_ = book.add(ADA)
        book.scribble(id_)
        book.settle()
        for card in (connector.read([id_])[id_], pulled(connector, whole(connector))[0][id_]):
            [(_, outcome)] = connector.update([Edit(card, FULL)])
            if isinstance(outcome, Changed):  # the second is the first, one version later
                continue
            assert written(outcome).fields == connector.held(FULL)
            assert book.scribbled(id_)

    def test_a_card_is_deleted(self, book, connector):
        card = made(connector, ADA)
        book.settle()
        cursor = pulled(connector, whole(connector))[1].cursor
        [(_, outcome)] = connector.delete([card])
        assert written(outcome).fields == card.fields
        assert connector.read([card.id]) == {}
        book.settle()
        cards, said = pulled(connector, whole(connector), cursor)
        assert not cards
        assert said.gone == (card.id,)

    def test_a_changed_card_is_not_deleted(self, book, connector):
        card = made(connector, ADA)
        book.edit(card.id, FULL)
        assert [outcome for _, outcome in connector.delete([card])] == [Changed()]
        assert connector.read([card.id]).keys() == {card.id}

    # Pictures

    def test_a_picture_is_kept(self, connector):
        """Case 31."""
        if not connector.capabilities.photos:
            pytest.skip("this provider has no pictures")
        card = made(connector, ADA)
        assert card.photo == ""
        assert connector.photo(card) is None
        seen: set[str | None] = {""}
        for shade in (1, 2):
            card = written(connector.put_photo(card, picture(shade)))
            assert card.photo not in seen
            seen.add(card.photo)
            assert connector.read([card.id])[card.id] == card
            assert connector.photo(card) == picture(shade)
        [(_, outcome)] = connector.update([Edit(card, FULL)])
        card = written(outcome)
        assert card.fields == connector.held(FULL)
        assert connector.photo(card) == picture(2)
        card = written(connector.put_photo(card, None))
        assert card.photo == ""
        assert connector.photo(card) is None

    # When it does not let us

    @pytest.mark.needs("lock")
    def test_lost_access_is_said_by_everything(self, book, connector):
        """Case 46."""
        group, card = whole(connector), made(connector, ADA)
        book.lock()
        for ask in _everything(connector, group, card):
            with pytest.raises(AccessLost) as caught:
                ask()
            assert caught.value.title.endswith(".")
            assert caught.value.detail.endswith(".")

    @pytest.mark.needs("be_busy")
    def test_a_busy_provider_says_for_how_long(self, book, connector):
        """Case 24."""
        group, card = whole(connector), made(connector, ADA)
        book.be_busy(97)
        for ask in _everything(connector, group, card)[:4]:
            with pytest.raises(BookBusy) as caught:
                ask()
            assert caught.value.retry_after_s == 97


def _everything(connector: Connector, group: str, card: Card) -> Sequence[Callable[[], object]]:
    """Every request that there is: first those that read, then those that write."""
    asking: list[Callable[[], object]] = [
        connector.groups,
        lambda: list(connector.pull(group, "")),
        lambda: connector.read([card.id]),
        lambda: connector.find([card.marker or "marker"]),
        lambda: list(connector.create(group, [Draft("marker-9", ADA)])),
        lambda: list(connector.update([Edit(card, FULL)])),
        lambda: list(connector.delete([card])),
    ]
    if connector.capabilities.photos:
        asking.append(lambda: connector.put_photo(card, picture()))
    return asking
