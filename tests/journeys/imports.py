"""The same small imports under either interpreter."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

from contactsync import bootstrap
from contactsync.journeys.asked.asking import start_import
from contactsync.model.account import ALL_PERMISSIONS, Caller
from contactsync.model.run import Run
from tests.support.customer import Customer
from tests.support.second_interpreter import SecondInterpreter

ROWS = """\
email,name,phone
ada@example.com,Ada Lovelace,020 7946 0018
bob@example.com,"Bob, the
first",
nobody,No Address,
zoe@example.com,Zoë,
bob@example.com,Bob the Second,
cem@example.com,Cem,+90 212 555 01 23
"""
LATER = ROWS.replace("Zoë", "Zoé").replace("cem@", "cemal@")
HEADER_ONLY = "email,name,phone\n"


def request(text: str, customer: Customer) -> dict[str, Any]:
    return {
        "name": "People",
        "source": {"kind": "paste", "text": text},
        "format": {"kind": "csv"},
        "mapping": [{"column": key, "field": key} for key in ("email", "name", "phone")],
        "identity": {"field": "email"},
        "notify": {"emails": [customer.email], "on": "every_run"},
    }


def import_on_first(customer: Customer, text: str) -> dict[str, Any]:
    """As a customer does, through the API; the run when it has ended."""
    return customer.wait_for_run(customer.post("/imports", request(text, customer), expect=202)["run"]["id"])


def import_on_second(second: SecondInterpreter, customer: Customer, text: str, **more: Any) -> Run:
    """The same for this customer, with the second interpreter in the place of the bus."""
    world = replace(bootstrap.world(), bus=second)
    caller = Caller(account_id=customer.account_id, member_id="m1", permissions=ALL_PERMISSIONS)
    _, run = start_import(world, caller, request(text, customer) | more, uuid.uuid4().hex)
    return bootstrap.control().run(run.account_id, run.id).value
