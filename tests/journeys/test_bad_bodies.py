"""Bodies that nobody should send, through the whole stack: each is answered with a problem, and the next one too."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import requests

from local.stack import Stack
from tests.support.bad_bodies import Body, all_of_them
from tests.support.customer import Customer

pytestmark = pytest.mark.stack

MOST_MB = 512
"""Half of what the function has."""


@pytest.mark.timeout(600)
def test_every_bad_body_is_a_problem_of_the_client_s(stack: Stack) -> None:
    customer = Customer.of(stack)
    told = {}
    for body in filter(_is_text, all_of_them()):
        answer = sent(customer, body)
        kind = answer.headers.get("Content-Type")
        if (answer.status_code, kind) != (body.status, "application/problem+json"):
            told[body.kind] = (answer.status_code, kind, answer.text[:200])
    assert told == {}
    assert customer.post("/uploads", {"filename": "people.csv"}, expect=201)
    most_mb = [_most_mb(process) for process in _processes() if "ApiFunction" in _environment(process)]
    assert most_mb, "the function's sandbox was not found"
    assert max(most_mb) < MOST_MB


def sent(customer: Customer, body: Body) -> requests.Response:
    """The answer, once the account's share has room for the request: the gateway says when to ask again."""
    headers = {"Content-Type": body.content_type}
    answer = customer.request("POST", "/uploads", data=body.data, headers=headers)
    for _ in range(20):
        if answer.status_code != 429:
            break
        time.sleep(float(answer.headers["Retry-After"]))
        answer = customer.request("POST", "/uploads", data=body.data, headers=headers)
    return answer


def _is_text(body: Body) -> bool:
    """The gateway hands bodies on as text: bytes that are none have become other ones before the function sees them."""
    try:
        body.data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _processes() -> list[Path]:
    return [
        path for path in Path("/proc").iterdir() if path.name.isdigit() and path.stat().st_uid == os.getuid()
    ]


def _environment(process: Path) -> str:
    try:
        return (process / "environ").read_text(encoding="utf-8", errors="replace")
    except OSError:  # it has ended meanwhile
        return ""


def _most_mb(process: Path) -> int:
    """What a process has held at most."""
    lines = (process / "status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) // 1024 for line in lines if line.startswith("VmHWM:"))
