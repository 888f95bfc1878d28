"""One account's ten pasted rows, alone and while another account imports large files, on the local stack.

On one machine all functions share its processors, which in the cloud they do not: what is measured here is an upper
bound of what a neighbour costs. In the cloud an account has `concurrent_runs` runs at a time, each of at most eight
workers, so it holds that many of Lambda's places and no more, however many rows it has.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from local.stack import Ports, Settings, Stack
from tests.support.customer import Customer

TEN = "email\n" + "".join(f"p{number}@example.com\n" for number in range(10))
FILES = 6


def measure(rows: int, rounds: int) -> dict[str, Any]:
    """Seconds from the request to the end of the run, medians; how many of the neighbour's runs worked at once."""
    with (
        tempfile.TemporaryDirectory() as home,
        Stack(Settings(home=Path(home), ports=Ports.free(), say=lambda _: None)) as stack,
    ):
        small, large = Customer.of(stack), Customer.of(stack)
        alone = statistics.median(_pasted(small) for _ in range(rounds))
        upload = large.upload("many.csv", _many(rows))
        runs = [_started(large, upload) for _ in range(FILES)]
        beside: list[float] = []
        most = 0
        while len(beside) < 50:
            statuses = [large.get(f"/runs/{run}")["status"] for run in runs]
            most = max(most, statuses.count("running"))
            if not {"queued", "running"} & set(statuses):
                break
            beside.append(_pasted(small))
        ended = {large.wait_for_run(run, within_s=600)["status"] for run in runs}
    assert ended <= {"succeeded", "unchanged"}, ended
    return {
        "alone_s": alone,
        "beside_s": statistics.median(beside or [0]),
        "pastes": len(beside),
        "most": most,
    }


def show(figures: dict[str, Any], rows: int) -> None:
    """The two medians and their ratio."""
    ratio = figures["beside_s"] / figures["alone_s"]
    print(f"  ten rows alone                      {figures['alone_s']:>8.2f} s")
    print(f"  ten rows beside {FILES} files of {rows:,}   {figures['beside_s']:>8.2f} s {ratio:>6.1f} x")
    print(
        f"  {figures['pastes']} pastes meanwhile; of the {FILES} files at most {figures['most']} worked at once"
    )


def _pasted(customer: Customer) -> float:
    begun = time.monotonic()
    body = {"source": {"kind": "paste", "text": TEN}, "mapping": [{"column": "email", "field": "email"}]}
    customer.wait_for_run(customer.post("/imports", body, expect=202)["run"]["id"], within_s=300)
    return time.monotonic() - begun


def _started(customer: Customer, upload: str) -> str:
    source = {"kind": "upload", "upload_id": upload}
    body = {"source": source, "mapping": [{"column": "email", "field": "email"}]}
    return str(customer.post("/imports", body, expect=202)["run"]["id"])


def _many(rows: int) -> bytes:
    return ("email\n" + "".join(f"m{number}@example.com\n" for number in range(rows))).encode()
