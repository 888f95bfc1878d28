"""A source's secret reaches its server and stands nowhere else, sealed apart: whatever kind it is, however its run ends.

Looked for in any spelling (`traces.spellings`): in answers, records, objects and their names, events, mails and log lines.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from contactsync.sources.transfer import Limits
from tests.fakes.ftpserver import ftp_server
from tests.fakes.sshserver import sftp_server
from tests.fakes.webserver import RESET, WebServer, reply
from tests.journeys.traces import Place, found

SECRET = "kanarie/ß+7f\\3a =ok"
"""Another text in each spelling: JSON escapes it, URLs and base64 do."""
TOKEN = "kanarie/+7f\\3a=ok"
ROWS = b"email,name\nada@example.com,Ada\n"
MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
QUICK = Limits(connect_s=2, read_s=2, answer_s=3, attempts=2, first_wait_s=0.001)

SECRETS: dict[str, tuple[dict[str, Any], str]] = {
    "basic": ({"auth": {"kind": "basic", "username": "ann", "password": SECRET}}, SECRET),
    "bearer": ({"auth": {"kind": "bearer", "token": TOKEN}}, TOKEN),
    "header": ({"auth": {"kind": "header", "name": "X-Api-Key", "value": TOKEN}}, TOKEN),
    "query": ({"query": "?sig=kanarie%2F7f3a%3Dok"}, "kanarie/7f3a=ok"),
}
ENDINGS: dict[str, tuple[list[Any], str]] = {
    "whole": (reply(ROWS), "succeeded"),
    "login refused": (reply(b"", status="401 Unauthorized"), "failed"),
    "sent on to nowhere": (reply(b"", status="302 Found", Location="http://169.254.169.254/"), "failed"),
    "cut": ([b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", ROWS, RESET], "failed"),
    "a page": (reply(b"<html>Who are you?</html>"), "failed"),
}


class Told:
    """All that the service says and keeps while a sync is saved, run, asked for and changed."""

    def __init__(self, api: Any, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, logger="contactsync")
        self._api = api
        self._caplog = caplog
        self._answers: list[str] = []
        api.world.limits = QUICK

    def run(self, source: dict[str, Any]) -> str:
        """Save and run a sync with this source; how the run ended."""
        api, world = self._api, self._api.world
        body = {"source": source, "mapping": MAPPING, "notify": {"emails": ["owner@example.com"]}}
        begun = api.post("/imports", body, key="once")
        assert begun.status == 202, begun.text
        run_id, sync_id = begun.json["run"]["id"], begun.json["sync"]["id"]
        world.execute(world.control.run(api.account.account_id, run_id).value)
        ended = api.get(f"/runs/{run_id}")
        told = [
            begun,
            ended,
            api.get(f"/syncs/{sync_id}"),
            api.get("/syncs"),
            api.post("/imports", body, key="once"),
        ]
        told += [
            api.patch(f"/syncs/{sync_id}", {"source": {**source, "surplus": 1}}),
            api.patch(f"/syncs/{sync_id}", {"name": "Other"}),
        ]
        self._answers += [answer.text + json.dumps(answer.headers) for answer in told]
        return str(ended.json["status"])

    def places(self) -> list[Place]:
        """Wherever something was written."""
        world = self._api.world
        lines = [f"{record.getMessage()} {vars(record)}" for record in self._caplog.records]
        return [
            *(Place("answer", text) for text in self._answers),
            *(Place("log", line) for line in lines),
            *(Place("event", repr(event)) for event in world.bus.events),
            *(Place("record", repr(record)) for record in world.records._stored.items()),
            *(Place("object", f"{key} {data!r}") for key, data in world.runs._stored.items()),
            *(Place("mail", repr(mail)) for mail in world.mailer.sent),
        ]  # fmt: skip


@pytest.fixture
def told(api, caplog) -> Told:
    return Told(api, caplog)


def test_the_search_finds_what_is_there(told):
    assert found("ada@example.com", [Place("x", json.dumps({"a": "ada@example.com"}))])
    for spelt in (
        SECRET,
        json.dumps(SECRET),
        json.dumps(json.dumps(SECRET)),
        "kanarie%2F%C3%9F%2B7f%5C3a%20%3Dok",
    ):
        assert found(SECRET, [Place("x", f"<{spelt}>")]), spelt


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_of_a_web_server(told, world, kind, ending):
    asked, secret = SECRETS[kind]
    answer, status = ENDINGS[ending]
    with WebServer(lambda request: answer) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        url = f"http://127.0.0.1:{server.port}/a.csv{asked.get('query', '')}"
        auth = {"auth": asked["auth"]} if "auth" in asked else {}
        assert told.run({"kind": "http", "url": url, **auth}) == status
        sent = [Place("request", f"{request.target} {request.headers}") for request in server.requests]
    if kind != "header":  # which travels in Latin-1
        assert found(secret, sent), "the server was not shown it, so the test shows nothing"
    places = told.places()
    assert {place.where for place in places} >= {"answer", "log", "event", "record", "mail"}
    assert found(secret, places) == []


@contextmanager
def file_server(kind: str, folder: Path) -> Iterator[tuple[str, dict[str, str], list[str]]]:
    """A server's address, a source's login, and the secrets in it."""
    (folder / "a.csv").write_bytes(ROWS)
    os.utime(folder / "a.csv", (1_767_000_000, 1_767_000_000))
    if kind == "ftp":
        with ftp_server(folder, username="ann", password=SECRET, auth_failed_timeout=0) as port:
            yield f"ftp://127.0.0.1:{port}/a.csv", {"username": "ann", "password": SECRET}, [SECRET]
    elif kind == "sftp password":
        with sftp_server(folder, password=SECRET) as port:
            yield f"sftp://127.0.0.1:{port}/a.csv", {"username": "ann", "password": SECRET}, [SECRET]
    else:
        key = asyncssh.generate_private_key("ssh-ed25519")
        passphrase = SECRET if kind == "sftp key with a passphrase" else None
        text = key.export_private_key(passphrase=passphrase, rounds=50).decode()
        with sftp_server(folder, keys=[key]) as port:
            login = {"username": "ann", "private_key": text}
            login |= {"password": passphrase} if passphrase else {}
            yield f"sftp://127.0.0.1:{port}/a.csv", login, [SECRET, *text.splitlines()[1:-1]]


@pytest.mark.parametrize("ending", ["whole", "login refused", "no such file"])
@pytest.mark.parametrize("kind", ["ftp", "sftp password", "sftp key", "sftp key with a passphrase"])
def test_a_secret_of_a_file_server(told, world, tmp_path, kind, ending):
    with file_server(kind, tmp_path) as (url, login, secrets):
        world.allow_hosts = url.split("/")[2]
        if ending == "login refused":
            login["username"] = "bob"
        there = f"{url}.gone" if ending == "no such file" else url
        status = told.run({"kind": "ftp", "url": there, **login})
    assert status == ("succeeded" if ending == "whole" else "failed")
    places = told.places()
    for secret in secrets:
        assert found(secret, places) == []


def test_a_passphrase_that_does_not_fit_is_not_repeated(told, world, tmp_path):
    with file_server("sftp key with a passphrase", tmp_path) as (url, login, secrets):
        world.allow_hosts = url.split("/")[2]
        wrong = f"{SECRET} or so"
        assert told.run({"kind": "ftp", "url": url, **login, "password": wrong}) == "failed"
    for secret in (*secrets, wrong):
        assert found(secret, told.places()) == []


@pytest.mark.parametrize("scheme", ["http", "https", "ftp", "ftps", "sftp"])
@pytest.mark.parametrize("host", ["files.example.com", "127.0.0.1", "[::1]"])
def test_a_secret_in_an_address_is_refused_without_repeating_it(api, caplog, scheme, host):
    caplog.set_level(logging.DEBUG, logger="contactsync")
    kind = "http" if scheme.startswith("http") else "ftp"
    for user in ("ann:kanarie-7f3a", ":kanarie-7f3a", "kanarie-7f3a", "ann:kanarie%2D7f3a"):
        source = {"kind": kind, "url": f"{scheme}://{user}@{host}/a.csv", "username": "ann"}
        if kind == "http":
            source.pop("username")
        answers = [
            api.post(path, {"source": source, "mapping": MAPPING}, key=f"{path}{user}")
            for path in ("/syncs", "/imports")
        ]
        assert {answer.status for answer in answers} == {422}
        assert all("fields of their own" in answer.text for answer in answers)
        places = [Place("answer", answer.text) for answer in answers]
        places += [Place("log", f"{record.getMessage()} {vars(record)}") for record in caplog.records]
        places += [Place("record", repr(record)) for record in api.world.records._stored.items()]
        assert found("kanarie-7f3a", places) == []
        assert found("kanarie%2D7f3a", places) == []
