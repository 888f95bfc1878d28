"""A million rows through the real state machine on the local stack, to the end.

    make million                      1,000,000 rows; a quarter of an hour on two processors
    make million ARGS="--rows 50000"  a look

A customer uploads one generated file, 6.6 % of whose rows are invalid by construction, and asks for its import. What
comes of it is held against the file: every row is accounted for, every refused row is in rejects.csv with a reason.
Told are the progress that the customer saw, and what each process used. The emulator's own work is part of the wall
time, and most of it; in the cloud others do it.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import requests

from bench.processes import Watch
from local.stack import Ports, Settings, Stack
from tests.support.customer import ENDED, Customer
from tests.support.generate import INVALID_SHARE, MAPPING, write_csv

RESULTS = Path(__file__).resolve().parent / "results"
LOOK_EVERY_S = 2.0
LIMIT_S = 3_600
UPLOAD_S = 300


def measure(rows: int) -> dict[str, Any]:
    """One import to its end → its run, how it went on, what each process used."""
    with (
        tempfile.TemporaryDirectory() as home,
        Watch() as watch,
        Stack(Settings(home=Path(home), ports=Ports.free(), say=lambda _: None)) as stack,
    ):
        customer = Customer.of(stack, country="NL")
        upload = _upload(customer, rows)
        begun = time.monotonic()
        body = {"source": {"kind": "upload", "upload_id": upload}, "mapping": MAPPING}
        run_id = customer.post("/imports", body, expect=202)["run"]["id"]
        progress = _followed(customer, run_id, begun)
        wall_s = time.monotonic() - begun
        run = _asked(customer, run_id) or {}
        report = customer.request("GET", f"/runs/{run_id}/rejects.csv").text
        lambdas = json.loads((stack.settings.home / "memory.json").read_text(encoding="utf-8"))
        watch.look()
    used = watch.by_name()
    return {
        "rows": rows,
        "status": run["status"],
        "counts": run["counts"],
        "rejects_reported": sum(1 for _ in csv.reader(io.StringIO(report, newline=""))) - 1,
        "wall_s": round(wall_s, 1),
        "progress": progress,
        "functions": {
            name: {**lambdas.get(name, {}), **asdict(each)} for name, each in used.items() if name in lambdas
        },
        "around": {name: asdict(each) for name, each in used.items() if name not in lambdas},
    }


def _upload(customer: Customer, rows: int) -> str:
    """The file, put where the API says."""
    text = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="")
    write_csv(text, rows, seed=1)
    text.flush()
    told = customer.post("/uploads", {"filename": "contacts.csv"}, expect=201)
    content = text.buffer.getvalue()
    put = requests.request(
        told["method"], told["url"], data=content, headers=told["headers"], timeout=UPLOAD_S
    )
    put.raise_for_status()
    return str(told["upload_id"])


def _followed(customer: Customer, run_id: str, begun: float) -> list[dict[str, Any]]:
    """What the customer saw: each step as it began, with seconds and percent."""
    seen: list[dict[str, Any]] = []
    percent = 0
    while time.monotonic() - begun < LIMIT_S:
        run = _asked(customer, run_id)
        if run is None:
            time.sleep(LOOK_EVERY_S)
            continue
        now = run["progress"]["percent"]
        assert now >= percent, f"progress went back from {percent} to {now} percent"
        percent = now
        if not seen or seen[-1]["step"] != run["step"]:
            seen.append(
                {
                    "step": run["step"],
                    "after_s": round(time.monotonic() - begun, 1),
                    "percent": percent,
                    "rows_done": run["progress"]["rows_done"],
                }
            )
            print(f"  {seen[-1]}", flush=True)
        if run["status"] in ENDED:
            return seen
        time.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"run {run_id} has not ended within {LIMIT_S} s")


def _asked(customer: Customer, run_id: str) -> dict[str, Any] | None:
    """The run, or None: the emulator does one thing at a time, and whoever asks may be left without an answer."""
    try:
        answer = customer.request("GET", f"/runs/{run_id}")
    except requests.RequestException:
        return None
    if answer.status_code >= 500:
        print(f"  (asked in vain: {answer.status_code})", flush=True)
        return None
    assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
    told: dict[str, Any] = answer.json()
    return told


def show(figures: dict[str, Any]) -> None:
    """A table of what was used, and whether everything adds up."""
    counts = figures["counts"]
    print(f"  {figures['rows']:,} rows, {figures['status']} after {figures['wall_s']:,} s of wall time")
    print("  " + ", ".join(f"{name} {number:,}" for name, number in counts.items() if number))
    print(f"  {'process':<44}{'processes':>10}{'CPU s':>9}{'peak MB':>9}{'limit MB':>9}")
    for name, used in (figures["functions"] | figures["around"]).items():
        limit = f"{used['memory_mb']:.0f}" if "memory_mb" in used else ""
        print(
            f"  {name[-43:]:<44}{used['processes']:>10}{used['cpu_s']:>9.1f}{used['peak_mb']:>9.0f}{limit:>9}"
        )


def check(figures: dict[str, Any]) -> None:
    """Raises AssertionError if a row is lost, or a refusal untold."""
    counts, rows = figures["counts"], figures["rows"]
    settled = ("added", "updated", "unchanged", "rejected", "skipped")
    assert figures["status"] == "succeeded", figures["status"]
    assert counts["rows"] == rows == sum(counts[name] for name in settled), counts
    assert figures["rejects_reported"] == counts["rejected"], figures["rejects_reported"]
    assert abs(counts["rejected"] / rows - INVALID_SHARE) < 0.02, counts


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.million", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    figures = measure(parser.parse_args().rows)
    show(figures)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "million.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    check(figures)


if __name__ == "__main__":
    main()
