"""One import as production runs it, every step in one process, against bench.service.

    python -m bench.ours <account> <run> [--until map]

The steps, adapters, conditions, retries, rejects and reports are those of the deployed functions; bootstrap puts them
together. What differs from the cloud is that one worker takes every chunk and unit in turn. It prints the run's
counts, the CPU seconds of each step and the most memory.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any, TypeVar

from bench import processes
from contactsync import (
    bootstrap,
    entry,  # noqa: F401 - as in every handler: it tells the garbage collector to look less often
)
from contactsync.journeys import importing
from contactsync.model.message import Chunks, Finishing, Message, Requested, Units
from contactsync.sources.staging import DirectCourier

A = TypeVar("A")


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
    told = {"status": run.status, "rows_total": run.rows_total, "counts": counts, "cpu_s": machine.cpu_s}
    print(json.dumps({**told, "peak_mb": round(processes.peak_mb(os.getpid()), 1)}))


if __name__ == "__main__":
    main()
