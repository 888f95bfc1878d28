"""Many small customers at once on the local stack: nothing is lost, nobody waits for long, nothing stands still.

    make load                                      200 accounts, 20 imports at once, 20 schedules that fire
    make load ARGS="--accounts 20 --schedules 4"   a look

Each account imports rows of its own, so many accounts at a time; meanwhile the schedules of some fire, all in one
minute, and one row in ten is wrong by construction. Then what is stored is held against what was sent. On one machine all functions
share its processors with the emulator: seconds are an upper bound, and that all accounts have about the same is what counts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests

from local import deploy
from local.stack import Ports, Settings, Stack
from tests.fakes.webserver import WebServer, reply
from tests.support.customer import ENDED, Customer

RESULTS = Path(__file__).resolve().parent / "results"
ROWS = 30
LOOK_EVERY_S = 0.5
LIMIT_S = 900
"""A run that has not ended by then stands still."""
ASKED_AGAIN = 20
"""How often a customer asks again who is told to wait."""
LEAD = timedelta(minutes=2)
"""Between the first schedule that is saved and the minute in which all fire."""
MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one account's rows: the run as its customer sees it, how long that took, who is stored."""

    account: str
    trigger: str
    run: dict[str, Any]
    took_s: float
    sent: frozenset[str]
    stored: frozenset[str]


@dataclass
class Refusals:
    """Answers that were none, by status and type of the problem; `bare` are those that did not say when to ask again."""

    told: Counter[str] = field(default_factory=Counter)
    bare: list[str] = field(default_factory=list)

    def note(self, answer: requests.Response) -> float:
        """Keep one; the seconds after which to ask again."""
        problem = answer.headers.get("Content-Type") == "application/problem+json"
        self.told[f"{answer.status_code} {answer.json()['type'] if problem else '?'}"] += 1
        if not problem or "Retry-After" not in answer.headers:
            self.bare.append(f"{answer.request.method} {answer.status_code} {answer.text[:200]}")
        return float(answer.headers.get("Retry-After", 1))


def measure(accounts: int, at_once: int, schedules: int) -> dict[str, Any]:
    """Everything that came of it: figures, and what `check` looks at."""
    refusals = Refusals()
    with WebServer(_their_file) as server, tempfile.TemporaryDirectory() as home:
        settings = Settings(
            home=Path(home),
            ports=Ports.free(),
            functions={"ALLOW_HOSTS": f"127.0.0.1:{server.port}"},
            say=lambda _: None,
        )
        with Stack(settings) as stack:
            customers = [Customer.of(stack) for _ in range(accounts)]
            due = (datetime.now(UTC) + LEAD).replace(second=0, microsecond=0)
            saved = [
                (customer, _scheduled(customer, server.port, due, refusals))
                for customer in customers[:schedules]
            ]
            begun = time.monotonic()
            with ThreadPoolExecutor(at_once) as people:
                imports = list(people.map(lambda one: _imported(one, refusals), customers))
            wall_s = time.monotonic() - begun
            with ThreadPoolExecutor(at_once) as people:
                fired = list(people.map(lambda one: _fired(one[0], one[1], due, refusals), saved))
            left = _left(stack)
    return {
        "accounts": accounts,
        "at_once": at_once,
        "schedules": schedules,
        "rows": ROWS,
        "wall_s": round(wall_s, 1),
        "outcomes": [*imports, *fired],
        "refusals": refusals,
        "left": left,
    }


def check(figures: dict[str, Any]) -> None:
    """Raises AssertionError if a row is lost or another account's, a run stands still, an event is left, or an answer is bare."""
    for outcome in figures["outcomes"]:
        run, where = outcome.run, f"{outcome.trigger} of {outcome.account}"
        counts = run["counts"]
        settled = ("added", "updated", "unchanged", "rejected", "skipped")
        assert run["status"] == "succeeded", f"{where}: {run['status']} {run['problem']}"
        assert counts["rows"] == sum(counts[name] for name in settled) == ROWS, f"{where}: {counts}"
        assert outcome.sent <= outcome.stored, f"{where}: {len(outcome.sent - outcome.stored)} are lost"
        strangers = [email for email in outcome.stored if outcome.account not in email]
        assert not strangers, f"{where}: somebody else's contact is there"
    assert len(figures["outcomes"]) == figures["accounts"] + figures["schedules"]
    assert not figures["left"], f"left behind: {figures['left']}"
    assert not figures["refusals"].bare, f"answers that help nobody: {figures['refusals'].bare[:5]}"


def summary(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures without the people."""
    told = {name: value for name, value in figures.items() if name not in ("outcomes", "refusals")}
    for trigger in ("api", "schedule"):
        took = sorted(one.took_s for one in figures["outcomes"] if one.trigger == trigger)
        if took:
            told[trigger] = {
                "runs": len(took),
                "median_s": round(statistics.median(took), 2),
                "p95_s": round(took[int(0.95 * (len(took) - 1))], 2),
                "slowest_s": round(took[-1], 2),
            }
    return told | {"refused": dict(figures["refusals"].told)}


def show(figures: dict[str, Any]) -> None:
    """A few lines."""
    told = summary(figures)
    print(
        f"  {told['accounts']} accounts, {told['at_once']} imports of {told['rows']} rows at once, "
        f"all of them within {told['wall_s']:,} s"
    )
    for trigger, name in (("api", "imports"), ("schedule", "fired by schedule")):
        if trigger in told:
            print(f"  {name:<20}" + ", ".join(f"{key} {value:,}" for key, value in told[trigger].items()))
    refused = ", ".join(f"{number} x {kind}" for kind, number in told["refused"].items())
    print(f"  told to ask again: {refused or 'nobody'}")


# One customer


def _rows(account: str, trigger: str) -> tuple[str, frozenset[str]]:
    """A file of the account's own, of which every tenth row is refused; whom it brings."""
    emails = [f"{trigger}{number}@{account}.example.com" for number in range(ROWS)]
    lines = [f"{email if number % 10 else 'nobody'},P{number}" for number, email in enumerate(emails)]
    good = frozenset(email for number, email in enumerate(emails) if number % 10)
    return "\n".join(["email,name", *lines, ""]), good


def _their_file(request: Any) -> list[bytes]:
    account = request.target.strip("/").removesuffix(".csv")
    return reply(_rows(account, "schedule")[0].encode())


def _scheduled(customer: Customer, port: int, due: datetime, refusals: Refusals) -> str:
    """A sync that fires once; its id."""
    body = {
        "source": {"kind": "http", "url": f"http://127.0.0.1:{port}/{customer.account_id}.csv"},
        "mapping": MAPPING,
        "schedule": {
            "start": due.strftime("%Y-%m-%dT%H:%M:00"),
            "time_zone": "UTC",
            "recurrence": "FREQ=DAILY",
        },
    }
    return str(_asked(customer, "POST", "/syncs", refusals, json=body)["id"])


def _imported(customer: Customer, refusals: Refusals) -> Outcome:
    text, _ = _rows(customer.account_id, "api")
    body = {"source": {"kind": "paste", "text": text}, "mapping": MAPPING}
    begun = time.monotonic()
    run = _asked(customer, "POST", "/imports", refusals, json=body)["run"]
    return _outcome(customer, run["id"], "api", refusals, begun=begun)


def _fired(customer: Customer, sync: str, due: datetime, refusals: Refusals) -> Outcome:
    """The run that the schedule has begun; its time counts from the minute in which it was due."""

    def started() -> dict[str, Any] | None:
        runs = _asked(customer, "GET", f"/syncs/{sync}/runs", refusals)["items"]
        return next((run for run in runs if run["trigger"] == "schedule"), None)

    run = _awaited(started, f"the schedule of {customer.account_id}")
    outcome = _outcome(customer, run["id"], "schedule", refusals, begun=time.monotonic())
    ended = datetime.fromisoformat(outcome.run["finished_at"])
    return replace(outcome, took_s=(ended - due).total_seconds())


def _outcome(customer: Customer, run_id: str, trigger: str, refusals: Refusals, *, begun: float) -> Outcome:
    def ended() -> dict[str, Any] | None:
        run: dict[str, Any] = _asked(customer, "GET", f"/runs/{run_id}", refusals)
        return run if run["status"] in ENDED else None

    run = _awaited(ended, f"run {run_id}")
    took_s = time.monotonic() - begun
    page = _asked(customer, "GET", "/contacts", refusals, params={"limit": 100})
    assert page["next"] is None, "more contacts than one page"
    emails = {mail["value"] for contact in page["items"] for mail in contact["fields"].get("emails", ())}
    sent = _rows(customer.account_id, trigger)[1]
    return Outcome(customer.account_id, trigger, run, took_s, sent, frozenset(emails))


def _asked(customer: Customer, method: str, path: str, refusals: Refusals, **options: Any) -> Any:
    """One request, asked again as often as its answer says so."""
    key = {"Idempotency-Key": f"{customer.account_id}-{path}"} if method == "POST" else {}
    for _ in range(ASKED_AGAIN):
        answer = customer.request(method, path, headers=key, **options)
        if answer.ok:
            return answer.json()
        wait_s = refusals.note(answer)
        assert answer.status_code in (429, 500, 502, 503, 504), f"{answer.status_code} {answer.text}"
        time.sleep(wait_s)
    raise TimeoutError(f"{method} {path} was refused {ASKED_AGAIN} times")


def _awaited(look: Callable[[], dict[str, Any] | None], what: str) -> dict[str, Any]:
    begun = time.monotonic()
    while time.monotonic() - begun < LIMIT_S:
        if (found := look()) is not None:
            return found
        time.sleep(LOOK_EVERY_S)
    raise TimeoutError(f"{what} stands still for {LIMIT_S} s")


# Afterwards


def _left(stack: Stack) -> dict[str, int]:
    """What should not be there any more: dead letters, executions under way or failed."""
    queue = stack.deployed.outputs["UndeliveredQueueUrl"]
    told = deploy.client("sqs", stack.endpoint).get_queue_attributes(
        QueueUrl=queue, AttributeNames=["ApproximateNumberOfMessages"]
    )
    machine = stack.deployed.outputs["ImportStateMachineArn"]
    states = deploy.client("stepfunctions", stack.endpoint)
    left = {"dead letters": int(told["Attributes"]["ApproximateNumberOfMessages"])}
    for status in ("RUNNING", "FAILED", "TIMED_OUT", "ABORTED"):
        found = states.list_executions(stateMachineArn=machine, statusFilter=status, maxResults=100)
        left[f"executions {status}"] = len(found["executions"])
    return {name: number for name, number in left.items() if number}


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="bench.load", description=__doc__)
    parser.add_argument("--accounts", type=int, default=200)
    parser.add_argument("--at-once", type=int, default=20)
    parser.add_argument("--schedules", type=int, default=20)
    given = parser.parse_args()
    figures = measure(given.accounts, given.at_once, min(given.schedules, given.accounts))
    show(figures)
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "load.json").write_text(json.dumps(summary(figures), indent=2) + "\n", encoding="utf-8")
    check(figures)


if __name__ == "__main__":
    main()
