"""A source that is cut is never taken for a whole one: 20 places in 7 ways, each of which ordinary code misses.

To be taken for whole, a fetch has to end without an error and with a proof. It is fetched as the import journey
does it: in pieces, unpacked on the way. What a whole run makes of it is in `test_truncated_imports`.
"""

from __future__ import annotations

import pytest

from contactsync.core.compression import decompressed
from contactsync.errors import Busy, UnreadableFile
from contactsync.model.source import remote_source
from contactsync.ports import Source
from contactsync.sources.net import Guard
from contactsync.sources.opening import source_of
from contactsync.sources.transfer import Limits
from tests.faults.cuts import POINTS, WAYS, Cuts, points

TEXT = b"email,name\r\n" + b"".join(b"ann%d@example.com,Ann %d\r\n" % (n, n) for n in range(3000))
QUICK = Limits(connect_s=2, read_s=2, answer_s=3, attempts=2, first_wait_s=0.001)


def source(server: Cuts) -> Source:
    guard = Guard(frozenset({("127.0.0.1", server.port)}))
    return source_of(remote_source().validate_python(server.source), guard=guard, limits=QUICK)


def fetched(source: Source) -> tuple[bytes, str | None]:
    """The file and the proof that it is whole."""
    with source.open() as stream:
        body = decompressed(stream.body, name=stream.name)
        data = b"".join(iter(lambda: body.read(10_000), b""))
        return data, stream.ending().proof


@pytest.mark.parametrize("way", WAYS)
def test_a_cut_source_is_never_taken_for_whole(way):
    outcomes = []
    with WAYS[way]() as server:
        for point in points(TEXT, server.travels(TEXT)):
            server.serve(TEXT, cut_at=point)
            try:
                data, proof = fetched(source(server))
                outcomes.append("no proof" if proof is None else f"WHOLE at {point}")
                assert data == TEXT[: len(data)]
            except Busy:
                outcomes.append("to be tried again")
            except UnreadableFile as error:
                outcomes.append(error.code)
    assert len(outcomes) == POINTS
    assert set(outcomes) <= {"no proof", "to be tried again", "compressed_file_cut"}


@pytest.mark.parametrize("way", [way for way in WAYS if way != "no length"])
def test_the_next_good_fetch_is_whole(way):
    with WAYS[way]() as server:
        server.serve(TEXT)
        data, proof = fetched(source(server))
    assert data == TEXT
    assert proof
