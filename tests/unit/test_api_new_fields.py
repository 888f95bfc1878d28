"""Fields that a mapping brings with it ("Add Field")."""

from typing import Any

import pytest

ROWS = "email,Shoe size,Tier\nada@example.com,38,gold\ngrace@example.com,wide,gold\n"
MAPPING: list[dict[str, Any]] = [
    {"column": "email", "field": "email"},
    {"column": "Shoe size", "field": "shoe_size", "create": {"label": "Shoe size", "type": "integer"}},
    {"column": "Tier", "field": "tier", "create": {"type": "choice", "choices": ["gold", "silver"]}},
]


def body(mapping: list[dict[str, Any]]) -> dict[str, Any]:
    return {"source": {"kind": "paste", "text": ROWS}, "mapping": mapping}


def test_a_new_field_is_made_and_filled(api):
    told = api.post("/imports", body(MAPPING))
    assert told.status == 202, told.text
    run_id = told.json["run"]["id"]
    counts = api.ended(run_id)["counts"]
    assert (counts["added"], counts["rejected"]) == (1, 1)  # "wide" is no number
    [contact] = api.get("/contacts").json["items"]
    assert (contact["fields"]["shoe_size"], contact["fields"]["tier"]) == (38, "gold")
    fields = {field["key"]: field for field in api.get("/fields").json["items"]}
    assert (fields["shoe_size"]["label"], fields["tier"]["label"]) == ("Shoe size", "tier")


def test_the_same_request_again_finds_its_fields(api):
    assert api.post("/imports", body(MAPPING)).status == 202
    assert api.post("/imports", body(MAPPING)).status == 202


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        ({"field": "Shoe size"}, "/mapping/1/field"),
        ({"create": {"type": "colour"}}, "/mapping/1/create/type"),
        ({"create": {"type": "choice"}}, "/mapping/1/create/choices"),
        ({"field": "email", "create": {"type": "integer"}}, "/mapping/1/create"),
    ],
)
def test_a_field_that_cannot_be_made_is_refused_and_nothing_is_made(api, change, pointer):
    told = api.post("/imports", body([MAPPING[0], {**MAPPING[1], **change}, MAPPING[2]]))
    assert told.status == 422
    assert pointer in told.pointers
    assert all(field["built_in"] for field in api.get("/fields").json["items"])


def test_a_required_field_has_to_be_mapped(api):
    asked = {"key": "contract", "label": "Contract", "type": "text", "required": True}
    assert api.post("/fields", asked).json["required"] is True
    told = api.post("/imports", body(MAPPING))
    assert told.status == 422
    assert "/mapping" in told.pointers
