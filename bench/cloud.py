"""What AWS asks for it, on paper: `python -m bench.cloud` writes docs/costs.md.

Prices and quantities each stand in one table with where they come from. What the template and the state machine say is
read there; what only a deployment could measure is an assumption, and is called one.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from contactsync.adapters.contact_writes import WRITES_A_REQUEST
from contactsync.core.identity import SHARDS
from contactsync.core.metrics import METRICS
from contactsync.core.parsing.records import CHUNK_ROWS
from contactsync.journeys.file.known import KNOWN_FROM
from contactsync.journeys.file.reading import SCAN_WORTH_ROWS
from contactsync.journeys.importing import SMALL_ROWS
from tests.architecture.template import MACHINES, functions, of_type

PAGE = Path(__file__).resolve().parents[1] / "docs" / "costs.md"
AS_OF = "2026-11-22"
DAYS = 30.4
_PRICING = "https://aws.amazon.com/"


class Price(NamedTuple):
    """Dollars for one unit in us-east-1, and the page that says so."""

    dollars: float
    unit: str
    source: str


PRICES = {
    "write units": Price(0.625e-6, "1 KB written", "dynamodb/pricing/on-demand/"),
    "read units": Price(0.125e-6, "4 KB read", "dynamodb/pricing/on-demand/"),
    "table GB": Price(0.25 + 0.20, "GB kept a month, with its backup", "dynamodb/pricing/on-demand/"),
    "GB-seconds": Price(13.3334e-6, "GB-second on arm64", "lambda/pricing/"),
    "invocations": Price(0.2e-6, "invocation", "lambda/pricing/"),
    "transitions": Price(25e-6, "state entered", "step-functions/pricing/"),
    "API requests": Price(3.5e-6, "request", "api-gateway/pricing/"),
    "S3 writes": Price(5e-6, "PUT", "s3/pricing/"),
    "S3 reads": Price(0.4e-6, "GET", "s3/pricing/"),
    "S3 GB": Price(0.023, "GB kept a month", "s3/pricing/"),
    "mails": Price(0.1e-3, "mail", "ses/pricing/"),
    "events": Price(1e-6, "event", "eventbridge/pricing/"),
    "log GB": Price(0.5, "GB taken in", "cloudwatch/pricing/"),
    "metric hours": Price(0.30 / 730, "metric and hour in which it is sent", "cloudwatch/pricing/"),
    "alarm metrics": Price(0.10, "metric that an alarm looks at, a month", "cloudwatch/pricing/"),
    "dashboards": Price(3.0, "dashboard a month", "cloudwatch/pricing/"),
    "keys": Price(1.0, "KMS key a month", "kms/pricing/"),
}

CONTACT_BYTES = 695
"""Of the test data generator's contacts, on average; below 1 KB, so each is one unit to write."""
ROW_BYTES = 238
"""Of its files."""
QUERY_BYTES = 1 << 20
LAMBDA_S = 900
HOURS_A_DAY = 24
LOOK_QUERIES = 2
"""Of each account, by the hour, for its open runs and its waiting files; a unit each, as they find nothing nearly always."""
WAKE_UP_READS = 20
"""Of the sync, its book, the account and the runs whose turn it is, when a sync is woken; and its run is stored."""
BOOKS = (("once a day", 1), ("every hour", 24), ("every quarter of an hour", 96))
BOOK_CHANGES = 50
WORKERS = 8
"""Side by side, as the state machine's maps say."""
WRITES_A_SECOND = {"a new table": 4_000, "a table used to it": 40_000}
"""On demand, units; <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/on-demand-capacity-mode.html>."""
ASSUMED = {
    "seconds of one processor for a row that is new": 70e-6,
    "seconds of one processor for a row that is unchanged": 25e-6,
    "seconds of one processor for a row of the usual sample": 400e-6,
    "seconds to cut a row": 10e-6,
    "seconds of a batch of writes": 0.01,
    "seconds that a step waits for other services": 0.5,
    "units written to the control table by a run": 60.0,
    "units read from the control table by a run": 90.0,
    "S3 requests of each kind by a worker": 12.0,
    "log bytes of a worker": 2_000.0,
    "API requests that people and programs make around a run": 20.0,
}
"""Not measured in the cloud. The seconds are about twice what `make bench` shows at a desk."""


Units = dict[str, float]
"""How much of each thing that has a price."""


@dataclass(frozen=True)
class Customer:
    """Who has how many syncs, of how many rows, how often, with which share of them changed."""

    name: str
    syncs: int
    rows: int
    runs_a_month: float
    changed: float

    @property
    def contacts(self) -> int:
        """On the list."""
        return self.syncs * self.rows


CUSTOMERS = (
    Customer("small: one file of 500 rows a day, 1 in 100 changed", 1, 500, DAYS, 0.01),
    Customer("middle: five files of 4,000 rows a day, 1 in 100 changed", 5, 4_000, DAYS, 0.01),
    Customer("large: a file of 1,000,000 rows a week, 1 in 1,000 changed", 1, 1_000_000, DAYS / 7, 0.001),
)


def transitions(rows: int) -> int:
    """States that an import of so many rows enters, walked through in the state machine."""
    large = rows > SMALL_ROWS
    answers = {
        "$.outcome": "fetched",
        "$.next": "map",
        "$.size": "large" if large else "small",
        "$.guarded.verdict": "go",
        "$.bug": False,
    }
    machine = MACHINES["import.asl.yaml"]
    name, entered = machine["StartAt"], 0
    while name:
        state = machine["States"][name]
        entered += 1
        if state["Type"] == "Map":  # a child is an execution with one state
            entered += 2 * _children(state, rows)
        name = _chosen(state, answers) if state["Type"] == "Choice" else state.get("Next")
    return entered


def _children(state: dict[str, Any], rows: int) -> int:
    return workers(rows) if state["ItemsPath"] == "$.chunks" else min(SHARDS, workers(rows))


def workers(rows: int) -> int:
    """How many share a large file: one a chunk."""
    return max(1, -(-rows // CHUNK_ROWS))


def _chosen(state: dict[str, Any], answers: dict[str, Any]) -> str:
    def holds(rule: dict[str, Any]) -> bool:
        if "And" in rule:
            return all(holds(part) for part in rule["And"])
        [wanted] = [value for key, value in rule.items() if key.endswith("Equals")]
        return bool(answers[rule["Variable"]] == wanted)

    found = next((rule["Next"] for rule in state["Choices"] if holds(rule)), state["Default"])
    return str(found)


def of_a_run(rows: int, changed: float, *, new: bool = False) -> Units:
    """Units that one run uses."""
    share = 1.0 if new else changed
    steps = 7 if rows <= SMALL_ROWS else 4 + 3 * workers(rows)
    memory_gb = functions()["map"]["MemorySize"] / 1024
    per_row = ASSUMED[f"seconds of one processor for a row that is {'new' if new else 'unchanged'}"]
    busy = rows * per_row + steps * ASSUMED["seconds that a step waits for other services"]
    return {
        "write units": rows * share + ASSUMED["units written to the control table by a run"],
        "read units": (contact_reads(0, rows) if new else contact_reads(rows, looked_at(rows, changed)))
        + ASSUMED["units read from the control table by a run"],
        "GB-seconds": busy * memory_gb,
        "invocations": steps,
        "transitions": transitions(rows),
        "API requests": ASSUMED["API requests that people and programs make around a run"],
        "S3 writes": steps * ASSUMED["S3 requests of each kind by a worker"],
        "S3 reads": steps * ASSUMED["S3 requests of each kind by a worker"],
        "S3 GB": 4 * rows * ROW_BYTES / 1e9 * 3,  # file, chunks, rows and plan, for three months
        "mails": 1,
        "events": 2,
        "log GB": steps * ASSUMED["log bytes of a worker"] / 1e9,
        "metric hours": len(METRICS),
    }


def looked_at(rows: int, changed: float) -> float:
    """Rows of a file that comes again whose contacts are read: in a large file those that are known are not."""
    return rows * changed if rows >= KNOWN_FROM else rows


def contact_reads(stored: int, rows: float) -> float:
    """Units that planning so many rows reads of a list of so many contacts: along its shards, or by key."""
    if rows / SHARDS < SCAN_WORTH_ROWS:
        return rows
    pages = SHARDS * max(1, -(-stored * CONTACT_BYTES // (SHARDS * QUERY_BYTES)))
    return max(pages, stored * CONTACT_BYTES / 4096 + pages / 2)  # the last unit of a page is half full


def usual_run(rows: int, changed: float, *, compares: bool) -> Units:
    """The usual sample on one function: put every row over what is there, or scan the table and put what differs."""
    memory_gb = functions()["map"]["MemorySize"] / 1024
    busy = rows * ASSUMED["seconds of one processor for a row of the usual sample"]
    return {
        "write units": rows * changed if compares else rows,
        "read units": rows * CONTACT_BYTES / 4096 / 2
        if compares
        else 0,  # eventually consistent, all accounts'
        "GB-seconds": busy * memory_gb,
        "invocations": max(1, busy / LAMBDA_S),
    }


def seconds(rows: int, written: int, *, table: str, usual: bool = False) -> float:
    """From start to end of an import; `table`: how many writes a second it takes, a key of WRITES_A_SECOND."""
    limit = WRITES_A_SECOND[table]
    if usual:  # one request after the other, nothing else meanwhile
        busy = rows * ASSUMED["seconds of one processor for a row of the usual sample"]
        return max(
            busy + written / WRITES_A_REQUEST * ASSUMED["seconds of a batch of writes"], written / limit
        )
    share = max(1, min(WORKERS, workers(rows)))
    new = written * ASSUMED["seconds of one processor for a row that is new"]
    old = (rows - written) * ASSUMED["seconds of one processor for a row that is unchanged"]
    waits = 7 * ASSUMED["seconds that a step waits for other services"]
    return waits + rows * ASSUMED["seconds to cut a row"] + max((new + old) / share, written / limit)


def two_way_run(changed: int) -> Units:
    """One run of a two-way sync: so many contacts have changed, on either side together; all others cost nothing."""
    steps = 7 if changed else 3
    per_row = ASSUMED["seconds of one processor for a row that is new"]
    waits = steps * ASSUMED["seconds that a step waits for other services"]
    return {
        "write units": 2 * changed + ASSUMED["units written to the control table by a run"] / 2,
        "read units": 2 * changed + ASSUMED["units read from the control table by a run"] / 2,
        "GB-seconds": (changed * per_row + waits) * functions()["pull"]["MemorySize"] / 1024,
        "invocations": steps,
        "transitions": steps + 5,
    }


def wake_up() -> Units:
    """The scheduler's event, and the look for what is due."""
    memory_gb = functions()["listen"]["MemorySize"] / 1024
    return {
        "events": 2,
        "invocations": 1,
        "read units": WAKE_UP_READS,
        "GB-seconds": ASSUMED["seconds that a step waits for other services"] * memory_gb,
    }


def of_a_book(runs_a_day: int, changed_a_day: int) -> Units:
    """A book and its schedule in a month; each of the day's changes comes by itself, as far as there are runs for them."""
    busy = min(runs_a_day, changed_a_day)
    day = Counter[str]()
    for times, units in (
        (runs_a_day, wake_up()),
        (busy, two_way_run(changed_a_day // busy)),
        (runs_a_day - busy, two_way_run(0)),
    ):
        day.update({name: times * amount for name, amount in units.items()})
    return {name: DAYS * amount for name, amount in day.items()}


def metrics() -> Units:
    """Of an installation in which runs end in every hour of a month."""
    return {"metric hours": len(METRICS) * HOURS_A_DAY * DAYS}


def usual_two_way_run(contacts: int) -> Units:
    """The usual one: fetch the whole book, scan the whole list, put everything back."""
    return usual_run(contacts, 1, compares=False) | {"read units": contacts * CONTACT_BYTES / 4096 / 2}


def of_a_month(customer: Customer) -> Units:
    """Units that a customer uses in a month, once the list is there."""
    run = of_a_run(customer.rows, customer.changed)
    runs = customer.syncs * customer.runs_a_month
    units: Units = {name: amount * runs for name, amount in run.items()}
    units["table GB"] = customer.contacts * CONTACT_BYTES / 1e9
    return units


def fixed() -> Units:
    """What an installation uses in a month in which nothing happens."""
    alarms = of_type("AWS::CloudWatch::Alarm").values()
    watched = sum(
        len([it for it in alarm["Metrics"] if "MetricStat" in it]) if "Metrics" in alarm else 1
        for alarm in alarms
    )
    return {
        "alarm metrics": watched,
        "dashboards": len(of_type("AWS::CloudWatch::Dashboard")),
        "keys": len(of_type("AWS::KMS::Key")),
    }


def idle_account() -> Units:
    """What an account uses in a month in which nothing happens: by the hour somebody looks whether anything lingers."""
    return {"read units": LOOK_QUERIES * HOURS_A_DAY * DAYS}


def dollars(units: Units) -> float:
    """What units cost."""
    return sum(amount * PRICES[name].dollars for name, amount in units.items())


def page() -> str:
    """docs/costs.md."""
    lines = [
        "# Costs",
        "",
        f"Prices of us-east-1 as they were known on {AS_OF}, before free tiers and taxes, compared with copies of AWS's and others' pages",
        "and not with AWS's price list of the day: look up your region's before you rely on them. Generated by `make costs` from",
        "`template.yaml`, the state machine and `bench/cloud.py`; nothing of it was measured on a bill.",
        "",
        "## A month",
        "",
        "| | dollars |",
        "|---|---|",
        f"| an installation in which nothing happens: {_listed(fixed())} | {dollars(fixed()):.2f} |",
        f"| an account in which nothing happens, looked at by the hour | {dollars(idle_account()):.4f} |",
        *(f"| {each.name} | {dollars(of_a_month(each)):.2f} |" for each in CUSTOMERS),
        *(
            f"| an address book, looked at {often}, {BOOK_CHANGES} changes a day | {dollars(of_a_book(runs, BOOK_CHANGES)):.2f} |"
            for often, runs in BOOKS
        ),
        f"| once, 1,000,000 new contacts | {dollars(of_a_run(1_000_000, 1, new=True)):.2f} |",
        "",
        "Customers share one installation: add theirs to its own. Metrics are paid by the hour in which they are sent, all customers'",
        f"together: files' are in the table; where runs end in every hour, as books' do, all of them are {dollars(metrics()):.2f}.",
        "",
        *_against_the_usual(),
        "## Where it goes",
        "",
        "| dollars a month | " + " | ".join(each.name.partition(":")[0] for each in CUSTOMERS) + " |",
        "|---|" + "---|" * len(CUSTOMERS),
    ]
    months = [of_a_month(each) for each in CUSTOMERS]
    for name, price in PRICES.items():
        parts = [month.get(name, 0) * price.dollars for month in months]
        if any(part >= 0.005 for part in parts):
            lines.append(f"| {name} | " + " | ".join(f"{part:.2f}" for part in parts) + " |")
    lines += [
        "",
        "## Prices",
        "",
        "| | dollars a million | for one | source |",
        "|---|---|---|---|",
        *(
            f"| {name} | {price.dollars * 1e6:,.3f} | {price.unit} | <{_PRICING}{price.source}> |"
            for name, price in PRICES.items()
        ),
        "",
        "## Quantities",
        "",
        "Read from the template and the code:",
        "",
        f"- an import of up to {SMALL_ROWS:,} rows enters {transitions(SMALL_ROWS)} states, one of 1,000,000 rows {transitions(1_000_000)};",
        f"- a large file is shared by one worker for {CHUNK_ROWS:,} rows, each with {functions()['map']['MemorySize']:,} MB;",
        f"- a new or changed contact is one write unit: it has {CONTACT_BYTES} bytes on average;",
        f"- comparing costs one read unit a row, and where a file has at least {SCAN_WORTH_ROWS} rows for each of {SHARDS} shards, one for",
        f"  {4096 / CONTACT_BYTES:.1f} contacts; of a file of {KNOWN_FROM:,} rows or more that comes again, only the changed rows count.",
        "",
        "Assumed, for only a deployment could measure it:",
        "",
        "| | |",
        "|---|---|",
        *(f"| {name} | {amount:,.6f}".rstrip("0").rstrip(".") + " |" for name, amount in ASSUMED.items()),
        "",
    ]
    return "\n".join(lines)


def _against_the_usual() -> list[str]:
    """Our design beside the usual one: DictReader and batch_writer, on one function."""
    million = 1_000_000
    rows = [
        (
            "1,000,000 new contacts",
            of_a_run(million, 1, new=True),
            seconds(million, million, table="a new table"),
            usual_run(million, 1, compares=False),
            seconds(million, million, table="a new table", usual=True),
        ),
        (
            "the same again, 1 in 1,000 changed",
            of_a_run(million, 0.001),
            seconds(million, 1_000, table="a table used to it"),
            usual_run(million, 0.001, compares=False),
            seconds(million, million, table="a table used to it", usual=True),
        ),
        (
            "the same, if the usual one scans to compare",
            of_a_run(million, 0.001),
            seconds(million, 1_000, table="a table used to it"),
            usual_run(million, 0.001, compares=True),
            seconds(million, 1_000, table="a table used to it", usual=True),
        ),
    ]
    lines = [
        "## Beside the usual design",
        "",
        "`csv.DictReader` and `batch_writer` in one function, which puts every row over what is there, without conditions. Ours has all",
        "that a run costs: steps, states, files, mail.",
        "",
        "| | ours, dollars | seconds | the usual, dollars | seconds |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {dollars(our):.3f} | {our_s:,.0f} | {dollars(usual):.3f} | {usual_s:,.0f} |"
            for name, our, our_s, usual, usual_s in rows
        ),
        "",
        "Most of ours that is not writing is keeping the run's files for three months, for its report and to undo it; the usual design has",
        "neither. A function ends after 900 seconds: what takes longer has to be cut up in the usual design, too. Requests and units of ours are held",
        "against those of an import that was really made (`tests/docs/test_counted.py`); seconds were measured at a desk, and are not promised.",
        "",
        "| a two-way sync of 25,000 contacts, a run | ours, dollars | the usual, dollars |",
        "|---|---|---|",
    ]
    usual = dollars(usual_two_way_run(25_000))
    for name, changed in (("idle", 0), ("busy: 250 changed", 250)):
        lines.append(f"| {name} | {dollars(two_way_run(changed)):.5f} | {usual:.5f} |")
    return [*lines, ""]


def _listed(units: Units) -> str:
    return ", ".join(
        f"{amount:g} {name.removesuffix('s') if amount == 1 else name}" for name, amount in units.items()
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
