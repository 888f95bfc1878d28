"""Contacts written per CPU second: the production adapter against what is usually written, and a named peer.

    python -m bench.writing [rows] [--rounds 3] [--peer-python PATH]

Every worker is a process of its own that reads the same CSV file and writes each row to the same table, which
bench.stub plays: it answers at once, so a worker's CPU is its own. They take turns; the median counts. Ours
writes under conditions, with bounded retries; the peers put items over whatever is there.

awswrangler is measured if this Python has it, or another one, whose path is given, does.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

REGION = "eu-west-1"
TABLE = "bench"
ROOT = Path(__file__).resolve().parents[1]
LISTS = {"email": "emails", "phone": "phones", "url": "urls"}


def ours(path: str) -> int:
    """The upsert step's adapter: typed fields, one condition a contact."""
    from contactsync.adapters.contact_table import ContactTable
    from contactsync.adapters.wire import dynamodb
    from contactsync.model.contact import Audit, Contact, Source
    from contactsync.ports import Insert

    audit = Audit(
        "2026-01-01T00:00:00Z", "run:0123456789abcdef", "2026-01-01T00:00:00Z", "run:0123456789abcdef"
    )

    def inserts() -> Iterator[Insert]:
        with Path(path).open(newline="", encoding="utf-8") as file:
            reader = csv.reader(file)
            header = next(reader)[2:]
            for line, (_, contact_id, *cells) in enumerate(reader, 2):
                fields: dict[str, Any] = {}
                for name, cell in zip(header, cells, strict=True):
                    if cell and name in LISTS:
                        fields[LISTS[name]] = [{"value": cell, "label": ""}]
                    elif cell:
                        fields[name] = cell
                sources = {"0123456789abcdef": Source("fedcba9876543210", line, contact_id)}
                yield Insert(Contact(contact_id, 1, fields, audit, sources))

    return sum(done for _, done in ContactTable(TABLE, dynamodb(REGION)).write("account", inserts()))


def batch_writer(path: str) -> int:
    """What most samples show."""
    import boto3

    count = 0
    table = boto3.resource("dynamodb", region_name=REGION).Table(TABLE)
    with Path(path).open(newline="", encoding="utf-8") as file, table.batch_writer() as batch:
        for row in csv.DictReader(file):
            batch.put_item(Item=row)
            count += 1
    return count


def awswrangler(path: str) -> int:
    """AWS SDK for pandas, one call."""
    import awswrangler as wr

    # Everything as text, or its reader makes floats of phone numbers, which its writer then refuses
    wr.dynamodb.put_csv(path=path, table_name=TABLE, dtype=str, keep_default_na=False, use_threads=False)
    with Path(path).open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


WORKERS: dict[str, Callable[[str], int]] = {
    "ours": ours,
    "batch_writer": batch_writer,
    "awswrangler": awswrangler,
}


def work(name: str, path: str) -> None:
    """One worker, in its own process: prints the rows written and the CPU seconds after imports."""
    warm = {
        "ours": "contactsync.adapters.contact_table",
        "batch_writer": "boto3",
        "awswrangler": "awswrangler",
    }
    __import__(warm[name])
    start = time.process_time()
    rows = WORKERS[name](path)
    print(json.dumps({"rows": rows, "cpu_s": time.process_time() - start}))


def measure(rows: int, rounds: int, pythons: dict[str, str]) -> dict[str, Any]:
    """All workers in turn → CPU seconds of each, whole process and without imports, and the ratios to ours."""
    whole: dict[str, list[float]] = {name: [] for name in pythons}
    working: dict[str, list[float]] = {name: [] for name in pythons}
    with TemporaryDirectory() as folder, stub() as endpoint:
        path = str(Path(folder) / "contacts.csv")
        make_file(path, rows)
        for _ in range(rounds):
            for name, python in pythons.items():
                cpu_s, report = run(python, name, path, endpoint)
                assert report["rows"] == rows, f"{name} wrote {report['rows']} rows"
                whole[name].append(cpu_s)
                working[name].append(report["cpu_s"])
                print(f"  {name}: {cpu_s:.2f} s, {report['cpu_s']:.2f} s without imports", file=sys.stderr)
    return {
        "rows": rows,
        "workers": {
            name: {
                "cpu_s": round(statistics.median(whole[name]), 2),
                "us_an_item_without_imports": round(statistics.median(working[name]) / rows * 1e6, 1),
                "items_a_cpu_s": round(rows / statistics.median(whole[name])),
                "ratio_to_ours": round(statistics.median(whole[name]) / statistics.median(whole["ours"]), 1),
                "ratio_without_imports": round(
                    statistics.median(working[name]) / statistics.median(working["ours"]), 1
                ),
            }
            for name in pythons
        },
    }


def make_file(path: str, count: int) -> None:
    """The generated contacts, with a key in front that the peers need as columns."""
    from tests.support.generate import HEADER, rows

    with Path(path).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["pk", "sk", *HEADER])
        for number, row in enumerate(rows(count, seed=1, invalid=0)):
            contact_id = blake2b(str(number).encode(), digest_size=16).hexdigest()
            writer.writerow([f"account#{int(contact_id[:2], 16) >> 2:02d}", contact_id, *row.cells])


def run(python: str, name: str, path: str, endpoint: str) -> tuple[float, dict[str, Any]]:
    """Run one worker → its whole CPU seconds, user and system, and what it reports."""
    command = [python, "-m", "bench.writing", "--worker", name, "--file", path]
    environment = os.environ | {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": endpoint,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "layers/common/python")]),
    }
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{name} failed")
    return usage.ru_utime + usage.ru_stime, json.loads(output)


@contextmanager
def stub() -> Iterator[str]:
    """bench.stub in its own process."""
    with subprocess.Popen(
        [sys.executable, "-m", "bench.stub", "0"], stdout=subprocess.PIPE, cwd=ROOT
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


def available(peer_python: str | None) -> dict[str, str]:
    """Which Python runs which worker."""
    pythons = {"ours": sys.executable, "batch_writer": sys.executable}
    if peer_python or find_spec("awswrangler"):
        pythons["awswrangler"] = peer_python or sys.executable
    else:
        print("awswrangler is not installed here, so it is not measured", file=sys.stderr)
    return pythons


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.writing", description=__doc__)
    parser.add_argument("rows", type=int, nargs="?", default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--peer-python", help="a Python that has awswrangler")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--file", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        work(options.worker, options.file)
    else:
        print(json.dumps(measure(options.rows, options.rounds, available(options.peer_python)), indent=2))


if __name__ == "__main__":
    main()
