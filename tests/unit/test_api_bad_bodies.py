"""Whatever comes as a body is answered with a problem, soon, and without taking much memory."""

from __future__ import annotations

import base64
import subprocess
import sys

import pytest

from tests.support.bad_bodies import Body, all_of_them
from tests.support.calling import Client, Told

BODIES = all_of_them()
MOST_ANSWERED = 1_000_000
MOST_MB = 250
"""Above what the process holds anyway; the function has 1,024."""

GREEDY = """
import resource
from tests.support.bad_bodies import all_of_them
from tests.support.calling import ApiWorld, Client, served
from tests.unit.test_api_bad_bodies import asked

bodies = sorted(all_of_them(), key=lambda body: -len(body.data))[:40]
with served(ApiWorld()) as world:
    client = Client(world, world.account)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for body in bodies:
        asked(client, body)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def asked(api: Client, body: Body) -> Told:
    """As API Gateway passes it on: text as it is, anything else in base64."""
    headers = {"Content-Type": body.content_type}
    try:
        return api.call("POST", "/uploads", body=body.data.decode(), headers=headers)
    except UnicodeDecodeError:
        encoded = base64.b64encode(body.data).decode()
        return api.call("POST", "/uploads", body=encoded, headers=headers, isBase64Encoded=True)


def test_there_are_more_than_three_hundred_kinds() -> None:
    assert len(BODIES) >= 318


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.kind.encode("unicode_escape").decode())
def test_a_bad_body_is_a_problem_of_the_client_s(api: Client, body: Body) -> None:
    answer = asked(api, body)  # which is held to the shape of a problem
    assert answer.status == body.status, answer.text[:300]
    assert len(answer.text) < MOST_ANSWERED
    assert api.world.runs_asked() == []


@pytest.mark.parametrize(
    ("text", "pointers"),
    [
        ('{"filename": "a", "filename": "b"}', {"/filename"}),
        ('{"a": [1, {"b/c": 1, "b/c": 2}], "d": {"e": 1, "e": 1}}', {"/a/1/b~1c", "/d/e"}),
        ('{"a": 1, "\\u0061": 2}', {"/a"}),
    ],
)
def test_a_key_that_occurs_twice_is_named_with_its_place(api: Client, text: str, pointers: set[str]) -> None:
    answer = api.call("POST", "/uploads", body=text, headers={"Content-Type": "application/json"})
    assert (answer.status, answer.json["type"]) == (400, "/problems/duplicate_key")
    assert answer.pointers == pointers


def test_the_largest_and_deepest_take_little_memory() -> None:
    told = subprocess.run([sys.executable, "-c", GREEDY], capture_output=True, text=True, check=True)
    used_mb = int(told.stdout.splitlines()[-1]) / 1024
    assert used_mb < MOST_MB
