"""The mail after a run: complete, harmless, and the same in text and HTML."""

import html
import re
from datetime import timedelta
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contactsync.core import mailing
from contactsync.model.drop import DroppedFile
from contactsync.model.run import Counts, Refused, Run, RunProblem, RunWarning, Verdict

DONE = Run(
    id="0190run",
    account_id="acme",
    sync_id="0190sync",
    trigger="api",
    status="succeeded",
    counts=Counts(rows=1500, added=1200, updated=3, unchanged=290, rejected=5, skipped=2),
    refusals=(
        Refused(reason="Email: this is no address.", rows=4, first_line=17),
        Refused(reason="Birthday: there is no such day.", rows=1, first_line=90),
    ),
    warnings=(RunWarning(code="encoding", message="The file was read as Windows-1252."),),
    requested_at="2026-11-22T12:00:00Z",
    requested_by="member:m1",
    started_at="2026-11-22T12:00:01Z",
    finished_at="2026-11-22T12:02:06Z",
)
FAILED = DONE.model_copy(
    update={
        "status": "failed",
        "counts": Counts(),
        "refusals": (),
        "problem": RunProblem(code="empty_file", title="The file is empty.", detail="Export it anew."),
    }
)


def compose(run=DONE, *, sync_name="Trade fair", public_url="https://api.example.com"):
    return mailing.compose(run, sync_name=sync_name, public_url=public_url)


def words_of(page):
    """What a reader of the HTML sees, as bare words."""
    body = page.partition("<body")[2].partition(">")[2]
    return html.unescape(re.sub("<[^>]+>", " ", body)).split()


def test_what_to_do_is_said_to_its_end():
    """A mapping that misses several columns names each of them."""
    missing = " ".join(f"The file has no column “Column {number}”: correct the name." for number in range(13))
    problem = RunProblem(
        code="mapping_does_not_fit", title="The file does not fit the mapping.", detail=missing
    )
    letter = compose(FAILED.model_copy(update={"problem": problem}))
    assert f"What to do: {missing}" in letter.text
    endless = compose(
        FAILED.model_copy(update={"problem": problem.model_copy(update={"detail": missing * 50})})
    )
    assert len(endless.text) < 2_000


def test_it_states_counts_duration_reasons_and_where_to_look():
    letter = compose()
    assert letter.subject == "Trade fair: 1,200 added, 3 updated, 5 refused"
    for said in (
        "Rows read         1,500",
        "Contacts added    1,200",
        "Took              2 min 5 s",
        "Ended             2026-11-22 12:02 UTC",
        "- Email: this is no address. (4 rows, the first in line 17)",
        "- Birthday: there is no such day. (1 row, line 90)",
        "The file was read as Windows-1252.",
        "https://api.example.com/v1/runs/0190run/rejects.csv",
        "Each skipped row, and why:\nhttps://api.example.com/v1/runs/0190run/rows?outcome=skipped\n",
        "https://api.example.com/v1/runs/0190run\n",
    ):
        assert said in letter.text


def test_where_no_row_was_skipped_or_nobody_can_look_yet_none_is_pointed_to():
    for change in ({"counts": Counts(rows=2, added=2)}, {"status": "awaiting_approval"}):
        assert "outcome=skipped" not in compose(DONE.model_copy(update=change)).text


def test_it_says_why_somebody_gets_it_and_where_that_is_changed():
    for run in (DONE, FAILED):
        text = compose(run).text
        assert "because the sync's notify names your address" in text
        assert text.endswith("\nhttps://api.example.com/v1/syncs/0190sync\n")


def test_it_names_the_file_where_several_may_have_been_dropped():
    file = DroppedFile(key="acme/0190sync/in/people\r\n.csv", version="v1", etag="e", size=9)
    letter = compose(FAILED.model_copy(update={"file": file}))
    assert "\nFile              in/people .csv\n" in letter.text
    assert "people" not in letter.subject


def test_a_failed_run_says_what_happened_and_what_to_do():
    letter = compose(FAILED)
    assert letter.subject == "Trade fair: the import failed"
    assert "The file is empty." in letter.text
    assert "What to do: Export it anew." in letter.text
    assert "rejects.csv" not in letter.text


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        ({"status": "unchanged"}, "nothing has changed"),
        ({"status": "blocked", "counts": Counts(rows=2)}, "the import was stopped, nothing was changed"),
        ({"status": "blocked", "counts": Counts(rows=2, added=2)}, "2 added, the deletions were stopped"),
        ({"status": "cancelled"}, "the import was cancelled"),
        ({"status": "awaiting_approval"}, "the import waits for your approval"),
        ({"counts": Counts(rows=2, unchanged=2)}, "nothing has changed"),
        ({"dry_run": True, "counts": Counts(rows=2, added=2)}, "dry run, 2 would be added"),
        ({"dry_run": True, "counts": Counts(rows=2, unchanged=2)}, "dry run, nothing would change"),
    ],
)
def test_the_subject_tells_the_outcome(change, subject):
    assert compose(DONE.model_copy(update=change)).subject == f"Trade fair: {subject}"


@pytest.mark.parametrize(
    ("kind", "subject", "said"),
    [
        ("blocked", "the import would be stopped", "A real run would be stopped, and change nothing."),
        ("hold", "the import would wait for your approval", "before somebody approves its plan."),
        (
            "hold_deletes",
            "2 would be added, 1 would be deleted, the deletions would wait for your approval",
            "A real run would do the rest",
        ),
    ],
)
def test_a_dry_run_tells_what_a_real_one_would_be_stopped_by(kind, subject, said):
    verdict = Verdict(kind=kind, code="x", title="Only 1 of 9 appear.", detail="Check the file.")
    counts = Counts(rows=2, added=2, deleted=1)
    letter = compose(DONE.model_copy(update={"dry_run": True, "counts": counts, "verdict": verdict}))
    assert letter.subject == f"Trade fair: dry run, {subject}"
    assert said in letter.text
    assert "Only 1 of 9 appear." in letter.text
    assert ("What to do: Check the file." in letter.text) == (kind == "blocked")
    assert "The numbers say" not in letter.text


def test_an_undo_is_called_one_and_names_the_run_that_it_takes_back():
    undo = DONE.model_copy(update={"undoes": "0190done", "counts": Counts(rows=3, deleted=3), "refusals": ()})
    letter = compose(undo)
    assert letter.subject == "Trade fair: an import was undone, 3 deleted"
    assert "https://api.example.com/v1/runs/0190done\n" in letter.text
    for status in ("failed", "cancelled"):
        assert (
            f"the undo {'was ' if status == 'cancelled' else ''}{status}"
            in compose(undo.model_copy(update={"status": status})).subject
        )


def test_without_a_public_address_the_mail_names_paths():
    letter = compose(public_url="")
    assert "GET /v1/runs/0190run/rejects.csv" in letter.text
    assert "href" not in letter.html


def test_a_sync_without_a_name_is_your_import():
    assert compose(sync_name=" \r\n ").subject.startswith("Your import: ")


def test_only_the_first_reasons_are_shown():
    refusals = tuple(Refused(reason=f"Reason {n}.", rows=1, first_line=n) for n in range(1, 21))
    text = compose(DONE.model_copy(update={"refusals": refusals})).text
    assert "Reason 5." in text
    assert "Reason 6." not in text


NASTY = st.one_of(
    st.text(max_size=300),
    st.sampled_from(
        ["x\r\nBcc: eve@example.net", "<img src=x onerror=alert(1)>", "a" * 10_000, "\u202egnp.exe", "\ud800"]
    ),
)


@given(name=NASTY, reason=NASTY)
def test_customers_words_break_neither_header_nor_page(name, reason):
    refusals = (Refused(reason=mailing.clean(reason, 200), rows=1, first_line=2),)
    run = DONE.model_copy(update={"refusals": refusals})
    letter = compose(run, sync_name=name)
    message = EmailMessage()
    message["Subject"] = letter.subject
    message.set_content(letter.text)
    message.add_alternative(letter.html, subtype="html")
    assert len(letter.subject) < 200
    assert message.as_bytes()
    assert "<img" not in letter.html
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", letter.subject + letter.text + letter.html)


@given(name=NASTY, status=st.sampled_from(["succeeded", "failed", "unchanged", "awaiting_approval"]))
def test_text_and_html_say_the_same(name, status):
    letter = compose(DONE.model_copy(update={"status": status, "problem": FAILED.problem}), sync_name=name)
    text = [word for word in letter.text.split() if word != "-"]
    assert [word for word in words_of(letter.html) if word != "-"] == text


@pytest.mark.parametrize(
    ("seconds", "said"), [(0, "1 s"), (59, "59 s"), (60, "1 min 0 s"), (3660, "1 h 1 min"), (-5, "1 s")]
)
def test_durations_in_words(seconds, said):
    assert mailing.in_words(timedelta(seconds=seconds)) == said
