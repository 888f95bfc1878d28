"""One import as production runs it, every step in one process, against bench.service.

    python -m bench.ours <account> <run> [--until map]

The steps, adapters, conditions, retries, rejects and reports are those of the deployed functions; bootstrap puts them
together. What differs from the cloud is that one worker takes every chunk and unit in turn. It prints the run's
counts and the CPU seconds of each step.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

from contactsync import (
    bootstrap,
    entry,  # noqa: F401 - as in every handler: it tells the garbage collector to look less often
)
from contactsync.adapters import wire
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.memory import MemoryObjects
from contactsync.adapters.signing import Credentials
from contactsync.control import Control, new_id
from contactsync.journeys import importing
from contactsync.journeys.account.accounts import create_account
from contactsync.journeys.file.runfiles import RunFiles
from contactsync.model.message import Chunks, Finishing, Message, Requested, Units
from contactsync.model.run import Run
from contactsync.model.sync import Sync, SyncRequest
from contactsync.sources.staging import DirectCourier

A = TypeVar("A")
BUCKET = "runs"


def environment(endpoint: str) -> dict[str, str]:
    """What a function of the stack finds around it, with every service at one endpoint."""
    return {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_REGION": "eu-west-1",
        "AWS_DEFAULT_REGION": "eu-west-1",
        "AWS_ENDPOINT_URL": endpoint,
        "CONTACTS_TABLE": "contacts",
        "CONTROL_TABLE": "control",
        "RUNS_BUCKET": BUCKET,
        "UPLOADS_BUCKET": "uploads",
        "DROP_BUCKET": "drops",
        "PHOTOS_BUCKET": "photos",
        "BUS_NAME": "bus",
        "MAIL_SENDER": "contact-sync@example.com",
        "POWERTOOLS_LOG_LEVEL": "ERROR",
    }


def customer(endpoint: str, mapping: list[dict[str, Any]], **options: Any) -> tuple[str, str]:
    """A new account with one sync of pasted rows → their ids."""
    control, now = _control(endpoint), datetime.now(UTC)
    account = create_account(control, name="Acme", country="NL", email="owner@example.com", now=now)
    asked = SyncRequest.model_validate(
        {
            "source": {"kind": "paste", "text": "-"},
            "mapping": mapping,
            "notify": {"emails": ["owner@example.com"]},
            "options": options,
        }
    )
    at = now.isoformat(timespec="milliseconds")
    sync = Sync(id=f"s{new_id(now)}", created_at=at, created_by="bench", updated_at=at, **asked.model_dump())
    control.create_sync(account.account_id, sync, None)
    return account.account_id, sync.id


def request(endpoint: str, account_id: str, sync_id: str, file: Path) -> str:
    """A run of the sync over this file, as the API leaves it; its id."""
    now = datetime.now(UTC)
    run = Run(
        id=f"r{new_id(now)}",
        account_id=account_id,
        sync_id=sync_id,
        trigger="api",
        requested_at=now.isoformat(timespec="milliseconds"),
        requested_by="bench",
    )
    connection = HTTPConnection(endpoint.removeprefix("http://"))
    key = RunFiles(MemoryObjects(), account_id, run.id).paste
    with file.open("rb") as body:
        connection.request("PUT", f"/{BUCKET}/{key}", body, {"Content-Length": str(file.stat().st_size)})
    connection.getresponse().read()
    connection.close()
    _control(endpoint).create_run(account_id, run)
    return run.id


def _control(endpoint: str) -> Control:
    """The control table as whoever measures sees it, whose own process has no settings and keeps none."""
    known = environment(endpoint)
    keys = Credentials(known["AWS_ACCESS_KEY_ID"], known["AWS_SECRET_ACCESS_KEY"])
    table = wire.dynamodb(known["AWS_REGION"], endpoint=endpoint, credentials=lambda: keys)
    return Control(ControlTable(known["CONTROL_TABLE"], table, SystemClock()))


class Machine:
    """The states of statemachine/import.asl.yaml, one after the other, timed."""

    def __init__(self, account_id: str, run_id: str) -> None:
        self.names = {"account_id": account_id, "run_id": run_id}
        self.cpu_s: dict[str, float] = {}

    def run(self, until: str) -> None:
        """Every step up to and including `until`."""
        control, runs = bootstrap.control(), bootstrap.runs()
        contacts, clock = bootstrap.contacts(), bootstrap.clock()
        here: dict[str, Any] = {"control": control, "runs": runs}
        message = Message(**self.names)
        fetched = self._timed(
            "fetch",
            lambda: importing.fetch(
                Requested(**self.names, execution="bench"),
                uploads=bootstrap.uploads(),
                drops=bootstrap.drops(),
                vault=bootstrap.vault(),
                courier=DirectCourier(_no_source, runs),
                clock=clock,
                **here,
            ),
        )
        if fetched.outcome == "fetched":
            parsed = self._timed("parse", lambda: importing.parse(message, **here))
            chunks = Chunks(**self.names, chunks=parsed.chunks)
            units = Units(**self.names, units=parsed.units)
            self._timed("map", lambda: importing.map(chunks, clock=clock, **here))
            if until == "map":
                return
            here |= {"contacts": contacts, "clock": clock}
            self._timed("plan", lambda: importing.plan(units, **here))
            if self._timed("guard", lambda: importing.guard(message, **here)).verdict == "go":
                self._timed("upsert", lambda: importing.upsert(units, **here))
        finishing = Finishing.model_validate({**self.names, "error": None})
        self._timed(
            "notify",
            lambda: importing.notify(
                finishing,
                control=control,
                contacts=contacts,
                runs=runs,
                mailer=bootstrap.mailer(),
                bus=bootstrap.bus(),
                clock=clock,
                public_url="https://api.example.com",
            ),
        )

    def _timed(self, step: str, work: Callable[[], A]) -> A:
        begun = time.process_time()
        done = work()
        self.cpu_s[step] = round(time.process_time() - begun, 3)
        return done


def _no_source(*_: object, **__: object) -> Any:
    raise AssertionError("a pasted file comes from no server")


def changed(file: Path, to: Path, *, every: int, drop_every: int = 0) -> None:
    """The same file with another job title in each `every`-th row (0: in none), and without each `drop_every`-th."""
    if not every and not drop_every:
        shutil.copyfile(file, to)
        return
    import csv

    with file.open(newline="", encoding="utf-8") as source, to.open("w", newline="", encoding="utf-8") as out:
        reader, writer = csv.reader(source), csv.writer(out, lineterminator="\r\n")
        header = next(reader)
        writer.writerow(header)
        title = header.index("job_title")
        for number, cells in enumerate(reader, 1):
            if drop_every and number % drop_every == 0:
                continue
            if every and number % every == 0 and len(cells) > title:
                cells[title] = f"{cells[title]} emeritus"
            writer.writerow(cells)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.ours", description=__doc__)
    parser.add_argument("account")
    parser.add_argument("run")
    parser.add_argument("--until", default="notify", choices=["map", "notify"])
    given = parser.parse_args()
    machine = Machine(given.account, given.run)
    machine.run(given.until)
    run = bootstrap.control().run(given.account, given.run).value
    counts = run.counts.model_dump()
    print(
        json.dumps(
            {"status": run.status, "rows_total": run.rows_total, "counts": counts, "cpu_s": machine.cpu_s}
        )
    )


if __name__ == "__main__":
    main()
