"""Runs: how far they are, what they would do and did, and what people decide over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contactsync.api import representations as show
from contactsync.api.answer import Accepted, Answer, Elsewhere, Ok, Wait, json_answer
from contactsync.api.incoming import Request
from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.paging import together
from contactsync.api.route import POLL_S, Route, accepted, pager
from contactsync.errors import InvalidRequest, Problem
from contactsync.journeys.asked import deciding, downloads, rows, telling
from contactsync.journeys.asked.asking import World
from contactsync.journeys.asked.downloads import Report
from contactsync.journeys.file import previewing
from contactsync.model.request import ApproveRequest, NothingAsked
from contactsync.model.run import Run

if TYPE_CHECKING:
    from contactsync.api import shapes

CSV = "text/csv; charset=utf-8"


def read_run(world: World, request: Request) -> Ok[shapes.Run]:
    """Read a run: where it stands, how far it is, what it has done.

    Ask every few seconds until `finished_at` is set.
    """
    return json_answer(200, show.run(telling.run(world, request.caller, request.ids["run_id"])))


def show_file(world: World, request: Request) -> Ok[shapes.Preview]:
    """Look at the file that a run has fetched.

    As `POST /v1/previews` shows an upload: its columns with samples, its first rows, how it is written. Also of a dry run,
    and of one that has failed because its mapping does not fit.
    """
    run = telling.run(world, request.caller, request.ids["run_id"]).run
    return json_answer(200, show.preview(previewing.preview_of_run(world, run)))


def read_rejects(world: World, request: Request) -> Ok[shapes.Csv] | Elsewhere:
    """Download the refused rows of a run that has ended, or waits for an approval.

    The columns of the file, then the line on which the row stands and the reason. Correct the rows there and import that
    file: nothing else has to be taken out. A large file is answered by 303 and lies at `Location` for a quarter of an hour.
    """
    run = _ended(world, request, or_waits=True)
    return _file(downloads.rejected(world, run), f"rejects-{run.id}.csv")


def read_added(world: World, request: Request) -> Ok[shapes.Csv] | Elsewhere:
    """Download the rows that added a contact, as they stand in the file.

    Of a run that has ended. A large file is answered by 303 and lies at `Location` for a quarter of an hour.
    """
    run = _ended(world, request)
    return _file(downloads.changed(world, run, "added"), f"added-{run.id}.csv")


def read_updated(world: World, request: Request) -> Ok[shapes.Csv] | Elsewhere:
    """Download the rows that updated a contact, as they stand in the file.

    Of a run that has ended. A large file is answered by 303 and lies at `Location` for a quarter of an hour.
    """
    run = _ended(world, request)
    return _file(downloads.changed(world, run, "updated"), f"updated-{run.id}.csv")


def read_deletions(world: World, request: Request) -> Ok[shapes.Csv] | Elsewhere:
    """Download the contacts that the plan of a run deletes, by what people recognise them by.

    With an address book also its cards: `deleted_from` says which. As soon as the run names a `plan_hash`. A large file is
    answered by 303 and lies at `Location` for a quarter of an hour.
    """
    run = _planned(world, request)
    return _file(downloads.deletions(world, run), f"deletions-{run.id}.csv")


def list_rows(world: World, request: Request) -> Ok[shapes.RowList]:
    """List what became of each row of a run that has ended.

    The refused rows come first, the others by contact. A page may hold fewer rows than `limit`, even none, where a
    filter passes over many: `next` says whether it goes on.
    """
    tokens = pager(world, request)
    outcome, (after, limit) = together(lambda: _one_of(request, "outcome", rows.OUTCOMES), tokens.page)
    page = rows.rows(world, _ended(world, request), outcome=outcome, after=after, limit=limit)
    return json_answer(200, show.listing(page, show.row, tokens.token))


def list_plan(world: World, request: Request) -> Ok[shapes.Plan]:
    """List what the plan of a run does with each row, field by field.

    There is a plan as soon as the run names a `plan_hash`; until then the answer is 409.
    """
    tokens = pager(world, request)
    change, (after, limit) = together(lambda: _one_of(request, "change", rows.PLANNED), tokens.page)
    run = _planned(world, request)
    page = rows.plan(world, run, change=change, after=after, limit=limit)
    listed = show.listing(page, show.planned, tokens.token)
    return json_answer(200, {"plan_hash": run.plan_hash, "planned": show.planned_counts(run), **listed})


def approve_run(world: World, request: Request) -> Accepted[shapes.Run]:
    """Let a run that waits go on with the very plan that was shown.

    `plan_hash` is that of the plan that was looked at.
    """
    return accepted(world, deciding.approve(world, request.caller, request.ids["run_id"], request.body))


def reject_run(world: World, request: Request) -> Ok[shapes.Run]:
    """Close a run that waits without carrying out what waits.

    Where only the deletions had waited, the rest is done and stays.
    """
    run = deciding.reject(world, request.caller, request.ids["run_id"], request.body)
    return json_answer(200, show.run(telling.view(world, run)))


def cancel_run(world: World, request: Request) -> Ok[shapes.Run]:
    """Stop a run.

    One that is at work has stopped when it says when it finished; what it had written until then stays. Asking twice
    does no harm.
    """
    run = deciding.cancel(world, request.caller, request.ids["run_id"], request.body)
    return json_answer(200, show.run(telling.view(world, run)))


def undo_run(world: World, request: Request) -> Accepted[shapes.Run]:
    """Take back what a run did, as another run.

    Field by field what nobody has changed since; what was edited since keeps the edit, and the run says so.
    """
    run = deciding.undo(world, request.caller, request.ids["run_id"], request.body, request.seed)
    return accepted(world, run)


def _planned(world: World, request: Request) -> Run:
    run = telling.run(world, request.caller, request.ids["run_id"]).run
    if run.plan_hash is None and not run.has_ended:
        raise Wait(
            "plan_under_way",
            "The run has no plan yet.",
            f"Ask for /v1/runs/{run.id} until it names a plan_hash.",
            retry_after_s=POLL_S,
        )
    return run


def _ended(world: World, request: Request, *, or_waits: bool = False) -> Run:
    run = telling.run(world, request.caller, request.ids["run_id"]).run
    if not run.has_ended and not (or_waits and run.status == "awaiting_approval"):
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


def _file(report: Report, name: str) -> Ok[shapes.Csv] | Elsewhere:
    if report.url is not None:
        elsewhere: Elsewhere = Answer(303, "", CSV, {"Location": report.url})
        return elsewhere
    here: Ok[shapes.Csv] = Answer(
        200, report.text or "", CSV, {"Content-Disposition": f'attachment; filename="{name}"'}
    )
    return here


ROUTES = (
    Route("GET", "/runs/<run_id>", "syncs.manage", read_run),
    Route("GET", "/runs/<run_id>/preview", "syncs.manage", show_file),
    Route("GET", "/runs/<run_id>/rejects.csv", "syncs.manage", read_rejects),
    Route("GET", "/runs/<run_id>/added.csv", "syncs.manage", read_added),
    Route("GET", "/runs/<run_id>/updated.csv", "syncs.manage", read_updated),
    Route("GET", "/runs/<run_id>/deletions.csv", "syncs.manage", read_deletions),
    Route("GET", "/runs/<run_id>/rows", "syncs.manage", list_rows, PAGED | {"outcome"}),
    Route("GET", "/runs/<run_id>/plan", "syncs.manage", list_plan, PAGED | {"change"}),
    Route("POST", "/runs/<run_id>/approve", "syncs.manage", approve_run, body=ApproveRequest),
    Route("POST", "/runs/<run_id>/reject", "syncs.manage", reject_run, body=NothingAsked),
    Route("POST", "/runs/<run_id>/cancel", "syncs.manage", cancel_run, body=NothingAsked),
    Route("POST", "/runs/<run_id>/undo", "syncs.manage", undo_run, body=NothingAsked),
)
