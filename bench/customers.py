"""Who imports: an account with a sync, its runs, and the files that come again.

What the measured process does not need is in here, so that it does not pay for it.
"""

from __future__ import annotations

import csv
import shutil
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from contactsync.adapters import wire
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.memory import MemoryObjects
from contactsync.adapters.signing import Credentials
from contactsync.control import Control, new_id
from contactsync.journeys.account.accounts import create_account
from contactsync.journeys.file.runfiles import RunFiles
from contactsync.model.run import Run
from contactsync.model.sync import Sync, SyncRequest

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


def changed(file: Path, to: Path, *, every: int, drop_every: int = 0) -> None:
    """The same file with another job title in each `every`-th row (0: in none), and without each `drop_every`-th."""
    if not every and not drop_every:
        shutil.copyfile(file, to)
        return
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
