"""Rows that were read once need not be read again: leaving them out changes nothing about the others, nor about them."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from contactsync.core.parsing import Damaged, Dialect, Records, read_chunk, read_unknown

DIALECTS = [
    Dialect(),
    Dialect(escape="\\"),
    Dialect(delimiter="||"),
    Dialect(delimiter=";", quote="'"),
    Dialect(quote=""),
    Dialect(skip_spaces=True),
]
PIECES = ["a", "b", '"', '""', "'", ",", ";", "||", " ", "\\", "\n", "\n", "\r\n", "\r", "\0", "é", "\udcff"]
LINES = [
    "ada,1,x\n",
    "ada,1,x\r\n",
    "ada,1,x",
    '"ada",1,"x"\n',
    '"one\ntwo",1,x\n',
    '"one\nthree",1,x\n',
    '"one\nada,1,x\ntwo",1,x\n',
    '"one\n',
    'two",1,x\n',
    '"stray,1,x\n',
    '"a ""b""",1,x\n',
    "\n",
    ",,\n",
    "a\\\nb,1,x\n",
    "'one\ntwo';1;x\n",
    "one||1||x\n",
]
MET: Counter[str] = Counter()
pieces = (
    st.sampled_from(LINES)
    | st.sampled_from(LINES[4:7])
    | st.lists(st.sampled_from(PIECES), max_size=6).map("".join)
)


def data_of(parts: list[str]) -> bytes:
    return "".join(parts).encode("utf-8", "surrogateescape")


texts = st.lists(pieces, max_size=12).map(data_of)
versions = st.lists(pieces, min_size=1, max_size=12).flatmap(
    lambda parts: st.tuples(
        st.just(data_of(parts)), st.lists(st.sampled_from(parts) | pieces, max_size=12).map(data_of)
    )
)
"""A file as it was, and as it is now."""


def known_from(
    data: bytes, dialect: Dialect, width: int, left_out: set[int]
) -> tuple[Records[bytes], dict[bytes, list[str]]]:
    """Every row of the data that was read, but for some, as `KnownRows` has them; and what was read."""
    lines = data.splitlines(keepends=True)
    rows = list(read_chunk(data, dialect, width=width, first_line=0))
    begins = [row.line if isinstance(row, Damaged) else row[0] for row in rows]
    known: dict[bytes, tuple[list[bytes], bytes]] = {}
    cells: dict[bytes, list[str]] = {}
    for number, (row, end) in enumerate(zip(rows, [*begins, len(lines)][1:], strict=True)):
        if not isinstance(row, Damaged) and number not in left_out:
            name = b"row %d" % number
            known[lines[row[0]]] = lines[row[0] + 1 : end], name
            cells[name] = row[1]
    return known, cells


@given(
    versions=versions,
    dialect=st.just(DIALECTS[0]) | st.sampled_from(DIALECTS),
    width=st.integers(1, 4),
    left_out=st.just(set[int]()) | st.sets(st.integers(0, 12), max_size=3),
)
def are_read_no_otherwise(
    versions: tuple[bytes, bytes], dialect: Dialect, width: int, left_out: set[int]
) -> None:
    before, now = versions
    known, cells = known_from(before, dialect, width, left_out)
    found = list(read_unknown(now.splitlines(keepends=True), dialect, width=width, first_line=7, known=known))
    wanted = list(read_chunk(now, dialect, width=width, first_line=7))
    names = [row[1] for row in found if not isinstance(row, Damaged) and isinstance(row[1], bytes)]
    again = [
        row if isinstance(row, Damaged) or not isinstance(row[1], bytes) else (row[0], cells[row[1]])
        for row in found
    ]
    assert again == wanted
    MET["known"] += len(names)
    MET["known, of several lines"] += sum(1 for rest, name in known.values() if rest and name in names)
    MET["unknown among known"] += bool(names) and len(names) < len(found)


def test_rows_that_were_read_before_are_read_no_otherwise_whatever_stands_around_them() -> None:
    MET.clear()
    are_read_no_otherwise()
    assert min(MET[what] for what in ("known", "known, of several lines", "unknown among known")) > 0, MET


@given(data=texts, dialect=st.sampled_from(DIALECTS), width=st.integers(1, 4))
def test_of_the_same_data_nothing_is_read(data: bytes, dialect: Dialect, width: int) -> None:
    known, _ = known_from(data, dialect, width, set())
    found = read_unknown(data.splitlines(keepends=True), dialect, width=width, first_line=0, known=known)
    firsts = Counter(data.splitlines(keepends=True))
    for row in found:
        if not isinstance(row, Damaged) and not isinstance(row[1], bytes):
            line = data.splitlines(keepends=True)[row[0]]
            assert firsts[line] > 1, "only where two rows begin alike"
