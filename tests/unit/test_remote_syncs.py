"""Syncs whose file we fetch ourselves: saved without their secrets, fetched with them, run again on request."""

from __future__ import annotations

import hashlib
import json
import logging
import os
from pathlib import Path
from typing import Any

import asyncssh
import orjson
import pytest

from tests.fakes.sshserver import sftp_server
from tests.fakes.webserver import RESET, WebServer, reply

CANARY = "canary-4f1c"
ROWS = b"email,name\nada@example.com,Ada\ngrace@example.com,Grace\n"
MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]


def request(source: dict[str, Any], **body: Any) -> dict[str, Any]:
    return {"name": "Nightly", "source": source, "mapping": MAPPING, **body}


def web_source(server: WebServer, **changes: Any) -> dict[str, Any]:
    auth = {"kind": "basic", "username": "ann", "password": CANARY}
    return {
        "kind": "http",
        "url": f"http://127.0.0.1:{server.port}/a.csv?sig={CANARY}",
        "auth": auth,
        **changes,
    }


def executed(api, run_id: str) -> dict[str, Any]:
    """The run after the state machine has been through it."""
    run = api.world.control.run(api.account.account_id, run_id).value
    api.world.execute(run, execution=f"execution of {run_id}")
    ended: dict[str, Any] = api.get(f"/runs/{run_id}").json
    return ended


def go(api, sync_id: str) -> dict[str, Any]:
    asked = api.post(f"/syncs/{sync_id}/runs", {})
    assert asked.status == 202, asked.text
    return executed(api, asked.json["id"])


@pytest.fixture
def server(world):
    with WebServer(lambda _: reply(ROWS)) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        yield server


def test_a_file_on_a_web_server_is_imported_and_imported_again(api, server):
    answer = api.post("/imports", request(web_source(server)))
    assert answer.status == 202, answer.text
    first = executed(api, answer.json["run"]["id"])
    assert (first["status"], first["counts"]["added"]) == ("succeeded", 2)
    assert server.requests[0].target == f"/a.csv?sig={CANARY}"
    assert server.requests[0].headers["authorization"].startswith("Basic ")

    sync_id = answer.json["sync"]["id"]
    assert go(api, sync_id)["status"] == "unchanged"
    server.answer = lambda _: reply(ROWS + b"bob@example.com,Bob\n")
    third = go(api, sync_id)
    assert (third["status"], third["counts"]["added"]) == ("succeeded", 1)


def test_no_secret_is_stored_shown_logged_or_told(api, server, caplog):
    caplog.set_level(logging.DEBUG)
    server.answer = lambda _: reply(b"<html>" + ROWS)
    answer = api.post("/imports", request(web_source(server)), key="once")
    run = executed(api, answer.json["run"]["id"])
    again = api.get(f"/syncs/{answer.json['sync']['id']}")
    listed = api.get("/syncs")
    assert answer.json["sync"]["source"] == {
        "kind": "http",
        "url": f"http://127.0.0.1:{server.port}/a.csv",
        "auth": {"kind": "basic", "username": "ann"},
    }
    told = [answer.text, again.text, listed.text, json.dumps(run), caplog.text, repr(api.world.bus.events)]
    told += [repr(api.world.records._stored), repr(api.world.runs._stored), repr(api.world.mailer.sent)]
    assert not [text for text in told if CANARY in text]
    sync = api.world.control.sync(api.account.account_id, answer.json["sync"]["id"]).value
    assert CANARY in api.world.vault.decrypt(
        sync.sealed, {"account": api.account.account_id, "sync": sync.id}
    )
    assert sync.sealed not in repr(sync)


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "http", "url": f"https://ann:{CANARY}@files.example.com/"},
        {"kind": "http", "url": "file:///etc/passwd", "auth": {"kind": "bearer", "token": CANARY}},
        {"kind": "http", "url": "https://x.example.com", "auth": {"kind": "bearer", "token": f"{CANARY}\n"}},
        {"kind": "ftp", "url": "sftp://x.example.com/a.csv", "password": CANARY},
        {"kind": "ftp", "url": "ftp://x.example.com/a.csv", "private_key": CANARY},
        {"kind": "ftp", "url": "sftp://x.example.com/a", "username": "ann", "private_key": CANARY * 400},
    ],
)
def test_a_refused_source_is_refused_without_repeating_it(api, source, caplog):
    caplog.set_level(logging.DEBUG)
    answer = api.post("/imports", request(source))
    assert answer.status == 422
    assert all(pointer.startswith("/source") for pointer in answer.pointers)
    assert CANARY not in answer.text + caplog.text + repr(api.world.records._stored)


def test_a_bucket_needs_a_role_of_the_customer_under_the_account_s_external_id(api):
    bucket = {"kind": "s3", "bucket": "customer", "key": "in/*.csv"}
    answer = api.post("/imports", request(bucket))
    assert (answer.status, answer.pointers) == (422, {"/source/role_arn"})
    assert api.get("/account").json["external_id"] == api.account.account_id
    role = "arn:aws:iam::123456789012:role/reader"
    answer = api.post("/imports", request({**bucket, "role_arn": role}))
    assert answer.json["sync"]["source"] == {**bucket, "role_arn": role}


def test_an_upload_has_no_place_in_a_run_of_a_remote_source(api, server):
    sync = api.post("/imports", request(web_source(server))).json["sync"]
    executed(api, sync["latest_run"]["id"])
    answer = api.post(f"/syncs/{sync['id']}/runs", {"upload_id": "u1"})
    assert (answer.status, answer.pointers) == (422, {"/upload_id"})


def test_an_address_within_is_not_fetched_from(api, server):
    api.world.allow_hosts = ""
    run = executed(api, api.post("/imports", request(web_source(server))).json["run"]["id"])
    assert run["status"] == "failed"
    assert run["problem"]["detail"]
    assert server.requests == []
    assert CANARY not in json.dumps(run)


def test_a_file_without_proof_deletes_nobody_and_says_why(api, world):
    deletes = {
        "delete_missing": {"scope": "sync"},
        "guard": {"max_delete_percent": 100, "min_overlap_percent": 0},
    }
    whole = True

    def answer(_: Any) -> list[Any]:
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/csv\r\n"
        return reply(ROWS) if whole else [head + b"\r\n" + ROWS[: ROWS.index(b"grace")]]

    with WebServer(answer) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        sync = api.post("/imports", request(web_source(server), options=deletes)).json["sync"]
        executed(api, sync["latest_run"]["id"])
        whole = False
        run = go(api, sync["id"])
    assert (run["status"], run["counts"]["deleted"]) == ("succeeded", 0)
    assert set(world.stored()) == {"ada@example.com", "grace@example.com"}
    [warning] = [it for it in run["warnings"] if it["code"] == "source_not_proven_complete"]
    assert warning["message"].startswith("Nothing shows that the source was read to its end")
    doubt = world.control.run(api.account.account_id, run["id"]).value.doubt
    assert doubt
    assert warning["message"].endswith(doubt)


def test_a_file_that_breaks_off_changes_nothing(api, world):
    def answer(_: Any) -> list[Any]:
        return [b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", ROWS, RESET]

    with WebServer(answer) as server:
        world.allow_hosts = f"127.0.0.1:{server.port}"
        run = executed(api, api.post("/imports", request(web_source(server))).json["run"]["id"])
    assert run["status"] == "failed"
    assert world.stored() == {}


def test_the_first_ssh_server_is_remembered_and_another_one_refused(api, world, tmp_path: Path):
    (tmp_path / "a.csv").write_bytes(ROWS)
    os.utime(tmp_path / "a.csv", (1_767_000_000, 1_767_000_000))
    first, other = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    with sftp_server(tmp_path, password=CANARY, host_keys=[first]) as port:
        world.allow_hosts = f"127.0.0.1:{port}"
        source = {
            "kind": "ftp",
            "url": f"sftp://127.0.0.1:{port}/a.csv",
            "username": "ann",
            "password": CANARY,
        }
        sync = api.post("/imports", request(source)).json["sync"]
        assert executed(api, sync["latest_run"]["id"])["status"] == "succeeded"
        pinned = world.control.sync(api.account.account_id, sync["id"]).value.host_key
        assert pinned
        assert "SHA256:" in pinned
        assert go(api, sync["id"])["status"] == "unchanged"
    with sftp_server(tmp_path, password=CANARY, host_keys=[other]) as port:
        world.allow_hosts = f"127.0.0.1:{port}"

        def moved(read: Any) -> Any:
            sync = read.value
            return sync.model_copy(
                update={"source": {**sync.source, "url": f"sftp://127.0.0.1:{port}/a.csv"}}
            )

        world.control.update_sync(api.account.account_id, sync["id"], moved)
        run = go(api, sync["id"])
    assert run["status"] == "failed"
    assert "key" in f"{run['problem']['title']} {run['problem']['detail']}".lower()


def test_one_sync_cannot_open_the_secrets_of_another(api, server):
    mine = api.post("/imports", request(web_source(server))).json["sync"]
    theirs = api.post("/imports", request(web_source(server))).json["sync"]
    account = api.account.account_id
    sealed = api.world.control.sync(account, theirs["id"]).value.sealed
    api.world.control.update_sync(
        account, mine["id"], lambda it: it.value.model_copy(update={"sealed": sealed})
    )
    run = executed(api, mine["latest_run"]["id"])
    assert (run["status"], run["problem"]["code"]) == ("failed", "internal")
    assert server.requests == []


def test_secrets_outlive_other_changes_are_rotated_with_the_source_and_go_with_the_sync(api, server):
    sync = api.post("/syncs", request(web_source(server))).json
    account = api.account.account_id

    def sealed() -> str:
        return str(api.world.control.sync(account, sync["id"]).value.sealed)

    first = sealed()
    renamed = api.patch(f"/syncs/{sync['id']}", {"name": "Weekly"})
    assert (renamed.status, renamed.json["source"], sealed()) == (200, sync["source"], first)
    assert go(api, sync["id"])["status"] == "succeeded"
    rotated = {"kind": "bearer", "token": f"{CANARY}-2"}
    changed = api.patch(f"/syncs/{sync['id']}", {"source": web_source(server, auth=rotated)})
    assert changed.status == 200
    assert CANARY not in changed.text
    assert sealed() not in {"", first}
    go(api, sync["id"])
    assert server.requests[-1].headers["authorization"] == f"Bearer {CANARY}-2"
    assert api.call("DELETE", f"/syncs/{sync['id']}").status == 204
    assert sealed() == ""


def test_what_is_kept_of_a_repeatable_request_does_not_tell_its_password_by_trying(api, server):
    body = request(web_source(server))
    assert api.post("/syncs", body, key="once").status == 201
    plain = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()
    stored = repr(api.world.records._stored)
    assert "idempotency#" in stored
    assert plain not in stored
    assert api.post("/syncs", body, key="once").status == 201
    other = request(web_source(server, auth={"kind": "bearer", "token": "other"}))
    assert api.post("/syncs", other, key="once").status == 422


@pytest.mark.parametrize(
    "change",
    [
        {"mapping": MAPPING[:1]},
        {"options": {"existing": "skip"}},
        {"options": {"segments": []}},
        {"format": {"country": "DE"}},
        {"identity": {"field": "name"}},
    ],
    ids="".join,
)
def test_the_same_file_is_read_again_once_the_sync_says_something_else_of_it(api, server, change):
    sync = api.post("/imports", request(web_source(server))).json["sync"]
    assert executed(api, sync["latest_run"]["id"])["status"] == "succeeded"
    assert go(api, sync["id"])["status"] == "unchanged"
    if change == {"options": {"segments": []}}:
        change = {"options": {"segments": [api.post("/segments", {"name": "Fair"}).json["id"]]}}
    changed = api.patch(f"/syncs/{sync['id']}", change)
    assert changed.status == 200, changed.text
    assert go(api, sync["id"])["status"] != "unchanged"


def test_a_file_without_proof_is_read_again_when_the_same_comes_with_it(api, server):
    people = b"email,name\n" + b"".join(b"p%d@example.com,P\n" % number for number in range(10))
    server.answer = lambda _: reply(people)
    sync = api.post(
        "/imports", request(web_source(server), options={"delete_missing": {"scope": "all"}})
    ).json["sync"]
    executed(api, sync["latest_run"]["id"])
    fewer = people[: people.index(b"p9@")]
    server.answer = lambda _: [b"HTTP/1.1 200 OK\r\n\r\n" + fewer]  # nothing says how long it is
    unproven = go(api, sync["id"])
    assert (unproven["status"], unproven["counts"]["deleted"]) == ("succeeded", 0)
    server.answer = lambda _: reply(fewer)
    proven = go(api, sync["id"])
    assert (proven["status"], proven["counts"]["deleted"]) == ("succeeded", 1)


def test_the_file_of_a_dry_run_is_shown_from_our_own_copy(api, server):
    wrong = {**request(web_source(server)), "mapping": [{"column": "no such column", "field": "email"}]}
    sync = api.post("/syncs", wrong).json
    started = api.post(f"/syncs/{sync['id']}/runs", {"dry_run": True}).json
    assert api.get(f"/runs/{started['id']}/preview").status == 409
    ended = executed(api, started["id"])
    assert (ended["status"], ended["problem"]["code"]) == ("failed", "mapping_does_not_fit")
    assert ended["problem"]["detail"].endswith(f"GET /v1/runs/{started['id']}/preview shows its columns.")
    shown = api.get(f"/runs/{started['id']}/preview").json
    assert [(column["name"], column["suggestion"]["field"]) for column in shown["columns"]] == [
        ("email", "email"),
        ("name", "name"),
    ]
    assert shown["columns"][1]["samples"] == ["Ada", "Grace"]
    assert shown["rows"][0] == ["ada@example.com", "Ada"]
    assert shown["format"]["delimiter"] == ","
    assert api.world.stored() == {}


def test_a_file_that_is_fetched_again_and_again_is_kept_once(api, server):
    sync = api.post("/imports", request(web_source(server))).json["sync"]
    first = executed(api, sync["latest_run"]["id"])
    again = [go(api, sync["id"]) for _ in range(2)]
    assert [run["status"] for run in again] == ["unchanged"] * 2
    folder = f"runs/{api.account.account_id}"
    kept = [api.world.runs.size(f"{folder}/{run['id']}/source") for run in (first, *again)]
    assert kept[0]
    assert kept[1:] == [0, 0]
    shown = [api.get(f"/runs/{run['id']}/preview").json for run in (first, *again)]
    assert shown[0]["rows"]
    assert shown[1:] == [shown[0]] * 2
    server.answer = lambda _: reply(b"email\nzoe@example.com\n")
    other = go(api, sync["id"])
    assert api.get(f"/runs/{other['id']}/preview").json["rows"] == [["zoe@example.com"]]


def test_a_run_without_a_file_and_another_account_s_run_show_nothing(api, server, stranger):
    server.answer = lambda _: reply(b"", status="404 Not Found")
    run = executed(api, api.post("/imports", request(web_source(server))).json["run"]["id"])
    assert api.get(f"/runs/{run['id']}/preview").status == 409
    assert stranger.get(f"/runs/{run['id']}/preview").status == 404
