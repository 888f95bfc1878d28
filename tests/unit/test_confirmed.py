"""Contacts that are as their rows say already: the sync notes that it knows them, and nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from contactsync.core.decisions import Confirm, Skip, read_decision
from contactsync.core.planning import SOURCES_KEPT
from contactsync.journeys.file import known
from contactsync.model.contact import Contact, Source
from contactsync.model.run import Run
from contactsync.ports import Replace
from tests.fakes.webserver import WebServer, reply
from tests.support.bookworld import BookWorld
from tests.support.world import Overtaken, World
from tests.unit.test_importing import NAMES, Exhausted, edit, many, people, refreshed, undo

OWN = {"delete_missing": {"scope": "sync"}}


@pytest.fixture
def world() -> World:
    return World()


def know_rows(monkeypatch: pytest.MonkeyPatch, known_from: int) -> None:
    """Files of so many rows and more have rows that are known by their bytes."""
    for name, value in (("KNOWN_FROM", known_from), ("WORTHWHILE", 0.01), ("EDGE", 1)):
        monkeypatch.setattr(known, name, value)


def met(world: World, text: str, **body: Any) -> Run:
    """A run that finds contacts which others have brought, of a sync whose file has come before."""
    first = world.import_rows("email,name\nfirst@example.com,First\n", NAMES, **body)
    return refreshed(world, first, text)


def knows(world: World, run: Run) -> set[str]:
    """The addresses of the contacts that the run's sync knows."""
    return {email for email, contact in world.stored().items() if run.sync_id in contact.sources}


def versions(world: World) -> dict[str, int]:
    return {email: contact.version for email, contact in world.stored().items()}


def without_sources(contact: Contact) -> Contact:
    return replace(contact, version=0, sources={})


def test_nothing_of_the_contact_changes_but_that_the_sync_knows_it(world: World) -> None:
    first = world.import_rows(people("Ada", "Bob"), NAMES)
    before = world.stored()
    run = met(world, people("Ada", "Bob"))
    assert (run.counts.unchanged, run.counts.updated, run.counts.settled) == (2, 0, 2)
    after = world.stored()
    for email in ("ada@example.com", "bob@example.com"):
        assert after[email].sources.keys() == {first.sync_id, run.sync_id}
        assert without_sources(after[email]) == without_sources(before[email])


def test_the_next_run_writes_nothing(world: World) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    run = met(world, people("Ada", "Bob"))
    before = versions(world)
    assert refreshed(world, run, people("Ada", "Bob") + "\n").counts.unchanged == 2
    assert versions(world) == before


def test_an_edit_made_after_it_outlives_the_row(world: World) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    run = met(world, people("Ada", "Bob"))
    edit(world, "ada@example.com", name="Ada King")
    run = refreshed(world, run, people("Ada", "Bob", "Cem"))
    assert (run.counts.added, run.counts.unchanged) == (1, 2)
    assert world.fields()["ada@example.com"]["name"] == "Ada King"


def test_another_sync_does_not_delete_it(world: World) -> None:
    brought = world.import_rows(many(20), NAMES, options=OWN)
    met(world, many(20))
    run = refreshed(world, brought, many(19))
    assert (run.counts.deleted, "p19@example.com" in world.stored()) == (0, True)


@pytest.mark.parametrize("known_from", [1, 5_000])
def test_from_then_on_they_are_not_in_the_other_s_scope(
    world: World, monkeypatch: pytest.MonkeyPatch, known_from: int
) -> None:
    """Nor does the guard count them, though the other's last good run has noted who was in it."""
    know_rows(monkeypatch, known_from)
    brought = world.import_rows(many(20), NAMES, options=OWN)
    world.clock.advance(timedelta(days=1))
    met(world, many(10))
    run = refreshed(world, brought, many(19))
    summary = world.files(run).plan_summary(0)
    assert summary is not None
    assert (run.counts.deleted, summary.stored, summary.found) == (1, 10, 9)


def test_the_only_file_of_a_sync_so_far_leaves_no_word(world: World) -> None:
    """Whoever pastes the same list every week without saving a sync makes a new one each time."""
    world.import_rows(people("Ada", "Bob"), NAMES)
    before = versions(world)
    run = world.import_rows(people("Ada", "Bob"), NAMES)
    assert (run.counts.unchanged, versions(world)) == (2, before)


@pytest.mark.parametrize("known_from", [1, 5_000])
def test_the_second_is_noted_though_its_rows_are_those_of_the_first(
    world: World, monkeypatch: pytest.MonkeyPatch, known_from: int
) -> None:
    know_rows(monkeypatch, known_from)
    world.import_rows(many(20), NAMES)
    world.clock.advance(timedelta(days=1))
    run = world.import_rows(many(20), NAMES)
    run = refreshed(world, run, many(20) + "\n")
    assert (run.counts.unchanged, len(knows(world, run))) == (20, 20)


def test_a_file_on_a_server_is_expected_again(world: World) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    with WebServer(lambda _: reply(people("Ada", "Bob").encode())) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        source = {"kind": "http", "url": f"http://127.0.0.1:{server.port}/a.csv"}
        run = world.import_rows("", NAMES, source=source)
    assert (run.counts.unchanged, knows(world, run)) == (2, {"ada@example.com", "bob@example.com"})


def test_a_row_that_changes_nothing_counts_from_then_on(world: World) -> None:
    """The row has changed to what somebody has made of the contact here."""
    run = world.import_rows(people("Ada", "Bob"), NAMES)
    edit(world, "ada@example.com", name="Ada King")
    text = "email,name\nada@example.com,Ada King\nbob@example.com,Bob\n"
    run = refreshed(world, run, text)
    edit(world, "ada@example.com", name="Countess")
    run = refreshed(world, run, text + "cem@example.com,Cem\n")
    assert world.fields()["ada@example.com"]["name"] == "Countess"


def test_undoing_the_run_that_brought_it_leaves_it_there_and_says_why(world: World) -> None:
    brought = world.import_rows(people("Ada", "Bob"), NAMES)
    met(world, people("Ada"))
    undone = undo(world, brought)
    assert (undone.counts.deleted, undone.counts.skipped) == (1, 1)
    assert {"ada@example.com", "first@example.com"} == world.stored().keys()
    kept = [each.reason for each in map(read_decision, world.files(undone).plan(0)) if isinstance(each, Skip)]
    assert kept == ["Another sync has the contact as well since, and it stays."]


def test_undoing_the_run_that_noted_it_changes_nothing(world: World) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    run = met(world, people("Ada", "Cem"))
    undone = undo(world, run)
    assert (undone.counts.deleted, undone.counts.settled) == (1, undone.counts.rows)
    assert {"ada@example.com", "bob@example.com", "first@example.com"} == world.stored().keys()


def _edits(world: World) -> Callable[[], None]:
    return lambda: edit(world, "ada@example.com", name="Ada King")


def test_an_edit_made_meanwhile_is_seen_and_the_row_decided_anew(world: World) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    first = world.import_rows("email,name\nfirst@example.com,First\n", NAMES)
    again = world.again(first.sync_id, people("Ada", "Bob"))
    world.ports.contacts = Overtaken(world.contacts, _edits(world))
    world.execute(again)
    run = world.run(again)
    assert (run.counts.updated, run.counts.unchanged) == (1, 1)
    assert run.sync_id in world.stored()["ada@example.com"].sources


def test_a_plan_that_was_shown_is_carried_out_though_somebody_edits_who_was_to_stay_as_he_is(
    world: World,
) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    first = world.import_rows("email,name\nfirst@example.com,First\n", NAMES)
    shown = world.again(first.sync_id, people("Ada", "Bob", "Cem"), dry_run=True)
    world.execute(shown)
    edit(world, "ada@example.com", name="Ada King")
    done = world.again(first.sync_id, "", plan_of=shown.id)
    world.execute(done)
    run = world.run(done)
    assert (run.status, run.counts.added, run.counts.unchanged, run.counts.skipped) == ("succeeded", 1, 1, 1)
    assert world.fields()["ada@example.com"]["name"] == "Ada King"


def test_a_contact_that_many_know_is_left_alone(world: World) -> None:
    """Or each of them would push another out with every run."""
    world.import_rows(people("Ada"), NAMES)
    ada = world.stored()["ada@example.com"]
    sources = {f"s{number:024}": Source("r", 2, "h") for number in range(SOURCES_KEPT)}
    crowded = replace(ada, version=ada.version + 1, sources=sources)
    assert all(done for _, done in world.contacts.write(world.account.account_id, [Replace(crowded)]))
    run = met(world, people("Ada"))
    assert (run.counts.unchanged, world.stored()["ada@example.com"]) == (1, crowded)


@pytest.mark.parametrize("existing", ["override", "fill_empty"])
def test_what_was_emptied_here_stays_empty(world: World, existing: str) -> None:
    world.import_rows(people("Ada"), NAMES)
    run = met(world, people("Ada"), options={"existing": existing})
    edit(world, "ada@example.com", name=None)
    run = refreshed(world, run, people("Ada", "Bob"))
    assert (run.counts.added, run.counts.unchanged) == (1, 1)
    assert world.fields()["ada@example.com"].get("name") is None


def test_whom_somebody_deletes_here_stays_deleted(world: World) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    run = met(world, people("Ada", "Bob"))
    world.delete("ada@example.com")
    run = refreshed(world, run, people("Ada", "Bob", "Cem"))
    assert (run.counts.skipped, sorted(world.stored())) == (
        1,
        ["bob@example.com", "cem@example.com", "first@example.com"],
    )


def test_a_run_that_fails_before_it_says_unchanged(world: World) -> None:
    world.import_rows(people("Ada", "Bob"), NAMES)
    before = versions(world)
    first = world.import_rows("email,name\nfirst@example.com,First\n", NAMES)
    world.ports.contacts = Exhausted(world.contacts, writes=0)
    again = world.again(first.sync_id, people("Ada", "Bob"))
    world.execute(again)
    run = world.run(again)
    assert (run.status, run.counts.unchanged, run.counts.settled) == ("failed", 2, run.counts.rows)
    assert versions(world) == {**before, "first@example.com": 1}


class TestAddressBooks:
    """Who was in somebody's book before is known by its sync from then on."""

    @pytest.fixture
    def world(self) -> BookWorld:
        return BookWorld()

    @pytest.mark.parametrize("said", [{}, {"notes": "met in Paris"}], ids=["the same", "more"])
    def test_a_file_that_lacks_them_deletes_neither_contact_nor_card(
        self, world: BookWorld, said: dict[str, Any]
    ) -> None:
        brought = world.import_rows(many(20), NAMES, options=OWN)
        world.book.add({"name": "Person 7", "emails": [{"value": "p7@example.com"}], **said})
        sync = world.sync()
        run = world.go(sync)
        assert (run.counts.added, run.counts.unchanged + run.counts.updated) == (0, 20)
        world.go(sync)
        assert world.go(sync).status == "unchanged"
        run = refreshed(world, brought, many(20).replace("p7@example.com,Person 7\n", ""))
        assert (run.counts.deleted, "p7@example.com" in world.stored()) == (0, True)
        world.go(sync)
        assert (len(world.book.cards()), len(world.stored())) == (20, 20)

    def test_nor_are_they_in_the_file_s_scope(
        self, world: BookWorld, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        know_rows(monkeypatch, 1)
        brought = world.import_rows(many(20), NAMES, options=OWN)
        for name in ("p7", "p8"):
            world.book.add(
                {"name": name.replace("p", "Person "), "emails": [{"value": f"{name}@example.com"}]}
            )
        world.go(world.sync())
        run = refreshed(world, brought, many(20).replace("p7@example.com,Person 7\n", ""))
        summary = world.files(run).plan_summary(0)
        assert summary is not None
        assert (run.counts.deleted, summary.stored, summary.found) == (0, 18, 18)

    def test_a_card_that_we_have_made_keeps_nobody(self, world: BookWorld) -> None:
        brought = world.import_rows(many(20), NAMES, options=OWN)
        sync = world.sync()
        world.go(sync)
        world.go(sync)
        assert refreshed(world, brought, many(19)).counts.deleted == 1
        world.go(sync)
        assert (len(world.book.cards()), len(world.stored())) == (19, 19)

    def test_nor_does_a_book_out_of_which_nothing_comes(self, world: BookWorld) -> None:
        brought = world.import_rows(many(20), NAMES, options=OWN)
        world.book.add({"name": "Person 7", "emails": [{"value": "p7@example.com"}]})
        world.go(world.sync(direction="push"))
        run = refreshed(world, brought, many(20).replace("p7@example.com,Person 7\n", ""))
        assert run.counts.deleted == 1

    def test_what_was_in_dispute_is_told_though_the_contact_stays_as_it_is(self, world: BookWorld) -> None:
        id_ = world.add({"name": "Ada King", "emails": [{"value": "ada@example.com"}], "notes": "ours"})
        world.book.add({"name": "Ada King", "emails": [{"value": "ada@example.com"}], "notes": "theirs"})
        run = world.go(world.sync(conflict="hub"))
        assert (run.counts.unchanged, run.sync_id in world.contact(id_).sources) == (1, True)
        [line] = world.files(run).plan(0)
        decision = read_decision(line)
        assert isinstance(decision, Confirm)
        assert "theirs" in decision.note
