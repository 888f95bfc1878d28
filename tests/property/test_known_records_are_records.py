"""Rows that were read once need not be read again: leaving them out changes nothing about the others, nor about them."""

from __future__ import annotations

from collections import Counter

from hypothesis import example, given
from hypothesis import strategies as st

from contactsync.core.parsing import Again, Damaged, Dialect, Earlier, read_chunk

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


def earlier_of(
    data: bytes, dialect: Dialect, width: int, first_line: int, left_out: set[int]
) -> tuple[Earlier, dict[int, list[str]]]:
    """Every row of the data that was read, but for some, as `KnownRows` has them; and what was read."""
    lines = data.splitlines(keepends=True)
    rows = list(read_chunk(data, dialect, width=width, first_line=first_line))
    begins = set(map(line_of, rows))
    cells = {
        row[0]: row[1]
        for number, row in enumerate(rows)
        if not isinstance(row, Damaged) and number not in left_out
    }
    return Earlier(first_line, lines, begins, begins - cells.keys()), cells


@given(
    versions=versions,
    following=st.just(b"") | texts,
    dialect=st.just(DIALECTS[0]) | st.sampled_from(DIALECTS),
    width=st.integers(1, 4),
    shift=st.just(0) | st.integers(-3, 3),
    left_out=st.just(set[int]()) | st.sets(st.integers(0, 12), max_size=3),
)
@example(  # the first line of a known record closes another one now, so that what follows it is no part of it
    versions=(b'x,1\n""",a\nb",1\n', b'"x\n""",a\nb",1\n'),
    following=b"",
    dialect=DIALECTS[0],
    width=2,
    shift=0,
    left_out=set(),
)
@example(  # a row of several lines stays where it was, which chance alone seldom finds
    versions=(b'"one\ntwo",1,x\n', b'"one\ntwo",1,x\nada,1,x\n'),
    following=b"",
    dialect=DIALECTS[0],
    width=3,
    shift=0,
    left_out=set(),
)
def are_read_no_otherwise(
    versions: tuple[bytes, bytes],
    following: bytes,
    dialect: Dialect,
    width: int,
    shift: int,
    left_out: set[int],
) -> None:
    before, now = versions
    first, cells = earlier_of(before, dialect, width, 7 + shift, left_out)
    second, more = earlier_of(following, dialect, width, 7 + shift + len(first.lines), set())
    cells |= more
    lines = now.splitlines(keepends=True)
    again = Again(lines, 7, [first, second])
    told = again.known()
    unknown = list(again.unknown(dialect, width))
    known = [(line, cells[number]) for number, line in again.places.items()]
    wanted = list(read_chunk(now, dialect, width=width, first_line=7))
    assert sorted([*unknown, *known], key=line_of) == wanted
    assert len(again.places) <= told
    MET["known"] += len(known)
    MET["known where they were"] += sum(number == line for number, line in again.places.items())
    MET["known elsewhere"] += sum(number != line for number, line in again.places.items())
    begins = {*first.begins, *second.begins, 7 + shift + len(first.lines) + len(second.lines)}
    several = [number for number in again.places if number + 1 not in begins]
    MET["known, of several lines"] += len(several)
    MET["the same where they were"] += sum(number == again.places[number] for number in several)
    MET["unknown among known"] += bool(known and unknown)


def line_of(row: tuple[int, list[str]] | Damaged) -> int:
    return row.line if isinstance(row, Damaged) else row[0]


def test_rows_that_were_read_before_are_read_no_otherwise_whatever_stands_around_them() -> None:
    MET.clear()
    are_read_no_otherwise()
    met = (
        "known where they were",
        "known elsewhere",
        "known, of several lines",
        "the same where they were",
        "unknown among known",
    )
    assert min(MET[what] for what in met) > 0, MET


@given(
    data=texts,
    dialect=st.sampled_from(DIALECTS),
    width=st.integers(1, 4),
    shift=st.just(0) | st.integers(-3, 3),
)
def test_of_the_same_data_nothing_is_read(data: bytes, dialect: Dialect, width: int, shift: int) -> None:
    earlier, cells = earlier_of(data, dialect, width, 7 + shift, set())
    again = Again(earlier.lines, 7, [earlier])
    if not shift:
        assert again.places.keys() == cells.keys(), "all at once, before any line is looked at"
    firsts = Counter(earlier.lines)
    for row in again.unknown(dialect, width):
        if not isinstance(row, Damaged):
            assert firsts[earlier.lines[row[0] - 7]] > 1, "only where two rows begin alike"
