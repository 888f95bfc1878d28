"""Refuse what the two interpreters of a state machine would not run alike.

Every machine runs twice in the tests: on ministack, which carries the local stack, and on moto, as a second
opinion on the same file. Each knows features that the other rejects or, worse, passes over in silence; a machine
that uses one of them is green here and different in the cloud. So a feature is refused until it was seen to
work alike on both (tests/journeys/test_second_interpreter.py); then it stands in the tables below.

    python -m local.asl_lint statemachine/*.asl.yaml

prints one line a finding and ends with 1 if there is any.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, NamedTuple

import yaml

Json = Mapping[str, Any]  # a machine, a state, a rule: any object of the language

# TimeoutSeconds although both ignore it: it cuts off what nobody has thought of, and nothing runs so long here.
MACHINE = {"Comment", "StartAt", "States", "TimeoutSeconds"}
EVERY_STATE = {"Type", "Comment"}

_FLOW = {"Next", "End"}
_DATA = {"InputPath", "Parameters", "ResultSelector", "ResultPath"}  # with plain paths, $$ and intrinsics
_FAILURE = {"Retry", "Catch"}  # by an error's own name: ministack reports it with the patches in local/
STATES = {
    "Task": {*_FLOW, *_DATA, *_FAILURE, "Resource", "TimeoutSeconds"},
    "Choice": {"Choices", "Default", "InputPath"},
    "Map": {
        *(_FLOW | _FAILURE),
        *("ItemsPath", "ItemSelector", "ItemProcessor", "MaxConcurrency", "ResultSelector", "ResultPath"),
    },
    "Parallel": {*_FLOW, *_DATA, *_FAILURE, "Branches"},
    "Wait": {*_FLOW, "Seconds"},
    "Pass": {*_FLOW, "Parameters", "Result", "ResultPath"},
    "Succeed": set(),
    "Fail": {"Error", "Cause"},
}

PROCESSOR = {"ProcessorConfig", "StartAt", "States"}
PROCESSOR_CONFIG = {"Mode": ("INLINE", "DISTRIBUTED"), "ExecutionType": ("STANDARD",)}

# ministack waits at most a minute between tries and never jitters: another time, the same outcome.
RETRY = {
    "Comment",
    "ErrorEquals",
    "IntervalSeconds",
    "BackoffRate",
    "MaxAttempts",
    "MaxDelaySeconds",
    "JitterStrategy",
}
CATCH = {"Comment", "ErrorEquals", "ResultPath", "Next"}

RULE = {"Comment", "Variable", "Next", "And", "Or", "Not"}
COMPARISONS = {
    *("StringEquals", "BooleanEquals", "IsPresent", "IsNull"),
    *(
        "NumericEquals",
        "NumericLessThan",
        "NumericLessThanEquals",
        "NumericGreaterThan",
        "NumericGreaterThanEquals",
    ),
}

INTRINSICS = {
    *("Array", "ArrayContains", "ArrayGetItem", "ArrayLength", "ArrayPartition", "ArrayRange", "ArrayUnique"),
    *("Format", "JsonMerge", "JsonToString", "StringSplit", "StringToJson", "MathAdd"),
}

RESOURCES = (
    re.compile(r"\$\{[A-Z][A-Za-z]*FunctionArn\}"),  # a function of the template
    re.compile(r"arn:aws:states:::lambda:invoke(\.waitForTaskToken)?"),
    re.compile(r"arn:aws:states:::dynamodb:(getItem|putItem|updateItem|deleteItem)"),
    re.compile(r"arn:aws:states:::events:putEvents"),
)

# Known differences, with what to do instead; anything else that is not in a table gets the general advice.
KNOWN = {
    "Assign": "ministack assigns null in JSONPath; keep the value in the state with ResultPath",
    "Arguments": "JSONata does not run alike; use Parameters",
    "HeartbeatSeconds": "ministack ignores it; TimeoutSeconds bounds the task on both",
    "ItemBatcher": "ministack ignores it and moto rejects it; let Parse put the batches into the array",
    "ItemReader": "moto rejects JSON lines; put the items into the state and the bulk into the bucket",
    "Output": "JSONata does not run alike; use ResultPath",
    "QueryLanguage": "only JSONPath runs on both, and that is the default",
    "ResultWriter": "ministack ignores it; let the function write its result to the bucket",
    "TimeoutSeconds": "ministack ignores it there; bound each task instead",
    "ToleratedFailureCount": "moto lets the map succeed; let the function answer what failed",
    "ToleratedFailurePercentage": "moto lets the map succeed; let the function answer what failed",
}
UNTRIED = "it was not seen to run alike on ministack and moto; show it in test_second_interpreter.py, then allow it here"

_INTRINSIC = re.compile(r"States\.([A-Z]\w+)\(")
_PATH = re.compile(r"\${1,2}(\.[A-Za-z_]\w*|\[\d+\])*")


class Finding(NamedTuple):
    """One thing to change: in which state, and what about it."""

    state: str
    message: str

    def __str__(self) -> str:
        return f"state {self.state}: {self.message}" if self.state else self.message


def findings(machine: Json) -> Iterator[Finding]:
    """Everything in `machine` (the parsed definition) that the two interpreters would not run alike."""
    yield from _unknown("", machine, MACHINE)
    yield from _flow("", machine)


def _flow(where: str, machine: Json) -> Iterator[Finding]:
    """Check the states of a machine, a branch or a Map's processor, and that the arrows between them meet."""
    states: Mapping[str, Json] = machine.get("States", {})
    if machine.get("StartAt") not in states:
        yield Finding(where, f"StartAt names {machine.get('StartAt')!r}, which is not among its states")
    reached = {machine.get("StartAt")}
    for name, state in states.items():
        yield from _state(name, state)
        for target in _targets(state):
            reached.add(target)
            if target not in states:
                yield Finding(name, f"goes on to {target!r}, which is not among the states beside it")
    for name in states:
        if name not in reached:
            yield Finding(name, "is never reached")


def _targets(state: Json) -> Iterator[str]:
    exits = [state, *state.get("Catch", ()), *state.get("Choices", ())]
    yield from (way["Next"] for way in exits if "Next" in way)
    if "Default" in state:
        yield state["Default"]


def _state(name: str, state: Json) -> Iterator[Finding]:
    kind = state.get("Type")
    if kind not in STATES:
        yield Finding(name, f"Type {kind!r}: {UNTRIED}")
        return
    yield from _unknown(name, state, EVERY_STATE | STATES[kind])
    for retrier in state.get("Retry", ()):
        yield from _unknown(name, retrier, RETRY)
    for catcher in state.get("Catch", ()):
        yield from _unknown(name, catcher, CATCH)
    yield from _expressions(name, {k: v for k, v in state.items() if k not in ("ItemProcessor", "Branches")})
    match kind:
        case "Task":
            yield from _task(name, state)
        case "Choice":
            yield from _choice(name, state)
        case "Map":
            yield from _map(name, state)
        case "Parallel":
            for branch in state.get("Branches", ()):
                yield from _flow(name, branch)


def _task(name: str, state: Json) -> Iterator[Finding]:
    resource = str(state.get("Resource"))
    if not any(known.fullmatch(resource) for known in RESOURCES):
        yield Finding(name, f"Resource {resource!r}: {UNTRIED}")


def _choice(name: str, state: Json) -> Iterator[Finding]:
    if "Default" not in state:
        yield Finding(name, "has no Default: a value that no rule knows would end the run without a mail")
    rules = list(state.get("Choices", ()))
    while rules:
        rule = rules.pop()
        rules += [*rule.get("And", ()), *rule.get("Or", ()), *([rule["Not"]] if "Not" in rule else ())]
        for field in rule:
            if field not in RULE | COMPARISONS:
                yield Finding(name, f"comparison {field}: {UNTRIED}")


def _map(name: str, state: Json) -> Iterator[Finding]:
    processor = state.get("ItemProcessor", {})
    yield from _unknown(name, processor, PROCESSOR)
    for field, value in processor.get("ProcessorConfig", {}).items():
        allowed = PROCESSOR_CONFIG.get(field, ())
        if value not in allowed:
            yield Finding(
                name, f"{field} {value!r}: the interpreters agree on {' or '.join(allowed) or 'no value'}"
            )
    if processor.get("ProcessorConfig", {}).get("Mode") == "DISTRIBUTED":
        if "ExecutionType" not in processor["ProcessorConfig"]:
            yield Finding(name, "a distributed Map needs ExecutionType: STANDARD, the one that both know")
        if not state.get("MaxConcurrency"):
            yield Finding(
                name, "a distributed Map needs MaxConcurrency: without it AWS starts 10,000 children at once"
            )
    yield from _flow(name, processor)


def _unknown(name: str, written: Json, allowed: Set[str]) -> Iterator[Finding]:
    for field in written:
        if field not in allowed:
            yield Finding(name, f"{field}: {KNOWN.get(field, UNTRIED)}")


def _expressions(name: str, value: Any) -> Iterator[Finding]:
    """Check each path and intrinsic below `value`; they stand in fields ending in .$ or named …Path or Variable."""
    if isinstance(value, Mapping):
        for field, inner in value.items():
            if isinstance(inner, str) and (field.endswith((".$", "Path")) or field == "Variable"):
                yield from _expression(name, inner)
            else:
                yield from _expressions(name, inner)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for inner in value:
            yield from _expressions(name, inner)


def _expression(name: str, text: str) -> Iterator[Finding]:
    called = _INTRINSIC.findall(text)
    for intrinsic in called:
        if intrinsic not in INTRINSICS:
            yield Finding(name, f"States.{intrinsic}: {UNTRIED}")
    if not called and not _PATH.fullmatch(text):
        yield Finding(
            name, f"path {text!r}: only plain steps and indexes run alike, no filter, slice or wildcard"
        )


def main(arguments: Sequence[str]) -> int:
    """Check the files named in `arguments`; return the exit status."""
    if not arguments:
        print("Name the files to check: python -m local.asl_lint statemachine/*.asl.yaml", file=sys.stderr)
        return 2
    found = 0
    for argument in arguments:
        machine = yaml.safe_load(Path(argument).read_text(encoding="utf-8"))
        for finding in findings(machine):
            print(f"{argument}: {finding}")
            found += 1
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
