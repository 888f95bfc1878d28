"""Which errors a route can answer with, read from the code that its verb reaches.

From the verb on, every function that is named is followed, with the methods of the control table, and all of `sources`
where somebody is sent to a customer's server: too many errors may be listed (a branch that this route never takes), but
none is missing that is raised by its own name.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from types import FunctionType, ModuleType
from typing import NamedTuple

from contactsync.api.route import Route
from contactsync.control import Control
from tests.docs import catalogue

PACKAGE = "contactsync"


class Problem(NamedTuple):
    """What a client can be told."""

    status: int
    title: str
    detail: str


class Place(NamedTuple):
    """A function's definition."""

    module: ModuleType
    name: str


@cache
def known() -> dict[str, Problem]:
    """What can be told under each code; where that is several things, one of them."""
    told: dict[str, Problem] = {}
    rows = [*catalogue.answers(catalogue.said()), *catalogue.gateway()]
    for (status, code), (title, detail) in rows:
        name = code.strip("`").removeprefix("/problems/")
        if status[:3].isdecimal():
            told.setdefault(name, Problem(int(status[:3]), title, detail))
    return told


@cache
def problems(route: Route) -> dict[str, Problem]:
    """How the verb's own journey can end, by code; what every request can meet is not among them."""
    reached = sorted(_reached(route), key=str)
    return {code: problem for place in reached for code, problem in _raised_in(place).items()}


@cache
def asks_for_permission(route: Route) -> bool:
    """Whether the verb's journey itself refuses who lacks a permission, as for what is another member's."""
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "NotPermitted"
        for place in _reached(route)
        for node in ast.walk(_definitions(place.module)[place.name])
    )


@cache
def _reached(route: Route) -> frozenset[Place]:
    verb = inspect.unwrap(route.verb)
    begin = Place(sys.modules[verb.__module__], verb.__qualname__)
    reached, waiting = {begin}, [begin]
    while waiting:
        new = set(_named_in(waiting.pop())) - reached
        reached |= new
        waiting += new
    return frozenset(reached)


@cache
def names_nobody(route: Route) -> bool:
    """Whether the verb's journey itself says that something is missing, as it may of an id in the body."""
    verb = inspect.unwrap(route.verb)
    begin = Place(sys.modules[verb.__module__], verb.__qualname__)
    called = {begin, *_named_in(begin)}
    called |= {
        each for place in called for each in _named_in(place) if each.module in {it.module for it in called}
    }
    return any(
        isinstance(node, ast.Raise) and isinstance(node.exc, ast.Name) and node.exc.id == "NotFound"
        for place in called
        for node in ast.walk(_definitions(place.module)[place.name])
    )


@cache
def codes_of(package: str) -> frozenset[str]:
    """The codes that are raised anywhere in the modules of a package."""
    return frozenset(
        code
        for module in catalogue.modules()
        if module.__name__.startswith(package)
        for name in _definitions(module)
        for code in _raised_in(Place(module, name))
    )


@cache
def _raised_in(place: Place) -> dict[str, Problem]:
    tree, function = _tree(place.module), _definitions(place.module)[place.name]
    return {
        said.code: Problem(said.status, *said.texts)
        for call in ast.walk(function)
        if isinstance(call, ast.Call)
        for said in catalogue.of_call(call, catalogue.Scope(place.module, tree, function, call.lineno))
        if said.status and said.code != catalogue.UNKNOWN
    }


@cache
def _named_in(place: Place) -> frozenset[Place]:
    """The functions, and the methods of the classes, that a function names."""
    function = _definitions(place.module)[place.name]
    names = vars(place.module) | _imported_in(function)
    named = {each for node in ast.walk(function) for meant in _meant(node, names) for each in _places(meant)}
    if any(isinstance(node, ast.Attribute) and node.attr == "peeker" for node in ast.walk(function)):
        sources = [it for it in catalogue.modules() if it.__name__.startswith(f"{PACKAGE}.sources.")]
        named |= {Place(module, name) for module in sources for name in _definitions(module)}
    return frozenset(named)


def _imported_in(function: ast.FunctionDef) -> dict[str, object]:
    """What a function imports itself, because few need it."""
    return {
        alias.asname or alias.name: vars(import_module(node.module)).get(alias.name)
        for node in ast.walk(function)
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith(PACKAGE)
        for alias in node.names
    }


def _meant(node: ast.AST, names: Mapping[str, object]) -> Iterator[object]:
    match node:
        case ast.Name(id=name):
            yield names.get(name)
        case ast.Attribute(value=ast.Name(id=name), attr=attribute) if inspect.ismodule(names.get(name)):
            yield getattr(names[name], attribute, None)
        case ast.Attribute(value=ast.Attribute(attr="control") | ast.Name(id="control"), attr=attribute):
            yield getattr(Control, attribute, None)


def _places(meant: object) -> Iterator[Place]:
    if inspect.isclass(meant) and meant.__module__.startswith(PACKAGE):
        for member in vars(meant).values():
            yield from _places(member)
    elif callable(meant):
        function = inspect.unwrap(meant)
        if isinstance(function, FunctionType) and function.__module__.startswith(PACKAGE):
            place = Place(sys.modules[function.__module__], function.__qualname__)
            if place.name in _definitions(place.module):
                yield place


@cache
def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(inspect.getsource(module))


@cache
def _definitions(module: ModuleType) -> dict[str, ast.FunctionDef]:
    """The functions and methods of a module, by their qualified names."""
    found: dict[str, ast.FunctionDef] = {}
    for node in _tree(module).body:
        if isinstance(node, ast.FunctionDef):
            found[node.name] = node
        elif isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{each.name}": each for each in node.body if isinstance(each, ast.FunctionDef)
            }
    return found
