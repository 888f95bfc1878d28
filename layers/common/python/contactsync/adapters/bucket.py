"""Files of one bucket, on S3.

Keys hold identifiers only, never people's data: they show up in access logs and error messages.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from typing import Any, BinaryIO, cast
from urllib.parse import quote, unquote_plus

from contactsync.adapters.s3_wire import CRC32, Checksum, Crc32, Incoming, S3Wire, checksum_to_be
from contactsync.adapters.wire import ServiceError
from contactsync.errors import Busy, NotFound, UnreadableFile
from contactsync.ports import ObjectWriter, Version

PART_BYTES = 8 * 1024 * 1024
"""Parts of an upload. S3 takes 10,000 of them, so an object of up to 78 GB, and wants 5 MiB at least."""
BUFFER_BYTES = 256 * 1024
KEYS_A_REQUEST = 1000
"""S3's bound for one DeleteObjects."""
MISSING = frozenset({"HTTP 404", "NoSuchKey"})
VERSION_MISSING = frozenset({"NoSuchVersion", "MethodNotAllowed", "InvalidArgument"})
"""What S3 says of a version that is gone, of one that only marks a deletion, and of a name that no version has."""
LOCKED = frozenset({"AccessDenied", "InvalidRequest", "KMS.DisabledException", "KMS.NotFoundException"})
"""What is answered for an object whose writer chose a key of their own: our role may read all others."""
UNFIT_FOR_XML = frozenset([*map(chr, range(32)), "\ufffe", "\uffff"]) - {"\t", "\n", "\r"}
"""Characters that a key may have and XML cannot."""
_CHANGED = "An object changed while it was read."
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_ONE_CHECKSUM = {"x-amz-checksum-type": "FULL_OBJECT"}
"""An object in parts has a checksum of all its bytes, with which whoever reads it can compare, not one of its parts'."""
_ESCAPED = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;", "\n": "&#10;"})
"""Line ends as well, because XML reads one kind for another."""


class Bucket:
    """See `ports.Objects`."""

    def __init__(self, wire: S3Wire) -> None:
        self._wire = wire

    def get(self, key: str) -> bytes:
        """See `ports.Objects.get`."""
        with _Body(self._wire, key) as body:
            return body.readall()

    @contextmanager
    def open(self, key: str, *, offset: int = 0, length: int | None = None) -> Iterator[BinaryIO]:
        """See `ports.Objects.open`. A range is clipped at the object's end, as S3 does."""
        if length == 0:  # S3 has no range of nothing
            if self.size(key) is None:
                raise NotFound
            yield io.BytesIO()
            return
        stop = None if length is None else offset + length
        body = _Body(self._wire, key, start=offset, stop=stop)
        with body, io.BufferedReader(body, BUFFER_BYTES) as stream:
            yield cast(BinaryIO, stream)

    @contextmanager
    def open_version(self, key: str, version: Version) -> Iterator[BinaryIO]:
        """See `ports.Objects.open_version`."""
        try:
            body = _Body(self._wire, key, version=version)
        except ServiceError as error:
            if error.code not in LOCKED:
                raise
            raise UnreadableFile(
                "dropped_file_locked",
                "The file is encrypted under a key that we may not use.",
                "Put it there again without naming a key or a kind of encryption: the bucket encrypts by itself.",
            ) from None
        with body, io.BufferedReader(body, BUFFER_BYTES) as stream:
            if body.etag.strip('"') != version.etag:
                raise NotFound
            yield cast(BinaryIO, stream)

    def size(self, key: str) -> int | None:
        """See `ports.Objects.size`."""
        try:
            with _translated():
                return int(self._wire.call("HeadObject", key).headers["content-length"])
        except NotFound:
            return None

    def put(self, key: str, data: bytes) -> None:
        """See `ports.Objects.put`."""
        _put(self._wire, key, data)

    @contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        """See `ports.Objects.writer`. What fits into one part goes up as one request."""
        upload = _Upload(self._wire, key)
        try:
            yield upload
            upload.complete()
        except BaseException:
            upload.abort()
            raise

    def keys(self, prefix: str) -> Iterator[str]:
        """See `ports.Objects.keys`."""
        return self._listed("Contents/Key", prefix=prefix)

    def folders(self, prefix: str) -> Iterator[str]:
        """See `ports.Objects.folders`."""
        return self._listed("CommonPrefixes/Prefix", prefix=prefix, delimiter="/")

    def delete(self, keys: Iterable[str]) -> None:
        """See `ports.Objects.delete`."""
        remaining = iter(keys)
        while batch := list(islice(remaining, KEYS_A_REQUEST)):
            self._delete([key for key in batch if UNFIT_FOR_XML.isdisjoint(key)])
            for key in batch:
                if not UNFIT_FOR_XML.isdisjoint(key):
                    with _translated():
                        self._wire.call("DeleteObject", key)

    def presign_put(self, key: str, *, expires_s: int) -> str:
        """See `ports.Objects.presign_put`."""
        return self._wire.presigned("PUT", key, expires_s=expires_s)

    def presign_get(self, key: str, *, expires_s: int, filename: str) -> str:
        """See `ports.Objects.presign_get`."""
        disposition = f"attachment; filename*=UTF-8''{quote(filename, safe='')}"
        query = [("response-content-disposition", disposition)]
        return self._wire.presigned("GET", key, query=query, expires_s=expires_s)

    def _listed(self, what: str, **asked: str) -> Iterator[str]:
        """The encoded names at the path `what` of each page."""
        query = [("list-type", "2"), ("encoding-type", "url"), *asked.items()]
        token = ""
        while True:
            with _translated():
                page = self._wire.ask(
                    "ListObjectsV2", query=[*query, ("continuation-token", token)] if token else query
                )
            yield from map(unquote_plus, page.all(what))
            token = page.one("NextContinuationToken")
            if page.one("IsTruncated") != "true":
                return
            if not token:
                raise Busy("A page of a listing did not say where the next one begins.")

    def _delete(self, batch: list[str]) -> None:
        if not batch:
            return
        objects = "".join(f"<Object><Key>{key.translate(_ESCAPED)}</Key></Object>" for key in batch)
        body = f'<Delete xmlns="{_NAMESPACE}"><Quiet>true</Quiet>{objects}</Delete>'.encode()
        with _translated():
            answer = self._wire.ask(
                "DeleteObjects", query=[("delete", "")], headers={CRC32: Crc32(body).text()}, body=body
            )
        if refused := answer.all("Error/Code"):
            raise Busy(f"{len(refused)} of {len(batch)} objects were not deleted.")


class _Body(io.RawIOBase):
    """The bytes from `start` up to `stop` (None: the object's end) of one version of an object.

    A body that stops short is asked for again from there, of the same version. Where S3 has a checksum of the whole
    object and all of it is read, the last bytes come only if it is right.
    """

    def __init__(
        self,
        wire: S3Wire,
        key: str,
        *,
        start: int = 0,
        stop: int | None = None,
        version: Version | None = None,
    ) -> None:
        self._wire = wire
        self._key = key
        self._query = [("versionId", version.id)] if version else []
        self._at = self._end = start
        self.etag = ""
        self._incoming: Incoming | None = None
        self._checksum: tuple[Checksum, bytes] | None = None
        self._failures = 0
        self._begin(stop)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill some of `buffer`; 0 only at the true end."""
        view = memoryview(buffer)
        while self._at < self._end:
            assert self._incoming
            count = self._incoming.readinto(view)
            if count:
                self._take(view[:count])
                return count
            self._resume()
        return 0

    def readall(self) -> bytes:
        """All the rest."""
        data = bytearray(self._end - self._at)
        view, filled = memoryview(data), 0
        while count := self.readinto(view[filled:]):
            filled += count
        return bytes(data)

    def close(self) -> None:
        """Drop the connection unless the body was read to its end."""
        if not self.closed and self._incoming is not None:
            self._incoming.close()
        super().close()

    def _begin(self, stop: int | None) -> None:
        """Ask for the bytes, and learn where they end and of which version they are."""
        headers = {"x-amz-checksum-mode": "ENABLED"}
        if self._at or stop is not None:
            headers = {"range": f"bytes={self._at}-{'' if stop is None else stop - 1}"}
        try:
            self._incoming = self._get(headers)
        except _OutOfRange:
            return  # the object ends before the range begins
        self._end += self._incoming.length
        self.etag = self._incoming.headers["etag"]
        if "range" not in headers:
            self._checksum = checksum_to_be(self._incoming.headers)

    def _take(self, data: bytes | memoryview) -> None:
        """These bytes have come."""
        self._at += len(data)
        self._failures = 0
        if self._checksum is None:
            return
        checksum, expected = self._checksum
        checksum.update(data)
        if self._at == self._end and checksum.digest() != expected:
            raise Busy("An object's bytes are not those that were stored.")

    def _resume(self) -> None:
        assert self._incoming
        self._incoming.close()
        self._failures += 1
        if self._failures >= self._wire.patience.attempts:
            raise Busy(f"An object's body ended early {self._failures} times at the same place.")
        self._wire.patience.wait(self._failures)
        try:
            self._incoming = self._get({"range": f"bytes={self._at}-{self._end - 1}", "if-match": self.etag})
        except _OutOfRange:
            raise Busy(_CHANGED) from None
        if self._incoming.length != self._end - self._at:
            self._incoming.close()
            raise Busy(_CHANGED)

    def _get(self, headers: dict[str, str]) -> Incoming:
        try:
            with _translated():
                return self._wire.open(self._key, query=self._query, headers=headers)
        except ServiceError as error:
            if error.status == 416:
                raise _OutOfRange from None
            if self._query and error.code in VERSION_MISSING:
                raise NotFound from None
            raise


class _OutOfRange(Exception):
    """The object ends before the range begins."""


class _Upload:
    """An object going up in parts; see `ports.ObjectWriter`. Holds one part in memory at most."""

    def __init__(self, wire: S3Wire, key: str) -> None:
        self._wire = wire
        self._key = key
        self._buffer = bytearray()
        self._address: list[tuple[str, str]] = []
        self._parts: list[str] = []
        self._whole = Crc32()

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
        if not self._address:
            _put(self._wire, self._key, self._buffer)
            return
        if self._buffer:
            self._send_part()
        body = (
            f'<CompleteMultipartUpload xmlns="{_NAMESPACE}">{"".join(self._parts)}</CompleteMultipartUpload>'
        )
        with _translated(gone=Busy("An upload had vanished when it was to be completed.")):
            told = self._wire.ask(
                "CompleteMultipartUpload",
                self._key,
                query=self._address,
                headers=_ONE_CHECKSUM,
                body=body.encode(),
            )
        if told.one("ChecksumType") == "FULL_OBJECT" and told.one("ChecksumCRC32") != self._whole.text():
            raise Busy("An object was put together from other bytes than those that were sent.")

    def abort(self) -> None:
        """Leave nothing behind. What cannot be tidied now, the bucket's lifecycle rule removes."""
        if self._address:
            with suppress(Busy, ServiceError):
                self._wire.call("AbortMultipartUpload", self._key, query=self._address)

    def _send_part(self) -> None:
        with _translated(gone=Busy("An upload vanished while it was under way.")):
            if not self._address:
                self._address = self._begin()
            number = len(self._parts) + 1
            part = [("partNumber", str(number)), *self._address]
            checksum = Crc32(self._buffer).text()
            sent = self._wire.call(
                "UploadPart", self._key, query=part, headers={CRC32: checksum}, body=self._buffer
            )
        etag = sent.headers["etag"].translate(_ESCAPED)
        self._parts.append(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag>"
            f"<ChecksumCRC32>{checksum}</ChecksumCRC32></Part>"
        )
        self._whole.update(self._buffer)
        self._buffer.clear()

    def _begin(self) -> list[tuple[str, str]]:
        headers = {"x-amz-checksum-algorithm": "CRC32", **_ONE_CHECKSUM}
        begun = self._wire.ask("CreateMultipartUpload", self._key, query=[("uploads", "")], headers=headers)
        return [("uploadId", begun.one("UploadId"))]


def _put(wire: S3Wire, key: str, data: bytes | bytearray) -> None:
    with _translated():
        wire.call("PutObject", key, headers={CRC32: Crc32(data).text()}, body=data)


@contextmanager
def _translated(gone: Exception | None = None) -> Iterator[None]:
    """S3's errors in the port's words. `gone` is raised where the upload, not the object, is missing."""
    try:
        yield
    except ServiceError as error:
        if error.code in MISSING:
            raise NotFound from None
        if error.code == "NoSuchUpload" and gone is not None:
            raise gone from None
        if error.code == "PreconditionFailed":
            raise Busy(_CHANGED) from None
        raise
