"""docs/errors.md, written from the code: every error that is raised, what it says happened and what to do.

    python -m tests.docs.catalogue        # or: make docs

Codes and texts are read from the syntax tree, so that an error cannot be raised without being listed. Where a
text is put together at run time, the parts that are known then stand as “…”.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import ModuleType
from typing import NamedTuple

from contactsync import errors
from contactsync.api import answer
from contactsync.core import checking
from contactsync.model.forms import ASKED_FOR
from local.deploy import ROOT
from tests.architecture.template import RESOURCES

PAGE = ROOT / "docs" / "errors.md"
PACKAGE = ROOT / "layers" / "common" / "python" / "contactsync"
UNKNOWN = "…"
_MARKDOWN = str.maketrans({"|": "\\|", "\n": " ", "<": "&lt;", ">": "&gt;"})
_COUNT = re.compile(r"\{count[^}]*\}")
GENERIC = {
    "Problem": (2, 1),
    "BadValue": (0, 1),
    "Fault": (0, 1),
    "Finding": (0, 1),
    "RunWarning": (0, 1),
    "Reject": (1, 2),
}
"""Where code and text stand among the arguments of what is not a UserError."""
OF_RUNS = {"RunProblem": 0, "Verdict": 1}
"""The same of what a run tells of itself: where the code stands, with title and detail behind it."""
OF_REQUESTS = ("contactsync.core.entering", "contactsync.journeys.asked.finding")
"""Modules whose bad values stand in a request, not in a row."""


KNOW_THEIR_CODE = (
    errors.NotFound,
    errors.NotPermitted,
    errors.InvalidRequest,
    answer.ChooseAccount,
    answer.WrongMethod,
)


class Said(NamedTuple):
    """One place that raises an error: by which name, with which code, saying what."""

    kind: str
    code: str
    texts: tuple[str, ...]
    status: int = 0


@dataclass(frozen=True)
class Scope:
    """Where an expression stands: what names may mean there."""

    module: ModuleType
    tree: ast.Module
    function: ast.FunctionDef | None
    line: int

    def texts(self, node: ast.expr | None) -> list[str]:
        """What the expression can say."""
        match node:
            case None:
                return [UNKNOWN]
            case ast.Constant(value=str(text)):
                return [text]
            case ast.JoinedStr(values=parts):
                return ["".join(self._part(part) for part in parts)]
            case ast.Name(id=name):
                return self._named(name) or self._constant(self.module, name)
            case ast.Attribute(value=ast.Name(id=name), attr=attribute):
                return self._constant(getattr(self.module, name, None), attribute)
            case ast.IfExp(body=one, orelse=other):
                return self.texts(one) + self.texts(other)
            case ast.Call(func=ast.Name(id=name)):
                return self._returned(name) or [UNKNOWN]
            case _:
                return [UNKNOWN]

    def _constant(self, holder: object, name: str) -> list[str]:
        value = getattr(holder, name, None) if name.isupper() else None
        return [value if isinstance(value, str) else UNKNOWN]

    def _part(self, part: ast.expr) -> str:
        """A part of an f-string: its text, its value where a constant of the module gives it, or “…”."""
        if isinstance(part, ast.Constant):
            return str(part.value)
        names = {node.id for node in ast.walk(part) if isinstance(node, ast.Name)}
        if not names or not all(name.isupper() and hasattr(self.module, name) for name in names):
            return UNKNOWN
        expression = ast.Expression(ast.JoinedStr([part]))
        code = compile(ast.fix_missing_locations(expression), "<catalogue>", "eval")
        return str(eval(code, vars(self.module)))

    def _named(self, name: str) -> list[str]:
        """What a local name was last given, or what the callers of this function give a parameter."""
        if self.function is None:
            return []
        given = [
            value
            for node in ast.walk(self.function)
            if isinstance(node, ast.Assign) and node.lineno < self.line
            for target, value in _pairs(node)
            if isinstance(target, ast.Name) and target.id == name
        ]
        if given:
            return self.texts(max(given, key=lambda value: value.lineno))
        arguments = self.function.args
        parameters = [parameter.arg for parameter in (*arguments.args, *arguments.kwonlyargs)]
        if name not in parameters:
            return []
        return [
            text
            for call, caller in _calls(self.tree, self.function.name)
            for text in replace(self, function=caller, line=call.lineno).texts(
                _argument(call, parameters.index(name), name)
            )
        ]

    def _returned(self, name: str) -> list[str]:
        """What a function of the same module can answer."""
        return [
            text
            for node, function in _walk(self.tree)
            if isinstance(node, ast.Return) and function is not None and function.name == name
            for text in replace(self, function=function, line=node.lineno).texts(node.value)
        ]


def _pairs(assignment: ast.Assign) -> Iterator[tuple[ast.expr, ast.expr]]:
    for target in assignment.targets:
        if isinstance(target, ast.Tuple) and isinstance(assignment.value, ast.Tuple):
            yield from zip(target.elts, assignment.value.elts, strict=True)
        else:
            yield target, assignment.value


def _calls(tree: ast.Module, name: str) -> Iterator[tuple[ast.Call, ast.FunctionDef | None]]:
    """Calls of a function by its own name, each with the function that it stands in."""
    for node, function in _walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node, function


def _walk(
    node: ast.AST, function: ast.FunctionDef | None = None
) -> Iterator[tuple[ast.AST, ast.FunctionDef | None]]:
    for child in ast.iter_child_nodes(node):
        inside = child if isinstance(child, ast.FunctionDef) else function
        yield child, inside
        yield from _walk(child, inside)


def _argument(call: ast.Call, position: int, name: str) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    return call.args[position] if position < len(call.args) else None


def said() -> list[Said]:
    """Every place in the package that raises or tells something with a code."""
    found: list[Said] = []
    for module in modules():
        tree = ast.parse(inspect.getsource(module))
        found += _of_classes(module, tree)
        for node, function in _walk(tree):
            scope = Scope(module, tree, function, getattr(node, "lineno", 0))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found += of_call(node, scope)
            elif isinstance(node, ast.Tuple):
                found += _of_row_problem(node, scope)
    return found


def modules() -> Iterator[ModuleType]:
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
        if path.stat().st_size and parts[-1] != "__main__":
            yield importlib.import_module(".".join(parts).removesuffix(".__init__"))


def _of_classes(module: ModuleType, tree: ast.Module) -> Iterator[Said]:
    """Errors that know their own code: NotFound and its like."""
    for definition in ast.walk(tree):
        if not isinstance(definition, ast.ClassDef):
            continue
        made = getattr(module, definition.name, None)
        if (
            not (isinstance(made, type) and issubclass(made, errors.UserError))
            or made is errors.InvalidRequest
        ):
            continue
        for node in ast.walk(definition):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Call(func=ast.Name(id="super"))), args=[ast.Constant(), *_]
                ):
                    texts = [Scope(module, tree, None, 0).texts(each)[0] for each in node.args[:3]]
                    yield Said("UserError", texts[0], tuple(texts[1:]), made.status)


def of_call(call: ast.Call, scope: Scope) -> Iterator[Said]:
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    made = getattr(scope.module, name, None)
    if isinstance(made, type) and issubclass(made, errors.UserError):
        if not call.args and not call.keywords:
            return
        kind = "UnreadableFile" if made is errors.UnreadableFile else "UserError"
        if made in KNOW_THEIR_CODE:
            return
        for code, *texts in _together(call, scope, 0, "code", "title", "detail"):
            yield Said(kind, code, tuple(texts), made.status)
    elif name in OF_RUNS and isinstance(made, type):
        for code, *texts in _together(call, scope, OF_RUNS[name], "code", "title", "detail"):
            yield Said("UnreadableFile", code, tuple(texts))
    elif isinstance(made, type) and issubclass(made, errors.SourceAway):
        detail = _argument(call, 1, "detail")
        details = scope.texts(detail) if detail is not None else [made.detail]
        for title, what in _side_by_side(scope.texts(_argument(call, 0, "title")), details):
            yield Said("UnreadableFile", made.code, (title, what))
    elif name in GENERIC and isinstance(made, type):
        codes, messages = (
            scope.texts(_argument(call, place, word))
            for place, word in zip(GENERIC[name], ("code", "message"), strict=True)
        )
        kind = "Problem" if scope.module.__name__ in OF_REQUESTS else name
        for code, message in _side_by_side(codes, messages):
            yield Said(kind, code, (message,))


def _together(call: ast.Call, scope: Scope, first: int, *words: str) -> Iterator[tuple[str, ...]]:
    """What these arguments can say, those that are said together."""
    return _side_by_side(
        *(scope.texts(_argument(call, place, word)) for place, word in enumerate(words, first))
    )


def _side_by_side(*columns: list[str]) -> Iterator[tuple[str, ...]]:
    """Row by row; of a shorter column the last text again."""
    for number in range(max(map(len, columns))):
        yield tuple(column[min(number, len(column) - 1)] for column in columns)


def _of_row_problem(node: ast.Tuple, scope: Scope) -> Iterator[Said]:
    """(column, field, code, message): what is wrong with a row, as a plain tuple."""
    match node.elts:
        case [ast.Constant(value=str()), *_] | [_, ast.Constant(value=str()), *_]:
            return
        case [_, _, ast.Constant(value=str(code)), message] if code.isidentifier() and code.islower():
            for text in scope.texts(message):
                yield Said("BadValue", code, (text,))


def page() -> str:
    """The whole of docs/errors.md."""
    everything = said()
    return _TEXT.format(
        api=_table(("status", "code"), answers(everything), ("what happened", "what to do")),
        gateway=_table(("status", "type"), gateway(), ("what happened", "what to do")),
        runs=_table(("code",), _runs(everything), ("what happened", "what to do")),
        rows=_table(("code",), _told(everything, "BadValue", "Fault", "Reject"), ("what is told",)),
        mappings="\n".join(f"- {_shown(text)}" for text in _of_places(everything)),
        warnings=_table(("code",), _told(everything, "Finding", "RunWarning") + _listed(), ("what is told",)),
    )


Row = tuple[tuple[str, ...], tuple[str, ...]]

_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}
"""RFC 9110's names of statuses that Python before 3.13 calls as they were called before."""


def phrase(status: int) -> str:
    """A status in words, the same ones whatever Python writes the page."""
    return _RENAMED.get(status, HTTPStatus(status).phrase)


def named(status: int) -> str:
    """A status with its number: `404 Not Found`."""
    return f"{status} {phrase(status)}"


def answers(everything: Iterable[Said]) -> list[Row]:
    rows: list[Row] = [
        ((named(one.status), f"`{one.code}`"), one.texts)
        for one in everything
        if one.kind == "UserError" and one.code != UNKNOWN
    ]
    asked = ("The request is not valid.", "Correct each place that `errors` names.")
    rows.append(((named(422), "`invalid_request`"), asked))
    for error in (errors.Stale(), errors.Busy()):
        told = answer.error_answer(error)
        rows.append(_rendered(told))
    return [*rows, _rendered(answer.bug_answer(UNKNOWN))]


def _rendered(told: answer.AnyAnswer) -> Row:
    document = json.loads(told.body)
    code = document["type"].removeprefix("/problems/")
    return (named(told.status), f"`{code}`"), (document["title"], document["detail"])


def gateway() -> list[Row]:
    rows: list[Row] = []
    for name, response in RESOURCES["RestApi"]["Properties"]["GatewayResponses"].items():
        document = json.loads(response["ResponseTemplates"]["application/json"])
        status = str(response.get("StatusCode", name[-3:]))
        detail = re.sub(r"\$context\.\w+", UNKNOWN, document["detail"])
        rows.append(((status, f"`{document['type']}`"), (document["title"], detail)))
    return rows


def _runs(everything: Iterable[Said]) -> list[Row]:
    return [
        ((f"`{one.code}`",), one.texts)
        for one in everything
        if one.kind == "UnreadableFile" and one.code not in ("", UNKNOWN)
    ]


def _told(everything: Iterable[Said], *kinds: str) -> list[Row]:
    return [
        ((f"`{one.code}`",), one.texts) for one in everything if one.kind in kinds and one.code != UNKNOWN
    ]


def _of_places(everything: Iterable[Said]) -> list[str]:
    """What is told of single places of a request."""
    told = {one.texts[0] for one in everything if one.kind == "Problem"} - {UNKNOWN}
    of_models = {
        re.sub(r"\{\w+\}", UNKNOWN, text) for text in (*checking.WORDS.values(), *ASKED_FOR.values())
    }
    return sorted(told | of_models)


def _listed() -> list[Row]:
    """Warnings whose texts stand in a table of their module."""
    rows: list[Row] = []
    for module in modules():
        told: dict[str, str] = getattr(module, "_MESSAGES", {})
        rows += [((f"`{code}`",), (_COUNT.sub(UNKNOWN, text),)) for code, text in told.items()]
    return rows


def _shown(text: str) -> str:
    """The text as Markdown takes it."""
    return text.translate(_MARKDOWN)


def _table(heads: tuple[str, ...], rows: Iterable[Row], columns: tuple[str, ...]) -> str:
    """One line a key, sorted; texts that differ stand below each other."""
    by_key: dict[tuple[str, ...], list[list[str]]] = {}
    for key, texts in rows:
        columns_of_key = by_key.setdefault(key, [[] for _ in texts])
        for cell, text in zip(columns_of_key, texts, strict=True):
            if text not in cell:
                cell.append(text)
    lines = ["| " + " | ".join((*heads, *columns)) + " |", "|" + "---|" * (len(heads) + len(columns))]
    for key in sorted(by_key):
        cells = ["<br>".join(map(_shown, cell)) for cell in by_key[key]]
        lines.append("| " + " | ".join((*key, *cells)) + " |")
    return "\n".join(lines)


_TEXT = """\
# Errors

Everything that Contact Sync refuses or warns of, whose move it is then, and what the move is. “…” stands for what only
the case at hand can tell. This page is written from the code by `make docs`.

## Answers of the API

`application/problem+json`: `type` is `/problems/<code>`, `errors` lists every place to correct as a JSON pointer.
4xx: the move is yours. 409 with `Retry-After` and 503: nobody's, send the same request again. 500: ours.

{api}

What API Gateway answers before the service is asked:

{gateway}

### What `errors` of a mapping or a request says

{mappings}

## Why a run ends without importing, or waits

`problem` of the run, and the mail. The move is yours, unless the last column says otherwise; of `internal`, `stopped` and
`timed_out` the cause is ours. No contact was touched, unless `counts` say so.

{runs}

## Why a row is refused

`rejects.csv`, `GET /v1/runs/{{id}}/rows` and the mail. The move is yours: correct the row there and import that file. All other
rows are stored.

{rows}

## What a run warns of

`warnings` of the run. The run goes on; whether there is a move is yours to judge.

{warnings}

## Between the steps

The state machine knows errors by these names; people never see them.

| name | means | whose move |
|---|---|---|
| `Refused` | one of the problems above; the run ends with it | yours |
| `Busy` | a service that a step needs is throttling or away, or your server | nobody's: the step is tried again, later each time; what your server does to the last ends the run as `source_away`, a book that is there and not to be had as `book_busy` |
| `Lambda.…` | Lambda itself refuses or fails; most often all its places are taken | nobody's: the step is tried again for about half an hour |
| `Cancelled` | the run was cancelled, or another execution has it | nobody's: the step stops |
| `Bug` | anything else; the log has it under the reference in the message | ours: three more tries, then the run ends as `internal` and an alarm rings |
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
