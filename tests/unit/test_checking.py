"""A body against a model: all problems at once, each where it is."""

import pytest

from contactsync.api.routes import ROUTES
from contactsync.core import checking
from contactsync.errors import InvalidRequest
from contactsync.model.forms import ASKED_FOR
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
        ({"source": {"kind": "pigeon"}}, {"/source/kind"}),
        ({"source": {"text": "x"}}, {"/source/kind"}),
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


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"source": {"kind": "pigeon"}},
            "Give one of 'upload', 'paste', 'drop', 'http', 'ftp', 's3', 'connection'.",
        ),
        ({"source": {"text": "x"}}, "This is required."),
        ({"source": 3}, "Give an object."),
        ({"mapping": 3}, "Give a list."),
        ({"mapping": [{"column": "a", "field": ""}]}, "This is empty: fill it in."),
        ({"name": 7}, "Give a text."),
        ({"name": "x" * 201}, "Give at most 200 characters."),
        ({"format": {"country": "England"}}, "Give the country's two capital letters, such as GB."),
        ({"format": {"has_header": "perhaps"}}, "Give true or false. Or: Give 'auto'."),
        ({"format": {"skip_rows": "3"}}, "Give a whole number."),
        ({"format": {"skip_rows": -1}}, "Give 0 or more."),
        ({"format": {"skip_rows": 1001}}, "Give 1000 or less."),
        ({"notify": {"on": "full_moon"}}, "Give 'every_run', 'changes' or 'problems'."),
        ({"schedule": {"start": "soon"}}, "Give a day and a time, such as 2026-11-30T09:00:00."),
        ({"schedule": {"end": "never"}}, "Give a day, such as 2026-11-30."),
    ],
)
def test_a_problem_says_what_to_give(changes, told):
    assert told in problems(**changes).values()


def test_every_form_that_a_request_must_have_is_asked_for_in_words():
    asked = {form for route in ROUTES if route.body for form in patterns(route.body.model_json_schema())}
    assert asked == set(ASKED_FOR)


def patterns(schema):
    """Every pattern that is anywhere in a JSON schema."""
    if isinstance(schema, dict):
        yield from [schema["pattern"]] if isinstance(schema.get("pattern"), str) else []
    inside = schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ()
    for each in inside:
        yield from patterns(each)


def test_parse_raises_all_at_once():
    with pytest.raises(InvalidRequest) as caught:
        checking.parse(SyncRequest, {})
    assert {problem.pointer for problem in caught.value.problems} == {"/source"}
