"""The shared hub and the day's numbers as callers of the API have them."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from contactsync.connectors.memory import MemoryConnector
from contactsync.control import boxes
from contactsync.errors import Stale
from contactsync.journeys.asked import editing
from contactsync.journeys.book import subscribing
from contactsync.journeys.book.bookfiles import BookFiles
from contactsync.journeys.book.committing import count_day
from contactsync.journeys.file.runfiles import files_of
from tests.contract.cards import ADA
from tests.support.bookworld import CONNECTION
from tests.support.calling import Client
from tests.support.connecting import member
from tests.support.world import Died

BOB = {"name": "Bob Kahn", "emails": [{"value": "bob@example.com"}]}
CEM = {"name": "Cem Usta", "emails": [{"value": "cem@example.com"}]}


@pytest.fixture
def world(book_world):
    return book_world


def fillers(world, count=20):
    """So many others that one deletion more passes the guard."""
    for number in range(count):
        world.book.add({"name": f"Filler {number}", "emails": [{"value": f"f{number}@example.com"}]})


class TestBoxes:
    def test_is_ticked_once_and_unticked(self, api, world):
        contact = world.add(ADA)
        first = api.put(f"/contacts/{contact}/subscription")
        world.clock.advance(timedelta(minutes=1))
        assert api.put(f"/contacts/{contact}/subscription").json == first.json
        assert (first.json["contact_id"], first.json["subscribers"]) == (contact, 1)
        assert api.delete(f"/contacts/{contact}/subscription").status == 204
        assert api.delete(f"/contacts/{contact}/subscription").status == 204
        assert api.get("/contacts?subscribed=true").json["items"] == []

    def test_that_a_run_has_ticked_says_since_when_as_all_others(self, api, world):
        world.book.add(ADA)
        world.go(world.sync(selection="subscribed"))
        [ada] = world.everybody()
        member = Client(world, replace(api.account, member_id="m1"))
        assert member.put(f"/contacts/{ada}/subscription").json["since"].endswith("Z")

    def test_that_is_ticked_again_after_its_maker_died_is_told_to_the_book(self, api, world, monkeypatch):
        contact = world.add(ADA)
        told = []

        def dies(*_, **__):
            raise Died

        monkeypatch.setattr(subscribing, "say_changed", dies)
        with pytest.raises(Died):
            api.put(f"/contacts/{contact}/subscription")
        monkeypatch.setattr(subscribing, "say_changed", lambda *_, **__: told.append("told"))
        assert api.put(f"/contacts/{contact}/subscription").status == 200
        world.clock.advance(timedelta(minutes=5))
        assert api.put(f"/contacts/{contact}/subscription").status == 200
        assert told == ["told"]

    def test_that_is_unticked_again_after_its_maker_died_is_told_to_the_book(self, api, world, monkeypatch):
        contact = world.add(ADA)
        api.put(f"/contacts/{contact}/subscription")
        told = []

        def dies(*_, **__):
            raise Died

        monkeypatch.setattr(subscribing, "say_changed", dies)
        with pytest.raises(Died):
            api.delete(f"/contacts/{contact}/subscription")
        monkeypatch.setattr(subscribing, "say_changed", lambda *_, **__: told.append("told"))
        assert api.delete(f"/contacts/{contact}/subscription").status == 204
        assert told == ["told"]

    def test_are_each_member_s_own(self, api, world):
        ada, bob = world.add(ADA), world.add(BOB)
        other = member(world, api, "contacts.view")
        api.put(f"/contacts/{ada}/subscription")
        assert other.put(f"/contacts/{bob}/subscription").json["subscribers"] == 1
        assert [each["id"] for each in api.get("/contacts?subscribed=true").json["items"]] == [ada]
        assert [each["id"] for each in api.get("/contacts?subscribed=false").json["items"]] == [bob]
        assert [each["id"] for each in other.get("/contacts?subscribed=true").json["items"]] == [bob]
        assert other.put(f"/contacts/{ada}/subscription").json["subscribers"] == 2

    def test_set_syncs_going_within_minutes(self, api, world):
        """The box is in the feed, and told on the bus."""
        contact = world.add(ADA)
        world.bus.events.clear()
        api.put(f"/contacts/{contact}/subscription")
        api.delete(f"/contacts/{contact}/subscription")
        assert [event.kind for event in world.bus.events] == ["ContactsChanged"] * 2
        assert {event.detail["chooser"] for event in world.bus.events} == {api.account.member_id}

    def test_of_nobody_are_404(self, api):
        assert api.put(f"/contacts/{'0' * 32}/subscription").status == 404

    def test_are_asked_for_by_true_or_false(self, api):
        answer = api.get("/contacts?subscribed=maybe")
        assert (answer.status, answer.pointers) == (422, {"/subscribed"})

    def test_whoever_is_forgotten_is_in_nobody_s_box(self, api, world):
        """A deleted contact's boxes go when its book hears of it."""
        world.book.add(ADA)
        fillers(world)
        sync = world.sync(selection="subscribed")
        world.go(sync)
        world.control.subscriptions(api.account.account_id, "m1")
        [ada] = [id_ for id_, fields in world.everybody().items() if fields["name"] == ADA["name"]]
        assert ada in world.control.subscriptions(api.account.account_id, "m1")
        api.delete(f"/contacts/{ada}")
        world.go(sync)
        assert ada not in world.control.subscriptions(api.account.account_id, "m1")
        assert len(world.book.cards()) == 21

    def test_of_who_is_deleted_go_at_once(self, api, world):
        """Whoever adds this person again has not asked those who had ticked them; some of them have no book that hears of it."""
        fields = {"emails": ADA["emails"]}
        ada = api.post("/contacts", {"fields": fields}).json["id"]
        leaver = member(world, api, "contacts.view")
        for client in (api, leaver):
            client.put(f"/contacts/{ada}/subscription")
        assert api.delete(f"/contacts/{ada}").status == 204
        assert api.post("/contacts", {"fields": fields}).json["id"] == ada
        assert leaver.get("/contacts?subscribed=true").json["items"] == []
        assert leaver.put(f"/contacts/{ada}/subscription").json["subscribers"] == 1

    @pytest.mark.parametrize("overtaken", [False, True])
    def test_of_a_member_who_is_removed_keep_nobody_in_the_hub(self, api, world, monkeypatch, overtaken):
        """The only one who is left, and deletes somebody, is the only one."""
        monkeypatch.setattr(boxes, "BOXES_A_COMMIT", 4)
        account, card = api.account.account_id, world.book.add(ADA)
        fillers(world)
        sync = world.sync(selection="subscribed")
        world.go(sync)
        leaver = member(world, api, "contacts.view")
        for contact in world.everybody():
            leaver.put(f"/contacts/{contact}/subscription")
        if overtaken:  # one of the boxes is taken away by somebody else meanwhile
            commit, often = world.records.commit, iter([True])

            def commits(writes):
                if len(writes) == 8 and next(often, False):
                    raise Stale
                commit(writes)

            monkeypatch.setattr(world.records, "commit", commits)
        assert api.delete(f"/members/{leaver.account.member_id}").status == 204
        assert world.control.subscriptions(account, leaver.account.member_id) == frozenset()
        assert len(world.control.subscriptions(account, "m1")) == 21
        world.book.remove(card)
        world.go(sync)
        assert ADA["name"] not in {fields["name"] for fields in world.everybody().values()}

    def test_that_a_member_ticks_while_they_are_removed_go_too(self, api, world, monkeypatch):
        ada, leaver, drop = world.add(ADA), member(world, api, "contacts.view"), world.control.drop_member

        def late(read):
            assert leaver.put(f"/contacts/{ada}/subscription").status == 200
            return drop(read)

        monkeypatch.setattr(world.control, "drop_member", late)
        assert api.delete(f"/members/{leaver.account.member_id}").status == 204
        assert world.control.subscribers(leaver.account.account_id, ada) == frozenset()

    def test_of_a_contact_whose_deletion_died_half_way_go_when_it_is_asked_for_again(
        self, api, world, monkeypatch
    ):
        ada = world.add(ADA)
        assert api.put(f"/contacts/{ada}/subscription").status == 200
        with monkeypatch.context() as patch:
            patch.setattr(editing, "_untick", lambda *_: (_ for _ in ()).throw(Died()))
            with pytest.raises(Died):
                api.delete(f"/contacts/{ada}")
        assert world.control.subscribers(api.account.account_id, ada)
        assert api.delete(f"/contacts/{ada}").status == 404
        assert world.control.subscribers(api.account.account_id, ada) == frozenset()

    @pytest.mark.parametrize("at_the_last_moment", [False, True])
    def test_of_a_member_who_is_removed_and_still_let_in_are_not_ticked(
        self, api, world, monkeypatch, at_the_last_moment
    ):
        """For up to a minute they are; nobody would ever take away what they tick then."""
        ada, leaver = world.add(ADA), member(world, api, "contacts.view")
        who, tick = leaver.account, world.control.tick

        def removed() -> None:
            assert api.delete(f"/members/{who.member_id}").status == 204

        def tick_late(*told):
            removed()
            tick(*told)

        if at_the_last_moment:
            monkeypatch.setattr(world.control, "tick", tick_late)
        else:
            removed()
        assert leaver.put(f"/contacts/{ada}/subscription").status == 403
        assert world.control.subscribers(who.account_id, ada) == frozenset()
        assert world.control.subscriptions(who.account_id, who.member_id) == frozenset()


class TestSegments:
    def test_stay_as_long_as_a_sync_follows_them(self, api, world):
        segment = api.post("/segments", {"name": "Book"}).json["id"]
        world.sync(selection={"segment": segment})
        assert api.delete(f"/segments/{segment}").status == 409


class TestStamp:
    def test_tells_whose_edit_in_which_book_was_the_last(self, api, world):
        card = world.book.add(ADA)
        sync = world.sync()
        run = world.go(sync)
        [contact] = api.get("/contacts").json["items"]
        assert contact["audit"]["updated_by"] == f"run:{run.id}"
        assert contact["audit"]["updated_in"] == {"member_id": "m1", "connection_id": CONNECTION}
        api.patch(f"/contacts/{contact['id']}", {"fields": {"nickname": "A"}})
        assert api.get(f"/contacts/{contact['id']}").json["audit"]["updated_in"] is None
        world.go(sync)
        world.book.edit(card, {**world.book.cards()[card].fields, "notes": "New"})
        world.go(sync)
        stamp = api.get(f"/contacts/{contact['id']}").json["audit"]
        assert stamp["updated_in"] == {"member_id": "m1", "connection_id": CONNECTION}


def today(api):
    told = api.get("/metrics/today").json
    return {
        kind: (told[kind]["total"], told[kind]["hub"], told[kind]["remote"])
        for kind in ("added", "updated", "deleted")
    }


def again(world, run):
    """The step that counts runs a second time."""
    files = BookFiles(files_of(run, world.runs))
    count_day(run, CONNECTION, files, world.control, world.clock.now())


class Broken(MemoryConnector):
    """A way into the book that breaks when a card is to be made."""

    def create(self, group, drafts):
        raise RuntimeError


NOTHING: dict[str, tuple[int, int, dict[str, int]]] = {
    "added": (0, 0, {}),
    "updated": (0, 0, {}),
    "deleted": (0, 0, {}),
}


class TestToday:
    def test_nothing_has_happened(self, api):
        assert today(api) == NOTHING

    def test_added_here_and_there(self, api, world):
        world.book.add(ADA)
        world.add(BOB)
        world.add(CEM)
        world.go(world.sync())
        assert today(api)["added"] == (3, 2, {CONNECTION: 1})

    def test_who_is_found_on_both_sides_is_updated(self, api, world):
        world.add({"name": ADA["name"], "emails": [{"value": "ada@example.com"}], "nickname": "A"})
        world.book.add(ADA)
        world.go(world.sync())
        assert today(api)["added"] == (0, 0, {})
        assert today(api)["updated"] == (2, 1, {CONNECTION: 1})

    def test_of_deletions_those_at_the_provider_count_with_their_source(self, api, world):
        there = world.book.add(ADA)
        world.book.add(BOB)
        fillers(world)
        sync = world.sync()
        world.go(sync)
        [bob] = [id_ for id_, fields in world.everybody().items() if fields["name"] == BOB["name"]]
        world.book.remove(there)
        api.delete(f"/contacts/{bob}")
        world.go(sync)
        assert len(world.book.cards()) == len(world.everybody()) == 20
        assert today(api)["deleted"] == (1, 1, {CONNECTION: 1})

    def test_begins_anew_with_the_account_s_day(self, api, world):
        api.patch("/account", {"time_zone": "Pacific/Auckland"})
        world.book.add(ADA)
        world.go(world.sync())
        resets_at = api.get("/metrics/today").json["resets_at"]
        assert resets_at == "2026-11-22T11:00:00.000Z"
        assert today(api)["added"][0] == 1
        world.clock.advance(timedelta(hours=26))
        assert today(api) == NOTHING

    def test_a_run_counts_once_however_often_it_is_said(self, api, world):
        world.book.add(ADA)
        run = world.go(world.sync())
        before = today(api)
        again(world, run)
        world.clock.advance(timedelta(hours=20))
        again(world, run)
        assert today(api) == NOTHING
        world.clock.advance(-timedelta(hours=20))
        assert today(api) == before

    def test_what_a_run_did_before_it_failed_counts(self, api, world):
        world.book.add(ADA)
        world.add(BOB)
        world.book.habits.at_once = 1
        world.connect = lambda _: Broken(world.book)
        run = world.go(world.sync())
        assert run.status == "failed"
        assert today(api)["added"] == (1, 0, {CONNECTION: 1})

    def test_connected_again_counts_as_updates(self, api, world):
        """Case 45: another sync with the same book finds the links of the first."""
        world.book.add(ADA)
        world.go(world.sync())
        [contact] = world.everybody()
        world.edit(contact, nickname="A")
        world.go(world.sync())
        assert today(api)["added"] == (1, 0, {CONNECTION: 1})
        assert today(api)["updated"] == (1, 1, {})


class TestPreview:
    """Case 40: what a first sync would do, on both sides, before it does anything."""

    def test_shows_both_sides_and_writes_neither(self, api, world):
        world.book.add(ADA)
        bob = world.add(BOB)
        dry = world.go(world.sync(), dry_run=True)
        shown = api.get(f"/runs/{dry.id}").json
        assert (shown["planned"]["added"], shown["book"]["planned"]["added"]) == (1, 1)
        assert shown["book"]["counts"]["added"] == 0
        rows = api.get(f"/runs/{dry.id}/plan").json["items"]
        [added] = [row for row in rows if row["change"] == "add"]
        assert added["card"] is None
        [row] = [row for row in rows if row["contact_id"] == bob]
        assert (row["change"], row["card"]["change"]) == ("unchanged", "add")
        assert {"field": "name", "from": None, "to": BOB["name"]} in row["card"]["fields"]
        assert (len(world.everybody()), len(world.book.cards())) == (1, 1)

    def test_shows_field_by_field_what_a_card_would_become(self, api, world):
        world.book.add(BOB)
        sync = world.sync()
        world.go(sync)
        [bob] = world.everybody()
        world.edit(bob, notes="Here")
        dry = world.go(sync, dry_run=True)
        [row] = api.get(f"/runs/{dry.id}/plan").json["items"]
        assert row["card"] == {"change": "update", "fields": [{"field": "notes", "from": None, "to": "Here"}]}
        run = world.go(sync, plan_of=dry.id)
        assert api.get(f"/runs/{run.id}").json["book"]["counts"]["updated"] == 1
