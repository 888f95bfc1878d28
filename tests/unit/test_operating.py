"""What an operator types at a terminal is refused before anything is stored or asked of AWS, with what to type instead."""

from __future__ import annotations

import pytest

from contactsync.__main__ import main

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
