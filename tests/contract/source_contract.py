"""What every Source must do. Backends inherit this and give `serve`."""

from __future__ import annotations

import hashlib
import logging
import random
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from contactsync.errors import UnreadableFile
from contactsync.ports import Source

NAME = "contacts ü.csv"
SECRET = "s3cret-canary-0815"
"""Any password, token or key of the tests: it must not show up anywhere."""


@dataclass(frozen=True)
class Served:
    """A place that holds a file named NAME, and the ways to look at it."""

    put: Callable[[bytes], object]
    source: Callable[[], Source]
    missing: Callable[[], Source]


class SourceContract:
    """Laws of `ports.Source`."""

    @pytest.fixture
    def served(self) -> Served:
        raise NotImplementedError

    @pytest.mark.parametrize("size", [0, 1, 255, 70_000, 3_000_001])
    def test_all_bytes_come_and_are_proven(self, served, size):
        data = random.Random(size).randbytes(size)
        served.put(data)
        with served.source().open() as stream:
            read = b"".join(iter(lambda: stream.body.read(100_000), b""))
            ending = stream.ending()
        assert hashlib.sha256(read).digest() == hashlib.sha256(data).digest()
        assert ending.proof
        assert stream.name == NAME

    def test_nothing_is_proven_before_the_end(self, served):
        served.put(bytes(1_000_000))
        with served.source().open() as stream:
            assert len(stream.body.read(10)) == 10
            assert stream.ending().proof is None
            assert stream.ending().doubt

    def test_a_source_can_be_opened_again(self, served):
        source = served.source()
        for data in (b"name\nAnn\n", b"name\nBob\nCem\n"):
            served.put(data)
            with source.open() as stream:
                assert stream.body.read() == data

    def test_what_is_not_there_is_said_to_whom_it_concerns(self, served):
        with pytest.raises(UnreadableFile) as caught, served.missing().open() as stream:
            stream.body.read()
        assert caught.value.code in {"file_not_found", "upload_forgotten"}
        assert caught.value.title.endswith(".")
        assert caught.value.detail.endswith(".")

    def test_no_secret_is_shown(self, served, caplog):
        caplog.set_level(logging.DEBUG)
        served.put(b"name\nAnn\n")
        with served.source().open() as stream:
            stream.body.read()
            shown = [repr(stream), str(stream.ending())]
        shown.append(repr(served.source()))
        with pytest.raises(UnreadableFile) as caught, served.missing().open() as stream:
            stream.body.read()
        shown += [str(caught.value), repr(caught.value.__cause__)]
        assert SECRET not in "\n".join(shown)
        assert SECRET not in "\n".join(
            record.getMessage() for record in caplog.records if "asyncssh" not in record.name
        )
