"""Files of every kind on the whole stack: uploaded, shown, imported, and their refused rows imported again."""

import gzip

import pytest
import requests

from tests.support.customer import TIMEOUT_S, Customer
from tests.support.workbooks import packed, parts_of, sheet_of

pytestmark = pytest.mark.stack

PEOPLE = [("ada@example.com", "=Ada"), ("nobody", "=1+1"), ("zoe@example.com", "Zoë Müller")]
TEXT = "\r\n".join(map(";".join, [("email", "name"), *PEOPLE]))
CARDS = "".join(
    f"BEGIN:VCARD\r\nVERSION:3.0\r\nFN:{name}\r\nEMAIL:{email}\r\nEND:VCARD\r\n" for email, name in PEOPLE
)
FILES = {
    "people.xlsx": (packed(parts_of(sheet_of([("email", "name"), *PEOPLE]))).getvalue(), "xlsx"),
    "people.vcf": (CARDS.encode(), "vcard"),
    "people.csv.gz": (gzip.compress(TEXT.encode("utf-16")), "csv"),
}


@pytest.mark.parametrize("filename", FILES)
def test_a_file_is_shown_imported_corrected_and_imported_again(filename: str, customer: Customer) -> None:
    data, kind = FILES[filename]
    source = {"kind": "upload", "upload_id": customer.upload(filename, data)}
    seen = customer.post("/previews", {"source": source}, expect=200)
    assert seen["format"]["kind"] == kind
    assert len(seen["rows"]) == seen["row_estimate"] == 3
    mapping = [
        {"column": column["index"], "field": column["suggestion"]["field"]}
        for column in seen["columns"]
        if column["suggestion"]
    ]
    asked = {"source": source, "format": seen["format"], "mapping": mapping}
    told = customer.post("/imports", asked, expect=202)
    run = customer.wait_for_run(told["run"]["id"])
    assert (run["status"], run["counts"]["added"], run["counts"]["rejected"]) == ("succeeded", 2, 1), run

    report = requests.get(
        f"{customer.api}/runs/{run['id']}/rejects.csv",
        headers={"Authorization": f"Bearer {customer.api_key}"},
        timeout=TIMEOUT_S,
    )
    corrected = report.content.replace(b"nobody", b"bob@example.com")
    upload = customer.upload("rejects.csv", corrected)
    again = customer.post(f"/syncs/{told['sync']['id']}/runs", {"upload_id": upload}, expect=202)
    run = customer.wait_for_run(again["id"])
    assert (run["status"], run["counts"]["rows"], run["counts"]["added"]) == ("succeeded", 1, 1), run
    names = {contact["fields"]["email"]: contact["fields"]["name"] for contact in customer.contacts()}
    assert names == {"ada@example.com": "=Ada", "bob@example.com": "=1+1", "zoe@example.com": "Zoë Müller"}
