"""template.yaml as the tests read it: CloudFormation's short forms as plain JSON, no value resolved."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import yaml

from contactsync.model.run import Step

STEPS: tuple[str, ...] = get_args(Step)
IMPORT = ("fetch", "parse", "map", "plan", "guard", "upsert", "notify")
SYNC = ("pull", "reconcile", "guard", "upsert", "push", "commit", "notify")
ENTRANCES = ("authorize", "api", "listen", "follow", "receive", "tell", "export", "erase")
ERRANDS = ("reach", "peek", "connect", "discover")
"""Functions that another function sends."""


class _Loader(yaml.SafeLoader):
    """SafeLoader that knows !Ref, !GetAtt and their like."""


def _short_form(loader: _Loader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    """`!GetAtt A.Arn` is {"GetAtt": "A.Arn"}, `!Sub "…"` is {"Sub": "…"}, and so on."""
    match node:
        case yaml.ScalarNode():
            return {suffix: loader.construct_scalar(node)}
        case yaml.SequenceNode():
            return {suffix: loader.construct_sequence(node, deep=True)}
        case yaml.MappingNode():
            return {suffix: loader.construct_mapping(node, deep=True)}
    raise AssertionError(node)


_Loader.add_multi_constructor("!", _short_form)


def load(path: str) -> Any:
    """A YAML file of the repository."""
    return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)


TEMPLATE: dict[str, Any] = load("template.yaml")
RESOURCES: dict[str, Any] = TEMPLATE["Resources"]
MACHINES: dict[str, Any] = {
    path.name: load(str(path)) for path in sorted(Path("statemachine").glob("*.asl.yaml"))
}


def of_type(kind: str) -> dict[str, dict[str, Any]]:
    """The properties of all resources of a type, by logical id."""
    return {name: resource["Properties"] for name, resource in RESOURCES.items() if resource["Type"] == kind}


def functions() -> dict[str, dict[str, Any]]:
    """The properties of all functions, by their word."""
    return {
        name.removesuffix("Function").lower(): it for name, it in of_type("AWS::Serverless::Function").items()
    }


class Permission(NamedTuple):
    """One Allow of a role: who may do what with what. Resources are written out as in `_written`."""

    role: str
    sid: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]


def permissions() -> Iterator[Permission]:
    """Every Allow that the template writes, of functions and of roles. Trust and resource policies are not among them."""
    for word, properties in functions().items():
        for policy in properties.get("Policies", ()):
            yield from _allows(word, policy["Statement"])
    for name, properties in of_type("AWS::IAM::Role").items():
        for policy in properties.get("Policies", ()):
            yield from _allows(name, policy["PolicyDocument"]["Statement"])


def _allows(role: str, statements: list[dict[str, Any]]) -> Iterator[Permission]:
    for statement in statements:
        if statement["Effect"] == "Allow":
            yield Permission(
                role,
                statement.get("Sid", ""),
                tuple(_list(statement["Action"])),
                tuple(_written(resource) for resource in _list(statement["Resource"])),
            )


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _written(resource: Any) -> str:
    """`!GetAtt A.Arn` as "${A.Arn}", `!Ref A` as "${A}", `!Sub` as its text: one spelling for each resource."""
    match resource:
        case {"GetAtt": name} | {"Ref": name}:
            return f"${{{name}}}"
        case {"Sub": str(text)}:
            return text
    return str(resource)


def states(machine: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """All states of a machine with those inside its Maps and branches."""
    for name, state in machine["States"].items():
        yield name, state
        for inner in [state.get("ItemProcessor"), *state.get("Branches", ())]:
            if inner:
                yield from states(inner)


def tasks() -> dict[str, dict[str, Any]]:
    """All Task states of all machines, by name."""
    return {
        name: state
        for machine in MACHINES.values()
        for name, state in states(machine)
        if state["Type"] == "Task"
    }
