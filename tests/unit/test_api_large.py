"""What is too large for a record of the table, which holds 400 KB: refused with the reason, or made anew."""

from __future__ import annotations

import pytest

from contactsync.journeys.asked.fielding import MAX_CHOICES_BYTES
from tests.support.calling import Client

TEXTS = (
    "given_name",
    "family_name",
    "middle_name",
    "prefix",
    "suffix",
    "nickname",
    "department",
    "job_title",
)
"""Each holds 32,768 characters at most, the contact 300,000 bytes."""


def test_an_answer_too_large_to_be_kept_is_the_same_when_it_is_asked_for_again(api: Client) -> None:
    """In the answer's record each quote takes four bytes: what had been stored was answered with a 500, for a day."""
    body = {"fields": dict.fromkeys(TEXTS[:4], '"' * 32_000)}
    first, again = (api.post("/contacts", body, key="k1") for _ in range(2))
    assert (first.status, again.status) == (201, 201)
    assert again.json == first.json
    assert len(api.get("/contacts").json["items"]) == 1
    assert api.post("/contacts", {"fields": {"name": "Ada"}}, key="k1").status == 422


def test_a_change_that_history_could_not_hold_is_refused_before_anything_is_written(api: Client) -> None:
    contact = api.post("/contacts", {"fields": dict.fromkeys(TEXTS, "a" * 32_000)}).json
    answer = api.patch(f"/contacts/{contact['id']}", {"fields": dict.fromkeys(TEXTS, "b" * 32_000)})
    assert (answer.status, answer.pointers) == (422, {"/fields"})
    assert "fewer fields" in answer.json["detail"]
    assert api.get(f"/contacts/{contact['id']}").json == contact
    for key in TEXTS:
        assert api.patch(f"/contacts/{contact['id']}", {"fields": {key: "b" * 32_000}}).status == 200


@pytest.mark.parametrize("choice", ["x", "\x01"])
def test_choices_too_long_to_be_stored_are_refused(api: Client, choice: str) -> None:
    tier = {"key": "tier", "label": "Tier", "type": "choice", "choices": ["gold"]}
    long = [choice * MAX_CHOICES_BYTES]
    answer = api.post("/fields", {**tier, "choices": long})
    assert (answer.status, answer.pointers) == (422, {"/choices"})
    assert api.post("/fields", tier).status == 201
    answer = api.patch("/fields/tier", {"choices": ["gold", *long]})
    assert (answer.status, answer.pointers) == (422, {"/choices"})
