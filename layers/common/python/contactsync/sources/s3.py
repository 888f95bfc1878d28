"""Files in a customer's own bucket on S3.

Access is always by a role that is assumed for this one account, never by the function's own role: that one may
read our buckets, and a customer could name them. Either the customer names a role of theirs, which asks for the
account's external id; or their bucket's policy admits our reader role, whose session carries the external id as
the tag `external_id`, to be asked for with aws:PrincipalTag. Without either, any customer could read another's
bucket through us by naming it (the "confused deputy").
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from contactsync.errors import SourceAway, UnreadableFile
from contactsync.ports import Ending, SourceStream
from contactsync.sources.choosing import FilePath
from contactsync.sources.transfer import BUFFER_BYTES, Cut, Leg, Limits, Transfer, changed, too_large

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import GetObjectOutputTypeDef

SESSION_S = 3600
MISSING = frozenset({"404", "NoSuchKey", "NoSuchBucket", "NoSuchVersion", "NotFound"})
REFUSED = frozenset({"403", "AccessDenied", "AllAccessDisabled", "InvalidAccessKeyId"})
PASSING = frozenset({"ExpiredToken", "RequestTimeout", "SlowDown", "ThrottlingException", "Throttling"})


@dataclass(frozen=True, slots=True)
class Access:
    """How to get at the bucket: as `role_arn`, which has to ask for `external_id`; `ours` if it is our reader role."""

    role_arn: str
    external_id: str
    region: str
    ours: bool = False


class S3BucketSource:
    """See `ports.Source`. The key's last part may hold `*` and `?`: then the newest match is meant."""

    def __init__(self, bucket: str, key: str, *, access: Access, limits: Limits | None = None) -> None:
        self._bucket = bucket
        self._key = key
        self._access = access
        self._limits = limits or Limits()

    @contextmanager
    def open(self) -> Iterator[SourceStream]:
        """See `ports.Source.open`."""
        fetching = _Fetching(self._bucket, FilePath.of(self._key, encoded=False), self._access, self._limits)
        with (
            Transfer(fetching.begin, self._limits, f"The bucket {self._bucket}") as transfer,
            io.BufferedReader(transfer, BUFFER_BYTES) as body,
        ):
            yield SourceStream(
                cast(BinaryIO, body),
                transfer.ending,
                name=fetching.key.rpartition("/")[2],
                size=fetching.length,
                etag=fetching.etag,
                last_modified=fetching.last_modified,
            )


class _Fetching:
    """One object being fetched: its key, and the version that was begun with, to which every request is held."""

    def __init__(self, bucket: str, path: FilePath, access: Access, limits: Limits) -> None:
        self.key = "" if path.pattern else path.folder + path.name
        self.etag: str | None = None
        self.last_modified: str | None = None
        self._version: dict[str, str] = {}
        self.length: int | None = None
        self._bucket = bucket
        self._path = path
        self._access = access
        self._limits = limits
        self._client: S3Client | None = None

    def begin(self, at: int) -> Leg:
        """The object from byte `at`. See `transfer.Transfer`."""
        with _translated(self._bucket):
            if self._client is None:
                self._client = _client(self._bucket, self._access, self._limits)
            if not self.key:
                self.key = self._path.folder + self._path.newest(
                    _listed(self._client, self._bucket, self._path)
                )
            if self.length is not None and at >= self.length:
                return _S3Leg(None, at, self.length)
            request: Any = {"Bucket": self._bucket, "Key": self.key, **self._version}
            if at:
                request["Range"] = f"bytes={at}-"
            answer = self._client.get_object(**request)
        if at == 0:
            self._note(answer)
        return _S3Leg(answer["Body"], at, cast(int, self.length))

    def _note(self, answer: GetObjectOutputTypeDef) -> None:
        self.length = answer["ContentLength"]
        if self.length > self._limits.most_bytes:
            raise too_large(self._limits.most_bytes)
        self.etag = answer["ETag"]
        self.last_modified = answer["LastModified"].isoformat()
        self._version = {"IfMatch": self.etag}
        if answer.get("VersionId", "null") != "null":
            self._version["VersionId"] = answer["VersionId"]


class _S3Leg:
    """One answer's body. botocore hands out some cut bodies as if they were whole, so bytes are counted here."""

    def __init__(self, body: Any, at: int, length: int) -> None:
        self.start = at
        self._left = length - at
        self._body = body

    def read(self, count: int, /) -> bytes:
        """See `transfer.Leg.read`."""
        if not self._left:
            return b""
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 boto3 is imported when a file is opened
        from urllib3.exceptions import HTTPError  # noqa: PLC0415

        try:
            data = cast(bytes, self._body.read(min(count, self._left)))
        except (BotoCoreError, HTTPError):
            raise Cut from None
        if not data:
            raise Cut
        self._left -= len(data)
        return data

    def ending(self) -> Ending:
        """See `transfer.Leg.ending`."""
        return Ending("length")

    def close(self) -> None:
        """See `transfer.Leg.close`."""
        if self._body is not None:
            self._body.close()


def _client(bucket: str, access: Access, limits: Limits) -> S3Client:
    """A client that may read this bucket and nothing else, whatever else the role may."""
    import os  # noqa: PLC0415

    import boto3  # noqa: PLC0415 a third of a second
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import ClientError  # noqa: PLC0415

    bounds = Config(
        connect_timeout=limits.connect_s,
        read_timeout=limits.read_s,
        retries={"mode": "standard", "total_max_attempts": 3},
    )
    partition = access.role_arn.split(":")[1] if access.role_arn.count(":") >= 5 else "aws"
    arn = f"arn:{partition}:s3:::{bucket}"
    allowed = [
        {"Effect": "Allow", "Action": ["s3:GetObject", "s3:GetObjectVersion"], "Resource": f"{arn}/*"},
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": arn},
        {
            "Effect": "Allow",
            "Action": "kms:Decrypt",
            "Resource": "*",
        },  # for buckets under a key of the customer
    ]
    identity: dict[str, Any] = (
        {"Tags": [{"Key": "external_id", "Value": access.external_id}]}
        if access.ours
        else {"ExternalId": access.external_id}
    )
    try:
        session = boto3.client("sts", region_name=access.region, config=bounds).assume_role(
            RoleArn=access.role_arn,
            RoleSessionName="contact-sync",
            DurationSeconds=SESSION_S,
            Policy=json.dumps({"Version": "2012-10-17", "Statement": allowed}),
            **identity,
        )
    except ClientError as error:
        if error.response["Error"].get("Code") not in REFUSED | {"ValidationError"}:
            raise
        raise UnreadableFile(
            "role_refused",
            "We may not assume the role of this source.",
            "Let its trust policy admit our AWS account under the condition that sts:ExternalId is the external id "
            "shown with your account.",
        ) from None
    keys = session["Credentials"]
    return boto3.client(
        "s3",
        region_name=access.region,
        config=bounds.merge(
            # against an endpoint of one's own, buckets are named in the path, as no name would resolve
            Config(
                signature_version="s3v4",
                s3={"addressing_style": "path" if os.environ.get("AWS_ENDPOINT_URL") else "auto"},
            )
        ),
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
    )


def _listed(client: S3Client, bucket: str, path: FilePath) -> Iterator[tuple[str, str]]:
    """Time and name of the objects that lie directly under the path's folder."""
    prefix = path.folder + path.fixed
    pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix, Delimiter="/")
    for page in pages:
        for entry in page.get("Contents", ()):
            yield entry["LastModified"].isoformat(), entry["Key"].removeprefix(path.folder)


@contextmanager
def _translated(bucket: str) -> Iterator[None]:
    """S3's errors in the port's words."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in MISSING:
            raise UnreadableFile(
                "file_not_found",
                f"There is no such object in the bucket {bucket}.",
                "Check bucket and key; if they are right, the file has not been put there, or was removed.",
            ) from None
        if code.startswith("KMS.") or (
            code in REFUSED and "kms:" in error.response["Error"].get("Message", "")
        ):
            raise UnreadableFile(
                "key_refused",
                f"The object in the bucket {bucket} is encrypted under a key that we may not use.",
                "Let the key's policy allow kms:Decrypt to the role of this source; if the key is disabled, enable it.",
            ) from None
        if code in REFUSED:
            raise UnreadableFile(
                "access_refused",
                f"The bucket {bucket} does not let us have this object.",
                "Allow s3:GetObject and s3:ListBucket to the role of this source, and kms:Decrypt if it is encrypted.",
            ) from None
        if code == "InvalidObjectState":
            raise UnreadableFile(
                "file_archived", "The object is archived (Glacier).", "Restore it, or name another one."
            ) from None
        if code in {"PreconditionFailed", "412", "InvalidRange"}:
            raise changed(f"the bucket {bucket}") from None
        if status >= 500 or code in PASSING:
            raise SourceAway(f"S3 answers {code or status} for the bucket {bucket}.") from None
        raise
    except BotoCoreError:
        raise SourceAway(f"S3 could not be reached for the bucket {bucket}.") from None
