"""Workbooks as small as they can be, part by part, so that a test can say what is in them and break any of it."""

import io
import re
import zipfile
from xml.sax.saxutils import escape

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
RELATIONSHIPS = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{}</Relationships>'
)


def relation(id_, kind, target):
    return f'<Relationship Id="{id_}" Type="{OFFICE}/{kind}" Target="{target}"/>'


def parts_of(sheet_data, *, strings="", formats=(), workbook="", state=("visible", "visible")):
    """The parts of a workbook with sheets “One” (`sheet_data`) and “Two”."""
    numbers = "".join(
        f'<numFmt numFmtId="{200 + n}" formatCode="{escape(code, {chr(34): "&quot;"})}"/>'
        for n, code in enumerate(formats)
    )
    styles = "".join(f'<xf numFmtId="{200 + n}"/>' for n in range(len(formats)))
    return {
        "_rels/.rels": RELATIONSHIPS.format(relation("r1", "officeDocument", "xl/workbook.xml")),
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{OFFICE}">{workbook}<sheets>'
        f'<sheet name="One" sheetId="1" state="{state[0]}" r:id="r1"/>'
        f'<sheet name="Two" sheetId="2" state="{state[1]}" r:id="r2"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": RELATIONSHIPS.format(
            relation("r1", "worksheet", "worksheets/sheet1.xml")
            + relation("r2", "worksheet", "/xl/worksheets/sheet2.xml")
            + relation("r3", "sharedStrings", "sharedStrings.xml")
            + relation("r4", "styles", "styles.xml")
        ),
        "xl/sharedStrings.xml": f"<sst {MAIN}>{strings}</sst>",
        "xl/styles.xml": f"<styleSheet {MAIN}><numFmts>{numbers}</numFmts>"
        f'<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs>{styles}</cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f"<worksheet {MAIN}><sheetData>{sheet_data}</sheetData></worksheet>",
        "xl/worksheets/sheet2.xml": f'<worksheet {MAIN}><sheetData><row><c t="str"><v>two</v></c></row></sheetData>'
        "</worksheet>",
    }


def packed(parts):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file


def sheet_of(rows):
    """Sheet data of rows of texts, from row 1; what XML cannot hold is written as Excel writes it."""
    cells = (f"<row>{''.join(map(_cell, row))}</row>" for row in rows)
    return "".join(cells)


def _cell(text):
    unwritable = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
    escaped = unwritable.sub(lambda found: f"_x{ord(found[0]):04X}_", escape(text))
    return f'<c t="inlineStr"><is><t xml:space="preserve">{escaped}</t></is></c>'
