"""Cards as phones and mail programs write them. All people are invented."""

import time
import tracemalloc
from typing import Any

import pytest

from contactsync.core import records_file
from contactsync.core.mapping import Mapped, compile_mapping, resolve_mapping
from contactsync.core.parsing import Damaged
from contactsync.core.vcard import (
    Card,
    Found,
    from_fields,
    read_cards,
    reading,
    serialise,
    survey,
    table,
    to_fields,
)
from contactsync.core.vcard.reading import CARD_BYTES, PROPERTIES
from contactsync.model.field import STANDARD_FIELDS


def card_of(text, version="3.0"):
    data = text if isinstance(text, bytes) else text.encode()
    head = f"BEGIN:VCARD\r\nVERSION:{version}\r\n".encode()
    (found,) = read_cards([head + data.strip(b"\n").replace(b"\n", b"\r\n") + b"\r\nEND:VCARD\r\n"])
    assert isinstance(found, Found), found
    return found.card


def fields_of(text, version="3.0"):
    return to_fields(card_of(text, version))


ANDROID = """
N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:=C3=85ngstr=C3=B6m;Zo=C3=AB;;;
FN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Zo=C3=AB =
=C3=85ngstr=C3=B6m
TEL;CELL;PREF:070-174 06 05
TEL;X-Sommarhus:08-465 004 00
EMAIL;HOME:zoe@example.com
NOTE;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:f=C3=B6rsta=0D=0Aandra; tredje
PHOTO;ENCODING=BASE64;JPEG:/9j/4AAQSkZJRgABAQ
 AASABIAAD/2wBD

"""


def test_an_old_phone_with_quoted_printable():
    fields = fields_of(ANDROID, "2.1")
    assert fields["name"] == "Zoë Ångström"
    assert fields["given_name"] == "Zoë"
    assert fields["family_name"] == "Ångström"
    assert fields["phones"][0] == {"value": "070-174 06 05", "label": "mobile"}
    assert fields["notes"] == "första\nandra; tredje"


IPHONE = """
PRODID:-//Example Corp.//Phone 18.1//EN
N:O'Neill;Maeve;;;
FN:Maeve O'Neill
ORG:Example\\; Sons;Research;Optics
EMAIL;type=INTERNET;type=HOME:maeve@example.com
item1.EMAIL;type=INTERNET;type=pref:maeve@example.org
item1.X-ABLabel:Choir
item2.URL;type=pref:https\\://example.com/maeve
item2.X-ABLabel:_$!<HomePage>!$_
item3.ADR;type=WORK:;;1 Example Road\\nFloor 2;Galway;;H91 E2K3;Ireland
item3.X-ABADR:ie
BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29
X-SOCIALPROFILE;type=example:https://example.com/u/maeve
"""


def test_a_phone_with_labels_of_its_own():
    assert fields_of(IPHONE) == {
        "name": "Maeve O'Neill",
        "given_name": "Maeve",
        "family_name": "O'Neill",
        "organization": "Example; Sons",
        "department": "Research / Optics",
        "birthday": "--02-29",
        "emails": [
            {"value": "maeve@example.org", "label": "Choir"},
            {"value": "maeve@example.com", "label": "home"},
        ],
        "urls": [{"value": "https://example.com/maeve", "label": "homepage"}],
        "addresses": [
            {
                "value": {
                    "street": "1 Example Road\nFloor 2",
                    "city": "Galway",
                    "postal_code": "H91 E2K3",
                    "country": "Ireland",
                },
                "label": "work",
            }
        ],
    }


def test_one_change_leaves_every_other_line_of_the_card_as_it_was():
    card = card_of(IPHONE)
    fields = to_fields(card)
    fields["emails"] = [{"value": "m.oneill@example.net", "label": "work"}, *fields["emails"]]
    before = serialise(card).splitlines()
    after = serialise(from_fields(fields, onto=card)).splitlines()
    assert [line for line in before if line not in after] == [
        "item1.EMAIL;type=INTERNET;type=pref:maeve@example.org"
    ]
    assert to_fields(from_fields(fields, onto=card)) == fields
    assert "X-SOCIALPROFILE;type=example:https://example.com/u/maeve" in after


def test_a_label_of_its_own_goes_with_its_value():
    card = card_of(IPHONE)
    fields = {**to_fields(card), "emails": []}
    text = serialise(from_fields(fields, onto=card))
    assert "item1." not in text
    assert "Choir" not in text
    assert "item2.X-ABLabel" in text


def test_a_picture_in_the_card_is_no_field_and_stays():
    card = card_of("FN:Ada\nPHOTO;ENCODING=b;TYPE=JPEG:" + "QUJD" * 40)
    assert "photo" not in to_fields(card)
    assert "QUJDQUJD" in serialise(from_fields({"name": "Ada B."}, onto=card))
    assert fields_of("FN:Ada\nPHOTO;VALUE=URL:https://example.com/a.jpg", "2.1")["photo"] == (
        "https://example.com/a.jpg"
    )


@pytest.mark.parametrize(
    ("line", "birthday"),
    [
        ("BDAY:19840517", "1984-05-17"),
        ("BDAY:1984-05-17T23:30:00Z", "1984-05-17"),
        ("BDAY;VALUE=date:1984-05-17", "1984-05-17"),
        ("BDAY:--0517", "--05-17"),
        ("BDAY:--05-17", "--05-17"),
        ("BDAY:1604-02-29", "--02-29"),
        ("BDAY;X-APPLE-OMIT-YEAR=1900:1900-05-17", "--05-17"),
        ("BDAY:--0230", None),
        ("BDAY:1985", None),
        ("BDAY;VALUE=text:in spring", None),
    ],
)
def test_birthdays(line, birthday):
    assert fields_of(f"FN:Ada\n{line}").get("birthday") == birthday


@pytest.mark.parametrize(
    ("version", "line"),
    [
        ("2.1", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29"),
        ("3.0", "BDAY;X-APPLE-OMIT-YEAR=1604:1604-02-29"),
        ("4.0", "BDAY:--0229"),
    ],
)
def test_a_birthday_without_a_year_is_written_as_others_read_it(version, line):
    assert line in serialise(from_fields({"name": "Ada", "birthday": "--02-29"}, version=version))


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"FN;CHARSET=ISO-8859-2:Wa\xb3\xeasa", "Wałęsa"),
        (b"FN;CHARSET=SHIFT_JIS:\x83\x5c\x83\x93", "ソン"),
        (b"FN;CHARSET=Windows-1251;ENCODING=QUOTED-PRINTABLE:=C0=ED=ED=E0", "Анна"),
        (b"FN:Zo\xeb", "Zoë"),
        (b"FN;CHARSET=zlib:Ada", "Ada"),
        ("FN:Zo\xc3\n \xab".encode("latin-1"), "Zoë"),
    ],
)
def test_character_sets(raw, name):
    assert fields_of(raw, "3.0" if b"\n" in raw else "2.1")["name"] == name


@pytest.mark.parametrize(
    ("line", "phone"),
    [
        ("TEL;VALUE=uri;TYPE=cell:tel:+44-20-7946-0018;ext=12", ("+44-20-7946-0018 ext. 12", "mobile")),
        ('TEL;TYPE="work,fax":020 7946 0018', ("020 7946 0018", "work fax")),
        ("TEL;TYPE=WORK;TYPE=VOICE:020 7946 0018", ("020 7946 0018", "work")),
        ("TEL;TYPE=x-evolution-callback:020 7946 0018", ("020 7946 0018", None)),
    ],
)
def test_phones(line, phone):
    (entry,) = fields_of(f"FN:Ada\n{line}", "4.0")["phones"]
    assert (entry["value"], entry.get("label")) == phone


def test_the_preferred_value_is_the_primary_one():
    emails = fields_of(
        "FN:A\nEMAIL:c@example.com\nEMAIL;PREF=2:b@example.com\nEMAIL;PREF=1:a@example.com", "4.0"
    )
    assert [entry["value"] for entry in emails["emails"]] == [f"{name}@example.com" for name in "abc"]


BOOK = b"""BEGIN:VCARD
VERSION:3.0
FN:One
END:VCARD
stray words

BEGIN:VCARD
VERSION:3.0
FN:Two
BEGIN:VCARD
VERSION:3.0
FN:Three
NOTE:A note that
runs on without being folded
END:VCARD
begin : vcard
FN:Four
this is no property
END:VCARD
BEGIN:VCARD
FN:Five
AGENT:
BEGIN:VCARD
FN:Five's agent
END:VCARD
TEL:5
END:VCARD
BEGIN:VCARD
FN:Six"""


def test_a_broken_card_is_one_reject_and_its_neighbours_are_whole():
    found = list(read_cards([BOOK]))
    good = {one.line: to_fields(one.card) for one in found if isinstance(one, Found)}
    bad = [(one.line, one.cells, one.code) for one in found if isinstance(one, Damaged)]
    assert good == {
        1: {"name": "One"},
        10: {"name": "Three", "notes": "A note that\nruns on without being folded"},
        20: {"name": "Five", "phones": [{"value": "5"}]},
    }
    assert bad == [
        (5, ["stray words"], "outside_card"),
        (7, ["Two"], "card_not_closed"),
        (16, ["Four"], "line_not_understood"),
        (28, ["Six"], "card_not_closed"),
    ]
    assert survey(found).cards == 3


@pytest.mark.parametrize(
    "seam", ["END:VCARDBEGIN:VCARD", "end:vcard \ufeffbegin:vcard", "END:VCARD\tBEGIN : VCARD"]
)
def test_files_put_together_without_a_line_break_are_two_cards(seam):
    """The second one's values went to the first one's person."""
    one, two = read_cards([f"BEGIN:VCARD\nFN:Ada\nEMAIL:a@b.c\n{seam}\nFN:Bob\nX:1\nEND:VCARD".encode()])
    assert isinstance(one, Found)
    assert isinstance(two, Found)
    assert to_fields(one.card) == {"name": "Ada", "emails": [{"value": "a@b.c"}]}
    assert (two.line, to_fields(two.card)) == (4, {"name": "Bob"})


def test_base64_without_indents_ends_where_the_next_property_begins():
    card = card_of("PHOTO;ENCODING=BASE64;JPEG:\n/9j/4AAQ\nSkZJRg==\n\nFN:Ada", "2.1")
    assert [(prop.name, prop.value) for prop in card.properties] == [
        ("PHOTO", "/9j/4AAQSkZJRg=="),
        ("FN", "Ada"),
    ]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"NOTE:" + b"a" * CARD_BYTES + b"\r\n", "card_too_large"),
        (b"PHOTO;ENCODING=b:\r\n" + b" QUJD\r\n" * (CARD_BYTES // 5), "card_too_large"),
        (b"X:1\r\n" * (PROPERTIES + 1), "too_many_properties"),
        (b"X:1\r\n" * (CARD_BYTES // 4), "card_too_large"),
    ],
)
def test_a_card_beyond_all_bounds_is_refused_alone(body, code):
    small = b"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nEND:VCARD\r\n"
    blocks = [small, b"BEGIN:VCARD\r\nFN:Big\r\n", body, b"END:VCARD\r\n", small]
    found = list(read_cards(blocks))
    assert [type(one) for one in found] == [Found, Damaged, Found]
    assert [one.code for one in found if isinstance(one, Damaged)] == [code]


def test_of_a_card_beyond_all_bounds_no_more_is_read(monkeypatch):
    """A million short lines took a worker a quarter of a minute, and a file may have a thousand such cards."""
    asked: list[Any] = []
    whole = reading._property

    def read(*line: Any) -> Any:
        asked.append(line)
        return whole(*line)

    monkeypatch.setattr(reading, "_property", read)
    (found,) = read_cards([b"BEGIN:VCARD\n", b"X:1\n" * 10 * PROPERTIES, b"END:VCARD\n"])
    assert isinstance(found, Damaged)
    assert len(asked) == PROPERTIES + 1


def test_a_line_that_never_ends_costs_no_more_than_a_card():
    tracemalloc.start()
    (found,) = read_cards([b"BEGIN:VCARD\nNOTE:", *[b"a" * (1 << 20)] * 64])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert isinstance(found, Damaged)
    assert found.code == "card_too_large"
    assert peak < 4 * CARD_BYTES


@pytest.mark.parametrize(
    "card",
    [
        b"NOTE:" + b"\\" * 1_000_000,
        b"NOTE;A=" + b'"' * 1_000_001 + b":x",
        b"ADR:" + b";" * 1_000_000,
        b"NOTE;ENCODING=QUOTED-PRINTABLE:" + b"=\n" * 500_000,
        b"NOTE:" + b"\n x" * 300_000,
        b"NOTE:" + b"\nx" * 300_000,
        b"NOTE;" + b"A;" * 500_000 + b":x",
        b"A." * 500_000,
    ],
)
def test_no_card_takes_longer_than_its_length(card):
    begin = time.process_time()
    for found in read_cards([b"BEGIN:VCARD\nVERSION:3.0\n" + card + b"\nEND:VCARD\n"]):
        if isinstance(found, Found):
            to_fields(found.card)
            serialise(found.card)
    assert time.process_time() - begin < 10


def test_a_value_cannot_add_lines_of_its_own():
    evil = "Ada\r\nEND:VCARD\r\nBEGIN:VCARD\nFN:Eve"
    for version in ("2.1", "3.0", "4.0"):
        fields = {"name": evil, "urls": [{"value": evil, "label": evil}], "notes": evil}
        text = serialise(from_fields(fields, version=version))
        assert text.count("BEGIN:VCARD\r\n") == 1
        (found,) = read_cards([text.encode()])
        assert isinstance(found, Found)
        assert to_fields(found.card)["notes"] == evil.replace("\r\n", "\n")


@pytest.mark.parametrize("version", ["2.1", "3.0", "4.0"])
def test_no_fold_makes_a_value_end_its_card(version):
    for padding in range(160):
        fields = {
            "name": "Ada",
            "notes": f"{'a' * padding}é END:VCARD",
            "job_title": "b" * padding + "END:VCARD",
        }
        (found,) = read_cards([serialise(from_fields(fields, version=version)).encode()])
        assert isinstance(found, Found)
        assert to_fields(found.card) == fields


def test_columns_are_stable_and_wide_enough():
    two = from_fields(
        {"name": "Ada", "emails": [{"value": "a@example.com", "label": "work"}, {"value": "b@example.com"}]}
    )
    columns = survey([Found(1, Card("3.0", ())), Found(5, two)]).columns
    names = [column.name for column in columns.all()]
    at = names.index("Email")
    assert names[at : at + 5] == ["Email", "Email label", "Email 2", "Email 2 label", "Phone"]
    assert columns.cells(two)[at : at + 5] == ["a@example.com", "work", "b@example.com", "", ""]
    assert [column.field for column in columns.all()[at : at + 4]] == ["email", None, "emails", None]


def test_what_a_row_cannot_hold_is_told():
    photo = card_of("FN:Ada\nPHOTO;ENCODING=b:QUJD\nBDAY:1985")
    many = from_fields({"name": "Bob", "emails": [{"value": f"b{n}@example.com"} for n in range(25)]})
    found = survey([Found(1, photo), Found(9, many), Found(30, photo)])
    assert [(warning.code, warning.row) for warning in found.warnings] == [
        ("photo_left_out", 1),
        ("birthday_left_out", 1),
        ("values_left_out", 9),
    ]
    assert sum(column.field in {"email", "emails"} for column in found.columns.all()) == 20


def test_a_file_of_cards_becomes_contacts_without_a_mapping_by_hand():
    """Cards → table → records → the mapper that maps every other file."""
    data = IPHONE.replace(
        "EMAIL;type=INTERNET;type=HOME", "ADR;type=HOME:;;2 Example Road;Cork;;T12;Ireland\nEMAIL"
    )
    book = f"BEGIN:VCARD\nVERSION:3.0{data}END:VCARD\nBEGIN:VCARD\nVERSION:3.0\nFN:Bob\n".encode()
    columns = survey(read_cards([book])).columns
    recorder = records_file.Recorder()
    lines = b"".join(recorder.lines(table(read_cards([book]), columns)))
    *rows, damaged = records_file.read(lines, width=recorder.width)
    (_, header), (line, cells) = (row for row in rows if not isinstance(row, Damaged))
    rules = resolve_mapping(columns.mapping(), header, STANDARD_FIELDS, identity_field="email")
    mapper = compile_mapping(
        rules,
        identity_field="email",
        secret=b"s" * 32,
        country="IE",
        date_order=None,
        empty_cells="ignore",
        width=len(header),
    )
    mapped = mapper.map(cells)
    assert isinstance(mapped, Mapped)
    assert line == 1
    assert mapped.fields["name"] == "Maeve O'Neill"
    assert mapped.fields["birthday"] == "--02-29"
    assert [entry["value"] for entry in mapped.fields["emails"]] == ["maeve@example.org", "maeve@example.com"]
    assert [entry["value"]["city"] for entry in mapped.fields["addresses"]] == ["Cork", "Galway"]
    assert isinstance(damaged, Damaged)
    assert damaged.code == "card_not_closed"
