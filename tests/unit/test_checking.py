"""A body against a model: all problems at once, each where it is."""

import pytest

from contactsync.core import checking
from contactsync.errors import InvalidRequest
from contactsync.model.sync import SyncRequest

GOOD = {
    "source": {"kind": "paste", "text": "email\nada@example.com\n"},
    "mapping": [{"column": "email", "field": "email"}, {"literal": "Fair", "field": "notes"}],
}


def problems(**changes):
    body = {**GOOD, **changes}
    body = {key: value for key, value in body.items() if value is not ...}
    _, found = checking.check(SyncRequest, body)
    return {problem.pointer: problem.message for problem in found}


def test_a_good_body_becomes_the_model():
    parsed = checking.parse(SyncRequest, GOOD)
    assert parsed.identity.field == "email"
    assert len(parsed.mapping) == 2


@pytest.mark.parametrize(
    ("changes", "pointers"),
    [
        ({"source": ...}, {"/source"}),
        ({"source": {"kind": "upload"}}, {"/source/upload_id"}),
        ({"source": {"kind": "pigeon"}}, {"/source"}),
        ({"source": {"kind": "paste", "text": "x", "colour": 1}}, {"/source/colour"}),
        ({"mapping": [{"column": "a"}]}, {"/mapping/0/field"}),
        ({"mapping": [{"column": 1.5, "field": "email"}]}, {"/mapping/0/column"}),
        ({"mapping": [{"column": -1, "field": "email"}]}, {"/mapping/0/column"}),
        ({"mapping": [{"literal": [], "field": "notes"}]}, {"/mapping/0/literal"}),
        ({"mapping": ["email"]}, {"/mapping/0"}),
        ({"format": {"skip_rows": "3"}}, {"/format/skip_rows"}),
        ({"format": {"has_header": "perhaps"}}, {"/format/has_header"}),
        ({"format": None}, {"/format"}),
        ({"a/b~c": 1}, {"/a~1b~0c"}),
        ({"options": {"existing": "burn"}, "name": 7}, {"/options/existing", "/name"}),
        (
            {"mapping": [{"column": "a"}, {"literal": "x"}], "source": 3, "notify": {"on": "full_moon"}},
            {"/mapping/0/field", "/mapping/1/field", "/source", "/notify/on"},
        ),
    ],
)
def test_every_problem_has_its_pointer(changes, pointers):
    assert set(problems(**changes)) == pointers


def test_a_union_of_values_names_what_it_would_take():
    assert "Or:" in problems(format={"has_header": "perhaps"})["/format/has_header"]


def test_parse_raises_all_at_once():
    with pytest.raises(InvalidRequest) as caught:
        checking.parse(SyncRequest, {})
    assert {problem.pointer for problem in caught.value.problems} == {"/source"}
