"""Files of every kind from end to end in memory: how they are written never decides over what is stored."""

import bz2
import csv
import gzip
import io
import random
import zipfile
from datetime import timedelta

import pytest

from contactsync.model.field import FieldSpec
from tests.support.workbooks import packed, parts_of, sheet_of
from tests.support.world import World

PEOPLE = [
    ("zoe@example.com", "Zoë Müller"),
    ("joao@example.com", "João Conceição"),
    ("li@example.com", "Li, Wei"),
]
MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
CARDS = """BEGIN:VCARD
VERSION:3.0
FN:Ada Lovelace
N:Lovelace;Ada;;;
EMAIL;TYPE=work:ada@example.com
EMAIL;TYPE=home:ada@example.org
TEL:+31 6 12345678
BDAY:1815-12-10
END:VCARD
BEGIN:VCARD
VERSION:3.0
FN:Nobody
END:VCARD
"""


@pytest.fixture
def world():
    return World()


def text(delimiter=",", quote='"', end="\n", people=PEOPLE, header=True):
    def cell(value):
        marks = (delimiter, quote, " ") if quote else ()
        needed = any(mark in value for mark in marks)
        return f"{quote}{value.replace(quote, quote * 2)}{quote}" if needed else value

    rows = [("email", "name"), *people] if header else people
    return "".join(delimiter.join(map(cell, row)) + end for row in rows)


def workbook(rows, **parts):
    return packed(parts_of(sheet_of(rows), **parts)).getvalue()


def zipped(*files):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return file.getvalue()


def names(world):
    return {email: fields["name"] for email, fields in world.fields().items()}


def report(world, run):
    return world.runs.get(world.files(run).rejects_csv)


WORKBOOK = workbook([("email", "name"), *PEOPLE])
WAYS = {
    "comma": (text(), {}),
    "semicolon": (text(";"), {}),
    "tab": (text("\t"), {}),
    "several characters": (text("||"), {}),
    "several characters, typed by hand": (text("<->"), {"delimiter": "<->"}),
    "CRLF": (text(end="\r\n"), {}),
    "CR": (text(end="\r"), {}),
    "apostrophes": (text(quote="'"), {"quote": "'"}),
    "no quotes": (text(";", quote=""), {"quote": ""}),
    "backslash": (text(";").replace('"Zoë Müller"', '"Zoë M\\"üller"').replace('M\\"ü', "Mü"), {}),
    "preamble": ("Export of today\nnot a table\n\n" + text(), {}),
    "preamble, stated": ("a,b\nc,d\n" + text(), {"skip_rows": 2}),
    "UTF-8 with a mark": (b"\xef\xbb\xbf" + text().encode(), {}),
    "UTF-16": (text().encode("utf-16"), {}),
    "UTF-16, big end first": (b"\xfe\xff" + text().encode("utf-16-be"), {}),
    "Windows-1252": (text().encode("cp1252"), {}),
    "Mac Roman, stated": (text().encode("mac-roman"), {"encoding": "macintosh"}),
    "gzip": (gzip.compress(text().encode()), {}),
    "gzip of UTF-16": (gzip.compress(text(";").encode("utf-16")), {}),
    "gzip in two members": (gzip.compress(text().encode()[:20]) + gzip.compress(text().encode()[20:]), {}),
    "zip": (zipped(("people.csv", text().encode())), {}),
    "workbook": (WORKBOOK, {}),
    "workbook, stated": (WORKBOOK, {"kind": "xlsx"}),
    "workbook, its sheet named": (WORKBOOK, {"sheet": "one"}),
    "workbook with a title": (workbook([("Export of today",), (), ("email", "name"), *PEOPLE]), {}),
}


@pytest.mark.parametrize("way", WAYS)
def test_the_same_rows_however_they_are_written(world, way):
    data, stated = WAYS[way]
    run = world.import_rows(data, MAPPING, format=stated)
    assert (run.status, run.counts.rows, run.counts.added) == ("succeeded", 3, 3), run.problem
    assert names(world) == dict(PEOPLE)


@pytest.mark.parametrize("scope", ["all", "sync"])
def test_a_report_that_comes_back_deletes_nobody(world, scope):
    """It holds the rows that were refused, so nobody is missing from it, however wide the limits are."""
    guard = {"max_delete_percent": 100, "max_delete_count": 1000}
    options = {"delete_missing": {"scope": scope}, "guard": guard}
    mapping = [*MAPPING, {"column": "born", "field": "birthday"}]
    rows = "email,name,born\n" + "".join(f"p{n}@example.com,P{n},2001-01-01\n" for n in range(4))
    first = world.import_rows(rows, mapping, options=options)

    def later(data):
        run = world.again(first.sync_id, data)
        world.execute(run)
        return world.run(run)

    run = later(rows.replace("2001-01-01", "some day", 3))
    assert (run.counts.rejected, run.counts.deleted) == (3, 0)
    again = later(report(world, run).replace(b"some day", b"2002-02-02"))
    assert (again.status, again.counts.updated, again.counts.deleted) == ("succeeded", 3, 0)
    said = "The file holds rows that were refused before, not the whole list. So contacts that it does not mention were kept."
    assert [warning.message for warning in again.warnings] == [said]
    assert len(world.stored()) == 4
    assert later(rows.replace("p0@example.com,P0,2001-01-01\n", "")).counts.deleted == 1


@pytest.mark.parametrize("header", [True, False])
def test_the_dates_of_a_report_are_read_as_those_of_the_list_that_it_is_a_part_of(world, header):
    """Of a few refused rows hardly ever one proves by itself whether day or month comes first."""
    columns = ["email", "name", "born"]
    mapping = [
        {"column": name if header else place, "field": field}
        for place, (name, field) in enumerate(zip(columns, ["email", "name", "birthday"], strict=True))
    ]
    rows = "ada@example.com,Ada,25/12/1990\nbob,Bob,03/04/1991\n"
    text = f"{','.join(columns)}\n{rows}" if header else rows
    run = world.import_rows(text, mapping, format={"has_header": header})
    assert (run.counts.added, run.counts.rejected) == (1, 1)

    def later(data):
        world.clock.advance(timedelta(minutes=1))
        again = world.again(run.sync_id, data)
        world.execute(again)
        return world.run(again)

    mended = report(world, run).replace(b'"bob"', b'"bob@example.com"')
    assert later(mended).counts.added == 1
    assert world.fields()["bob@example.com"]["birthday"] == "1991-04-03"
    assert later(mended.replace(b"Bob", b"Bobby")).counts.updated == 1, "also behind another report"
    unproven = text.replace("25/12/1990", "3/3/1990").replace("03/04/1991", "some day")
    refused = later(unproven)
    assert refused.counts.rejected == 1
    typed = report(world, refused).replace(b'"bob"', b'"bob@example.com"').replace(b"some day", b"03/04/1991")
    assert later(typed).problem.code == "date_order_unclear", "the latest list has proven nothing"


@pytest.mark.parametrize("stated", [{"skip_rows": 2}, {"sheet": "one"}, {"has_header": False}, {}], ids=str)
def test_a_report_that_was_saved_as_a_workbook_is_read_as_one(world, stated):
    """The sheet and the skipped rows that the sync states are those of the list."""
    mapping = [{"column": number, "field": field} for number, field in enumerate(["email", "name"])]
    above = [("Members",), ("of today",)] if "skip_rows" in stated else []
    header = [] if "has_header" in stated else [("email", "name")]
    rows = [*above, *header, ("ada@example.com", "Ada"), ("bob", "Bob")]
    run = world.import_rows(workbook(rows), mapping, format=stated)
    assert (run.counts.added, run.counts.rejected) == (1, 1)
    mended = csv.reader(io.StringIO(report(world, run).decode().replace('"bob"', '"bob@example.com"')))
    parts = parts_of(sheet_of([*map(tuple, mended)]))
    parts["xl/workbook.xml"] = parts["xl/workbook.xml"].replace("One", "rejects")
    saved = packed(parts).getvalue()
    again = world.again(run.sync_id, saved)
    world.execute(again)
    assert (world.run(again).problem, set(names(world))) == (None, {"ada@example.com", "bob@example.com"})


class Counting:
    """A contact store that counts the writes."""

    def __init__(self, contacts):
        self.contacts = contacts
        self.writes = 0

    def __getattr__(self, name):
        return getattr(self.contacts, name)

    def write(self, account_id, writes):
        self.writes += len(writes)
        return self.contacts.write(account_id, writes)

    def bring(self, account_id, lines, origin):
        self.writes += len(lines)
        return self.contacts.bring(account_id, lines, origin)


@pytest.mark.parametrize("way", WAYS)
def test_the_same_rows_again_write_nothing(world, way):
    shuffled = random.Random(way).sample(PEOPLE, len(PEOPLE))
    assert world.import_rows(text(people=shuffled), MAPPING).counts.added == 3
    world.ports.contacts = counting = Counting(world.contacts)
    data, stated = WAYS[way]
    run = world.import_rows(data, MAPPING, format=stated)
    assert (run.status, run.counts.unchanged, counting.writes) == ("succeeded", 3, 0)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_shuffled_rows_of_the_same_sync_write_nothing(world, ending):
    run = world.import_rows(text(), MAPPING)
    world.ports.contacts = counting = Counting(world.contacts)
    again = world.again(run.sync_id, text(";", end=ending, people=PEOPLE[::-1]).encode("cp1252"))
    world.execute(again)
    assert (world.run(again).counts.unchanged, counting.writes) == (3, 0)


@pytest.mark.parametrize("before", [0, 20_000])
def test_an_export_that_has_changed_to_utf_8_overnight_spoils_no_name(world, before):
    """Its encoding is stated, and the first name beyond ASCII may stand far down."""
    plain = "".join(f"p{number}@example.com,Ann Lee\n" for number in range(before))
    people = f"email,name\n{plain}zoe@example.com,Zoë Müller\n"
    stated = {"encoding": "windows-1252"}
    run = world.import_rows(people.encode("cp1252"), MAPPING, format=stated)
    again = world.again(run.sync_id, people.encode())
    world.execute(again)
    assert names(world)["zoe@example.com"] == "Zoë Müller"
    assert world.run(again).counts.updated == 0
    assert "encoding_overridden" in {warning.code for warning in world.run(again).warnings}


@pytest.mark.parametrize("others", [1, 2, 3])
def test_two_files_in_one_lose_rows_with_a_reason_and_never_letters(world, others):
    people = "".join(f"a{n}@example.com,{name}\n" for n, name in enumerate(("Zoë", "Müller", "José")))
    old = "".join(f"b{n}@example.com,{name}\n" for n, name in enumerate(("Jérôme", "Zoë", "Åse")[:others]))
    run = world.import_rows(f"email,name\n{people}".encode() + old.encode("cp1252"), MAPPING)
    assert set(names(world).values()) == {"Zoë", "Müller", "José"}
    assert run.counts.rejected == others
    assert "mixed_encodings" in {warning.code for warning in run.warnings}


class TestWorkbooks:
    def test_rows_are_numbered_as_on_the_sheet(self, world):
        data = workbook([("email", "name"), ("ada@example.com", "Ada"), (), ("nobody", "Bob")])
        run = world.import_rows(data, MAPPING)
        assert (run.counts.added, run.counts.rejected) == (1, 1)
        assert '"nobody","Bob","4",' in report(world, run).decode()

    def test_another_sheet_by_its_name(self, world):
        run = world.import_rows(WORKBOOK, [{"column": 0, "field": "name"}], format={"sheet": "Three"})
        assert run.problem.code == "no_such_sheet"

    def test_a_row_wider_than_the_header_keeps_its_place_in_the_report(self, world):
        run = world.import_rows(workbook([("email", "name"), ("x", "Ada", "", "more")]), MAPPING)
        header, row = report(world, run).decode().splitlines()
        assert header == '"email","name","","","line","reason"'
        assert row.startswith('"x","Ada","","more","2",')

    def test_a_refusal_on_meeting_the_list_has_its_cells(self, world):
        spec = FieldSpec(key="number", label="Number", type="text")
        world.control.create_field(world.account.account_id, spec)
        mapping = [*MAPPING, {"column": "number", "field": "number"}]
        data = workbook(
            [("number", "email", "name"), ("1", "a@example.com", "A"), ("2", "A@example.com", "B")]
        )
        run = world.import_rows(data, mapping, identity={"field": "number"})
        assert (run.counts.added, run.counts.rejected) == (1, 1)
        assert '"2","A@example.com","B","3",' in report(world, run).decode()

    def test_phones_stored_as_numbers_are_told(self, world):
        rows = '<row><c t="str"><v>email</v></c><c t="str"><v>phone</v></c></row>' + "".join(
            f'<row><c t="str"><v>a{n}@example.com</v></c><c><v>61234567{n}</v></c></row>' for n in range(5)
        )
        run = world.import_rows(packed(parts_of(rows)).getvalue(), MAPPING[:1])
        assert "number_may_be_phone" in {warning.code for warning in run.warnings}

    @pytest.mark.parametrize("country", ["NL", "GB", None])
    def test_a_number_is_worth_the_same_in_every_country(self, world, country):
        for key, kind in (("rate", "decimal"), ("seat", "text")):
            spec = FieldSpec(key=key, label=key, type=kind)
            world.control.create_field(world.account.account_id, spec)
        texts = '<row><c t="str"><v>email</v></c><c t="str"><v>rate</v></c><c t="str"><v>seat</v></c></row>'
        rows = texts + "".join(
            f'<row><c t="str"><v>a{n}@example.com</v></c><c><v>{rate}</v></c><c><v>{rate}</v></c></row>'
            for n, rate in enumerate(("1.234", "-12.5", "1234567"))
        )
        mapping = [*MAPPING[:1], *({"column": key, "field": key} for key in ("rate", "seat"))]
        world.import_rows(packed(parts_of(rows)).getvalue(), mapping, format={"country": country})
        rates = ["1.234", "-12.5", "1234567"]
        stored = [world.fields()[f"a{n}@example.com"] for n in range(3)]
        assert [fields["rate"] for fields in stored] == rates
        assert [fields["seat"] for fields in stored] == rates

    def test_a_number_of_a_refused_row_is_worth_the_same_when_it_comes_back(self, world):
        spec = FieldSpec(key="rate", label="Rate", type="decimal")
        world.control.create_field(world.account.account_id, spec)
        rows = (
            '<row><c t="str"><v>email</v></c><c t="str"><v>rate</v></c></row>'
            '<row><c t="str"><v>ada</v></c><c><v>1.234</v></c></row>'
        )
        mapping = [*MAPPING[:1], {"column": "rate", "field": "rate"}]
        refused = world.import_rows(packed(parts_of(rows)).getvalue(), mapping, format={"country": "NL"})
        mended = report(world, refused).replace(b'"ada"', b'"ada@example.com"')
        world.import_rows(mended, mapping, format={"country": "NL"})
        assert world.fields()["ada@example.com"]["rate"] == "1.234"

    def test_what_is_no_workbook_is_refused(self, world):
        for data, code in ((text(), "not_a_workbook"), (WORKBOOK[:300], "workbook_damaged")):
            run = world.import_rows(data, MAPPING, format={"kind": "xlsx"})
            assert (run.status, run.problem.code) == ("failed", code)


class TestCards:
    def test_cards_map_themselves(self, world):
        run = world.import_rows(CARDS, [], format={"kind": "vcard"})
        assert (run.status, run.counts.added, run.counts.rejected) == ("succeeded", 1, 1)
        fields = world.fields()["ada@example.com"]
        assert [one["value"] for one in fields["emails"]] == ["ada@example.com", "ada@example.org"]
        assert (fields["given_name"], fields["birthday"]) == ("Ada", "1815-12-10")
        assert '"10","' in report(world, run).decode().splitlines()[1]  # the line of its BEGIN:VCARD

    def test_a_mapping_may_name_their_columns(self, world):
        """Also those that another file's fullest card had."""
        mapping = [{"column": "Email", "field": "email"}, {"column": "Email 3", "field": "emails.third"}]
        run = world.import_rows(gzip.compress(CARDS.replace("\n", "\r\n").encode()), mapping)
        assert (run.status, run.counts.added) == ("succeeded", 1)
        assert "given_name" not in world.fields()["ada@example.com"]

    @pytest.mark.parametrize(
        ("data", "stated"),
        [
            (CARDS.replace("Ada L", "Zoë L").encode("utf-16"), {"kind": "vcard"}),
            (CARDS.replace("Ada L", "Zoë L").encode("utf-16"), {}),
            (CARDS.replace("Ada L", "Zoë L").encode("mac-roman"), {"kind": "vcard", "encoding": "macintosh"}),
        ],
    )
    def test_in_other_encodings(self, world, data, stated):
        run = world.import_rows(data, MAPPING, format=stated)
        assert run.counts.added == 1, run.problem
        assert names(world) == {"ada@example.com": "Zoë Lovelace"}

    def test_a_card_that_is_not_closed_costs_itself_only(self, world):
        run = world.import_rows("BEGIN:VCARD\nFN:Cut\n" + CARDS, [], format={"kind": "vcard"})
        assert (run.counts.added, run.counts.rejected) == (1, 2)

    def test_text_is_no_address_book(self, world):
        run = world.import_rows(text(), [], format={"kind": "vcard"})
        assert run.problem.code == "no_cards"


class TestPacked:
    @pytest.mark.parametrize(
        ("data", "code"),
        [
            (gzip.compress(gzip.compress(text().encode(), mtime=0), mtime=0), "archive_nested"),
            (zipped(("people.xlsx", WORKBOOK)), "archive_nested"),
            (zipped(("a.csv", text()), ("b.csv", text())), "archive_not_one_file"),
            (gzip.compress(text().encode(), mtime=0)[:-9], "compressed_file_cut"),
            (bz2.compress(text().encode()), "not_a_text_file"),
            (gzip.compress(b"", mtime=0), "empty_file"),
        ],
    )
    def test_what_cannot_be_unpacked_says_so(self, world, data, code):
        run = world.import_rows(data, MAPPING)
        assert (run.status, run.problem.code) == ("failed", code)
        assert world.stored() == {}


class TestReports:
    """Refused rows, corrected, come back as they are."""

    ROWS = 'email,name\n"not, an address",=1+1\nada@example.com,Ada\n'

    def test_a_corrected_report_is_imported_as_it_is(self, world):
        run = world.import_rows(self.ROWS, MAPPING)
        corrected = report(world, run).decode().replace("not, an address", "bob@example.com")
        assert '"\'=1+1"' in corrected
        again = world.again(run.sync_id, corrected)
        world.execute(again)
        ended = world.run(again)
        assert (ended.status, ended.counts.rows, ended.counts.added) == ("succeeded", 1, 1)
        assert names(world) == {"ada@example.com": "Ada", "bob@example.com": "=1+1"}

    def test_however_the_file_is_written_that_the_sync_reads(self, world):
        rows = "x\ny\n" + self.ROWS.replace('"not, an address"', "nobody").replace(",", ";").replace(
            "Ada\n", "Zoë\n"
        )
        mapping = [{"column": 0, "field": "email"}, {"column": 1, "field": "name"}]
        stated = {"delimiter": ";", "encoding": "windows-1252", "skip_rows": 3, "has_header": False}
        run = world.import_rows(rows.encode("cp1252"), mapping, format=stated)
        assert (run.counts.added, run.counts.rejected) == (1, 1), run.problem
        corrected = report(world, run).decode().replace("nobody", "bob@example.com")
        again = world.again(run.sync_id, corrected)
        world.execute(again)
        assert names(world) == {"ada@example.com": "Zoë", "bob@example.com": "=1+1"}

    def test_saved_by_a_spreadsheet(self, world):
        run = world.import_rows(self.ROWS, MAPPING)
        lines = report(world, run).decode().splitlines()
        rows = [line.strip('"').split('","') for line in lines]
        rows[1][0] = "bob@example.com"
        again = world.again(run.sync_id, workbook(rows))
        world.execute(again)
        assert world.run(again).counts.added == 1
        assert names(world)["bob@example.com"] == "=1+1"

    def test_refused_again_it_is_reported_again_without_growing(self, world):
        run = world.import_rows(self.ROWS, MAPPING)
        again = world.again(run.sync_id, report(world, run).replace(b"=1+1", b"=1+2"))
        world.execute(again)
        assert report(world, again).replace(b"=1+2", b"=1+1") == report(world, run)

    def test_cards(self, world):
        run = world.import_rows(CARDS, [], format={"kind": "vcard"})
        rows = report(world, run).decode().splitlines()
        columns = rows[0].split(",")
        cells = rows[1].split(",")
        cells[columns.index('"Email"')] = '"nobody@example.com"'
        again = world.again(run.sync_id, "\n".join([rows[0], ",".join(cells)]))
        world.execute(again)
        assert world.run(again).counts.added == 1, world.run(again).problem
        assert world.fields()["nobody@example.com"]["name"] == "Nobody"

    def test_columns_of_the_customer_s_own_by_these_names_stay(self, world):
        mapping = [MAPPING[0], {"column": "reason", "field": "notes"}]
        run = world.import_rows("email,line,reason\nada@example.com,7,'=why\n", mapping)
        assert run.counts.added == 1
        assert world.fields()["ada@example.com"]["notes"] == "'=why"


BORN = [*MAPPING[:1], {"column": "born", "field": "birthday"}]


class TestDateOrder:
    def born(self, world, *dates, **stated):
        rows = "".join(f"p{number}@example.com;{date}\n" for number, date in enumerate(dates))
        return world.import_rows(f"email;born\n{rows}", BORN, format=stated)

    @pytest.mark.parametrize(
        ("proof", "birthday"), [("13/04/2001", "2001-04-03"), ("04/13/2001", "2001-03-04"), ("", None)]
    )
    def test_one_row_decides_for_the_column(self, world, proof, birthday):
        """However far down it stands."""
        run = self.born(world, *["03/04/2001"] * 300, proof)
        if birthday is None:
            assert (run.status, run.problem.code) == ("failed", "date_order_unclear")
            assert "“born”" in run.problem.title
            assert world.stored() == {}
        else:
            assert run.counts.rejected == 0
            assert world.fields()["p0@example.com"]["birthday"] == birthday

    def test_a_column_that_proves_both_is_not_guessed(self, world):
        run = self.born(world, "03/04/2001", "13/04/2001", "03/04/2001", "04/13/2001", "14/04/2001")
        assert run.problem.code == "date_orders_mixed"
        assert "lines 3 and 5" in run.problem.title

    def test_a_day_that_no_month_has_proves_nothing_and_costs_its_row(self, world):
        run = self.born(world, "13/04/2001", "04/31/2001", "03/04/2001")
        assert (run.counts.added, run.counts.rejected) == (2, 1)
        assert world.fields()["p2@example.com"]["birthday"] == "2001-04-03"

    def test_what_is_stated_counts(self, world):
        run = self.born(world, "13/04/2001", "04/13/2001", "03/04/2001", date_order="mdy")
        assert (run.counts.added, run.counts.rejected) == (2, 1)
        assert world.fields()["p2@example.com"]["birthday"] == "2001-03-04"

    def test_dates_that_need_no_order(self, world):
        run = self.born(world, "3/3/2001", "2001-04-03", "--04-03", "")
        assert (run.status, run.counts.added) == ("succeeded", 4)
        assert world.fields()["p0@example.com"]["birthday"] == "2001-03-03"

    @pytest.mark.parametrize(("stated", "refused"), [({}, 2), ({"date_order": "mdy"}, 0)])
    def test_days_without_a_year_need_an_order_as_well(self, world, stated, refused):
        run = self.born(world, "12/10", "12/25", "3/3/2001", **stated)
        assert (run.counts.rejected, run.warnings) == (refused, ())
        assert world.fields().get("p0@example.com", {}).get("birthday") == (None if refused else "--12-10")

    def test_each_column_for_itself(self, world):
        spec = FieldSpec(key="member_since", label="Member since", type="date")
        world.control.create_field(world.account.account_id, spec)
        mapping = [*BORN, {"column": "since", "field": "member_since"}]
        rows = "email;born;since\na@example.com;13/04/2001;04/13/2001\nb@example.com;03/04/2001;03/04/2001\n"
        run = world.import_rows(rows, mapping)
        assert run.counts.added == 2
        fields = world.fields()["b@example.com"]
        assert (fields["birthday"], fields["member_since"]) == ("2001-04-03", "2001-03-04")


def test_an_encoding_that_shows_late_is_found(world):
    """Behind more rows in ASCII than the first look takes in."""
    rows = "".join(f"p{number}@example.com,Person {number}\n" for number in range(10_000))
    data = f"email,name\n{rows}zoe@example.com,Zoë Müller\n".encode("cp1252")
    run = world.import_rows(gzip.compress(data), MAPPING, dry_run=True)
    assert (run.counts.added, run.counts.rejected) == (10_001, 0)
    assert "Zoë Müller".encode() in world.runs.get(world.files(run).text)


def test_a_mapping_is_needed_where_the_file_does_not_map_itself(world):
    run = world.import_rows(text(), [])
    assert run.problem.code == "mapping_missing"


def test_a_one_column_list_of_emails_gets_no_letter_as_its_delimiter(world):
    run = world.import_rows(
        "a@example.com\nb@example.com\nc@example.org\n", [{"column": 0, "field": "email"}]
    )
    assert run.counts.added == 3
