"""The state machine means the same to two interpreters: ministack, which carries the stack, and moto."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto import mock_aws

from contactsync.journeys import importing
from contactsync.journeys.file import cutting, units
from local import deploy
from local.asl_lint import COMPARISONS, INTRINSICS, STATES, findings
from local.stack import Stack
from tests.journeys.imports import HEADER_ONLY, LATER, ROWS, import_on_first, import_on_second
from tests.support.customer import Customer
from tests.support.second_interpreter import SecondInterpreter, executed

pytestmark = pytest.mark.stack


def listed(customer: Customer) -> list[Any]:
    """The contact list as far as two customers can have the same one."""
    return sorted(
        (
            [contact["fields"], contact["version"], [it["row"] for it in contact["sources"]]]
            for contact in customer.contacts()
        ),
        key=json.dumps,
    )


def test_the_same_files_come_to_the_same_list(
    customer: Customer, other_customer: Customer, second: SecondInterpreter
):
    for text in (ROWS, LATER, LATER):
        first_run = import_on_first(customer, text)
        second_run = import_on_second(second, other_customer, text)
        assert second_run.status == first_run["status"] == "succeeded"
        assert second_run.counts.model_dump(include=set(first_run["counts"])) == first_run["counts"]
        assert listed(other_customer) == listed(customer) != []
    assert [execution.status for execution in second.executions] == ["SUCCEEDED"] * 3
    assert len(other_customer.mails()) == len(customer.mails()) == 3
    assert [(call.function, call.action) for call in second.calls].count(("notify", "ses:SendEmail")) == 3


def test_a_small_file_passes_every_step_once_in_order(other_customer: Customer, second: SecondInterpreter):
    import_on_second(second, other_customer, ROWS)
    steps = [
        "Fetch",
        "Fetched",
        "Parse",
        "Parsed",
        "Map",
        "Plan",
        "Guard",
        "Guarded",
        "Upsert",
        "Notify",
        "Notified",
    ]
    assert second.executions[0].states == [*steps, "Done"]


def test_a_large_file_passes_side_by_side_and_comes_to_the_same_list(
    customer: Customer, other_customer: Customer, second: SecondInterpreter, monkeypatch: pytest.MonkeyPatch
):
    import_on_second(second, customer, ROWS)
    monkeypatch.setattr(importing, "SMALL_ROWS", 2)
    monkeypatch.setattr(cutting, "UNIT_ROWS", 2)
    run = import_on_second(second, other_customer, ROWS)
    assert run.status == "succeeded"
    assert listed(other_customer) == listed(customer)
    states = second.executions[1].states
    assert {"MapChunks", "PlanShards", "UpsertShards"} <= set(states)
    assert not {"Map", "Plan", "Upsert"} & set(states)


def test_a_refused_file_ends_with_its_problem_and_no_alarm(
    customer: Customer, other_customer: Customer, second: SecondInterpreter
):
    first_run = import_on_first(customer, HEADER_ONLY)
    second_run = import_on_second(second, other_customer, HEADER_ONLY)
    assert second_run.status == first_run["status"] == "failed"
    assert second_run.problem is not None
    assert second_run.problem.model_dump() == first_run["problem"]
    [execution] = second.executions
    assert execution.status == "SUCCEEDED"
    assert execution.states == ["Fetch", "Fetched", "Parse", "Notify", "Notified", "Done"]


def test_an_event_delivered_twice_changes_nothing(other_customer: Customer, second: SecondInterpreter):
    run = import_on_second(second, other_customer, ROWS)
    before = listed(other_customer)
    again = second.execute({"account_id": run.account_id, "run_id": run.id})
    assert again.states == ["Fetch", "Fetched", "Duplicate"]
    assert listed(other_customer) == before
    assert len(other_customer.mails()) == 1


def test_a_bug_fails_the_execution_and_tells_nothing_of_the_file(
    other_customer: Customer, second: SecondInterpreter, monkeypatch: pytest.MonkeyPatch
):
    def broken(*_: object) -> None:
        raise ValueError("ada@example.com")

    monkeypatch.setattr(units, "Planning", broken)
    run = import_on_second(second, other_customer, ROWS)
    [execution] = second.executions
    assert (execution.status, execution.error) == ("FAILED", "Bug")
    assert run.status == "failed"
    assert "example.com" not in execution.history


def test_an_execution_history_holds_no_contact(other_customer: Customer, second: SecondInterpreter):
    import_on_second(second, other_customer, ROWS)
    [execution] = second.executions
    assert [
        told
        for told in ("example.com", "Lovelace", "Zoë", "555 01 23", "2125550123")
        if told in execution.history
    ] == []


SAMPLE = {
    "number": 3,
    "text": "b,a,b",
    "json": '{"x": 1}',
    "list": [1, 2, 2, 3],
    "nested": {"inner": {"numbers": [10, 20]}},
    "nothing": None,
    "yes": True,
}
SAMPLER = Path("tests/journeys/every_allowed_feature.asl.yaml")


def test_what_the_lint_allows_means_the_same_to_both(stack: Stack):
    definition = yaml.safe_load(SAMPLER.read_text(encoding="utf-8"))
    with mock_aws(
        config={"stepfunctions": {"execute_state_machine": True}, "core": {"mock_credentials": False}}
    ):
        by_moto = executed(boto3.client("stepfunctions"), definition, SAMPLE)
    by_ministack = executed(deploy.client("stepfunctions", stack.endpoint), definition, SAMPLE)
    assert by_moto == by_ministack
    assert by_moto[0] == "SUCCEEDED"


def test_the_sample_holds_all_that_the_lint_allows():
    text = SAMPLER.read_text(encoding="utf-8")
    assert list(findings(yaml.safe_load(text))) == []
    assert {word for word in COMPARISONS if f"{word}:" not in text} == set()
    assert {word for word in INTRINSICS if f"States.{word}(" not in text} == set()
    assert {kind for kind in STATES if f"Type: {kind}" not in text} == {"Task"}, "import.asl.yaml has those"
