"""An address book and the contact list, kept in step: what people on both sides find after a run."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contactsync.connectors.memory import Habits, MemoryConnector, Mishap
from contactsync.model.connection import EXTRA_KEPT
from tests.contract.cards import ADA, FULL, NAMED
from tests.support.bookworld import CONNECTION, BookWorld

BOB = {"name": "Bob Kahn", "emails": [{"value": "bob@example.com"}]}
CEM = {"name": "Cem Usta", "emails": [{"value": "cem@example.com", "label": "work"}]}


@pytest.fixture
def world():
    return BookWorld()


@pytest.fixture
def late():
    """A book that shows what was written five minutes later."""
    return BookWorld(habits=Habits(shows_after=timedelta(minutes=5)))


def in_step(world: BookWorld) -> None:
    """Everybody here has a card that says the same, and every card a contact; nobody is there twice."""
    people, cards, links = world.everybody(), world.book.cards(), world.links()
    assert links.keys() == people.keys()
    assert sorted(link.id for link in links.values()) == sorted(cards)
    for id_, link in links.items():
        assert cards[link.id].fields == world.book.held(people[id_])
        assert (link.etag, link.seen, link.agreed) == (
            cards[link.id].etag,
            cards[link.id].fields,
            people[id_],
        )


def rests(world: BookWorld, sync: str) -> bool:
    """Whether a further run finds our own writes at most, and the one after it nothing at all."""
    before = world.everybody(), world.book.cards()
    world.go(sync)
    return world.go(sync).status == "unchanged" and (world.everybody(), world.book.cards()) == before


class TestFirstRun:
    def test_brings_both_sides_together(self, world):
        world.book.add(ADA)
        world.book.add(BOB)
        world.add(CEM)
        run = world.go(world.sync())
        assert run.status == "succeeded"
        assert (run.counts.added, run.pushed.added, run.warnings) == (2, 1, ())
        assert len(world.everybody()) == 3
        in_step(world)

    def test_matches_who_is_on_both_sides(self, world):
        """Case 40."""
        id_ = world.add({"name": "Ada Lovelace", "emails": [{"value": "ADA@example.com"}], "nickname": "A"})
        world.book.add(ADA)
        run = world.go(world.sync())
        assert (run.counts.added, run.counts.updated, run.counts.deleted) == (0, 1, 0)
        assert list(world.everybody()) == [id_]
        assert world.contact(id_).fields["phones"] == ADA["phones"]
        assert next(iter(world.book.cards().values())).fields["nickname"] == "A"
        in_step(world)

    def test_two_people_with_one_address_both_stay(self, world):
        """Case 41."""
        world.book.add({"name": "Ada Lovelace", "emails": [{"value": "home@example.com"}]})
        world.book.add({"name": "William King", "emails": [{"value": "home@example.com"}]})
        run = world.go(world.sync())
        assert run.counts.added == 2
        assert [warning.code for warning in run.warnings] == ["address_shared"]
        in_step(world)
        assert rests(world, run.sync_id)

    def test_who_has_no_address_shares_none(self, world):
        world.book.add({"name": "No Address"})
        run = world.go(world.sync())
        assert (run.counts.added, run.warnings) == (1, ())

    def test_a_doubt_is_left_to_a_person(self, world):
        """Case 43."""
        world.add(
            {"name": "Ada Lovelace", "emails": [{"value": "ada@one.example"}], "organization": "Engines"}
        )
        world.add(
            {"name": "Ada Lovelace", "emails": [{"value": "ada@two.example"}], "organization": "Engines"}
        )
        world.book.add({"name": "Ada Lovelace", "organization": "Engines"})
        run = world.go(world.sync())
        assert (run.counts.added, run.counts.skipped, run.pushed.added) == (0, 1, 0)
        assert "needs_review" in {warning.code for warning in run.warnings}
        [review] = world.control.reviews(run.account_id, "n1").values()
        assert len(review.value.contacts) == 2

    def test_a_dry_run_writes_nothing_and_its_plan_can_be_carried_out(self, world):
        world.book.add(ADA)
        world.add(BOB)
        sync = world.sync()
        dry = world.go(sync, dry_run=True)
        assert dry.counts.added == 1
        assert len(world.everybody()) == len(world.book.cards()) == 1
        assert not world.links()
        run = world.go(sync, plan_of=dry.id)
        assert run.status == "succeeded"
        in_step(world)
        assert rests(world, sync)

    @pytest.mark.parametrize("direction", ["pull", "push"])
    def test_one_way_leaves_the_other_side_alone(self, world, direction):
        world.book.add(ADA)
        world.add(BOB)
        world.go(world.sync(direction=direction))
        assert (len(world.everybody()), len(world.book.cards())) == (
            (2, 1) if direction == "pull" else (1, 2)
        )


class TestLaterRuns:
    @pytest.fixture
    def sync(self, world):
        world.book.add(ADA)
        world.add(BOB)
        world.add(CEM)
        sync = world.sync()
        world.go(sync)
        in_step(world)
        return sync

    def test_nothing_new_costs_one_request_and_no_write(self, world, sync):
        world.go(sync)
        world.book.requests.clear()
        written = _writes(world)
        run = world.go(sync)
        assert run.status == "unchanged"
        assert dict(world.book.requests) == {"pull": 1}
        assert _writes(world) == written

    def test_changes_travel_both_ways(self, world, sync):
        """Case 11."""
        ada = next(id_ for id_, fields in world.everybody().items() if fields["name"] == "Ada Lovelace")
        card = world.links()[ada].id
        world.edit(ada, job_title="Analyst")
        world.book.edit(card, {**world.book.cards()[card].fields, "notes": "Met in Turin"})
        run = world.go(sync)
        assert (run.counts.updated, run.pushed.updated) == (1, 1)
        assert world.contact(ada).fields["notes"] == "Met in Turin"
        assert world.book.cards()[card].fields["job_title"] == "Analyst"
        in_step(world)
        assert world.go(sync).counts.updated == 0

    def test_our_own_changes_come_back_as_none(self, world, sync):
        """Case 6."""
        for id_ in world.everybody():
            world.edit(id_, nickname="N")
        assert world.go(sync).pushed.updated == 3
        before = world.book.cards()
        again = world.go(sync)
        assert (again.counts.updated, again.pushed.updated) == (0, 0)
        assert world.book.cards() == before

    def test_a_version_that_moves_by_itself_is_no_change(self, world, sync):
        """Case 8."""
        [card, *_] = world.book.cards()
        world.book.touch(card)
        run = world.go(sync)
        assert (run.counts.updated, run.pushed.updated) == (0, 0)
        in_step(world)

    def test_deletions_travel_both_ways(self, world, sync):
        for n in range(20):
            world.add({"name": f"Filler {n}", "emails": [{"value": f"f{n}@example.com"}]})
        world.go(sync)
        here, there = (world.id_of(f"{name}@example.com") for name in ("bob", "cem"))
        card = world.links()[there].id
        world.remove(here)
        world.book.remove(card)
        run = world.go(sync)
        assert (run.counts.deleted, run.pushed.deleted) == (1, 1)
        assert {here, there}.isdisjoint(world.everybody())
        in_step(world)
        assert rests(world, sync)

    def test_an_edit_beats_a_deletion(self, world, sync):
        """Case 12."""
        bob, cem = (world.id_of(f"{name}@example.com") for name in ("bob", "cem"))
        cards = {id_: link.id for id_, link in world.links().items()}
        world.book.remove(cards[bob])
        world.edit(bob, nickname="Bobby")
        world.remove(cem)
        world.book.edit(cards[cem], {**CEM, "nickname": "Cemo"})
        run = world.go(sync)
        assert "revived" in {warning.code for warning in run.warnings}
        assert {fields.get("nickname") for fields in world.everybody().values()} >= {"Bobby", "Cemo"}
        in_step(world)

    def test_deleted_on_both_sides_is_forgotten(self, world, sync):
        """Case 13."""
        bob = world.id_of("bob@example.com")
        world.book.remove(world.links()[bob].id)
        world.remove(bob)
        run = world.go(sync)
        assert (run.status, run.counts.deleted, run.pushed.deleted) == ("succeeded", 0, 0)
        in_step(world)

    def test_another_id_is_the_same_person(self, world, sync):
        """Case 17."""
        before = world.everybody()
        [card, *_] = world.book.cards()
        world.book.rename(card)
        run = world.go(sync)
        assert (run.counts.added, run.counts.deleted, run.pushed.added) == (0, 0, 0)
        assert world.everybody() == before
        in_step(world)

    def test_a_forgotten_cursor_compares_everything_and_deletes_nobody(self, world, sync):
        """Case 1, 2."""
        world.book.expire_cursors()
        world.edit(world.id_of("bob@example.com"), nickname="Bobby")
        run = world.go(sync)
        assert (run.status, run.counts.deleted, run.pushed.deleted, run.pushed.updated) == (
            "succeeded",
            0,
            0,
            1,
        )
        in_step(world)

    def test_lost_access_stops_the_sync_and_keeps_everything(self, world, sync):
        """Case 46."""
        world.book.lock()
        run = world.go(sync)
        assert (run.status, run.problem.code) == ("failed", "access_lost")
        assert world.control.connection(run.account_id, "n1").value.state == "lost"
        world.book.requests.clear()
        assert world.go(sync).problem.code == "not_connected"
        assert not world.book.requests
        world.book.lock(locked=False)
        world.control.update_connection(
            run.account_id, "n1", lambda connection: connection.model_copy(update={"state": "active"})
        )
        world.edit(world.id_of("bob@example.com"), nickname="Bobby")
        assert world.go(sync).pushed.updated == 1
        in_step(world)

    def test_a_book_that_is_disconnected_half_way_gets_nobody_any_more(self, world, sync):
        """Else who is removed would go on getting contacts for as long as a step lasts."""
        for number in range(3):
            world.add({"name": f"New {number}", "emails": [{"value": f"new{number}@example.com"}]})
        world.book.habits.at_once = 1

        class LastCard(MemoryConnector):
            def create(self, group, drafts):
                yield from super().create(group, drafts)
                world.control.update_connection(
                    world.account.account_id,
                    "n1",
                    lambda book: book.model_copy(update={"state": "disconnected"}),
                )

        before = len(world.book.cards())
        world.connect = lambda _: LastCard(world.book)
        run = world.go(sync)
        assert (run.status, run.problem.code) == ("failed", "not_connected")
        assert len(world.book.cards()) == before + 1
        world.connect = None
        world.control.update_connection(
            run.account_id, "n1", lambda book: book.model_copy(update={"state": "active"})
        )
        world.go(sync)
        in_step(world)


class TestWhatIsWrittenShowsLate:
    """Case 10."""

    def test_an_own_change_is_not_taken_back(self, late):
        late.habits.shows_after = timedelta(minutes=15)  # longer than it is until the next run
        late.book.add(ADA)
        late.clock.advance(timedelta(hours=1))
        sync = late.sync()
        late.go(sync)
        [id_] = late.everybody()
        late.edit(id_, job_title="Analyst")
        late.go(sync)
        late.edit(id_, job_title="Poet")
        for _ in range(4):
            late.go(sync)
            assert late.contact(id_).fields["job_title"] == "Poet"
        in_step(late)

    @pytest.mark.parametrize("mishap", [Mishap.LOST, Mishap.BUSY_AFTER, Mishap.DROPPED, Mishap.BUSY])
    def test_a_creation_whose_answer_was_lost_is_made_once(self, late, mishap):
        """Case 4."""
        late.add(FULL)
        sync = late.sync()
        late.book.mishaps.append(mishap)
        for _ in range(3):
            late.go(sync)
        assert len(late.book.cards()) == 1
        in_step(late)


def test_what_somebody_makes_of_a_card_before_we_find_it_is_not_lost(monkeypatch):
    """The answer of its creation was lost; meanwhile its person has seen it, and added something."""
    world = BookWorld()
    world.add(ADA)
    sync = world.sync()
    world.book.mishaps.append(Mishap.LOST)
    asked = world.book.ask

    def ask(method: str) -> None:
        if method == "find":
            [(id_, card)] = world.book.cards().items()
            world.book.edit(id_, {**card.fields, "notes": "Met in Turin"})
            monkeypatch.setattr(world.book, "ask", asked)
        asked(method)

    monkeypatch.setattr(world.book, "ask", ask)
    for _ in range(2):
        world.go(sync)
    in_step(world)
    assert [fields["notes"] for fields in world.everybody().values()] == ["Met in Turin"]


def _writes(world: BookWorld) -> object:
    """All that is stored of contacts, links and cards, with versions."""
    links = [(read.value, read.version) for read in world.control.links(world.account.account_id, "n1")]
    return links, world.stored(), world.book.cards()


def test_what_somebody_makes_of_a_long_card_before_we_write_it_is_not_lost(world):
    """What links do not keep of it is read before it is written: by then it is another one than was merged."""
    card = world.book.add(ADA, extra="x" * (EXTRA_KEPT + 1))
    sync = world.sync()
    world.go(sync)
    [contact] = world.everybody()
    world.edit(contact, nickname="Here")
    theirs = [{**world.book.cards()[card].fields, "notes": "There"}]

    class Edited(MemoryConnector):
        def read(self, ids):
            if theirs and card in ids:
                world.book.edit(card, theirs.pop())
            return super().read(ids)

    world.connect = lambda _: Edited(world.book)
    for _ in range(2):
        world.go(sync)
    assert not theirs
    both = (world.contact(contact).fields, world.book.cards()[card].fields)
    assert [(each["nickname"], each["notes"]) for each in both] == [("Here", "There")] * 2


def test_names_are_kept(world):
    world.book.add(NAMED)
    world.go(world.sync())
    in_step(world)


def test_a_provider_that_wants_to_rest_for_longer_than_a_run_waits_is_named(world):
    """And is no mistake of ours: nobody is woken for it."""
    sync = world.sync()
    world.go(sync)
    world.book.be_busy(retry_after_s=3600)
    run = world.go(sync)
    assert (run.status, run.problem.code) == ("failed", "book_busy")
    until = world.clock.now() + timedelta(hours=1)
    assert run.problem.title.startswith("The address book's provider wants to be left alone until ")
    assert f"{until:%Y-%m-%d %H:%M} UTC" in run.problem.title
    world.clock.advance(timedelta(hours=1, seconds=5))
    assert world.go(sync).status == "unchanged"


def test_a_book_that_another_sync_works_on_for_long_is_named(world):
    sync = world.sync()
    world.go(sync)
    world.clock.advance(timedelta(hours=1))
    assert world.control.take_book(world.account.account_id, CONNECTION, "another", world.clock.now())
    run = world.ask(sync)
    world.execute(run)
    ended = world.run(run)
    assert (ended.status, ended.problem.code) == ("failed", "book_busy")
    assert ended.problem.title == "Another sync is at work on this address book."
    assert "when that one has ended" in ended.problem.detail
