"""What an operator types at a terminal is refused before anything is stored or asked of AWS, with what to type instead."""

from __future__ import annotations

import os
import subprocess

import pytest
from botocore.stub import Stubber

from contactsync.__main__ import main
from contactsync.operating import stack
from local.deploy import ROOT

CUSTOMER = {
    "--stack": "contact-sync",
    "--name": "Example Ltd",
    "--email": "you@example.com",
    "--country": "GB",
}


@pytest.mark.parametrize(
    ("option", "typed", "said"),
    [
        ("--name", "", "it is empty: give the customer's name"),
        ("--name", "  ", "it is empty: give the customer's name"),
        ("--email", "", "it is empty: give the first member's address"),
        ("--email", "you.example.com", "There is no @"),
        ("--country", "", "is no country: write its ISO code"),
        ("--country", "England", "is no country: write its ISO code"),
    ],
)
def test_an_account_has_a_name_an_address_and_a_country(
    option: str, typed: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [word for pair in (CUSTOMER | {option: typed}).items() for word in pair]
    with pytest.raises(SystemExit) as ended:
        main(["account", *asked])
    assert ended.value.code == 2
    assert f"argument {option}: " in (told := capsys.readouterr().err)
    assert said in told


@pytest.mark.parametrize("command", [["redrive"], ["redeliver"], ["accounts", "list"]])
def test_whoever_names_no_stack_is_told_to(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*command, "--stack", ""]) == 1
    assert capsys.readouterr().err == (
        "No stack is named. Say which, as in STACK=contact-sync or --stack contact-sync.\n"
    )


def test_a_command_goes_where_the_operator_s_other_tools_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """boto3 by itself passes over AWS_REGION, which AWS's own command line reads and its shell in the browser sets."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    assert stack.client("sqs").meta.region_name == "eu-west-1"
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert stack.client("sqs").meta.region_name == "us-east-1"


def test_make_names_no_region_in_the_operator_s_place() -> None:
    """What the environment names goes before the AWS profile, so that no command would find a stack elsewhere."""
    known = {name: text for name, text in os.environ.items() if not name.startswith(("AWS_", "MAKE"))}
    shown = subprocess.run(
        ["make", "--eval=shown: ; @env", "shown"],
        cwd=ROOT,
        env=known,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    names = {line.partition("=")[0] for line in shown.stdout.splitlines()}
    assert "SAM_CLI_TELEMETRY" in names
    assert [name for name in names if name.startswith("AWS_")] == []


def test_whoever_names_a_stack_that_is_not_there_is_told_where_it_was_looked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    known = stack.client("cloudformation")
    monkeypatch.setattr(stack, "client", lambda _: known)
    with Stubber(known) as aws:
        aws.add_client_error("describe_stacks", "ValidationError", "Stack with id elsewhere does not exist")
        assert main(["redrive", "--stack", "elsewhere"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("The stack elsewhere cannot be read in eu-west-1: ")
    assert told.endswith("Check its name, AWS_PROFILE and AWS_REGION.\n")
