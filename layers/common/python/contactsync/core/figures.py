"""Whether a file that nobody has looked at is like the one that was imported last, and as new as it should be.

What differs is a warning and stops nothing: deletions are the guard's to judge, by the contacts themselves, and a
column that is mapped and missing has ended the run before. Only a file that is older than the last one proves nothing
about who is missing from it, so its run deletes nobody. What the server says of the time is a hint: nothing else
hangs on it.

A good run's figures are the next run's measure, so a change is told once; the newest time is kept, so an older file is
told for as long as it lies there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from contactsync.model.run import Counts, Figures, Run, RunWarning
from contactsync.model.sync import Sync

FACTOR = 2
ROWS_APART = 10
"""Fewer rows of difference say nothing, by whatever factor."""
BYTES_FACTOR = 3
BYTES_APART = 10_000
PERIODS = 3
A_DAY = timedelta(days=1)
"""Who looks oftener wants to find a file soon, and does not say that there is a new one each time."""
SLACK = timedelta(days=1)
"""A daily file that nobody writes at weekends is no news on a Monday."""
FILLED = 50
"""A column of which that many percent are filled is not empty by chance in all of the first rows."""
COLUMNS_KEPT = 100
COLUMNS_NAMED = 5
NAME_LENGTH = 100
FIRST_FILE = datetime(1980, 1, 1, tzinfo=UTC)
ODD = frozenset(
    {
        "rows_far_from_before",
        "size_far_from_before",
        "columns_changed",
        "columns_emptied",
        "rows_meet_nobody",
        "file_older",
    }
)
"""Warnings that somebody wants to hear of who is told of problems only."""
NOT_RENEWED = "file_not_renewed"
"""As well, but once: a file that is merely old may be so for ever."""
OF_AGE = frozenset({"file_older", NOT_RENEWED, "file_dated_ahead"})
OLDER = "The file is older than the one that was imported last."


def seen(size: int, modified: str | None, now: datetime) -> Figures:
    """What is known of a file when it has been fetched. A time that no file of today has is none."""
    if modified is not None and not FIRST_FILE < datetime.fromisoformat(modified) < now + SLACK:
        modified = None
    return Figures(bytes=size, modified=modified)


def read(
    figures: Figures, rows: int, columns: Sequence[str], *, has_header: bool, first: Sequence[Sequence[str]]
) -> Figures:
    """The same when it has been read; `first` are its first rows."""
    names = tuple(name[:NAME_LENGTH] for name in columns[:COLUMNS_KEPT])
    told = {"rows": rows, "width": len(columns), "columns": names}
    return figures.model_copy(update={**told, "has_header": has_header, "filled": _filled(first, len(names))})


def ahead(modified: str | None, now: datetime) -> list[RunWarning]:
    """What is to be said of a time that is still to come: nothing tells then whether the file is new."""
    if modified is None or datetime.fromisoformat(modified) < now + SLACK:
        return []
    message = (
        f"The server says that the file is from {modified}, a time that is still to come, so nobody can tell whether it "
        "is new. Where the source is a pattern, it is taken for the newest until then, whatever else is put there. Put it there once more with the right time, or take it away."
    )
    return [RunWarning(code="file_dated_ahead", message=message)]


def of_age(
    figures: Figures, last: Figures | None, period: timedelta | None, now: datetime
) -> list[RunWarning]:
    """What is to be said of a file's age; `period`: how far apart the runs of its schedule are."""
    if figures.modified is None:
        return []
    modified = datetime.fromisoformat(figures.modified)
    if last is not None and last.modified is not None and modified < datetime.fromisoformat(last.modified):
        message = (
            f"{OLDER} It is from {figures.modified}, the last one from {last.modified}. If it was put back on purpose, "
            "put it there once more, so that it is new."
        )
        return [RunWarning(code="file_older", message=message)]
    if period is not None and now - modified > PERIODS * max(period, A_DAY) + SLACK:
        message = (
            f"The file was last changed {(now - modified).days:,} days ago. See whether it is still exported; if it seldom "
            "changes, run the sync less often."
        )
        return [RunWarning(code=NOT_RENEWED, message=message)]
    return []


def compared(figures: Figures, last: Figures | None) -> list[RunWarning]:
    """Where a file is far from the one that was imported last."""
    if last is None or last.rows is None or figures.rows is None:
        return []
    found = []
    if _far(figures.rows, last.rows, FACTOR, ROWS_APART):
        message = f"The file has {figures.rows:,} rows, the one imported last had {last.rows:,}. See whether it is whole."
        found.append(RunWarning(code="rows_far_from_before", message=message))
    elif _far(figures.bytes, last.bytes, BYTES_FACTOR, BYTES_APART):
        message = (
            f"The file has {figures.bytes:,} bytes, the one imported last had {last.bytes:,}, in about as many rows. See "
            "whether its columns hold what they should."
        )
        found.append(RunWarning(code="size_far_from_before", message=message))
    if changes := _columns(figures, last):
        message = f"The columns are not those of the file imported last. {changes} See whether the mapping still fits."
        found.append(RunWarning(code="columns_changed", message=message))
    if emptied := _emptied(figures, last):
        message = (
            f"Columns that had values in the file imported last have none in this one's first rows: {_named(emptied)}. See "
            "whether they are still exported; where empty cells clear, contacts lose what they had there."
        )
        found.append(RunWarning(code="columns_emptied", message=message))
    return found


def met(counts: Counts, last: Figures | None) -> list[RunWarning]:
    """Where most rows are about somebody new, and those of the last file were not: a file of new ones only never is."""
    if last is None or last.rows is None or last.met is None or counts.rows > FACTOR * last.rows:
        return []
    few = counts.added < ROWS_APART or FACTOR * counts.added <= counts.rows
    if few or FACTOR * last.met <= last.rows:
        return []
    message = (
        f"{counts.added:,} of {counts.rows:,} rows are about somebody new, while most of the file imported last were about contacts "
        "that were there. See whether what contacts are found by is written as it was, say with its leading zeros: else everybody "
        "comes a second time. The run can be undone."
    )
    return [RunWarning(code="rows_meet_nobody", message=message)]


def kept(sync: Sync, run: Run) -> Sync:
    """The sync with the figures of a run that has just ended, if it was a good one that read a file of its own."""
    figures = run.figures
    own = not (run.dry_run or run.undoes or run.plan_of)
    if figures is None or figures.rows is None or run.status != "succeeded" or not own:
        return sync
    times = [each for each in (figures.modified, sync.figures and sync.figures.modified) if each]
    newest = max(times, key=datetime.fromisoformat, default=None)
    seen = {"modified": newest, "met": run.counts.rows - run.counts.added - run.counts.rejected}
    return sync.model_copy(update={"figures": figures.model_copy(update=seen)})


def _far(now: int, before: int, factor: int, apart: int) -> bool:
    few, many = sorted((now, before))
    return many - few >= apart and many > factor * few


def _columns(figures: Figures, last: Figures) -> str:
    """How the columns differ, in sentences; "" if they do not."""
    if figures.columns == last.columns and figures.width == last.width:
        return ""
    new = [name for name in figures.columns if name not in last.columns]
    gone = [name for name in last.columns if name not in figures.columns]
    if not new and not gone:
        return (
            "They stand in another order."
            if figures.width == last.width
            else "There is another number of them."
        )
    said = [f"{word}: {_named(names)}." for word, names in (("New", new), ("Gone", gone)) if names]
    return " ".join(said)


def _filled(rows: Sequence[Sequence[str]], width: int) -> tuple[int, ...]:
    """Of each column the percentage of the rows that have a value in it; nothing where there are too few to say."""
    if len(rows) < ROWS_APART:
        return ()
    cells = [[row[column].strip() for row in rows if column < len(row)] for column in range(width)]
    return tuple(-(-100 * sum(map(bool, column)) // len(rows)) for column in cells)


def _emptied(figures: Figures, last: Figures) -> list[str]:
    """The columns of both files that were filled, and are empty."""
    before = dict(zip(last.columns, last.filled, strict=False))
    now = zip(figures.columns, figures.filled, strict=False)
    return [name for name, share in now if not share and before.get(name, 0) >= FILLED]


def _named(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - COLUMNS_NAMED
    return ", ".join(listed[:COLUMNS_NAMED]) + (f" and {more} more" if more > 0 else "")
