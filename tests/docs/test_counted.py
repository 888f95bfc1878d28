"""The model of costs is held against an import that was really made: every request counted, every unit billed."""

import pytest

from bench import cloud, customers, whole
from contactsync.adapters.contact_writes import WRITES_A_REQUEST

pytestmark = pytest.mark.slow

ROWS = 20_000


@pytest.fixture(scope="module")
def runs() -> dict[str, whole.Spent]:
    """A first import, then its file again with one row in a thousand changed; with deletions, one that lacks as many."""
    with whole.bench() as on:
        whose, changed = on.customer(), on.folder / "changed.csv"
        customers.changed(on.file(ROWS), changed, every=1_000)
        deleting, lacking = on.customer(delete_missing={"scope": "sync"}), on.folder / "lacking.csv"
        customers.changed(on.file(ROWS), lacking, every=0, drop_every=1_000)
        on.imported(deleting, on.file(ROWS))
        return {
            "first": on.imported(whose, on.file(ROWS)),
            "again": on.imported(whose, changed),
            "lacking": on.imported(deleting, lacking),
        }


def test_a_new_contact_is_written_once_and_in_full_batches(runs):
    counts, settled = runs["first"].counts, runs["first"].told["counts"]
    assert counts["contacts write units"] == settled["added"]
    assert counts["dynamodb BatchExecuteStatement"] == -(-settled["added"] // WRITES_A_REQUEST)


def test_what_did_not_change_is_not_written(runs):
    counts, settled = runs["again"].counts, runs["again"].told["counts"]
    assert 0 < settled["updated"] <= ROWS / 1_000
    assert counts["contacts write units"] == settled["updated"]
    assert counts["dynamodb BatchExecuteStatement"] <= settled["updated"]


def test_comparing_reads_what_the_model_says(runs):
    first, again = runs["first"], runs["again"]
    updated = again.told["counts"]["updated"]
    assert first.counts["contacts read units"] == cloud.contact_reads(0, first.told["counts"]["added"])
    assert again.counts["contacts read units"] == cloud.contact_reads(ROWS, updated)
    assert updated / ROWS == pytest.approx(cloud.looked_at(ROWS, 0.001) / ROWS, abs=2e-4)


def test_who_is_missing_is_read_when_told_and_again_before_it_goes(runs):
    assert 0 < runs["lacking"].counts["contacts read units"] <= 2 * ROWS / 1_000


@pytest.mark.parametrize("run", ["first", "again"])
def test_what_a_run_costs_besides_is_less_than_assumed_and_not_much_less(runs, run):
    counts, assumed = runs[run].counts, cloud.ASSUMED
    written = assumed["units written to the control table by a run"]
    read = assumed["units read from the control table by a run"]
    assert written / 3 < counts["control write units"] <= written
    assert read / 3 < counts["control read units"] <= read
    a_worker, steps = assumed["S3 requests of each kind by a worker"], 7
    assert counts["s3 PUT"] + counts.get("s3 POST", 0) <= a_worker * steps
    assert counts["s3 GET"] + counts["s3 HEAD"] <= a_worker * steps
