"""One word names a step everywhere: its state, its folder, its journey function, its sample event, its log field."""

import ast
import importlib
import json
import logging
import re
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from contactsync.journeys import importing, syncing
from tests.architecture.template import (
    ENTRANCES,
    ERRANDS,
    IMPORT,
    MACHINES,
    STEPS,
    SYNC,
    functions,
    states,
    tasks,
)

STEP = pytest.mark.parametrize("word", STEPS)


def parsed(word: str) -> ast.Module:
    return ast.parse(Path(f"functions/{word}/handler.py").read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> set[str]:
    """The modules that a file imports, by full name."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def test_the_journey_knows_the_same_words_in_the_same_order():
    for journey in (IMPORT, SYNC):
        assert tuple(word for word in STEPS if word in journey) == journey
    assert set(STEPS) == {*IMPORT, *SYNC}


def test_folders_and_functions_are_the_steps_and_the_entrances():
    folders = {path.parent.name for path in Path("functions").glob("*/handler.py")}
    assert folders == set(functions()) == {*STEPS, *ENTRANCES, *ERRANDS}


@pytest.mark.parametrize("word", [*STEPS, *ENTRANCES, *ERRANDS])
def test_a_function_takes_its_code_from_its_folder(word: str):
    assert functions()[word]["CodeUri"] == f"functions/{word}"


@STEP
def test_a_step_has_states_of_its_name(word: str):
    resource = f"${{{word.capitalize()}FunctionArn}}"
    named = [name for name, state in tasks().items() if state["Resource"] == resource]
    assert word.capitalize() in named
    assert all(name.startswith(word.capitalize()) for name in named)


def test_every_task_belongs_to_a_step():
    assert {state["Resource"] for state in tasks().values()} == {
        f"${{{word.capitalize()}FunctionArn}}" for word in STEPS
    }


@pytest.mark.parametrize("path", sorted(MACHINES))
def test_every_state_says_what_it_is_for(path: str):
    silent = [name for name, state in states(MACHINES[path]) if not state.get("Comment", "").endswith(".")]
    assert silent == []


@STEP
def test_a_handler_calls_the_journey_function_of_its_word(word: str):
    calls = [ast.unparse(node.func) for node in ast.walk(parsed(word)) if isinstance(node, ast.Call)]
    journey = importing if word in IMPORT else syncing
    assert f"{journey.__name__.rpartition('.')[2]}.{word}" in calls
    assert callable(getattr(journey, word))


@pytest.mark.parametrize("word", [*STEPS, *ENTRANCES, *ERRANDS])
def test_a_handler_is_small_and_imports_only_the_package(word: str):
    packages = {name.split(".")[0] for name in imported(parsed(word))}
    assert packages - sys.stdlib_module_names == {"contactsync"}
    assert len(Path(f"functions/{word}/handler.py").read_text(encoding="utf-8").splitlines()) <= 32


@pytest.mark.parametrize("word", [*STEPS, *ERRANDS])
def test_the_sample_event_is_a_message_that_the_handler_reads(word: str):
    handler = importlib.import_module(f"functions.{word}.handler")
    [decorator] = [
        node
        for function in parsed(word).body
        if isinstance(function, ast.FunctionDef)
        for node in function.decorator_list
    ]
    assert isinstance(decorator, ast.Call)
    reads = next(keyword.value for keyword in decorator.keywords if keyword.arg == "reads")
    model = getattr(handler, ast.unparse(reads))
    model.model_validate(json.loads(Path(f"events/{word}.json").read_text(encoding="utf-8")))


def test_every_function_has_a_sample_event():
    assert {path.stem for path in Path("events").glob("*.json")} == {*STEPS, *ENTRANCES, *ERRANDS}


@pytest.mark.parametrize("event", sorted(Path("events").glob("*.json")), ids=lambda path: path.stem)
def test_the_ids_of_a_sample_event_are_such_as_we_make(event: Path):
    ids = re.findall(r'"(?!access_key)\w+_id": "(\w+)"', event.read_text(encoding="utf-8"))
    assert [each for each in ids if not re.fullmatch("[a-z][0-9a-f]{24}", each)] == []


@STEP
def test_the_log_names_the_step(word: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    handler = importlib.import_module(f"functions.{word}.handler")
    told: dict[str, Any] = {}
    monkeypatch.setattr("contactsync.entry.logger.append_keys", lambda **keys: told.update(keys))
    event = json.loads(Path(f"events/{word}.json").read_text(encoding="utf-8"))
    context = SimpleNamespace(function_name="stack-Function-1A2B", aws_request_id="request-1")
    with caplog.at_level(logging.CRITICAL), pytest.raises(Exception, match="internal error"):
        handler.lambda_handler(event, context)  # without any setting it fails at its first port
    assert told == {
        "step": word,
        "request_id": "request-1",
        "account_id": event["account_id"],
        "run_id": event["run_id"],
    }
