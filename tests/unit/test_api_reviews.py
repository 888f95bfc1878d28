"""What a person decides over an address book, and what they are shown of it: doubts, frozen contacts, conflicts."""

from __future__ import annotations

import pytest

from contactsync.core import mailing
from contactsync.core.mailing import clean
from contactsync.journeys.book import reviewing
from tests.contract.cards import ADA
from tests.support.calling import Client
from tests.support.world import Died

PLACE = "/connections/n1"
HOME = [{"value": "home@example.com"}]


@pytest.fixture
def world(book_world):
    return book_world


@pytest.fixture
def doubt(api, world):
    """A card that has a contact's address, and another name."""
    world.add({"name": "William King", "emails": HOME})
    world.book.add({"name": "Ada Lovelace", "emails": HOME})
    sync = world.sync()
    run = world.go(sync)
    assert (run.counts.skipped, run.pushed.added) == (1, 0)
    return sync


def decide(api, **body):
    [review] = api.get(f"{PLACE}/reviews").json["items"]
    return api.patch(f"{PLACE}/reviews/{review['id']}", body)


class TestReviews:
    def test_show_the_card_and_whom_it_may_be(self, api, doubt):
        [review] = api.get(f"{PLACE}/reviews").json["items"]
        assert review["card"]["fields"]["name"] == "Ada Lovelace"
        assert [each["fields"]["name"] for each in review["contacts"]] == ["William King"]
        assert (review["why"], review["rule"], review["decision"]) == ("other_name", ["email"], None)

    def test_the_same_person_becomes_one(self, api, world, doubt):
        [contact] = world.everybody()
        assert decide(api, decision="same", contact_id=contact).json["decision"] == contact
        run = world.go(doubt)
        assert (run.counts.added, run.counts.updated + run.pushed.updated) == (0, 1)
        assert list(world.everybody()) == [contact]
        assert list(world.links()) == [contact]
        assert api.get(f"{PLACE}/reviews").json["items"] == []

    @pytest.mark.parametrize("decision", ["different", "new"])
    def test_two_people_stay_two_and_nobody_asks_again(self, api, world, doubt, decision):
        """Case 41."""
        [contact] = world.everybody()
        named = {"contact_id": contact} if decision == "different" else {}
        assert decide(api, decision=decision, **named).json["decision"] == "new"
        run = world.go(doubt)
        assert (run.counts.added, run.pushed.added) == (1, 1)
        assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == 2
        world.go(world.sync(conflict="hub"))
        world.book.expire_cursors()
        assert world.go(doubt).counts.skipped == 0
        assert api.get(f"{PLACE}/reviews").json["items"] == []

    def test_not_this_one_leaves_the_others(self, api, world):
        first = world.add(
            {"name": "Ada Lovelace", "emails": [{"value": "a@one.example"}], "organization": "X"}
        )
        second = world.add(
            {"name": "Ada Lovelace", "emails": [{"value": "a@two.example"}], "organization": "X"}
        )
        world.book.add({"name": "Ada Lovelace", "organization": "X"})
        sync = world.sync()
        world.go(sync)
        answer = decide(api, decision="different", contact_id=first).json
        assert (answer["decision"], [each["id"] for each in answer["contacts"]]) == (None, [second])
        world.go(sync)
        assert second in world.links()
        assert len(world.everybody()) == 2

    def test_a_decision_survives_a_run_that_dies(self, api, world, doubt):
        [contact] = world.everybody()
        decide(api, decision="same", contact_id=contact)
        world.book.lock()
        assert world.go(doubt).status == "failed"
        world.book.lock(locked=False)
        world.control.update_connection(
            api.account.account_id, "n1", lambda each: each.model_copy(update={"state": "active"})
        )
        world.go(doubt)
        assert list(world.links()) == [contact]

    @pytest.mark.parametrize("full", [False, True])
    def test_a_decision_that_exceeds_a_run_is_carried_out_by_a_later_one(self, api, world, doubt, full):
        """The run that hears of it has no room for it, and the next one is not told of the contact again."""
        [contact] = world.everybody()
        others = [world.add({"name": f"N {n}", "emails": [{"value": f"n{n}@example.com"}]}) for n in range(3)]
        world.go(doubt)
        world.limit(next_sync_contacts=1)
        for other in others:
            world.edit(other, nickname="N")
        decide(api, decision="same", contact_id=contact)
        if full:
            world.book.expire_cursors()
        for _ in range(6):
            assert world.go(doubt).counts.skipped == 0
        assert len(world.everybody()) == len(world.book.cards()) == len(world.links()) == 4
        assert contact in world.links()
        assert world.go(doubt).status == "unchanged"

    def test_of_two_cards_that_are_one_contact_one_is_linked(self, api, world):
        """Case 43: what is there twice in the book is for its owner to merge."""
        contact = world.add({"name": "William King", "emails": HOME})
        for name in ("Ada Lovelace", "Augusta Byron"):
            world.book.add({"name": name, "emails": HOME})
        sync = world.sync()
        world.go(sync)
        for review in api.get(f"{PLACE}/reviews").json["items"]:
            api.patch(f"{PLACE}/reviews/{review['id']}", {"decision": "same", "contact_id": contact})
        runs = [world.go(sync) for _ in range(2)]
        assert list(world.links()) == list(world.everybody()) == [contact]
        assert len(world.book.cards()) == 2
        [row] = api.get(f"/runs/{runs[0].id}/rows?outcome=skipped").json["items"]
        assert row["reason"] == "Its contact has another card in this address book. Merge the two there."

    def test_whom_it_is_not_has_a_card_though_the_others_are_still_asked_about(self, api, world):
        ids = [
            world.add({"name": "Ada Lovelace", "emails": [{"value": f"a@{n}.example"}], "organization": "X"})
            for n in range(3)
        ]
        world.book.add({"name": "Ada Lovelace", "organization": "X"})
        sync = world.sync()
        world.go(sync)
        decide(api, decision="different", contact_id=ids[0])
        for _ in range(2):
            world.go(sync)
        assert list(world.links()) == ids[:1]

    def test_whom_it_is_not_is_not_asked_about_again_however_often_the_card_changes(self, api, world):
        ids = [
            world.add({"name": "Ada Lovelace", "emails": [{"value": f"a@{n}.example"}], "organization": "X"})
            for n in range(3)
        ]
        shown = {"name": "Ada Lovelace", "organization": "X"}
        card = world.book.add(shown)
        sync = world.sync(direction="pull")
        world.go(sync)
        decide(api, decision="different", contact_id=ids[0])
        for note in ("once", "twice"):
            world.book.edit(card, {**shown, "notes": note})
            world.go(sync)
        [review] = api.get(f"{PLACE}/reviews").json["items"]
        assert review["card"]["fields"]["notes"] == "twice"
        assert {each["id"] for each in review["contacts"]} == {*ids[1:]}

    def test_is_asked_by_no_dry_run(self, api, world):
        world.add({"name": "William King", "emails": HOME})
        world.book.add({"name": "Ada Lovelace", "emails": HOME})
        run = world.go(world.sync(), dry_run=True)
        assert (run.counts.skipped, [each.code for each in run.warnings]) == (1, ["needs_review"])
        assert api.get(f"{PLACE}/reviews").json["items"] == []

    def test_is_decided_once(self, api, world, doubt):
        [contact] = world.everybody()
        [review] = api.get(f"{PLACE}/reviews").json["items"]
        same = {"decision": "same", "contact_id": contact}
        assert api.patch(f"{PLACE}/reviews/{review['id']}", same).status == 200
        assert api.patch(f"{PLACE}/reviews/{review['id']}", same).status == 200
        assert api.patch(f"{PLACE}/reviews/{review['id']}", {"decision": "new"}).status == 409

    def test_names_one_of_those_that_it_may_be(self, api, doubt):
        answer = decide(api, decision="same", contact_id="0" * 32)
        assert (answer.status, answer.pointers) == (422, {"/contact_id"})

    def test_somebody_else_s_book_is_nobody_s_business(self, api, world, doubt):
        other = Client(world, type(api.account)(api.account.account_id, "m2", ""), ("contacts.view",))
        assert other.get(f"{PLACE}/reviews").status == 404
        assert other.get(f"{PLACE}/frozen").status == 404


def test_a_decision_whose_maker_died_is_told_to_the_book_when_they_ask_again(api, world, doubt, monkeypatch):
    """It stands, and nobody has said so: the book would hear of it with somebody's next edit."""
    told = []

    def dies(*_):
        raise Died

    [contact] = world.everybody()
    [review] = api.get(f"{PLACE}/reviews").json["items"]
    said = {"decision": "same", "contact_id": contact}
    monkeypatch.setattr(reviewing, "say_changed", dies)
    with pytest.raises(Died):
        api.patch(f"{PLACE}/reviews/{review['id']}", said)
    monkeypatch.setattr(reviewing, "say_changed", lambda *_: told.append("told"))
    assert api.patch(f"{PLACE}/reviews/{review['id']}", said).status == 200
    assert told == ["told"]
    world.go(doubt)
    assert api.patch(f"{PLACE}/reviews/{review['id']}", said).status == 200
    assert told == ["told"], "a run has carried it out"


class TestFrozen:
    @pytest.fixture
    def loop(self, api, world):
        """Two programs that overwrite each other."""
        card = world.book.add(ADA)
        sync = world.sync()
        world.go(sync)
        [contact] = world.everybody()
        world.overwrite(sync, contact, card)
        return sync

    def test_show_both_versions_and_when_each_was_written(self, api, world, loop):
        """Case 48."""
        [frozen] = api.get(f"{PLACE}/frozen").json["items"]
        notes = {frozen["contact"]["fields"]["notes"], frozen["card"]["fields"]["notes"]}
        assert len(notes) == 2
        assert {turn["by"] for turn in frozen["turns"]} == {"hub", "book"}
        assert len(frozen["turns"]) >= 6

    def test_it_is_said_whose_move_it_is_and_how_to_end_it(self, api, world, loop):
        """In the run, in its mail, whole, and with the row: of people as of programs."""
        latest = world.control.sync(api.account.account_id, loop).value.latest_run
        run = api.get(f"/runs/{latest}").json
        [warning] = [each for each in run["warnings"] if each["code"] == "frozen"]
        [row] = api.get(f"/runs/{run['id']}/rows?outcome=skipped").json["items"]
        assert clean(warning["message"], mailing.REASON_LENGTH) == warning["message"]
        assert f"GET /v1{PLACE}/frozen" in warning["message"]
        for told in (warning["message"], row["reason"]):
            assert "two programs" in told
            assert "two people who do not agree" in told
            assert "DELETE" in told

    def test_go_on_when_somebody_says_so(self, api, world, loop):
        [frozen] = api.get(f"{PLACE}/frozen").json["items"]
        [card] = world.book.cards()
        world.book.edit(card, {**world.book.cards()[card].fields, "notes": "the last word"})
        world.go(loop)
        assert api.delete(f"{PLACE}/frozen/{frozen['id']}").status == 204
        assert api.get(f"{PLACE}/frozen").json["items"] == []
        assert api.delete(f"{PLACE}/frozen/{frozen['id']}").status == 404
        world.go(loop)
        assert world.contact(frozen["contact"]["id"]).fields["notes"] == "the last word"
        assert world.book.cards()[card].fields["notes"] == "the last word"

    def test_go_on_with_the_change_that_was_held_back(self, api, world, loop):
        """It was never agreed on: what stood here before is no edit that would undo it."""
        [frozen] = api.get(f"{PLACE}/frozen").json["items"]
        assert frozen["contact"]["fields"]["notes"] == "here"
        assert api.delete(f"{PLACE}/frozen/{frozen['id']}").status == 204
        world.go(loop)
        [card] = world.book.cards().values()
        assert world.contact(frozen["contact"]["id"]).fields["notes"] == card.fields["notes"] == "there"

    def test_go_on_when_somebody_asks_again_who_died_over_it(self, api, world, loop, monkeypatch):
        [frozen] = api.get(f"{PLACE}/frozen").json["items"]
        told = []

        def dies(*_):
            raise Died

        monkeypatch.setattr(reviewing, "say_changed", dies)
        with pytest.raises(Died):
            api.delete(f"{PLACE}/frozen/{frozen['id']}")
        monkeypatch.setattr(reviewing, "say_changed", lambda *_: told.append("told"))
        assert api.delete(f"{PLACE}/frozen/{frozen['id']}").status == 404
        assert told == ["told"]
        world.go(loop)
        assert api.delete(f"{PLACE}/frozen/{frozen['id']}").status == 404
        assert told == ["told"]


class TestConflicts:
    @pytest.mark.parametrize("wins", ["remote", "hub"])
    def test_both_values_are_with_the_run(self, api, world, wins):
        card = world.book.add(ADA)
        sync = world.sync(conflict=wins)
        world.go(sync)
        [contact] = world.everybody()
        world.edit(contact, notes="from here")
        world.book.edit(card, {**world.book.cards()[card].fields, "notes": "from there"})
        run = world.go(sync)
        [row] = api.get(f"/runs/{run.id}/rows").json["items"]
        assert "“from here”" in row["reason"]
        assert "“from there”" in row["reason"]
        assert row["reason"].endswith("the address book's counts." if wins == "remote" else "ours counts.")
        if wins == "remote":
            why = api.get(f"/contacts/{contact}/history").json["items"][0]["why"]
            assert "“from here”" in why
            assert "“from there”" in why

    def test_a_contact_s_history_speaks_of_the_address_book(self, api, world):
        card = world.book.add(ADA)
        sync = world.sync()
        world.go(sync)
        [contact] = world.everybody()
        world.book.edit(card, {**world.book.cards()[card].fields, "notes": "Countess"})
        world.go(sync)
        world.book.remove(card)
        world.approve(world.go(sync))
        assert [change["why"] for change in api.get(f"/contacts/{contact}/history").json["items"]] == [
            "Its card was deleted in the address book.",
            "Brought together with its card in the address book.",
            "There was a card of it in the address book.",
        ]

    def test_a_protected_field_is_shown(self, api, world):
        """Case 44."""
        card = world.book.add(ADA)
        sync = world.sync()
        world.go(sync)
        without = {key: value for key, value in ADA.items() if key != "emails"}
        world.book.edit(card, without)
        run = world.go(sync)
        [row] = api.get(f"/runs/{run.id}/rows").json["items"]
        assert row["reason"] == "Kept although the address book has emptied it: emails."

    def test_what_is_left_for_the_next_run_is_told(self, api, world):
        world.limit(first_sync_contacts=8)
        for number in range(20):
            world.book.add({"name": f"N {number}", "emails": [{"value": f"n{number}@example.com"}]})
        run = world.go(world.sync())
        [warning] = [each for each in run.warnings if each.code == "carried"]
        assert warning.message == "12 of 20 changes are left for the next run."
