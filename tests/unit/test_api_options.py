"""What a sync may ask for beyond columns: who a row is, who goes, which segments, and what of it is refused."""

from typing import Any

import pytest

from contactsync.model.field import FieldSpec
from contactsync.model.segment import Segment

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
ROWS = "email,name\nada@example.com,Ada\ngrace@example.com,Grace\n"


def body(text: str = ROWS, **changes: Any) -> dict[str, Any]:
    return {"source": {"kind": "paste", "text": text}, "mapping": NAMES, **changes}


def imported(api, asked):
    told = api.post("/imports", asked)
    assert told.status == 202, told.text
    return api.ended(told.json["run"]["id"])


@pytest.fixture
def number(api):
    spec = FieldSpec(key="number", label="Number", type="integer")
    api.world.control.create_field(api.account.account_id, spec)


@pytest.mark.usefixtures("number")
def test_each_row_gets_a_code_of_its_own(api):
    run = imported(api, body(identity={"generate": True, "field": "number"}))
    assert run["counts"]["added"] == 2
    codes = {contact["fields"]["number"] for contact in api.get("/contacts").json["items"]}
    assert len(codes) == 2
    assert all(100_000_000 <= code <= 999_999_999 for code in codes)


@pytest.mark.usefixtures("number")
def test_generated_codes_and_deletion_together_are_refused_with_the_reason(api):
    answer = api.post(
        "/imports",
        body(
            identity={"generate": True, "field": "number"},
            options={"delete_missing": {"scope": "all"}, "segments": ["nowhere"]},
        ),
    )
    assert answer.pointers == {"/options/delete_missing", "/options/segments/0"}
    assert "new code" in answer.text


@pytest.mark.usefixtures("number")
def test_any_field_can_be_the_identity(api):
    mapping = [*NAMES, {"column": "number", "field": "number"}]
    updated = []
    for name in ("Ada", "Ada King"):
        text = f"email,name,number\nada@example.com,{name},7\n"
        run = imported(api, body(text, mapping=mapping, identity={"field": "number"}))
        updated.append(run["counts"]["updated"])
    assert updated == [0, 1]


def test_what_the_file_no_longer_mentions_goes(api):
    options = {"delete_missing": {"scope": "sync"}, "guard": {"max_delete_percent": 60}}
    upload_ids = []
    for text in (ROWS, ROWS.rpartition("grace")[0]):
        upload_ids.append(api.post("/uploads", {"filename": "people.csv"}).json["upload_id"])
        key = api.world.control.upload(api.account.account_id, upload_ids[-1]).key
        api.world.uploads.put(key, text.encode())
    first = imported(api, body(source={"kind": "upload", "upload_id": upload_ids[0]}, options=options))
    run = api.post(f"/syncs/{first['sync_id']}/runs", {"upload_id": upload_ids[1]}).json
    assert api.ended(run["id"])["counts"]["deleted"] == 1


def test_everybody_in_the_file_joins_the_segments(api):
    segment = Segment(id="s1", name="Fair", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
    api.world.control.create_segment(api.account.account_id, segment)
    imported(api, body(options={"segments": ["s1"]}))
    assert {tuple(contact["segments"]) for contact in api.get("/contacts").json["items"]} == {("s1",)}


@pytest.mark.parametrize(
    ("change", "pointers"),
    [
        ({"format": {"encoding": "rot13"}}, {"/format/encoding"}),
        ({"format": {"delimiter": "\n"}}, {"/format/delimiter"}),
        ({"format": {"delimiter": '"'}}, {"/format/delimiter"}),
        ({"format": {"quote": "\n"}}, {"/format/quote"}),
        ({"format": {"delimiter": "", "encoding": 7, "quote": "''"}}, {"/format/delimiter", "/format/encoding", "/format/quote"}),
        ({"format": {"delimiter": "\\t", "encoding": "Latin-1", "quote": ","}}, set()),
        ({"format": {"delimiter": "auto", "encoding": "UTF8", "quote": ""}}, set()),
        ({"format": 7}, {"/format"}),
        ({"notify": {"emails": ["ann@example.com", "ann at example.com", "   "]}}, {"/notify/emails/1", "/notify/emails/2"}),
        ({"notify": {"emails": ["ann@example.com", " bob@example.com"]}}, {"/notify/emails/1"}),
        ({"notify": {"emails": ["ann@example.com", "Ann@Example.com"]}}, {"/notify/emails/1"}),
        ({"notify": {"emails": ["ann@example.com\r\nBcc: eve@example.net"]}}, {"/notify/emails/0"}),
        ({"notify": {"emails": ["ann@example.com", 7]}}, {"/notify/emails/1"}),
        ({"notify": {"emails": "ann@example.com"}}, {"/notify/emails"}),
        ({"mapping": [{**NAMES[0]}, {**NAMES[1], "label_column": "kind"}]}, {"/mapping/1/label_column"}),
        ({"mapping": [{**NAMES[0], "label_column": "kind"}, NAMES[1]]}, set()),
        ({"mapping": [*NAMES, {"literal": "a\0b", "field": "address.city"}]}, {"/mapping/2/literal"}),
        ({"format": {"has_header": False}}, {"/mapping/0/column", "/mapping/1/column"}),
        ({"format": {"has_header": False}, "mapping": [{"column": 0, "field": "email"}]}, set()),
        ({"direction": "push", "limits": {"max_emails": 1}}, {"/direction", "/limits"}),
        ({"match": [["email"]], "conflict": "hub", "selection": "subscribed"}, {"/match", "/conflict", "/selection"}),
        ({"direction": "both", "match": [], "limits": {}}, set()),
    ],
)  # fmt: skip
def test_what_could_only_fail_later_is_refused_when_it_is_asked_for(api, change, pointers):
    answer = api.post("/syncs", body(**change))
    assert (answer.pointers if pointers else answer.status) == (pointers or 201)


def test_what_was_taken_before_stands_in_the_way_of_no_other_change(api):
    sync = api.post("/syncs", body(notify={"emails": ["ann@example.com"]})).json
    stored = api.world.control.sync(api.account.account_id, sync["id"]).value
    old = stored.model_copy(
        update={
            "notify": stored.notify.model_copy(update={"emails": ("ann at example.com",)}),
            "format": stored.format.model_copy(update={"encoding": "rot13"}),
        }
    )
    api.world.control.update_sync(api.account.account_id, sync["id"], lambda _: old)
    assert api.patch(f"/syncs/{sync['id']}", {"name": "Fair", "state": "paused"}).status == 200
    answer = api.patch(f"/syncs/{sync['id']}", {"notify": {"on": "problems"}, "format": {"skip_rows": 1}})
    assert answer.pointers == {"/notify/emails/0", "/format/encoding"}


def test_the_segments_of_another_account_are_none(api, stranger):
    segment = Segment(id="s1", name="Fair", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
    api.world.control.create_segment(stranger.account.account_id, segment)
    answer = api.post("/imports", body(options={"segments": ["s1"]}))
    assert answer.pointers == {"/options/segments/0"}
