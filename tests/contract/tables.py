"""Tables for tests, made the way template.yaml makes them, and a hand to reach into them past the adapter."""

from __future__ import annotations

import itertools
from contextlib import suppress

from contactsync.adapters.items import partition, shard_of
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


class RawContacts:
    """Writes to a contacts table what the adapter does not write yet."""

    def __init__(self, wire: Wire, table: str) -> None:
        self._wire, self._table = wire, table

    def make_alias(self, account_id: str, contact_id: str) -> None:
        item = {
            "pk": {"S": partition(account_id, shard_of(contact_id))},
            "sk": {"S": contact_id},
            "k": {"S": "a"},
            "v": {"N": "1"},
            "to": {"S": "0" * 32},
        }
        self._wire.call("PutItem", {"TableName": self._table, "Item": item})
