"""make account and make accounts: a first key opens a deployed stack; an operator suspends, resumes, limits, deletes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import requests

from local import deploy
from local.place import REGION
from local.stack import Stack
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack


def operate(stack: Stack, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "contactsync", *command],
        env={**os.environ, "AWS_ENDPOINT_URL": stack.endpoint, "AWS_DEFAULT_REGION": REGION},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def make_account(
    stack: Stack, name: str, country: str = "NL", plan: str = ""
) -> subprocess.CompletedProcess[str]:
    asked = ["--name", "Example Ltd", "--email", "you@example.com", "--country", country, "--plan", plan]
    return operate(stack, "account", "--stack", name, *asked)


def accounts(stack: Stack, *asked: str) -> str:
    done = operate(stack, "accounts", "--stack", deploy.STACK_NAME, *asked)
    assert done.returncode == 0, done.stderr
    return done.stdout


def first_account(stack: Stack, plan: str = "") -> tuple[str, str]:
    """Its id and its key, as they are printed."""
    done = make_account(stack, deploy.STACK_NAME, plan=plan)
    assert (done.returncode, done.stderr) == (0, "")
    [account_id] = re.findall(r"^account (a[0-9a-f]{24})$", done.stdout, re.MULTILINE)
    [key] = re.findall(r"^key     (csk_\w{40})$", done.stdout, re.MULTILINE)
    return account_id, key


def ask(stack: Stack, key: str, *, blanks: int = 1) -> requests.Response:
    """GET /account. Another number of blanks is another header to the gateway, which keeps the authorizer's last answer."""
    authorization = f"Bearer{' ' * blanks}{key}"
    return requests.get(f"{stack.facts.api}/v1/account", headers={"Authorization": authorization}, timeout=30)


def test_the_key_that_is_printed_opens_the_account(stack: Stack) -> None:
    account_id, key = first_account(stack)
    told = ask(stack, key).json()
    assert (told["id"], told["country"], told["plan"]) == (account_id, "NL", "standard")


def test_an_operator_suspends_and_resumes(stack: Stack) -> None:
    account_id, key = first_account(stack)
    assert ask(stack, key).status_code == 200
    assert f"{account_id}  active " in accounts(stack, "list")
    accounts(stack, "suspend", account_id)
    refused = ask(stack, key, blanks=2)
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/account_suspended")
    assert f"{account_id}  suspended " in accounts(stack, "list")
    accounts(stack, "resume", account_id)
    assert ask(stack, key, blanks=3).status_code == 200


def test_an_operator_deletes_an_account_and_takes_that_back(stack: Stack) -> None:
    account_id, key = first_account(stack)
    gateway = deploy.client("apigateway", stack.endpoint)
    assert ask(stack, key).status_code == 200
    accounts(stack, "delete", account_id)
    assert ask(stack, key, blanks=2).status_code == 403
    assert gateway.get_api_keys(nameQuery=account_id)["items"] == []
    again = operate(stack, "accounts", "--stack", deploy.STACK_NAME, "delete", account_id)
    assert (again.returncode, again.stderr) == (
        1,
        "The account is being closed already. Wait, or call it back.\n",
    )
    assert json.loads(accounts(stack, "keep", account_id))["metered"] is True
    assert ask(stack, key, blanks=3).status_code == 200
    assert len(gateway.get_api_keys(nameQuery=account_id)["items"]) == 1


def test_after_a_restore_whom_an_account_had_erased_is_erased_again(stack: Stack) -> None:
    account_id, key = first_account(stack)
    address = f"{account_id}@example.com"
    headers = {"Authorization": f"Bearer {key}"}
    api = f"{stack.facts.api}/v1"
    fields = {"fields": {"email": address}}
    made = requests.post(f"{api}/contacts", json=fields, headers=headers, timeout=30).json()
    table, dynamodb = stack.deployed.outputs["ContactsTableName"], deploy.client("dynamodb", stack.endpoint)
    backup = [
        item for page in dynamodb.get_paginator("scan").paginate(TableName=table) for item in page["Items"]
    ]
    mine = [item for item in backup if account_id in json.dumps(item, default=str)]
    whom = {"contact_id": made["id"]}
    due = requests.post(f"{api}/erasures", json=whom, headers=headers, timeout=30).json()["id"]
    wait_for(
        lambda: requests.get(f"{api}/erasures/{due}", headers=headers, timeout=30).json()["finished_at"],
        within_s=60,
        what="the end of the erasure",
    )
    for item in mine:
        dynamodb.put_item(TableName=table, Item=item)
    assert requests.get(f"{api}/contacts/{made['id']}", headers=headers, timeout=30).status_code == 200
    accounts(stack, "erase-again", account_id)
    assert requests.get(f"{api}/contacts/{made['id']}", headers=headers, timeout=30).status_code == 404


def test_an_operator_gives_an_account_another_plan_and_limits_of_its_own(stack: Stack) -> None:
    account_id, key = first_account(stack)
    shown = json.loads(accounts(stack, "plan", account_id, "business", "contacts=50000"))
    assert (shown["plan"], shown["limits_of_its_own"]) == ("business", {"contacts": 50000})
    told = ask(stack, key).json()
    assert (told["plan"], told["limits"]["contacts"]) == ("business", 50000)
    assert "identity_secret" not in accounts(stack, "show", account_id)
    for wrong in (["plan", account_id, "golden"], ["plan", account_id, "shoes=7"], ["show", "a0"]):
        done = operate(stack, "accounts", "--stack", deploy.STACK_NAME, *wrong)
        assert (done.returncode, "Traceback" in done.stderr) == (1, False)


def test_who_asks_too_often_is_told_to_wait_and_nobody_else_is(stack: Stack) -> None:
    """The usage plan of the account's plan, named by the authorizer: 20 at once, then 5 a second."""
    _, eager = first_account(stack, plan="free")
    _, other = first_account(stack, plan="free")
    ask(stack, eager)
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda _: ask(stack, eager), range(150)))
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.headers["Content-Type"].startswith("application/problem+json")
    assert refused.json()["type"] == "/problems/too_many_requests"
    assert int(refused.headers["Retry-After"]) > 0
    assert ask(stack, other).status_code == 200


def test_a_key_that_api_gateway_does_not_know_yet_is_nobody_s_fault_and_waited_for(stack: Stack) -> None:
    """So it is for some seconds after `make account`; here somebody has deleted it, which `plan` mends."""
    account_id, key = first_account(stack)
    gateway = deploy.client("apigateway", stack.endpoint)
    [made] = gateway.get_api_keys(nameQuery=account_id)["items"]
    gateway.delete_api_key(apiKey=made["id"])
    refused = ask(stack, key)
    assert (refused.status_code, refused.json()["type"]) == (503, "/problems/busy")
    assert int(refused.headers["Retry-After"]) > 0
    accounts(stack, "plan", account_id)
    assert ask(stack, key).status_code == 200


def test_no_request_comes_in_past_the_ceiling_and_the_log(stack: Stack) -> None:
    """They are the stage's. SAM makes another one by itself, in which the routes that need no key would be open."""
    gateway = deploy.client("apigateway", stack.endpoint)
    stages = gateway.get_stages(restApiId=stack.deployed.api_id)["item"]
    assert [stage["stageName"] for stage in stages] == ["v1"]
    assert requests.get(f"{stack.facts.api}/v1/openapi.json", timeout=30).status_code == 200
    assert requests.get(f"{stack.facts.api}/Stage/openapi.json", timeout=30).status_code >= 400


@pytest.mark.parametrize(
    ("name", "country"), [("somebody-elses", "NL"), (deploy.STACK_NAME, "Holland"), (deploy.STACK_NAME, "XX")]
)
def test_what_is_wrong_is_told(stack: Stack, name: str, country: str) -> None:
    done = make_account(stack, name, country)
    assert done.returncode != 0
    assert (name if country == "NL" else country) in done.stderr
    assert "Traceback" not in done.stderr
