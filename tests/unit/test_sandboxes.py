"""The local Lambda runtime treats handlers as the service does."""

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from local.runtime import Function, Outcome, Pool
from tests.support.waiting import wait_for

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="sandboxes are Unix processes")

HANDLER = """
import json, os, sys, time

class Refused(Exception):
    pass

calls = 0

def lambda_handler(event, context):
    global calls
    calls += 1
    print("did", event["do"], flush=True)
    if event["do"] == "refuse":
        raise Refused("the reason")
    if event["do"] == "sleep":
        time.sleep(60)
    if event["do"] == "exit":
        os._exit(3)
    if event["do"] == "eat":
        event["eaten"] = b"x" * 400_000_000
        time.sleep(60)
    return {
        "calls": calls,
        "pid": os.getpid(),
        "environment": dict(os.environ),
        "remaining_ms": context.get_remaining_time_in_millis(),
        "request_id": context.aws_request_id,
        "moto": any("site-packages" in entry for entry in sys.path),
    }
"""


@pytest.fixture
def pool(tmp_path: Path) -> Iterator[Pool]:
    pool = Pool(region="eu-west-1", endpoint="http://127.0.0.1:9", home=tmp_path)
    yield pool
    pool.close()


@pytest.fixture
def function(tmp_path: Path) -> Function:
    code = tmp_path / "code"
    code.mkdir()
    (code / "handler.py").write_text(HANDLER, encoding="utf-8")
    return Function(
        name="tried",
        arn="arn:aws:lambda:eu-west-1:000000000000:function:tried",
        handler="handler.lambda_handler",
        code=str(code),
        layers=(),
        timeout_s=2,
        memory_mb=128,
        environment=(("COLOUR", "green"),),
    )


def run(pool: Pool, function: Function, what: str) -> Outcome:
    return pool.invoke(function, json.dumps({"do": what}).encode(), "request-1")


def answer(outcome: Outcome) -> Any:
    return json.loads(outcome.payload)


def test_a_warm_sandbox_is_used_again(pool: Pool, function: Function) -> None:
    first, second = (answer(run(pool, function, "work")) for _ in range(2))
    assert (first["calls"], second["calls"]) == (1, 2)
    assert first["pid"] == second["pid"]


def test_a_handler_sees_what_lambda_gives_and_nothing_of_this_machine(
    pool: Pool, function: Function, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_OF_THIS_MACHINE", "1")
    seen = answer(run(pool, function, "work"))
    assert seen["environment"]["COLOUR"] == "green"
    assert seen["environment"]["AWS_ENDPOINT_URL"] == "http://127.0.0.1:9"
    assert seen["environment"]["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] == "128"
    assert "SECRET_OF_THIS_MACHINE" not in seen["environment"]
    assert not seen["moto"], "this environment's own packages must be out of reach"
    assert 0 < seen["remaining_ms"] <= 2000
    assert seen["request_id"] == "request-1"


def test_an_error_keeps_its_name(pool: Pool, function: Function) -> None:
    outcome = run(pool, function, "refuse")
    assert outcome.failed
    assert answer(outcome)["errorType"] == "Refused"
    assert answer(outcome)["errorMessage"] == "the reason"


@pytest.mark.parametrize(
    ("what", "error"),
    [("sleep", "Sandbox.Timedout"), ("exit", "Runtime.ExitError"), ("eat", "Runtime.OutOfMemory")],
)
def test_a_sandbox_that_misbehaves_is_ended_and_the_next_call_gets_another(
    pool: Pool, function: Function, what: str, error: str
) -> None:
    before = answer(run(pool, function, "work"))["pid"]
    outcome = run(pool, function, what)
    assert outcome.failed
    assert answer(outcome)["errorType"] == error
    with pytest.raises(ProcessLookupError):
        os.kill(before, 0)
    assert answer(run(pool, function, "work"))["calls"] == 1


def test_a_handler_that_cannot_be_imported_says_so(pool: Pool, function: Function) -> None:
    (Path(function.code) / "handler.py").write_text("import nowhere_to_be_found", encoding="utf-8")
    outcome = run(pool, function, "work")
    assert outcome.failed
    assert answer(outcome)["errorType"] == "Runtime.ImportModuleError"


def test_what_a_handler_prints_is_kept(pool: Pool, function: Function, tmp_path: Path) -> None:
    assert "did work" in run(pool, function, "work").log
    kept = [path.read_text(encoding="utf-8") for path in tmp_path.glob("logs/tried/*.log")]
    assert any("did work" in text for text in kept)


def test_the_highest_memory_of_each_function_is_recorded(
    pool: Pool, function: Function, tmp_path: Path
) -> None:
    run(pool, function, "work")
    recorded = json.loads((tmp_path / "memory.json").read_text(encoding="utf-8"))["tried"]
    assert recorded["memory_mb"] == 128
    assert 5 < recorded["peak_mb"] < 128


def test_a_sandbox_ends_when_its_runtime_api_does(pool: Pool, function: Function) -> None:
    """Handlers must not outlive an emulator that was killed: they have nobody to ask for work any more."""
    pid = answer(run(pool, function, "work"))["pid"]
    (sandbox,) = pool._started
    sandbox._api.close()
    wait_for(lambda: not sandbox.alive, within_s=60, what="the end of the sandbox")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
