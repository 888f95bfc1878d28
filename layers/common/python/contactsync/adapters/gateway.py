"""Shares of the API on API Gateway: an account's own usage key, under the usage plan of its plan.

The key is named by the authorizer and by nobody else, so it is no secret: its value is the account's id.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from contactsync.adapters.clients import busy_if_transient

if TYPE_CHECKING:
    from mypy_boto3_apigateway import APIGatewayClient


class UsagePlans:
    """See `ports.Shares`.

    Args:
        plans: the ids of the usage plans by the names of our plans.
        client: of API Gateway; made when it is needed.
    """

    def __init__(self, plans: Mapping[str, str], client: Callable[[], APIGatewayClient]) -> None:
        self._plans = plans
        self._make = client
        self._made: APIGatewayClient | None = None

    def put(self, account_id: str, plan: str) -> None:
        """See `ports.Shares.put`."""
        client, wanted = self._client(), self._plans[plan]
        with busy_if_transient():
            key_id = self._key(account_id)
            if key_id is None:
                made = client.create_api_key(name=account_id, value=account_id, enabled=True)
                key_id = made["id"]
            # A key is under one usage plan of a stage at most, so it leaves the others first
            for other in set(self._plans.values()) - {wanted}:
                self._leave(other, key_id)
            try:
                client.create_usage_plan_key(usagePlanId=wanted, keyId=key_id, keyType="API_KEY")
            except client.exceptions.ConflictException:
                return  # it is there already

    def remove(self, account_id: str) -> None:
        """See `ports.Shares.remove`."""
        with busy_if_transient():
            key_id = self._key(account_id)
            if key_id is not None:
                self._client().delete_api_key(apiKey=key_id)

    def _leave(self, plan_id: str, key_id: str) -> None:
        client = self._client()
        try:
            client.delete_usage_plan_key(usagePlanId=plan_id, keyId=key_id)
        except client.exceptions.NotFoundException:
            return

    def _key(self, account_id: str) -> str | None:
        """The id of the account's key; None if it has none."""
        pages = self._client().get_paginator("get_api_keys").paginate(nameQuery=account_id)
        found = (key["id"] for page in pages for key in page["items"] if key.get("name") == account_id)
        return next(found, None)

    def _client(self) -> APIGatewayClient:
        if self._made is None:
            self._made = self._make()
        return self._made
