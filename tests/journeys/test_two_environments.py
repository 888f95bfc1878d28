"""A second environment beside the first: the same template, another stack name, nothing shared and nothing in the way."""

from __future__ import annotations

import pytest

from local import accounts, deploy
from local.deploy import Deployed
from local.permissions import noted
from local.stack import MAIL_SENDER, Stack
from tests.architecture.template import RESOURCES, TEMPLATE
from tests.journeys.imports import ROWS, import_on_first
from tests.support.customer import Customer

pytestmark = pytest.mark.stack

ONE_FOR_THE_ACCOUNT = {"GatewayAccount"}
"""What AWS has once an account and region, whoever sets it."""


@pytest.fixture(scope="module")
def staging(stack: Stack) -> Deployed:
    return deploy.deploy(
        endpoint=stack.endpoint,
        layer=deploy.build_layer(stack.settings.cache),
        parameters={
            "Environment": "staging",
            "MailSender": f"staging-{MAIL_SENDER}",
            "PublicUrl": stack.facts.api,
        },
        say=lambda text: None,
        name="contact-sync-staging",
    )


def test_no_name_is_taken_twice(stack: Stack, staging: Deployed):
    ours = {name: it for name, it in stack.deployed.resources.items() if name in RESOURCES and it}
    theirs = {name: it for name, it in staging.resources.items() if name in RESOURCES and it}
    assert {name for name in ours if ours[name] == theirs.get(name)} <= ONE_FOR_THE_ACCOUNT
    assert stack.deployed.outputs.keys() == staging.outputs.keys()


def test_nothing_is_exported():
    assert not [name for name, output in TEMPLATE["Outputs"].items() if "Export" in output]


def test_the_first_one_goes_on_and_the_second_one_is_empty(
    stack: Stack, staging: Deployed, customer: Customer
):
    run = import_on_first(customer, ROWS)
    assert run["status"] == "succeeded"
    control = accounts.create(
        endpoint=stack.endpoint,
        deployed=staging,
        name="Example Ltd",
        email="you@example.com",
        country="GB",
    )
    assert control.account_id != customer.account_id
    rows = deploy.client("dynamodb", stack.endpoint).scan(TableName=staging.outputs["ContactsTableName"])
    assert rows["Count"] == 0
    assert not [note for note in noted(stack.settings.home) if not note["sid"]]
