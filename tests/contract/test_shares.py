"""The contract of shares of the API, in memory and on two emulators of API Gateway."""

from __future__ import annotations

import itertools

import boto3
import pytest

from contactsync.adapters.gateway import UsagePlans
from contactsync.adapters.memory import MemoryShares
from tests.contract.conftest import REGION

_numbers = itertools.count(1)


@pytest.fixture
def account():
    return f"a{next(_numbers):024x}"


class SharesContract:
    """Backends give `shares` over the plans free and standard, and `known`, the plan by which an account is counted."""

    def test_an_account_is_counted_by_its_plan(self, shares, known, account):
        shares.put(account, "free")
        assert known(account) == "free"

    def test_the_last_word_counts_and_may_be_said_again(self, shares, known, account):
        for plan in ("free", "standard", "standard", "free"):
            shares.put(account, plan)
            assert known(account) == plan

    def test_each_account_has_its_own(self, shares, known, account):
        other = f"{account[:-1]}x"
        shares.put(account, "free")
        shares.put(other, "standard")
        shares.remove(other)
        assert (known(account), known(other)) == ("free", None)

    def test_removing_what_is_not_there_is_no_error(self, shares, known, account):
        shares.remove(account)
        shares.put(account, "free")
        shares.remove(account)
        shares.remove(account)
        assert known(account) is None


class TestMemoryShares(SharesContract):
    @pytest.fixture
    def shares(self):
        return MemoryShares()

    @pytest.fixture
    def known(self, shares):
        return shares.kept.get


class _ServiceContract(SharesContract):
    @pytest.fixture
    def client(self, url):
        return boto3.client("apigateway", endpoint_url=url, region_name=REGION)

    @pytest.fixture
    def plans(self, client):
        return {name: client.create_usage_plan(name=name)["id"] for name in ("free", "standard")}

    @pytest.fixture
    def shares(self, client, plans):
        return UsagePlans(plans, lambda: client)

    @pytest.fixture
    def known(self, client, plans):
        def known(account):
            [key_id] = [key["id"] for key in client.get_api_keys()["items"] if key["name"] == account] or [
                None
            ]
            under = [
                name
                for name, plan_id in plans.items()
                if key_id in {key["id"] for key in client.get_usage_plan_keys(usagePlanId=plan_id)["items"]}
            ]
            assert len(under) <= 1
            return under[0] if under else None

        return known

    def test_the_key_is_what_the_authorizer_names(self, shares, client, account):
        shares.put(account, "free")
        found = client.get_api_keys(includeValues=True)["items"]
        assert [key["value"] for key in found if key["name"] == account] == [account]


class TestUsagePlansOnMoto(_ServiceContract):
    @pytest.fixture
    def url(self, moto_url):
        return moto_url


class TestUsagePlansOnMinistack(_ServiceContract):
    @pytest.fixture
    def url(self, ministack_url):
        return ministack_url
