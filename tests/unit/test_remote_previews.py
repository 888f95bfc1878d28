"""Files on customers' servers, looked at before anything is saved."""

from __future__ import annotations

import gzip
import logging
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from io import BytesIO
from typing import Any

import pytest

from contactsync.model.source import RemoteSource, S3Source
from contactsync.ports import Beginning
from contactsync.sources import staging
from contactsync.sources.transfer import Limits
from tests.fakes.ftpserver import ftp_server
from tests.fakes.sshserver import sftp_server
from tests.fakes.webserver import RESET, WebServer, reply
from tests.support.dropped import MAPPING, DropBucket, prefix
from tests.support.workbooks import packed, parts_of, sheet_of

CANARY = "canary-7b2e"
ROWS = b"Mail,Naam\nada@example.com,Ada\ngrace@example.com,Grace\n"


@pytest.fixture
def server(world) -> Iterator[WebServer]:
    with WebServer(lambda _: reply(ROWS)) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        yield server


def web_source(server: WebServer, **changes: Any) -> dict[str, Any]:
    auth = {"kind": "basic", "username": "ann", "password": CANARY}
    url = f"http://127.0.0.1:{server.port}/out/people.csv?sig={CANARY}"
    return {"kind": "http", "url": url, "auth": auth, **changes}


def many(rows: int) -> bytes:
    names = (sha256(str(n).encode()).hexdigest()[:8] for n in range(rows))
    return b"email,name\n" + "".join(f"{name}@example.com,{name}\n" for name in names).encode()


def look(api, source: dict[str, Any], **body: Any) -> Any:
    told = api.post("/previews", {"source": source, **body})
    assert told.status == 200, told.text
    return told.json


def refused(api, source: dict[str, Any], **body: Any) -> Any:
    told = api.post("/previews", {"source": source, **body})
    assert told.headers["content-type"] == "application/problem+json"
    assert CANARY not in told.text
    assert told.json["detail"]
    return told.problem


def test_a_file_on_a_web_server_is_shown_and_nothing_is_kept(api, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda _: reply(ROWS, Last_Modified="Sun, 22 Nov 2026 09:00:00 GMT")
    records = dict(api.world.records._stored)
    told = api.post("/previews", {"source": web_source(server), "format": {"country": "NL"}}, key="once")
    shown = told.json
    assert [(each["name"], each["suggestion"]["field"]) for each in shown["columns"]] == [
        ("Mail", "email"), ("Naam", "name")
    ]  # fmt: skip
    assert shown["rows"] == [["ada@example.com", "Ada"], ["grace@example.com", "Grace"]]
    assert (shown["row_estimate"], shown["format"]["country"]) == (2, "NL")
    assert shown["file"] == {
        "name": "people.csv",
        "size": len(ROWS),
        "modified_at": "2026-11-22T09:00:00Z",
        "host_key": None,
    }
    assert "authorization" in server.requests[0].headers
    assert server.requests[0].target.endswith(CANARY)
    assert api.world.records._stored == records
    for bucket in (api.world.runs, api.world.uploads, api.world.drops):
        assert list(bucket.keys("")) == []
    assert (api.world.stored(), api.world.bus.events) == ({}, [])
    assert CANARY not in told.text + caplog.text
    assert "ada@example.com" not in caplog.text


@pytest.mark.parametrize("scheme", ["ftp", "sftp"])
def test_of_files_that_match_a_pattern_the_newest_is_shown_and_named(api, tmp_path, scheme):
    for age, name in enumerate(["old.csv", "new.csv"]):
        (tmp_path / name).write_bytes(ROWS.replace(b"Ada", name.encode()))
        os.utime(tmp_path / name, (1_700_000_000 + age * 1000,) * 2)
    served = ftp_server(tmp_path) if scheme == "ftp" else sftp_server(tmp_path)
    with served as port:
        api.world.allow_hosts = f"127.0.0.1:{port}"
        login = {"username": "ann", "password": "correct horse"}
        shown = look(api, {"kind": "ftp", "url": f"{scheme}://127.0.0.1:{port}/*.csv", **login})
        wrong = {**login, "password": CANARY}
        url = f"{scheme}://127.0.0.1:{port}/new.csv"
        assert refused(api, {"kind": "ftp", "url": url, **wrong}) == (422, "login_refused")
        nothing = {"kind": "ftp", "url": f"{scheme}://127.0.0.1:{port}/*.xlsx", **login}
        assert refused(api, nothing) == (422, "file_not_found")
    assert shown["rows"][0] == ["ada@example.com", "new.csv"]
    assert (shown["file"]["name"], shown["file"]["size"]) == ("new.csv", len(ROWS) + 4)
    assert shown["file"]["modified_at"].startswith("2023-11-14T22:30:00")
    assert (shown["file"]["host_key"] or "").startswith("ssh-ed25519 SHA256:") == (scheme == "sftp")


@dataclass
class Told:
    """See `ports.Peeker`."""

    came: Beginning
    asked: list[tuple[str, RemoteSource]] = field(default_factory=list)

    def peek(self, account_id: str, source: RemoteSource) -> Beginning:
        self.asked.append((account_id, source))
        return self.came


def test_an_object_in_a_customers_bucket_is_asked_for_by_their_role_in_the_name_of_their_account(
    api, monkeypatch
):
    told = Told(Beginning(ROWS, True, len(ROWS), "a.csv"))
    monkeypatch.setattr(type(api.world), "peeker", told)
    _fresh(api)
    source = {"kind": "s3", "bucket": "theirs", "key": "a.csv"}
    assert api.post("/previews", {"source": source}).pointers == {"/source/role_arn"}
    role = "arn:aws:iam::210987654321:role/reader"
    assert len(look(api, {**source, "role_arn": role})["rows"]) == 2
    asked = S3Source(kind="s3", bucket="theirs", key="a.csv", role_arn=role)
    assert told.asked == [(api.account.account_id, asked)]


def _fresh(api) -> None:
    """As in a process that starts now."""
    api.world.know({})


@dataclass
class Nested:
    """See `ports.Peeker`: while it looks, somebody of the account asks for another preview."""

    act: Callable[[], Any]
    told: list[Any] = field(default_factory=list)

    def peek(self, account_id: str, source: RemoteSource) -> Beginning:
        if not self.told:
            self.told.append(None)
            self.told.append(self.act())
        return Beginning(ROWS, True, len(ROWS))


def test_an_account_looks_at_as_many_files_at_a_time_as_it_has_runs(api, stranger, monkeypatch):
    asked = {"source": {"kind": "http", "url": "https://example.com/a.csv"}}
    for room, status in ((1, 409), (2, 200)):
        api.world.limit(concurrent_runs=room)
        nested = Nested(lambda: [each.post("/previews", asked) for each in (api, stranger)])
        monkeypatch.setattr(type(api.world), "peeker", nested)
        _fresh(api)
        records = dict(api.world.records._stored)
        assert api.post("/previews", asked).status == 200
        mine, theirs = nested.told[1]
        assert (mine.status, theirs.status) == (status, 200)
        assert api.world.records._stored == records, "whoever has looked keeps nobody waiting"
    api.world.limit(concurrent_runs=1)
    _fresh(api)
    api.world.control.begin_look(api.world.control.account(api.account.account_id), api.world.clock.now())
    assert refused(api, asked["source"]) == (409, "previews_under_way")
    api.world.clock.advance(timedelta(seconds=30))
    assert api.post("/previews", asked).status == 200, "whoever has died while looking keeps nobody for ever"


# How much


def test_of_a_large_file_the_beginning_is_fetched_and_the_rows_are_estimated(api, server):
    data = many(400_000)
    server.answer = lambda _: reply(data)
    shown = look(api, web_source(server))
    assert shown["row_estimate"] == pytest.approx(400_000, rel=0.1)
    assert (len(shown["rows"]), shown["warnings"]) == (20, [])
    assert shown["file"]["size"] == len(data) > 2 * staging.PEEK_BYTES


def test_how_many_rows_there_are_stays_open_where_the_server_does_not_say_how_long_the_file_is(api, server):
    server.answer = lambda _: [b"HTTP/1.1 200 OK\r\n\r\n", many(200_000)]
    shown = look(api, web_source(server))
    assert (shown["row_estimate"], shown["file"]["size"], len(shown["rows"])) == (None, None, 20)


def test_a_row_that_has_come_half_is_not_shown(api, server, monkeypatch):
    monkeypatch.setattr(staging, "PEEK_BYTES", 1000)
    server.answer = lambda _: reply(many(100))
    shown = look(api, web_source(server))
    assert shown["warnings"] == []
    assert {len(row) for row in shown["rows"]} == {2}
    assert shown["row_estimate"] == pytest.approx(100, rel=0.15)


@pytest.mark.parametrize("pack", ["gzip", "zip"])
def test_a_packed_file_is_shown_as_far_as_it_came(api, server, monkeypatch, pack):
    monkeypatch.setattr(staging, "PEEK_BYTES", 50_000)
    data = many(100_000)
    file = BytesIO()
    if pack == "gzip":
        file.write(gzip.compress(data))
    else:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("people.csv", data)
    server.answer = lambda _: reply(file.getvalue())
    shown = look(api, web_source(server))
    assert shown["rows"][0] == ["5feceb66@example.com", "5feceb66"]
    assert shown["row_estimate"] == pytest.approx(100_000, rel=0.1)
    assert shown["warnings"] == []


def test_a_packed_file_that_is_cut_on_its_server_is_told(api, server):
    server.answer = lambda _: reply(gzip.compress(many(1000))[:-100])
    assert refused(api, web_source(server)) == (422, "compressed_file_cut")


def test_cards_are_shown_as_far_as_they_came(api, server, monkeypatch):
    monkeypatch.setattr(staging, "PEEK_BYTES", 10_000)
    card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nEMAIL:a{}@example.com\r\nEND:VCARD\r\n"
    server.answer = lambda _: reply("".join(card.format(n) for n in range(1000)).encode())
    shown = look(api, web_source(server))
    assert shown["format"]["kind"] == "vcard"
    assert shown["row_estimate"] == pytest.approx(1000, rel=0.05)
    assert shown["warnings"] == []


def test_a_workbook_is_shown_if_it_came_whole(api, server, monkeypatch):
    book = packed(parts_of(sheet_of([("email", "naam"), ("a@example.com", "Ada")]))).getvalue()
    server.answer = lambda _: reply(book)
    assert look(api, web_source(server))["rows"] == [["a@example.com", "Ada"]]
    monkeypatch.setattr(staging, "PEEK_BYTES", len(book) - 1)
    assert refused(api, web_source(server)) == (422, "beginning_shows_nothing")


# What can be wrong


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (reply(b"", status="404 Not Found"), "file_not_found"),
        (reply(b"", status="401 Unauthorized"), "login_refused"),
        (reply(b"", status="403 Forbidden"), "access_refused"),
        (reply(b"<!doctype html><title>Log in</title>"), "web_page_instead_of_file"),
        (reply(b"", status="503 Away"), "source_away"),
        ([RESET], "source_away"),
        ([b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nemail\na@exam"], "source_away"),
        (reply(b""), "empty_file"),
        (reply(b"%PDF-1.7"), "not_a_text_file"),
        ([b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n"], "address_not_allowed"),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_what_the_server_does_is_a_named_problem_with_what_to_do(api, server, monkeypatch, answer, code):
    quick = Limits(connect_s=2, read_s=2, answer_s=2, attempts=1, settled_s=0)
    monkeypatch.setattr(staging, "PEEK_LIMITS", quick)
    server.answer = lambda _: answer
    assert refused(api, web_source(server)) == (422, code)


@pytest.mark.parametrize(
    ("source", "pointer"),
    [
        ({"kind": "http", "url": "file:///etc/passwd"}, "/source/url"),
        ({"kind": "http", "url": f"https://ann:{CANARY}@example.com/"}, "/source/url"),
        ({"kind": "ftp", "url": "sftp://example.com/a.csv", "password": CANARY}, "/source"),
        ({"kind": "connection", "connection_id": "c1"}, "/source/kind"),
        ({"kind": "drop"}, "/sync_id"),
    ],
)
def test_what_is_wrong_with_the_request_is_told_before_anybody_goes_anywhere(api, server, source, pointer):
    told = api.post("/previews", {"source": source})
    assert (told.status, told.pointers) == (422, {pointer}), told.text
    assert CANARY not in told.text
    assert server.requests == []


def test_it_needs_the_permission_to_manage_syncs(api, server):
    api.permissions = ("contacts.view",)
    assert api.post("/previews", {"source": web_source(server)}).status == 403
    assert server.requests == []


# Dropped files


@pytest.fixture
def bucket(world) -> DropBucket:
    return DropBucket(world)


def test_the_newest_file_that_has_arrived_for_a_sync_is_shown_imported_or_not(api, bucket, stranger):
    sync = api.post("/syncs", {"source": {"kind": "drop"}, "mapping": MAPPING}).json
    asked = {"source": {"kind": "drop"}, "sync_id": sync["id"]}
    told = api.post("/previews", asked)
    assert (told.status, told.json["type"]) == (409, "/problems/nothing_dropped")
    place = prefix(api.world, sync["id"])
    bucket.drop(f"{place}one.csv", "email\none@example.com\n")
    assert look(api, asked.pop("source"), **asked)["rows"] == [["one@example.com"]]
    bucket.go_on()
    api.patch(f"/syncs/{sync['id']}", {"state": "paused"})
    bucket.drop(f"{place}two.csv", "email\ntwo@example.com\n")
    shown = look(api, {"kind": "drop"}, **asked)
    assert shown["rows"] == [["two@example.com"]]
    assert (shown["file"]["name"], shown["file"]["size"]) == ("two.csv", 22)
    foreign = stranger.post("/previews", {"source": {"kind": "drop"}, "sync_id": sync["id"]})
    missing = stranger.post("/previews", {"source": {"kind": "drop"}, "sync_id": "s" + "0" * 24})
    assert (foreign.status, foreign.pointers) == (422, {"/sync_id"})
    assert foreign.text == missing.text
    assert api.delete(f"/syncs/{sync['id']}").status == 204
    assert api.post("/previews", {"source": {"kind": "drop"}, **asked}).text == missing.text


def test_a_sync_is_named_for_a_drop_only(api, server):
    told = api.post("/previews", {"source": web_source(server), "sync_id": "s1"})
    assert told.pointers == {"/sync_id"}
    assert server.requests == []
