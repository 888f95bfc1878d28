"""Tables for tests, made the way template.yaml makes them, and a hand to reach into them past the adapter."""

from __future__ import annotations

import itertools
from contextlib import suppress

from contactsync.adapters.patience import Patience
from contactsync.adapters.wire import ServiceError, Wire, dynamodb
from tests.contract.conftest import IMPATIENT, REGION, credentials

_numbers = itertools.count(1)


def wire_to(endpoint: str, patience: Patience = IMPATIENT) -> Wire:
    return dynamodb(REGION, endpoint=endpoint, credentials=credentials, patience=patience)


def make_table(wire: Wire) -> str:
    name = f"table-{next(_numbers)}"
    wire.call(
        "CreateTable",
        {
            "TableName": name,
            "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [
                {"AttributeName": "pk", "KeyType": "HASH"},
                {"AttributeName": "sk", "KeyType": "RANGE"},
            ],
            "AttributeDefinitions": [
                {"AttributeName": "pk", "AttributeType": "S"},
                {"AttributeName": "sk", "AttributeType": "S"},
            ],
        },
    )
    return name


def drop_table(wire: Wire, name: str) -> None:
    with suppress(ServiceError):
        wire.call("DeleteTable", {"TableName": name})
