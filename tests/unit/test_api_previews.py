"""A file shown before anything is stored."""

import gzip
import io
import zipfile
from typing import Any

import pytest

from contactsync.journeys.file import previewing
from contactsync.journeys.file.files import File
from contactsync.model.sync import Format
from tests.support.workbooks import packed, parts_of, sheet_of

ROWS = "Correo;Teléfono;Nacimiento\nzoe@example.com;612345678;03/04/2001\nana@example.com;;\n"


def preview(api, text, **stated):
    return api.post("/previews", {"source": {"kind": "paste", "text": text}, "format": stated})


def uploaded(api, data, **stated):
    place = api.post("/uploads", {"filename": "people"}).json
    api.world.uploads.put(f"uploads/{api.account.account_id}/{place['upload_id']}", data)
    return api.post(
        "/previews", {"source": {"kind": "upload", "upload_id": place["upload_id"]}, "format": stated}
    )


def warnings(told):
    return {warning["code"]: warning for warning in told.json["warnings"]}


def test_what_a_preview_tells(api):
    told = preview(api, ROWS)
    assert told.status == 200
    found = told.json["format"]
    assert (found["kind"], found["delimiter"], found["encoding"], found["has_header"]) == (
        "csv", ";", "utf-8", True
    )  # fmt: skip
    assert set(told.json["confidence"]) == {"kind", "encoding", "delimiter", "has_header"}
    assert all(0 < each <= 1 for each in told.json["confidence"].values())
    assert [(one["index"], one["name"], one["suggestion"]["field"]) for one in told.json["columns"]] == [
        (0, "Correo", "email"), (1, "Teléfono", "phone"), (2, "Nacimiento", "birthday")
    ]  # fmt: skip
    assert told.json["columns"][0]["samples"] == ["zoe@example.com", "ana@example.com"]
    assert told.json["rows"] == [["zoe@example.com", "612345678", "03/04/2001"], ["ana@example.com", "", ""]]
    assert told.json["row_estimate"] == 2
    assert warnings(told)["ambiguous_dates"]["column"] == "Nacimiento"


def test_google_s_labels_are_several_by_their_nature(api):
    assert not warnings(preview(api, "email,Labels\na@example.com,* myContacts ::: Friends\n"))


def test_who_has_stated_the_order_of_dates_is_not_asked_for_it(api):
    assert "ambiguous_dates" not in warnings(preview(api, ROWS, date_order="dmy"))


def test_nothing_is_stored(api):
    records = dict(api.world.records._stored)
    api.post("/previews", {"source": {"kind": "paste", "text": ROWS}}, key="k1")
    assert api.world.records._stored == records
    assert (api.world.stored(), list(api.world.runs.keys(""))) == ({}, [])


def test_its_format_may_be_sent_back_with_the_import(api):
    text = "Export\n\n\n" + ROWS
    found = preview(api, text).json["format"]
    assert found["skip_rows"] == 3
    run = api.post(
        "/imports",
        {
            "source": {"kind": "paste", "text": text},
            "format": found,
            "mapping": [{"column": "Correo", "field": "email"}],
        },
    ).json["run"]
    assert api.ended(run["id"])["counts"]["added"] == 2


@pytest.mark.parametrize(
    ("text", "code", "column"),
    [
        ("email,phone\na@example.com,3.46E+10\n", "spoiled_number", "phone"),
        (
            "email,phone\n" + "".join(f"a{n}@example.com,61234567{n}\n" for n in range(4)),
            "lost_leading_zeros",
            "phone",
        ),
        (
            "email,phone\n" + "".join(f"a{n}@example.com,491512345678{n}.0\n" for n in range(4)),
            "lost_leading_zeros",
            "phone",
        ),
        ("email,born\na@example.com,03/04/2001\n", "ambiguous_dates", "born"),
        ("email,born\na@example.com,13/04/2001\nb@example.com,04/13/2001\n", "mixed_date_orders", "born"),
        ('email,name\na@example.com,"Ada\nb@example.com,Bob\nc@example.com,Cem\n', "unbalanced_quote", None),
        ("email,name,name\na@example.com,Ada,King\n", "duplicate_header", "name"),
        ("email,,name\na@example.com,,King\n", "blank_header", 1),
        ("email,born\na@example.com,0/0/00\n", "filler_values", "born"),
        ('email,name\na@example.com,"Ada \\"Countess\\" King"\n', "escaped_quotes", "name"),
        ("email,city\na@example.com,Cork ::: Galway\n", "several_values", "city"),
        ("email,gender\na@example.com,Unspecified\n", "filler_values", "gender"),
        ("email,name\na@example.com,ZoÃ«\n", "misread_text", "name"),
        ("email,name\na@example.com,Ada\nb@example.com\n", "ragged_rows", None),
    ],
)
def test_damage_is_told(api, text, code, column):
    warning = warnings(preview(api, text))[code]
    assert warning["message"].endswith((".", ")"))
    assert warning.get("column") == column


def test_mixed_encodings_are_told(api):
    data = "email,name\n" + "".join(f"a{n}@example.com,Zoë Müller\n" for n in range(20))
    told = uploaded(api, data.encode() + "b@example.com,José\n".encode("cp1252"))
    assert warnings(told)["mixed_encodings"]["row"] == 22


@pytest.mark.parametrize("stray", [b"Jos\x81", "Zoë".encode() * 30])
def test_the_format_of_a_file_of_two_encodings_may_be_sent_back(api, stray):
    """Stated, an encoding has to fit every byte: the import ended, where without it some rows were refused."""
    rows = "".join(f"a{n}@example.com,José Müller\n" for n in range(20)).encode("cp1252")
    data = b"email,name\n" + rows + b"b@example.com," + stray + b"\n"
    told = uploaded(api, data)
    assert "mixed_encodings" in warnings(told)
    place = api.post("/uploads", {"filename": "people.csv"}).json["upload_id"]
    api.world.uploads.put(f"uploads/{api.account.account_id}/{place}", data)
    mapping = [{"column": name, "field": name} for name in ("email", "name")]
    formats: list[dict[str, Any]] = [{}, told.json["format"]]
    counts = []
    for stated in formats:
        body = {"source": {"kind": "upload", "upload_id": place}, "mapping": mapping, "format": stated}
        run = api.post("/imports", body).json["run"]
        ended = api.ended(run["id"])
        counts.append((ended["status"], ended["counts"]["rejected"]))
    assert counts[0] == counts[1]
    assert counts[0][0] == "succeeded"


def test_a_date_order_that_one_row_proves_is_no_damage(api):
    text = "email,born\na@example.com,03/04/2001\nb@example.com,13/04/2001\n"
    assert warnings(preview(api, text)) == {}


def test_a_workbook(api):
    data = packed(
        parts_of(sheet_of([("Export",), (), ("email", "naam", "born"), ("a@example.com", "Ada", "0/0/00")]))
    )
    told = uploaded(api, data.getvalue())
    assert told.json["format"]["kind"] == "xlsx"
    assert told.json["format"]["skip_rows"] == 2
    assert told.json["sheets"] == ["One", "Two"]
    assert told.json["rows"] == [["a@example.com", "Ada", "0/0/00"]]
    assert [one["suggestion"]["field"] for one in told.json["columns"]] == ["email", "name", "birthday"]
    assert warnings(told)["filler_values"]["row"] == 4
    assert uploaded(api, data.getvalue(), sheet="Two", has_header=False).json["rows"] == [["two"]]


def test_notes_of_two_cells_above_a_sheets_table_name_no_columns(api):
    table = [("email", "naam", "plaats", "land"), *[("a@example.com", "Ada", "Ede", "NL")] * 3]
    told = uploaded(
        api, packed(parts_of(sheet_of([("Export",), ("Made", "2024-01-01"), (), *table]))).getvalue()
    )
    assert told.json["format"]["skip_rows"] == 3
    assert [one["name"] for one in told.json["columns"]] == list(table[0])


def test_cards_come_with_their_mapping(api):
    card = "BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nEMAIL:a@example.com\r\nTEL:+31612345678\r\nEND:VCARD\r\n"
    told = uploaded(api, gzip.compress(card.encode() * 30))
    assert told.json["format"]["kind"] == "vcard"
    assert told.json["row_estimate"] == 30
    suggested = {one["name"]: one["suggestion"] for one in told.json["columns"]}
    assert suggested["Email"] == {"field": "email", "confidence": 1.0}
    assert suggested["Email label"] is None


@pytest.mark.parametrize("quote", ["|", "(", "\\", "*", "\n"])
def test_any_quote_may_be_stated(api, quote):
    told = api.post("/previews", {"source": {"kind": "paste", "text": ROWS}, "format": {"quote": quote}})
    assert told.status == (422 if quote == "\n" else 200)


def test_the_format_of_our_own_table_is_that_of_one_that_needs_no_mapping(api):
    columns = "email,name,segments,contact_id,updated_at\n"
    source = {"kind": "paste", "text": f"{columns}ada@example.com,Ada,,1,2026-11-22T09:00:00Z\n"}
    for stated in ({}, {"kind": "export"}):
        found = api.post("/previews", {"source": source, "format": stated}).json["format"]
        assert found["kind"] == "export"
        assert api.post("/imports", {"source": source, "format": found}).status == 202


def test_a_large_file_is_not_read_whole(monkeypatch):
    monkeypatch.setattr(previewing, "MOST_BYTES", 1 << 20)

    class Counted(io.BytesIO):
        taken = 0

        def read(self, size=-1):
            data = super().read(size)
            Counted.taken += len(data)
            return data

    data = ("email,name\n" + "a@example.com,Ada\n" * 400_000).encode()
    file = File(len(data), lambda *, offset=0, length=None: Counted(data[offset:][:length]))
    found = previewing.preview_of(file, Format(), {})
    assert Counted.taken < 2 << 20
    assert found.opened.row_estimate == pytest.approx(400_000, rel=0.05)
    assert len(found.rows) == previewing.ROWS


def test_long_cells_and_wide_rows_are_bounded(api):
    told = preview(
        api, ",".join(f"c{n}" for n in range(900)) + "\n" + (",".join(["x" * 150] * 900) + "\n") * 7
    )
    assert told.status == 200
    assert len(told.text) < 1_000_000
    assert preview(api, f"email,name\na@example.com,{'x' * 5000}\n").json["rows"][0][1] == "x" * 200 + "…"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"%PDF-1.7", "not_a_text_file"),
        (b"<!doctype html><title>Log in</title>", "not_a_text_file"),
        (gzip.compress(b"a,b\n" * 1000, mtime=0)[:40], "compressed_file_cut"),
    ],
)
def test_what_cannot_be_read_is_a_problem(api, data, code):
    told = uploaded(api, data)
    assert (told.status, told.json["type"]) == (422, f"/problems/{code}")
    assert told.headers["content-type"] == "application/problem+json"


def test_a_workbook_too_large_to_wait_for(api, monkeypatch):
    monkeypatch.setattr(previewing, "MOST_BYTES", 1 << 20)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", bytes(2 << 20))
    assert uploaded(api, file.getvalue()).json["type"] == "/problems/too_large_to_preview"


def test_what_is_wrong_with_a_request_is_told(api, stranger):
    assert api.post("/previews", {}).pointers == {"/source"}
    assert api.post(
        "/previews", {"source": {"kind": "paste", "text": "a"}, "format": {"kind": "x"}}
    ).pointers == {"/format/kind"}
    place = api.post("/uploads", {"filename": "people.csv"}).json
    source = {"kind": "upload", "upload_id": place["upload_id"]}
    assert api.post("/previews", {"source": source}).pointers == {"/source/upload_id"}
    api.world.uploads.put(f"uploads/{api.account.account_id}/{place['upload_id']}", b"email\na@example.com\n")
    assert api.post("/previews", {"source": source}).status == 200
    assert stranger.post("/previews", {"source": source}).pointers == {"/source/upload_id"}


def test_it_needs_the_permission_to_manage_syncs(api):
    api.permissions = ("contacts.view",)
    assert preview(api, ROWS).status == 403
