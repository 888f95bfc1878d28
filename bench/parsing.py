"""CPU seconds for a million rows: `cut` and `read_chunk` against csv.reader over the same text.

    python -m bench.parsing [rows] [rounds]

The programs take turns on one generated file in memory, as it is and with every cell quoted; the median counts.
csv.reader is given the whole text; `read_chunk` is given the chunks that `cut` found, so it decodes as well.
"""

from __future__ import annotations

import csv
import io
import statistics
import sys
import time
from collections.abc import Callable
from typing import Literal

from contactsync.core.parsing import Chunk, Dialect, cut, read_chunk
from tests.support.generate import HEADER, rows

BLOCK_BYTES = 1 << 20


def generated(count: int, quoting: Literal[0, 1]) -> bytes:
    """The benchmark's file: invented people, 15 columns."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, quoting=quoting)
    writer.writerow(HEADER)
    writer.writerows(row.cells for row in rows(count))
    return out.getvalue().encode()


def chunks_of(data: bytes) -> list[Chunk]:
    """What the parse step does with the file."""
    blocks = (data[at : at + BLOCK_BYTES] for at in range(0, len(data), BLOCK_BYTES))
    return list(cut(blocks, Dialect(), width=len(HEADER)))


def with_csv_reader(data: bytes) -> int:
    """The peer, without the decoding."""
    return sum(1 for _ in csv.reader(io.StringIO(data.decode(), newline=""))) - 1


def with_cut(data: bytes) -> int:
    """Rows counted and chunks bounded."""
    return sum(chunk.rows for chunk in chunks_of(data))


def with_read_chunk(data: bytes, chunks: list[Chunk]) -> int:
    """Rows as lists of cells, chunk by chunk."""
    return sum(
        1
        for chunk in chunks
        for _ in read_chunk(
            data[chunk.offset : chunk.offset + chunk.length],
            Dialect(),
            width=len(HEADER),
            first_line=chunk.first_line,
        )
    )


def measure(count: int = 100_000, rounds: int = 3) -> None:
    """Print seconds for a million rows, and the ratio to csv.reader."""
    files: list[tuple[str, Literal[0, 1]]] = [
        ("quoted where needed", csv.QUOTE_MINIMAL),
        ("every cell quoted", csv.QUOTE_ALL),
    ]
    for name, quoting in files:
        data = generated(count, quoting)
        chunks = chunks_of(data)
        programs: dict[str, Callable[[], int]] = {
            "csv.reader": lambda data=data: with_csv_reader(data),  # type: ignore[misc]
            "cut": lambda data=data: with_cut(data),  # type: ignore[misc]
            "read_chunk": lambda data=data, chunks=chunks: with_read_chunk(data, chunks),  # type: ignore[misc]
        }
        spent: dict[str, list[float]] = {program: [] for program in programs}
        for _ in range(rounds):
            for program, run in programs.items():
                begun = time.process_time()
                if (found := run()) != count:
                    raise RuntimeError(f"{program} found {found} rows of {count}")
                spent[program].append(time.process_time() - begun)
        peer = statistics.median(spent["csv.reader"])
        print(f"{name}, {len(data) / count:.0f} bytes a row")
        for program, times in spent.items():
            cpu = statistics.median(times)
            print(f"  {program:<12}{cpu / count * 1e6:6.2f} CPU s for 1M rows {cpu / peer:6.2f} x csv.reader")


if __name__ == "__main__":
    measure(*map(int, sys.argv[1:3]))
