"""Whole runs of a sync with Google's contacts, with Google's habits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from contactsync.connectors.google import GoogleConnector
from contactsync.connectors.google_person import Translation
from contactsync.control.books import Linking
from contactsync.journeys.book.reviewing import thawed
from contactsync.model.connection import Link
from contactsync.model.run import Run
from tests.contract.cards import ADA, numbered
from tests.fakes.people import PeopleServer
from tests.support.bookworld import CONNECTION, BookWorld

PERSONS = Translation("GB")


@pytest.fixture
def world() -> BookWorld:
    return BookWorld()


@pytest.fixture
def google(world: BookWorld) -> Iterator[PeopleServer]:
    with PeopleServer(world.clock) as google:
        world.connect = lambda _: GoogleConnector(lambda _: "token", country="GB", base=google.url)
        yield google


def later(world: BookWorld, sync: str) -> Run:
    """A run, when lists show all that has happened."""
    world.clock.advance(timedelta(minutes=30))
    return world.go(sync)


def test_a_label_that_is_deleted_ends_the_run_and_says_so(world: BookWorld, google: PeopleServer):
    """Otherwise everybody would seem to have left it, and the sync would go on with nobody."""
    clients = google.add_group("Clients")
    google.add(PERSONS.person(ADA), clients)
    sync = world.sync(group=clients)
    assert later(world, sync).counts.added == 1
    google.remove_group(clients)
    run = later(world, sync)
    assert run.problem is not None
    assert (run.status, run.problem.code) == ("failed", "group_gone")
    assert len(world.everybody()) == 1


def test_who_is_called_otherwise_in_every_way_is_known_by_the_marker(world: BookWorld, google: PeopleServer):
    """Case 17, when the cursor has expired as well: complete lists tell no former names."""
    contact = world.add({**ADA, "shoe_size": 38})
    sync = world.sync(group="")
    later(world, sync)
    [id_] = google.persons
    new = google.rename(id_)
    google.edit(new, {"names": [{"givenName": "Augusta"}], "emailAddresses": [{"value": "new@example.com"}]})
    google.expire()
    later(world, sync)
    assert list(world.everybody()) == [contact]
    assert world.contact(contact).fields["name"] == "Augusta"
    assert world.contact(contact).fields["shoe_size"] == 38
    assert list(google.persons) == [new]


@pytest.mark.parametrize("stays", [True, False])
def test_who_is_called_otherwise_in_every_way_is_known_by_what_google_calls_them_now(
    world: BookWorld, google: PeopleServer, stays: bool
):
    """Case 17, of a card that we have not made and that bears no marker: who asks by the former name gets the person."""
    clients = google.add_group("Clients")
    old = google.add(PERSONS.person(ADA), clients)
    for number in range(20):
        google.add(PERSONS.person(numbered(number)), clients)
    sync = world.sync(group=clients)
    later(world, sync)
    [contact] = [id_ for id_, fields in world.everybody().items() if fields["name"] == ADA["name"]]
    new = google.rename(old)
    google.edit(new, {"names": [{"givenName": "Augusta"}], "emailAddresses": [{"value": "new@example.com"}]})
    google.edit(new, {"phoneNumbers": [{"value": "+44 20 7946 0999"}]})
    if not stays:
        google.edit(new, {"memberships": google.persons[new]["memberships"][:1]})
    google.expire()
    run = later(world, sync)
    assert (run.counts.added, run.counts.deleted) == (0, 0)
    assert len(world.everybody()) == 21
    assert world.contact(contact).fields["name"] == ("Augusta" if stays else ADA["name"])


def test_of_two_whom_somebody_has_merged_at_google_one_stays(world: BookWorld, google: PeopleServer):
    """The cursor has expired, and whoever asks for the one that is gone gets the other."""
    for number in range(20):
        google.add(PERSONS.person(numbered(number)))
    stays, goes = google.add(PERSONS.person(ADA)), google.add(PERSONS.person({"name": "Ada King"}))
    sync = world.sync(group="")
    later(world, sync)
    google.remove(goes)
    google.edit(stays, {"previous": [goes]})
    google.expire()
    later(world, sync)
    names = [fields["name"] for fields in world.everybody().values()]
    assert (len(names), names.count(ADA["name"])) == (21, 1)
    assert later(world, sync).status == "unchanged"


def test_who_is_called_otherwise_and_leaves_the_label_is_not_deleted(world: BookWorld, google: PeopleServer):
    """Cases 17 and 18 at once, and the cursor has expired."""
    clients = google.add_group("Clients")
    contact = world.add(ADA)
    sync = world.sync(group=clients)
    google.add(PERSONS.person(numbered(1)), clients)
    later(world, sync)
    [id_] = [id_ for id_, person in google.persons.items() if "clientData" in person]
    new = google.rename(id_)
    google.edit(new, {"memberships": google.persons[new]["memberships"][:1]})
    google.expire()
    run = later(world, sync)
    assert (run.status, run.counts.deleted) == ("succeeded", 0)
    assert contact in world.everybody()
    world.edit(contact, notes="new")
    later(world, sync)
    assert len(google.persons) == 2


@pytest.mark.parametrize("merged", [False, True], ids=["renamed", "merged with another"])
def test_who_was_deleted_here_and_is_called_otherwise_since_can_be_added_again(
    world: BookWorld, google: PeopleServer, merged: bool
):
    """Their card is asked for by its former name: each run ended as a bug of ours."""
    clients = google.add_group("Clients")
    old, other = (google.add(PERSONS.person(who), clients) for who in (ADA, {"name": "Ada King"}))
    sync = world.sync(group=clients, direction="pull")
    later(world, sync)
    [contact] = [id_ for id_, fields in world.everybody().items() if fields["name"] == ADA["name"]]
    world.remove(contact)
    later(world, sync)
    new = None
    if merged:
        google.remove(old)
        google.edit(other, {"previous": [old]})
    else:
        new = google.rename(old)
        google.edit(new, {"memberships": google.persons[new]["memberships"][:1]})
    later(world, sync)
    contact = world.add(ADA)
    assert later(world, sync).status == "succeeded"
    assert later(world, sync).status == "unchanged"
    link = world.links().get(contact)
    assert (link and link.id) == new


def relink(world: BookWorld, contact: str, change: Callable[[Link], Link]) -> None:
    place, now = (world.account.account_id, CONNECTION), world.clock.now()
    read = world.control.link_of(*place, contact)
    assert read is not None
    world.control.note_changes(place[0], f"e{now.timestamp()}", now, contacts=[contact])
    world.control.store_links(*place, [Linking(change(read.value), read)], now)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_frozen_contact_that_goes_on_is_who_it_was_though_google_calls_it_otherwise_since(
    world: BookWorld, google: PeopleServer, when: str
):
    """Case 17. Its card was asked for by its former name alone, and counted as deleted."""
    old = google.add(PERSONS.person(ADA))
    for number in range(20):
        google.add(PERSONS.person(numbered(number)))
    sync = world.sync(group="")
    later(world, sync)
    [contact] = [id_ for id_, fields in world.everybody().items() if fields["name"] == ADA["name"]]
    world.edit(contact, shoe_size=38)
    later(world, sync)

    def call_otherwise() -> None:
        another = {"names": [{"givenName": "Augusta"}], "emailAddresses": [{"value": "new@example.com"}]}
        google.edit(google.rename(old), another)

    relink(world, contact, lambda link: replace(link, state="frozen"))
    if when == "before":
        call_otherwise()
    later(world, sync)
    relink(world, contact, thawed)
    if when == "after":
        call_otherwise()
    assert later(world, sync).counts.deleted == 0
    assert len(world.everybody()) == 21
    assert world.contact(contact).fields["name"] == "Augusta"
    assert world.contact(contact).fields["shoe_size"] == 38
    assert later(world, sync).status == "unchanged"
