"""Plans: what an account may have, that it is counted right, and what is said where there is no more room."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from contactsync.control import limits_of, plan_of, plans
from contactsync.journeys.account import accounts
from contactsync.journeys.asked import scheduling
from contactsync.model.account import Account
from contactsync.model.message import SyncDue
from contactsync.ports import RecordKey

ROWS = "email\nada@example.com\nbob@example.com\nzoe@example.com\n"
MAPPING = [{"column": "email", "field": "email"}]
REMOTE: dict[str, Any] = {
    "source": {"kind": "http", "url": "https://files.example.com/people.csv"},
    "mapping": MAPPING,
}
DAILY = {"start": "2026-11-22T06:00:00", "recurrence": "FREQ=DAILY"}


def pasted(text=ROWS, **changes):
    return {"source": {"kind": "paste", "text": text}, "mapping": MAPPING, **changes}


def ended(api, answer):
    assert answer.status == 202, answer.text
    run = answer.json.get("run", answer.json)
    api.world.clock.advance(timedelta(seconds=1))
    return api.ended(run["id"])


def usage(api):
    return api.get("/account").json["usage"]


def plan(api, name):
    accounts.change_plan(api.world.control, api.account.account_id, api.world.clock.now(), plan=name)


# Which plan, which limits


def test_an_account_without_a_plan_or_with_one_that_is_gone_has_the_default():
    stored = {"id": "a1", "name": "x", "country": "NL", "identity_secret": "00", "created_at": "2026-01-01"}
    before_there_were_plans = Account.model_validate(stored)
    assert plan_of(before_there_were_plans) == "standard"
    assert plan_of(Account.model_validate({**stored, "plan": "gone"})) == "standard"
    odd = Account.model_validate({**stored, "plan": "free", "limits": {"contacts": 7, "gone": 1}})
    assert limits_of(odd) == plans()["free"].limits.model_copy(update={"contacts": 7})


def test_a_larger_plan_has_nothing_less():
    free, standard, business = (
        plans()[name].limits.model_dump() for name in ("free", "standard", "business")
    )
    for smaller, larger in ((free, standard), (standard, business)):
        for name, limit in smaller.items():
            if name == "sources":
                assert set(limit) <= set(larger[name])
            else:
                assert limit <= larger[name], name


def test_a_limit_is_changed_without_a_deployment_and_noted(api):
    api.world.limit(contacts=5)
    assert api.get("/account").json["limits"]["contacts"] == 5
    api.world.limit(contacts=None)
    assert api.get("/account").json["limits"]["contacts"] == 2_000_000
    notes = [note for note in api.get("/account/audit").json["items"] if note["what"] == "plan.changed"]
    assert len(notes) == 2
    assert {note["by"] for note in notes} == {"operator"}


@pytest.mark.parametrize("limits", [{"contacts": -1}, {"members": 0}, {"shoes": 1}, {"sources": 7}])
def test_a_limit_without_sense_is_refused(api, limits):
    with pytest.raises(ValueError, match=r"\w"):
        api.world.limit(**limits)
    assert api.get("/account").status == 200


# Sources and schedules


def test_a_source_that_the_plan_does_not_have(api):
    plan(api, "free")
    refused = api.post("/syncs", REMOTE)
    assert refused.problem == (403, "plan_limit")
    assert refused.json["title"] == "The plan free has no sources of the kind http."
    assert "larger plan" in refused.json["detail"]
    assert refused.pointers == {"/source/kind"}
    assert api.post("/previews", {"source": REMOTE["source"]}).text == refused.text
    assert api.post("/syncs", pasted()).status == 201
    assert api.post("/previews", {"source": pasted()["source"]}).status == 200


def test_schedules_are_counted_however_they_come_and_go(api):
    api.world.limit(schedules=1)
    first = api.post("/syncs", {**REMOTE, "schedule": DAILY}).json
    assert usage(api)["schedules"] == 1
    assert api.post("/syncs", {**REMOTE, "schedule": DAILY}).problem == (403, "plan_limit")
    second = api.post("/syncs", REMOTE).json
    assert api.patch(f"/syncs/{second['id']}", {"schedule": DAILY}).problem == (403, "plan_limit")
    assert api.patch(f"/syncs/{first['id']}", {"schedule": None}).status == 200
    assert usage(api)["schedules"] == 0
    assert api.patch(f"/syncs/{second['id']}", {"schedule": DAILY}).status == 200
    assert api.delete(f"/syncs/{second['id']}").status == 204
    assert usage(api)["schedules"] == 0


def meanwhile(api, act) -> None:
    """Just before the next commit, somebody else does this."""
    commit = api.world.records.commit

    def commit_late(writes) -> None:
        api.world.records.commit = commit
        act()
        commit(writes)

    api.world.records.commit = commit_late


@pytest.mark.parametrize("how", ["saved", "changed", "run at once"])
def test_of_two_schedules_saved_at_the_same_moment_the_last_that_fits_is_one(api, how):
    api.world.limit(schedules=1)
    unscheduled = api.post("/syncs", REMOTE).json
    scheduled = {**REMOTE, "schedule": DAILY}
    meanwhile(api, lambda: api.post("/syncs", scheduled))
    match how:
        case "saved":
            refused = api.post("/syncs", scheduled)
        case "changed":
            refused = api.patch(f"/syncs/{unscheduled['id']}", {"schedule": DAILY})
        case _:
            refused = api.post("/imports", scheduled)
    assert refused.problem == (403, "plan_limit")
    assert (usage(api)["schedules"], usage(api)["syncs"]) == (1, 2)


def test_of_two_fields_made_at_the_same_moment_the_last_that_fits_is_one(api):
    api.world.limit(fields=1)
    body = {"key": "tier", "label": "Tier", "type": "text"}
    meanwhile(api, lambda: api.post("/fields", {**body, "key": "shoe_size"}))
    assert api.post("/fields", body).problem == (403, "plan_limit")
    assert usage(api)["fields"] == 1
    api.world.limit(fields=2)
    meanwhile(api, lambda: api.post("/fields", body))
    assert api.post("/fields", body).problem == (409, "field_exists")


def test_every_limit_has_its_usage(api):
    told = api.get("/account").json
    of_one_run = {"sources", "first_sync_contacts", "next_sync_contacts", "connection_contacts"}
    counted = {"runs_a_day": "runs_today", "concurrent_runs": "runs_at_work"}
    assert {counted.get(name, name) for name in told["limits"].keys() - of_one_run} <= told["usage"].keys()


def test_syncs_are_counted_however_they_come_and_go(api):
    first = api.post("/syncs", REMOTE).json
    assert usage(api)["syncs"] == 1
    ended(api, api.post("/imports", pasted(), key="once"))
    api.post("/imports", pasted(), key="once")
    assert usage(api)["syncs"] == 2
    meanwhile(api, lambda: api.post("/syncs", REMOTE))
    assert api.delete(f"/syncs/{first['id']}").status == 204
    assert usage(api)["syncs"] == 2
    assert api.delete(f"/syncs/{first['id']}").status == 404
    assert usage(api)["syncs"] == 2


def test_an_account_from_before_syncs_were_counted_has_them_counted(api):
    first = api.post("/syncs", REMOTE).json
    api.post("/syncs", REMOTE)
    key = RecordKey(api.account.account_id, "syncs_count")
    del api.world.records._stored[key]
    assert usage(api)["syncs"] == 2
    assert api.delete(f"/syncs/{first['id']}").status == 204
    assert usage(api)["syncs"] == 1


def test_runs_at_work_are_counted_until_they_end(api):
    run = api.post("/imports", pasted()).json["run"]
    assert usage(api)["runs_at_work"] == 0
    account = api.account.account_id
    begun = {"status": "running", "started_at": api.world.clock.now().isoformat()}
    api.world.control.update_run(account, run["id"], lambda it: it.model_copy(update=begun))
    assert usage(api)["runs_at_work"] == 1


def test_what_a_smaller_plan_does_not_have_is_left_as_it_is(api):
    sync = api.post("/syncs", {**REMOTE, "schedule": DAILY}).json
    plan(api, "free")
    changed = api.patch(f"/syncs/{sync['id']}", {"name": "Renamed"})
    assert (changed.status, changed.json["schedule"]["recurrence"]) == (200, "FREQ=DAILY")


# The account's day and zone


def test_a_schedule_without_a_time_zone_has_the_account_s(api):
    api.patch("/account", {"time_zone": "Asia/Tokyo"})
    sync = api.post("/syncs", {**REMOTE, "schedule": DAILY}).json
    assert sync["schedule"]["time_zone"] == "Asia/Tokyo"
    api.patch("/account", {"time_zone": "Europe/Amsterdam"})
    stays = api.get(f"/syncs/{sync['id']}").json
    assert stays["schedule"]["time_zone"] == "Asia/Tokyo", "what runs at six goes on running at six there"
    own = api.post("/syncs", {**REMOTE, "schedule": {**DAILY, "time_zone": "America/New_York"}}).json
    assert own["schedule"]["time_zone"] == "America/New_York"


def test_runs_are_counted_within_the_account_s_day(api):
    api.world.limit(runs_a_day=2)
    api.patch("/account", {"time_zone": "Asia/Tokyo"})  # 18:00 there
    assert usage(api)["day"] == "2026-11-22"
    sync = ended(api, api.post("/imports", pasted()))["sync_id"]
    ended(api, api.post(f"/syncs/{sync}/runs", {"dry_run": True}))
    assert usage(api)["runs_today"] == 2
    refused = api.post(f"/syncs/{sync}/runs", {})
    assert refused.problem == (403, "plan_limit")
    assert refused.json["title"] == "The plan standard has room for 2 runs a day."
    assert api.post("/imports", pasted()).problem == (403, "plan_limit")
    assert len(api.get("/syncs").json["items"]) == 1, "what could not run was not saved either"
    api.world.clock.advance(timedelta(hours=6))
    assert (usage(api)["runs_today"], usage(api)["day"]) == (0, "2026-11-23")
    assert ended(api, api.post(f"/syncs/{sync}/runs", {}))["status"] == "unchanged"


def test_a_request_that_is_sent_again_counts_one_run(api):
    for _ in range(3):
        assert api.post("/imports", pasted(), key="k").status == 202
    assert usage(api)["runs_today"] == 1


def test_to_take_something_back_is_always_possible(api):
    api.world.limit(runs_a_day=1)
    done = ended(api, api.post("/imports", pasted()))
    undone = ended(api, api.post(f"/runs/{done['id']}/undo"))
    assert undone["status"] == "succeeded"
    assert usage(api)["runs_today"] == 1


def test_a_day_that_is_due_waits_while_there_is_no_room(api):
    world = api.world
    api.world.limit(runs_a_day=0)
    sync = api.post("/syncs", {**REMOTE, "schedule": DAILY}).json
    world.clock.advance(timedelta(days=1))
    due = SyncDue(account_id=api.account.account_id, sync_id=sync["id"])
    ports = {
        "control": world.control, "bus": world.bus, "scheduler": world.scheduler, "clock": world.clock,
    }  # fmt: skip
    assert scheduling.listen(due, **ports).run_id is None
    told = api.get(f"/syncs/{sync['id']}").json
    assert (told["state"], told["paused_because"]["code"]) == ("active", "no_runs_left")
    api.world.limit(runs_a_day=1)
    assert api.get(f"/syncs/{sync['id']}").json["paused_because"] is None
    assert scheduling.listen(due, **ports).run_id is not None


def test_nothing_is_started_for_a_suspended_account_and_nothing_is_deleted(api):
    world, account_id = api.world, api.account.account_id
    sync = api.post("/syncs", {**REMOTE, "schedule": DAILY}).json
    ended(api, api.post("/imports", pasted()))
    accounts.suspend(world.control, account_id, world.clock.now())
    world.clock.advance(timedelta(days=1))
    due = SyncDue(account_id=account_id, sync_id=sync["id"])
    ports = {
        "control": world.control, "bus": world.bus, "scheduler": world.scheduler, "clock": world.clock,
    }  # fmt: skip
    assert scheduling.listen(due, **ports).run_id is None
    assert api.post("/imports", pasted()).problem == (403, "account_suspended")
    assert len(world.stored()) == 3
    accounts.resume(world.control, world.bus, account_id, world.clock.now())
    assert scheduling.listen(due, **ports).run_id is not None


def test_a_run_that_waited_when_the_account_was_suspended_begins_with_its_resumption(api):
    world = api.world
    run_id = api.post("/imports", pasted()).json["run"]["id"]
    run = world.control.run(api.account.account_id, run_id).value
    accounts.suspend(world.control, api.account.account_id, world.clock.now())
    world.execute(run)
    assert world.run(run).status == "queued"
    assert not world.stored()
    before = len(world.runs_asked())
    accounts.resume(world.control, world.bus, api.account.account_id, world.clock.now())
    assert world.runs_asked()[before:] == [run_id]
    world.execute(run)
    assert len(world.stored()) == 3


# Contacts


def test_contacts_are_counted_from_what_runs_and_hands_have_done(api):
    done = ended(api, api.post("/imports", pasted()))
    assert usage(api)["contacts"] == 3
    made = api.post("/contacts", {"fields": {"email": "new@example.com"}}, key="k").json
    api.post("/contacts", {"fields": {"email": "new@example.com"}}, key="k")
    assert usage(api)["contacts"] == 4
    api.patch(f"/contacts/{made['id']}", {"fields": {"email": "newer@example.com"}})
    api.delete(f"/contacts/{made['id']}")
    assert usage(api)["contacts"] == 3
    ended(api, api.post(f"/runs/{done['id']}/undo"))
    assert usage(api)["contacts"] == 0 == len(api.world.stored())


def test_a_change_that_is_told_again_counts_once(api):
    """A worker died after it had told, and the step runs again; by then, the number may be another one."""
    control, account_id, clock = api.world.control, api.account.account_id, api.world.clock
    for change, more in (("r1", 5), ("r2", 2), ("r1", 5), ("r1", 7), ("e1", -1), ("e1", -1)):
        control.note_contacts(account_id, change, more, now=clock.now())
    assert control.contacts_count(account_id) == 8
    clock.advance(timedelta(days=2))
    control.note_contacts(account_id, "r3", 1, now=clock.now())
    record = control.records.get(RecordKey(account_id, "contacts_count"))
    assert record.document == {"counted": 8, "changes": {"r3": [int(clock.now().timestamp()), 1]}}
    for _ in range(2):
        control.note_contacts(account_id, "r4", 4, now=clock.now(), counted=100)
    assert control.contacts_count(account_id) == 100


def test_ten_thousand_contacts_added_by_hand_in_a_day_are_counted(api):
    """The count names each, and a record holds 400 KB: beyond it whoever added one more got a 500, and no run came to its end."""
    control, account_id, clock = api.world.control, api.account.account_id, api.world.clock
    control.note_contacts(account_id, "r1", 5, now=clock.now())
    for n in range(10_000):
        clock.advance(timedelta(seconds=1))
        control.note_contacts(account_id, f"e{n:024x}", 1, now=clock.now())
    assert control.contacts_count(account_id) == 10_005
    for change, more in (("r1", 7), (f"e{9_950:024x}", 1)):  # a run is known all day, of hands the latest
        control.note_contacts(account_id, change, more, now=clock.now())
    assert control.contacts_count(account_id) == 10_007


def test_deletions_that_waited_for_an_approval_are_counted_when_they_are_done(api):
    options = {
        "delete_missing": {"scope": "sync"},
        "guard": {"max_delete_count": 0, "on_trip": "hold_deletes"},
    }
    sync = ended(api, api.post("/imports", pasted(options=options)))["sync_id"]
    fewer = ROWS.replace("ada@example.com", "eve@example.com")
    api.patch(f"/syncs/{sync}", {"source": {"kind": "paste", "text": fewer}})
    held = ended(api, api.post(f"/syncs/{sync}/runs", {}))
    assert held["status"] == "awaiting_approval"
    assert usage(api)["contacts"] == 4 == len(api.world.stored())
    api.world.clock.advance(timedelta(days=9))
    api.world.approve(api.world.control.run(api.account.account_id, held["id"]).value)
    assert usage(api)["contacts"] == 3 == len(api.world.stored())


def test_a_run_that_sees_every_contact_counts_them_anew(api):
    """Whatever came of the count before: contacts that were there before anybody counted, or a worker that died."""
    ended(api, api.post("/imports", pasted()))
    account_id = api.account.account_id
    api.world.control.note_contacts(account_id, "mistake", 1000, now=api.world.clock.now())
    assert usage(api)["contacts"] == 1003
    options = {"delete_missing": {"scope": "all"}, "guard": {"max_delete_count": 500}}
    more = ROWS + "eve@example.com\n"
    assert ended(api, api.post("/imports", pasted(more, options=options)))["status"] == "succeeded"
    assert usage(api)["contacts"] == 4 == len(api.world.stored())


def test_an_import_beyond_the_plan_s_room_is_not_performed(api):
    api.world.limit(contacts=4)
    ended(api, api.post("/imports", pasted()))
    blocked = ended(api, api.post("/imports", pasted("email\na@example.com\nb@example.com\n")))
    assert (blocked["status"], blocked["problem"]["code"]) == ("blocked", "plan_limit")
    assert blocked["problem"]["title"] == (
        "The plan standard has room for 4 contacts. The import would add 2 to the 3 that there are, so it was not "
        "performed."
    )
    assert len(api.world.stored()) == 3
    assert ended(api, api.post("/imports", pasted("email\na@example.com\n")))["status"] == "succeeded"
    assert ended(api, api.post("/imports", pasted()))["status"] == "succeeded", (
        "who adds nobody is never stopped"
    )
    refused = api.post("/contacts", {"fields": {"email": "five@example.com"}})
    assert refused.problem == (403, "plan_limit")


def test_deletions_that_waited_need_no_room_for_those_who_were_added_meanwhile(api):
    api.world.limit(contacts=5)
    guard = {"max_delete_count": 0, "on_trip": "hold_deletes"}
    options = {"delete_missing": {"scope": "sync"}, "guard": guard}
    sync = ended(api, api.post("/imports", pasted(options=options)))["sync_id"]
    fewer = ROWS.replace("ada@example.com", "eve@example.com")
    api.patch(f"/syncs/{sync}", {"source": {"kind": "paste", "text": fewer + "fay@example.com\n"}})
    held = ended(api, api.post(f"/syncs/{sync}/runs", {}))
    assert (held["status"], usage(api)["contacts"]) == ("awaiting_approval", 5)
    api.world.approve(api.world.control.run(api.account.account_id, held["id"]).value)
    told = api.get(f"/runs/{held['id']}").json
    assert (told["status"], told["problem"], told["counts"]["deleted"]) == ("succeeded", None, 1)
    assert usage(api)["contacts"] == 4 == len(api.world.stored())


def test_what_a_run_deleted_comes_back_even_where_the_plan_has_no_room(api):
    guard = {"max_delete_count": 10, "max_delete_percent": 100, "min_overlap_percent": 0}
    options = {"delete_missing": {"scope": "sync"}, "guard": guard}
    sync = ended(api, api.post("/imports", pasted(options=options)))["sync_id"]
    api.patch(f"/syncs/{sync}", {"source": {"kind": "paste", "text": "email\nada@example.com\n"}})
    done = ended(api, api.post(f"/syncs/{sync}/runs", {}))
    assert (done["counts"]["deleted"], usage(api)["contacts"]) == (2, 1)
    api.world.limit(contacts=1)
    assert ended(api, api.post(f"/runs/{done['id']}/undo"))["status"] == "succeeded"
    assert usage(api)["contacts"] == 3 == len(api.world.stored())


def test_the_plan_limits_fields(api):
    api.world.limit(fields=1)
    field = {"label": "Shoe size", "type": "integer"}
    assert api.post("/fields", {"key": "shoe_size", **field}).status == 201
    assert api.post("/fields", {"key": "hat_size", **field}).problem == (403, "plan_limit")
    assert usage(api)["fields"] == 1


# What members change of their account


def test_a_member_changes_the_account_and_it_is_noted(api):
    asked = {"name": "Acme Ltd", "country": "GB", "time_zone": "Europe/London", "retention_days": 30}
    changed = api.patch("/account", asked)
    assert changed.status == 200
    assert {name: changed.json[name] for name in asked} == asked
    api.patch("/account", asked)
    notes = [note for note in api.get("/account/audit").json["items"] if note["what"] == "account.changed"]
    assert [note["changes"]["country"] for note in notes] == [["NL", "GB"]]


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"country": "XX"}, "/country"),
        ({"country": "nl"}, "/country"),
        ({"time_zone": "Nowhere/Land"}, "/time_zone"),
        ({"time_zone": "../../etc/passwd"}, "/time_zone"),
        ({"retention_days": 0}, "/retention_days"),
        ({"retention_days": 91}, "/retention_days"),
        ({"plan": "business"}, "/plan"),
        ({"limits": {"contacts": 9}}, "/limits"),
        ({"suspended_at": None}, "/suspended_at"),
    ],
)
def test_what_members_may_not_say_of_their_account(api, change, pointer):
    assert api.patch("/account", change).pointers == {pointer}
