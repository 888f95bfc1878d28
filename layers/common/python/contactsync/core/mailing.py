"""The mail after a run: what happened, how much of it, what was refused and why, where to look, what to do.

The mail is composed once, as blocks, and then written twice, as text and as HTML: the two cannot say different
things. Names and reasons come from customers' files, so they are cleaned of everything that could break a
header or reorder a line, cut to a length, and escaped.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from contactsync.errors import BookBusy
from contactsync.model.connection import Connection
from contactsync.model.drop import Drop
from contactsync.model.run import Counts, Pushed, Refused, Run, RunProblem

NAME_LENGTH = 100
REASON_LENGTH = 300
DETAIL_LENGTH = 800
REASONS_SHOWN = 5
WARNINGS_SHOWN = 5
NO_MORE = "Several files are left today for this reason. No mail comes about further ones; they are listed like the others."
TO_BE_SEEN_TO = frozenset({"book_full", "card_unreadable", "frozen", "needs_review"})
"""Warnings of a run with an address book that ask somebody to do something: who asks for problems wants to hear of them."""

_REORDERING = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail without its address: `text` and `html` say the same."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True, slots=True)
class Deletions:
    """Those that a run which was stopped would delete: what they are, what the first ones are called, how many there are."""

    first: Sequence[str]
    total: int
    of: Literal["contact", "card"] = "contact"


@dataclass(frozen=True, slots=True)
class _Paragraph:
    text: str

    def as_text(self) -> str:
        return self.text

    def as_html(self) -> str:
        return f"<p>{html.escape(self.text)}</p>"


@dataclass(frozen=True, slots=True)
class _Facts:
    rows: Sequence[tuple[str, str]]

    def as_text(self) -> str:
        width = max(len(label) for label, _ in self.rows)
        return "\n".join(f"{label:<{width}}  {value}" for label, value in self.rows)

    def as_html(self) -> str:
        cells = "".join(
            f'<tr><td style="padding-right:2em">{html.escape(label)}</td><td>{html.escape(value)}</td></tr>'
            for label, value in self.rows
        )
        return f"<table>{cells}</table>"


@dataclass(frozen=True, slots=True)
class _Points:
    title: str
    points: Sequence[str]

    def as_text(self) -> str:
        return "\n".join([self.title, *(f"- {point}" for point in self.points)])

    def as_html(self) -> str:
        points = "".join(f"<li>{html.escape(point)}</li>" for point in self.points)
        return f"<p>{html.escape(self.title)}</p><ul>{points}</ul>"


@dataclass(frozen=True, slots=True)
class _Place:
    label: str
    address: str

    def as_text(self) -> str:
        return f"{self.label}\n{self.address}"

    def as_html(self) -> str:
        address = html.escape(self.address)
        where = (
            f'<a href="{address}">{address}</a>'
            if self.address.startswith("http")
            else f"<code>{address}</code>"
        )
        return f"<p>{html.escape(self.label)}<br>{where}</p>"


_Block = _Paragraph | _Facts | _Points | _Place


def compose(
    run: Run,
    *,
    sync_name: str,
    public_url: str,
    paused: RunProblem | None = None,
    deletions: Sequence[Deletions] = (),
) -> Letter:
    """The mail about a run that has ended, or that waits for an approval.

    Args:
        run: as it stands when the mail is sent.
        sync_name: the customer's own name for the sync; may be empty.
        public_url: where the API is reached, without "/v1"; empty where that is not known, and then the mail
            names paths instead of links.
        paused: why the sync's schedule does not run it any more, if it was stopped because its runs failed.
        deletions: whom the run would delete, here and in its address book, if it was stopped before it did.
    """
    name = clean(sync_name, NAME_LENGTH) or "Your import"
    outcome = _outcome(run)
    blocks = list(_blocks(run, name, outcome, public_url.rstrip("/"), paused=paused, deletions=deletions))
    return Letter(
        subject=f"{name}: {outcome}",
        text="\n\n".join(block.as_text() for block in blocks) + "\n",
        html=_page(f"{name}: {outcome}", "".join(block.as_html() for block in blocks)),
    )


def compose_parked(
    drop: Drop, why: RunProblem, *, sync_name: str, public_url: str, is_last: bool = False
) -> Letter:
    """The mail about a file that was left in the drop bucket unread. The subject does not name the file.

    `is_last`: of others that come on the same day for the same reason nobody is told.
    """
    name = clean(sync_name, NAME_LENGTH) or "Drop bucket"
    outcome = "a file was not imported"
    base = public_url.rstrip("/")
    blocks: list[_Block] = [
        _Paragraph(f"{name}: {outcome}."),
        _Paragraph(why.title),
        _Paragraph(f"What to do: {why.detail}"),
        _Facts(
            [
                ("File", clean(drop.file.name, NAME_LENGTH)),
                ("Bytes", f"{drop.file.size:,}"),
                ("Arrived", drop.dropped_at),
            ]
        ),
        *([_Paragraph(NO_MORE)] if is_last else []),
        _Place("All files that have arrived:", f"{base}/v1/drops" if base else "GET /v1/drops"),
    ]
    return Letter(
        subject=f"{name}: {outcome}",
        text="\n\n".join(block.as_text() for block in blocks) + "\n",
        html=_page(f"{name}: {outcome}", "".join(block.as_html() for block in blocks)),
    )


def compose_lost(connection: Connection, *, public_url: str) -> Letter:
    """The mail about an address book that does not let us in any more. The subject does not name it."""
    outcome = "your address book is not connected any more"
    base = public_url.rstrip("/")
    blocks: list[_Block] = [
        _Paragraph(f"{clean(connection.name, NAME_LENGTH)} does not let us in any more."),
        _Paragraph("Its syncs wait until then. Nothing was deleted, and they go on where they stopped."),
        _Paragraph(f"What to do: {clean(connection.problem, 500) or 'Connect it again.'}"),
        _Place(
            "The connection, to be connected again:",
            f"{base}/v1/connections/{connection.id}" if base else f"GET /v1/connections/{connection.id}",
        ),
    ]
    return Letter(
        subject=f"Contact Sync: {outcome}",
        text="\n\n".join(block.as_text() for block in blocks) + "\n",
        html=_page(f"Contact Sync: {outcome}", "".join(block.as_html() for block in blocks)),
    )


def clean(text: str, length: int) -> str:
    """One line without control or reordering characters, of at most `length` characters."""
    visible = "".join(
        " " if unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} else character
        for character in _REORDERING.sub("", text[: 4 * length])
    )
    line = " ".join(visible.split())
    return line if len(line) <= length else line[: length - 1].rstrip() + "…"


def _outcome(run: Run) -> str:
    """What happened, in the few words that fit a subject."""
    what = "undo" if run.undoes else "import"
    told = _told(run)
    match run.status:
        case "failed" if run.problem is not None and run.problem.code == BookBusy.code:
            return f"the {what} has to wait"
        case "failed":
            return f"the {what} failed"
        case "blocked" if has_changed(run):
            return f"{told}, the deletions were stopped"
        case "blocked":
            return f"the {what} was stopped, nothing was changed"
        case "cancelled":
            return f"the {what} was cancelled"
        case "awaiting_approval" if run.stage == "rest":
            return f"{told}, the deletions wait for your approval"
        case "awaiting_approval":
            return "the import waits for your approval"
        case "undone":
            return "the import was undone"
        case "unchanged":
            return "nothing has changed"
    if run.dry_run:
        return f"dry run, {_foretold(run, told)}"
    return f"an import was undone, {told}" if run.undoes else told


def has_changed(run: Run) -> bool:
    """Whether a run has changed anything, here or in its address book; whether a dry run would."""
    return any(side.added + side.updated + side.deleted for side in (run.counts, _there(run)))


def _there(run: Run) -> Pushed:
    """What a run did to its address book, or a dry run would do."""
    return (run.planned_there or Pushed()) if run.dry_run else run.pushed


def _foretold(run: Run, told: str) -> str:
    """What a real run would come to: the guard has judged the plan of a dry run as well."""
    match run.verdict and run.verdict.kind:
        case "blocked":
            return "the import would be stopped"
        case "hold":
            return "the import would wait for your approval"
        case "hold_deletes":
            return f"{told}, the deletions would wait for your approval"
    return told


def _told(run: Run) -> str:
    """What was changed here, and in the address book, if the run has one; of a dry run what would be."""
    here, there = run.counts, _there(run)
    sides = [_counted(here, here.rejected, would=run.dry_run)]
    if told := _counted(there, there.refused, would=run.dry_run):
        sides.append(f"in the address book {told}")
    return "; ".join(filter(None, sides)) or f"nothing {'would change' if run.dry_run else 'has changed'}"


def _counted(side: Counts | Pushed, refused: int, *, would: bool) -> str:
    return ", ".join(
        f"{number:,} {'would be ' if would else ''}{word}"
        for number, word in (
            (side.added, "added"),
            (side.updated, "updated"),
            (side.deleted, "deleted"),
            (refused, "refused"),
        )
        if number
    )


def _blocks(
    run: Run,
    name: str,
    outcome: str,
    base: str,
    *,
    paused: RunProblem | None,
    deletions: Sequence[Deletions],
) -> Iterator[_Block]:
    yield _Paragraph(f"{name}: {outcome}.")
    if run.problem is not None:
        yield _Paragraph(clean(run.problem.title, REASON_LENGTH))
        yield _Paragraph(f"What to do: {clean(run.problem.detail, DETAIL_LENGTH)}")
    if deletions:
        yield from _undecided(run, deletions, base)
    if paused is not None:
        yield _Paragraph(clean(paused.title, REASON_LENGTH))
        yield _Paragraph(f"What to do: {clean(paused.detail, DETAIL_LENGTH)}")
    if run.dry_run:
        yield from _dry(run)
    if run.undoes:
        yield _Paragraph("This run takes another one back. What somebody has changed since stays as it is.")
        yield _Place("The run that it takes back:", _address(base, run.undoes))
    yield _Facts(list(_facts(run)))
    if run.refusals:
        yield _Points(
            "Why rows were refused:", [_refusal(refused) for refused in run.refusals[:REASONS_SHOWN]]
        )
    if run.warnings:
        shown = [clean(warning.message, REASON_LENGTH) for warning in run.warnings[:WARNINGS_SHOWN]]
        yield _Points("What we noticed on the way:", shown)
    if run.counts.rejected:
        label = "All refused rows with their reasons; correct them in this file and import it again:"
        yield _Place(label, _address(base, run.id, "/rejects.csv"))
    if run.counts.skipped and run.has_ended:
        yield _Place("Each skipped row, and why:", _address(base, run.id, "/rows?outcome=skipped"))
    yield _Place("Everything about this run:", _address(base, run.id))
    yield _Place(
        "You get this mail because the sync's notify names your address. Whoever manages the sync can take it out, or ask for problems only:",
        f"{base}/v1/syncs/{run.sync_id}" if base else f"GET /v1/syncs/{run.sync_id}",
    )


def _dry(run: Run) -> Iterator[_Block]:
    """What the numbers of a dry run are worth."""
    said = "This was a dry run: no contact was touched."
    verdict = run.verdict
    if run.status != "succeeded":
        yield _Paragraph(said)
        return
    if verdict is None or verdict.kind == "go":
        yield _Paragraph(f"{said} The numbers say what a real run would do.")
        return
    yield _Paragraph(f"{said} {_STOPPED[verdict.kind]}")
    yield _Paragraph(clean(verdict.title, REASON_LENGTH))
    if verdict.kind == "blocked":
        yield _Paragraph(f"What to do: {clean(verdict.detail, DETAIL_LENGTH)}")


_STOPPED = {
    "blocked": "A real run would be stopped, and change nothing.",
    "hold": "A real run would change nothing before somebody approves its plan.",
    "hold_deletes": "A real run would do the rest, and delete nobody before somebody approves that.",
}


def _undecided(run: Run, deletions: Sequence[Deletions], base: str) -> Iterator[_Block]:
    """Whom a stopped run would delete, and what to do about it."""
    waits = run.status == "awaiting_approval"
    if run.stage == "rest":
        yield _Paragraph("Everything else was carried out. Only the deletions wait.")
    elif waits:
        yield _Paragraph("Nothing was changed.")
    for each in deletions:
        names = [clean(name, NAME_LENGTH) for name in each.first]
        more = each.total - len(names)
        where = " in the address book" if each.of == "card" else ""
        yield _Points(
            f"{each.total:,} {each.of if each.total == 1 else f'{each.of}s'} would be deleted{where}:",
            [*names, f"and {more:,} more"] if more else names,
        )
    yield _Place("All of them, to look through:", _address(base, run.id, "/deletions.csv"))
    yield _Place("All of them, field by field:", _address(base, run.id, "/plan?change=delete"))
    if waits:
        there = f"POST {base}/v1/runs/{run.id}"
        plan = f'{{"plan_hash": "{run.plan_hash}"}}'
        other = "direction" if run.journey == "sync" else "options.delete_missing"
        options = f"PATCH {base}/v1/syncs/{run.sync_id}, options.guard or {other}"
        asked_again = "The next run that would delete them asks again."
        if run.journey == "sync":
            asked_again = "Each side then keeps whom it has, and no later run asks for these deletions again."
        yield _Points(
            "What you can do:",
            [
                f"Delete exactly these: {there}/approve with {plan}. That holds until the sync is run again or changed.",
                f"Delete nobody: {there}/reject with {{}}. {asked_again}",
                f"Change what is deleted without asking, or that anything is: {options}. Then run the sync again.",
            ],
        )


def _facts(run: Run) -> Iterator[tuple[str, str]]:
    if run.file is not None:
        yield "File", clean(run.file.name, NAME_LENGTH)
    waits = run.planned if run.status == "awaiting_approval" else None
    if waits is not None and run.stage == "all":
        counts = waits
        yield "Rows read", f"{counts.rows:,}"
        yield "To be added", f"{counts.added:,}"
        yield "To be updated", f"{counts.updated:,}"
    else:
        counts = run.counts
        yield "Rows read", f"{counts.rows:,}"
        yield "Contacts added", f"{counts.added:,}"
        yield "Contacts updated", f"{counts.updated:,}"
    if counts.deleted and waits is None:
        yield "Contacts deleted", f"{counts.deleted:,}"
    if waits is not None:
        yield "To be deleted", f"{waits.deleted:,}"
    yield "Unchanged", f"{counts.unchanged:,}"
    yield "Skipped", f"{counts.skipped:,}"
    yield "Refused", f"{counts.rejected:,}"
    if run.journey == "sync":
        yield from _facts_there(run)
    if run.finished_at is not None:
        began, ended = map(datetime.fromisoformat, (run.started_at or run.requested_at, run.finished_at))
        yield "Took", in_words(ended - began)
        yield "Ended", f"{ended:%Y-%m-%d %H:%M} UTC"


def _facts_there(run: Run) -> Iterator[tuple[str, str]]:
    """What became of the address book's cards."""
    done = _there(run)
    yield "Cards added", f"{done.added:,}"
    yield "Cards updated", f"{done.updated:,}"
    if done.deleted:
        yield "Cards deleted", f"{done.deleted:,}"
    if run.status == "awaiting_approval" and run.planned_there is not None:
        yield "Cards to be deleted", f"{run.planned_there.deleted:,}"
    yield "Cards refused", f"{done.refused:,}"
    if done.carried:
        yield "Left for the next", f"{done.carried:,}"


def _refusal(refused: Refused) -> str:
    rows = "1 row" if refused.rows == 1 else f"{refused.rows:,} rows"
    where = f"line {refused.first_line}" if refused.rows == 1 else f"the first in line {refused.first_line}"
    return f"{clean(refused.reason, REASON_LENGTH)} ({rows}, {where})"


def in_words(duration: timedelta) -> str:
    """The two largest units of a duration: "2 min 5 s"."""
    seconds = max(0, round(duration.total_seconds()))
    if seconds < 60:
        return f"{max(1, seconds)} s"
    minutes, seconds = divmod(seconds, 60)
    if minutes < 60:
        return f"{minutes} min {seconds} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _address(base: str, run_id: str, path: str = "") -> str:
    return f"{base}/v1/runs/{run_id}{path}" if base else f"GET /v1/runs/{run_id}{path}"


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f"<title>{html.escape(title)}</title></head>"
        f'<body style="font-family:sans-serif;line-height:1.5;max-width:40em">{body}</body></html>\n'
    )
