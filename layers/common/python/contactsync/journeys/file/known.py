"""Rows that a run knows by their bytes, and neither types nor compares with their contacts.

A file that comes again is nearly all as it was. A row says nothing new where the last good run of the sync has read
the same bytes in the same way, where its contact was then as the row says, and where nobody has changed that contact
since (`journeys.changes`). Parse decides from where on that can be told, and whom to leave out; map recognises the
rows, chunk by chunk, by what lies in the files of that run. All others go the usual way, and once a week every row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Self

from contactsync.control import Control
from contactsync.core.identity import ID_BYTES, digest_of, shard_of
from contactsync.core.mapping import HASH_BYTES, Rule
from contactsync.core.parsing import Damaged, Records, read_unknown
from contactsync.errors import NotFound
from contactsync.journeys.changes import changed_since
from contactsync.journeys.file.ruling import rules_of, settings_hash
from contactsync.journeys.file.runfiles import ID, KNOWN, Manifest, RunFiles, line_of
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
ENOUGH, WORTHWHILE = 0.9, 0.5
"""Shares of a chunk's rows: known by the same chunk of the earlier run alone; known at all."""
TYPING = 1
"""One more with each release that types a cell otherwise: then every row is typed anew."""


def recognising(
    manifest: Manifest, rules: Sequence[Rule], run: Run, *, control: Control, runs: Objects
) -> Manifest:
    """The manifest with a digest of how rows are read, and with the run that knows rows of the file, if one does.

    Another worker of the step may find that fewer contacts have changed, or that nothing can be told any more. Which
    rows are known then differs, and what becomes of them does not: so whoever comes last may be right for all.
    """
    sync = control.sync(run.account_id, run.sync_id).value
    country = sync.format.country or control.account(run.account_id).country
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


class Refused(NamedTuple):
    """A row that was refused, by its line among the rejects and by that which mentions its contact, if it has one."""

    reject: bytes
    mention: bytes


class KnownRows:
    """The rows that an earlier run knows, by their bytes. One chunk of them is kept in memory, or three."""

    def __init__(self, files: RunFiles, manifest: Manifest, looked_at: frozenset[str]) -> None:
        self._files = files
        self._manifest = manifest
        self._looked_at = looked_at

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

    def rows(
        self, number: int, files: RunFiles, manifest: Manifest
    ) -> Iterator[tuple[int, list[str] | bytes | Refused] | Damaged] | None:
        """The rows of a chunk, known ones unread; None where so few are known that it does not pay.

        Rows that were put in or taken out shift those that follow, so the chunks around are looked at as well.
        """
        assert manifest.dialect is not None, "only delimited text is known by its bytes"
        chunk = manifest.chunks[number]
        lines = files.chunk(manifest, number).splitlines(keepends=True)
        known = self._records(number)
        if _count(lines, known) < ENOUGH * chunk.rows:
            known = {**self._records(number - 1), **known, **self._records(number + 1)}
        if _count(lines, known) < WORTHWHILE * chunk.rows:
            return None
        return read_unknown(
            lines, manifest.dialect, width=manifest.file_width, first_line=chunk.first_line, known=known
        )

    def _records(self, number: int) -> Records[bytes | Refused]:
        """What that run has read and applied of one chunk. A row reaches as far as the next one begins."""
        manifest = self._manifest
        if not 0 <= number < len(manifest.chunks):
            return {}
        first_line = manifest.chunks[number].first_line
        try:
            lines = self._files.chunk(manifest, number).splitlines(keepends=True)
            mapped = {line_in(row) - first_line: row for row in self._files.mapped_chunk(number)}
            refused = {line_of(row) - first_line: row for row in self._files.reject_lines(number)}
        except NotFound:
            return {}
        begins = sorted({*mapped, *refused})
        if len(begins) != manifest.chunks[number].rows:  # a file is lost: where rows end cannot be told
            return {}
        found: dict[bytes, tuple[list[bytes], bytes | Refused]] = {}
        for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
            row = mapped.get(begin, b"")
            if begin in refused:
                if OF_THE_ROW not in refused[begin]:
                    found[lines[begin]] = lines[begin + 1 : end], Refused(refused[begin], row)
            elif row[ID].decode() not in self._looked_at:
                found[lines[begin]] = lines[begin + 1 : end], row
        return found


def _count(lines: Sequence[bytes], known: Records[bytes | Refused]) -> int:
    return sum(map(known.__contains__, lines))


# What a mapped row's line, `["<32 hex digits>",<row>,"<16 hex digits>",…]`, says unread


def shard_in(row: bytes) -> int:
    """The shard of its contact."""
    return _SHARDS[row[2:4]]


def line_in(row: bytes) -> int:
    """Where the row stood."""
    return int(row[_ROW : row.index(b",", _ROW)])


def refused_line(reject: bytes, line: int) -> bytes:
    """The line of a refused row that comes again as it was."""
    return b"[%d%b" % (line, reject[reject.index(b",") :])


def mention_line(mention: bytes, line: int) -> bytes:
    """The same of that which mentions its contact."""
    return b"%b%d%b" % (mention[:_ROW], line, mention[mention.index(b",", _ROW) :])


def known_line(row: bytes, line: int) -> bytes:
    """The line of a row that comes again as it was."""
    hash_at = row.index(b",", _ROW)
    return b"%b%d%b%b" % (row[:_ROW], line, row[hash_at : hash_at + _HASH], KNOWN)


_ROW = len(b'["",') + 2 * ID_BYTES
_HASH = len(b',""') + 2 * HASH_BYTES
_SHARDS = {b"%02x" % first: shard_of(f"{first:02x}") for first in range(256)}
