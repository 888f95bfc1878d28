"""How long the API takes, and which share of it is ours: the same requests over the local stack and in process.

    python -m bench.api [requests]

Over the stack a request passes the address, the emulated gateway, the authorizer and the function's process; in
process it is the handler alone over memory adapters, which is all of our code but the adapters'.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

WARM_UP = 20
CALLERS = 4
"""They ask in turn: one alone would soon have asked for more than its plan allows in a second."""


class Latency(NamedTuple):
    """Milliseconds."""

    median: float
    p99: float


def measure(requests: int) -> dict[str, dict[str, Latency]]:
    """By request, then by "stack" and "ours"."""
    over_stack = _over_stack(requests)
    ours = _in_process(requests)
    return {name: {"stack": over_stack[name], "ours": ours[name]} for name in ours}


def _over_stack(requests: int) -> dict[str, Latency]:
    from local.stack import Ports, Settings, Stack
    from tests.support.customer import Customer

    with tempfile.TemporaryDirectory() as home:
        settings = Settings(home=Path(home), ports=Ports.free(), say=lambda _: None)
        with Stack(settings) as stack:
            callers = [Customer.of(stack) for _ in range(CALLERS)]
            made = [(caller, caller.post("/contacts", _contact(), expect=201)["id"]) for caller in callers]
            turns, contacts = cycle(callers), cycle(made)

            def get() -> object:
                caller, contact_id = next(contacts)
                return caller.get(f"/contacts/{contact_id}")

            return _timed(requests, lambda: next(turns).post("/contacts", _contact(), expect=201), get)


def _in_process(requests: int) -> dict[str, Latency]:
    from contactsync.entry import logger
    from tests.support.calling import ApiWorld, Client, served

    logger.setLevel("ERROR")  # the log goes to a pipe in Lambda, and to a terminal here
    with served(ApiWorld()) as world:
        client = Client(world, world.account)

        def asked(method: str, path: str, body: str | None = None) -> str:
            answer = handler(client.event(method, path, body=body), None)
            assert answer["statusCode"] < 300, answer["body"]
            return str(answer["body"])

        from functions.api.handler import lambda_handler as handler

        contact_id = json.loads(asked("POST", "/contacts", json.dumps(_contact())))["id"]
        return _timed(
            requests,
            lambda: asked("POST", "/contacts", json.dumps(_contact())),
            lambda: asked("GET", f"/contacts/{contact_id}"),
        )


def _contact() -> dict[str, object]:
    word = uuid.uuid4().hex[:12]
    return {"fields": {"name": f"Person {word}", "email": f"{word}@example.com", "phone": "+44 20 7946 0018"}}


def _timed(requests: int, post: Callable[[], object], get: Callable[[], object]) -> dict[str, Latency]:
    return {
        "GET /contacts/{id}": _latency(requests, get),
        "POST /contacts": _latency(requests, post),
    }


def _latency(requests: int, ask: Callable[[], object]) -> Latency:
    for _ in range(WARM_UP):
        ask()
    taken = []
    for _ in range(requests):
        began = time.perf_counter()
        ask()
        taken.append((time.perf_counter() - began) * 1000)
    return Latency(statistics.median(taken), statistics.quantiles(taken, n=100)[98])


def show(measured: dict[str, dict[str, Latency]]) -> None:
    """One line a request."""
    for name, figures in measured.items():
        stack, ours = figures["stack"], figures["ours"]
        print(
            f"  {name:<22}stack {stack.median:>7.1f} ms, p99 {stack.p99:>7.1f}     "
            f"ours {ours.median:>6.2f} ms, p99 {ours.p99:>6.2f}     {100 * ours.median / stack.median:>4.1f} %"
        )


if __name__ == "__main__":
    show(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
