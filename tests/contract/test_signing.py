"""Our signature against botocore's, which is the oracle."""

from __future__ import annotations

from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import parse_qsl, urlsplit

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.utils import percent_encode

from contactsync.adapters.signing import (
    Credentials,
    NoCredentials,
    RestSigner,
    Signer,
    credential_source,
    s3_target,
)


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


HOST = "uploads.s3.eu-west-1.amazonaws.com"
ODD = [
    "a/b.csv",
    "a//b/../c",
    "./",
    "Ω é/☃ 🎉",
    "+&?%20=#;,:@$",
    "~-._!*'()",
    "line\nend\r\x01\t",
    '[{<"\\|^`>}]',
    "/",
]
WHEN = datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)


@pytest.fixture
def at_when(monkeypatch):
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda **_: WHEN.replace(tzinfo=None))


@pytest.mark.parametrize("token", [None, "token/with+signs=="])
@pytest.mark.parametrize("key", ODD)
class TestS3:
    def test_both_sign_alike(self, at_when, key, token):
        target = s3_target(f"/{key}", [("versionId", key), ("uploads", ""), ("a-b", "1"), ("a", "2")])
        headers = {"range": "bytes=1-2", "if-match": '"e"', "x-amz-checksum-crc32": "AAAAAA=="}
        body = key.encode()
        digest = sha256(body).hexdigest()
        ours = RestSigner("s3", "eu-west-1", HOST).headers(
            "PUT", target, {**headers, "x-amz-content-sha256": digest}, digest,
            Credentials("AKID", "secret/+", token), at=WHEN.timestamp(),
        )  # fmt: skip
        request = AWSRequest("PUT", f"https://{HOST}{target}", headers={**headers, "host": HOST}, data=body)
        request.context["client_config"] = Config(s3={"payload_signing_enabled": True})
        S3SigV4Auth(BotocoreCredentials("AKID", "secret/+", token), "s3", "eu-west-1").add_auth(request)
        assert {name.lower(): value for name, value in request.headers.items()} == ours

    def test_both_presign_alike(self, at_when, key, token):
        query = [("response-content-disposition", key)]
        ours = RestSigner("s3", "eu-west-1", HOST).presigned(
            "GET", f"/{key}", query, 60, Credentials("AKID", "secret/+", token), at=WHEN.timestamp()
        )
        request = AWSRequest("GET", f"https://{HOST}{s3_target(f'/{key}', query)}")
        S3SigV4QueryAuth(
            BotocoreCredentials("AKID", "secret/+", token), "s3", "eu-west-1", expires=60
        ).add_auth(request)
        theirs = urlsplit(request.url)
        assert ours.partition("?")[0] == theirs.path
        assert sorted(parse_qsl(ours.partition("?")[2])) == sorted(parse_qsl(theirs.query))

    def test_both_write_the_path_alike(self, key, token):
        assert s3_target(f"/{key}") == percent_encode(f"/{key}", safe="/~")


@pytest.mark.parametrize("token", [None, "token/with+signs=="])
@pytest.mark.parametrize("body", [b"{}", '{"Data": "Ωλ"}'.encode()])
def test_both_sign_a_mail_alike(at_when, token, body):
    host, target, sent = "email.eu-west-1.amazonaws.com", "/v2/email/outbound-emails", {"content-type": "a/b"}
    ours = RestSigner("ses", "eu-west-1", host).headers(
        "POST", target, sent, sha256(body).hexdigest(), Credentials("AKID", "secret/+", token),
        at=WHEN.timestamp(),
    )  # fmt: skip
    request = AWSRequest("POST", f"https://{host}{target}", headers={**sent, "host": host}, data=body)
    credentials = BotocoreCredentials("AKID", "secret/+", token)
    botocore.auth.SigV4Auth(credentials, "ses", "eu-west-1").add_auth(request)
    assert {name.lower(): value for name, value in request.headers.items()} == ours


def test_the_signing_key_follows_day_and_credentials():
    """Whoever has signed before signs as whoever has not, though the key is kept."""

    def signer() -> Signer:
        return Signer("events", "eu-west-1", "example.com", "application/x-amz-json-1.1")

    def signed(signer: Signer, secret: str, at: float) -> str:
        return signer.headers("A.B", b"{}", Credentials("AKID", secret), at=at)["Authorization"]

    asked = [("one", 0), ("one", 86_400), ("two", 86_400), ("two", 0), ("one", 0), ("one", 1)]
    long_at_it = signer()
    assert [signed(long_at_it, *each) for each in asked] == [signed(signer(), *each) for each in asked]


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
