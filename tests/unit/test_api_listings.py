"""What the API tells: contacts, rows, reports, fields; and pages that cannot be led astray."""

import csv
import io
import json
from datetime import timedelta
from typing import Any

import pytest

from contactsync.api import representations
from contactsync.core.decisions import Row, Unchanged
from contactsync.journeys import importing
from contactsync.journeys.asked import downloads, rows
from contactsync.journeys.file.runfiles import Reject, RunFiles
from contactsync.model.run import Counts

MAPPING: list[dict[str, Any]] = [
    {"column": "email", "field": "email"},
    {"column": "phone", "field": "phone"},
    {"column": "name", "field": "name"},
]
ROWS = """email,phone,name
ada@example.com,06 12345678,Ada
bad address,+31 6 12345678,=1+1
Grace@Example.com,,Grace
ada@example.com,,Ada Lovelace
"""


def import_rows(api, text=ROWS, **changes):
    """The id of a run over these rows that has ended."""
    body = {"source": {"kind": "paste", "text": text}, "mapping": MAPPING, **changes}
    run_id = api.post("/imports", body).json["run"]["id"]
    api.ended(run_id)
    return run_id


def people(count):
    return "email,phone,name\n" + "".join(f"p{n}@example.com,,P{n}\n" for n in range(count))


# Contacts


def test_a_contact_shows_lists_and_their_primaries(api):
    run_id = import_rows(api, "email,phone,name\nada@example.com,06 12345678,Ada\n")
    (contact,) = api.get("/contacts").json["items"]
    assert contact["fields"] == {
        "name": "Ada",
        "email": "ada@example.com",
        "emails": [{"value": "ada@example.com", "label": None}],
        "phone": "+31612345678",
        "phones": [{"value": "+31612345678", "text": "06 12345678", "label": None}],
    }
    assert contact["segments"] == []
    assert contact["version"] == 1
    (source,) = contact["sources"]
    assert (source["run_id"], source["row"]) == (run_id, 2)
    assert contact["audit"]["created_by"] == f"run:{run_id}"
    assert api.get(f"/contacts/{contact['id']}").json == contact


@pytest.mark.parametrize("spelling", ["grace@example.com", "GRACE@EXAMPLE.COM", "%20Grace@example.com%20"])
def test_a_contact_is_found_by_its_email_however_it_is_spelled(api, spelling):
    import_rows(api)
    page = api.get(f"/contacts?email={spelling}").json
    assert [contact["fields"]["name"] for contact in page["items"]] == ["Grace"]
    assert page["next"] is None


@pytest.mark.parametrize("email", ["nobody@example.com", "", "@", "%00", "é" * 300])
def test_an_email_that_nobody_has_finds_nobody(api, email):
    import_rows(api)
    assert api.get(f"/contacts?email={email}").json == {"items": [], "next": None}


@pytest.mark.parametrize("spelling", ["ada+news@example.com", "ada%2Bnews@example.com"])
def test_a_plus_in_an_address_is_one_however_it_is_sent(api, spelling):
    """A plus in a query is a space to everybody who reads queries, API Gateway too: it found nobody, without a word."""
    import_rows(api, "email,phone,name\nada+news@example.com,,Ada\n")
    assert [each["fields"]["name"] for each in api.get(f"/contacts?email={spelling}").json["items"]] == [
        "Ada"
    ]


def test_pages_hold_everybody_once(api):
    import_rows(api, people(25))
    found = api.everything("/contacts", limit=10)
    assert len(found) == 25
    assert len({contact["id"] for contact in found}) == 25


def test_an_account_sees_only_its_own(api, stranger):
    import_rows(api)
    assert stranger.get("/contacts").json["items"] == []
    assert stranger.get("/contacts?email=ada@example.com").json["items"] == []
    assert stranger.get("/syncs").json["items"] == []


def test_a_page_of_large_contacts_ends_before_an_answer_would_burst(api):
    large = "email,phone,name\n" + "".join(f"p{n}@example.com,,{'x' * 30_000}\n" for n in range(150))
    upload_id = api.post("/uploads", {"filename": "large.csv"}).json["upload_id"]
    api.world.uploads.put(api.world.control.upload(api.account.account_id, upload_id).key, large.encode())
    import_rows(api, source={"kind": "upload", "upload_id": upload_id})
    first = api.get("/contacts?limit=150")
    assert len(json.dumps(first.text).encode()) < 6_000_000
    assert 1 < len(first.json["items"]) < 150
    assert len({contact["id"] for contact in api.everything("/contacts", limit=150)}) == 150


# Page tokens


@pytest.fixture
def token(api):
    """The token of the second page of contacts."""
    import_rows(api, people(5))
    return api.get("/contacts?limit=2").json["next"]


def test_a_token_is_good_where_it_was_given(api, token):
    assert api.get(f"/contacts?limit=2&next={token}").status == 200
    assert api.get(f"/contacts?next={token}").status == 200, "another limit is no other listing"


def test_a_changed_token_is_refused_wherever_it_was_changed(api, token):
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    for place, old in enumerate(token):
        new = alphabet[(alphabet.index(old) + 1) % 64]
        answer = api.get(f"/contacts?next={token[:place]}{new}{token[place + 1 :]}")
        assert (answer.status, answer.pointers) == (422, {"/next"})


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t[:-1],
        lambda t: t + "A",
        lambda t: t + "=",
        lambda t: "é",
        lambda t: t[:20],
        lambda t: "%00",
    ],
)
def test_a_token_of_another_shape_is_refused(api, token, change):
    assert api.get(f"/contacts?next={change(token)}").pointers == {"/next"}


def test_a_token_is_refused_elsewhere(api, stranger, token):
    import_rows(stranger, people(5))
    assert stranger.get(f"/contacts?next={token}").pointers == {"/next"}, "another account"
    assert api.get(f"/syncs?next={token}").pointers == {"/next"}, "another route"
    assert api.get(f"/contacts?email=p1@example.com&next={token}").pointers == {"/next"}, "another query"


def test_a_token_ends_after_a_day(api, token):
    api.world.clock.advance(timedelta(hours=25))
    assert api.get(f"/contacts?next={token}").pointers == {"/next"}


# Rows and reports


def test_every_row_is_accounted_for(api):
    run_id = import_rows(api)
    rows = {row["row"]: row for row in api.everything(f"/runs/{run_id}/rows", limit=1)}
    assert {line: row["outcome"] for line, row in rows.items()} == {
        2: "skipped", 3: "rejected", 4: "added", 5: "added"
    }  # fmt: skip
    assert rows[2]["reason"]
    assert rows[3]["contact_id"] is None
    assert [(error["column"], error["field"]) for error in rows[3]["errors"]] == [("email", "email")]
    assert api.get(f"/contacts/{rows[5]['contact_id']}").json["fields"]["name"] == "Ada Lovelace"


@pytest.mark.parametrize(
    ("outcome", "lines"), [("added", {4, 5}), ("rejected", {3}), ("skipped", {2}), ("updated", set())]
)
def test_rows_are_filtered_by_outcome(api, outcome, lines):
    run_id = import_rows(api)
    assert {row["row"] for row in api.everything(f"/runs/{run_id}/rows", outcome=outcome)} == lines


def test_an_outcome_that_is_none_is_named(api):
    assert api.get(f"/runs/{import_rows(api)}/rows?outcome=lost").pointers == {"/outcome"}


def test_a_page_looks_at_a_bounded_number_of_rows(api, monkeypatch):
    monkeypatch.setattr(rows, "LOOKED_AT_MAX", 4)
    run_id = import_rows(api, people(10))
    assert api.get(f"/runs/{run_id}/rows?outcome=rejected").json["next"] is not None
    assert api.everything(f"/runs/{run_id}/rows", outcome="rejected") == []
    assert len(api.everything(f"/runs/{run_id}/rows", outcome="added")) == 10


def test_pages_go_on_across_chunks_and_units(api):
    """Each part of a large run's files has positions of its own: none is lost or told twice at a seam."""
    run_id = import_rows(api)
    files = RunFiles(api.world.runs, api.account.account_id, run_id)
    manifest = files.manifest()
    files.save_manifest(manifest.model_copy(update={"chunks": manifest.chunks * 3, "units": 2}))
    for chunk in range(3):
        rejects = [Reject(10 * chunk + n, ["x"], [(0, "email", "bad", "Bad.")]).line() for n in range(3)]
        files.save_mapped(chunk, [], rejects, Counts(rows=3, rejected=3))
    for unit in range(2):
        rows = [Row(f"{unit:016x}{n:016x}", 100 * (unit + 1) + n, "", {}) for n in range(3)]
        files.save_plan(unit, [Unchanged(row).line() for row in rows])
    expected = [0, 1, 2, 10, 11, 12, 20, 21, 22, 100, 101, 102, 200, 201, 202]
    for limit in (1, 2, 4, 50):
        assert [row["row"] for row in api.everything(f"/runs/{run_id}/rows", limit=limit)] == expected


def test_an_empty_row_is_skipped_not_refused(api):
    run_id = import_rows(api, "email,phone,name\nada@example.com,,Ada\n,,\n")
    rows = {row["row"]: row["outcome"] for row in api.everything(f"/runs/{run_id}/rows")}
    assert rows == {2: "added", 3: "skipped"}


def test_rows_that_a_failed_run_never_came_to_are_not_said_to_be_applied(api, monkeypatch):
    def broken(*_args):
        raise RuntimeError

    monkeypatch.setattr(type(api.world.contacts), "write", broken)
    run_id = import_rows(api)
    run = api.get(f"/runs/{run_id}").json
    assert (run["status"], run["counts"]["added"]) == ("failed", 0)
    outcomes = [row["outcome"] for row in api.everything(f"/runs/{run_id}/rows")]
    assert sorted(outcomes) == ["rejected", "skipped", "skipped", "skipped"]


def test_rows_of_a_plan_that_nobody_began_to_apply_are_not_said_to_be_applied(api):
    body = {"source": {"kind": "paste", "text": ROWS}, "mapping": MAPPING}
    run_id = api.post("/imports", body).json["run"]["id"]
    control, account_id = api.world.control, api.account.account_id
    cancel = {"status": "cancelled"}
    guard = importing.guard

    def cancelled(message, **ports):
        answer = guard(message, **ports)
        control.close_run(account_id, run_id, lambda run: run.model_copy(update=cancel))
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(importing, "guard", cancelled)
        api.world.execute(control.run(account_id, run_id).value)
    outcomes = [row["outcome"] for row in api.everything(f"/runs/{run_id}/rows")]
    assert sorted(outcomes) == ["rejected", "skipped", "skipped", "skipped"]


def test_refused_rows_come_as_a_file_to_mend_and_import_again(api):
    run_id = import_rows(api)
    answer = api.get(f"/runs/{run_id}/rejects.csv")
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert f"rejects-{run_id}.csv" in answer.headers["content-disposition"]
    header, row = csv.reader(io.StringIO(answer.text, newline=""))
    assert header == ["email", "phone", "name", "line", "reason"]
    assert row[:4] == ["bad address", "'+31 6 12345678", "'=1+1", "3"]
    assert row[4]


def test_a_large_report_is_fetched_from_the_bucket(api, monkeypatch):
    monkeypatch.setattr(downloads, "INLINE_BYTES", 10)
    run_id = import_rows(api)
    answer = api.get(f"/runs/{run_id}/rejects.csv")
    assert answer.status == 303
    assert f"{run_id}/rejects.csv" in answer.headers["location"]


def test_a_page_of_rows_with_much_to_say_ends_early_too(api, monkeypatch):
    run_id = import_rows(api)
    expected = [row["row"] for row in api.everything(f"/runs/{run_id}/rows")]
    monkeypatch.setattr(representations, "LISTING_BYTES", 10)
    assert len(api.get(f"/runs/{run_id}/rows").json["items"]) == 1
    assert [row["row"] for row in api.everything(f"/runs/{run_id}/rows")] == expected


def test_a_report_that_grows_when_it_is_quoted_is_fetched_from_the_bucket(api):
    run_id = import_rows(api)
    files = RunFiles(api.world.runs, api.account.account_id, run_id)
    api.world.runs.put(files.rejects_csv, b'"",' * 1_300_000)
    assert api.get(f"/runs/{run_id}/rejects.csv").status == 303


@pytest.mark.parametrize("path", ["rejects.csv", "rows"])
def test_rows_of_a_run_under_way_are_worth_waiting_for(api, path):
    body = {"source": {"kind": "paste", "text": ROWS}, "mapping": MAPPING}
    run_id = api.post("/imports", body).json["run"]["id"]
    answer = api.get(f"/runs/{run_id}/{path}")
    assert (answer.status, answer.json["type"]) == (409, "/problems/run_under_way")
    assert int(answer.headers["retry-after"]) > 0


def test_a_run_that_ended_before_its_file_was_read_has_no_rows(api):
    run_id = import_rows(api, "email,phone,name\n")
    assert api.get(f"/runs/{run_id}").json["problem"]
    assert api.get(f"/runs/{run_id}/rows").json == {"items": [], "next": None}
    assert api.get(f"/runs/{run_id}/rejects.csv").text == '"line","reason"\r\n'


def test_progress_is_live(api):
    body = {"source": {"kind": "paste", "text": ROWS}, "mapping": MAPPING}
    run_id = api.post("/imports", body).json["run"]["id"]
    control, account_id = api.world.control, api.account.account_id
    run = control.update_run(
        account_id,
        run_id,
        lambda run: run.model_copy(update={"status": "running", "step": "plan", "rows_total": 100}),
    )
    control.note_progress(run, "map", 0, 100, api.world.clock.now())
    control.note_progress(run, "plan", 0, 50, api.world.clock.now())
    assert api.get(f"/runs/{run_id}").json["progress"] == {"percent": 50, "rows_done": 0, "rows_total": 100}
    control.note_progress(run, "upsert", 0, 30, api.world.clock.now())
    assert api.get(f"/runs/{run_id}").json["progress"] == {"percent": 60, "rows_done": 30, "rows_total": 100}


# Syncs, fields, the account


def test_a_sync_looks_as_the_contract_says(api):
    run_id = import_rows(api, name="Fair", notify={"emails": ["owner@example.com"]})
    (sync,) = api.get("/syncs").json["items"]
    assert api.get(f"/syncs/{sync['id']}").json == sync
    assert sync["mapping"] == MAPPING
    assert sync["identity"] == {"field": "email"}
    assert sync["options"]["existing"] == "override"
    assert sync["schedule"] is None
    assert sync["state"] == "active"
    assert sync["version"] > 1
    assert sync["latest_run"] == api.get(f"/runs/{run_id}").json


def test_syncs_are_listed_newest_first(api):
    for name in ("one", "two", "three"):
        import_rows(api, name=name)
        api.world.clock.advance(timedelta(days=1))
    assert [sync["name"] for sync in api.everything("/syncs", limit=2)] == ["three", "two", "one"]


def test_an_own_field_can_be_added_and_mapped(api):
    spec = {"key": "tier", "label": "Tier", "type": "choice", "choices": ["gold", "silver"]}
    assert api.post("/fields", spec).status == 201
    assert api.post("/fields", spec).json["type"] == "/problems/field_exists"
    listed = {field["key"]: field for field in api.get("/fields").json["items"]}
    assert listed["tier"] == {**spec, "list": False, "required": False, "built_in": False}
    assert listed["email"]["built_in"] is True
    mapping = [*MAPPING, {"literal": "gold", "field": "tier"}]
    import_rows(api, "email,phone,name\nada@example.com,,\n", mapping=mapping)
    assert api.get("/contacts").json["items"][0]["fields"]["tier"] == "gold"


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"key": "Tier!"}, {"/key"}),
        ({"type": "colour"}, {"/type"}),
        ({"type": "choice"}, {"/choices"}),
        ({"choices": ["a"]}, {"/choices"}),
        ({"built_in": True}, {"/built_in"}),
        ({"key": "", "label": "", "type": 7, "list": "yes"}, {"/key", "/label", "/type", "/list"}),
    ],
)
def test_a_field_that_cannot_be_is_refused(api, changes, pointers):
    assert (
        api.post("/fields", {"key": "tier", "label": "Tier", "type": "text", **changes}).pointers == pointers
    )


def test_a_standard_field_cannot_be_made_again(api):
    assert api.post("/fields", {"key": "email", "label": "Email", "type": "email"}).status == 409


def test_the_account_says_who_is_asking_and_keeps_its_secret(api):
    told = api.get("/account")
    assert told.json["id"] == api.account.account_id
    assert told.json["member"]["permissions"] == sorted(api.permissions)
    secret = api.world.control.account(api.account.account_id).identity_secret
    assert secret not in told.text


@pytest.mark.parametrize("place", ["/segments", "/fields", "/keys"])
def test_a_bounded_list_comes_at_once_or_in_pages(api, place):
    for name in ("one", "two", "three"):
        api.post("/segments", {"name": name})
        api.post("/fields", {"key": name, "label": name, "type": "text"})
        api.post("/keys", {"name": name})
    whole = api.get(place).json
    assert whole["next"] is None
    found: list[dict[str, Any]] = []
    token: str | None = ""
    while token is not None:
        page = api.get(f"{place}?limit=2{token and f'&next={token}'}").json
        assert 1 <= len(page["items"]) <= 2
        found, token = found + page["items"], page["next"]
    assert found == whole["items"]
