"""Habits of Microsoft that the contract of all address books does not know. "Case NN" is a row of docs/two-way.md."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from contactsync.connectors.microsoft import ALL, MicrosoftConnector
from contactsync.connectors.microsoft_contact import Translation
from contactsync.errors import AccessLost, Busy, Conflict, CursorExpired
from contactsync.model.card import Changed, Draft, Edit, Missing, Refused, Unknown, Written
from tests.contract.book import made, pulled, written
from tests.contract.cards import ADA, FULL, NAMED, numbered, picture
from tests.fakes.graph import DEFAULT, GraphServer, failed
from tests.fakes.jsonserver import Mishap, Reply
from tests.support.outgoing import watching

CONTACTS = Translation("GB")


@pytest.fixture
def graph() -> Iterator[GraphServer]:
    with GraphServer() as server:
        yield server


def connector(graph: GraphServer) -> MicrosoftConnector:
    return MicrosoftConnector(lambda _: "token", country="GB", base=f"{graph.url}/v1.0")


@pytest.mark.parametrize(
    "forgotten",
    [
        (410, "SyncStateNotFound", ""),
        (410, "", ""),
        (400, "syncStateNotFound", ""),
        (404, "resyncRequired", ""),
        (400, "BadRequest", "SyncStateNotFound"),
        (400, "BadRequest", ""),
    ],
)
def test_a_dead_link_is_known_wherever_it_shows(graph, forgotten):
    """Case 2."""
    cursor = pulled(connector(graph), ALL)[1].cursor
    graph.forgotten = forgotten
    graph.expire()
    with pytest.raises(CursorExpired):
        pulled(connector(graph), ALL, cursor)


def test_a_link_may_die_between_two_pages(graph, monkeypatch):
    """Case 2."""
    real = graph._delta

    def forgets(*args, **kwargs):
        reply = real(*args, **kwargs)
        graph.expire()
        return reply

    monkeypatch.setattr(graph, "_delta", forgets)
    with pytest.raises(CursorExpired):
        pulled(connector(graph), ALL)


@pytest.mark.parametrize(
    "elsewhere", ["http://127.0.0.2:1/delta", "http://{}/v1.0/me/contactFolders/contacts/contacts/delta"]
)
def test_a_dead_link_s_way_out_is_not_needed(graph, elsewhere):
    """Case 2: everything is read anew, and no host that an error names is asked."""
    cursor = pulled(connector(graph), ALL)[1].cursor
    graph.elsewhere = elsewhere.format(graph.url.removeprefix("http://"))
    graph.expire()
    with watching() as attempts:
        with pytest.raises(CursorExpired):
            pulled(connector(graph), ALL, cursor)
        assert set(attempts) == {("127.0.0.1", int(graph.url.rpartition(":")[2]))}


def test_lists_come_page_by_page(graph):
    ids = {graph.add({"displayName": str(number)}) for number in range(1_100)}
    book = connector(graph)
    cards, said = pulled(book, ALL)
    assert cards.keys() == ids
    for id_ in ids:
        graph.edit(id_, {"companyName": "Engines"})
    cards, said = pulled(book, ALL, said.cursor)
    assert {card.fields["organization"] for card in cards.values()} == {"Engines"}
    assert cards.keys() == ids
    assert not said.gone


def test_folders_lie_in_folders(graph):
    work = graph.add_folder("Work")
    clients = [graph.add_folder(f"Client {number}", inside=work) for number in range(130)]
    former = graph.add_folder("Former", inside=clients[-1])
    id_ = graph.add({"displayName": "Ada"}, former)
    names = {group.id: group.name for group in connector(graph).groups()}
    assert (names[work], names[former]) == ("Work", "Work/Client 129/Former")
    assert len(names) == 1 + 1 + 130 + 1
    assert pulled(connector(graph), ALL)[0].keys() == {id_}


def test_folders_come_page_by_page(graph):
    names = [f"Folder {number}" for number in range(230)]
    for name in names:
        graph.add_folder(name)
    id_ = graph.add({"displayName": "Ada"}, list(graph.folders)[-1])
    assert [group.name for group in connector(graph).groups()][1:] == names
    assert pulled(connector(graph), ALL)[0].keys() == {id_}


def test_a_list_that_tells_only_what_has_changed_empties_nothing(graph):
    graph.sparing = True
    card = made(connector(graph), FULL)
    cursor = pulled(connector(graph), ALL)[1].cursor
    graph.edit(card.id, {"jobTitle": "Programmer"})
    told, said = pulled(connector(graph), ALL, cursor)
    assert told[card.id].fields == {**card.fields, "job_title": "Programmer"}
    assert told[card.id].marker == card.marker
    graph.edit(card.id, {"companyName": None})
    assert "organization" not in pulled(connector(graph), ALL, said.cursor)[0][card.id].fields


@pytest.mark.parametrize("status", [403, 412, 500, 503])
def test_who_cannot_be_read_now_is_not_gone(graph, status):
    """412 has been seen for reads, for no reason."""
    card = made(connector(graph), ADA)
    cursor = pulled(connector(graph), ALL)[1].cursor
    graph.move(card.id, graph.add_folder("Friends"))
    for ask in (
        lambda book: book.read([card.id]),
        lambda book: pulled(book, DEFAULT, cursor),
        lambda book: book.find([card.marker]),
    ):
        graph.inner_statuses = [status]
        with pytest.raises(Busy):
            ask(connector(graph))
    assert connector(graph).read([card.id, "nobody"]).keys() == {card.id}


def test_a_throttled_read_says_how_long_to_wait(graph):
    """Case 24."""
    card = made(connector(graph), ADA)
    graph.inner_statuses = [429]
    with pytest.raises(Busy) as caught:
        connector(graph).read([card.id])
    assert caught.value.retry_after_s == 300


def test_never_more_than_four_requests_at_a_time(graph):
    """Case 24: each batch is one, and Outlook carries out four of its parts at a time by itself."""
    book = connector(graph)
    drafts = [Draft(f"m{n}", numbered(n)) for n in range(45)]
    assert all(isinstance(outcome, Written) for _, outcome in book.create(ALL, drafts))
    assert len(book.find([draft.marker for draft in drafts])) == 45
    assert graph.most_at_once == 1


def test_an_address_that_is_none_stays_where_it_is(graph):
    """It comes without its address, and so it cannot be ours."""
    odd = {"name": "The Countess", "address": "ask the butler"}
    good = {"name": "Ada", "address": "ada@example.com"}
    id_ = graph.add({"displayName": "Ada", "emailAddresses": [odd, good]})
    card = connector(graph).read([id_])[id_]
    assert card.fields["emails"] == [{"value": "ada@example.com"}]
    after = {**card.fields, "emails": [{"value": "countess@example.com"}]}
    [(_, outcome)] = connector(graph).update([Edit(card, after)])
    assert written(outcome).fields["emails"] == after["emails"]
    assert {"name": "The Countess"} in graph.contacts[id_]["emailAddresses"]


def test_who_moves_to_another_folder_is_not_deleted(graph):
    """Case 19."""
    friends = graph.add_folder("Friends")
    id_ = graph.add({"displayName": "Ada"})
    cursor = pulled(connector(graph), ALL)[1].cursor
    graph.move(id_, friends)
    cards, said = pulled(connector(graph), ALL, cursor)
    assert cards.keys() == {id_}
    assert not said.gone
    graph.move(id_, DEFAULT)
    graph.move(id_, friends)  # there and back vanishes from the list
    cards, said = pulled(connector(graph), ALL, said.cursor)
    assert cards.keys() == {id_}
    assert not said.gone


def test_who_is_deleted_is_gone_though_they_can_be_read(graph):
    """Case 19: with an immutable id, what lies in Deleted Items can be read, and is no contact of the book."""
    card = made(connector(graph), ADA)
    cursor = pulled(connector(graph), ALL)[1].cursor
    graph.remove(card.id)
    cards, said = pulled(connector(graph), ALL, cursor)
    assert (cards, said.gone) == ({}, (card.id,))
    assert connector(graph).read([card.id]) == {}
    assert [outcome for _, outcome in connector(graph).delete([card])] == [Missing()]
    assert card.id in graph.binned, "and it stays where its owner finds it"
    graph.restore(card.id)
    assert pulled(connector(graph), ALL, said.cursor)[0].keys() == {card.id}


@pytest.mark.parametrize("group", ["all", "category:Clients"])
def test_a_folder_that_is_deleted_takes_everybody_in_it_along(graph, group):
    """Its own link would not say so: the folder lies in Deleted Items with all that was in it, unchanged."""
    friends = graph.add_folder("Friends")
    id_ = graph.add({"displayName": "Ada", "categories": ["Clients"]}, friends)
    cards, said = pulled(connector(graph), group)
    assert cards.keys() == {id_}
    graph.remove_folder(friends)
    with pytest.raises(CursorExpired):
        pulled(connector(graph), group, said.cursor)
    assert pulled(connector(graph), group)[0] == connector(graph).read([id_]) == {}


def test_a_folder_that_is_followed_and_deleted_is_looked_for_again(graph):
    friends = graph.add_folder("Friends")
    cursor = pulled(connector(graph), friends)[1].cursor
    graph.remove_folder(friends)
    with pytest.raises(CursorExpired):
        pulled(connector(graph), friends, cursor)


def test_a_folder_that_comes_later_is_read_whole(graph):
    cursor = pulled(connector(graph), ALL)[1].cursor
    friends = graph.add_folder("Friends")
    id_ = graph.add({"displayName": "Ada"}, friends)
    assert pulled(connector(graph), ALL, cursor)[0].keys() == {id_}


def test_categories_are_groups_too(graph):
    """Case 37."""
    graph.categories = ["Clients"]
    book = connector(graph)
    [client] = [group.id for group in book.groups() if group.name == "Clients"]
    card = made(book, ADA, group=client)
    graph.add({"displayName": "Elsewhere"})
    cards, said = pulled(book, client)
    assert cards.keys() == {card.id}
    graph.edit(card.id, {"categories": []})
    assert pulled(book, client, said.cursor)[1].left == (card.id,)
    graph.categories = None
    assert [group.name for group in book.groups()] == ["All contacts"], (
        "and where we may not see them there are none"
    )


def test_numbers_keep_their_kind(graph):
    """Case 26."""
    phones = [
        {"value": f"+4420794600{n}", "text": f"020 7946 00{n}", **({"label": label} if label else {})}
        for n, label in enumerate(["", "mobile", "work", "home", "work fax", "home", "", "mobile"], 10)
    ]
    card = made(connector(graph), {**NAMED, "phones": phones})
    stored = graph.contacts[card.id]
    assert stored["businessPhones"] == ["020 7946 0012", "020 7946 0010"]
    assert stored["homePhones"] == ["020 7946 0013", "020 7946 0015"]
    assert stored["mobilePhone"] == "020 7946 0011"
    assert not any("0014" in str(value) for value in stored.values()), "a fax is no telephone"


def test_a_birthday_is_a_day_and_no_moment(graph):
    """Case 29: neither midnight nor noon moves it."""
    card = made(connector(graph), {**NAMED, "birthday": "1815-12-10"})
    assert graph.contacts[card.id]["birthday"] == "1815-12-10T12:00:00Z"
    for shown in ("1815-12-10T00:00:00Z", "1815-12-10T11:59:00Z", "1815-12-10T23:59:59Z"):
        assert CONTACTS.fields({"birthday": shown})["birthday"] == "1815-12-10"


@pytest.mark.parametrize("shown", ["0001-01-01T00:00:00Z", "4501-01-01T00:00:00Z"])
def test_the_day_that_stands_for_none_is_no_birthday(shown):
    assert CONTACTS.fields({"birthday": shown}) == {}


def test_no_year_is_invented(graph):
    """Case 28: a birthday without one is not written, and one that says 1604 has none."""
    card = made(connector(graph), {**NAMED, "birthday": "--02-29"})
    assert not graph.contacts[card.id].get("birthday")
    assert CONTACTS.fields({"birthday": "1604-02-29T00:00:00Z"}) == {"birthday": "--02-29"}


def test_a_birthday_without_a_year_that_is_there_stays(graph):
    """Case 28."""
    id_ = graph.add({"displayName": "Ada", "birthday": "1604-02-29T12:00:00Z"})
    card = connector(graph).read([id_])[id_]
    [(_, outcome)] = connector(graph).update([Edit(card, {"name": "Ada", "notes": "new"})])
    assert written(outcome).fields["notes"] == "new"
    assert graph.contacts[id_]["birthday"] == "1604-02-29T12:00:00Z"


def test_the_display_name_goes_with_every_change(graph):
    """Case 39."""
    id_ = graph.add({"displayName": "The Countess", "givenName": "Ada", "surname": "Lovelace"})
    card = connector(graph).read([id_])[id_]
    [(_, outcome)] = connector(graph).update([Edit(card, {**card.fields, "job_title": "Programmer"})])
    assert written(outcome).fields["name"] == "The Countess"
    assert graph.contacts[id_]["displayName"] == "The Countess"


def test_the_name_beside_an_address_is_no_change(graph):
    """Case 39."""
    id_ = graph.add(
        {"displayName": "Ada", "emailAddresses": [{"name": "Countess (Org)", "address": "ada@example.com"}]}
    )
    card = connector(graph).read([id_])[id_]
    calls = len(graph.calls)
    [(_, outcome)] = connector(graph).update([Edit(card, {**card.fields})])
    assert outcome == Written(card)
    assert all("PATCH" not in str(call.body) for call in graph.calls[calls:])


def test_the_name_beside_an_address_that_stays_stays_with_it(graph):
    """Outlook shows it in place of the address."""
    named = {"name": "The Countess", "address": "ada@example.com"}
    id_ = graph.add({"displayName": "Ada", "emailAddresses": [named]})
    card = connector(graph).read([id_])[id_]
    after = {**card.fields, "emails": [{"value": "new@example.com"}, *card.fields["emails"]]}
    [(_, outcome)] = connector(graph).update([Edit(card, after)])
    assert written(outcome).fields == after
    new = {"name": "new@example.com", "address": "new@example.com"}
    assert graph.contacts[id_]["emailAddresses"] == [new, named]


def test_a_home_page_that_is_none_stays(graph):
    """Its place is taken, as that of a number that is none."""
    id_ = graph.add({"displayName": "Ada", "businessHomePage": "see the intranet"})
    card = connector(graph).read([id_])[id_]
    after = {**card.fields, "notes": "new", "urls": [{"value": "https://example.com"}]}
    [(_, outcome)] = connector(graph).update([Edit(card, after)])
    assert "urls" not in written(outcome).fields
    assert graph.contacts[id_]["businessHomePage"] == "see the intranet"
    assert graph.contacts[id_]["personalNotes"] == "new"


def test_a_throttled_part_of_a_batch_was_not_carried_out(graph):
    """Case 24."""
    graph.inner_statuses = [200, 429, 500]
    outcomes = [
        outcome
        for _, outcome in connector(graph).create(ALL, [Draft(f"m{n}", numbered(n)) for n in range(4)])
    ]
    assert [type(outcome) for outcome in outcomes] == [Written, Changed, Unknown, Written]


def test_a_lost_batch_is_unknown_as_a_whole_and_found(graph):
    """Case 5."""
    graph.mishaps.append(Mishap.LOST)
    drafts = [Draft(f"it's {n}", numbered(n)) for n in range(20)]
    assert [outcome for _, outcome in connector(graph).create(ALL, drafts)] == [Unknown()] * 20
    assert len(connector(graph).find([draft.marker for draft in drafts])) == 20


def test_a_list_does_not_tell_of_pictures(graph):
    """Case 33: a look at the card does."""
    card = made(connector(graph), ADA)
    card = written(connector(graph).put_photo(card, picture()))
    assert card.photo
    assert pulled(connector(graph), ALL)[0][card.id].photo is None
    assert connector(graph).read([card.id])[card.id].photo == card.photo


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_private_mailbox_has_no_pictures_and_all_else(graph, status):
    graph.without_photos = status
    card = made(connector(graph), ADA)
    assert connector(graph).read([card.id]) == {card.id: card}
    assert connector(graph).photo(card) is None
    assert isinstance(connector(graph).put_photo(card, picture()), Refused | Missing)


def test_an_idle_book_costs_two_requests(graph):
    made(connector(graph), FULL)
    cursor = pulled(connector(graph), ALL)[1].cursor
    idle = connector(graph)
    assert pulled(idle, ALL, cursor)[0] == {}
    assert idle.requests == 2


@pytest.mark.parametrize("error", ["away", None, ["away"], {}])
def test_an_answer_in_a_batch_that_frames_its_error_otherwise_is_no_bug_of_ours(graph, monkeypatch, error):
    book = connector(graph)
    card = made(book, ADA)
    monkeypatch.setattr(graph, "_contact", lambda *_: Reply(502, {"error": error}))
    with pytest.raises(Busy):
        book.read([card.id])
    monkeypatch.setattr(graph, "_contact", lambda *_: Reply(400, {"error": error}))
    with pytest.raises(Busy):
        book.read([card.id])


@pytest.mark.parametrize("code", ["ErrorAccessDenied", "accessDenied", "Authorization_RequestDenied"])
def test_who_may_not_be_read_any_more_is_asked_again(graph, code):
    """Case 46."""
    graph.refusals.append(failed(403, code, "Access is denied."))
    with pytest.raises(AccessLost, match="not to the contacts"):
        pulled(connector(graph), DEFAULT)


def test_an_account_without_a_mailbox_is_told_so_and_nobody_is_gone(graph):
    """One can sign in without a licence, or with a mailbox on a server of one's own. Each of its contacts is "not found"."""
    book = connector(graph)
    card = made(book, ADA)
    cursor = pulled(book, ALL)[1].cursor
    graph.without_mailbox = True
    for looks in (
        book.groups,
        lambda: pulled(book, ALL),
        lambda: pulled(book, DEFAULT, cursor),
        lambda: book.read([card.id]),
        lambda: list(book.delete([card])),
    ):
        with pytest.raises(Conflict, match="no mailbox"):
            looks()
