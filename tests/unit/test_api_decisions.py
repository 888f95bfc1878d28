"""What people decide over runs: approve, reject, cancel, undo, and carry out the very plan that they have seen."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest

from contactsync.journeys import importing
from contactsync.journeys.asked import downloads
from contactsync.journeys.file.runfiles import RunFiles
from tests.support.lists import DELETES, NAMES, Lists, many


@pytest.fixture
def lists(api) -> Lists:
    return Lists(api)


# Approve and reject


def test_an_approved_run_carries_out_what_was_shown(api, held):
    lists, run = held
    assert (run["status"], run["planned"]["deleted"], run["verdict"]["kind"]) == (
        "awaiting_approval", 30, "hold"
    )  # fmt: skip
    told = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert (told.status, told.json["status"]) == (202, "queued")
    assert api.world.runs_asked()[-1] == run["id"]
    ended = lists.ended(run, "after approval")
    assert (ended["status"], ended["counts"]["deleted"], ended["counts"]["added"]) == ("succeeded", 30, 1)
    assert len(lists.emails()) == 71


@pytest.mark.parametrize("on_trip", ["hold_run", "hold_deletes"])
def test_whoever_is_asked_for_an_approval_can_look_at_the_refused_rows(api, on_trip):
    """The mail that asks names the file."""
    options = {**DELETES, "guard": {"on_trip": on_trip}}
    lists = Lists(api, options=options, notify={"emails": ["ann@example.com"]})
    first = lists.first(many(100))
    run = lists.again(first["sync_id"], many(70) + "nobody,Nobody\n")
    assert (run["status"], run["counts"]["rejected"]) == ("awaiting_approval", 1)
    mail = api.world.mailer.sent[-1]
    for path in ("/rejects.csv", "/deletions.csv", "/plan?change=delete", ""):
        assert f"/v1/runs/{run['id']}{path}\n" in mail.text
        assert api.get(f"/runs/{run['id']}{path}").status == 200
    assert '"nobody","Nobody","72"' in api.get(f"/runs/{run['id']}/rejects.csv").text


def test_an_approval_names_the_plan_that_was_seen(api, held):
    _, run = held
    path = f"/runs/{run['id']}/approve"
    assert api.post(path).pointers == {"/plan_hash"}
    assert api.post(path, {"plan_hash": "0" * 64}).problem == (409, "another_plan")
    assert api.get(f"/runs/{run['id']}").json["status"] == "awaiting_approval"


@pytest.mark.parametrize(
    "edit",
    [
        {"options": {"existing": "skip"}},
        {"options": {"delete_missing": None}},
        {"mapping": [{"column": "email", "field": "email"}]},
        {"source": {"kind": "paste", "text": "email\nada@example.com\n"}},
    ],
    ids="".join,
)
def test_an_approval_is_void_once_the_sync_says_something_else(api, held, edit):
    lists, run = held
    assert api.patch(f"/syncs/{run['sync_id']}", edit).status == 200
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"]["code"]) == ("cancelled", "superseded")
    assert "was changed before this plan was approved" in told["problem"]["title"]
    assert told["problem"]["detail"].startswith("Run the sync again")
    assert api.post(f"/runs/{run['id']}/reject").problem == (409, "not_waiting")
    told = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert told.problem == (409, "superseded")
    assert len(lists.emails()) == 100


def test_a_name_may_change_while_a_run_waits(api, held):
    lists, run = held
    api.world.clock.advance(timedelta(seconds=1))
    assert api.patch(f"/syncs/{run['sync_id']}", {"name": "Renamed"}).status == 200
    assert api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]}).status == 202
    assert lists.ended(run, "after approval")["counts"]["deleted"] == 30


def test_a_plan_that_is_not_the_one_that_was_approved_is_not_carried_out(api, held):
    lists, run = held
    api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    files = api.world.files(api.world.control.run(api.account.account_id, run["id"]).value)
    summary = files.plan_summary(0)
    files.save_plan_summary(0, summary.model_copy(update={"digest": "0" * 64}))
    ended = lists.ended(run, "after approval")
    assert (ended["status"], ended["problem"]["code"]) == ("blocked", "plan_is_stale")
    assert len(lists.emails()) == 100


def test_an_approval_whose_announcement_failed_is_sent_again(api, held):
    _, run = held
    api.world.bus.failures = 1
    asked = {"plan_hash": run["plan_hash"]}
    assert api.post(f"/runs/{run['id']}/approve", asked, key="k").status == 503
    assert api.post(f"/runs/{run['id']}/approve", asked, key="k").status == 202
    assert api.world.runs_asked()[-1] == run["id"]


def test_a_run_that_does_not_wait_can_be_neither_approved_nor_rejected(api, lists):
    run = lists.first(many(2))
    assert api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]}).problem == (
        409, "not_waiting"
    )  # fmt: skip
    assert api.post(f"/runs/{run['id']}/reject").problem == (409, "not_waiting")


def test_a_rejected_run_has_written_nothing(api, held):
    lists, run = held
    told = api.post(f"/runs/{run['id']}/reject")
    assert (told.status, told.json["status"], told.json["problem"]["code"]) == (
        200, "cancelled", "plan_rejected"
    )  # fmt: skip
    counts = api.get(f"/runs/{run['id']}").json["counts"]
    assert (counts["rows"], counts["skipped"] + counts["unchanged"], counts["deleted"]) == (71, 71, 0)
    assert len(lists.emails()) == 100
    assert lists.request(run["sync_id"], many(100)).status == 202


def test_rejected_deletions_leave_the_rest_of_the_run_as_it_is(api, half_held):
    lists, run = half_held
    assert (run["status"], run["counts"]["added"], run["planned"]["deleted"]) == ("awaiting_approval", 1, 30)
    told = api.post(f"/runs/{run['id']}/reject").json
    assert (told["status"], told["problem"], told["counts"]["deleted"]) == ("succeeded", None, 0)
    assert "deletions_rejected" in {warning["code"] for warning in told["warnings"]}
    assert len(lists.emails()) == 101
    rows = api.get(f"/runs/{run['id']}/rows?outcome=deleted").json["items"]
    assert rows == []
    lists.undone(told)
    assert len(lists.emails()) == 100


# Cancel


def test_a_run_that_waits_does_so_no_longer_once_its_sync_is_run_again(api, held):
    """Every night another one may come to wait, and only the latest can be approved."""
    lists, run = held
    lists.again(run["sync_id"], many(95))
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"]["code"]) == ("cancelled", "superseded")
    counts = told["counts"]
    assert (counts["rows"], counts["skipped"] + counts["unchanged"]) == (71, 71)
    approval = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert approval.problem == (409, "superseded")


@pytest.mark.parametrize("kind", ["held", "half_held"])
def test_a_dry_run_leaves_a_run_that_waits_as_it_is(api, request, kind):
    """Who looked once more before deciding had made the very plan void that they were to decide over."""
    lists, run = request.getfixturevalue(kind)
    approval = (f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    looked = lists.request(run["sync_id"], many(70), dry_run=True).json
    assert api.post(*approval).problem == (409, "run_under_way")
    assert lists.ended(looked)["status"] == "succeeded"
    assert api.get(f"/runs/{run['id']}").json == run
    assert api.get(f"/syncs/{run['sync_id']}").json["latest_run"]["id"] == run["id"], "what is to be decided"
    assert api.post(*approval).status == 202
    assert lists.ended(run, "after approval")["counts"]["deleted"] == 30
    assert len(lists.emails()) == 71


def test_a_run_that_waits_while_a_dry_run_looks_is_superseded_by_the_next_that_writes(api, held):
    lists, run = held
    looked = lists.again(run["sync_id"], many(95), dry_run=True)
    plan = {"run_id": looked["id"], "plan_hash": looked["plan_hash"]}
    assert lists.again(run["sync_id"], plan=plan)["counts"]["deleted"] == 5
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"]["code"]) == ("cancelled", "superseded")
    approval = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert approval.problem == (409, "superseded")


def test_an_undo_closes_a_run_that_waits(api, lists):
    """It writes contacts: what the plan was made of is not there any more."""
    lists = Lists(api, options=DELETES)
    first = lists.first(many(100))
    more = lists.again(first["sync_id"], many(110))
    run = lists.again(first["sync_id"], many(70))
    assert lists.undone(more)["counts"]["deleted"] == 10
    approval = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert approval.problem == (409, "superseded")
    assert len(lists.emails()) == 100


def test_where_only_its_deletions_had_waited_the_rest_can_be_undone(api, half_held):
    lists, run = half_held
    later = lists.again(run["sync_id"], many(95) + "new@example.com,New\n")
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["problem"]) == ("succeeded", None)
    assert told["warnings"][-1]["code"] == "deletions_superseded"
    approval = api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    assert approval.problem == (409, "superseded")
    assert later["counts"]["deleted"] == 5
    assert [lists.undone(each)["counts"]["deleted"] for each in (later, run)] == [0, 1]
    assert lists.emails() == {f"p{n}@example.com" for n in range(100)}


def test_a_queued_run_is_cancelled_and_never_begins(api, lists):
    first = lists.first(many(2))
    run = lists.request(first["sync_id"], many(3)).json
    told = api.post(f"/runs/{run['id']}/cancel")
    assert (told.status, told.json["status"], told.json["problem"]["code"]) == (200, "cancelled", "cancelled")
    assert told.json["finished_at"]
    assert lists.ended(run)["status"] == "cancelled"
    assert len(lists.emails()) == 2
    assert lists.again(first["sync_id"], many(3))["counts"]["added"] == 1


def cancelled_during(api, lists, monkeypatch, step, run):
    """The run, cancelled as soon as it has come to a step."""
    real = getattr(importing, step)

    def cancelled(message, **ports):
        assert api.post(f"/runs/{run['id']}/cancel").json["status"] == "cancelled"
        assert api.get(f"/runs/{run['id']}/rows").problem == (409, "run_under_way")
        return real(message, **ports)

    with monkeypatch.context() as patch:
        patch.setattr(importing, step, cancelled)
        return lists.ended(run)


@pytest.mark.parametrize("step", ["fetch", "parse", "map", "plan", "guard", "upsert", "notify"])
def test_a_running_run_stops_wherever_it_is_and_its_rows_add_up(api, lists, monkeypatch, step):
    first = lists.first(many(2))
    run = lists.request(first["sync_id"], many(5) + "no address,X\n").json
    if step == "fetch":
        api.world.control.update_run(
            api.account.account_id,
            run["id"],
            lambda run: run.model_copy(update={"status": "running", "execution": "execution-1"}),
        )
    ended = cancelled_during(api, lists, monkeypatch, step, run)
    counts = ended["counts"]
    assert (ended["status"], ended["problem"]["code"]) == ("cancelled", "cancelled")
    settled = sum(counts[word] for word in ("added", "updated", "unchanged", "rejected", "skipped"))
    assert settled == counts["rows"]
    assert counts["added"] == len(lists.emails()) - 2 == (3 if step == "notify" else 0)
    rows = api.get(f"/runs/{run['id']}/rows").json["items"]
    assert sum(row["outcome"] == "added" for row in rows) == counts["added"]
    assert lists.again(first["sync_id"], many(6))["status"] == "succeeded"


def test_what_was_written_before_a_run_was_cancelled_is_counted(api, lists, monkeypatch):
    from contactsync.journeys.file import applying

    monkeypatch.setattr(applying, "BATCH_ROWS", 2)
    first = lists.first(many(2))
    run = lists.request(first["sync_id"], many(9)).json
    write = type(api.world.contacts).write
    cancelled: list[Any] = []

    def cancelling(self, account_id, writes):
        """At the first batch that writes: the two contacts that are there may lie before all others."""
        writes = list(writes)
        if writes and not cancelled:
            cancelled.append(api.post(f"/runs/{run['id']}/cancel"))
        return write(self, account_id, writes)

    with monkeypatch.context() as patch:
        patch.setattr(type(api.world.contacts), "write", cancelling)
        ended = lists.ended(run)
    counts = ended["counts"]
    assert ended["status"] == "cancelled"
    assert 0 < counts["added"] == len(lists.emails()) - 2 < 7
    assert counts["rows"] == counts["added"] + counts["unchanged"] + counts["skipped"]


def test_rows_that_write_nothing_cost_no_look_at_the_run(api, lists, monkeypatch):
    from contactsync.journeys.file import applying

    monkeypatch.setattr(applying, "BATCH_ROWS", 2)
    first = lists.first(many(9))
    noted: list[tuple[int, int]] = []
    note = applying.Applying._note

    def noting(self, unit, rows):
        noted.append((unit, rows))
        note(self, unit, rows)

    monkeypatch.setattr(applying.Applying, "_note", noting)
    ended = lists.again(first["sync_id"], many(9).replace("p3@", "someone@", 1))
    assert (ended["counts"]["added"], ended["counts"]["unchanged"]) == (1, 8)
    assert noted == [(0, 0), (0, 9)]


def test_cancelling_twice_does_no_harm_and_an_ended_run_cannot_be_cancelled(api, lists, held):
    _, run = held
    assert api.post(f"/runs/{run['id']}/cancel").json["status"] == "cancelled"
    assert api.post(f"/runs/{run['id']}/cancel").json["status"] == "cancelled"
    ended = lists.first(many(1))
    assert api.post(f"/runs/{ended['id']}/cancel").problem == (409, "run_ended")


def test_an_approved_run_can_be_cancelled_before_it_begins(api, half_held):
    lists, run = half_held
    api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    told = api.post(f"/runs/{run['id']}/cancel").json
    assert (told["status"], told["counts"]["added"], told["counts"]["deleted"]) == ("succeeded", 1, 0)
    lists.ended(run, "after approval")
    assert len(lists.emails()) == 101


@pytest.mark.parametrize("days", [0, 9])
def test_deletions_that_were_approved_too_late_are_told_as_what_they_are(api, days):
    """The rest was carried out before: rows, counts and mail have to say so, and that nobody was deleted."""
    guard = {"on_trip": "hold_deletes"}
    lists = Lists(api, options={**DELETES, "guard": guard}, notify={"emails": ["ann@example.com"]})
    first = lists.first(many(100))
    run = lists.again(first["sync_id"], many(70) + "new@example.com,New\n")
    [contact] = api.get("/contacts?email=p99@example.com").json["items"]
    api.patch(f"/contacts/{contact['id']}", {"fields": {"name": "Still here"}})
    api.world.clock.advance(timedelta(days=days))
    api.post(f"/runs/{run['id']}/approve", {"plan_hash": run["plan_hash"]})
    ended = lists.ended(run, "after approval")
    assert (ended["status"], ended["problem"]["code"]) == ("blocked", "plan_is_stale")
    assert (ended["counts"]["added"], ended["counts"]["deleted"], len(lists.emails())) == (1, 0, 101)
    outcomes = [
        api.get(f"/runs/{run['id']}/rows?outcome={word}&limit=200").json for word in ("added", "deleted")
    ]
    assert [len(page["items"]) for page in outcomes] == [1, 0]
    assert api.world.mailer.sent[-1].subject == "Your import: 1 added, the deletions were stopped"
    assert api.get("/account").json["usage"]["contacts"] == 101
    assert lists.undone(run)["counts"]["deleted"] == 1


# Undo


def test_a_run_is_undone_and_the_undo_undone(api, lists):
    first = lists.first(many(2))
    before = api.get("/contacts").json["items"]
    run = lists.again(first["sync_id"], many(3, "Guest"))
    after = {contact["id"]: contact["fields"] for contact in api.get("/contacts").json["items"]}
    undo = lists.undone(run)
    assert (undo["status"], undo["counts"]["updated"], undo["counts"]["deleted"]) == ("succeeded", 2, 1)
    told = api.get(f"/runs/{run['id']}").json
    assert (told["status"], told["undone_by"]) == ("undone", undo["id"])
    assert [contact["fields"] for contact in api.get("/contacts").json["items"]] == [
        contact["fields"] for contact in before
    ]
    again = api.post(f"/runs/{run['id']}/undo")
    assert again.problem == (409, "already_undone")
    assert undo["id"] in again.json["title"]
    assert lists.undone(undo)["status"] == "succeeded"
    assert {contact["id"]: contact["fields"] for contact in api.get("/contacts").json["items"]} == after


def test_one_undo_at_a_time(api, lists):
    run = lists.first(many(2))
    assert api.post(f"/runs/{run['id']}/undo").status == 202
    assert api.post(f"/runs/{run['id']}/undo").problem == (409, "run_under_way")


def test_an_undo_sent_again_is_the_same_undo(api, lists):
    run = lists.first(many(2))
    api.world.bus.failures = 1
    assert api.post(f"/runs/{run['id']}/undo", key="k").status == 503
    told = api.post(f"/runs/{run['id']}/undo", key="k").json
    assert lists.ended(told)["status"] == "succeeded"
    assert lists.emails() == set()


def test_only_what_a_run_did_can_be_undone(api, lists, held):
    run = lists.first(many(2))
    dry = lists.again(run["sync_id"], many(3), dry_run=True)
    same = lists.again(run["sync_id"])
    for one in (dry, same, held[1]):
        assert api.post(f"/runs/{one['id']}/undo").problem == (409, "nothing_to_undo")
    files = RunFiles(api.world.runs, api.account.account_id, run["id"])
    del api.world.runs._stored[f"{files.prefix}manifest.json"]
    assert api.post(f"/runs/{run['id']}/undo").problem == (409, "plan_forgotten")


def test_a_pasted_sync_runs_again_after_an_undo(api):
    text = many(2)
    told = api.post("/imports", {"mapping": NAMES, "source": {"kind": "paste", "text": text}}).json
    lists = Lists(api)
    lists.undone(lists.ended(told["run"]))
    assert lists.again(told["sync"]["id"])["counts"]["rows"] == 2


# Plans


def test_a_plan_says_of_every_row_what_it_would_do(api, lists):
    first = lists.first(many(2))
    text = "email,name\np0@example.com,Person 0\np1@example.com,Other\nnew@example.com,New\nbad,X\n,\n"
    dry = lists.again(first["sync_id"], text, dry_run=True)
    told = api.get(f"/runs/{dry['id']}/plan").json
    assert told["plan_hash"] == dry["plan_hash"]
    assert told["planned"] == dry["planned"]
    rows = {row["row"]: row for row in told["items"]}
    assert {line: row["change"] for line, row in rows.items()} == {
        2: "unchanged", 3: "update", 4: "add", 5: "reject", 6: "skip"
    }  # fmt: skip
    assert rows[3]["fields"] == [{"field": "name", "from": "Person 1", "to": "Other"}]
    assert {"field": "name", "from": None, "to": "New"} in rows[4]["fields"]
    assert rows[5]["errors"][0]["column"] == "email"
    assert rows[6]["reason"]
    assert api.get(f"/runs/{dry['id']}/plan?change=lost").pointers == {"/change"}
    assert api.everything(f"/runs/{dry['id']}/plan", limit=1) == told["items"]


def test_the_plan_of_a_held_run_says_who_would_go(api, held):
    _, run = held
    gone = api.get(f"/runs/{run['id']}/plan?change=delete&limit=200").json["items"]
    assert len(gone) == 30
    assert all(row["row"] is None and row["fields"][0]["to"] is None for row in gone)


def test_a_run_without_a_plan_is_worth_waiting_for(api, lists):
    first = lists.first(many(2))
    run = lists.request(first["sync_id"], many(3)).json
    assert api.get(f"/runs/{run['id']}/plan").problem == (409, "plan_under_way")


def carry_out(api, dry, **changes):
    plan = {"run_id": dry["id"], "plan_hash": dry["plan_hash"], **changes}
    return api.post(f"/syncs/{dry['sync_id']}/runs", {"plan": plan})


def test_exactly_the_plan_that_was_shown_is_carried_out(api, lists):
    first = lists.first(many(2))
    dry = lists.again(first["sync_id"], many(3, "Guest"), dry_run=True)
    told = carry_out(api, dry)
    assert (told.status, told.json["plan_of"]) == (202, dry["id"])
    run = lists.ended(told.json)
    assert (run["status"], run["counts"]["updated"], run["counts"]["added"]) == ("succeeded", 2, 1)
    assert run["plan_hash"] == dry["plan_hash"]
    assert len(lists.emails()) == 3
    assert lists.ended(carry_out(api, dry).json)["problem"]["code"] == "plan_is_stale"


def test_another_plan_than_the_one_shown_is_refused(api, lists):
    first = lists.first(many(2))
    dry = lists.again(first["sync_id"], many(3), dry_run=True)
    assert carry_out(api, dry, plan_hash="0" * 64).problem == (409, "another_plan")
    assert carry_out(api, dry, run_id=first["id"]).pointers == {"/plan/run_id"}
    assert carry_out(api, dry, run_id="nowhere").pointers == {"/plan/run_id"}
    other = Lists(api).first(many(1))
    assert carry_out(api, {**dry, "sync_id": other["sync_id"]}).pointers == {"/plan/run_id"}
    path = f"/syncs/{dry['sync_id']}/runs"
    plan = {"run_id": dry["id"], "plan_hash": dry["plan_hash"]}
    asked = {"plan": plan, "dry_run": True, "upload_id": "x"}
    assert api.post(path, asked).pointers == {"/dry_run", "/upload_id"}


def test_a_plan_that_the_guard_has_stopped_is_not_carried_out(api):
    lists = Lists(api, options=DELETES)
    first = lists.first(many(100))
    dry = lists.again(first["sync_id"], many(5), dry_run=True)
    assert dry["verdict"]["kind"] == "blocked"
    assert carry_out(api, dry).problem == (409, "plan_blocked")


def test_a_plan_that_is_carried_out_shows_how_far_it_is(api, lists):
    """Its rows go through one step: it stood at a third until it had ended."""
    first = lists.first(many(2))
    dry = lists.again(first["sync_id"], many(4), dry_run=True)
    told = carry_out(api, dry).json
    control, account_id = api.world.control, api.account.account_id
    begun = {"status": "running", "execution": "e", "started_at": told["requested_at"], "step": "upsert"}
    run = control.update_run(account_id, told["id"], lambda run: run.model_copy(update=begun))
    control.note_progress(run, "upsert", 0, 2, api.world.clock.now())
    assert api.get(f"/runs/{run.id}").json["progress"] == {"percent": 50, "rows_done": 2, "rows_total": 4}


def test_why_nobody_was_deleted_is_said_again_where_the_plan_is_carried_out(api):
    lists = Lists(api, options=DELETES)
    first = lists.first(many(3))
    report = '"email","name","line","reason"\r\n"p1@example.com","Guest","3","x"\r\n'
    dry = lists.again(first["sync_id"], report, dry_run=True)
    assert "refused before" in dry["warnings"][0]["message"]
    assert lists.ended(carry_out(api, dry).json)["warnings"] == dry["warnings"]


# Downloads


def read(answer):
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return list(csv.reader(io.StringIO(answer.text, newline="")))


def test_added_and_updated_rows_come_as_files(api, lists):
    first = lists.first(many(2))
    text = 'email,name\np1@example.com,=1+1\nnew@example.com,"New, one"\np0@example.com,Person 0\n'
    run = lists.again(first["sync_id"], text)
    header, row = read(api.get(f"/runs/{run['id']}/added.csv"))
    assert header == ["email", "name", "line", "contact_id"]
    assert row[:3] == ["new@example.com", "New, one", "3"]
    assert api.get(f"/contacts/{row[3]}").json["fields"]["email"] == "new@example.com"
    [_, updated] = read(api.get(f"/runs/{run['id']}/updated.csv"))
    assert updated[:3] == ["p1@example.com", "'=1+1", "2"]
    assert read(api.get(f"/runs/{run['id']}/added.csv"))[1] == row, "written once, read again"


def test_a_file_of_too_many_rows_is_refused_with_another_way(api, lists, monkeypatch):
    monkeypatch.setattr(downloads, "ROWS_MAX", 1)
    run = lists.first(many(2))
    answer = api.get(f"/runs/{run['id']}/added.csv")
    assert answer.problem == (422, "run_too_large")
    assert "rows?outcome=added" in answer.json["detail"]
