"""What else is used to load or check a file of contacts: each does with the file what its documentation shows.

    python -m bench.peers <name> <file>

Each prints how many rows it took, and its most memory. What they leave undone, and we do, is not added to them: conditions, versions,
rejects with reasons, typed fields where they write, a report.
"""

from __future__ import annotations

import csv
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bench import processes
from bench.service import PEERS

EMAIL = r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"
PHONE = r"^\+?[0-9 ().\-/]{6,}$"


def rows_of(path: str) -> Iterator[dict[str, Any]]:
    """csv.DictReader over the file; a row that has lost cells has None in them."""
    with Path(path).open(newline="", encoding="utf-8") as file:
        yield from csv.DictReader(file)


def batch_writer(path: str) -> int:
    """What most samples show."""
    import boto3

    count = 0
    with boto3.resource("dynamodb").Table(PEERS).batch_writer() as batch:
        for row in rows_of(path):
            batch.put_item(Item=row)
            count += 1
    return count


def awswrangler(path: str) -> int:
    """AWS SDK for pandas, one call. Without these options its reader makes floats, which its writer refuses."""
    import awswrangler as wr

    wr.dynamodb.put_csv(path=path, table_name=PEERS, dtype=str, na_filter=False, use_threads=False)
    with Path(path).open(newline="", encoding="utf-8") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def dlt(path: str) -> int:
    """Load by merge on a key."""
    import dlt as load

    with tempfile.TemporaryDirectory() as folder:
        rows = load.resource(
            lambda: rows_of(path), name="contacts", primary_key="id", write_disposition="merge"
        )
        target = load.destinations.duckdb(str(Path(folder) / "contacts.duckdb"))
        pipeline = load.pipeline("bench", pipelines_dir=folder, destination=target, dataset_name="bench")
        pipeline.run(rows)
        with pipeline.sql_client() as client:
            [[count]] = client.execute_sql("SELECT count(*) FROM contacts") or []
    return int(count)


def petl(path: str) -> int:
    """Validate in a stream."""
    import petl as etl

    table = etl.fromcsv(path, encoding="utf-8")
    header = tuple(etl.header(table))
    constraints = [
        {
            "name": "email",
            "field": "email",
            "test": lambda cell: bool(re.fullmatch(EMAIL, cell)),
        },
        {"name": "id", "field": "id", "test": int},
        {
            "name": "birthday",
            "field": "birthday",
            "test": etl.dateparser("%Y-%m-%d"),
            "optional": True,
        },
    ]
    etl.nrows(etl.validate(table, constraints=constraints, header=header))
    return int(etl.nrows(table))


def frictionless(path: str) -> int:
    """Validate by a schema."""
    import frictionless as frictionless_

    from tests.support.generate import HEADER

    kinds: dict[str, dict[str, Any]] = {
        "id": {"type": "integer"},
        "email": {"type": "string", "format": "email", "constraints": {"required": True}},
        "phone": {"type": "string", "constraints": {"pattern": PHONE}},
        "mobile": {"type": "string", "constraints": {"pattern": PHONE}},
        "birthday": {"type": "date"},
        "url": {"type": "string", "format": "uri"},
    }
    schema = {"fields": [{"name": name, **kinds.get(name, {"type": "string"})} for name in HEADER]}
    resource = frictionless_.Resource(
        path=Path(path).name,
        basepath=str(Path(path).parent),
        schema=frictionless_.Schema.from_descriptor(schema),
    )
    report = resource.validate(limit_errors=10_000_000)
    return int(report.tasks[0].stats["rows"])


LOADING: dict[str, Callable[[str], int]] = {
    "csv.DictReader + batch_writer": batch_writer,
    "awswrangler.dynamodb.put_csv": awswrangler,
    "dlt, merge into duckdb": dlt,
}
CHECKING: dict[str, Callable[[str], int]] = {"petl.validate": petl, "frictionless validate": frictionless}
SLOW = {"awswrangler.dynamodb.put_csv", "dlt, merge into duckdb", "frictionless validate"}
"""Take minutes for a million rows."""
ROWS_MAX = {"dlt, merge into duckdb": 250_000}
"""It keeps every row in memory, 4.2 GB for 100,000."""


if __name__ == "__main__":
    name, path = sys.argv[1:]
    rows = (LOADING | CHECKING)[name](path)
    print(json.dumps({"rows": rows, "peak_mb": round(processes.peak_mb(os.getpid()), 1)}))
