"""What steps tell CloudWatch: numbers, under words of which there are few, and nothing about anybody."""

import json
from io import StringIO
from types import SimpleNamespace
from typing import Any

import pytest

from contactsync import entry
from contactsync.core.metrics import METRICS, measured
from contactsync.errors import Busy, Cancelled, UnreadableFile
from contactsync.model.message import Finishing, Message, Notified, Parsed
from contactsync.model.run import Counts

EVENT = {"account_id": "a1", "run_id": "r1"}
CONTEXT: Any = SimpleNamespace(function_name="stack-Function-1A2B", aws_request_id="request-1")
COUNTS = Counts(rows=7, added=1, updated=2, unchanged=1, deleted=5, rejected=2, skipped=1)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What the functions log meanwhile."""
    written = StringIO()
    monkeypatch.setattr(entry.logger.registered_handler, "stream", written)
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "ContactSync/trial")
    return written


def told(lines: StringIO) -> dict[str, Any]:
    """The last line."""
    line: dict[str, Any] = json.loads(lines.getvalue().splitlines()[-1])
    return line


def metrics_of(line: dict[str, Any]) -> dict[tuple[str, ...], float]:
    """As CloudWatch reads a line: name and dimensions' values → value."""
    found = {}
    for directive in line["_aws"]["CloudWatchMetrics"]:
        assert directive["Namespace"] == "ContactSync/trial"
        for dimensions in directive["Dimensions"]:
            for metric in directive["Metrics"]:
                found[metric["Name"], *(line[it] for it in dimensions)] = line[metric["Name"]]
    return found


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnreadableFile("no_header", "There is no header.", "Add one."), "no_header"),
        (Busy("away"), "Busy"),
        (Cancelled("taken over"), "Cancelled"),
        (ValueError("ada@example.com"), "Bug"),
    ],
)
def test_an_attempt_that_came_to_nothing_is_counted_under_its_reason(
    lines: StringIO, error: Exception, reason: str
):
    @entry.step("parse", reads=Message)
    def handler(message: Message) -> Parsed:
        raise error

    with pytest.raises(Exception):  # noqa: B017, PT011 - which one is test_entry's
        handler(EVENT, CONTEXT)
    assert metrics_of(told(lines)) == {("Failures", "parse", reason): 1}
    assert "ada@" not in lines.getvalue()


def test_a_run_is_counted_once_it_has_ended(lines: StringIO):
    answer = Notified(
        **EVENT,
        status="failed",
        bug=True,
        problem="internal",
        counts=COUNTS,
        took_s=1.5,
        mails_sent=2,
        mails_failed=1,
    )
    entry.step("notify", reads=Finishing)(lambda message: answer)(EVENT, CONTEXT)
    assert metrics_of(told(lines)) == {
        ("Runs", "failed"): 1,
        ("RunProblems", "internal"): 1,
        ("RunSeconds",): 1.5,
        ("RowsRead",): 7,
        ("RowsUnchanged",): 1,
        ("RowsRejected",): 2,
        ("RowsSkipped",): 1,
        ("ContactsAdded",): 1,
        ("ContactsUpdated",): 2,
        ("ContactsDeleted",): 5,
        ("MailsSent",): 2,
        ("MailsFailed",): 1,
    }


def test_rows_of_a_run_that_waits_for_an_approval_are_counted_later(lines: StringIO):
    answer = Notified(**EVENT, status="awaiting_approval", bug=False, problem="too_many_deletions")
    entry.step("notify", reads=Finishing)(lambda message: answer)(EVENT, CONTEXT)
    assert {name for name, *_ in metrics_of(told(lines))} == {
        "Runs",
        "RunProblems",
        "MailsSent",
        "MailsFailed",
    }


def test_a_step_on_the_way_counts_nothing_when_it_succeeds(lines: StringIO):
    answer = Parsed(**EVENT, size="small", chunks=(0,), units=(0,))
    entry.step("parse", reads=Message)(lambda message: answer)(EVENT, CONTEXT)
    assert "_aws" not in told(lines)


def test_no_dimension_tells_an_account_or_a_run():
    words = {"step", "reason", "status", "problem"}
    assert {it for metric in METRICS.values() for it in metric.dimensions} <= words


def test_metrics_of_other_dimensions_stand_apart():
    fields = measured({"Runs": 1, "RowsRead": 3, "RowsSkipped": 1}, namespace="n", at_ms=1)
    assert [it["Dimensions"] for it in fields["_aws"]["CloudWatchMetrics"]] == [[["status"]], [[]]]
