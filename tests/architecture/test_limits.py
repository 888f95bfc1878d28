"""Limits of the real services that can be held against the largest thing that we send, without sending it.

What is sent in the journeys is held against its limit by the local stack itself (local/quotas.py).
"""

import json
import re
from base64 import b64encode
from pathlib import Path

import pytest

from contactsync.adapters import scheduler
from contactsync.control import feed, new_id
from contactsync.core.identity import SHARDS
from contactsync.core.parsing.records import CHUNK_ROWS
from contactsync.journeys.asked.asking import MAX_SYNC_BYTES
from contactsync.model.message import Parsed, Peeked
from contactsync.sources.staging import MAX_SOURCE_BYTES, PEEK_BYTES
from local import front
from tests.architecture.template import MACHINES, RESOURCES, functions, of_type, states, tasks
from tests.support.world import World

KIB = 1024
STATE_BYTES = 256 * KIB
ITEM_BYTES = 400 * KIB
ANSWER_BYTES = 6 * 1024 * 1024
LAMBDA_S = 900
GATEWAY_S = 29
SCHEDULE_NAME = 64
NARROWEST_ROW = len("a@b.co\n")
"""No row of fewer bytes has an address; a file of nothing but these has the most chunks that a file can have."""


def test_the_state_holds_the_chunks_of_the_largest_file():
    chunks = tuple(range(MAX_SOURCE_BYTES // NARROWEST_ROW // CHUNK_ROWS + 1))
    ids = {"account_id": f"a{'0' * 24}", "run_id": f"r{'0' * 24}"}
    parsed = Parsed(**ids, size="large", chunks=chunks, units=tuple(range(SHARDS)))
    answers = 4 * KIB  # of the steps that are kept beside it: counts
    assert len(parsed.model_dump_json()) + answers < STATE_BYTES


def test_the_state_holds_what_the_children_of_the_largest_file_answer():
    """All answers together are the Map's result, and are held against the bound before ResultPath drops them."""
    [machine] = [it for it in MACHINES.values() if "MapChunks" in it["States"]]
    most = MAX_SOURCE_BYTES // NARROWEST_ROW // CHUNK_ROWS + 1
    for name, state in states(machine):
        for child in state.get("ItemProcessor", {}).get("States", {}).values():
            assert child["ResultSelector"] == {}, name
    assert len(json.dumps([{}] * most, separators=(",", ":"))) < STATE_BYTES


@pytest.mark.parametrize("word", sorted(functions()))
def test_no_function_may_work_longer_than_lambda_lets_it(word: str):
    assert functions()[word]["Timeout"] <= LAMBDA_S


def test_a_worker_is_ended_by_when_the_feed_says_so_of_a_run_that_was_broken_off():
    assert functions()["upsert"]["Timeout"] <= feed.OUTLIVES.total_seconds()


def test_the_api_answers_before_the_gateway_gives_up():
    assert functions()["api"]["Timeout"] <= GATEWAY_S
    assert functions()["authorize"]["Timeout"] < GATEWAY_S


def test_the_front_takes_as_much_as_the_gateway_does():
    assert front.MOST_BODY_BYTES == 10 * KIB * KIB


def test_a_task_s_waits_add_up_to_less_than_a_year():
    """Beyond which Step Functions ends an execution; with it, every wait is bounded."""
    for name, task in tasks().items():
        tries = 1 + sum(each["MaxAttempts"] for each in task["Retry"])
        waits = tries * (task["TimeoutSeconds"] + 60)
        assert waits < 86_400, name


def test_the_beginning_of_a_file_fits_into_the_answer_of_a_function():
    came = Peeked(
        data=b64encode(bytes(PEEK_BYTES)).decode(), whole=False, size=1 << 40, name="\x01" * 4096,
        modified="2026-11-22T09:00:00+00:00", host_key="ssh-ed25519 SHA256:" + "A" * 43,
    )  # fmt: skip
    assert len(came.model_dump_json()) < ANSWER_BYTES


def test_a_schedule_s_name_fits():
    world = World()
    name = scheduler._name(world.account.account_id, f"s{new_id(world.clock.now())}")
    assert len(name) <= SCHEDULE_NAME
    assert re.fullmatch(r"[0-9a-zA-Z._-]+", name)


def test_a_sync_fits_into_an_item_beside_the_answer_that_repeats_it():
    assert MAX_SYNC_BYTES * 4 <= ITEM_BYTES


def test_a_dashboard_and_a_description_fit():
    body = RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Sub"]
    assert len(json.loads(body)["widgets"]) <= 500
    for alarm in of_type("AWS::CloudWatch::Alarm").values():
        assert len(alarm["AlarmDescription"]) <= 1024


def test_the_state_machine_and_the_template_fit():
    assert len(Path("statemachine/import.asl.yaml").read_bytes()) < KIB * KIB
    assert len(Path("template.yaml").read_bytes()) < KIB * KIB
    assert len(RESOURCES) < 200  # SAM makes about two of each function's; a stack holds 500
