"""The authorizer: one way in, and everything else looks the same from outside."""

import json
from pathlib import Path

import pytest

from contactsync.control import key_digest
from contactsync.errors import Busy
from contactsync.ports import Put, RecordKey
from functions.api import handler as api_handler
from functions.authorize import handler

SAMPLES = Path(__file__).parents[2] / "events"


def event(authorization=None, **changes):
    sample = json.loads((SAMPLES / "authorize.json").read_text())
    sample["headers"] = {"Authorization": authorization} if authorization is not None else {}
    return {**sample, **changes}


def put_key(world, digest, **changes):
    """Store a changed key over the one that is there."""
    record = world.records.get(RecordKey(f"key#{digest}", "key"))
    world.records.commit([Put(record.key, {**record.document, **changes}, record.version)])


@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER   "])
def test_a_key_lets_its_holder_in(world, scheme):
    answer = handler.lambda_handler(event(f"{scheme}{world.account.api_key}"), None)
    assert answer["principalId"] == world.account.member_id
    assert answer["context"]["account_id"] == world.account.account_id
    assert answer["context"]["member_id"] == world.account.member_id
    assert "syncs.manage" in answer["context"]["permissions"].split()
    assert all(isinstance(value, str) for value in answer["context"].values())


def test_the_policy_is_kept_for_a_minute_so_it_covers_every_method_of_the_stage_and_no_other(world):
    (statement,) = handler.lambda_handler(event(f"Bearer {world.account.api_key}"), None)["policyDocument"][
        "Statement"
    ]
    assert statement["Effect"] == "Allow"
    assert statement["Resource"] == "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/v1/*"


def test_the_older_form_of_the_event_is_understood(world):
    older = {
        "type": "TOKEN",
        "authorizationToken": f"Bearer {world.account.api_key}",
        "methodArn": "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/v1/GET/account",
    }
    assert handler.lambda_handler(older, None)["principalId"] == world.account.member_id


def test_the_name_of_the_header_may_be_spelled_in_any_way(world):
    lower = event(headers={"authorization": f"Bearer {world.account.api_key}"})
    assert handler.lambda_handler(lower, None)["principalId"] == world.account.member_id


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer csk_",
        "Basic {key}",
        "{key}",
        "Bearer {key}x",
        "Bearer {key} x",
        "Bearer csk_" + "x" * 40,
        "Bearer csk_" + "é" * 40,
        "Bearer csk_" + "x" * 100_000,
    ],
)
def test_whatever_is_no_key_is_unauthorized(world, authorization):
    asked = event(authorization and authorization.replace("{key}", world.account.api_key))
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        handler.lambda_handler(asked, None)


def test_a_revoked_key_is_as_good_as_none(world):
    put_key(world, key_digest(world.account.api_key), revoked=True)
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        handler.lambda_handler(event(f"Bearer {world.account.api_key}"), None)


def test_a_key_whose_member_is_gone_is_as_good_as_none(world):
    put_key(world, key_digest(world.account.api_key), member_id="m0")
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        handler.lambda_handler(event(f"Bearer {world.account.api_key}"), None)


def test_when_the_table_is_away_nobody_is_told_that_their_key_is_wrong(world, monkeypatch):
    def away(_key):
        raise Busy("away")

    monkeypatch.setattr(world.records, "get", away)
    with pytest.raises(Busy):
        handler.lambda_handler(event(f"Bearer {world.account.api_key}"), None)


def test_the_sample_events_are_what_the_handlers_read(world):
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        handler.lambda_handler(json.loads((SAMPLES / "authorize.json").read_text()), None)
    sample = json.loads((SAMPLES / "api.json").read_text())
    sample["requestContext"]["authorizer"]["account_id"] = world.account.account_id
    assert api_handler.lambda_handler(sample, None)["statusCode"] == 202
