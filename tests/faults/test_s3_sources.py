"""What S3 does under a fetch, and what the fetch asks of it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, IncompleteReadError

from contactsync.errors import Busy, UnreadableFile
from contactsync.model.source import external_id
from contactsync.sources.s3 import Access, S3BucketSource
from contactsync.sources.transfer import Limits
from tests.support.world import World

TEXT = b"email,name\r\n" + b"".join(b"ann%d@example.com,Ann %d\r\n" % (n, n) for n in range(40_000))
QUICK = Limits(attempts=3, first_wait_s=0.001)
THEIRS = Access("arn:aws:iam::123456789012:role/reader", "external-1", "eu-west-1")


class Body(io.BytesIO):
    """A body that ends where it is told, with or without a word."""

    def __init__(self, data: bytes, at: int | None, *, quietly: bool) -> None:
        super().__init__(data[:at])
        self._cut = at is not None and not quietly

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(size)
        if not data and self._cut:
            raise IncompleteReadError(actual_bytes=0, expected_bytes=1)
        return data


class Bucket:
    """boto3 as far as it is used: one object, and a record of what was asked."""

    def __init__(self) -> None:
        self.content = TEXT
        self.etag = '"v1"'
        self.cuts: list[tuple[int | None, bool]] = []
        self.listed: list[tuple[str, int]] = []
        self.refuse: dict[str, str] = {}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.credentials: dict[str, Any] = {}

    def client(self, service: str, **options: Any) -> Bucket:
        if service == "s3":
            self.credentials = {name: value for name, value in options.items() if name.startswith("aws_")}
        return self

    def assume_role(self, **request: Any) -> dict[str, Any]:
        self._note("AssumeRole", request)
        return {"Credentials": {"AccessKeyId": "A", "SecretAccessKey": "B", "SessionToken": "C"}}

    def get_object(self, **request: Any) -> dict[str, Any]:
        self._note("GetObject", request)
        if request.get("IfMatch", self.etag) != self.etag:
            raise error("PreconditionFailed", "GetObject", 412)
        start = int(request.get("Range", "bytes=0-")[6:-1])
        at, quietly = self.cuts.pop(0) if self.cuts else (None, True)
        data = self.content[start:]
        return {
            "Body": Body(data, at, quietly=quietly), "ContentLength": len(data), "ETag": self.etag, "VersionId": "id1",
            "LastModified": datetime(2026, 1, 1, tzinfo=UTC),
        }  # fmt: skip

    def get_paginator(self, name: str) -> Bucket:
        return self

    def paginate(self, **request: Any) -> list[dict[str, Any]]:
        self._note("ListObjectsV2", request)
        entries = [
            {"Key": key, "LastModified": datetime(2026, 1, day, tzinfo=UTC)} for key, day in self.listed
        ]
        return [{"Contents": entries[:2]}, {"Contents": entries[2:]}, {}]

    def _note(self, operation: str, request: dict[str, Any]) -> None:
        self.asked.append((operation, request))
        if operation in self.refuse:
            raise error(self.refuse[operation], operation, 403)


def error(code: str, operation: str, status: int) -> ClientError:
    """`code` may go on with what the service says: "AccessDenied: why"."""
    code, _, message = code.partition(": ")
    answer: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(answer, operation)


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Bucket:
    bucket = Bucket()
    monkeypatch.setattr(boto3, "client", bucket.client)
    return bucket


def fetched(key: str = "in/contacts.csv", access: Access = THEIRS) -> tuple[bytes, str | None]:
    with S3BucketSource("customer", key, access=access, limits=QUICK).open() as stream:
        return stream.body.read(), stream.ending().proof


def test_access_is_by_a_role_that_asks_for_the_external_id_and_may_read_this_bucket_only(bucket):
    fetched()
    operation, request = bucket.asked[0]
    assert operation == "AssumeRole"
    assert request["ExternalId"] == "external-1"
    assert {resource for statement in json.loads(request["Policy"])["Statement"] for resource in [statement["Resource"]]
            if "s3:" in str(statement["Action"])} == {"arn:aws:s3:::customer", "arn:aws:s3:::customer/*"}  # fmt: skip
    assert bucket.credentials == {
        "aws_access_key_id": "A",
        "aws_secret_access_key": "B",
        "aws_session_token": "C",
    }


def test_our_own_role_carries_the_external_id_as_a_tag(bucket):
    fetched(access=Access("arn:aws:iam::210987654321:role/ours", "external-1", "eu-west-1", ours=True))
    assert bucket.asked[0][1]["Tags"] == [{"Key": "external_id", "Value": "external-1"}]
    assert "ExternalId" not in bucket.asked[0][1]


@pytest.mark.parametrize("quietly", [True, False])
def test_after_a_cut_the_rest_of_the_same_version_is_asked_for(bucket, quietly):
    bucket.cuts = [(500_000, quietly), (300_000, quietly)]
    assert fetched() == (TEXT, "length")
    _, request = bucket.asked[2]
    assert request["Range"] == "bytes=434464-"  # 64 KiB are compared
    assert request["IfMatch"] == '"v1"'
    assert request["VersionId"] == "id1"


def test_an_object_that_changes_meanwhile_is_read_anew_later(bucket):
    bucket.cuts = [(500_000, True)]
    with S3BucketSource("customer", "in/a.csv", access=THEIRS, limits=QUICK).open() as stream:
        bucket.etag = '"v2"'
        with pytest.raises(Busy, match="changed"):
            stream.body.read()


def test_the_newest_match_is_taken_and_of_equals_the_last_by_name(bucket):
    bucket.listed = [
        ("in/contacts-1.csv", 3),
        ("in/contacts-2.csv", 9),
        ("in/contacts-3.csv", 9),
        ("in/contacts-4.txt", 20),
    ]
    with S3BucketSource("customer", "in/contacts-*.csv", access=THEIRS, limits=QUICK).open() as stream:
        assert stream.name == "contacts-3.csv"
    assert bucket.asked[1][1] == {"Bucket": "customer", "Prefix": "in/contacts-", "Delimiter": "/"}
    assert bucket.asked[2][1]["Key"] == "in/contacts-3.csv"


def test_the_folder_s_own_object_is_no_file(bucket):
    bucket.listed = [("in/", 9), ("in/contacts.csv", 3)]
    with S3BucketSource("customer", "in/*", access=THEIRS, limits=QUICK).open() as stream:
        assert stream.name == "contacts.csv"
    bucket.listed = [("in/", 9)]
    with (
        pytest.raises(UnreadableFile, match="file_not_found"),
        S3BucketSource("customer", "in/*", access=THEIRS, limits=QUICK).open(),
    ):
        pass


@pytest.mark.parametrize(
    ("operation", "answer", "code"),
    [
        ("AssumeRole", "AccessDenied", "role_refused"), ("GetObject", "AccessDenied", "access_refused"),
        ("GetObject", "NoSuchKey", "file_not_found"), ("GetObject", "NoSuchBucket", "file_not_found"),
        ("GetObject", "InvalidObjectState", "file_archived"), ("GetObject", "KMS.DisabledException", "key_refused"),
        ("GetObject", "AccessDenied: not authorized to perform: kms:Decrypt on the resource", "key_refused"),
    ],
)  # fmt: skip
def test_a_refusal_names_whose_move_it_is(bucket, operation, answer, code):
    bucket.refuse = {operation: answer}
    with pytest.raises(UnreadableFile) as caught:
        fetched()
    assert caught.value.code == code


def test_what_can_heal_is_to_be_tried_again(bucket):
    bucket.refuse = {"GetObject": "SlowDown"}
    with pytest.raises(Busy):
        fetched()


@pytest.mark.parametrize(
    ("operation", "answer", "code", "move"),
    [
        ("AssumeRole", "AccessDenied", "role_refused", "sts:ExternalId"),
        ("ListObjectsV2", "AccessDenied", "access_refused", "s3:ListBucket"),
        ("GetObject", "AccessDenied", "access_refused", "s3:GetObject"),
        ("GetObject", "AccessDenied: not authorized to perform: kms:Decrypt", "key_refused", "kms:Decrypt"),
        ("GetObject", "NoSuchKey", "file_not_found", "bucket and key"),
    ],
)
def test_a_run_asks_under_the_account_s_external_id_and_names_what_is_refused(
    bucket, operation, answer, code, move
):
    """A role that asks for another external id refuses like one that does not know us: the move is the same."""
    world = World()
    bucket.listed = [("in/contacts.csv", 1)]
    source = {"kind": "s3", "bucket": "customer", "key": "in/*.csv", "role_arn": THEIRS.role_arn}
    run = world.import_rows("", [{"column": "email", "field": "email"}], source=source)
    assert run.status == "succeeded"
    assert bucket.asked[0][1]["ExternalId"] == external_id(world.account.account_id)
    bucket.refuse = {operation: answer}
    again = world.again(run.sync_id, "")
    world.execute(again)
    problem = world.run(again).problem
    assert problem
    assert (problem.code, move in problem.detail) == (code, True)
