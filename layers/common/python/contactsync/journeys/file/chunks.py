"""Map's work on one chunk: raw rows → typed rows sorted to shards, and rejects."""

from __future__ import annotations

from collections.abc import Iterator

from contactsync.core import records_file
from contactsync.core.identity import PREFIXES, SHARDS, shard_of
from contactsync.core.mapping import Mapped, Mapper, Rejected
from contactsync.core.parsing import Damaged, read_chunk
from contactsync.core.reporting import restored
from contactsync.journeys.file.known import KnownRows
from contactsync.journeys.file.runfiles import BLANK, Manifest, Reject, RunFiles, mention
from contactsync.model.run import Counts


def raw_rows(number: int, files: RunFiles, manifest: Manifest) -> Iterator[tuple[int, list[str]] | Damaged]:
    """The rows of one chunk as the customer's file has them, each with its place there."""
    data = files.chunk(manifest, number)
    width, first_line = manifest.file_width, manifest.chunks[number].first_line
    if manifest.dialect is None:
        rows = records_file.read(data, width=width)
    else:
        rows = read_chunk(data, manifest.dialect, width=width, first_line=first_line)
    return as_theirs(rows, width, manifest.ours)


def as_theirs(
    rows: Iterator[tuple[int, list[str]] | Damaged], width: int, ours: int
) -> Iterator[tuple[int, list[str]] | Damaged]:
    """The rows of a report of ours as they were before it, of other files as they are."""
    return _restored(rows, width, ours) if ours else rows


def _restored(
    rows: Iterator[tuple[int, list[str]] | Damaged], width: int, ours: int
) -> Iterator[tuple[int, list[str]] | Damaged]:
    for row in rows:
        yield row if isinstance(row, Damaged) else (row[0], restored(row[1], width, ours))


def map_chunk(
    number: int, files: RunFiles, manifest: Manifest, mapper: Mapper, known: KnownRows | None = None
) -> Counts:
    """Type every row of one chunk that is not known; returns rows, rejected and skipped (blank rows), the rest is mapped."""
    by_shard: list[list[bytes]] = [[] for _ in range(SHARDS)]
    by_prefix = {prefix: by_shard[shard_of(prefix)] for prefix in PREFIXES}
    rejects: list[bytes] = []
    rows = skipped = unreadable = come_again = 0
    known_here = known.chunk(number, files, manifest) if known else None
    for item in known_here.unknown if known_here else raw_rows(number, files, manifest):
        rows += 1
        if isinstance(item, Damaged):
            problem = (None, None, item.code, item.message)
            rejects.append(Reject(item.line, item.cells, [problem]).line())
            unreadable += 1
            continue
        line, cells = item
        mapped = mapper.map(cells, line)
        if isinstance(mapped, Mapped):
            by_prefix[mapped.id[:2]].append(
                b'["%b",%d,"%b",%b]' % (mapped.id.encode(), line, mapped.hash.encode(), mapped.json)
            )
        elif isinstance(mapped, Rejected):
            rejects.append(Reject(line, cells, mapped.problems).line())
            if mapped.id is not None:
                by_prefix[mapped.id[:2]].append(mention(mapped.id, line))
            else:
                unreadable += 1
        else:
            skipped += 1
            rejects.append(Reject(line, cells, [(None, None, BLANK, "The row is empty.")]).line())
    if known_here:
        come_again, refused, nameless = known_here.join(by_shard, rejects)
        rows += come_again + refused
        unreadable += nameless
    counts = Counts(rows=rows, rejected=len(rejects) - skipped, skipped=skipped)
    files.save_mapped(number, by_shard, rejects, counts, unreadable=unreadable, known=come_again)
    return counts
