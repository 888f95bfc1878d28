"""docs/data-model.md names what the code names: attributes, records, files, and how long they are kept."""

from __future__ import annotations

import re
from collections import Counter
from types import ModuleType

import pytest

from contactsync import control
from contactsync.adapters import contact_table, control_table
from contactsync.control import accounts, books, boxes, feed, syncs
from contactsync.core.dropping import KEPT
from contactsync.core.rules import ADDRESS_PARTS
from contactsync.journeys.account import erasing, exporting, forgetting
from contactsync.journeys.asked import asking, editing
from contactsync.journeys.file import runfiles
from local.deploy import ROOT
from tests.architecture.template import RESOURCES
from tests.docs.pages import section

PAGE = ROOT / "docs" / "data-model.md"
TEXT = PAGE.read_text(encoding="utf-8")


def listed(module: ModuleType, pattern: str) -> set[str]:
    """What the module's docstring lists in its table, by a pattern with one group."""
    found = set(re.findall(pattern, module.__doc__ or "", re.MULTILINE))
    assert found
    return found


@pytest.mark.parametrize("name", sorted(listed(control, r"^    \S+ +([a-z_]+(?:#\S+)?)  ") - {"name"}))
def test_every_record_of_the_control_table(name: str) -> None:
    assert f"| `{name}` |" in section(PAGE, "ControlTable")


def test_no_record_is_listed_twice() -> None:
    rows = re.findall(r"^\| (`\S+` \| `\S+`) \|", section(PAGE, "ControlTable"), re.MULTILINE)
    assert [row for row, number in Counter(rows).items() if number > 1] == []


@pytest.mark.parametrize("name", ["edit", "idempotency", "reminder"])
def test_records_that_other_modules_keep(name: str) -> None:
    assert f"| `{name}#<" in section(PAGE, "ControlTable")


@pytest.mark.parametrize("name", sorted(listed(control_table, r"^(\w+) +[SN]  ")))
def test_every_attribute_of_the_control_table(name: str) -> None:
    assert f"| `{name}` |" in section(PAGE, "ControlTable")


@pytest.mark.parametrize("names", sorted(listed(contact_table, r"^    (\w{1,2}(?: \w\w)?) +(?:S|N|M|SS)\b")))
def test_every_attribute_of_the_contacts_table(names: str) -> None:
    assert f"| {' '.join(f'`{name}`' for name in names.split())} |" in section(PAGE, "ContactsTable")


@pytest.mark.parametrize("name", sorted(listed(runfiles, r"^        ([\w./<>]+) ")))
def test_every_file_of_a_run(name: str) -> None:
    assert f"| `{name}` |" in section(PAGE, "RunsBucket")


@pytest.mark.parametrize(
    ("bucket", "heading", "said"),
    [
        ("RunsBucket", "RunsBucket", "forgotten after {} days"),
        ("UploadsBucket", "UploadsBucket, DropBucket", "forgotten after {} days"),
        ("DropBucket", "UploadsBucket, DropBucket", "forgotten after {} days"),
        ("PhotosBucket", "PhotosBucket", "names no more; forgotten after {} days"),
    ],
)
def test_how_long_files_are_kept(bucket: str, heading: str, said: str) -> None:
    rule, *_ = RESOURCES[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert said.format(rule["ExpirationInDays"]) in section(PAGE, heading)


def test_how_long_records_are_kept() -> None:
    kept = dict(re.findall(r"\| `(\w+)#.*\| (\d+) days? \|$", TEXT, re.MULTILINE))
    assert kept == {
        "drop": str(KEPT.days),
        "unticked": str(boxes.UNTICKED_KEPT.days),
        "upload": str(asking.UPLOAD_KEPT.days),
        "progress": str(control.PROGRESS_KEPT.days),
        "export": str(exporting.KEPT.days),
        "erasure": str(erasing.TOLD.days),
        "erased": str(erasing.REMEMBERED.days),
        "forgotten": str(forgetting.FORGOTTEN_FOR.days),
        "reminder": "1",
        "idempotency": "1",
        "edit": str(editing.EDITS_KEPT.days),
        "feed": str(feed.KEPT.days),
        "today": str(books.COUNTED_KEPT.days),
        "audit": str(accounts.AUDIT_KEPT.days),
        "run": str(syncs.RUNS_KEPT.days),
        "sync_run": str(syncs.RUNS_KEPT.days),
        "runs_of": str(syncs.DAYS_COUNTED.days),
    }


def test_every_part_of_an_address() -> None:
    assert [part for part in ADDRESS_PARTS if f'"{part}"' not in TEXT] == []
