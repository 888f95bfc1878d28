"""Whether a sync's request fits the account, whatever shape the request has."""

import pytest

from contactsync.core.fitting import misfits
from contactsync.model.field import STANDARD_FIELDS, FieldSpec

FIELDS = {
    **STANDARD_FIELDS,
    "tier": FieldSpec(key="tier", label="Tier", type="choice", choices=("gold", "silver")),
    "number": FieldSpec(key="number", label="Number", type="integer"),
}
EMAIL = {"column": "E-mail", "field": "email"}


def pointers(body):
    return {problem.pointer for problem in misfits(body, FIELDS, country="NL", segments={"s1"})}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"mapping": [EMAIL]}, set()),
        ({"mapping": [{"column": 3, "field": "emails"}]}, set()),
        ({"mapping": [EMAIL, {"column": "Tel", "field": "phones.mobile"}]}, set()),
        ({"mapping": [EMAIL, {"column": "Shoe", "field": "shoe_size"}]}, {"/mapping/1/field"}),
        ({"mapping": [{"column": "Name", "field": "name"}]}, {"/identity/field"}),
        ({"mapping": [EMAIL], "identity": {"field": "shoe_size"}}, {"/identity/field"}),
        ({"mapping": [EMAIL], "identity": {"field": "phone"}}, {"/identity/field"}),
        ({"mapping": [{"literal": "all@example.com", "field": "email"}]}, {"/identity/field"}),
        ({"mapping": [EMAIL, {"literal": "bronze", "field": "tier"}]}, {"/mapping/1/literal"}),
        ({"mapping": [EMAIL, {"literal": "gold", "field": "tier"}]}, set()),
        ({"mapping": [EMAIL, {"literal": "06 12345678", "field": "phone"}]}, set()),
        ({"mapping": [EMAIL], "format": {"country": "XX"}}, {"/format/country"}),
        ({"mapping": [EMAIL, {"literal": "020 7946 0018", "field": "phone"}]}, {"/mapping/1/literal"}),
        (
            {
                "mapping": [EMAIL, {"literal": "020 7946 0018", "field": "phone"}],
                "format": {"country": "GB"},
            },
            set(),
        ),
        ({"mapping": [EMAIL, {"literal": "3/4/2001", "field": "birthday"}]}, {"/mapping/1/literal"}),
        (
            {
                "mapping": [EMAIL, {"literal": "3/4/2001", "field": "birthday"}],
                "format": {"date_order": "dmy"},
            },
            set(),
        ),
        (
            {
                "mapping": [
                    EMAIL,
                    {"column": "Tier", "field": "tier", "create": {"type": "choice", "choices": ["a"]}},
                    {"column": "Tiers", "field": "tiers", "create": {"type": "text", "list": True}},
                    {"column": "Other", "field": "tiers", "create": {"type": "text"}},
                ]
            },
            {"/mapping/3/create"},
        ),
        ({"mapping": [EMAIL], "identity": {"generate": True, "field": "nickname"}}, set()),
        ({"mapping": [EMAIL], "identity": {"generate": True, "field": "number"}}, set()),
        ({"mapping": [EMAIL], "identity": {"generate": True, "field": "no"}}, {"/identity/field"}),
        ({"mapping": [EMAIL], "identity": {"generate": True, "field": "tier"}}, {"/identity/field"}),
        ({"mapping": [EMAIL], "identity": {"generate": True, "field": "emails"}}, {"/identity/field"}),
        (
            {
                "mapping": [EMAIL],
                "identity": {"generate": True, "field": "number"},
                "options": {"delete_missing": {"scope": "sync"}},
            },
            {"/options/delete_missing"},
        ),
        ({"mapping": [EMAIL], "options": {"segments": ["s1"]}}, set()),
        ({"mapping": [EMAIL], "options": {"segments": ["s1", "s2", 7]}}, {"/options/segments/1"}),
        # entries without a shape do not hide the problems of the others, nor shift their pointers
        (
            {"mapping": [7, {"column": 1.5, "field": "email"}, {"column": "x", "field": "no"}]},
            {"/mapping/2/field"},
        ),
        ({"mapping": [{"column": None, "literal": [], "field": "email"}]}, set()),
        ({"mapping": "email"}, set()),
        ({"mapping": [EMAIL], "identity": 7, "format": []}, set()),
        ({}, {"/mapping"}),
        ({"mapping": []}, {"/mapping"}),
        ({"mapping": [], "format": {"kind": "vcard"}}, set()),
        ({"mapping": [], "format": {"kind": "export"}}, set()),
        ({"mapping": [EMAIL], "format": {"kind": "vcard", "has_header": False}}, set()),
        ({"source": {"kind": "connection"}}, set()),
        ({"source": {"kind": "connection"}, "mapping": [{"column": "name", "field": "name"}]}, set()),
    ],
)
def test_what_does_not_fit_is_named(body, expected):
    assert pointers(body) == expected
