"""Runs: how far they are, what they would do and did, and what people decide over them."""

from __future__ import annotations

from contactsync.api import representations as show
from contactsync.api.answer import Answer, Wait, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import POLL_S, Route, accepted, pager
from contactsync.errors import InvalidRequest, Problem
from contactsync.journeys import deciding, downloads, rows, telling
from contactsync.journeys.asking import World
from contactsync.journeys.downloads import Report
from contactsync.model.run import Run

CSV = "text/csv; charset=utf-8"


def read_run(world: World, request: Request) -> Answer:
    return json_answer(200, show.run(telling.run(world, request.caller, request.ids["run_id"])))


def read_rejects(world: World, request: Request) -> Answer:
    run = _ended(world, request)
    return _file(downloads.rejected(world, run), f"rejects-{run.id}.csv")


def read_added(world: World, request: Request) -> Answer:
    run = _ended(world, request)
    return _file(downloads.changed(world, run, "added"), f"added-{run.id}.csv")


def read_updated(world: World, request: Request) -> Answer:
    run = _ended(world, request)
    return _file(downloads.changed(world, run, "updated"), f"updated-{run.id}.csv")


def list_rows(world: World, request: Request) -> Answer:
    outcome = _one_of(request, "outcome", rows.OUTCOMES)
    tokens = pager(world, request)
    after, limit = tokens.position(), tokens.limit()
    page = rows.rows(world, _ended(world, request), outcome=outcome, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.row, tokens.token))


def list_plan(world: World, request: Request) -> Answer:
    change = _one_of(request, "change", rows.PLANNED)
    tokens = pager(world, request)
    after, limit = tokens.position(), tokens.limit()
    run = telling.run(world, request.caller, request.ids["run_id"]).run
    if run.plan_hash is None and not run.has_ended:
        raise Wait(
            "plan_under_way",
            "The run has no plan yet.",
            f"Ask for /v1/runs/{run.id} until it names a plan_hash.",
            retry_after_s=POLL_S,
        )
    page = rows.plan(world, run, change=change, after=after, limit=limit)
    listed = show.listing(page, show.planned, tokens.token)
    return json_answer(200, {"plan_hash": run.plan_hash, "planned": show.planned_counts(run), **listed})


def approve_run(world: World, request: Request) -> Answer:
    return accepted(world, deciding.approve(world, request.caller, request.ids["run_id"], request.body))


def reject_run(world: World, request: Request) -> Answer:
    run = deciding.reject(world, request.caller, request.ids["run_id"], request.body)
    return json_answer(200, show.run(telling.view(world, run)))


def cancel_run(world: World, request: Request) -> Answer:
    run = deciding.cancel(world, request.caller, request.ids["run_id"], request.body)
    return json_answer(200, show.run(telling.view(world, run)))


def undo_run(world: World, request: Request) -> Answer:
    run = deciding.undo(world, request.caller, request.ids["run_id"], request.body, request.seed)
    return accepted(world, run)


def _ended(world: World, request: Request) -> Run:
    run = telling.run(world, request.caller, request.ids["run_id"]).run
    if not run.has_ended:
        raise Wait(
            "run_under_way",
            "The run is under way.",
            f"Its rows are settled when it has ended: ask for /v1/runs/{run.id} until then.",
            retry_after_s=POLL_S,
        )
    return run


def _one_of(request: Request, name: str, offered: tuple[str, ...]) -> str | None:
    value = request.query.get(name)
    if value is not None and value not in offered:
        raise InvalidRequest([Problem(f"/{name}", f"Choose one of: {', '.join(offered)}.")])
    return value


def _file(report: Report, name: str) -> Answer:
    if report.url is not None:
        return Answer(303, "", CSV, {"Location": report.url})
    return Answer(200, report.text or "", CSV, {"Content-Disposition": f'attachment; filename="{name}"'})


ROUTES = (
    Route("GET", "/runs/<run_id>", "syncs.manage", read_run),
    Route("GET", "/runs/<run_id>/rejects.csv", "syncs.manage", read_rejects),
    Route("GET", "/runs/<run_id>/added.csv", "syncs.manage", read_added),
    Route("GET", "/runs/<run_id>/updated.csv", "syncs.manage", read_updated),
    Route("GET", "/runs/<run_id>/rows", "syncs.manage", list_rows, PAGED | {"outcome"}),
    Route("GET", "/runs/<run_id>/plan", "syncs.manage", list_plan, PAGED | {"change"}),
    Route("POST", "/runs/<run_id>/approve", "syncs.manage", approve_run),
    Route("POST", "/runs/<run_id>/reject", "syncs.manage", reject_run),
    Route("POST", "/runs/<run_id>/cancel", "syncs.manage", cancel_run),
    Route("POST", "/runs/<run_id>/undo", "syncs.manage", undo_run),
)
