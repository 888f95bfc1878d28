"""What becomes a metric, as fields of an ordinary log line.

CloudWatch makes metrics of a log line that says which of its fields are some (its embedded metric format): no request,
no agent, and the line still reads as a line. What AWS measures by itself is not measured again: how often and how
long a function runs, what the API answers, what waits in a queue.

Every combination of a metric's name and its dimensions' values is paid for by the month, so dimensions are words
of which there are few: a step, a status, a code. An account and a run are fields of the line, never dimensions.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Metric(NamedTuple):
    """CloudWatch's unit, and the fields of the line by whose values the metric is told apart."""

    unit: str
    dimensions: tuple[str, ...] = ()


METRICS: Mapping[str, Metric] = {
    "Failures": Metric("Count", ("step", "reason")),
    "Runs": Metric("Count", ("status",)),
    "RunProblems": Metric("Count", ("problem",)),
    "RunSeconds": Metric("Seconds"),
    "RowsRead": Metric("Count"),
    "RowsUnchanged": Metric("Count"),
    "RowsRejected": Metric("Count"),
    "RowsSkipped": Metric("Count"),
    "ContactsAdded": Metric("Count"),
    "ContactsUpdated": Metric("Count"),
    "ContactsDeleted": Metric("Count"),
    "MailsSent": Metric("Count"),
    "MailsFailed": Metric("Count"),
}
"""Failures are attempts of steps, whatever came of the next one; RunProblems are what customers were told."""


def measured(values: Mapping[str, float], *, namespace: str, at_ms: int) -> dict[str, Any]:
    """The fields that make metrics of `values`; the dimensions' fields must stand in the same line.

    Args:
        values: by name of a metric in METRICS.
        namespace: keeps one installation's metrics apart from another's.
        at_ms: now, in milliseconds since 1970.
    """
    directives = [
        {
            "Namespace": namespace,
            "Dimensions": [list(dimensions)],
            "Metrics": [
                {"Name": name, "Unit": METRICS[name].unit}
                for name in values
                if METRICS[name].dimensions == dimensions
            ],
        }
        for dimensions in dict.fromkeys(METRICS[name].dimensions for name in values)
    ]
    return {"_aws": {"Timestamp": at_ms, "CloudWatchMetrics": directives}, **values}
