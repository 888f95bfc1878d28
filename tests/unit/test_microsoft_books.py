"""Whole runs of a sync with Microsoft's contacts, whose slots may hold one value for several things."""

from __future__ import annotations

from contactsync.connectors.microsoft import MicrosoftConnector
from tests.fakes.graph import GraphServer
from tests.support.bookworld import BookWorld


def test_who_works_at_home_keeps_both_places_and_numbers():
    """Case 26."""
    world = BookWorld()
    with GraphServer() as graph:
        world.connect = lambda _: MicrosoftConnector(
            lambda _: "token", country="GB", base=f"{graph.url}/v1.0"
        )
        place, number = {"street": "1 Road", "city": "London"}, "020 7946 0018"
        slots = {"homeAddress": place, "businessAddress": place, "mobilePhone": number}
        id_ = graph.add({"displayName": "Ada", "businessPhones": [number], **slots})
        sync = world.sync(group="")
        world.go(sync)
        [contact] = world.everybody()
        first = world.contact(contact).fields
        assert [len(first[key]) for key in ("phones", "addresses")] == [2, 2]
        graph.edit(id_, {"jobTitle": "Countess"})
        world.go(sync)
        assert world.contact(contact).fields == {**first, "job_title": "Countess"}
        world.edit(
            contact,
            phones=[*first["phones"], {"value": "+442079460019", "text": "020 7946 0019", "label": "home"}],
            addresses=[*first["addresses"], {"value": {"city": "Paris"}, "label": "other"}],
        )
        world.go(sync)
        stored = graph.contacts[id_]
        assert {name: stored[name] for name in slots} == slots
        assert (stored["businessPhones"], stored["homePhones"]) == ([number], ["020 7946 0019"])
        assert stored["otherAddress"] == {"city": "Paris"}
        again = world.go(sync)
        assert (again.counts.updated, again.pushed.updated) == (0, 0)


def test_a_mailbox_that_is_lost_ends_the_run_and_says_whose_move_it_is():
    world = BookWorld()
    with GraphServer() as graph:
        world.connect = lambda _: MicrosoftConnector(
            lambda _: "token", country="GB", base=f"{graph.url}/v1.0"
        )
        graph.add({"displayName": "Ada"})
        sync = world.sync(group="")
        world.go(sync)
        graph.without_mailbox = True
        run = world.go(sync)
        assert run.problem is not None
        assert (run.status, run.problem.code) == ("failed", "no_mailbox")
        assert "licence" in run.problem.detail
        graph.without_mailbox = False
        assert world.go(sync).problem is None
        assert len(world.everybody()) == 1
