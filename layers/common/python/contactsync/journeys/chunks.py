"""Map's work on one chunk: raw rows → typed rows sorted to shards, and rejects."""

from __future__ import annotations

from contactsync.core.identity import SHARDS, shard_of
from contactsync.core.mapping import Blank, Mapper, Rejected
from contactsync.core.parsing import Damaged, read_chunk
from contactsync.journeys.runfiles import BLANK, Manifest, Reject, RunFiles, mention
from contactsync.model.run import Counts


def map_chunk(number: int, files: RunFiles, manifest: Manifest, mapper: Mapper) -> Counts:
    """Type every row of one chunk; returns rows, rejected and skipped (blank rows), the rest is mapped."""
    chunk = manifest.chunks[number]
    by_shard: list[list[bytes]] = [[] for _ in range(SHARDS)]
    rejects: list[bytes] = []
    rows = skipped = unreadable = 0
    data = files.chunk(manifest, number)
    for item in read_chunk(data, manifest.dialect, width=manifest.width, first_line=chunk.first_line):
        rows += 1
        if isinstance(item, Damaged):
            problem = (None, None, item.code, item.message)
            rejects.append(Reject(item.line, item.cells, [problem]).line())
            unreadable += 1
            continue
        line, cells = item
        mapped = mapper.map(cells, line)
        if isinstance(mapped, Rejected):
            rejects.append(Reject(line, cells, mapped.problems).line())
            if mapped.id is not None:
                by_shard[shard_of(mapped.id)].append(mention(mapped.id, line))
            else:
                unreadable += 1
        elif isinstance(mapped, Blank):
            skipped += 1
            rejects.append(Reject(line, cells, [(None, None, BLANK, "The row is empty.")]).line())
        else:
            by_shard[shard_of(mapped.id)].append(
                b'["%b",%d,"%b",%b]' % (mapped.id.encode(), line, mapped.hash.encode(), mapped.json)
            )
    counts = Counts(rows=rows, rejected=len(rejects) - skipped, skipped=skipped)
    files.save_mapped(number, by_shard, rejects, counts, unreadable=unreadable)
    return counts
