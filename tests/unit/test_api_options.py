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
    run_id = told.json["run"]["id"]
    api.world.execute(api.world.control.run(api.account.account_id, run_id).value)
    return api.get(f"/runs/{run_id}").json


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
    api.world.execute(api.world.control.run(api.account.account_id, run["id"]).value)
    assert api.get(f"/runs/{run['id']}").json["counts"]["deleted"] == 1


def test_everybody_in_the_file_joins_the_segments(api):
    segment = Segment(id="s1", name="Fair", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
    api.world.control.create_segment(api.account.account_id, segment)
    imported(api, body(options={"segments": ["s1"]}))
    assert {tuple(contact["segments"]) for contact in api.get("/contacts").json["items"]} == {("s1",)}


def test_the_segments_of_another_account_are_none(api, stranger):
    segment = Segment(id="s1", name="Fair", created_at="2026-11-22T09:00:00Z", created_by="member:m1")
    api.world.control.create_segment(stranger.account.account_id, segment)
    answer = api.post("/imports", body(options={"segments": ["s1"]}))
    assert answer.pointers == {"/options/segments/0"}
