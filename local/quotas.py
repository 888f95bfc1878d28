"""What the real services take at once, kept here too: the emulator takes anything, and the cloud would be the first to refuse.

Sizes are bytes, as AWS documents them; each refusal says which limit it was.
"""

import json
from collections.abc import Callable, Iterator
from typing import Any

from local.needs import Request

KIB = 1024
ITEM_BYTES = 400 * KIB
TRANSACTION_ITEMS = 100
TRANSACTION_BYTES = 4 * KIB * KIB
STATEMENTS = 25
KEYS = 100
EVENTS = 10
EVENTS_BYTES = 256 * KIB
MAIL_BYTES = 10 * KIB * KIB
ANSWER_BYTES = 6 * KIB * KIB
"""What Lambda takes and gives in one synchronous call, and so what the API can answer."""


def excess(request: Request) -> str:
    """Which limit a request goes beyond; "" if none."""
    known = _BY_OPERATION.get((request.service, request.target)) or _BY_SERVICE.get(request.service)
    return next(known(request), "") if known else ""


def too_large_an_answer(size: int) -> str:
    """Why a function's answer of so many bytes would not arrive; "" if it would."""
    return (
        f"Response payload size exceeded maximum allowed payload size ({ANSWER_BYTES} bytes)."
        if size > ANSWER_BYTES
        else ""
    )


def _transaction(request: Request) -> Iterator[str]:
    asked = json.loads(request.body)
    items = asked.get("TransactItems") or asked.get("TransactStatements") or ()
    if len(items) > TRANSACTION_ITEMS:
        yield f"a transaction has at most {TRANSACTION_ITEMS} items, this one has {len(items)}"
    if len(request.body) > TRANSACTION_BYTES:
        yield f"a transaction has at most {TRANSACTION_BYTES} bytes"
    yield from _items(each["Put"]["Item"] for each in items if "Put" in each)


def _statements(request: Request) -> Iterator[str]:
    statements = json.loads(request.body)["Statements"]
    if len(statements) > STATEMENTS:
        yield f"a batch has at most {STATEMENTS} statements, this one has {len(statements)}"
    yield from _items(each.get("Parameters") or () for each in statements)


def _keys(request: Request) -> Iterator[str]:
    tables = json.loads(request.body)["RequestItems"].values()
    if sum(len(each["Keys"]) for each in tables) > KEYS:
        yield f"a batch reads at most {KEYS} items"


def _put(request: Request) -> Iterator[str]:
    yield from _items([json.loads(request.body)["Item"]])


def _items(items: Any) -> Iterator[str]:
    """Items as they travel are longer than as they are counted, so none that is too long is let through."""
    for item in items:
        if len(json.dumps(item, separators=(",", ":"), ensure_ascii=False).encode()) > ITEM_BYTES:
            yield f"an item has at most {ITEM_BYTES} bytes"


def _events(request: Request) -> Iterator[str]:
    entries = json.loads(request.body)["Entries"]
    if len(entries) > EVENTS:
        yield f"at most {EVENTS} events are put at once"
    if len(request.body) > EVENTS_BYTES:
        yield f"events of one request have at most {EVENTS_BYTES} bytes"


def _mail(request: Request) -> Iterator[str]:
    if len(request.body) > MAIL_BYTES:
        yield f"a mail has at most {MAIL_BYTES} bytes"


_BY_OPERATION: dict[tuple[str, str], Callable[[Request], Iterator[str]]] = {
    ("dynamodb", "TransactWriteItems"): _transaction,
    ("dynamodb", "ExecuteTransaction"): _transaction,
    ("dynamodb", "BatchExecuteStatement"): _statements,
    ("dynamodb", "BatchGetItem"): _keys,
    ("dynamodb", "PutItem"): _put,
    ("events", "PutEvents"): _events,
}
_BY_SERVICE: dict[str, Callable[[Request], Iterator[str]]] = {"ses": _mail}
