"""Rows that a run knows by their bytes, and neither types nor compares with their contacts.

A file that comes again is nearly all as it was. A row says nothing new where the last good run of the sync has read
the same bytes in the same way, where its contact was then as the row says, and where nobody has changed that contact
since (`journeys.changes`). Parse decides from where on that can be told, and whom to leave out; map recognises the
rows, chunk by chunk, by what lies in the files of that run. All others go the usual way.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain
from operator import itemgetter
from typing import NamedTuple, Self

from contactsync.control import Control
from contactsync.core.identity import digest_of
from contactsync.core.mapping import Rule
from contactsync.core.parsing import Damaged, Met, Record, read_unknown
from contactsync.errors import NotFound
from contactsync.journeys.changes import changed_since
from contactsync.journeys.file.ruling import rules_of, settings_hash
from contactsync.journeys.file.runfiles import KNOWN, Known, Manifest, RunFiles, line_of
from contactsync.journeys.steps import check_turn
from contactsync.model.run import Run
from contactsync.model.sync import Sync
from contactsync.ports import Objects

KNOWN_FROM = 5_000
"""Rows of a file from which on it pays: below, the requests take longer than the typing."""
LEFT_OUT_MAX = 10_000
"""Contacts that are looked at in any case. Where there are more, all are."""
ENOUGH, WORTHWHILE = 0.9, 0.5
"""Shares of a chunk's rows: known by the same chunk of the earlier run alone; known at all."""
TYPING = 1
"""One more with each release that types a cell otherwise: then every row is typed anew."""


def recognising(
    manifest: Manifest, rules: Sequence[Rule], run: Run, *, control: Control, runs: Objects
) -> Manifest:
    """The manifest with a digest of how rows are read, and with the run that knows rows of the file, if one does."""
    sync = control.sync(run.account_id, run.sync_id).value
    country = sync.format.country or control.account(run.account_id).country
    manifest = manifest.model_copy(update={"reading": _reading(manifest, rules, sync, country)})
    known = _known(run, sync, manifest, control, runs)
    if known is None:
        return manifest
    check_turn(control, run)  # map may be at work already on what another worker has found here
    return manifest.model_copy(update={"known": known})


def _reading(manifest: Manifest, rules: Sequence[Rule], sync: Sync, country: str | None) -> str:
    """What decides, with its bytes, how a row is read and typed, as a digest."""
    of_file = (manifest.dialect, manifest.header, manifest.width, manifest.ours, manifest.date_orders)
    of_sync = (country, sync.format.date_order, sync.options.empty_cells, sync.identity)
    return digest_of(repr((TYPING, *of_file, *of_sync, [*rules])))


def _known(run: Run, sync: Sync, manifest: Manifest, control: Control, runs: Objects) -> Known | None:
    good = sync.last_good
    if good is None or not good.run_id or manifest.dialect is None or manifest.rows < KNOWN_FROM:
        return None
    if good.settings != settings_hash(sync) or not rules_of(run, control).settles_at_a_glance:
        return None
    files = RunFiles(runs, run.account_id, good.run_id)
    try:
        before = files.manifest()
        odd = files.odd(before.units) if before.reading == manifest.reading else None
    except NotFound:  # kept no longer
        return None
    if odd is None:
        return None
    own = (good.run_id, run.id)
    changed = changed_since(control, runs, run.account_id, good.feed, run.began(), but=own)
    if changed is None or len(odd | changed) > LEFT_OUT_MAX:
        return None
    return Known(run_id=good.run_id, but=tuple(sorted(odd | changed)))


class Recognised(NamedTuple):
    """A known row: its contact, and how its line in the files of a run begins and ends, but for its number."""

    id: str
    begin: bytes
    end: bytes


class KnownRows:
    """The rows that an earlier run knows, by their bytes. One chunk of them is kept in memory, or three."""

    def __init__(self, files: RunFiles, manifest: Manifest, but: Collection[str]) -> None:
        self._files = files
        self._manifest = manifest
        self._but = frozenset(but)

    @classmethod
    def of(cls, known: Known | None, account_id: str, runs: Objects) -> Self | None:
        """Those that parse has found to be known; None where there are none, or the files are kept no longer."""
        if known is None:
            return None
        files = RunFiles(runs, account_id, known.run_id)
        try:
            return cls(files, files.manifest(), known.but)
        except NotFound:
            return None

    def rows(
        self, number: int, files: RunFiles, manifest: Manifest
    ) -> Iterator[Met[Recognised] | tuple[int, list[str]] | Damaged] | None:
        """The rows of a chunk, known ones unread; None where so few are known that it does not pay.

        Rows that were put in or taken out shift those that follow, so the chunks around are looked at as well.
        """
        if manifest.dialect is None:
            return None
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

    def _records(self, number: int) -> Mapping[bytes, Record[Recognised]]:
        """What that run has read and applied of one chunk, by first lines. A row reaches as far as the next begins."""
        manifest = self._manifest
        if not 0 <= number < len(manifest.chunks):
            return {}
        try:
            lines = self._files.chunk(manifest, number).splitlines(keepends=True)
            mapped = map(recognised_in, self._files.mapped_chunk(number))
            refused = ((line_of(row), None) for row in self._files.reject_lines(number))
            rows = sorted(chain(mapped, refused), key=itemgetter(0))
        except NotFound:
            return {}
        first_line = manifest.chunks[number].first_line
        ends = [at - first_line for at, _ in rows[1:]] + [len(lines)]
        found: dict[bytes, Record[Recognised]] = {}
        for (at, recognised), end in zip(rows, ends, strict=True):
            if recognised is not None and recognised.id not in self._but:
                begin = at - first_line
                found[lines[begin]] = Record(lines[begin + 1 : end], recognised)
        return found


def _count(lines: Sequence[bytes], known: Mapping[bytes, Record[Recognised]]) -> int:
    return sum(map(known.__contains__, lines))


def recognised_in(row: bytes) -> tuple[int, Recognised | None]:
    """Where a mapped row stood, and how another run recognises it: from its line `["<id>",<row>,"<hash>",…]`.

    None for one that was refused, whose contact alone is known.
    """
    begin, _, rest = row.partition(b'",')
    at, _, rest = rest.partition(b',"')
    hash_, _, _ = rest.partition(b'"')
    if not hash_:
        return int(at), None
    return int(at), Recognised(begin[len(b'["') :].decode(), begin + b'",', b',"%b"%b' % (hash_, KNOWN))
