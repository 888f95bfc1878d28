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
            under = {plan_id for plan_id in self._plans.values() if self._is_under(plan_id, key_id)}
            for other in under - {wanted}:
                client.delete_usage_plan_key(usagePlanId=other, keyId=key_id)
            if wanted not in under:
                client.create_usage_plan_key(usagePlanId=wanted, keyId=key_id, keyType="API_KEY")

    def remove(self, account_id: str) -> None:
        """See `ports.Shares.remove`."""
        with busy_if_transient():
            key_id = self._key(account_id)
            if key_id is not None:
                self._client().delete_api_key(apiKey=key_id)

    def _is_under(self, plan_id: str, key_id: str) -> bool:
        client = self._client()
        try:
            client.get_usage_plan_key(usagePlanId=plan_id, keyId=key_id)
        except client.exceptions.NotFoundException:
            return False
        return True

    def _key(self, account_id: str) -> str | None:
        """The id of the account's key; None if it has none."""
        pages = self._client().get_paginator("get_api_keys").paginate(nameQuery=account_id)
        found = (key["id"] for page in pages for key in page["items"] if key.get("name") == account_id)
        return next(found, None)

    def _client(self) -> APIGatewayClient:
        if self._made is None:
            self._made = self._make()
        return self._made
