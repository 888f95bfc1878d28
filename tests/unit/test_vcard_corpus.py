"""Every vCard of the corpus: what is read of it, and that nothing of it is lost."""

import json

import pytest

from contactsync.core.vcard import Found, converted, from_fields, read_cards, serialise, to_fields
from tests.support.corpus import corpus

EXPECTED = {
    # file: cards, name of the first, emails, phones, addresses over all cards
    "4b62872a-849-0.vcf": (
        1,
        "Herr Franz M. Branntwein",
        1,
        1,
        1,
    ),  # lower case, VERSION near the end, empty values
    "vcard-antoni-cardpicture.vcf": (1, "Antoni Mylka", 1, 3, 1),
    "vcard-antoni-kontact.vcf": (1, "Antoni Mylka", 2, 3, 3),
    "vcard-antoni-outlook2003-valueurl.vcf": (1, "Antoni Jozef Mylka jun.", 1, 3, 2),
    "vcard-antoni-outlook2003.vcf": (1, "Antoni Jozef Mylka jun.", 1, 3, 2),
    "vcard-dirk.vcf": (1, "Dirk", 1, 0, 0),
    "vcard-rfc2426.vcf": (2, "Frank Dawson", 3, 4, 2),
    "valid/Denis_Hennessy.vcf": (1, "Denis Hennessy", 1, 2, 1),
    "valid/Frank_Dawson.vcf": (1, "Frank Dawson", 2, 2, 1),
    "valid/Simon_Perreault.vcf": (1, "Simon Perreault", 1, 3, 1),
    "valid/Simon_Perreault_03.vcf": (1, "Simon Perreault", 1, 2, 1),
    "valid/Tony_Small.vcf": (1, "Tony Small", 1, 2, 1),
    "valid/vcard-group.vcf": (1, None, 0, 0, 1),  # nothing but an address
    "valid/vcard-lowercase.vcf": (1, "xy@zz.com", 1, 0, 0),
    "valid/vcard-url.vcf": (1, None, 0, 0, 0),  # nothing but a link
    # Invalid by the standard, and read all the same: blanks after BEGIN and END
    "invalid/vcard-dirk-whitespaceafterbegin.vcf": (1, "Dirk", 1, 0, 1),
    "invalid/vcard-incompletenproperty.vcf": (1, "Antoni Mylka", 1, 0, 1),
}


def cards_in(data):
    cards = [found.card for found in read_cards([data]) if isinstance(found, Found)]
    assert len(cards) == len(list(read_cards([data])))
    return cards


def cards_of(name):
    return cards_in(corpus("ical4j-vcards").joinpath(name).read_bytes())


def test_the_table_has_every_file():
    folder = corpus("ical4j-vcards")
    assert {str(path.relative_to(folder)) for path in folder.rglob("*.vcf")} == set(EXPECTED)


@pytest.mark.parametrize(("name", "expected"), EXPECTED.items(), ids=EXPECTED)
def test_what_is_read(name, expected):
    fields = [to_fields(card) for card in cards_of(name)]
    counts = [sum(len(one.get(key, [])) for one in fields) for key in ("emails", "phones", "addresses")]
    assert (len(fields), fields[0].get("name"), *counts) == expected


@pytest.mark.parametrize("name", EXPECTED)
@pytest.mark.parametrize("version", ["2.1", "3.0", "4.0"])
def test_nothing_is_lost_on_the_way_round(name, version):
    for card in cards_of(name):
        fields = to_fields(card)
        assert cards_in(serialise(card).encode()) == [card]
        written = from_fields(fields, onto=card, version=version)
        assert to_fields(written) == fields
        assert cards_in(serialise(written).encode()) == [written]
        assert len(converted(card, version).properties) == len(card.properties)


def naughty_strings():
    return json.loads(corpus("naughty-strings/blns.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("version", ["2.1", "3.0", "4.0"])
def test_naughty_strings_survive_in_any_field(version):
    for text in naughty_strings():
        if not text.strip():
            continue
        fields = {"name": text, "job_title": text, "notes": text, "organization": text, "department": text}
        expected = {key: value.replace("\r\n", "\n").replace("\r", "\n") for key, value in fields.items()}
        (card,) = cards_in(serialise(from_fields(fields, version=version)).encode())
        assert to_fields(card) == expected
