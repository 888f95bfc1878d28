"""Whatever the document allows, and much that it does not: the answer is one that the document has."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.calling import Client
from tests.support.fuzzing import MAPPING, SENSIBLE, TEXT, TIER, Known, examples, fuzz, in_memory, operations

USUAL = 12


@pytest.fixture(autouse=True)
def _no_bucket_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A source may name anybody's bucket: nobody listens where it is asked for."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")


@pytest.fixture
def known(api: Client) -> Known:
    """A customer who has something of everything."""
    told = api.post("/imports", {"source": {"kind": "paste", "text": TEXT}, "mapping": MAPPING}).json
    api.world.execute(api.world.control.run(api.account.account_id, told["run"]["id"]).value)
    upload_id = api.post("/uploads", {"filename": "people.csv"}).json["upload_id"]
    api.world.uploads.put(f"uploads/{api.account.account_id}/{upload_id}", TEXT.encode())
    run = api.get(f"/runs/{told['run']['id']}").json
    segment_id = api.post("/segments", {"name": "Fair"}).json["id"]
    return {
        **SENSIBLE,
        "sync_id": [told["sync"]["id"]],
        "run_id": [run["id"]],
        "run": [run["id"]],
        "contact_id": [each["id"] for each in api.get("/contacts").json["items"]],
        "segment_id": [segment_id],
        "segments": [[segment_id], []],
        "segment": [segment_id],
        "key": [api.post("/fields", TIER).json["key"]],
        "upload_id": [upload_id],
        "plan_hash": [run["plan_hash"]],
        "next": [api.get("/contacts?limit=1").json["next"]],
    }


@pytest.mark.parametrize("operation", operations(), ids=lambda operation: operation.label)
def test_every_answer_is_as_the_document_says(api: Client, known: Known, operation: Any) -> None:
    tally = fuzz(operation, in_memory(api), known, examples(USUAL))
    print(tally)
    assert tally.cases > 0
