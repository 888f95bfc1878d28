"""A lean client for one bucket of S3.

botocore takes 1 to 2 ms of CPU a request and 200 ms to be imported and make its client; here a request takes 0.1, and
there is next to nothing to import. Every call is signed with its body, timed out, tried again within bounds
and checked for truncation; whole objects carry a checksum there and back.

Trying again is safe: what is sent here replaces, removes or reads.
"""

from __future__ import annotations

import hashlib
import zlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import MappingProxyType
from typing import NamedTuple, Protocol

from contactsync.adapters.connection import Answer, Connection, Head, Host, Mangled, Sendable, length_of
from contactsync.adapters.patience import Again, Patience
from contactsync.adapters.signing import (
    Credentials,
    CredentialSource,
    Query,
    RestSigner,
    credential_source,
    s3_target,
)
from contactsync.adapters.wire import TRANSIENT, ServiceError, domain, own_endpoint

READ_S = 20.0
NO_HEADERS: Mapping[str, str] = MappingProxyType({})
CRC32 = "x-amz-checksum-crc32"
DIGEST = "x-amz-content-sha256"
NO_BODY = hashlib.sha256().hexdigest()
METHODS = {
    "AbortMultipartUpload": "DELETE",
    "CompleteMultipartUpload": "POST",
    "CreateMultipartUpload": "POST",
    "DeleteObject": "DELETE",
    "DeleteObjects": "POST",
    "GetObject": "GET",
    "HeadObject": "HEAD",
    "ListObjectsV2": "GET",
    "PutObject": "PUT",
    "UploadPart": "PUT",
}
ON_BUCKET = frozenset({"DeleteObjects", "ListObjectsV2"})
ANSWERS = {
    "CompleteMultipartUpload": "CompleteMultipartUploadResult",
    "CreateMultipartUpload": "InitiateMultipartUploadResult",
    "DeleteObjects": "DeleteResult",
    "ListObjectsV2": "ListBucketResult",
}
"""The root of an answer in XML. S3 may begin it with status 200 and find only then that it has failed."""
PASSING = TRANSIENT | {"InternalError", "OperationAborted", "RequestTimeTooSkewed"}


class Request(NamedTuple):
    """One request but for its signature, which each attempt makes anew. Without a key it is for the bucket."""

    operation: str
    key: str
    target: str
    headers: Mapping[str, str]
    body: Sendable
    digest: str


class S3Wire:
    """One bucket, over kept-alive connections. Safe to share between threads.

    In the cloud the bucket is named by the host. At an endpoint of one's own it is named in the path, as no host name
    would resolve; so is one with a dot, which no certificate covers.
    """

    def __init__(
        self,
        bucket: str,
        region: str,
        *,
        endpoint: str | None = None,
        credentials: CredentialSource | None = None,
        patience: Patience | None = None,
    ) -> None:
        by_path = "." in bucket
        address = endpoint or own_endpoint("s3")
        if address:
            by_path = True
        else:
            address = f"https://{'' if by_path else f'{bucket}.'}s3.{region}.{domain(region)}"
        self._root = f"/{bucket}/" if by_path else "/"
        self._host = Host("s3", address, read_s=READ_S)
        self._signer = RestSigner("s3", region, self._host.named)
        self._credentials = credentials
        self.bucket = bucket
        self.patience = patience or Patience()

    def call(
        self,
        operation: str,
        key: str,
        *,
        query: Query = (),
        headers: Mapping[str, str] = NO_HEADERS,
        body: Sendable = b"",
    ) -> Head:
        """Send one request about an object until it is answered for good, and not by XML.

        Raises:
            Busy: throttled, failing or out of reach, as often as patience and `patience.answering` allow. It may have
                been carried out.
            ServiceError: refused for good. Without a code of S3's, as to a HEAD, the code is "HTTP 404".
        """
        request = self._request(operation, key, query, headers, body)
        return self.patience.until_answered(operation, lambda: self._answer(request).head)

    def ask(
        self,
        operation: str,
        key: str = "",
        *,
        query: Query = (),
        headers: Mapping[str, str] = NO_HEADERS,
        body: Sendable = b"",
    ) -> Document:
        """As `call`, of an object or the bucket, where the answer is XML."""
        request = self._request(operation, key, query, headers, body)
        return self.patience.until_answered(
            operation, lambda: _document(self._answer(request).content, ANSWERS[operation])
        )

    def open(self, key: str, *, query: Query = (), headers: Mapping[str, str] = NO_HEADERS) -> Incoming:
        """Ask for an object or a part of it, until the body begins. Raises as `call`."""
        request = self._request("GetObject", key, query, headers, b"")
        return self.patience.until_answered("GetObject", lambda: self._incoming(request))

    def presigned(self, method: str, key: str, *, query: Query = (), expires_s: int) -> str:
        """A URL by which anybody may send this request until it expires."""
        target = self._signer.presigned(method, self._path(key), query, expires_s, self._lent())
        return f"{self._host.address}{target}"

    def send(self, request: Request) -> Connection:
        """Half an attempt: the request goes out. Raises Again."""
        method = METHODS[request.operation]
        headers = self._signer.headers(method, request.target, request.headers, request.digest, self._lent())
        return self._host.send(method, request.target, headers, request.body)

    def _request(
        self, operation: str, key: str, query: Query, headers: Mapping[str, str], body: Sendable
    ) -> Request:
        target = s3_target(self._root if operation in ON_BUCKET else self._path(key), query)
        digest = hashlib.sha256(body).hexdigest() if body else NO_BODY
        return Request(operation, key, target, {**headers, DIGEST: digest}, body, digest)

    def _path(self, key: str) -> str:
        if not key:
            raise ValueError("An object's key is empty: that would be the bucket.")
        return self._root + key

    def _lent(self) -> Credentials:
        if self._credentials is None:
            self._credentials = credential_source()
        return self._credentials()

    def _answer(self, request: Request) -> Answer:
        connection = self.send(request)
        with self._host.doubted(connection):
            answer = connection.answer()
        self._host.give_back(connection, answer.head)
        if answer.head.status >= 300:
            raise _refusal(request.operation, answer)
        return answer

    def _incoming(self, request: Request) -> Incoming:
        connection = self.send(request)
        with self._host.doubted(connection):
            head = connection.head()
            if head.status < 300:
                _check_range(request.headers.get("range"), head)
                return Incoming(self._host, connection, head)
            answer = Answer(head, connection.content(head))
        self._host.give_back(connection, head)
        raise _refusal(request.operation, answer)


class Incoming:
    """A body on its way. Its connection can bear another request once the body has been read to its end."""

    def __init__(self, host: Host, connection: Connection, head: Head) -> None:
        self._host = host
        self._connection = connection
        self._head = head
        self._left = length_of(head)
        self._settled = False
        self.length = self._left
        self.headers = head.headers
        if not self._left:
            self._settle()

    def readinto(self, view: memoryview) -> int:
        """What has come, as far as it fits; 0 at the end of the body, and where the connection has ended."""
        count = 0
        if not self._settled:
            with suppress(OSError):
                count = self._connection.readinto(view[: self._left])
            self._left -= count
            if not self._left:
                self._settle()
            elif not count:
                self.close()
        return count

    def close(self) -> None:
        """Hang up, unless the body has been read to its end."""
        if not self._settled:
            self._settled = True
            self._connection.close()

    def _settle(self) -> None:
        self._settled = True
        self._host.give_back(self._connection, self._head)


class Document:
    """An answer in XML: the texts of its leaves, by their path below the root, such as Contents/Key."""

    def __init__(self, leaves: Mapping[str, list[str]]) -> None:
        self._leaves = leaves

    def all(self, path: str) -> list[str]:
        """Every text at this path, in order."""
        return self._leaves.get(path, [])

    def one(self, path: str) -> str:
        """The text at this path; empty without one."""
        return self.all(path)[0] if self.all(path) else ""


class Checksum(Protocol):
    """As hashlib has them."""

    def update(self, data: Sendable | memoryview, /) -> None:
        """Add these bytes."""

    def digest(self) -> bytes:
        """Of all so far."""


class Crc32:
    """What is sent with whole objects, for S3 to check and to send back."""

    def __init__(self, data: Sendable = b"") -> None:
        self._value = zlib.crc32(data)

    def update(self, data: Sendable | memoryview, /) -> None:
        """See `Checksum.update`."""
        self._value = zlib.crc32(data, self._value)

    def digest(self) -> bytes:
        """See `Checksum.digest`."""
        return self._value.to_bytes(4, "big")

    def text(self) -> str:
        """As headers have it."""
        return b64encode(self.digest()).decode()


def checksum_to_be(headers: Mapping[str, str]) -> tuple[Checksum, bytes] | None:
    """A checksum to be fed with a whole object, and what it has to come to.

    None if S3 sent none of a kind that we have. One with a dash is made of the parts' checksums, not of the bytes.
    """
    for name, begin in _CHECKSUMS.items():
        told = headers.get(f"x-amz-checksum-{name}", "-")
        if "-" not in told:
            return begin(), b64decode(told)
    return None


_CHECKSUMS: Mapping[str, Callable[[], Checksum]] = {
    "crc32": Crc32,
    "sha256": hashlib.sha256,
    "sha1": lambda: hashlib.sha1(usedforsecurity=False),
}


def _check_range(asked: str | None, head: Head) -> None:
    """Raises Mangled if these bytes do not begin where the asked ones do."""
    begins = asked.partition("-")[0].replace("=", " ") if asked else ""
    if asked and not head.headers.get("content-range", "").startswith(f"{begins}-"):
        raise Mangled


def _refusal(operation: str, answer: Answer) -> Again | ServiceError:
    status, headers, _ = answer.head
    code = _code(*_parsed(answer.content)) or f"HTTP {status}"
    if status >= 500 or status == 429 or code in PASSING:
        return Again(code)
    return ServiceError(operation, status, code, headers.get("x-amz-request-id", "unknown"))


def _document(content: bytes, expected: str) -> Document:
    """Raises Again for another answer than the expected one: most often it is a late error."""
    root, leaves = _parsed(content)
    if root != expected:
        raise Again(_code(root, leaves) or Mangled.__name__)
    return Document(leaves)


def _code(root: str, leaves: Mapping[str, list[str]]) -> str:
    return leaves["Code"][0] if root == "Error" and "Code" in leaves else ""


def _parsed(content: bytes) -> tuple[str, dict[str, list[str]]]:
    """The root's name, and the leaves' texts by path; no root for what is no XML, or would define entities."""
    from xml.parsers import expat  # noqa: PLC0415 only lists, deletions, large uploads and refusals are XML

    path: list[str] = []
    text: list[str] = []
    leaves: dict[str, list[str]] = {}
    root, is_leaf = "", False

    def start(name: str, _: dict[str, str]) -> None:
        nonlocal is_leaf
        is_leaf = True
        path.append(name)
        text.clear()

    def end(name: str) -> None:
        nonlocal root, is_leaf
        if is_leaf:
            leaves.setdefault("/".join(path[1:]), []).append("".join(text))
        is_leaf = False
        path.pop()
        if not path:
            root = name

    def refuse(*_: object) -> None:
        raise Mangled

    parser = expat.ParserCreate("utf-8")
    parser.StartDoctypeDeclHandler = refuse
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    try:
        parser.Parse(content.strip(), True)
    except (expat.ExpatError, Mangled):
        return "", {}
    return root, leaves
