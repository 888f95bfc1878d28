"""The object between a workbook and its workers: what goes in comes out, wherever it is cut."""

from hypothesis import given
from hypothesis import strategies as st

from contactsync.core import records_file
from contactsync.core.parsing import Damaged

CELLS = st.lists(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4)
DAMAGED = st.builds(
    Damaged, st.integers(1, 10**7), CELLS, st.just("card_not_closed"), st.just("Why."), st.none() | st.just(2)
)
ROWS = st.lists(st.tuples(st.integers(1, 10**7), CELLS) | DAMAGED, max_size=20)


@given(ROWS, st.integers(0, 2), st.integers(1, 7), st.integers(1, 200), st.integers(1, 60))
def test_chunks_hold_all_rows_in_order(rows, header, target_rows, target_bytes, block):
    recorder = records_file.Recorder()
    data = b"".join(recorder.lines(rows))
    blocks = [data[at : at + block] for at in range(0, len(data), block)]
    chunks = list(
        records_file.cut(blocks, leave_out=header, target_rows=target_rows, target_bytes=target_bytes)
    )
    pieces = [data[chunk.offset : chunk.offset + chunk.length] for chunk in chunks]
    read = [list(records_file.read(piece)) for piece in pieces]
    assert [row for piece in read for row in piece] == rows[header:]
    assert recorder.rows == len(rows)
    assert recorder.width == max((len(row[1]) for row in rows if not isinstance(row, Damaged)), default=0)
    assert [len(piece) for piece in read] == [chunk.rows for chunk in chunks]
    for chunk, piece in zip(chunks, read, strict=True):
        first = piece[0].line if isinstance(piece[0], Damaged) else piece[0][0]
        assert chunk.first_line == first
        assert chunk.rows <= target_rows
        assert chunk.length <= target_bytes or chunk.rows == 1


def test_short_rows_are_filled_up_and_long_ones_stay():
    data = records_file.encode(2, ["a"]) + records_file.encode(3, ["a", "b", "c"])
    assert list(records_file.read(data, width=2)) == [(2, ["a", ""]), (3, ["a", "b", "c"])]
