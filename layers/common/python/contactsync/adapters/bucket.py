"""Files of one bucket, on S3.

Keys hold identifiers only, never people's data: they show up in access logs and error messages.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import quote

from contactsync.adapters.clients import busy_if_transient
from contactsync.adapters.patience import Patience
from contactsync.errors import Busy, NotFound
from contactsync.ports import ObjectWriter, Version

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART_BYTES = 8 * 1024 * 1024
"""Parts of an upload. S3 takes 10,000 of them, so an object of up to 78 GB, and wants 5 MiB at least."""
BUFFER_BYTES = 256 * 1024
KEYS_A_REQUEST = 1000
"""S3's bound for one DeleteObjects."""
MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
VERSION_MISSING = frozenset({"NoSuchVersion", "MethodNotAllowed", "InvalidArgument"})
"""What S3 says of a version that is gone, of one that only marks a deletion, and of a name that no version has."""
_CHANGED = "An object changed while it was read."


class Bucket:
    """See `ports.Objects`. `client` makes the client when it is first needed."""

    def __init__(
        self, name: str, client: Callable[[], S3Client], *, patience: Patience | None = None
    ) -> None:
        self._name = name
        self._make_client = client
        self._patience = patience or Patience(attempts=5)

    def get(self, key: str) -> bytes:
        """See `ports.Objects.get`."""
        with self.open(key) as stream:
            return stream.read()

    @contextmanager
    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """See `ports.Objects.open`. A range is clipped at the object's end, as S3 does."""
        if length == 0:  # S3 has no range of nothing
            if self.size(key) is None:
                raise NotFound
            yield io.BytesIO()
            return
        address = {"Bucket": self._name, "Key": key}
        stop = None if length is None else offset + length
        body = _Body(self._client, self._patience, address, offset, stop)
        with body, io.BufferedReader(body, BUFFER_BYTES) as stream:
            yield cast(BinaryIO, stream)

    @contextmanager
    def open_version(self, key: str, version: Version) -> Iterator[BinaryIO]:
        """See `ports.Objects.open_version`."""
        address = {"Bucket": self._name, "Key": key, "VersionId": version.id}
        body = _Body(self._client, self._patience, address, 0, None)
        with body, io.BufferedReader(body, BUFFER_BYTES) as stream:
            if body.etag.strip('"') != version.etag:
                raise NotFound
            yield cast(BinaryIO, stream)

    def size(self, key: str) -> int | None:
        """See `ports.Objects.size`."""
        try:
            with _translated():
                return self._client.head_object(Bucket=self._name, Key=key)["ContentLength"]
        except NotFound:
            return None

    def put(self, key: str, data: bytes) -> None:
        """See `ports.Objects.put`."""
        with _translated():
            self._client.put_object(Bucket=self._name, Key=key, Body=data)

    @contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        """See `ports.Objects.writer`. What fits into one part goes up as one request."""
        upload = _Upload(self._client, self._name, key)
        try:
            yield upload
            upload.complete()
        except BaseException:
            upload.abort()
            raise

    def keys(self, prefix: str) -> Iterator[str]:
        """See `ports.Objects.keys`."""
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._name, Prefix=prefix)
        with _translated():
            for page in pages:
                for entry in page.get("Contents", ()):
                    yield entry["Key"]

    def folders(self, prefix: str) -> Iterator[str]:
        """See `ports.Objects.folders`."""
        listing = self._client.get_paginator("list_objects_v2")
        with _translated():
            for page in listing.paginate(Bucket=self._name, Prefix=prefix, Delimiter="/"):
                for entry in page.get("CommonPrefixes", ()):
                    yield entry["Prefix"]

    def delete(self, keys: Iterable[str]) -> None:
        """See `ports.Objects.delete`."""
        remaining = iter(keys)
        while batch := list(islice(remaining, KEYS_A_REQUEST)):
            with _translated():
                answer = self._client.delete_objects(
                    Bucket=self._name, Delete={"Objects": [{"Key": key} for key in batch], "Quiet": True}
                )
            if answer.get("Errors"):
                raise Busy(f"{len(answer['Errors'])} of {len(batch)} objects were not deleted.")

    def presign_put(self, key: str, *, expires_s: int) -> str:
        """See `ports.Objects.presign_put`."""
        return self._presigned("put_object", {"Key": key}, expires_s)

    def presign_get(self, key: str, *, expires_s: int, filename: str) -> str:
        """See `ports.Objects.presign_get`."""
        disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        return self._presigned(
            "get_object", {"Key": key, "ResponseContentDisposition": disposition}, expires_s
        )

    def _presigned(self, method: Any, parameters: dict[str, str], expires_s: int) -> str:
        return self._client.generate_presigned_url(
            method, {"Bucket": self._name, **parameters}, ExpiresIn=expires_s
        )

    @cached_property
    def _client(self) -> S3Client:
        return self._make_client()


class _Body(io.RawIOBase):
    """The bytes from `start` up to `stop` (None: the object's end) of one version of an object.

    A body that stops short is asked for again from there, of the same version: urllib3 and botocore report some
    cut bodies and hand out others as if they were whole, so bytes are counted here.
    """

    def __init__(
        self, client: S3Client, patience: Patience, address: dict[str, Any], start: int, stop: int | None
    ) -> None:
        self._client = client
        self._patience = patience
        self._address = address
        self._at = self._end = start
        self.etag = ""
        self._stream: Any = None
        self._failures = 0
        self._begin(stop)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill some of `buffer`; 0 only at the true end."""
        while self._at < self._end:
            data = self._some(min(len(buffer), self._end - self._at))
            if data:
                buffer[: len(data)] = data
                self._at += len(data)
                self._failures = 0
                return len(data)
            self._resume()
        self._check_sum()
        return 0

    def close(self) -> None:
        """Drop the connection unless the body was read to its end."""
        if not self.closed and self._stream is not None:
            self._stream.close()
        super().close()

    def _begin(self, stop: int | None) -> None:
        """Ask for the bytes, and learn where they end and of which version they are."""
        request = dict(self._address)
        if self._at or stop is not None:
            request["Range"] = f"bytes={self._at}-{'' if stop is None else stop - 1}"
        try:
            answer = self._get(request)
        except _OutOfRange:
            return  # the object ends before the range begins
        self._end += answer["ContentLength"]
        self.etag = answer["ETag"]
        self._stream = answer["Body"]

    def _some(self, count: int) -> bytes:
        """Up to `count` bytes; none where the connection has ended, whether it says so or not."""
        from botocore.exceptions import BotoCoreError  # noqa: PLC0415 lazy, like the client

        try:
            return cast(bytes, self._stream.read(count))
        except (BotoCoreError, OSError):
            return b""

    def _resume(self) -> None:
        self._failures += 1
        self._stream.close()
        if self._failures >= self._patience.attempts:
            raise Busy(f"An object's body ended early {self._failures} times at the same place.")
        self._patience.wait(self._failures)
        expected = {"Range": f"bytes={self._at}-{self._end - 1}", "IfMatch": self.etag}
        try:
            answer = self._get(self._address | expected)
        except _OutOfRange:
            raise Busy(_CHANGED) from None
        self._stream = answer["Body"]
        if answer["ContentLength"] != self._end - self._at:
            raise Busy(_CHANGED)

    def _get(self, request: dict[str, Any]) -> Any:
        from botocore.exceptions import ClientError  # noqa: PLC0415 lazy, like the client

        try:
            with _translated():
                return self._client.get_object(**request)
        except ClientError as error:
            code = error.response.get("Error", {}).get("Code")
            if code in {"InvalidRange", "416"}:
                raise _OutOfRange from None
            if "VersionId" in request and code in VERSION_MISSING:
                raise NotFound from None
            raise

    def _check_sum(self) -> None:
        """Reading on at the end is when botocore compares the checksum of a whole object, where it has one."""
        from botocore.exceptions import BotoCoreError, FlexibleChecksumError  # noqa: PLC0415 lazy, like the client

        if self._stream is None:
            return
        try:
            self._stream.read(1)
        except FlexibleChecksumError:
            raise Busy("An object's bytes are not those that were stored.") from None
        except (BotoCoreError, OSError):
            pass  # every byte has arrived


class _OutOfRange(Exception):
    """The object ends before the range begins."""


class _Upload:
    """An object going up in parts; see `ports.ObjectWriter`. Holds one part in memory at most, twice over."""

    def __init__(self, client: S3Client, bucket: str, key: str) -> None:
        self._client = client
        self._address: Any = {"Bucket": bucket, "Key": key}
        self._buffer = bytearray()
        self._upload_id: str | None = None
        self._parts: list[Any] = []

    def write(self, data: bytes, /) -> int:
        """See `ports.ObjectWriter.write`."""
        view = memoryview(data)
        while len(self._buffer) + len(view) >= PART_BYTES:
            room = PART_BYTES - len(self._buffer)
            self._buffer += view[:room]
            view = view[room:]
            self._send_part()
        self._buffer += view
        return len(data)

    def complete(self) -> None:
        """Make the object appear."""
        if self._upload_id is None:
            with _translated():
                self._client.put_object(**self._address, Body=bytes(self._buffer))
            return
        if self._buffer:
            self._send_part()
        with _translated(gone=Busy("An upload had vanished when it was to be completed.")):
            self._client.complete_multipart_upload(
                **self._address, UploadId=self._upload_id, MultipartUpload={"Parts": self._parts}
            )

    def abort(self) -> None:
        """Leave nothing behind. What cannot be tidied now, the bucket's lifecycle rule removes."""
        if self._upload_id is None:
            return
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 lazy, like the client

        with suppress(BotoCoreError, ClientError):
            self._client.abort_multipart_upload(**self._address, UploadId=self._upload_id)

    def _send_part(self) -> None:
        with _translated(gone=Busy("An upload vanished while it was under way.")):
            if self._upload_id is None:
                self._upload_id = self._client.create_multipart_upload(**self._address)["UploadId"]
            number = len(self._parts) + 1
            sent = self._client.upload_part(
                **self._address, UploadId=self._upload_id, PartNumber=number, Body=bytes(self._buffer)
            )
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
        self._buffer.clear()


@contextmanager
def _translated(gone: Exception | None = None) -> Iterator[None]:
    """S3's errors in the port's words. `gone` is raised where the upload, not the object, is missing."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 lazy, like the client

    try:
        with busy_if_transient():
            yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in MISSING:
            raise NotFound from None
        if code == "NoSuchUpload" and gone is not None:
            raise gone from None
        if code == "PreconditionFailed":
            raise Busy(_CHANGED) from None
        raise
