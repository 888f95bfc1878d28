"""Whatever a provider or a server answers, or a customer writes as a rule: it is read or refused by name, never a crash."""

from __future__ import annotations

import copy
from contextlib import suppress
from datetime import UTC, date, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from contactsync.connectors import google_person, microsoft_contact, vcards
from contactsync.connectors.dav import Answer, members
from contactsync.core import recurrence
from contactsync.core.vcard import Card as VCard
from contactsync.errors import ContactSyncError

PERSON: dict[str, Any] = {
    "resourceName": "people/c1",
    "etag": "%Eg",
    "metadata": {"sources": [{"type": "CONTACT", "id": "1", "updateTime": "2026-11-22T09:00:00Z"}]},
    "names": [{"displayName": "Ada Lovelace", "givenName": "Ada", "metadata": {"primary": True}}],
    "emailAddresses": [{"value": "ada@example.com", "type": "work", "formattedType": "Work"}],
    "phoneNumbers": [{"value": "020 7946 0018", "canonicalForm": "+442079460018", "type": "mobile"}],
    "addresses": [{"streetAddress": "1 High St", "city": "London", "country": "UK", "type": "home"}],
    "birthdays": [{"date": {"year": 1815, "month": 12, "day": 10}, "text": "1815-12-10"}],
    "organizations": [{"name": "Engines", "title": "Analyst"}],
    "biographies": [{"value": "Notes"}],
    "urls": [{"value": "https://example.com", "type": "homePage"}],
    "photos": [{"url": "https://example.com/p", "default": True}],
    "clientData": [{"key": "contactsync", "value": "m1"}],
}
CONTACT: dict[str, Any] = {
    "id": "AAA=",
    "@odata.etag": 'W/"1"',
    "displayName": "Ada Lovelace",
    "givenName": "Ada",
    "emailAddresses": [{"name": "Ada", "address": "ada@example.com"}],
    "businessPhones": ["020 7946 0018"],
    "homePhones": [],
    "mobilePhone": "+44 7700 900123",
    "homeAddress": {"street": "1 High St", "city": "London", "countryOrRegion": "UK"},
    "businessHomePage": "https://example.com",
    "birthday": "1815-12-10T11:59:00Z",
    "personalNotes": "Notes",
}
ODD = st.text(max_size=20) | st.sampled_from(
    [
        "",
        " ",
        "\0",
        "-1",
        "²",
        "1e9",
        "٣",
        "\ud800",
        "http://[",
        "//[",
        "9" * 30,
        "+",
        "0000-00-00",
        "T",
        "--02-30",
    ]
)
XML = b"""<?xml version="1.0"?><d:multistatus xmlns:d="DAV:"><d:response><d:href>/book/a.vcf</d:href>
<d:propstat><d:prop><d:getetag>"1"</d:getetag></d:prop><d:status>HTTP/1.1 200 OK</d:status></d:propstat></d:response>
<d:response><d:href>/book/b.vcf</d:href><d:status>HTTP/1.1 404 Not Found</d:status></d:response></d:multistatus>"""
SPOTS = [b"/book/a.vcf", b"HTTP/1.1 200 OK", b"200", b"404", b"d:href", b"DAV:", b'"1"', b"<d:prop>"]
RULES = [
    "FREQ=DAILY",
    "FREQ=WEEKLY;BYDAY=MO,TH",
    "FREQ=MONTHLY;BYMONTHDAY=-1",
    "FREQ=YEARLY;BYMONTH=2;BYDAY=1MO",
    "FREQ=HOURLY;INTERVAL=2;BYHOUR=8,10,12",
    "FREQ=MINUTELY;INTERVAL=15",
]
PARTS = ["FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST", "BYHOUR"]
CARD = """BEGIN:VCARD\r\nVERSION:3.0\r\nFN:Ada\r\nN:Lovelace;Ada;;;\r\nEMAIL;TYPE=work:ada@example.com\r\nTEL:020 7946 0018\r
ADR;TYPE=home:;;1 High St;London;;;UK\r\nBDAY:1815-12-10\r\nPHOTO;ENCODING=b:aGk=\r\nEND:VCARD\r\n"""


@st.composite
def changed(draw: st.DrawFn, sound: dict[str, Any], *, nulls: bool) -> dict[str, Any]:
    """A sound answer of which some parts are missing, null, doubled or odd; every value keeps its type or is null."""
    answer = copy.deepcopy(sound)
    for _ in range(draw(st.integers(1, 5))):
        place: Any = answer
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            deeper = isinstance(place[key], dict | list) and draw(st.booleans())
            if deeper:
                place = place[key]
                continue
            match draw(st.sampled_from(["drop", "null", "double", "odd"])):
                case "drop":
                    del place[key]
                case "null" if nulls and isinstance(place, dict):
                    place[key] = None
                case "double" if isinstance(place[key], list):
                    place[key] = place[key] * 2
                case "odd" if isinstance(place[key], str):
                    place[key] = draw(ODD)
                case "odd" if type(place[key]) is int:
                    place[key] = draw(st.integers(-1, 10_000))
            break
    return answer


@given(changed(PERSON, nulls=False))  # Google leaves out what is empty
def test_a_person_of_google(person: dict[str, Any]) -> None:
    fields = google_person.Translation("GB").fields(person)
    assert all(value not in (None, "", []) for value in fields.values())
    if birthday := fields.get("birthday"):
        date.fromisoformat(birthday.replace("--", "2000-"))  # raises where it is none
    google_person.marker_of(person)
    google_person.photo_of(person)


@given(changed(CONTACT, nulls=True))
def test_a_contact_of_microsoft(contact: dict[str, Any]) -> None:
    fields = microsoft_contact.Translation("GB").fields(contact)
    assert all(value not in (None, "", []) for value in fields.values())


@given(
    st.sampled_from(SPOTS),
    ODD | st.sampled_from(["²00", "HTTP/1.1 ²", "a:b", "&#0;", "<d:prop/>"]),
    st.booleans(),
)
def test_an_answer_of_a_carddav_server(spot: bytes, odd: str, escape: bool) -> None:
    text = odd.encode("utf-8", "replace")
    if escape:
        text = text.replace(b"&", b"&amp;").replace(b"<", b"&lt;")
    with suppress(ContactSyncError):
        for member in members(Answer(207, {}, XML.replace(spot, text), "https://dav.example/book/")):
            assert isinstance(member.href, str)


@given(st.data())
def test_a_card(data: st.DataObject) -> None:
    lines = CARD.split("\r\n")
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(lines) - 1))
        name, _, value = lines[at].partition(":")
        odd = data.draw(ODD)
        lines[at] = data.draw(
            st.sampled_from([f"{name}:{odd}", f"{name}{odd}:{value}", f"{name};{odd}={odd}:{value}", ""])
        )
    translation = vcards.Translation("GB")
    card = translation.parse("\r\n".join(lines).encode("utf-8", "replace").decode())
    if card is not None:
        assert isinstance(card, VCard)
        translation.fields(card)
        translation.text(card)


@given(
    st.sampled_from(RULES),
    st.lists(
        st.tuples(st.sampled_from(PARTS), ODD | st.sampled_from(["0", "1", "-1", "MO", "5MO", "20270101"])),
        max_size=3,
    ),
    ODD | st.sampled_from(["Europe/Amsterdam", "UTC", "../etc/passwd"]),
)
def test_a_recurrence_rule(rule: str, more: list[tuple[str, str]], zone: str) -> None:
    text = ";".join([rule, *(f"{name}={value}" for name, value in more)])
    asked = recurrence.Schedule(datetime.fromisoformat("2026-11-23T06:30"), zone, text, None)
    if not recurrence.problems(asked):
        now = datetime(2026, 11, 22, tzinfo=UTC)
        upcoming = recurrence.next_run(asked, now)
        assert upcoming is None or upcoming > now
        recurrence.wake_up_cron(asked, now)
