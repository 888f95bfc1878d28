"""Whole processes in turn, on one generated file and one endpoint: our imports, and what else people use.

    python -m bench.whole [rows]

Counted are each process's CPU seconds (user and system, imports too) and peak memory, and what it asked of the
endpoint, in requests and billed units (bench.service, bench.metering). Wall time is not: it says more about the
machine's other work. Ours is the production path with conditions, retries, rejects, report and mail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench import customers, peers, plot
from bench.cloud import PRICES
from tests.support.generate import MAPPING, write_csv

ROOT = Path(__file__).resolve().parents[1]
CHANGED_EVERY = 1_000
USUAL = 100_000
"""Rows of the figures that README and ADR 0026 give first."""
OURS = "contactsync"
RESULTS = ROOT / "bench" / "results"


@dataclass(frozen=True)
class Spent:
    """What one process used."""

    cpu_s: float
    peak_mb: float
    counts: dict[str, int]
    told: dict[str, Any] = field(default_factory=dict)

    @property
    def requests(self) -> int:
        """Of any service."""
        return sum(
            number for name, number in self.counts.items() if name.split()[0] in _SERVICES and _is_one(name)
        )

    @property
    def write_units(self) -> int:
        """Of all tables."""
        return self._units("write units")

    @property
    def read_units(self) -> int:
        """Of all tables."""
        return self._units("read units")

    @property
    def dollars(self) -> float:
        """Of the table alone, which is nearly all."""
        return (
            self.write_units * PRICES["write units"].dollars + self.read_units * PRICES["read units"].dollars
        )

    def _units(self, what: str) -> int:
        return sum(number for name, number in self.counts.items() if name.endswith(what))

    def as_json(self) -> dict[str, Any]:
        """As it is kept."""
        return asdict(self) | {
            "requests": self.requests,
            "write_units": self.write_units,
            "read_units": self.read_units,
            "dollars": round(self.dollars, 6),
        }


_SERVICES = {"dynamodb", "s3", "other"}


def _is_one(name: str) -> bool:
    return " bytes " not in name


class Bench:
    """One endpoint, and processes that work against it one after the other."""

    def __init__(self, endpoint: str, folder: Path) -> None:
        self.endpoint = endpoint
        self.folder = folder

    def file(self, rows: int) -> Path:
        """The generated file of so many rows."""
        path = self.folder / f"{rows}.csv"
        if not path.exists():
            with path.open("w", newline="", encoding="utf-8") as out:
                write_csv(out, rows, seed=1)
        return path

    def customer(self, **options: Any) -> tuple[str, str]:
        """Ids of a new account and its sync."""
        return customers.customer(self.endpoint, MAPPING, **options)

    def imported(self, whose: tuple[str, str], path: Path, *, until: str = "notify") -> Spent:
        """One run of ours."""
        run_id = customers.request(self.endpoint, *whose, path)
        return self.spent(["bench.ours", whose[0], run_id, "--until", until])

    def peer(self, name: str, path: Path) -> Spent:
        """One run of a peer."""
        return self.spent(["bench.peers", name, str(path)])

    def spent(self, module: Sequence[str]) -> Spent:
        """Run a module as a process of its own, to its end. It tells its peak itself: what `wait4` says counts what we had when we started it."""
        self.meter()
        variables = os.environ | customers.environment(self.endpoint)
        variables.pop("PYTHONDONTWRITEBYTECODE", None)  # nobody pays for compiling with each start
        variables["PYTHONPATH"] = os.pathsep.join([str(ROOT), str(ROOT / "layers/common/python")])
        variables |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}
        command = [sys.executable, "-m", *module]
        with subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, cwd=ROOT) as process:
            assert process.stdout is not None
            output = process.stdout.read()
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{module} failed")
        told = json.loads(output.splitlines()[-1])
        seconds = usage.ru_utime + usage.ru_stime
        return Spent(round(seconds, 2), told.pop("peak_mb"), self.meter(), told)

    def meter(self) -> dict[str, int]:
        """What the endpoint was asked since the last time."""
        connection = HTTPConnection(self.endpoint.removeprefix("http://"))
        connection.request("GET", "/_meter")
        counts: dict[str, int] = json.loads(connection.getresponse().read())
        connection.close()
        return counts


@contextmanager
def bench() -> Iterator[Bench]:
    """The endpoint in a process of its own, and a folder for files."""
    command = [sys.executable, "-m", "bench.service"]
    with (
        tempfile.TemporaryDirectory() as folder,
        subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process,
    ):
        assert process.stdout is not None
        try:
            yield Bench(f"http://127.0.0.1:{int(process.stdout.readline())}", Path(folder))
        finally:
            process.terminate()


def against_peers(on: Bench, rows: int, names: Sequence[str]) -> dict[str, Spent]:
    """Our first import of a file, whole and up to map, and each peer."""
    path = on.file(rows)
    found = {OURS: on.imported(on.customer(), path)}
    _check(found[OURS], rows)
    if set(names) & peers.CHECKING.keys():
        found[f"{OURS}, fetch to map"] = on.imported(on.customer(), path, until="map")
    for name in names:
        found[name] = on.peer(name, path)
        assert found[name].told["rows"] == rows, f"{name} took {found[name].told['rows']} rows"
    return found


def again(on: Bench, rows: int) -> dict[str, Spent]:
    """A list that is there: its file changed by a thousandth, rewritten as it was, sent again, with deletions on."""
    path, other, fewer = on.file(rows), on.folder / "changed.csv", on.folder / "fewer.csv"
    customers.changed(path, other, every=CHANGED_EVERY)
    customers.changed(path, fewer, every=0, drop_every=CHANGED_EVERY)
    found = {}
    whose = on.customer()
    found["first import"] = on.imported(whose, path)
    found["1 in 1,000 changed"] = on.imported(whose, other)
    found["the same file"] = on.imported(whose, other)
    with other.open("ab") as out:
        out.write(b"\r\n")  # a blank row: other bytes, the same contacts
    found["none changed"] = on.imported(whose, other)
    found["rewritten by DictReader + batch_writer"] = on.peer("csv.DictReader + batch_writer", path)
    deleting = on.customer(delete_missing={"scope": "sync"})
    on.imported(deleting, path)
    found["1 in 1,000 gone, deletions on"] = on.imported(deleting, fewer)
    return found


def growth(on: Bench, sizes: Sequence[int], known: dict[int, Spent]) -> dict[int, Spent]:
    """First imports of files of several sizes; those that are known already are not made again."""
    found = dict(known)
    for rows in sizes:
        if rows not in found:
            found[rows] = on.imported(on.customer(), on.file(rows))
            _check(found[rows], rows)
    return {rows: found[rows] for rows in sizes}


def source_reads(spent: Spent, path: Path) -> float:
    """How often the file was read, in copies of it: all steps together."""
    return (spent.counts["s3 bytes source read"] + spent.counts["s3 bytes paste read"]) / path.stat().st_size


def available(names: Sequence[str], rows: int, *, every: bool) -> list[str]:
    """Of the peers those that are installed here and can hold so many rows; the slow ones only if every one is wanted."""
    packages = {"csv.DictReader + batch_writer": "boto3", "awswrangler.dynamodb.put_csv": "awswrangler"}
    here = [
        name
        for name in names
        if find_spec(packages.get(name, name.replace(",", ".").split(".")[0].split()[0]))
    ]
    return [
        name for name in here if rows <= peers.ROWS_MAX.get(name, rows) and (every or name not in peers.SLOW)
    ]


def show(found: dict[str, Spent], first: str = OURS) -> None:
    """One line a process, with its CPU against that of the first."""
    print(
        f"  {'':<40}{'CPU s':>8}{'ratio':>8}{'peak MB':>9}{'requests':>10}{'written':>10}{'read':>9}{'dollars':>10}"
    )
    for name, spent in found.items():
        ratio = spent.cpu_s / found[first].cpu_s
        print(
            f"  {name:<40}{spent.cpu_s:>8.2f}{ratio:>7.2f}x{spent.peak_mb:>9.0f}{spent.requests:>10,}"
            f"{spent.write_units:>10,}{spent.read_units:>9,}{spent.dollars:>10.5f}"
        )


def _check(spent: Spent, rows: int) -> None:
    counts = spent.told["counts"]
    assert spent.told["status"] == "succeeded", spent.told
    assert counts["rows"] == rows
    assert counts["rows"] - counts["rejected"] - counts["skipped"] == counts["added"], counts


def measure(rows: int, sizes: Sequence[int], *, every_peer: bool) -> dict[str, Any]:
    """All three, printed as they come → as they are kept."""
    with bench() as on:
        names = available([*peers.LOADING, *peers.CHECKING], rows, every=every_peer)
        print(f"  {rows:,} rows, in turn; peers from bench/peers.py")
        for name in peers.ROWS_MAX:
            if rows > peers.ROWS_MAX[name]:
                print(f"  left out: {name}, which would keep all of these rows in memory")
        first = against_peers(on, rows, names)
        show(first)
    with bench() as on:  # another endpoint: a million rows take gigabytes of it
        print(f"  {rows:,} contacts that are here already")
        later = again(on, rows)
        show(later, "first import")
        print("  growth")
        grown = growth(on, sizes, {rows: first[OURS]})
        for size, spent in grown.items():
            steps = sum(spent.told["cpu_s"].values())
            print(
                f"  {size:>10,} rows {spent.cpu_s:>8.2f} CPU s, {steps / size * 1e6:>5.0f} us a row without imports,"
                f" {spent.peak_mb:>4.0f} MB, file read {source_reads(spent, on.file(size)):.1f} times"
            )
    kept = {name: spent.as_json() for name, spent in first.items()}
    return {
        "rows": rows,
        "peers": kept,
        "again": {name: spent.as_json() for name, spent in later.items()},
        "growth": {size: spent.as_json() for size, spent in grown.items()},
    }


def picture(figures: dict[str, Any]) -> str:
    """CPU seconds of each, as SVG."""
    rows = figures["rows"]
    found = {
        f"{OURS}, first import": figures["peers"][OURS],
        f"{OURS}, 1 in 1,000 changed": figures["again"]["1 in 1,000 changed"],
        f"{OURS}, the same file": figures["again"]["the same file"],
        **{name: spent for name, spent in figures["peers"].items() if name in peers.LOADING},
    }
    bars = [
        plot.Bar(name, spent["cpu_s"], f"{spent['cpu_s']:.1f} s", name.startswith(OURS))
        for name, spent in found.items()
    ]
    return plot.svg(f"CPU seconds for {rows:,} contacts, whole process", bars)


def keep(figures: dict[str, Any]) -> None:
    """Write bench/results/whole.json and the picture beside it; of other than the usual rows, under their number."""
    RESULTS.mkdir(exist_ok=True)
    name = "whole" if figures["rows"] == USUAL else f"whole-{figures['rows']}"
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    (RESULTS / f"{name}.svg").write_text(picture(figures), encoding="utf-8")


def main() -> None:
    """The command line."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else USUAL
    keep(measure(count, (count // 10, count), every_peer=True))


if __name__ == "__main__":
    main()
