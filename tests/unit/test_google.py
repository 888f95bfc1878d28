"""Habits of Google that the contract of all address books does not know. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from contactsync.adapters.memory import ManualClock
from contactsync.connectors.calling import WAITS
from contactsync.connectors.google import ALL, GoogleConnector
from contactsync.connectors.google_person import Translation, whole
from contactsync.connectors.microsoft_contact import Translation as Contacts
from contactsync.errors import AccessLost, Busy, CursorExpired
from contactsync.model.card import Changed, Draft, Edit, Refused, Unknown, Written
from contactsync.ports import Connector
from tests.contract.book import made, pulled, written
from tests.contract.cards import ADA, FULL, NAMED, numbered
from tests.fakes.jsonserver import Mishap
from tests.fakes.people import EXPIRED, PeopleServer, failed
from tests.support.portraits import portrait

PERSONS = Translation("GB")
TYPES = ("workFax", "homeFax", "otherFax", "workMobile", "workPager", "mobile", "Hotline")


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


OLD = "Sync token is expired. Clear local cache and retry call without the sync token."


@pytest.mark.parametrize(
    "expired",
    [
        EXPIRED,
        failed(400, "FAILED_PRECONDITION", OLD, "EXPIRED_SYNC_TOKEN"),
        failed(410, "GONE", "Something else.", "EXPIRED_SYNC_TOKEN"),
        failed(400, "INVALID_ARGUMENT", OLD),
        failed(400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
    ],
    ids=["as documented", "another status", "gone", "words only", "no reason at all"],
)
def test_a_dead_token_is_known_by_its_reason(google, expired):
    """Case 1: whichever status it comes with; without a reason by its words, or because nothing else is there to refuse."""
    google.expired = expired
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


def test_who_is_missing_from_an_answer_was_made_perhaps(google, monkeypatch):
    """The answer has a place for each, with a status of its own, and need not tell the person."""
    real = google._batch_create

    def tells_less(call):
        reply = real(call)
        reply.document["createdPeople"][1] = {"httpStatusCode": 500, "status": {"code": 13}}
        return reply

    monkeypatch.setattr(google, "_batch_create", tells_less)
    drafts = [Draft(f"m{n}", numbered(n)) for n in range(3)]
    outcomes = [type(outcome) for _, outcome in connector(google).create(ALL, drafts)]
    assert outcomes == [Written, Unknown, Written]


def test_one_bad_contact_does_not_keep_the_others_out(google, monkeypatch):
    monkeypatch.setattr(
        "tests.fakes.people._is_misshapen",
        lambda person: any(name.get("familyName") == "2" for name in person["names"]),
    )
    drafts = [Draft(f"m{n}", numbered(n)) for n in range(4)]
    outcomes = {draft.marker: type(outcome) for draft, outcome in connector(google).create(ALL, drafts)}
    assert outcomes == {"m0": Written, "m1": Written, "m2": Refused, "m3": Written}


@pytest.mark.parametrize("full", [(400, "FAILED_PRECONDITION"), (429, "RESOURCE_EXHAUSTED")])
def test_a_full_book_takes_no_more_and_says_so(google, full):
    """Case 47: at once, for no patience makes room."""
    google.capacity, google.full = 1, full
    made(connector(google), ADA)
    [(_, outcome)] = connector(google).create(ALL, [Draft("m", NAMED)])
    assert isinstance(outcome, Refused)
    assert outcome.code == "book_full"
    assert [call.method for call in google.calls] == ["GET", "POST", "POST"]


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


def test_what_belongs_to_a_value_that_stays_is_sent_along(google, clock):
    """Case 38: how an address is shown, which country a place is in, how a name is spoken."""
    email = {"value": "ada@example.com", "type": "work", "displayName": "The Countess"}
    place = {"city": "London", "countryCode": "GB", "type": "home"}
    name = {"givenName": "Ada", "familyName": "Lovelace", "phoneticGivenName": "eida"}
    id_ = google.add({"names": [name], "emailAddresses": [email], "addresses": [place]})
    clock.advance(google.lag)
    book = connector(google)
    for changed in (
        {**NAMED, "name": "Lady Ada Lovelace", "prefix": "Lady"},
        {"name": "The Countess", "given_name": None, "family_name": None, "prefix": None},
    ):
        card = book.read([id_])[id_]
        fields = card.fields
        after = {
            **fields,
            **changed,
            "emails": [*fields["emails"], {"value": f"{len(fields['emails'])}@example.com"}],
            "addresses": [{"value": {"city": "Paris"}}, *fields["addresses"]],
        }
        [(_, outcome)] = book.update([Edit(card, {key: value for key, value in after.items() if value})])
        assert written(outcome).fields["name"] == changed["name"]
        stored = google.persons[id_]
        assert stored["names"][0]["phoneticGivenName"] == "eida"
        assert stored["emailAddresses"][0] == email
        assert stored["addresses"][-1] == place


def test_an_etag_that_differs_for_no_reason_is_tried_once_more(google, clock):
    """Case 9: seen in tight loops."""
    card = made(connector(google), ADA)
    google.spurious = 1
    [(_, outcome)] = connector(google).update([Edit(card, FULL)])
    assert written(outcome).fields == connector(google).held(FULL)
    google.spurious = 2
    [(_, outcome)] = connector(google).update([Edit(written(outcome), NAMED)])
    assert outcome == Changed()


def test_a_version_of_the_contact_alone_that_differs_is_a_change(google):
    """Case 9: Google has two versions of a person, and either may tell."""
    card = made(connector(google), ADA)
    google.persons[card.id]["source_etag"] = "#another"
    [(_, outcome)] = connector(google).update([Edit(card, FULL)])
    assert outcome == Changed()


def test_a_list_that_tells_a_hundred_values_cuts_nobody_short(google, clock):
    """Case 25: what a list leaves out was not deleted, and is not written back as if it had been."""
    emails = [{"value": f"ada{number}@example.com"} for number in range(120)]
    id_ = google.add({**PERSONS.person(NAMED), "emailAddresses": emails})
    clock.advance(google.lag)
    book = connector(google)
    cards, said = pulled(book, ALL)
    assert len(cards[id_].fields["emails"]) == 120
    [(_, outcome)] = book.update([Edit(cards[id_], {**cards[id_].fields, "emails": emails[1:]})])
    assert len(written(outcome).fields["emails"]) == len(google.persons[id_]["emailAddresses"]) == 119
    new = google.rename(id_)
    clock.advance(google.lag)
    [card] = pulled(book, ALL, said.cursor)[0].values()
    assert (card.id, card.former, len(card.fields["emails"])) == (new, (id_,), 119)


def test_who_has_another_name_and_another_group_has_left_under_the_former_one(google, clock):
    """Cases 17 and 18 at once: a single read does not tell former names, so this is the one moment to say so."""
    friends = google.add_group("Friends")
    id_ = google.add(PERSONS.person(ADA), friends)
    clock.advance(google.lag)
    book = connector(google)
    cards, said = pulled(book, friends)
    assert cards.keys() == {id_}
    new = google.rename(id_)
    google.edit(new, {"memberships": google.persons[new]["memberships"][:1]})
    clock.advance(google.lag)
    cards, said = pulled(book, friends, said.cursor)
    assert (cards, id_ in said.left, said.gone) == ({}, True, ())
    assert book.read([new])[new].former == ()


def test_who_cannot_be_read_now_is_not_gone(google):
    card = made(connector(google), ADA)
    google.inner_codes.append(503)
    with pytest.raises(Busy):
        connector(google).read([card.id])
    assert connector(google).read([card.id, "people/c0"]).keys() == {card.id}


def test_labels_come_page_by_page(google):
    names = [f"Label {number}" for number in range(1_100)]
    for name in names:
        google.add_group(name)
    assert [group.name for group in connector(google).groups()] == ["All contacts", "Starred", *names]


def test_a_list_of_everything_that_may_not_be_begun_yet_is_waited_for(google, monkeypatch):
    """The first page of one has a quota of its own, and no Retry-After."""
    waits: list[None] = []

    def at_once(*_: float) -> float:
        waits.append(None)
        return 0.0

    monkeypatch.setattr("contactsync.connectors.calling.random.uniform", at_once)
    google.full_lists = 0
    with pytest.raises(Busy):
        pulled(connector(google), ALL)
    assert len(waits) == WAITS
    google.full_lists = 1
    assert pulled(connector(google), ALL)[0] == {}


def test_a_quota_in_the_middle_of_a_list_loses_nothing(google, clock):
    """Case 24."""
    for number in range(1_500):
        google.add(PERSONS.person(numbered(number)))
    clock.advance(google.lag)
    google.refusals.extend([failed(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", retry_after_s=0)] * 2)
    assert len(pulled(connector(google), ALL)[0]) == 1_500
    google.quota = 1
    with pytest.raises(Busy):
        list(impatient(connector(google)).pull(ALL, ""))


def impatient(book: GoogleConnector) -> GoogleConnector:
    """One that is told to wait and does not."""
    book._calls._sleep = lambda _seconds: None
    return book


def test_writes_go_one_after_the_other(google):
    """Case 24: Google asks for that."""
    google.at_once_max = 1
    book = connector(google)
    cards = [
        written(outcome) for _, outcome in book.create(ALL, [Draft(f"m{n}", numbered(n)) for n in range(5)])
    ]
    outcomes = [outcome for _, outcome in book.update([Edit(card, NAMED) for card in cards])]
    assert all(isinstance(outcome, Written) for outcome in outcomes)
    assert google.most_at_once == 1


def test_a_name_without_parts_gets_none_from_google(google):
    """Google takes a whole name apart by itself; what it guesses is not read as ours."""
    card = made(connector(google), {"name": "Analytical Engines Ltd"})
    assert card.fields == {"name": "Analytical Engines Ltd"}
    google.edit(card.id, {"names": [{"givenName": "Ada", "familyName": "Lovelace"}]})
    assert connector(google).read([card.id])[card.id].fields == NAMED


def test_a_fax_is_one_in_other_books_as_well(google):
    """Case 26: as “workFax” it would have been put among Outlook's telephones."""
    phones = [{"value": f"020 7946 00{number}", "type": type_} for number, type_ in enumerate(TYPES, 10)]
    id_ = google.add({**PERSONS.person(NAMED), "phoneNumbers": phones})
    card = connector(google).read([id_])[id_]
    labels = [phone["label"] for phone in card.fields["phones"]]
    assert labels == ["work fax", "home fax", "other fax", "work mobile", "work pager", "mobile", "Hotline"]
    outlook = Contacts("GB").contact(card.fields)
    assert (outlook["businessPhones"], outlook["mobilePhone"]) == (["020 7946 0016"], "020 7946 0013")
    new = {"value": "+442079460009", "text": "020 7946 0009", "label": "Work fax"}
    [(_, outcome)] = connector(google).update(
        [Edit(card, {**card.fields, "phones": [new, *card.fields["phones"]]})]
    )
    assert written(outcome).fields["phones"] == [{**new, "label": "work fax"}, *card.fields["phones"]]
    stored = google.persons[id_]["phoneNumbers"]
    assert stored == [{"value": "020 7946 0009", "type": "workFax"}, *phones]


def test_a_birthday_without_a_year_keeps_none(google):
    """Case 28."""
    card = made(connector(google), {**NAMED, "birthday": "--02-29"})
    assert google.persons[card.id]["birthdays"] == [{"date": {"year": 0, "month": 2, "day": 29}}]
    assert card.fields["birthday"] == "--02-29"


def test_the_year_that_a_telephone_writes_for_none_is_none_and_stays_there(google):
    """Case 28."""
    day = [{"date": {"year": 1604, "month": 2, "day": 29}}]
    id_ = google.add({**PERSONS.person(NAMED), "birthdays": day})
    card = connector(google).read([id_])[id_]
    assert card.fields["birthday"] == "--02-29"
    [(_, outcome)] = connector(google).update([Edit(card, {**card.fields, "notes": "new"})])
    assert isinstance(outcome, Written)
    assert google.persons[id_]["birthdays"] == day


@pytest.mark.parametrize("year", [1, 4501])
def test_the_day_that_stands_for_none_is_no_birthday(year):
    assert PERSONS.fields({"birthdays": [{"date": {"year": year, "month": 1, "day": 1}}]}) == {}


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


@pytest.mark.parametrize("reason", ["ACCESS_TOKEN_SCOPE_INSUFFICIENT", ""])
def test_who_left_out_the_contacts_when_signing_in_is_asked_again(google, reason):
    """Case 46. Both were seen."""
    text = "Request had insufficient authentication scopes."
    google.refusals.append(failed(403, "PERMISSION_DENIED", text, reason))
    with pytest.raises(AccessLost, match="not to the contacts"):
        pulled(connector(google), ALL)


def test_an_app_that_may_not_ask_is_nobody_s_lost_access(google):
    google.refusals.append(failed(403, "PERMISSION_DENIED", "People API is disabled.", "SERVICE_DISABLED"))
    with pytest.raises(Busy):
        pulled(connector(google), ALL)
