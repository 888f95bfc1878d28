"""Public collections of difficult values, with the answers that they state."""

import bz2
import json
import xml.etree.ElementTree as ElementTree
from collections import Counter
from contextlib import suppress

import pytest

from contactsync.core.fieldtypes import BadValue, converter
from contactsync.core.identity import email_key
from contactsync.core.mapping import Blank, Mapped, compile_mapping, resolve_mapping
from contactsync.model.field import STANDARD_FIELDS
from tests.support.corpus import corpus

VALID = {"ISEMAIL_VALID_CATEGORY", "ISEMAIL_DNSWARN"}


def notes_mapper():
    rules = resolve_mapping(
        [{"column": 0, "field": "email"}, {"column": 1, "field": "notes"}], None, STANDARD_FIELDS
    )
    return compile_mapping(
        rules,
        identity_field="email",
        secret=bytes(32),
        country=None,
        date_order=None,
        empty_cells="ignore",
        width=2,
    )


def survives(text: str) -> bool:
    mapped = notes_mapper().map(["ada@example.com", text])
    return isinstance(mapped, Mapped) and mapped.fields["notes"] == text


def accepts(text: str) -> bool:
    try:
        return converter("email")(text) is not None
    except BadValue:
        return False


def test_isemail_no_wrong_address_is_accepted_and_nearly_every_right_one_is():
    pictures = {code: chr(code - 0x2400) for code in range(0x2400, 0x2421)}
    accepted: Counter[str] = Counter()
    wrongly: list[str] = []
    for test in ElementTree.parse(corpus("isemail/tests.xml")).iter("test"):
        category = test.findtext("category", "")
        if accepts((test.findtext("address") or "").translate(pictures)):
            accepted["valid" if category in VALID else "other"] += 1
            if category == "ISEMAIL_ERR":
                wrongly.append(test.get("id", ""))
    assert wrongly == []
    assert accepted["valid"] >= 21  # of 22: test@io has no dot


def test_naughty_strings_survive_as_text():
    naughty = json.loads(corpus("naughty-strings/blns.json").read_text("utf-8"))
    assert [text for text in naughty if text.strip(" ") and not survives(text)] == []


def test_naughty_strings_break_no_converter():
    naughty = json.loads(corpus("naughty-strings/blns.json").read_text("utf-8"))
    for kind in ("email", "phone", "url", "date", "integer", "decimal", "boolean", "address"):
        convert = converter(kind, country="NL", date_order="dmy")
        for text in naughty:
            with suppress(BadValue):
                convert(text)


def test_normalisation_rows_survive_and_their_forms_make_one_mailbox():
    lines = bz2.decompress(corpus("unicode/NormalizationTest.txt.bz2").read_bytes()).decode().splitlines()
    rows = [line.split(";")[:5] for line in lines if line[:1] not in ("", "#", "@")]
    assert len(rows) > 10_000
    mapper = notes_mapper()
    for row in rows[::7]:
        source, composed, decomposed, *_ = (
            "".join(chr(int(code, 16)) for code in form.split()) for form in row
        )
        for text in (source, composed, decomposed):
            mapped = mapper.map(["ada@example.com", text])
            assert isinstance(mapped, Blank | Mapped)
            if isinstance(mapped, Mapped) and text.strip():
                assert mapped.fields["notes"] == text
        assert email_key(f"{composed}@example.com") == email_key(f"{decomposed}@example.com")


def test_look_alikes_of_one_letter_make_two_mailboxes():
    alike = json.loads(corpus("unicode/confusables.json").read_text("utf-8"))
    for other in (entry["c"] for entry in alike["a"]):
        if other.lower() != "a":
            assert email_key(f"{other}da@example.com") != email_key("ada@example.com")


def test_no_url_of_the_web_platform_tests_that_has_no_host_is_accepted():
    url = converter("url")
    accepted = []
    for case in json.loads(corpus("wpt-url/urltestdata.json").read_text("utf-8")):
        if isinstance(case, dict) and case.get("failure") and case["input"] and case.get("base") is None:
            try:
                url(case["input"])
            except BadValue:
                continue
            accepted.append(case["input"])
    assert accepted == []


@pytest.mark.parametrize("kind", ["email", "url", "phone"])
def test_a_payload_that_injects_lines_is_no_typed_value(kind):
    with pytest.raises(BadValue):
        converter(kind, country="NL")("ada@example.com\r\nBcc: eve@example.org")
