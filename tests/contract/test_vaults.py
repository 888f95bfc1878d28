"""The vault's contract, in memory and on two emulators of KMS."""

from __future__ import annotations

import base64

import boto3
import pytest

from contactsync.adapters.memory import MemoryVault
from contactsync.adapters.vault import KmsVault
from contactsync.adapters.wire import ServiceError, kms
from contactsync.errors import Busy
from contactsync.ports import VAULT_BYTES, Unopenable
from tests.contract.conftest import IMPATIENT, REGION, credentials
from tests.faults.proxy import FailBeforeSending, refused, throttled

CONTEXT = {"account": "a1", "sync": "s1"}
SECRET = 'pass "wörd"\n'


class VaultContract:
    """Backends give `vault`."""

    @pytest.mark.parametrize("secret", [SECRET, "x", "k" * VAULT_BYTES])
    def test_what_is_sealed_can_be_opened(self, vault, secret):
        assert vault.decrypt(vault.encrypt(secret, CONTEXT), CONTEXT) == secret

    def test_what_is_sealed_does_not_show_it(self, vault):
        sealed = vault.encrypt("open-sesame", CONTEXT)
        assert "open-sesame" not in sealed
        assert base64.b64encode(b"open-sesame").decode() not in sealed

    @pytest.mark.parametrize(
        "other", [{"account": "a2", "sync": "s1"}, {"account": "a1", "sync": "s2"}, {"account": "a1"}, {}]
    )
    def test_another_account_or_sync_cannot_open_it(self, vault, other):
        sealed = vault.encrypt(SECRET, CONTEXT)
        with pytest.raises(Unopenable):
            vault.decrypt(sealed, other)

    @pytest.mark.parametrize("sealed", ["", "no base64!"])
    def test_what_was_never_sealed_cannot_be_opened(self, vault, sealed):
        with pytest.raises(Unopenable):
            vault.decrypt(sealed, CONTEXT)


class TestMemoryVault(VaultContract):
    @pytest.fixture
    def vault(self):
        return MemoryVault()


def kms_vault(url: str) -> KmsVault:
    client = boto3.client(
        "kms", endpoint_url=url, region_name=REGION, aws_access_key_id="test", aws_secret_access_key="test"
    )
    key = client.create_key()["KeyMetadata"]["Arn"]
    return KmsVault(key, kms(REGION, endpoint=url, credentials=credentials, patience=IMPATIENT))


class TestKmsVaultOnMoto(VaultContract):
    @pytest.fixture
    def vault(self, moto_url):
        return kms_vault(moto_url)


class TestKmsVaultOnMinistack(VaultContract):
    @pytest.fixture
    def vault(self, ministack_url):
        return kms_vault(ministack_url)


class TestFaultsOnTheWay:
    @pytest.fixture
    def proxy(self, moto_url, proxy_to):
        return proxy_to(moto_url)

    @pytest.fixture
    def vault(self, proxy):
        return kms_vault(proxy.url)

    @pytest.mark.parametrize(
        "fault",
        [throttled("ThrottlingException"), refused("KMSInternalException", 500), FailBeforeSending()],
        ids=["throttled", "broken", "away"],
    )
    def test_what_passes_is_tried_again(self, vault, proxy, fault):
        proxy.plan_where(lambda call: call.operation == "Encrypt", fault, times=1)
        assert vault.decrypt(vault.encrypt(SECRET, CONTEXT), CONTEXT) == SECRET

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            ("IncorrectKeyException", Unopenable),
            ("InvalidCiphertextException", Unopenable),
            ("AccessDeniedException", ServiceError),
            ("DisabledException", ServiceError),
        ],
    )
    def test_what_we_may_not_open_is_not_told_as_foreign(self, vault, proxy, code, told):
        """What is foreign ends a member's connection; what is ours to mend must not."""
        sealed = vault.encrypt(SECRET, CONTEXT)
        proxy.plan_where(lambda call: call.operation == "Decrypt", refused(code, 400), times=1)
        with pytest.raises(told):
            vault.decrypt(sealed, CONTEXT)

    def test_what_stays_away_is_busy(self, vault, proxy):
        proxy.plan_where(lambda call: True, throttled("ThrottlingException"), times=9)
        with pytest.raises(Busy):
            vault.encrypt(SECRET, CONTEXT)
