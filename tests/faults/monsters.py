"""A process of its own that imports a monstrous file from disk and tells how that went and what it took.

python -m tests.faults.monsters <case> <folder>
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from contactsync.adapters.memory import MemoryObjects
from contactsync.errors import NotFound
from contactsync.ports import ObjectWriter
from tests.support.world import World

MEGABYTE = 1 << 20
HEADER = b"email,name\nada@example.com,Ada\n"
MAPPING = [{"column": "email", "field": "email"}]


class DiskObjects(MemoryObjects):
    """A bucket in a folder, so that what is measured is not the bucket."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def path(self, key: str) -> Path:
        path = self.folder / key
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def get(self, key: str) -> bytes:
        if not self.path(key).exists():
            raise NotFound
        return self.path(key).read_bytes()

    @contextmanager
    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        if not self.path(key).exists():
            raise NotFound
        with self.path(key).open("rb") as stream:
            stream.seek(offset)
            yield stream if length is None else cast(BinaryIO, _Part(stream, length))

    def size(self, key: str) -> int | None:
        return self.path(key).stat().st_size if self.path(key).exists() else None

    def put(self, key: str, data: bytes) -> None:
        self.path(key).write_bytes(data)

    @contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        with self.path(key).open("wb") as out:
            yield cast(ObjectWriter, out)


class _Part:
    def __init__(self, stream: BinaryIO, length: int) -> None:
        self.stream, self.left = stream, length

    def read(self, size: int = -1) -> bytes:
        data = self.stream.read(self.left if size < 0 else min(size, self.left))
        self.left -= len(data)
        return data


def long_line(out: BinaryIO) -> None:
    out.write(HEADER)
    out.writelines(b"x" * MEGABYTE for _ in range(200))


def million_columns(out: BinaryIO) -> None:
    out.writelines(b"column %d," % number for number in range(1_000_000))
    out.write(b"\nada@example.com\n")


def million_columns_below(out: BinaryIO) -> None:
    out.write(HEADER + b"a," * 1_000_000 + b"\n")


def many_columns_in_one_row(out: BinaryIO) -> None:
    out.write(HEADER + b"a," * 400_000 + b"\nbob@example.com,Bob\n")


def gzip_bomb(out: BinaryIO) -> None:
    with gzip.GzipFile(fileobj=out, mode="wb") as packed:
        packed.write(HEADER)
        for _ in range(400):
            packed.write(b"a@b.c,x\n" * (MEGABYTE // 8))


def zip_bomb(out: BinaryIO) -> None:
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("a.csv", "w") as packed:
        packed.write(HEADER)
        for _ in range(400):
            packed.write(b"a@b.c,x\n" * (MEGABYTE // 8))


def huge_card(out: BinaryIO) -> None:
    """One card of 200 MB between two others."""
    out.write(b"BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEMAIL:ada@example.com\nEND:VCARD\n")
    out.write(b"BEGIN:VCARD\nVERSION:3.0\nFN:Big\nPHOTO;ENCODING=b:")
    out.writelines(b"A" * MEGABYTE for _ in range(200))
    out.write(b"\nEND:VCARD\nBEGIN:VCARD\nVERSION:3.0\nFN:Bob\nEMAIL:bob@example.com\nEND:VCARD\n")


CASES: dict[str, Callable[[BinaryIO], None]] = {
    case.__name__: case
    for case in (
        long_line, million_columns, million_columns_below, many_columns_in_one_row,
        gzip_bomb, zip_bomb, huge_card,
    )
}  # fmt: skip


def main(case: str, folder: str) -> None:
    disk = DiskObjects(Path(folder))
    world = World(runs=disk)
    world.import_rows(HEADER, MAPPING)  # everything is loaded now
    run = world.request("-", MAPPING)
    with disk.path(world.files(run).paste).open("wb") as out:
        CASES[case](out)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    world.execute(run)
    ended = world.run(run)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    told = {
        "status": ended.status,
        "problem": ended.problem and ended.problem.model_dump(),
        "counts": ended.counts.model_dump(),
        "refusals": [refusal.model_dump() for refusal in ended.refusals],
        "grown_mb": grown / 1024,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
