"""The way to a bucket where no emulator goes: silence, dead connections, late errors, bytes that are not those stored."""

from __future__ import annotations

import hashlib
import re
import socket
import ssl
import subprocess
import sys
import threading
import zlib
from base64 import b64encode
from collections.abc import Callable

import pytest

from contactsync.adapters import s3_wire
from contactsync.adapters.bucket import PART_BYTES, Bucket
from contactsync.adapters.patience import Patience, answering
from contactsync.adapters.s3_wire import S3Wire
from contactsync.adapters.wire import ServiceError
from contactsync.errors import Busy, NotFound
from tests.contract.conftest import IMPATIENT, REGION, credentials
from tests.contract.scripted import Cut, Server
from tests.fakes.certificates import Authority

DATA = bytes(range(256)) * 400
ERROR = "<?xml version='1.0'?><Error><Code>{}</Code><Message>no</Message></Error>"
ONCE = Patience(attempts=1)


def bucket_at(server: Server, patience: Patience = IMPATIENT) -> Bucket:
    return Bucket(S3Wire("runs", REGION, endpoint=server.url, credentials=credentials, patience=patience))


def told(body: bytes = b"", *headers: str, status: str = "200 OK") -> bytes:
    lines = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", 'ETag: "e"', *headers])
    return f"{lines}\r\n\r\n".encode() + body


def refused(code: str, status: str) -> bytes:
    return told(ERROR.format(code).encode(), status=status)


def page(inside: str, root: str = "ListBucketResult") -> bytes:
    xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
    return told(f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{xmlns}">{inside}</{root}>'.encode())


def checksum(name: str, data: bytes = DATA) -> str:
    made = (
        zlib.crc32(data).to_bytes(4, "big")
        if name == "crc32"
        else hashlib.new(name, data, usedforsecurity=False).digest()
    )
    return f"x-amz-checksum-{name}: {b64encode(made).decode()}"


def read(bucket: Bucket, **options: int) -> bytes:
    with bucket.open("key", **options) as stream:
        return stream.read()


READINGS: list[Callable[[Bucket], bytes]] = [read, lambda bucket: bucket.get("key")]


@pytest.fixture
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_wire, "READ_S", 0.2)


class TestConnections:
    def test_they_are_kept_whatever_is_asked(self, serve):
        server = serve(
            told(), told(DATA), told(DATA), refused("NoSuchKey", "404 Not Found"), page(""),
            b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"HTTP/1.1 404 Not Found\r\n\r\n", told(),
        )  # fmt: skip
        bucket = bucket_at(server, ONCE)
        bucket.put("key", DATA)
        assert read(bucket) == bucket.get("key") == DATA
        with pytest.raises(NotFound):
            bucket.get("key")
        assert list(bucket.keys("")) == []
        assert [bucket.size("key"), bucket.size("key")] == [99, None]
        bucket.put("key", b"")
        assert server.connections == 1

    def test_one_whose_end_is_known_is_not_asked(self, serve):
        server = serve(then=told(DATA))
        bucket = bucket_at(server, ONCE)
        bucket.get("key")
        server.open[0].shutdown(socket.SHUT_RDWR)
        assert bucket.get("key") == DATA
        assert server.connections == 2

    def test_a_body_that_is_left_takes_its_connection_along(self, serve):
        server = serve(told(DATA)[:-100], then=told(DATA))
        bucket = bucket_at(server, ONCE)
        with bucket.open("key") as stream:
            stream.read(1)
        assert bucket.get("key") == DATA
        assert server.connections == 2

    def test_who_hangs_up_after_its_answer_is_called_anew(self, serve):
        server = serve(told(DATA, "Connection: close"), then=told(DATA))
        bucket = bucket_at(server, ONCE)
        assert [bucket.get("key"), bucket.get("key")] == [DATA, DATA]
        assert server.connections == 2

    def test_a_refusal_is_heard_though_not_all_was_sent(self):
        """S3 answers what it will not take without reading it."""
        listener = socket.create_server(("127.0.0.1", 0))
        wire = S3Wire(
            "runs",
            REGION,
            endpoint=f"http://127.0.0.1:{listener.getsockname()[1]}",
            credentials=credentials,
            patience=ONCE,
        )

        def refuse() -> None:
            connection, _ = listener.accept()
            connection.recv(100)
            connection.sendall(refused("AccessDenied", "403 Forbidden"))
            connection.close()

        thread = threading.Thread(target=refuse, daemon=True)
        thread.start()
        with pytest.raises(ServiceError, match="AccessDenied"):
            Bucket(wire).put("key", b"x" * PART_BYTES)
        thread.join()
        listener.close()


def test_a_file_costs_no_import_of_botocore(serve):
    server = serve(told(), page("<Contents><Key>key</Key></Contents>"), then=told(DATA))
    code = (
        "import sys\n"
        "from contactsync.adapters.bucket import Bucket\n"
        "from contactsync.adapters.s3_wire import S3Wire\n"
        f"bucket = Bucket(S3Wire('runs', {REGION!r}, endpoint={server.url!r}))\n"
        "bucket.put('key', b'x'), list(bucket.keys('')), bucket.get('key')\n"
        "print(*{'boto3', 'botocore', 'urllib3', 'http.client', 'xml.etree'} & set(sys.modules))"
    )
    told_of = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told_of.stdout.strip() == ""
    assert len(server.requests) == 3


class TestSilence:
    def test_it_ends_and_is_asked_again(self, serve, short_waits):
        server = serve(None, then=told(DATA))
        assert bucket_at(server).get("key") == DATA
        assert server.connections == 2

    def test_one_that_lasts_is_busy(self, serve, short_waits):
        with pytest.raises(Busy, match="PutObject failed 4 times, the last time with TimeoutError"):
            bucket_at(serve(*[None] * 9)).put("key", b"x")

    @pytest.mark.parametrize("reading", READINGS)
    def test_within_a_body_the_rest_is_asked_for(self, serve, short_waits, reading):
        begun, rest = told(DATA)[: -len(DATA) // 2], f"bytes {len(DATA) // 2}-{len(DATA) - 1}/{len(DATA)}"
        server = serve(
            begun, then=told(DATA[len(DATA) // 2 :], f"Content-Range: {rest}", status="206 Partial")
        )
        assert reading(bucket_at(server)) == DATA
        assert f"range: bytes={len(DATA) // 2}-{len(DATA) - 1}\r\n".encode() in server.heard
        assert b'if-match: "e"\r\n' in server.heard

    def test_nobody_who_waits_for_an_answer_is_left_in_it(self, serve):
        server = serve(*[None] * 9)
        with answering(within_s=0.2), pytest.raises(Busy):
            bucket_at(server).get("key")
        assert server.connections == 1


class TestRefusals:
    @pytest.mark.parametrize(
        "answer",
        [
            refused("SlowDown", "503 Slow Down"),
            refused("InternalError", "500 Internal Server Error"),
            refused("TooManyRequests", "429 Too Many Requests"),
            refused("RequestTimeout", "400 Bad Request"),
            refused("RequestTimeTooSkewed", "403 Forbidden"),
            refused("OperationAborted", "409 Conflict"),
            told(b"<html>a proxy says so", status="502 Bad Gateway"),
            b"HTTP/1.1 200 OK\r\nContent-Len",
            b"no HTTP at all\r\n\r\n",
            b"",
        ],
    )
    def test_what_may_pass_is_asked_again(self, serve, answer):
        server = serve(Cut(answer), then=told(DATA))
        assert bucket_at(server).get("key") == DATA
        assert server.requests == ["GET /runs/key"] * 2

    @pytest.mark.parametrize(
        ("answer", "code"),
        [
            (refused("AccessDenied", "403 Forbidden"), "AccessDenied"),
            (told(b"<html>", status="403 Forbidden"), "HTTP 403"),
            (told(status="400 Bad Request"), "HTTP 400"),
        ],
    )
    def test_what_will_not_is_told_by_its_code(self, serve, answer, code):
        server = serve(answer)
        with pytest.raises(ServiceError) as caught:
            bucket_at(server).get("key")
        assert caught.value.code == code
        assert len(server.requests) == 1

    def test_an_error_may_come_after_the_status_that_says_all_is_well(self, serve):
        begun = page("<UploadId>u</UploadId>", "InitiateMultipartUploadResult")
        late = told(ERROR.format("InternalError").encode())
        server = serve(begun, told(), told(), late, page("", "CompleteMultipartUploadResult"))
        bucket = bucket_at(server)
        with bucket.writer("key") as sink:
            sink.write(b"x" * (PART_BYTES + 1))
        assert server.requests[-2:] == ["POST /runs/key?uploadId=u"] * 2

    def test_one_that_always_comes_so_is_busy_and_the_upload_is_given_up(self, serve):
        begun = page("<UploadId>u</UploadId>", "InitiateMultipartUploadResult")
        server = serve(begun, told(), told(), then=told(ERROR.format("InternalError").encode()))
        with pytest.raises(Busy, match="InternalError"), bucket_at(server).writer("key") as sink:
            sink.write(b"x" * (PART_BYTES + 1))
        assert server.requests[-1] == "DELETE /runs/key?uploadId=u"

    def test_one_of_the_tidying_up_hides_nothing(self, serve):
        begun = page("<UploadId>u</UploadId>", "InitiateMultipartUploadResult")
        server = serve(begun, told(), refused("AccessDenied", "403 Forbidden"))

        def failing() -> None:
            with bucket_at(server).writer("key") as sink:
                sink.write(b"x" * PART_BYTES)
                raise KeyError("the writer's own")

        with pytest.raises(KeyError):
            failing()
        assert server.requests[-1] == "DELETE /runs/key?uploadId=u"

    @pytest.mark.parametrize(
        "content",
        [
            b"",
            b"{}",
            b"<ListBucketResult><IsTruncated>false</IsTruncated>",
            b"<Others/>",
            b'<!DOCTYPE a [<!ENTITY b "c">]><ListBucketResult>&b;</ListBucketResult>',
        ],
    )
    def test_what_is_no_listing_is_not_an_empty_one(self, serve, content):
        with pytest.raises(Busy, match="ListObjectsV2 failed 4 times, the last time with Mangled"):
            list(bucket_at(serve(then=told(content))).keys(""))


class TestBytes:
    @pytest.mark.parametrize("name", ["crc32", "sha256", "sha1"])
    @pytest.mark.parametrize("reading", READINGS)
    def test_a_whole_object_is_held_against_its_checksum(self, serve, reading, name):
        server = serve(told(DATA, checksum(name)), told(DATA, checksum(name, DATA + b"other")))
        bucket = bucket_at(server)
        assert reading(bucket) == DATA
        with pytest.raises(Busy, match="not those that were stored"):
            reading(bucket)
        assert server.heard.count(b"x-amz-checksum-mode: ENABLED\r\n") == 2

    def test_no_wrong_end_is_handed_over(self, serve):
        data = DATA * 10  # more than is buffered
        server = serve(told(data, checksum("crc32", b"other")))
        with bucket_at(server).open("key") as stream:
            assert stream.read(1) == DATA[:1]
            with pytest.raises(Busy):
                stream.read(len(data))

    def test_so_is_one_that_was_cut_on_the_way(self, serve):
        whole, half = told(DATA, checksum("crc32")), len(DATA) // 2
        there = f"Content-Range: bytes {half}-{len(DATA) - 1}/{len(DATA)}"
        for rest in (DATA[half:], DATA[half:-1] + b"?"):
            server = serve(Cut(whole[:-half]), told(rest, there, status="206 Partial"))
            if rest == DATA[half:]:
                assert read(bucket_at(server)) == DATA
                continue
            with pytest.raises(Busy, match="not those that were stored"):
                read(bucket_at(server))

    def test_a_rest_that_is_shorter_is_of_another_object(self, serve):
        half = len(DATA) // 2
        rest = told(
            DATA[half:-1], f"Content-Range: bytes {half}-{len(DATA) - 2}/{len(DATA)}", status="206 Partial"
        )
        with pytest.raises(Busy, match="changed while it was read"):
            read(bucket_at(serve(Cut(told(DATA)[:-half]), rest)))

    @pytest.mark.parametrize(
        "header", ["x-amz-checksum-crc32: AAAAAA==-3", "x-amz-checksum-crc64nvme: AAAAAAAAAAA="]
    )
    def test_a_checksum_of_parts_or_of_an_unknown_kind_says_nothing(self, serve, header):
        assert bucket_at(serve(told(DATA, header))).get("key") == DATA

    def test_other_bytes_than_those_of_the_range_are_not_taken_for_them(self, serve):
        shifted = told(b"x" * 10, "Content-Range: bytes 50-59/100", status="206 Partial")
        for answer in (told(DATA), shifted):
            with pytest.raises(Busy, match="Mangled"):
                read(bucket_at(serve(then=answer)), offset=5, length=10)

    def test_what_is_sent_carries_checksum_and_digest(self, serve):
        server = serve(told())
        bucket_at(server).put("key", DATA)
        assert f"{checksum('crc32')}\r\n".encode() in server.heard
        assert f"x-amz-content-sha256: {hashlib.sha256(DATA).hexdigest()}\r\n".encode() in server.heard
        assert server.bodies == [DATA]

    def test_an_object_in_parts_has_one_checksum_of_all(self, serve):
        data = DATA * (2 * PART_BYTES // len(DATA))
        begun = page("<UploadId>u/+</UploadId>", "InitiateMultipartUploadResult")
        for other, ending in ((b"", "in"), (b"other", "out")):
            made = checksum("crc32", data + other).partition(": ")[2]
            kind = f"<ChecksumType>FULL_OBJECT</ChecksumType><ChecksumCRC32>{made}</ChecksumCRC32>"
            server = serve(begun, told(), told(), page(kind, "CompleteMultipartUploadResult"))
            bucket = bucket_at(server)
            if ending == "out":
                with pytest.raises(Busy, match="other bytes"), bucket.writer("key") as sink:
                    sink.write(data)
                continue
            with bucket.writer("key") as sink:
                sink.write(data)
            assert server.requests[-1] == "POST /runs/key?uploadId=u%2F%2B"
            assert b"x-amz-checksum-type: FULL_OBJECT\r\n" in server.heard
            numbers = re.findall(rb"<PartNumber>(\d)</PartNumber><ETag>&?\"e\"</ETag>", server.bodies[-1])
            assert numbers == [b"1", b"2"]


class TestListsAndDeletions:
    def test_names_come_decoded_page_by_page(self, serve):
        first = (
            "<IsTruncated>true</IsTruncated><NextContinuationToken>a+b/=</NextContinuationToken>"
            "<Contents><Key>a+b%0A%2B%26%01</Key><Size>1</Size></Contents>"
        )
        last = "<IsTruncated>false</IsTruncated><Contents><Key>%CE%A9</Key></Contents>"
        server = serve(page(first), page(last))
        assert list(bucket_at(server).keys("a &")) == ["a b\n+&\x01", "Ω"]
        asked = "GET /runs/?encoding-type=url&list-type=2&prefix=a%20%26"
        assert server.requests == [
            asked,
            asked.replace("?", "?continuation-token=a%2Bb%2F%3D&"),
        ]

    def test_a_page_without_the_place_of_the_next_is_no_end(self, serve):
        with pytest.raises(Busy, match="where the next one begins"):
            list(bucket_at(serve(page("<IsTruncated>true</IsTruncated>"))).keys(""))

    def test_names_that_xml_cannot_hold_are_deleted_by_themselves(self, serve):
        server = serve(page("", "DeleteResult"), b"HTTP/1.1 204 No Content\r\n\r\n")
        bucket_at(server, ONCE).delete(["a&<b>\r\n", "\x01/b"])
        assert server.requests == ["POST /runs/?delete=", "DELETE /runs/%01/b"]
        assert b"<Key>a&amp;&lt;b&gt;&#13;&#10;</Key>" in server.bodies[0]
        assert b"\x01" not in server.bodies[0]

    def test_what_was_not_deleted_is_told(self, serve):
        some = "<Error><Key>b</Key><Code>InternalError</Code></Error>"
        with pytest.raises(Busy, match="1 of 2 objects"):
            bucket_at(serve(page(some, "DeleteResult"))).delete(["a", "b"])


class TestTls:
    def test_the_named_authority_vouches_and_no_other(self, tmp_path, monkeypatch, serve):
        authority = Authority(tmp_path)
        server = serve(tls=authority.server("localhost"), then=told(DATA))
        with pytest.raises(ssl.SSLCertVerificationError):
            bucket_at(server).get("key")
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        bucket = bucket_at(server)
        bucket.put("key", b"x" * 200_000)
        assert [bucket.get("key"), read(bucket)] == [DATA, DATA]
        assert server.connections == 1
