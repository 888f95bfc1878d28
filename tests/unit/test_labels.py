"""Whole runs of a sync that follows one label of Google's contacts."""

from __future__ import annotations

from datetime import timedelta

from contactsync.connectors.google import GoogleConnector
from contactsync.connectors.google_person import Translation
from tests.contract.cards import ADA
from tests.fakes.people import PeopleServer
from tests.support.bookworld import BookWorld

PERSONS = Translation("GB")


def test_a_label_that_is_deleted_ends_the_run_and_says_so():
    """Otherwise everybody would seem to have left it, and the sync would go on with nobody."""
    world = BookWorld()
    with PeopleServer(world.clock) as google:
        world.connect = lambda _: GoogleConnector(lambda _: "token", country="GB", base=google.url)
        clients = google.add_group("Clients")
        google.add(PERSONS.person(ADA), clients)
        world.clock.advance(timedelta(minutes=30))
        sync = world.sync(group=clients)
        assert world.go(sync).counts.added == 1
        google.remove_group(clients)
        world.clock.advance(timedelta(minutes=30))
        run = world.go(sync)
        assert run.problem is not None
        assert (run.status, run.problem.code) == ("failed", "group_gone")
        assert len(world.everybody()) == 1
