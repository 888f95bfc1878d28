"""Rows that a run knows by their bytes, and neither types nor compares with their contacts.

A file that comes again is nearly all as it was. A row says nothing new where the last good run of the sync has read
the same bytes in the same way, where its contact was then as the row says, and where nobody has changed that contact
since (`journeys.changes`). Parse decides from where on that can be told, and whom to leave out; map recognises the
rows, chunk by chunk, by what lies in the files of that run. All others go the usual way, and once a week every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple, Self

from contactsync.control import Control
from contactsync.core.identity import ID_BYTES, digest_of
from contactsync.core.mapping import HASH_BYTES, Rule
from contactsync.core.parsing import Again, Damaged, Earlier
from contactsync.errors import NotFound
from contactsync.journeys.changes import changed_since
from contactsync.journeys.file.ruling import TYPING, country_of, rules_of, settings_hash
from contactsync.journeys.file.runfiles import ID, KNOWN, MENTION, Manifest, RunFiles, line_of
from contactsync.model.run import Run
from contactsync.model.sync import Sync
from contactsync.ports import Objects

KNOWN_FROM = 5_000
"""Rows of a file from which on it pays: below, the requests take longer than the typing."""
LOOKED_AT_MAX = 10_000
"""Contacts that are looked at in any case. Where there are more, all are."""
WHOLE_EVERY = timedelta(days=7)
"""How often every row is looked at all the same: what went past the feed is mended then, and new ways to type hold."""
OF_THE_ROW = b",[[null,null,"
"""What stands in a line of rejects where not a cell is at fault but the whole row: the lines around may have decided."""
EDGE = 10
"""Lines at the edges of a chunk of which some are known, unless rows have moved."""
WORTHWHILE = 0.5
"""The share of a chunk's rows that has to be known."""


def recognising(
    manifest: Manifest, rules: Sequence[Rule], run: Run, *, control: Control, runs: Objects
) -> Manifest:
    """The manifest with a digest of how rows are read, and with the run that knows rows of the file, if one does.

    Another worker of the step may find that fewer contacts have changed, or that nothing can be told any more. Which
    rows are known then differs, and what becomes of them does not: so whoever comes last may be right for all.
    """
    sync = control.sync(run.account_id, run.sync_id).value
    country = country_of(run, sync, control)
    manifest = manifest.model_copy(update={"reading": _reading(manifest, rules, sync, country)})
    looked_at = _looked_at(run, sync, manifest, control, runs)
    if looked_at is None or sync.last_good is None:
        return manifest
    RunFiles(runs, run.account_id, run.id).save_looked_at(sorted(looked_at))
    return manifest.model_copy(update={"known_by": sync.last_good.run_id})


def _reading(manifest: Manifest, rules: Sequence[Rule], sync: Sync, country: str | None) -> str:
    """What decides, with its bytes, how a row is read and typed, as a digest."""
    of_file = (manifest.dialect, manifest.width, manifest.ours, manifest.date_orders)
    of_sync = (country, sync.format.date_order, sync.options.empty_cells, sync.identity)
    return digest_of(repr((TYPING, *of_file, *of_sync, [*rules])))


def _looked_at(run: Run, sync: Sync, manifest: Manifest, control: Control, runs: Objects) -> set[str] | None:
    """Whose rows are not to be known; None for all of them."""
    good = sync.last_good
    if good is None or manifest.dialect is None or manifest.ours or manifest.rows < KNOWN_FROM:
        return None
    if not good.whole_at or run.began() - datetime.fromisoformat(good.whole_at) >= WHOLE_EVERY:
        return None
    if good.settings != settings_hash(sync) or not rules_of(run, control).settles_at_a_glance:
        return None
    files = RunFiles(runs, run.account_id, good.run_id)
    try:
        before = files.manifest()
        odd = files.odd(before.units) if before.reading == manifest.reading else None
    except NotFound:  # kept no longer, or by a version that did not say whose they are
        return None
    if odd is None:
        return None
    changed = changed_since(control, runs, run.account_id, good.feed, run.began(), but=good.run_id)
    if changed is None or len(odd | changed) > LOOKED_AT_MAX:
        return None
    return odd | changed


class KnownRows:
    """The rows that an earlier run knows, by their bytes. One chunk of them is kept in memory, or three."""

    def __init__(self, files: RunFiles, manifest: Manifest, looked_at: frozenset[str]) -> None:
        self._files = files
        self._manifest = manifest
        self._looked_at = {id_.encode() for id_ in looked_at}

    @classmethod
    def of(cls, files: RunFiles, manifest: Manifest, account_id: str) -> Self | None:
        """Those that parse has found to be known; None where there are none, or the files are kept no longer."""
        if not manifest.known_by:
            return None
        before = RunFiles(files.objects, account_id, manifest.known_by)
        try:
            return cls(before, before.manifest(), files.looked_at())
        except NotFound:
            return None

    def chunk(self, number: int, files: RunFiles, manifest: Manifest) -> KnownChunk | None:
        """What is known of a chunk; None where it is so little that it does not pay.

        Rows that were put in or taken out shift those that follow: where nothing is known at an edge of the chunk, the
        one beyond it is looked at as well.
        """
        chunk = manifest.chunks[number]
        lines = files.chunk(manifest, number).splitlines(keepends=True)
        read = self._read(number)
        again = Again(lines, chunk.first_line, [each.lines for each in read])
        beyond = [] if again.knows_any(slice(EDGE)) else self._read(number - 1)
        beyond += [] if again.knows_any(slice(-EDGE, None)) else self._read(number + 1)
        if beyond:
            read = [*read, *beyond]
            again = Again(lines, chunk.first_line, [each.lines for each in read])
        if again.known() < WORTHWHILE * chunk.rows:
            return None
        assert manifest.dialect is not None, "only delimited text is known by its bytes"
        return KnownChunk(again, read, again.unknown(manifest.dialect, manifest.file_width))

    def _read(self, number: int) -> list[_Read]:
        """What that run has read of one chunk; nothing where a file is lost. A row reaches as far as the next one begins."""
        manifest = self._manifest
        if not 0 <= number < len(manifest.chunks):
            return []
        first_line = manifest.chunks[number].first_line
        try:
            lines = self._files.chunk(manifest, number).splitlines(keepends=True)
            mapped = {shard: dict(map(brief, rows)) for shard, rows in self._files.mapped_shards(number)}
            rejects = {line_of(reject): reject for reject in self._files.refused(number)}
        except NotFound:
            return []
        begins = {*chain.from_iterable(mapped.values()), *rejects}
        unknown = {line for line, reject in rejects.items() if OF_THE_ROW in reject}
        for rows in mapped.values():
            unknown.update(line for line, row in rows.items() if row[ID] in self._looked_at)
        return [_Read(Earlier(first_line, lines, begins, unknown), mapped, rejects)]


class _Read(NamedTuple):
    """What an earlier run has read of one chunk: lines of mapped rows, by shard and by where they stood; of rejects."""

    lines: Earlier
    mapped: dict[int, dict[int, bytes]]
    rejects: dict[int, bytes]


class KnownChunk:
    """One chunk of which rows are known."""

    def __init__(
        self, again: Again, read: Sequence[_Read], unknown: Iterator[tuple[int, list[str]] | Damaged]
    ) -> None:
        self.unknown = unknown
        """The other rows, as `read_chunk` has them: these are read first."""
        self._again = again
        self._read = read

    def join(self, by_shard: list[list[bytes]], rejects: list[bytes]) -> Joined:
        """Put the lines of known rows among those of the others, which have all been read, in the file's order."""
        places = self._again.places
        rows = [[(line_in(row), row) for row in typed] for typed in by_shard]
        refused = [(line_of(reject), reject) for reject in rejects]
        mentions = came_again = 0
        for read in self._read:
            again = {line for line in read.rejects if line in places}
            refused += [(places[line], refused_line(read.rejects[line], places[line])) for line in again]
            came_again += len(again)
            for shard, mapped in read.mapped.items():
                rows[shard] += [
                    (at, row if at == line else moved(row, at))
                    for line, row in mapped.items()
                    if (at := places.get(line)) is not None
                ]
                mentions += len(mapped.keys() & again)
        for lines, joined in zip([*by_shard, rejects], [*rows, refused], strict=True):
            joined.sort()
            lines[:] = [line for _, line in joined]
        return Joined(len(places) - came_again, came_again, came_again - mentions)


class Joined(NamedTuple):
    """How many known rows there were: mapped, refused, and of these those that do not say whom they are about."""

    mapped: int
    refused: int
    unreadable: int


# What a mapped row's line, `["<32 hex digits>",<row>,"<16 hex digits>",…]`, says unread


def line_in(row: bytes) -> int:
    """Where the row stood."""
    return int(row.split(b",", 2)[1])


def brief(row: bytes) -> tuple[int, bytes]:
    """Where the row stood, and its line without fields: as it is where it comes again as it was."""
    number_ends = row.index(b",", _ROW)
    number = int(row[_ROW:number_ends])
    return number, row if row.endswith(_BRIEF) else row[: number_ends + _HASH] + KNOWN


def moved(row: bytes, line: int) -> bytes:
    """The line of a row that stands elsewhere."""
    return b"%b%d%b" % (row[:_ROW], line, row[row.index(b",", _ROW) :])


def refused_line(reject: bytes, line: int) -> bytes:
    """The line of a refused row that comes again as it was."""
    return b"[%d%b" % (line, reject[reject.index(b",") :])


_ROW = len(b'["",') + 2 * ID_BYTES
_HASH = len(b',""') + 2 * HASH_BYTES
_BRIEF = (KNOWN, MENTION)
"""How the lines end that hold no fields."""
