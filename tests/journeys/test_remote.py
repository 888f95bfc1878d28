"""A customer's server, read by the whole stack: with its secrets, by request and by schedule, and without a trace of them."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from local import deploy
from local.stack import Ports, Settings, Stack
from tests.fakes.ftpserver import ftp_server
from tests.fakes.sshserver import sftp_server
from tests.fakes.webserver import WebServer, reply
from tests.journeys import traces
from tests.support.customer import Customer
from tests.support.waiting import wait_for

pytestmark = pytest.mark.stack

CANARY = "kanarie-9c1d"
ROWS = b"email,name\nada@example.com,Ada\ngrace@example.com,Grace\n"
MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]


@pytest.fixture(scope="module")
def server() -> Iterator[WebServer]:
    with WebServer(lambda _: reply(ROWS)) as server:
        yield server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, int]]:
    """The same rows under `people.csv` on other kinds of servers: scheme → port."""
    folder = tmp_path_factory.mktemp("served")
    (folder / "people.csv").write_bytes(ROWS)
    os.utime(folder / "people.csv", (1_767_000_000, 1_767_000_000))  # nobody is uploading it any more
    with ftp_server(folder) as ftp, sftp_server(folder) as sftp:
        yield {"ftp": ftp, "sftp": sftp}


@pytest.fixture(scope="module")
def stack(
    server: WebServer, served: dict[str, int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """A stack whose functions may reach the test's servers, which are on this machine."""
    ports = (server.port, *served.values())
    settings = Settings(
        home=Path(tmp_path_factory.mktemp("remote")),
        ports=Ports.free(),
        wait_scale=0.05,
        functions={"ALLOW_HOSTS": ",".join(f"127.0.0.1:{port}" for port in ports)},
        say=lambda text: None,
    )
    with Stack(settings) as started:
        yield started


def test_files_on_servers_are_shown_before_anything_is_saved(
    stack: Stack, server: WebServer, served: dict[str, int]
):
    customer = Customer.of(stack)
    login = {"username": "ann", "password": "correct horse"}
    url = f"http://127.0.0.1:{server.port}/people.csv?sig={CANARY}"
    web = {"kind": "http", "url": url, "auth": {"kind": "basic", "username": "ann", "password": CANARY}}
    others = [
        {"kind": "ftp", "url": f"{scheme}://127.0.0.1:{port}/people.csv", **login}
        for scheme, port in served.items()
    ]
    for source in (web, *others):
        shown = customer.post("/previews", {"source": source}, expect=200)
        assert shown["rows"] == [["ada@example.com", "Ada"], ["grace@example.com", "Grace"]]
        assert [each["suggestion"]["field"] for each in shown["columns"]] == ["email", "name"]
        assert (shown["file"]["name"], shown["file"]["size"]) == ("people.csv", len(ROWS))
    assert "authorization" in server.requests[-1].headers
    wrong = {**others[0], "password": CANARY}
    refused = customer.request("POST", "/previews", json={"source": wrong})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/login_refused")
    inside = {"kind": "http", "url": "http://169.254.169.254/latest/meta-data/"}
    refused = customer.request("POST", "/previews", json={"source": inside})
    assert (refused.status_code, refused.json()["type"]) == (422, "/problems/address_not_allowed")
    assert customer.get("/syncs")["items"] == customer.contacts() == []
    for written in (traces.logs, traces.records, traces.object_keys):
        assert traces.found(CANARY, written(stack)) == []
    for written in (traces.logs, traces.records):
        assert traces.found("grace@example.com", written(stack)) == []


def test_a_protected_file_is_imported_now_and_when_its_sync_is_due(stack: Stack, server: WebServer):
    customer = Customer.of(stack)
    zone = ZoneInfo("Europe/Amsterdam")
    tomorrow = datetime.now(zone) + timedelta(days=1)
    body = {
        "source": {
            "kind": "http",
            "url": f"http://127.0.0.1:{server.port}/people.csv?sig={CANARY}",
            "auth": {"kind": "basic", "username": "ann", "password": CANARY},
        },
        "mapping": MAPPING,
        "schedule": {
            "start": tomorrow.strftime("%Y-%m-%dT%H:%M:00"),
            "time_zone": zone.key,
            "recurrence": "FREQ=DAILY",
        },
    }
    asked = customer.post("/imports", body, expect=202)
    first = customer.wait_for_run(asked["run"]["id"])
    assert (first["status"], first["counts"]["added"]) == ("succeeded", 2), first
    assert server.requests[-1].target.endswith(CANARY)
    assert "authorization" in server.requests[-1].headers
    sync = customer.get(f"/syncs/{asked['sync']['id']}")
    assert sync["next_run_at"] > first["requested_at"]

    again = customer.post(f"/syncs/{sync['id']}/runs", {}, expect=202)
    assert customer.wait_for_run(again["id"])["status"] == "unchanged"

    server.answer = lambda _: reply(b"", status="401 Unauthorized")
    refused = customer.post(f"/syncs/{sync['id']}/runs", {}, expect=202)
    problem = customer.wait_for_run(refused["id"])["problem"]
    server.answer = lambda _: reply(ROWS)
    assert (problem["code"], problem["title"]) == ("login_refused", "127.0.0.1 refuses the login (401).")

    scheduler = deploy.client("scheduler", stack.endpoint)
    [known] = scheduler.list_schedules()["Schedules"]
    stored = scheduler.get_schedule(Name=known["Name"], GroupName=known["GroupName"])
    assert json.loads(stored["Target"]["Input"]) == {
        "account_id": customer.account_id,
        "sync_id": sync["id"],
    }
    for written in (traces.executions, traces.logs, traces.records, traces.object_keys, traces.mails):
        places = written(stack)
        assert places or written is traces.mails
        assert traces.found(CANARY, places) == []


def test_a_wake_up_of_the_scheduler_becomes_the_run_that_is_due(stack: Stack, server: WebServer):
    customer = Customer.of(stack)
    zone = ZoneInfo("Asia/Tokyo")
    now = datetime.now(zone)  # a moment that has passed before the schedule is kept is not made up for
    due = now.replace(second=0, microsecond=0) + timedelta(minutes=2 if now.second > 40 else 1)
    body = {
        "source": {"kind": "http", "url": f"http://127.0.0.1:{server.port}/people.csv"},
        "mapping": MAPPING,
        "schedule": {
            "start": due.strftime("%Y-%m-%dT%H:%M:00"),
            "time_zone": zone.key,
            "recurrence": "FREQ=MINUTELY;INTERVAL=15",
        },
    }
    sync = customer.post("/syncs", body, expect=201)

    def scheduled() -> str | None:
        runs = customer.get(f"/syncs/{sync['id']}/runs")["items"]
        return next((run["id"] for run in runs if run["trigger"] == "schedule"), None)

    run = customer.wait_for_run(wait_for(scheduled, within_s=140, what="the scheduled run"))
    assert (run["status"], run["counts"]["rows"]) == ("succeeded", 2)
    assert len(customer.get(f"/syncs/{sync['id']}/runs")["items"]) == 1
