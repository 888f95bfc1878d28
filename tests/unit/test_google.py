"""Habits of Google that the contract of all address books does not know. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from contactsync.adapters.memory import ManualClock
from contactsync.connectors.google import ALL, GoogleConnector
from contactsync.connectors.google_person import Translation, whole
from contactsync.errors import CursorExpired
from contactsync.model.card import Changed, Draft, Edit, Refused, Unknown, Written
from contactsync.ports import Connector
from tests.contract.book import made, pulled, written
from tests.contract.cards import ADA, FULL, NAMED, numbered
from tests.fakes.jsonserver import Mishap
from tests.fakes.people import PeopleServer
from tests.portraits import portrait

PERSONS = Translation("GB")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def google(clock: ManualClock) -> Iterator[PeopleServer]:
    with PeopleServer(clock) as server:
        yield server


def connector(google: PeopleServer) -> GoogleConnector:
    return GoogleConnector(lambda _: "token", country="GB", base=google.url)


def only(book: Connector):
    [card] = pulled(book, ALL)[0].values()
    return card


@pytest.mark.parametrize("code", [400, 410])
def test_a_dead_token_is_known_by_its_reason(google, code):
    """Case 1: whichever status it comes with."""
    google.expired_code = code
    cursor = pulled(connector(google), ALL)[1].cursor
    google.expire()
    with pytest.raises(CursorExpired):
        pulled(connector(google), ALL, cursor)


def test_a_token_dies_after_seven_days(google, clock):
    """Case 1."""
    cursor = pulled(connector(google), ALL)[1].cursor
    clock.advance(timedelta(days=7, seconds=1))
    with pytest.raises(CursorExpired):
        pulled(connector(google), ALL, cursor)


def test_a_cursor_of_another_mask_is_worth_nothing(google):
    """Case 21."""
    cursor = pulled(connector(google), ALL)[1].cursor
    with pytest.raises(CursorExpired):
        pulled(connector(google), ALL, f"another:{cursor.partition(':')[2]}")
    assert len(google.calls) == 1, "Google is not even asked"


def test_a_whole_batch_may_be_lost_and_is_found_later(google, clock):
    """Case 5."""
    google.mishaps.append(Mishap.LOST)
    drafts = [Draft(f"m{n}", numbered(n)) for n in range(150)]
    outcomes = [outcome for _, outcome in connector(google).create(ALL, drafts)]
    assert outcomes == [Unknown()] * 150
    assert connector(google).find(["m7"]) == {}, "case 10: lists lag behind"
    clock.advance(google.lag)
    assert len(connector(google).find([draft.marker for draft in drafts])) == 150


def test_one_bad_contact_does_not_keep_the_others_out(google, monkeypatch):
    monkeypatch.setattr(
        "tests.fakes.people._is_misshapen",
        lambda person: any(name.get("familyName") == "2" for name in person["names"]),
    )
    drafts = [Draft(f"m{n}", numbered(n)) for n in range(4)]
    outcomes = {draft.marker: type(outcome) for draft, outcome in connector(google).create(ALL, drafts)}
    assert outcomes == {"m0": Written, "m1": Written, "m2": Refused, "m3": Written}


def test_a_full_book_takes_no_more_and_says_so(google):
    """Case 47."""
    google.capacity = 1
    made(connector(google), ADA)
    [(_, outcome)] = connector(google).create(ALL, [Draft("m", NAMED)])
    assert isinstance(outcome, Refused)
    assert outcome.code == "book_full"


def test_a_profile_s_values_are_not_the_contact_s(google, clock):
    """Case 34."""
    id_ = google.add(PERSONS.person(ADA))
    own_shown = google._shown

    def shown(id_, person, mask):
        answer = own_shown(id_, person, mask)
        profile = {"metadata": {"source": {"type": "PROFILE"}, "primary": True}}
        answer["emailAddresses"].insert(0, {"value": "profile@example.com", **profile})
        return answer

    google._shown = shown
    clock.advance(google.lag)
    card = only(connector(google))
    assert card.fields["emails"] == ADA["emails"]
    [(_, outcome)] = connector(google).update([Edit(card, {**ADA, "emails": ADA["emails"][:1]})])
    assert written(outcome).fields["emails"] == ADA["emails"][:1]
    assert [item["value"] for item in google.persons[id_]["emailAddresses"]] == ["ada@example.com"]


def test_only_what_changes_is_sent_and_what_we_cannot_read_goes_along(google, clock):
    """Case 38: a mask replaces a list as a whole."""
    phones = [{"value": "020 7946 0018", "type": "work"}, {"value": "ask at the desk", "type": "other"}]
    jobs = [{"name": "Engines", "title": "Countess"}, {"name": "Royal Society", "current": True}]
    id_ = google.add({**PERSONS.person(NAMED), "phoneNumbers": phones, "organizations": jobs})
    clock.advance(google.lag)
    book = connector(google)
    card = only(book)
    assert [phone["value"] for phone in card.fields["phones"]] == ["+442079460018"]
    after = {
        **card.fields,
        "job_title": "Programmer",
        "phones": [{"value": "+442079460019", "label": "home"}],
    }
    [(_, outcome)] = book.update([Edit(card, after)])
    assert written(outcome).fields == after | {"phones": [{"text": "+442079460019", **after["phones"][0]}]}
    sent = google.calls[-1].one("updatePersonFields").split(",")
    assert sent == ["phoneNumbers", "organizations"]
    assert google.persons[id_]["phoneNumbers"] == [{"value": "+442079460019", "type": "home"}, phones[1]]
    assert google.persons[id_]["organizations"] == [{"name": "Engines", "title": "Programmer"}, jobs[1]]


def test_an_etag_that_differs_for_no_reason_is_tried_once_more(google, clock):
    """Case 9: seen in tight loops."""
    card = made(connector(google), ADA)
    real, refusals = google._update, [1]

    def spurious(call, id_):
        from tests.fakes.people import OUTRUN

        return OUTRUN if refusals and refusals.pop() else real(call, id_)

    google._update = spurious
    [(_, outcome)] = connector(google).update([Edit(card, FULL)])
    assert written(outcome).fields == connector(google).held(FULL)
    refusals.extend([1, 1])
    [(_, outcome)] = connector(google).update([Edit(written(outcome), NAMED)])
    assert outcome == Changed()


def test_a_name_without_parts_gets_none_from_google(google):
    """Google takes a whole name apart by itself; what it guesses is not read as ours."""
    card = made(connector(google), {"name": "Analytical Engines Ltd"})
    assert card.fields == {"name": "Analytical Engines Ltd"}
    google.edit(card.id, {"names": [{"givenName": "Ada", "familyName": "Lovelace"}]})
    assert connector(google).read([card.id])[card.id].fields == NAMED


def test_a_birthday_without_a_year_keeps_none(google):
    """Case 28."""
    card = made(connector(google), {**NAMED, "birthday": "--02-29"})
    assert google.persons[card.id]["birthdays"] == [{"date": {"year": 0, "month": 2, "day": 29}}]
    assert card.fields["birthday"] == "--02-29"


def test_a_generated_picture_is_none(google):
    """Case 31."""
    card = made(connector(google), ADA)
    assert card.photo == ""
    assert connector(google).photo(card) is None


def test_a_profile_s_picture_is_not_the_contact_s(google):
    """Case 31."""
    card = made(connector(google), ADA)
    google.picture(card.id, portrait(1), profile=True)
    assert connector(google).read([card.id])[card.id].photo == ""
    assert connector(google).photo(card) is None


def test_a_picture_is_asked_for_as_large_as_google_has_it(google):
    """Case 31: the address in the list is that of a small copy."""
    card = made(connector(google), ADA)
    google.picture(card.id, portrait(1, edge=400))
    assert connector(google).photo(card) == portrait(1, edge=400)


@pytest.mark.parametrize(
    ("listed", "asked"),
    [
        ("https://lh3.example/contacts/AbC=s100", "https://lh3.example/contacts/AbC=s720"),
        ("https://lh3.example/AbC=s100-c", "https://lh3.example/AbC=s720"),
        ("https://lh3.example/AbC=w40-h40-p", "https://lh3.example/AbC=s720"),
        ("https://lh3.example/AAE/s100/photo.jpg", "https://lh3.example/AAE/s100/photo.jpg?sz=720"),
        ("https://lh3.example/photo.jpg?v=1", "https://lh3.example/photo.jpg?v=1&sz=720"),
    ],
)
def test_both_ways_in_which_google_names_sizes(listed, asked):
    assert whole(listed) == asked


def test_labels_are_ours_to_choose_and_google_s_old_groups_are_not(google):
    """Case 36."""
    label = google.add_group("Clients")
    groups = {group.id: group.name for group in connector(google).groups()}
    assert groups == {ALL: "All contacts", "contactGroups/starred": "Starred", label: "Clients"}


def test_requests_for_a_book_of_25_000(google, clock):
    for number in range(25_000):
        google.add({"names": [{"givenName": "Person", "familyName": str(number)}]})
    clock.advance(google.lag)
    first = connector(google)
    cards, said = pulled(first, ALL)
    assert len(cards) == 25_000
    some = list(cards)[:50]
    idle, busy = connector(google), connector(google)
    assert pulled(idle, ALL, said.cursor)[0] == {}
    for id_ in some:
        google.edit(id_, {"nicknames": [{"value": "Nick"}]})
    clock.advance(google.lag)
    assert pulled(busy, ALL, said.cursor)[0].keys() == set(some)
    print(f"\nrequests: first pull {first.requests}, idle {idle.requests}, 50 changes {busy.requests}")
    assert first.requests <= 30
    assert idle.requests <= 2
    assert busy.requests <= 2
