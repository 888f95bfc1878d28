"""What somebody may try with a sign-in that is not theirs, and what an authority may answer (T15, T16).

Beside tests/unit/test_connections.py, where people sign in as they should.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest

from contactsync.connectors.oauth import App, OAuth
from contactsync.connectors.ways import AUTHORITIES, CALLBACK
from contactsync.control.connections import Connections
from contactsync.errors import Busy
from contactsync.journeys.account import accounts
from contactsync.model.lending import Errand
from tests.fakes.authority import AuthorityServer
from tests.fakes.people import PeopleServer
from tests.support.calling import ApiWorld, Client
from tests.support.connecting import PUBLIC, come_back, connected, consent, known, sign_in, state_of


@pytest.fixture
def people(world: ApiWorld) -> Iterator[PeopleServer]:
    with PeopleServer(world.clock) as server:
        yield server


@pytest.fixture(autouse=True)
def offered(world: ApiWorld, google: AuthorityServer, people: PeopleServer) -> None:
    world.know(known(google=google), {"google": people.url})


def begun(client: Client, **headers: str) -> tuple[str, str]:
    """The id of a connection that was begun, and the query with which its person comes back."""
    told = client.post("/connections", {"provider": "google"}, **headers).json
    return told["connection"]["id"], consent(told["authorize_url"])


def sealed(world: ApiWorld, account_id: str, connection_id: str) -> str:
    return world.control.connection(account_id, connection_id).value.sealed


# What we ask an authority for


def test_what_is_asked_for_is_bound_to_this_one_sign_in(api):
    asked = [
        parse_qs(urlsplit(api.post("/connections", {"provider": "google"}).json["authorize_url"]).query)
        for _ in range(2)
    ]
    for name in ("state", "nonce", "code_challenge"):
        one, other = (each[name][0] for each in asked)
        assert one != other
        assert len(one) >= 32
    for each in asked:
        assert each["redirect_uri"] == [f"{PUBLIC}{CALLBACK}"]
        assert (each["response_type"], each["code_challenge_method"]) == (["code"], ["S256"])
        assert not each.keys() & {"client_secret", "code_verifier"}


@pytest.mark.parametrize(
    ("provider", "issuer"),
    [
        ("google", "https://accounts.google.com.example.org"),
        ("google", "https://accounts.google.com/"),
        ("google", "https://ann@accounts.google.com"),
        ("google", "http://accounts.google.com"),
        ("google", "https://login.microsoftonline.com/t1/v2.0"),
        ("microsoft", "https://accounts.google.com"),
        ("microsoft", "https://login.microsoftonline.com/v2.0"),
        ("microsoft", "https://login.microsoftonline.com/a/b/v2.0"),
        ("microsoft", "https://login.microsoftonline.com/../v2.0"),
        ("microsoft", "https://loginXmicrosoftonline.com/t1/v2.0"),
        ("microsoft", "https://login.microsoftonline.com/t1/v2.0\n"),
    ],
)
def test_an_issuer_that_only_looks_like_the_authority_is_none(provider, issuer):
    client = OAuth(AUTHORITIES[provider], App("id", "secret", PUBLIC))
    assert not client.is_issuer(issuer)


@pytest.mark.parametrize(
    ("provider", "issuer"),
    [
        ("google", "https://accounts.google.com"),
        ("microsoft", "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
    ],
)
def test_the_authority_s_own_issuer_is_one(provider, issuer):
    assert OAuth(AUTHORITIES[provider], App("id", "secret", PUBLIC)).is_issuer(issuer)


# States


def test_a_state_is_not_stored(api, world):
    _, back = begun(api)
    assert parse_qs(back)["state"][0] not in str(list(world.records._stored.items()))


def test_of_two_who_come_back_at_once_one_is_let_in(api, google, monkeypatch):
    connection, back = begun(api)
    pages: list[str] = []
    exchange = OAuth.exchange

    def overtaken(client: OAuth, code: str, **told: str):
        if not pages:
            pages.append(come_back(api, back).text)
        return exchange(client, code, **told)

    monkeypatch.setattr(OAuth, "exchange", overtaken)
    assert "is connected" in come_back(api, back).text
    assert "is over" in pages[0]
    assert state_of(api, connection) == "active"


def test_of_two_who_take_up_a_state_at_once_one_has_it(api, world, monkeypatch):
    _, back = begun(api)
    state, now = parse_qs(back)["state"][0], world.clock.now()
    look = Connections.sign_in
    others: list[object] = []

    def overtaken(control: Connections, asked: str):
        found = look(control, asked)
        if not others:
            others.append(None)
            others[0] = control.take_sign_in(asked, now)
        return found

    monkeypatch.setattr(Connections, "sign_in", overtaken)
    assert world.control.take_sign_in(state, now) is None
    assert others[0] is not None


def test_an_old_answer_is_worth_nothing_when_the_request_is_sent_again(api):
    """The same request has the same state; its code has been spent, and its verifier is another one now."""
    connection, back = begun(api, key="k")
    come_back(api, back)
    begun(api, key="k")
    page = come_back(api, back).text
    assert "is connected" not in page
    assert state_of(api, connection) == "active"


def test_who_may_not_connect_any_more_connects_nothing(api, world):
    """Between the beginning and the end of the sign-in the permission is taken away."""
    told = api.post("/members", {"email": "two@example.com", "permissions": ["sync.google"]}).json
    account = world.account.__class__(world.account.account_id, told["id"], "")
    other = Client(world, account, ("sync.google",))
    connection, back = begun(other)
    api.patch(f"/members/{told['id']}", {"permissions": ["sync.microsoft"]})
    assert "is over" in come_back(other, back).text
    assert state_of(api, connection) == "pending"


def test_a_suspended_account_connects_nothing(api, world, google):
    connection, back = begun(api)
    accounts.suspend(world.control, world.account.account_id, world.clock.now())
    assert "is over" in come_back(api, back).text
    assert google.codes, "the code was sent"
    assert sealed(world, world.account.account_id, connection) == ""


# What an authority answers


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": ""},
        {"aud": "another-client"},
        {"aud": None},
        {"iss": "https://other.example"},
        {"nonce": None},
    ],
    ids=str,
)
def test_an_id_token_that_is_not_for_us_and_now_is_refused(api, google, claims):
    google.claims = claims
    assert "does not belong to this sign-in" in sign_in(api).text
    assert api.get("/connections").json["items"][0]["state"] == "pending"


@pytest.mark.parametrize("token", ["", "a", "a.b.c", "a.W10.c", "a.bnVsbA.c", None])
def test_an_id_token_that_cannot_be_read_is_refused(api, google, token):
    google.fields = {"id_token": token}
    assert "does not belong to this sign-in" in sign_in(api).text


def test_a_grant_that_cannot_be_renewed_is_refused(api, google):
    google.fields = {"refresh_token": None}
    assert "Not everything was granted" in sign_in(api).text


@pytest.mark.parametrize(
    "scope", ["https://graph.microsoft.com/Contacts.ReadWrite", "contacts.readwrite openid"]
)
def test_microsoft_s_names_of_scopes_are_known(scope):
    """They come in full, in short, and in any case."""
    with AuthorityServer(fields={"scope": scope}) as server:
        client = known(microsoft=server)["microsoft"]
        server.redirect_uri = f"{PUBLIC}{CALLBACK}"
        verifier = "v" * 43
        back = parse_qs(consent(client.authorize_url(state="s", nonce="n", verifier=verifier)))
        assert client.exchange(back["code"][0], verifier=verifier, nonce="n").subject == "subject-1"


@pytest.mark.parametrize("microsoft", [False, True])
@pytest.mark.parametrize(
    ("error", "state"),
    [
        ("invalid_grant", "lost"),
        ("interaction_required", "lost"),
        ("unauthorized_client", "lost"),
        ("invalid_client", "active"),
        ("invalid_request", "active"),
        ("temporarily_unavailable", "active"),
    ],
)
def test_only_what_the_person_has_to_mend_loses_access(api, world, google, error, state, microsoft):
    connection = connected(api)["id"]
    before = sealed(world, world.account.account_id, connection)
    world.know(known(google=google))
    google.error, google.microsoft = error, microsoft
    api.get(f"/connections/{connection}/groups")
    assert state_of(api, connection) == state
    assert sealed(world, world.account.account_id, connection) == before


@pytest.mark.parametrize(
    "fields",
    [{"refresh_token": None}, {"refresh_token": ""}, {"expires_in": "soon"}, {"expires_in": None}],
    ids=str,
)
def test_an_odd_answer_to_a_renewal_loses_nothing(api, world, google, fields):
    connection = connected(api)["id"]
    before = sealed(world, world.account.account_id, connection)
    world.know(known(google=google))
    google.fields = fields
    assert access(world, connection) in google.access_tokens
    assert sealed(world, world.account.account_id, connection) == before


def test_an_answer_without_a_token_is_no_access(api, world, google):
    connection = connected(api)["id"]
    world.know(known(google=google))
    google.fields = {"access_token": None}
    with pytest.raises(Busy):
        access(world, connection)
    assert state_of(api, connection) == "active"


def access(world: ApiWorld, connection_id: str) -> str:
    errand = Errand(wants="access", account_id=world.account.account_id, connection_id=connection_id)
    return world.keeper.keep(errand).token


# What lies in the table


def test_what_is_sealed_for_one_account_opens_no_other_s_book(api, stranger, world):
    places = []
    for client in (api, stranger):
        client_id = connected(client)["id"]
        places.append((client, client.account.account_id, client_id))
    kept = [sealed(world, account, connection) for _, account, connection in places]
    for (_, account, connection), other in zip(places, reversed(kept), strict=True):
        world.control.update_connection(
            account, connection, lambda each, other=other: each.model_copy(update={"sealed": other})
        )
    world.know(known())
    for client, _, connection in places:
        answer = client.get(f"/connections/{connection}/groups")
        assert (answer.status, answer.json["type"]) == (422, "/problems/access_lost")


def test_a_verifier_of_another_sign_in_does_not_open(api, stranger, world, google):
    """Two sign-ins whose sealed verifiers somebody has exchanged in the table."""
    backs = [begun(client) for client in (api, stranger)]
    states = [parse_qs(back)["state"][0] for _, back in backs]
    reads = [world.control.sign_in(state) for state in states]
    for state, mine, other in zip(states, reads, reversed(reads), strict=True):
        swapped = mine.value.model_copy(update={"verifier": other.value.verifier})
        world.control.store_sign_in(state, swapped, expected=mine.version)
    for client, (connection, back) in zip((api, stranger), backs, strict=True):
        assert "is over" in come_back(client, back).text
        assert state_of(client, connection) == "pending"
    assert len(google.codes) == 2, "a code was sent"


def test_a_process_that_dies_before_the_newer_token_is_kept_goes_on_with_the_older(
    api, world, google, monkeypatch
):
    """Microsoft's old refresh token lives on; what was not stored is as if it had not been given."""
    google.rotates = True
    connection = connected(api)["id"]
    world.know(known(google=google))

    def dies(*_: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(type(world.control), "update_connection", dies)
        with pytest.raises(SystemExit):
            access(world, connection)
    world.know(known(google=google))
    assert access(world, connection) in google.access_tokens
