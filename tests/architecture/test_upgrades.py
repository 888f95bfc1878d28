"""Runs under way survive an upgrade, and the way back (docs/adr/0018).

An execution keeps the definition of the state machine that it began with, and calls functions that were replaced
meanwhile. So functions read what any version sends, and answer what any version's Choices know. released.json holds
both as the last release had them; it changes only with a release, when no execution of the one before can be left.
"""

from __future__ import annotations

import json
import typing
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from contactsync import entry
from contactsync.control import Control
from contactsync.model import message
from contactsync.model.run import Run
from contactsync.ports import Put, RecordKey
from tests.support.world import World

RELEASED = json.loads(Path("tests/architecture/released.json").read_text(encoding="utf-8"))
MESSAGES: dict[str, dict[str, Any]] = RELEASED["messages"]
READS: dict[str, type[BaseModel]] = {
    "fetch": message.Requested,
    "parse": message.Message,
    "map": message.Chunks,
    "plan": message.Units,
    "guard": message.Message,
    "upsert": message.Units,
    "notify": message.Finishing,
    "listen": message.SyncDue,
}
ANSWERS: dict[str, type[BaseModel]] = {
    "fetch": message.Fetched,
    "parse": message.Parsed,
    "guard": message.Guarded,
}
LATER = {"of_another_version": {"nobody": "knows"}}


class Context:
    """What Lambda tells of an invocation."""

    aws_request_id = "request-1"


@pytest.mark.parametrize("later", [{}, LATER], ids=["the last release's", "a later one's"])
@pytest.mark.parametrize("word", sorted(READS))
def test_a_step_reads_the_messages_of_other_versions(word: str, later: dict[str, Any]):
    heard: list[BaseModel] = []

    def answer(message: BaseModel) -> BaseModel:
        heard.append(message)
        return message

    entry.step(word, reads=READS[word])(answer)(MESSAGES[word] | later, Context())  # type: ignore[arg-type]
    assert heard[0].model_dump(include={"run_id", "sync_id"}).items() <= MESSAGES[word].items()


@pytest.mark.parametrize(
    ("word", "field"), [(word, field) for word, known in RELEASED["choices"].items() for field in known]
)
def test_an_answer_is_one_that_executions_under_way_know(word: str, field: str):
    kinds = typing.get_type_hints(ANSWERS[word])[field]
    assert sorted(typing.get_args(kinds)) == RELEASED["choices"][word][field]


def test_a_choice_reads_only_what_is_held_here():
    definition = Path("statemachine/import.asl.yaml").read_text(encoding="utf-8")
    read = {
        line.split("Variable: $.")[1].split(",")[0].rpartition(".")[2]
        for line in definition.splitlines()
        if "Variable: $." in line
    }
    held = {field for known in RELEASED["choices"].values() for field in known}
    assert read == held | {"bug"}


def test_a_record_of_a_later_version_can_still_be_read():
    world = World()
    run = world.import_rows("Mail\nada@example.com\n")
    records = world.control.records
    for name in (f"run#{run.id}", f"sync#{run.sync_id}", "account"):
        key = RecordKey(run.account_id, name)
        stored = records.get(key)
        assert stored is not None
        records.commit([Put(key, {**stored.document, **LATER}, stored.version)])
    control = Control(records)
    assert control.run(run.account_id, run.id).value == run
    assert control.sync(run.account_id, run.sync_id).value.id == run.sync_id
    assert control.account(run.account_id).id == run.account_id


def test_a_run_s_record_needs_no_field_that_older_ones_lack():
    """Those without a default are those of the first release."""
    needed = {name for name, field in Run.model_fields.items() if field.is_required()}
    assert needed == {"id", "account_id", "sync_id", "trigger", "requested_at", "requested_by"}
