"""Whatever the bytes: an import ends with rows that add up or with a named problem, and a preview answers."""

import gzip
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st

from contactsync.errors import UserError
from contactsync.journeys.file.files import pasted
from contactsync.journeys.file.previewing import preview_of
from contactsync.model.field import STANDARD_FIELDS
from contactsync.model.sync import Format
from tests.support.workbooks import packed, parts_of, sheet_of
from tests.support.world import World

TEXT = 'email;name\r\n"ada@example.com";Ada\r\nzoe@example.com;"Zoë; ""Z"""\r\n'.encode()
CARD = b"BEGIN:VCARD\nVERSION:3.0\nFN:Ada\nEMAIL:ada@example.com\nEND:VCARD\n"
BOOK = packed(parts_of(sheet_of([("email", "name"), ("ada@example.com", "Ada")]))).getvalue()
SEEDS = [TEXT, CARD, CARD * 3, BOOK, gzip.compress(TEXT), gzip.compress(CARD), TEXT.decode().encode("utf-16")]


@st.composite
def damaged_files(draw):
    """A sound file with some bytes overwritten, left out or put in; or bytes from nowhere."""
    data = bytearray(draw(st.sampled_from(SEEDS) | st.binary(max_size=300)))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        data[at : at + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    return bytes(data)


@settings(max_examples=max(150, settings().max_examples))
@given(data=damaged_files(), kind=st.sampled_from(["auto", "auto", "csv", "xlsx", "vcard"]))
def test_every_import_ends(data, kind):
    world = World()
    with suppress(UserError):
        seen = preview_of(pasted(data), Format(kind=kind), STANDARD_FIELDS)
        assert [column.index for column in seen.columns] == list(range(seen.opened.width))
    run = world.import_rows(data, [{"column": 0, "field": "email"}], format={"kind": kind})
    assert run.status in {"succeeded", "failed"}
    assert run.problem is None or run.problem.code != "internal"
    counts = run.counts
    assert counts.rows == counts.added + counts.updated + counts.unchanged + counts.rejected + counts.skipped
