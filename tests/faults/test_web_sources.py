"""What web servers do wrong, and what a fetch makes of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from contactsync.errors import Busy, UnreadableFile
from contactsync.sources.net import Guard
from contactsync.sources.transfer import Limits
from contactsync.sources.web import WebSource, basic, bearer
from tests.fakes.certificates import Authority
from tests.fakes.webserver import RESET, Request, WebServer, chunked, ranged, reply

HOST = "files.example.com"
TEXT = b"email,name\r\n" + b"".join(b"ann%d@example.com,Ann %d\r\n" % (n, n) for n in range(40_000))
QUICK = Limits(connect_s=2, read_s=2, answer_s=3, attempts=3, first_wait_s=0.001)
SECRET = "s3cret-canary"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def source(
    server: WebServer, path: str = "/contacts.csv", *, host: str = HOST, scheme: str = "http", **options: Any
) -> WebSource:
    guard = options.pop("guard", None) or Guard(
        frozenset({(host, server.port)}), resolver=lambda host, port: ["127.0.0.1"]
    )
    return WebSource(f"{scheme}://{host}:{server.port}{path}", guard=guard, **{"limits": QUICK} | options)


def fetched(source: WebSource) -> tuple[bytes, str | None]:
    with source.open() as stream:
        return stream.body.read(), stream.ending().proof


def code_of(source: WebSource) -> str:
    with pytest.raises(UnreadableFile) as caught:
        fetched(source)
    assert SECRET not in str(caught.value)
    return caught.value.code


def in_turn(*answers: Callable[[Request], Any]) -> Callable[[Request], Any]:
    """One answer after the other; the last one from then on."""
    left = list(answers)

    def answer(request: Request) -> Any:
        return (left.pop(0) if len(left) > 1 else left[0])(request)

    return answer


def cut(body: bytes, at: int, **headers: Any) -> Callable[[Request], Any]:
    return lambda request: reply(body[:at], Content_Length=str(len(body)), **headers)


# resuming


def test_after_a_cut_the_rest_is_asked_for_of_the_same_version():
    with WebServer(in_turn(cut(TEXT, 500_000, ETag='"v1"'), lambda request: ranged(TEXT, request))) as server:
        assert fetched(source(server)) == (TEXT, "length")
        assert server.requests[1].headers["range"] == "bytes=434464-"  # 64 KiB are compared
        assert server.requests[1].headers["if-range"] == '"v1"'


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"v1"'}])
def test_without_a_strong_validator_it_begins_anew_and_compares(headers):
    with WebServer(in_turn(cut(TEXT, 500_000, **headers), lambda request: reply(TEXT, **headers))) as server:
        assert fetched(source(server)) == (TEXT, "length")
        assert "range" not in server.requests[1].headers


def test_a_server_without_ranges_begins_anew():
    with WebServer(
        in_turn(cut(TEXT, 500_000, ETag='"v1"'), lambda request: reply(TEXT, ETag='"v1"'))
    ) as server:
        assert fetched(source(server)) == (TEXT, "length")


@pytest.mark.parametrize(
    "second",
    [
        lambda request: reply(TEXT.replace(b"ann7@", b"bob7@")),
        lambda request: reply(TEXT, ETag='"v2"'),
        lambda request: reply(TEXT[:1000]),
        lambda request: ranged(TEXT + b"more", request),
        lambda request: ranged(bytes(len(TEXT)), request),
    ],
    ids=["other head", "other ETag", "shorter", "longer", "other content under the same ETag"],
)
def test_the_head_of_one_version_is_never_joined_to_the_tail_of_another(second):
    with (
        WebServer(in_turn(cut(TEXT, 500_000, ETag='"v1"'), second)) as server,
        pytest.raises(Busy, match="changed while it was read"),
    ):
        fetched(source(server))


def test_many_cuts_far_apart_are_borne():
    def piecemeal(request: Request) -> Any:
        head, body = ranged(TEXT, request)
        return [head, body[: 400 * 1024]]

    with WebServer(piecemeal) as server:
        assert fetched(source(server)) == (TEXT, "length")


def test_a_server_that_always_breaks_off_is_left_alone():
    with WebServer(cut(TEXT, 1000)) as server:
        with pytest.raises(Busy, match="broke off 3 times"):
            fetched(source(server))
        assert len(server.requests) == 3


@pytest.mark.parametrize("answer", [[b""], [RESET], [b"HTTP/1.1 2"], [b"HTTP/1.1 200 OK\r\nContent-", RESET]])
def test_an_answer_that_does_not_come_is_asked_for_again(answer):
    with WebServer(in_turn(lambda request: answer, lambda request: reply(TEXT))) as server:
        assert fetched(source(server)) == (TEXT, "length")


# framing


@pytest.mark.parametrize("at", range(len(chunked(b"abcdefghij" * 16, 160))))
def test_chunks_cut_at_any_byte_are_not_whole(at):
    """Sizes with zeros in front look like the last chunk when they are cut behind the zeros."""
    body = chunked(b"abcdefghij" * 16, 160).replace(b"a0\r\n", b"00a0\r\n", 1)
    with (
        WebServer(lambda request: reply(body[:at], Transfer_Encoding="chunked")) as server,
        pytest.raises(Busy),
    ):
        fetched(source(server, limits=Limits(attempts=1, read_s=2, first_wait_s=0)))


def test_no_length_is_no_proof_and_the_doubt_is_said():
    with (
        WebServer(lambda request: [b"HTTP/1.0 200 OK\r\n\r\n" + TEXT]) as server,
        source(server).open() as stream,
    ):
        assert stream.body.read() == TEXT
        assert stream.ending().proof is None
        assert "Content-Length" in stream.ending().doubt


def test_a_length_in_characters_instead_of_bytes_is_noticed():
    body = "name\r\nZoë\r\n".encode()
    with WebServer(lambda request: reply(body, Content_Length=str(len(body) - 1))) as server:
        assert code_of(source(server)) == "length_wrong"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nContent-Length: 6\r\n", b"Content-Length: 5, 6\r\n", b"Content-Length: -1\r\n",
        b"Content-Length: 0x5\r\n", b"Content-Length: five\r\n", b"Transfer-Encoding: gzip, chunked\r\n",
        b"Transfer-Encoding: identity\r\n", b"Content-Length: 5\r\nContent-Encoding: br\r\n",
    ],
)  # fmt: skip
def test_what_cannot_be_framed_is_refused(head):
    with WebServer(lambda request: [b"HTTP/1.1 200 OK\r\n" + head + b"\r\nhello"]) as server:
        assert code_of(source(server)) == "unexpected_answer"


@pytest.mark.parametrize("place", ["bytes 0-4/5", "bytes 1-4/5", "bytes */5", ""])
def test_a_part_that_nobody_asked_for_is_refused(place):
    with WebServer(
        lambda request: reply(b"hello", status="206 Partial Content", Content_Range=place)
    ) as server:
        assert code_of(source(server)) == "unexpected_answer"


# what is no file


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<!DOCTYPE html><html><form>Log in", "text/html"), (b"\xef\xbb\xbf\n <HTML lang=en>", "text/csv"),
        (b"<!-- hello -->\n<html>", "text/plain"), (b"<div>Log in</div>", "text/html; charset=utf-8"),
        (b"<?xml version='1.0'?><html/>", "application/xhtml+xml"), (b"<script>location='/login'</script>", "text/csv"),
    ],
)  # fmt: skip
def test_a_page_is_not_taken_for_a_file(body, kind):
    with WebServer(lambda request: reply(body, Content_Type=kind)) as server:
        assert code_of(source(server)) == "web_page_instead_of_file"


def test_a_list_that_is_called_html_by_mistake_is_read():
    with WebServer(lambda request: reply(b"name\n<html> Ann\n", Content_Type="text/html")) as server:
        assert fetched(source(server))[1] == "length"


@pytest.mark.parametrize(
    ("status", "code"),
    [
        ("401 Unauthorized", "login_refused"), ("403 Forbidden", "access_refused"), ("404 Not Found", "file_not_found"),
        ("410 Gone", "file_not_found"), ("400 Bad Request", "unexpected_answer"), ("204 No Content", "unexpected_answer"),
        ("304 Not Modified", "unexpected_answer"), ("300 Multiple Choices", "unexpected_answer"),
    ],
)  # fmt: skip
def test_a_refusal_names_whose_move_it_is(status, code):
    with WebServer(lambda request: reply(b"", status=status)) as server:
        assert code_of(source(server, f"/?key={SECRET}", credential=bearer(SECRET))) == code


@pytest.mark.parametrize(
    "status", ["408 Timeout", "429 Slow Down", "500 Oops", "502 Bad", "503 Busy", "504 Timeout"]
)
def test_what_can_heal_is_to_be_tried_again(status):
    with WebServer(lambda request: reply(b"", status=status)) as server, pytest.raises(Busy) as caught:
        fetched(source(server, f"/?key={SECRET}"))
    assert SECRET not in str(caught.value)


def test_too_large_is_said_before_it_is_read_and_while():
    small = Limits(read_s=2, attempts=1, most_bytes=100_000)
    with WebServer(lambda request: reply(TEXT)) as server:
        assert code_of(source(server, limits=small)) == "too_large"
    with WebServer(lambda request: reply(chunked(TEXT), Transfer_Encoding="chunked")) as server:
        assert code_of(source(server, limits=small)) == "too_large"


# time


def test_a_body_that_drips_is_given_up():
    def drip(request: Request) -> Any:
        yield from reply(b"", Content_Length="1000")
        for _ in range(100):
            yield b"x"
            yield 0.02

    began = time.monotonic()
    limits = Limits(read_s=2, attempts=2, slow_s=0.3, first_wait_s=0.001)
    with WebServer(drip) as server, pytest.raises(Busy, match="bytes a second"):
        fetched(source(server, limits=limits))
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("attempts", [5, 1])
def test_what_frames_a_body_and_drips_is_given_up(attempts):
    """It is one read, of which each byte is in time. That we cut it is no breaking off of the server's."""

    def drip(request: Request) -> Any:
        yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5;"
        for _ in range(60):
            yield 0.05
            yield b"x"
        yield b"\r\nemail\r\n0\r\n\r\n"

    began = time.monotonic()
    with WebServer(drip) as server:
        limits = Limits(read_s=2, total_s=0.5, attempts=attempts)
        assert code_of(source(server, limits=limits)) == "too_slow"
        assert time.monotonic() - began < 2


def test_headers_that_drip_are_given_up():
    def drip(request: Request) -> Any:
        yield b"HTTP/1.1 200 OK\r\n"
        for _ in range(200):
            yield b"X: y\r\n"
            yield 0.02

    began = time.monotonic()
    with WebServer(drip) as server, pytest.raises(Busy):
        fetched(source(server, limits=Limits(read_s=2, answer_s=0.2, attempts=2, first_wait_s=0.001)))
    assert time.monotonic() - began < 5


def test_the_whole_takes_a_bounded_time():
    def slow(request: Request) -> Any:
        yield from reply(b"", Content_Length="1000000")
        for _ in range(100):
            yield bytes(10_000)
            yield 0.02

    with WebServer(slow) as server:
        assert code_of(source(server, limits=Limits(read_s=2, total_s=0.2))) == "too_slow"


def test_a_body_that_ends_with_its_connection_has_not_ended_where_we_cut_it():
    """The time is over while a read waits for more: what had come until then was imported as all of the file."""

    def slow(request: Request) -> Any:
        yield b"HTTP/1.1 200 OK\r\n\r\nemail\r\nann@example.com\r\nbob@exam"
        yield 1.0
        yield b"ple.com\r\n"

    with WebServer(slow) as server:
        assert code_of(source(server, limits=Limits(read_s=2, total_s=0.2))) == "too_slow"


# redirects


def test_five_redirects_are_followed_and_a_sixth_is_not():
    def hop(request: Request) -> Any:
        number = int(request.target.strip("/"))
        return reply(b"", status="302 Found", Location=f"/{number - 1}") if number else reply(TEXT)

    with WebServer(hop) as server:
        assert fetched(source(server, "/5")) == (TEXT, "length")
        assert code_of(source(server, "/6")) == "too_many_redirects"


def test_a_redirect_may_name_a_file_with_spaces():
    def answer(request: Request) -> Any:
        if request.target == "/":
            return reply(b"", status="302 Found", Location="/in/my contacts.csv")
        return reply(TEXT if request.target == "/in/my%20contacts.csv" else b"")

    with WebServer(answer) as server:
        assert fetched(source(server, "/")) == (TEXT, "length")


@pytest.mark.parametrize(
    "there", ["http://files.example.com evil.example.com/", "http://a b@files.example.com/"]
)
def test_a_space_in_the_host_of_a_redirect_is_refused(there):
    with WebServer(lambda request: reply(b"", status="302 Found", Location=there)) as server:
        assert code_of(source(server, "/")) == "address_not_valid"


def test_a_credential_is_shown_to_its_own_origin_only():
    with WebServer(lambda request: reply(TEXT)) as other:
        elsewhere = f"http://other.example.com:{other.port}/"

        def answer(request: Request) -> Any:
            return reply(
                b"", status="307 Temporary", Location="/here" if request.target == "/" else elsewhere
            )

        with WebServer(answer) as server:
            allowed = frozenset({(HOST, server.port), ("other.example.com", other.port)})
            guard = Guard(allowed, resolver=lambda host, port: ["127.0.0.1"])
            for credential in (basic("ann", SECRET), ("X-Api-Key", SECRET)):
                assert fetched(source(server, "/", guard=guard, credential=credential)) == (TEXT, "length")
        assert all(SECRET in request.headers["x-api-key"] for request in server.requests[2:])
        assert all("authorization" in request.headers for request in server.requests[:2])
        for request in other.requests:
            assert not {"authorization", "x-api-key", "cookie", "referer"} & set(request.headers)


def test_https_never_leads_to_http(authority):
    with (
        WebServer(lambda request: reply(TEXT)) as plain,
        WebServer(
            lambda request: reply(b"", status="302 Found", Location=f"http://{HOST}:{plain.port}/"),
            tls=authority.server(HOST),
        ) as server,
    ):
        allowed = frozenset({(HOST, server.port), (HOST, plain.port)})
        guard = Guard(allowed, resolver=lambda host, port: ["127.0.0.1"], tls=authority.client)
        assert code_of(source(server, scheme="https", guard=guard)) == "redirect_not_allowed"
        assert plain.requests == []


# TLS


def test_a_certificate_for_another_name_is_refused_and_nothing_is_sent(authority):
    with WebServer(lambda request: reply(TEXT), tls=authority.server("other.example.com")) as server:
        guard = Guard(
            frozenset({(HOST, server.port)}), resolver=lambda host, port: ["127.0.0.1"], tls=authority.client
        )
        assert code_of(source(server, scheme="https", guard=guard)) == "certificate_not_valid"
        assert server.requests == []


def test_a_certificate_of_an_unknown_authority_is_refused(authority):
    with WebServer(lambda request: reply(TEXT), tls=authority.server(HOST)) as server:
        assert code_of(source(server, scheme="https")) == "certificate_not_valid"


def test_a_server_without_tls_is_said_to_be_one():
    with WebServer(lambda request: reply(TEXT)) as server:
        assert code_of(source(server, scheme="https")) == "encryption_failed"


def test_over_ipv6_the_host_is_named_in_brackets():
    with WebServer(lambda request: reply(TEXT), address="::1") as server:
        guard = Guard(frozenset({("::1", server.port)}))
        source = WebSource(f"http://[::1]:{server.port}/contacts.csv", guard=guard, limits=QUICK)
        assert fetched(source) == (TEXT, "length")
        assert server.requests[0].headers["host"] == f"[::1]:{server.port}"


# what is sent


def test_the_request_names_the_host_and_wants_the_bytes_as_they_are():
    with WebServer(lambda request: reply(TEXT)) as server:
        fetched(source(server, "/a%20b/ü.csv?x=1", credential=basic("ann", "pä:ss")))
    request = server.requests[0]
    assert request.target == "/a%20b/%C3%BC.csv?x=1"
    assert request.headers["host"] == f"{HOST}:{server.port}"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["authorization"] == "Basic YW5uOnDDpDpzcw=="
