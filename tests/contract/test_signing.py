"""Our signature against botocore's, which is the oracle."""

from __future__ import annotations

from datetime import UTC, datetime

import botocore.auth
import pytest
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from contactsync.adapters.signing import Credentials, NoCredentials, Signer, credential_source


@pytest.mark.parametrize("token", [None, "token/with+signs=="])
@pytest.mark.parametrize("body", [b"{}", '{"name": "Ωλ\\u0000"}'.encode(), b""])
@pytest.mark.parametrize("host", ["dynamodb.eu-west-1.amazonaws.com", "127.0.0.1:4566"])
def test_both_sign_alike(monkeypatch, token, body, host):
    when = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: when.replace(tzinfo=None))
    signer = Signer("dynamodb", "eu-west-1", host, "application/x-amz-json-1.0")
    ours = signer.headers(
        "DynamoDB_20120810.GetItem", body, Credentials("AKID", "secret/+", token), at=when.timestamp()
    )

    sent = {name: ours[name] for name in ("Host", "Content-Type", "X-Amz-Target")}
    request = AWSRequest("POST", f"http://{host}/", headers=sent, data=body)
    botocore.auth.SigV4Auth(BotocoreCredentials("AKID", "secret/+", token), "dynamodb", "eu-west-1").add_auth(
        request
    )
    assert dict(request.headers.items()) == ours


def test_the_signing_key_follows_day_and_credentials():
    signer = Signer("events", "eu-west-1", "example.com", "application/x-amz-json-1.1")

    def signature(secret: str, at: float) -> str:
        return signer.headers("A.B", b"{}", Credentials("AKID", secret), at=at)["Authorization"].rpartition(
            "="
        )[2]

    seen = {signature(secret, at) for secret in ("one", "two") for at in (0, 86_400)}
    assert len(seen) == 4
    assert signature("one", 0) == signature("one", 0)


def test_the_environment_comes_first(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "A")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "B")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "C")
    assert credential_source()() == Credentials("A", "B", "C")


def test_a_profile_is_found_by_botocore(monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = P\naws_secret_access_key = Q\n")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    assert credential_source()() == Credentials("P", "Q", None)


def test_without_credentials_the_error_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(NoCredentials, match="AWS_PROFILE"):
        credential_source()


def test_secrets_do_not_show(capsys):
    print(Credentials("AKID", "hush", "quiet"))
    assert capsys.readouterr().out.strip() == "Credentials(access_key='AKID')"
