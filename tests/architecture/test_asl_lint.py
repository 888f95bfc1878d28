"""The lint of the state machines: what it lets through, what it refuses, and that it says where and why."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from local.asl_lint import KNOWN, UNTRIED, findings, main

Machine = dict[str, Any]

TASK = {
    "Type": "Task",
    "Resource": "${MapFunctionArn}",
    "Parameters": {"chunks.$": "States.Array($$.Map.Item.Value)", "run_id.$": "$.run_id"},
    "TimeoutSeconds": 10,
    "Retry": [{"ErrorEquals": ["Busy"], "MaxDelaySeconds": 60, "JitterStrategy": "FULL"}],
    "Catch": [{"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Told"}],
    "Next": "Sized",
}
SOUND: Machine = {
    "StartAt": "Work",
    "States": {
        "Work": TASK,
        "Sized": {
            "Type": "Choice",
            "Choices": [{"And": [{"Variable": "$.size", "StringEquals": "large"}], "Next": "Many"}],
            "Default": "Told",
        },
        "Many": {
            "Type": "Map",
            "ItemsPath": "$.chunks",
            "MaxConcurrency": 8,
            "ItemProcessor": {
                "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"},
                "StartAt": "One",
                "States": {"One": {"Type": "Task", "Resource": "${MapFunctionArn}", "End": True}},
            },
            "Next": "Told",
        },
        "Told": {"Type": "Succeed"},
    },
}


def told(machine: Machine) -> list[str]:
    return [str(finding) for finding in findings(machine)]


def changed(change: Callable[[Machine], object]) -> Machine:
    """The sound machine after `change`, which gets its states."""
    machine = deepcopy(SOUND)
    change(machine["States"])
    return machine


def test_a_sound_machine_passes():
    assert told(SOUND) == []


@pytest.mark.parametrize("path", sorted(Path("statemachine").glob("*.yaml")), ids=lambda path: path.name)
def test_our_own_machines_pass(path: Path):
    assert told(yaml.safe_load(path.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize("feature", sorted(KNOWN))
def test_a_known_difference_is_refused_with_what_to_do_instead(feature: str):
    machine = changed(lambda states: states["Many"].update({feature: 1}))
    assert told(machine) == [f"state Many: {feature}: {KNOWN[feature]}"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s["Work"].update(Type="Loop"), f"state Work: Type 'Loop': {UNTRIED}"),
        (lambda s: s["Work"].update(OutputPath="$.a"), f"state Work: OutputPath: {UNTRIED}"),
        (lambda s: s["Work"]["Retry"][0].update(Sometimes=1), f"state Work: Sometimes: {UNTRIED}"),
        (lambda s: s["Work"]["Catch"][0].update(Output=1), f"state Work: Output: {KNOWN['Output']}"),
        (lambda s: s["Work"].update(Resource="arn:aws:states:::sqs:sendMessage"), "sqs:sendMessage"),
        (
            lambda s: s["Work"].update(Resource="arn:aws:lambda:eu-west-1:1:function:x"),
            "state Work: Resource",
        ),
        (
            lambda s: s["Work"]["Parameters"].update({"a.$": "States.Hash($.a, 'MD5')"}),
            "state Work: States.Hash",
        ),
        (
            lambda s: s["Work"]["Parameters"].update({"a.$": "$.rows[?(@.bad)]"}),
            "no filter, slice or wildcard",
        ),
        (lambda s: s["Many"].update(ItemsPath="$.chunks[*]"), "state Many: path '$.chunks[*]'"),
        (lambda s: s["Sized"]["Choices"][0]["And"][0].update(StringMatches="a*"), "comparison StringMatches"),
        (lambda s: s["Sized"].pop("Default"), "state Sized: has no Default"),
        (lambda s: s["Many"].pop("MaxConcurrency"), "state Many: a distributed Map needs MaxConcurrency"),
        (
            lambda s: s["Many"]["ItemProcessor"]["ProcessorConfig"].pop("ExecutionType"),
            "state Many: a distributed Map needs ExecutionType",
        ),
        (
            lambda s: s["Many"]["ItemProcessor"]["ProcessorConfig"].update(ExecutionType="EXPRESS"),
            "state Many: ExecutionType 'EXPRESS': the interpreters agree on STANDARD",
        ),
        (
            lambda s: s["Many"]["ItemProcessor"]["States"]["One"].update(HeartbeatSeconds=5),
            f"state One: HeartbeatSeconds: {KNOWN['HeartbeatSeconds']}",
        ),
        (lambda s: s["Work"].update(Next="Nowhere"), "state Work: goes on to 'Nowhere'"),
        (lambda s: s.update(Island={"Type": "Succeed"}), "state Island: is never reached"),
    ],
)
def test_anything_else_is_refused_where_it_stands(change: Callable[[Machine], object], said: str):
    assert any(said in line for line in told(changed(change)))


def test_the_machine_itself_is_held_to_the_same():
    assert told({**SOUND, "QueryLanguage": 1}) == [f"QueryLanguage: {KNOWN['QueryLanguage']}"]


def test_a_machine_may_be_cut_off():
    assert told({**SOUND, "TimeoutSeconds": 1}) == []


def test_the_command_names_the_file_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = tmp_path / "wrong.asl.yaml"
    path.write_text(yaml.safe_dump({**SOUND, "StartAt": "Absent"}), encoding="utf-8")
    assert main([str(path)]) == 1
    assert f"{path}: StartAt names 'Absent'" in capsys.readouterr().out


def test_the_command_says_when_it_has_nothing_to_check(capsys: pytest.CaptureFixture[str]):
    assert main([]) == 2
    assert "Name the files" in capsys.readouterr().err
