"""make redrive: which failed executions are taken up again, and how; and what Step Functions is asked for.

No emulator knows RedriveExecution, so for that one call the request is compared with AWS's own description of it.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

import boto3
from botocore.stub import Stubber

from contactsync.errors import Busy
from contactsync.journeys.file.finishing import INTERNAL, LEFT
from contactsync.model.run import Run
from contactsync.operating import redrive
from contactsync.operating.redrive import Failed
from tests.support.calling import ApiWorld, Client
from tests.support.dropped import DropBucket, drop_sync, prefix, runs_of

ROWS = "Mail\nada@example.com\n"
IMPORT = {
    "name": "People",
    "source": {"kind": "paste", "text": ROWS},
    "mapping": [{"column": "Mail", "field": "email"}],
    "identity": {"field": "email"},
}
MACHINE = "arn:aws:states:eu-west-1:123456789012:stateMachine:contact-sync-import"


def failed_run(world: ApiWorld, *, closed: bool = True, **asked: Any) -> Run:
    """A run, asked for through the API, whose plan step had a bug that no try got around."""
    made = Client(world, world.account).post("/imports", IMPORT).json
    account_id, run_id = world.account.account_id, made["run"]["id"]
    world.bus.events.clear()
    took: dict[str, Any] = {"status": "running", "execution": "execution-1", "step": "plan", **asked}
    if not closed:
        return world.control.update_run(account_id, run_id, lambda run: run.model_copy(update=took))
    took = {"problem": INTERNAL, "finished_at": "2026-03-01T00:00:00.000Z"} | took | {"status": "failed"}
    return world.control.close_run(account_id, run_id, lambda run: run.model_copy(update=took))


def found(run: Run, execution: str = "execution-1") -> Failed:
    return Failed(f"{MACHINE}:{execution}", execution, run.account_id, run.id)


def take_up(world: ApiWorld, run: Run, *, only_say: bool = False) -> list[str]:
    """What the command does over this run's execution."""
    redriven: list[str] = []
    ways: redrive.Ways = {
        "redrive": lambda found: redriven.append(found.arn),
        "again": lambda found: redrive.again(found, world.reached()),
    }
    assert redrive.redrive([found(run)], world.control, ways, only_say=only_say) == 0
    return redriven


def test_a_run_that_failed_for_our_reasons_is_started_again_once(world, capsys):
    run = failed_run(world)
    assert take_up(world, run) == []
    assert capsys.readouterr().out.startswith(f"again     run {run.id} ")
    [later] = world.runs_asked()
    assert later != run.id
    take_up(world, run)
    assert capsys.readouterr().out.startswith("nothing ")
    assert world.runs_asked() == [later]
    world.execute(world.control.run(run.account_id, later).value, execution="execution-2")
    assert world.control.run(run.account_id, later).value.status == "succeeded"


def test_a_run_that_was_started_again_is_called_and_listed_as_others_are(world):
    """Its id stands in the links of its mail."""
    failed_at = (world.clock.now() + timedelta(minutes=1)).isoformat(timespec="milliseconds")
    run = failed_run(world, finished_at=failed_at)
    world.clock.advance(timedelta(hours=1))
    take_up(world, run)
    [later] = world.runs_asked()
    assert re.fullmatch("r[0-9a-f]{24}", later)
    client = Client(world, world.account)
    assert client.get(f"/runs/{later}").status == 200
    world.clock.advance(timedelta(hours=1))
    world.execute(world.control.run(run.account_id, later).value, execution="execution-2")
    last = world.again(run.sync_id, ROWS)
    listed = client.get(f"/syncs/{run.sync_id}/runs").json["items"]
    assert [each["id"] for each in listed] == [last.id, later, run.id]


def test_a_run_of_a_sync_that_was_deleted_is_left_alone(world):
    run = failed_run(world)
    assert Client(world, world.account).delete(f"/syncs/{run.sync_id}").status == 204
    assert redrive.way_for(found(run), world.control) is None


def failed_over_an_upload(world: ApiWorld, **asked: Any) -> tuple[Run, list[dict[str, str]]]:
    """A run that read an upload, and failed; its source, and another one."""
    client = Client(world, world.account)
    sources = []
    for _ in range(2):
        upload = client.post("/uploads", {"filename": "a.csv"}).json["upload_id"]
        world.uploads.put(f"uploads/{world.account.account_id}/{upload}", ROWS.encode())
        sources.append({"kind": "upload", "upload_id": upload})
    made = client.post("/imports", {**IMPORT, "source": sources[0]}).json
    ended = {"status": "failed", "problem": INTERNAL, "finished_at": "2026-03-01T00:00:00Z", **asked}
    world.bus.events.clear()
    run = world.control.close_run(
        world.account.account_id,
        made["run"]["id"],
        lambda run: run.model_copy(update={**ended, "upload_id": sources[0]["upload_id"]}),
    )
    return run, sources


def test_an_upload_in_whose_place_another_source_was_put_is_not_read_again(world, capsys):
    """What it was given since is its owner's to run."""
    client = Client(world, world.account)
    run, (first, other) = failed_over_an_upload(world)
    assert client.patch(f"/syncs/{run.sync_id}", {"source": other}).status == 200
    take_up(world, run)
    assert capsys.readouterr().out.startswith("nothing ")
    assert client.patch(f"/syncs/{run.sync_id}", {"source": first}).status == 200
    take_up(world, run)
    [later] = world.runs_asked()
    assert world.control.run(run.account_id, later).value.upload_id == first["upload_id"]


def test_a_run_that_only_looked_looks_again_whatever_was_put_in_its_place(world):
    run, (first, other) = failed_over_an_upload(world, dry_run=True)
    changed = Client(world, world.account).patch(f"/syncs/{run.sync_id}", {"source": other})
    assert changed.status == 200
    take_up(world, run)
    [later] = (world.control.run(run.account_id, each).value for each in world.runs_asked())
    assert (later.dry_run, later.upload_id) == (True, first["upload_id"])


def test_a_dropped_file_whose_run_failed_is_read_itself_though_a_newer_one_waits(world):
    sync = drop_sync(world)
    bucket = DropBucket(world)
    for name in ("ada", "grace"):
        bucket.drop(f"{prefix(world, sync.id)}{name}.csv", f"email,name\n{name}@example.com,{name}\n")
        world.clock.advance(timedelta(seconds=1))
    bucket.go_on(runs=False)
    [run] = runs_of(world, sync.id)
    ended = {"status": "failed", "problem": INTERNAL, "finished_at": "2026-11-22T09:00:00Z"}
    world.control.close_run(run.account_id, run.id, lambda run: run.model_copy(update=ended))
    take_up(world, run)
    bucket.go_on()
    assert set(world.stored()) == {"ada@example.com", "grace@example.com"}
    assert (
        sum(run.file is not None and run.file.key.endswith("/ada.csv") for run in runs_of(world, sync.id))
        == 2
    )


def test_a_run_that_could_not_be_closed_is_redriven_where_it_broke_off(world):
    run = failed_run(world, closed=False)
    assert take_up(world, run) == [found(run).arn]
    assert world.runs_asked() == []


def test_one_that_another_execution_works_on_is_left_alone(world):
    run = failed_run(world, closed=False)
    assert redrive.way_for(found(run, "execution-0"), world.control) is None


def test_a_run_of_a_sync_that_is_paused_waits_for_its_owner(world):
    run = failed_run(world)
    world.control.update_sync(
        run.account_id, run.sync_id, lambda read: read.value.model_copy(update={"state": "paused"})
    )
    assert redrive.way_for(found(run), world.control) is None


def test_what_cannot_be_taken_up_now_is_said_and_the_others_are(world, capsys):
    runs = [failed_run(world), failed_run(world)]
    taken = []

    def again(one: Failed) -> None:
        if one.run_id == runs[0].id:
            raise Busy("not now")
        taken.append(one.run_id)

    ways: redrive.Ways = {"redrive": again, "again": again}
    assert redrive.redrive(map(found, runs), world.control, ways, only_say=False) == 1
    assert taken == [runs[1].id]
    assert capsys.readouterr().out.startswith(f"not now   run {runs[0].id} ")


def test_a_dry_run_says_it_and_does_nothing(world, capsys):
    run = failed_run(world)
    take_up(world, run, only_say=True)
    assert capsys.readouterr().out.startswith("again ")
    assert world.runs_asked() == []


def test_a_run_that_its_owner_has_started_again_is_left_alone(world):
    run = failed_run(world)
    world.again(run.sync_id, ROWS)
    assert redrive.way_for(found(run), world.control) is None


def test_a_run_that_ran_out_of_time_is_started_again_and_one_that_was_stopped_is_not(world):
    run = failed_run(world, problem=LEFT["TIMED_OUT"])
    assert redrive.way_for(found(run), world.control) == "again"
    run = failed_run(world, problem=LEFT["ABORTED"])
    assert redrive.way_for(found(run), world.control) is None


def test_a_run_that_failed_for_its_file_is_left_alone(world):
    run = world.import_rows("Mail\n", mapping=[{"column": "Nowhere", "field": "email"}])
    assert run.status == "failed"
    assert redrive.way_for(found(run), world.control) is None


def test_taking_back_is_its_owner_s_to_ask_for_again(world):
    run = failed_run(world, undoes="r0")
    assert redrive.way_for(found(run), world.control) is None


def test_and_so_is_carrying_out_a_plan(world):
    run = failed_run(world, plan_of="r0")
    assert redrive.way_for(found(run), world.control) is None


def test_executions_of_the_last_fortnight_are_looked_at_and_no_others(world):
    now = world.clock.now()
    states = boto3.client("stepfunctions", region_name="eu-west-1")

    def execution(name: str, days: int) -> dict[str, Any]:
        at = now - timedelta(days=days)
        told = {"executionArn": f"{MACHINE}:{name}", "stateMachineArn": MACHINE, "name": name}
        return {**told, "status": "FAILED", "startDate": at, "stopDate": at}

    with Stubber(states) as stub:
        for ended in ("FAILED", "TIMED_OUT"):
            listed = [execution(f"young-{ended}", 1), execution("old", 15), execution("older", 16)]
            stub.add_response(
                "list_executions",
                {"executions": listed},
                {"stateMachineArn": MACHINE, "statusFilter": ended},
            )
            asked = json.dumps({"account_id": "a1", "run_id": "r1"})
            stub.add_response(
                "describe_execution",
                {**execution(f"young-{ended}", 1), "input": asked},
                {"executionArn": f"{MACHINE}:young-{ended}"},
            )
        told = list(redrive.failed(states, MACHINE, since=now - redrive.REDRIVABLE))
    assert told == [
        Failed(f"{MACHINE}:{name}", name, "a1", "r1") for name in ("young-FAILED", "young-TIMED_OUT")
    ]


def test_step_functions_is_asked_to_redrive_in_its_own_terms():
    states = boto3.client("stepfunctions", region_name="eu-west-1")
    ways = redrive.ways_of(states)
    with Stubber(states) as stub:
        stub.add_response(
            "redrive_execution", {"redriveDate": "2026-11-22T00:00:00Z"}, {"executionArn": f"{MACHINE}:e1"}
        )
        ways["redrive"](Failed(f"{MACHINE}:e1", "e1", "a1", "r1"))
        stub.assert_no_pending_responses()
