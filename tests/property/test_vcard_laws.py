"""What holds of every card: nothing is lost on the way round, and no bytes can break the reader."""

from hypothesis import example, given
from hypothesis import strategies as st

from contactsync.core.parsing import Damaged
from contactsync.core.vcard import (
    Card,
    Found,
    Property,
    converted,
    from_fields,
    read_cards,
    serialise,
    survey,
    to_fields,
)
from contactsync.core.vcard.fields import ADDRESS_PARTS, display

VERSIONS = st.sampled_from(["2.1", "3.0", "4.0"])
WORDS = st.text(
    st.sampled_from("aÅß漢😀 ;,:\\\"=^'.-+@/n\n\u2028\x85\t")
    | st.characters(exclude_categories=["Cs", "Cc"]),
    min_size=1,
    max_size=90,
).filter(lambda text: text.strip() == text and "\x00" not in text)
LINKS = st.builds("https://example.com/{}".format, st.text(st.sampled_from("abc/;,?&=%ü\\"), max_size=80))
DATES = st.dates().map(lambda day: day.isoformat()).filter(lambda day: day[:4] != "1604")
BIRTHDAYS = DATES | DATES.map(lambda day: f"-{day[4:]}")
LABELS = st.sampled_from(
    ["", "home", "work", "mobile", "work fax", "fax work", "other", "pref", "x-y"]
) | WORDS.filter(lambda text: not text.startswith("_$!<"))
ADDRESSES = st.dictionaries(st.sampled_from(ADDRESS_PARTS), WORDS, min_size=1)


def listed(values):
    entry = st.builds(
        lambda value, label: {"value": value, "label": label} if label else {"value": value}, values, LABELS
    )
    return st.lists(entry, min_size=1, max_size=4)


EMAILS = WORDS.filter(lambda text: not text.lower().startswith("mailto:"))
PHONES = WORDS.filter(lambda text: not text.lower().startswith("tel:"))
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(["name", "given_name", "family_name", "middle_name", "prefix", "suffix"], WORDS),
        **dict.fromkeys(["organization", "department", "job_title", "notes"], WORDS),
        "nickname": WORDS,
        "birthday": BIRTHDAYS,
        "photo": LINKS,
        "emails": listed(EMAILS),
        "phones": listed(PHONES),
        "addresses": listed(ADDRESSES),
        "urls": listed(LINKS),
    },
)
UNKNOWN = st.builds(
    Property,
    st.sampled_from(["X-SPOUSE", "x-unknown", "IMPP", "CATEGORIES", "GENDER", "KEY"]),
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=200),
    st.lists(
        st.tuples(
            st.sampled_from(["X-P", "TYPE", "LANGUAGE"]),
            st.lists(st.text("ab,;: é", min_size=1).map(str.strip).filter(bool), min_size=1, max_size=2).map(
                tuple
            ),
        ),
        max_size=2,
    ).map(tuple),
    st.sampled_from(["", "item1", "g-2"]),
)


def read(text):
    (found,) = read_cards([text.encode("utf-8")])
    assert isinstance(found, Found), found
    return found.card


def named(fields):
    """Every card has a name: the person's own, or whatever there is to call them by."""
    name = fields.get("name") or display(fields)
    return {**fields, "name": name} if name.strip() else fields


@given(FIELDS, VERSIONS)
def test_fields_come_back_from_the_card_and_from_its_text(fields, version):
    card = from_fields(fields, version=version)
    assert to_fields(card) == named(fields)
    assert to_fields(read(serialise(card))) == named(fields)


@given(st.lists(UNKNOWN, max_size=4), FIELDS, FIELDS, VERSIONS)
def test_writing_onto_a_card_says_what_is_wanted_and_keeps_what_is_unknown(unknown, before, after, version):
    onto = from_fields(before, version=version)
    onto = Card(version, (*unknown, *onto.properties))
    card = from_fields(after, onto=onto, version=version)
    assert to_fields(card) == named(after)
    assert [prop for prop in card.properties if prop in unknown] == [*unknown]


@given(st.lists(UNKNOWN, max_size=4), FIELDS, VERSIONS)
def test_fields_that_have_not_changed_leave_the_card_as_it_is(unknown, fields, version):
    card = from_fields(fields, version=version)
    card = Card(version, (*card.properties, *unknown))
    assert from_fields(to_fields(card), onto=card, version=version) == card


@given(st.lists(UNKNOWN, max_size=4), FIELDS, VERSIONS)
def test_a_card_is_the_same_after_writing_and_reading(unknown, fields, version):
    card = from_fields(fields, version=version)
    encoded = [prop for prop in unknown if not prop.value.startswith("BEGIN")]
    card = Card(version, (*card.properties, *encoded))
    assert read(serialise(card)) == card


@given(FIELDS, VERSIONS, VERSIONS)
def test_another_version_says_the_same(fields, before, after):
    card = converted(from_fields(fields, version=before), after)
    assert card.version == after
    assert to_fields(read(serialise(card))) == named(fields)


@given(FIELDS, VERSIONS)
def test_lines_are_short_and_whole_characters(fields, version):
    for line in serialise(from_fields(fields, version=version)).encode().split(b"\r\n"):
        assert version == "2.1" or len(line) <= 75
        line.decode()


@given(FIELDS)
def test_a_row_has_a_cell_for_each_column_and_values_under_their_field(fields):
    card = from_fields(fields)
    columns = survey([Found(1, card)]).columns
    cells = columns.cells(card)
    assert len(cells) == len(columns.all())
    by_field = {column.field: cell for column, cell in zip(columns.all(), cells, strict=True) if cell}
    assert by_field.get("name", "") == named(fields).get("name", "")
    assert by_field.get("email", "") == fields.get("emails", [{"value": ""}])[0]["value"]


STRUCTURE = rb"""BEGIN:VCARD END:VCARD VERSION:2.1 = FN:Ada AGENT: NOTE;ENCODING=QUOTED-PRINTABLE:a= PHOTO;BASE64:
    AAAA X;A="b: : ;"""
PIECES = st.sampled_from([*STRUCTURE.split(), b"\r\n", b"\n", b"\r", b" ", b"\t", b"\xff", b"\x00"])


@given(st.lists(PIECES | st.binary(max_size=4), max_size=60), st.integers(1, 50))
@example([b"BEGIN:VCARD\nAGENT:\nBEGIN:VCARD\nFN:Ada\nBEGIN:VCARD\nFN:Bob\nEND:VCARD\n"], 50)
def test_no_bytes_break_the_reader_and_blocks_do_not_matter(pieces, size):
    data = b"".join(pieces)
    whole = list(read_cards([data]))
    assert list(read_cards(data[at : at + size] for at in range(0, len(data), size))) == whole
    for found in whole:
        if isinstance(found, Damaged):
            assert found.message
        else:
            to_fields(found.card)
            serialise(found.card).encode("utf-8", "surrogatepass")
