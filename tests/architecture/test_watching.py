"""Alarms and the dashboard watch what exists, and each alarm has a page that says what to do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from contactsync.core.metrics import METRICS
from tests.architecture.template import RESOURCES, functions, of_type

ALARMS = of_type("AWS::CloudWatch::Alarm")
OPERATIONS = Path("docs/operations.md").read_text(encoding="utf-8")
OURS = "ContactSync/${AWS::StackName}"
MEASURED_BY_AWS = {
    "AWS/ApiGateway": {"Count", "4XXError", "5XXError", "Latency"},
    "AWS/DynamoDB": {
        "ConsumedReadCapacityUnits",
        "ConsumedWriteCapacityUnits",
        "ReadThrottleEvents",
        "WriteThrottleEvents",
    },
    "AWS/Events": {"RetryInvocationAttempts"},
    "AWS/Lambda": {"ConcurrentExecutions", "Duration", "Throttles"},
    "AWS/Logs": {"IncomingBytes"},
    "AWS/SES": {"Reputation.BounceRate", "Reputation.ComplaintRate"},
    "AWS/SQS": {"ApproximateNumberOfMessagesVisible"},
    "AWS/Scheduler": {"InvocationDroppedCount"},
    "AWS/States": {"ConsumedCapacity", "ExecutionsFailed", "ExecutionsTimedOut"},
}
"""Metrics of AWS that we rely on, as its documentation spells them; a name that is not here was not looked up."""


# ── Alarms ──


def watched(alarm: dict[str, Any]) -> list[dict[str, Any]]:
    """The metrics that an alarm looks at."""
    if "Metrics" in alarm:
        return [it["MetricStat"]["Metric"] for it in alarm["Metrics"] if "MetricStat" in it]
    return [alarm]


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_names_its_page_and_the_page_says_what_to_do(name: str):
    assert ALARMS[name]["AlarmDescription"].endswith(f"See {name} in docs/operations.md.")
    _, found, rest = OPERATIONS.partition(f"\n### {name}\n")
    assert found, f"docs/operations.md has no heading {name}"
    assert len(re.split(r"^#", rest, maxsplit=1, flags=re.MULTILINE)[0].split()) > 15


def test_no_page_is_left_of_an_alarm_that_is_gone():
    assert set(re.findall(r"^### (\w+Alarm)$", OPERATIONS, re.MULTILINE)) == set(ALARMS)


@pytest.mark.parametrize("name", sorted(ALARMS))
def test_an_alarm_tells_somebody_and_keeps_quiet_without_data(name: str):
    assert ALARMS[name]["AlarmActions"]
    assert ALARMS[name]["TreatMissingData"] == "notBreaching"
    for metric in watched(ALARMS[name]):
        namespace = metric["Namespace"]
        if namespace == {"Sub": OURS}:
            assert METRICS[metric["MetricName"]].dimensions == tuple(
                it["Name"] for it in metric.get("Dimensions", ())
            )
        else:
            assert metric["MetricName"] in MEASURED_BY_AWS[namespace]


def test_a_sum_of_metrics_counts_what_is_missing_as_nothing():
    """One metric without data would make the whole expression have none, and the alarm would never ring."""
    for name, alarm in ALARMS.items():
        expressions = [it["Expression"] for it in alarm.get("Metrics", ()) if "Expression" in it]
        ids = [it["Id"] for it in alarm.get("Metrics", ()) if "MetricStat" in it]
        for expression in expressions:
            assert all(f"FILL({id_}, 0)" in expression for id_ in ids), name


def of_alarms(metric: str) -> str:
    """The dimensions of a metric in all alarms together."""
    found = [
        it["Dimensions"] for alarm in ALARMS.values() for it in watched(alarm) if it["MetricName"] == metric
    ]
    return json.dumps(found)


@pytest.mark.parametrize("machine", sorted(of_type("AWS::Serverless::StateMachine")))
@pytest.mark.parametrize("metric", ["ExecutionsFailed", "ExecutionsTimedOut"])
def test_no_execution_breaks_off_unheard(machine: str, metric: str):
    """One that runs out of time counts as no failure to CloudWatch."""
    assert f'"{machine}"' in of_alarms(metric)


def test_no_run_waits_unheard():
    """A rule that starts executions tries for a day before anything lies in the dead-letter queue."""
    starting = [
        name
        for name, rule in of_type("AWS::Events::Rule").items()
        if any("StateMachine" in json.dumps(target["Arn"]) for target in rule["Targets"])
    ]
    assert len(starting) == 2
    for name in starting:
        assert f'"{name}"' in of_alarms("RetryInvocationAttempts"), name


# ── The dashboard ──


BODY: dict[str, Any] = json.loads(RESOURCES["Dashboard"]["Properties"]["DashboardBody"]["Sub"])
WIDGETS: list[dict[str, Any]] = BODY["widgets"]
METRIC_WIDGETS = [it["properties"] for it in WIDGETS if it["type"] == "metric"]


def whole(metrics: list[list[Any]]) -> list[tuple[str, str, dict[str, Any]]]:
    """Namespace, name and dimensions of each metric of a widget; expressions are left out."""
    found = []
    for metric in metrics:
        plain = [it for it in metric if not isinstance(it, dict)]
        if plain:
            namespace, name, *dimensions = plain
            found.append((namespace, name, dict(zip(dimensions[::2], dimensions[1::2], strict=True))))
    return found


def test_what_the_dashboard_names_is_in_the_template():
    names = set(re.findall(r"\$\{(\w+)(?:\.\w+)?\}", json.dumps(BODY)))
    assert names - set(RESOURCES) == set()


def test_the_dashboard_shows_every_alarm():
    [alarms] = [it["properties"]["alarms"] for it in WIDGETS if it["type"] == "alarm"]
    assert {it.removeprefix("${").removesuffix(".Arn}") for it in alarms} == set(ALARMS)


@pytest.mark.parametrize("widget", METRIC_WIDGETS, ids=lambda it: it["title"])
def test_a_widget_shows_metrics_that_exist(widget: dict[str, Any]):
    for namespace, name, dimensions in whole(widget["metrics"]):
        if namespace == OURS:
            assert METRICS[name].dimensions == tuple(dimensions)
        else:
            assert name in MEASURED_BY_AWS[namespace]


def test_every_metric_of_ours_is_shown_and_explained():
    searched = {
        (found[2], tuple(found[1].split(",")))
        for widget in METRIC_WIDGETS
        for metric in widget["metrics"]
        for it in metric
        if isinstance(it, dict) and "SEARCH" in it.get("expression", "")
        for found in [
            re.search(r"\{\"ContactSync/[^\"]+\",([\w,]+)\} MetricName=\"(\w+)\"", it["expression"])
        ]
        if found
    }
    named = {
        (name, ())
        for widget in METRIC_WIDGETS
        for namespace, name, _ in whole(widget["metrics"])
        if namespace == OURS
    }
    assert searched | named == {(name, metric.dimensions) for name, metric in METRICS.items()}
    assert [name for name in METRICS if f"`{name}`" not in OPERATIONS] == []


def test_seconds_are_paid_for_by_the_memory_that_the_functions_have():
    [widget] = [it for it in METRIC_WIDGETS if "GB-seconds" in it["title"]]
    [expression] = [it["expression"] for metric in widget["metrics"] for it in metric if "expression" in it]
    told = {word: int(memory) for word, memory in re.findall(r"(\w+) \* (\d+)", expression)}
    assert told == {word: it["MemorySize"] for word, it in functions().items()}


def test_no_two_widgets_lie_on_each_other():
    taken: set[tuple[int, int]] = set()
    for it in WIDGETS:
        cells = {
            (x, y)
            for x in range(it["x"], it["x"] + it["width"])
            for y in range(it["y"], it["y"] + it["height"])
        }
        assert not taken & cells, it["properties"]["title"]
        assert it["x"] + it["width"] <= 24
        taken |= cells
