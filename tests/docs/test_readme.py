"""What README.md says is so: its commands are run as they stand, its numbers and names are the code's."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from contactsync.core.parsing import records
from contactsync.journeys import importing
from local import __main__ as make_run
from local import deploy
from local.demo import DemoBook
from local.deploy import ROOT
from local.stack import Stack
from tests.architecture.template import IMPORT, RESOURCES, TEMPLATE
from tests.docs.pages import README, blocks, prose, section, steady

SECTIONS = [
    "Run it",
    "Import a file",
    "Connect an address book",
    "How a row travels",
    "Deploy to AWS",
    "Tests",
    "Where things are",
]
WORDS_IN_FIVE_MINUTES = 1150

MAIL_HAS_COME = """\
for _ in $(seq 100); do curl -s "$INBOX/messages" | grep -q "$RUN" && break; sleep 0.1; done
"""
"""A person takes longer than a mail does; a test does not."""


class Command(NamedTuple):
    """A block of commands, and what the page says they print."""

    text: str
    shown: str


def commands(text: str) -> list[Command]:
    """Every shell block, with the output block behind it if there is one."""
    found = blocks(text)
    return [
        Command(block.text, following.text if following is not None and following.kind == "text" else "")
        for block, following in zip(found, [*found[1:], None], strict=True)
        if block.kind == "sh"
    ]


@pytest.fixture
def home(stack: Stack, demo_book: DemoBook, tmp_path: Path) -> Path:
    """A directory like the one in which make run was started, for a customer of this test's own."""
    account = stack.create_account(name="Example Ltd", email="you@example.com")
    (tmp_path / ".local").mkdir()
    facts = asdict(stack.facts) | {"api_key": account.api_key}
    (tmp_path / ".local" / "stack.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
    return tmp_path


@pytest.mark.stack
@pytest.mark.skipif(shutil.which("curl") is None, reason="the commands are curl's")
def test_the_commands_print_what_the_page_shows(home: Path) -> None:
    asked = [
        *commands(section(README, "Import a file")),
        *commands(section(README, "Connect an address book")),
    ]
    assert len(asked) >= 11
    script = "set -euo pipefail\n"
    for number, command in enumerate(asked):
        if "$INBOX/" in command.text:
            script += MAIL_HAS_COME
        script += f"printf '\\n@@ {number}\\n'\n{command.text}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=home, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    _, *printed = re.split(r"^@@ \d+\n", done.stdout, flags=re.MULTILINE)
    for command, output in zip(asked, printed, strict=True):
        assert steady(output) == steady(command.shown), command.text


def test_the_sections_come_in_the_order_of_a_newcomers_questions() -> None:
    assert re.findall(r"^## (.*)$", README.read_text(encoding="utf-8"), re.MULTILINE) == SECTIONS


def test_it_says_what_it_is_in_five_lines() -> None:
    text = README.read_text(encoding="utf-8")
    said = text.partition("\n## ")[0].splitlines()[1:]
    assert len([line for line in said if line]) == 5


def test_it_is_read_in_five_minutes() -> None:
    assert len(prose(README.read_text(encoding="utf-8")).split()) < WORDS_IN_FIVE_MINUTES


def test_make_run_prints_what_the_page_shows() -> None:
    [asked] = commands(section(README, "Run it"))
    assert asked.text == "make run\n"
    left_out, _, welcome = asked.shown.partition("\n\n")
    counted = Counter(one["Type"] for one in RESOURCES.values())
    assert left_out.splitlines() == [
        f"Left out {counted[kind]} {kind}: {reason}."
        for kind, reason in deploy.LEFT_OUT.items()
        if kind in counted
    ]
    facts = {
        "api": "http://127.0.0.1:1",
        "inbox": "http://127.0.0.1:2",
        "api_key": "csk_x",
        "demo": "http://127.0.0.1:3/demo",
    }
    printed = make_run._WELCOME.format(seconds=1.0, body="", **facts).partition("\n\nImport")[0]
    assert steady(welcome) == steady(printed)


def test_the_diagram_names_every_step_in_order_with_the_codes_own_numbers() -> None:
    text = section(README, "How a row travels")
    diagram = blocks(text)[0].text
    assert tuple(re.findall(r"^  ([a-z]+) ", diagram, re.MULTILINE)) == IMPORT
    assert f"chunks of {records.CHUNK_ROWS:,} rows" in diagram
    assert f"Up to {importing.SMALL_ROWS:,} rows" in text
    machine = yaml.safe_load((ROOT / "statemachine" / "import.asl.yaml").read_text(encoding="utf-8"))
    at_once = {state["MaxConcurrency"] for state in machine["States"].values() if state["Type"] == "Map"}
    assert at_once == {8}
    assert "run eight side by side" in text


def test_deploying_asks_for_what_the_page_says() -> None:
    text = section(README, "Deploy to AWS")
    assert [name for name in TEMPLATE["Parameters"] if f"`{name}`" not in text] == []


def test_everything_is_where_the_page_says() -> None:
    tree = blocks(section(README, "Where things are"))[0].text
    named = list(paths(tree))
    assert len(named) > 20
    assert [str(path) for path in named if not (ROOT / path).exists()] == []


def paths(tree: str) -> Iterator[Path]:
    """The paths of an indented tree: one at each line's beginning, and those that the words beside it name."""
    base = Path()
    for line in tree.splitlines():
        path, _, said = line.strip().partition("  ")
        inside = line.startswith(" ")
        if not inside:
            base = Path(path)
        here = base / path if inside else Path(path)
        yield here
        beside = here.parent if here.suffix else here
        for name in re.findall(r"[\w./-]+(?:/|\.py|\.md)(?![\w/])", said):
            yield beside / name if (ROOT / beside / name).exists() else here.parent / name
