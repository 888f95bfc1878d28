"""What a card of a CardDAV server holds, and what stays of it when we write it. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

import base64
from xml.sax.saxutils import escape

import pytest

from contactsync.connectors.vcards import VCard
from tests.contract.cards import ADA
from tests.support.davserver import BOOK, CARD, CARDS, connector, multistatus, response, served
from tests.support.portraits import portrait


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_all_else_that_a_card_holds_stays(version):
    """Case 38."""
    text = (
        f"BEGIN:VCARD\r\nVERSION:{version}\r\nUID:u\r\nFN:Ada\r\nN:;Ada;;;\r\nTEL;TYPE=work;X-OWN=1:020 7946 0018\r\n"
        "TEL:ask at the desk\r\nX-FATHER:Byron\r\nIMPP:xmpp:ada@example.com\r\nBDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29\r\n"
        "EMAIL;X-OWN=2:Ada@Example.COM\r\nURL;X-OWN=3:Example.com/ada\r\nEND:VCARD\r\n"
    )
    vcard = CARDS.parse(text)
    assert vcard is not None
    fields = CARDS.fields(vcard)
    assert fields["birthday"] == "--02-29", "case 28"
    assert [phone["value"] for phone in fields["phones"]] == ["+442079460018"]
    after = CARDS.text(CARDS.changed(vcard, {**fields, "notes": "new"}))
    for line in (
        "TEL;TYPE=work;X-OWN=1:020 7946 0018",
        "TEL:ask at the desk",
        "EMAIL;X-OWN=2:Ada@Example.COM",
        "URL;X-OWN=3:Example.com/ada",
        "X-FATHER:Byron",
        "1604-02-29",
    ):
        assert line in after
    assert "NOTE:new" in after
    assert f"VERSION:{version}" in after


def card_with(*lines: str, version: str = "3.0") -> VCard:
    text = "\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", "FN:Ada", *lines, "END:VCARD", ""])
    vcard = CARDS.parse(text)
    assert vcard is not None
    return vcard


@pytest.mark.parametrize(
    ("version", "kind", "line"),
    [
        ("3.0", "PNG", "PHOTO;ENCODING=b;TYPE=PNG:"),
        ("3.0", "JPEG", "PHOTO;ENCODING=b;TYPE=JPEG:"),
        ("4.0", "PNG", "PHOTO:data:image/png;base64,"),
    ],
)
def test_a_picture_is_written_as_the_version_of_its_card_has_it(version, kind, line):
    picture = portrait(1, kind=kind)
    text = CARDS.text(CARDS.pictured(card_with(version=version), picture))
    assert line in text.replace("\r\n ", "")
    again = CARDS.parse(text)
    assert again is not None
    assert CARDS.picture(again) == picture


def test_a_picture_is_read_though_its_signs_were_escaped():
    data = base64.b64encode(portrait(1)).decode()
    card = card_with(f"PHOTO:data:image/png\\;base64\\,{data}", version="4.0")
    assert CARDS.picture(card) == portrait(1)


def test_a_picture_that_lies_elsewhere_is_another_one_at_another_address():
    told = {CARDS.picture_token(card_with(f"PHOTO;VALUE=uri:https://example.com/{n}.jpg")) for n in (1, 2)}
    assert len(told) == 2
    assert "" not in told


@pytest.mark.parametrize("kind", ["X-ADDRESSBOOKSERVER-KIND", "KIND", "kind"])
def test_a_group_of_apple_s_is_nobody(kind):
    """Apple's programs keep each group as a card of its own, which lists those who are in it."""
    group = f"BEGIN:VCARD\r\nVERSION:3.0\r\nUID:g\r\nN:Friends\r\nFN:Friends\r\n{kind}:group\r\nEND:VCARD\r\n"
    told = (response(f"{BOOK}{name}.vcf", "<getetag>e</getetag>") for name in ("g", "m1"))
    cards = (
        response(f"{BOOK}{name}.vcf", f"<getetag>e</getetag><C:address-data>{escape(text)}</C:address-data>")
        for name, text in (("g", group), ("m1", CARD))
    )
    with served(multistatus(*told, token="t1"), multistatus(*cards)) as server:
        parts = list(connector(server).pull(BOOK, ""))
    assert [card.id for part in parts for card in part.cards] == [f"{BOOK}m1.vcf"]


def test_a_card_is_read_however_large_its_picture_is():
    """One that could not be read would seem to be deleted. A file's cards are bounded, a server's answers already are."""
    large = CARDS.pictured(CARDS.new(ADA, uid="m1"), b"\x89PNG" + bytes(4_000_000))
    found = CARDS.parse(CARDS.text(large))
    assert found is not None
    assert CARDS.fields(found) == CARDS.held(ADA)


@pytest.mark.parametrize("version", ["3.0", "4.0"])
def test_of_several_names_titles_and_companies_the_others_stay(version):
    """Case 38: the first is read and written; the department keeps its parts where it does not change."""
    second = "PREF=2" if version == "4.0" else "TYPE=pref"
    lines = ["FN:Ada", f"FN;{second}:Ada Lovelace", "N:;Ada;;;", "TITLE:Countess", "TITLE:Programmer"]
    lines += ["ORG:Engines;Mill;Store", "ORG:Royal Society"]
    vcard = CARDS.parse("\r\n".join(["BEGIN:VCARD", f"VERSION:{version}", *lines, "END:VCARD"]) + "\r\n")
    assert vcard is not None
    fields = CARDS.fields(vcard)
    assert (fields["name"], fields["department"]) == ("Ada Lovelace", "Mill / Store")
    after = {**fields, "name": "Ada King", "job_title": "Analyst", "organization": "Engines Ltd"}
    changed = CARDS.changed(vcard, after)
    assert CARDS.fields(changed) == after
    text = CARDS.text(changed)
    for line in (
        "FN:Ada\r",
        "TITLE:Programmer",
        "ORG:Royal Society",
        "ORG:Engines Ltd;Mill;Store",
        "Ada King",
    ):
        assert line in text
    assert "Ada Lovelace" not in text
    assert "TITLE" not in CARDS.text(CARDS.changed(vcard, {**fields, "job_title": ""}))


def test_a_number_that_we_cannot_read_stays_the_preferred_one():
    """Of iPhones: whatever else is written, and whatever becomes of the other numbers."""
    first, *others = (
        "TEL;type=CELL;type=pref:ask at the desk",
        "TEL;type=HOME:020 7946 0018",
        "TEL:020 7946 0019",
    )
    lines = ["BEGIN:VCARD", "VERSION:3.0", "FN:Ada", first, *others, "END:VCARD", ""]
    vcard = CARDS.parse("\r\n".join(lines))
    assert vcard is not None
    fields = CARDS.fields(vcard)
    assert "\r\n".join([first, *others]) in CARDS.text(CARDS.changed(vcard, {**fields, "notes": "new"}))
    new = {"value": "+442079460017", "text": "020 7946 0017"}
    changed = CARDS.changed(vcard, {**fields, "phones": [new, *fields["phones"]]})
    assert "\r\n".join([first, "TEL:020 7946 0017", *others]) in CARDS.text(changed)
    assert CARDS.fields(changed)["phones"] == [new, *fields["phones"]]


def test_a_name_without_parts_is_shown_by_phones_as_well():
    """Apple's make what they show of the parts: without any they show the company in place of the name."""
    fields = {"name": "Ada King", "organization": "Engines"}
    vcard = CARDS.new(fields, uid="m1")
    assert "N:;Ada King;;;\r\n" in CARDS.text(vcard)
    assert CARDS.fields(vcard) == CARDS.held(fields) == fields
    for changed, n in (
        ({**fields, "name": "Ada Byron"}, "N:;Ada Byron;;;"),
        ({**fields, "given_name": "Ada", "family_name": "King"}, "N:King;Ada;;;"),
        ({"name": "Engines", "organization": "Engines"}, "N:;;;;"),
        ({}, "N:;;;;"),
    ):
        after = CARDS.changed(vcard, changed)
        assert f"{n}\r\n" in CARDS.text(after)
        assert CARDS.fields(after) == changed
        assert "N:;Ada King;;;\r\n" in CARDS.text(CARDS.changed(after, fields))


def test_a_name_without_parts_of_another_program_s_is_left_as_it_is():
    vcard = CARDS.parse("BEGIN:VCARD\r\nVERSION:3.0\r\nN:;;;;\r\nFN:Ada King\r\nEND:VCARD\r\n")
    assert vcard is not None
    assert "N:;;;;\r\n" in CARDS.text(CARDS.changed(vcard, {"name": "Ada King", "notes": "new"}))
