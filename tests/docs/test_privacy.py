"""docs/privacy.md says what the template and the code do."""

from __future__ import annotations

import re

from contactsync.api.representations import REMAINS
from contactsync.control import syncs
from contactsync.core import exporting
from contactsync.journeys.account import erasing, forgetting
from contactsync.journeys.account.exporting import KEPT as EXPORTS_KEPT
from contactsync.journeys.asked import asking, editing
from contactsync.journeys.file import applying
from contactsync.model.account import RETENTION_DAYS
from local.deploy import ROOT
from tests.architecture.template import RESOURCES

TEXT = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
KEPT = dict(re.findall(r"^\| ([^|]+?) \| [^|]+ \| ([^|]+?) \|$", TEXT, re.MULTILINE))
BACKUP_DAYS = 35
"""DynamoDB's point-in-time recovery; it has no setting here."""


def days(what: str) -> list[int]:
    """The numbers of days in the row that begins so."""
    [kept] = [kept for name, kept in KEPT.items() if name.startswith(what)]
    return [int(number) for number in re.findall(r"(\d+) days?", kept)]


def lifecycle(bucket: str) -> dict[str, int]:
    """Days until objects expire, by prefix; "" is the whole bucket."""
    rules = RESOURCES[bucket]["Properties"]["LifecycleConfiguration"]["Rules"]
    return {rule.get("Prefix", ""): rule["ExpirationInDays"] for rule in rules if "ExpirationInDays" in rule}


def test_files_are_kept_as_long_as_the_buckets_keep_them() -> None:
    runs = lifecycle("RunsBucket")
    assert days("files of runs") == [runs[""]] == [RETENTION_DAYS]
    assert days("exports") == [runs["exports/"]] == [EXPORTS_KEPT.days]
    assert days("whom an erasure") == [runs["erasures/"]] == [erasing.TOLD.days]
    assert days("pictures that contacts had") == [lifecycle("PhotosBucket")["former/"]] == [RETENTION_DAYS]
    assert days("uploads") == [lifecycle("UploadsBucket")[""]] == [asking.UPLOAD_KEPT.days]
    [rule] = RESOURCES["DropBucket"]["Properties"]["LifecycleConfiguration"]["Rules"]
    former = rule["NoncurrentVersionExpiration"]["NoncurrentDays"]
    assert days("files that your systems") == [rule["ExpirationInDays"], former]


def test_records_are_kept_as_long_as_the_code_says() -> None:
    assert days("which contact was deleted") == [applying.REMEMBERED.days]
    assert days("changes by hand") == [editing.EDITS_KEPT.days]
    assert days("runs:") == [syncs.RUNS_KEPT.days]
    assert f'{forgetting.GRACE.days} days `DO="keep a01…"` undoes' in TEXT
    assert f"stays for {forgetting.FORGOTTEN_FOR.days} days" in TEXT


def test_the_reach_of_backups_is_told_and_outlived() -> None:
    for table in ("ContactsTable", "ControlTable"):
        settings = RESOURCES[table]["Properties"]["PointInTimeRecoverySpecification"]
        assert settings == {"PointInTimeRecoveryEnabled": True}
    assert days("backups") == [BACKUP_DAYS]
    assert erasing.REMEMBERED.days > BACKUP_DAYS
    assert f"for {erasing.REMEMBERED.days} days, without the secret" in TEXT
    assert f"tables for {BACKUP_DAYS} days" in REMAINS


def test_who_has_signed_in_is_kept_and_that_is_told() -> None:
    assert RESOURCES["UserPool"]["DeletionPolicy"] == "Retain"
    [kept] = [kept for name, kept in KEPT.items() if name.startswith("who signs in")]
    assert "an operator deletes" in kept


def test_dead_letters_and_logs() -> None:
    seconds = RESOURCES["UndeliveredQueue"]["Properties"]["MessageRetentionPeriod"]
    assert days("logs") == [seconds // 86400]


def test_how_many_values_of_a_list_have_columns() -> None:
    assert exporting.SLOTS_MAX == 20
    assert "beyond the twentieth" in TEXT
