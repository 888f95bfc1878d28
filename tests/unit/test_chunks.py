"""One chunk's rows lie where the workers of each shard look for them."""

import orjson

from contactsync.adapters.memory import MemoryObjects
from contactsync.core.identity import SHARDS, shard_of
from contactsync.core.mapping import compile_mapping, resolve_mapping
from contactsync.core.parsing import Chunk, Dialect
from contactsync.journeys.file.chunks import map_chunk
from contactsync.journeys.file.runfiles import Manifest, RunFiles
from contactsync.model.field import STANDARD_FIELDS


def test_every_row_lies_in_its_contacts_shard_in_the_files_order():
    names = ["email", "birthday"]
    rows = [f"p{n % 500}@example.com,{'never' if n % 7 == 0 else ''}\n" for n in range(1000)]
    data = "".join(rows).encode()
    files = RunFiles(MemoryObjects(), "a", "r")
    files.objects.put(files.text, data)
    manifest = Manifest(
        key=files.text,
        dialect=Dialect(has_header=False),
        header=None,
        width=2,
        rows=1000,
        chunks=[Chunk(0, len(data), 1, 1000)],
        units=1,
    )
    rules = resolve_mapping(
        [{"column": n, "field": name} for n, name in enumerate(names)], None, STANDARD_FIELDS, width=2
    )
    mapper = compile_mapping(
        rules,
        identity_field="email",
        secret=bytes(32),
        country=None,
        date_order=None,
        empty_cells="ignore",
        width=2,
    )
    counts = map_chunk(0, files, manifest, mapper)
    assert (counts.rows, counts.rejected) == (1000, 143)
    found = 0
    for shard in range(SHARDS):
        lines = [orjson.loads(line) for line in files.mapped_lines(1, range(shard, shard + 1))]
        assert {shard_of(line[0]) for line in lines} <= {shard}
        assert [line[1] for line in lines] == sorted(line[1] for line in lines)
        found += len(lines)
    assert found == 1000  # a refused row names its contact all the same
