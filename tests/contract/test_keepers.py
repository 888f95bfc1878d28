"""The keeper's and the discoverer's contracts: in this process, and by the functions Connect and Discover."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import parse_qs

import pytest

from contactsync import bootstrap
from contactsync.adapters.keeper import LambdaDiscoverer, LambdaKeeper
from contactsync.errors import AccessLost, Busy, Conflict, NotFound, PlanLimit, SourceAway, UnreadableFile
from contactsync.model.connection import Connection
from contactsync.model.lending import Discovering, Errand, Kept, digest_of_token
from contactsync.ports import Discoverer, Keeper
from functions.connect import handler as connect
from functions.discover import handler as discover
from tests.contract.invoked import Lambda
from tests.fakes.authority import AuthorityServer
from tests.fakes.people import PeopleServer
from tests.fakes.radicale import DavPerson, Radicale
from tests.support.connecting import Servers, authority, consent, known
from tests.support.world import World

BOOK = "c0193f1a7c9d2f4b6a8c0e1d2"


class KeeperContract:
    """Laws of `ports.Keeper`. Backends give `keeper`, which keeps the books of `world`."""

    @pytest.fixture
    def google(self) -> Iterator[AuthorityServer]:
        with authority() as server:
            yield server

    @pytest.fixture
    def world(self, google: AuthorityServer) -> Iterator[World]:
        world = World()
        with PeopleServer(world.clock) as people:
            people.tokens = cast("set[str]", google.access_tokens.keys())
            world.know(known(google=google), {"google": people.url})
            yield world

    @pytest.fixture
    def begun(self, world: World) -> Connection:
        """A connection for which its person is still to sign in."""
        connection = Connection(
            id=BOOK,
            account_id=world.account.account_id,
            provider="google",
            member_id=world.account.member_id,
            created_at=world.clock.now().isoformat(),
        )
        world.control.begin_connection(connection, world.clock.now())
        return connection

    @pytest.fixture
    def connected(self, keeper: Keeper, begun: Connection) -> Connection:
        completed(keeper, begun)
        return begun

    def test_who_signs_in_lends_access_to_their_book(self, keeper, begun, google):
        kept = completed(keeper, begun)
        assert (kept.account_id, kept.connection_id) == (begun.account_id, begun.id)
        lent = keeper.keep(errand(begun, "access"))
        assert lent.token in google.access_tokens
        assert 0 < lent.expires_in_s <= google.lifetime_s

    def test_a_token_that_was_refused_is_not_lent_again(self, keeper, connected, google):
        first = keeper.keep(errand(connected, "access")).token
        assert keeper.keep(errand(connected, "access")).token == first
        second = keeper.keep(errand(connected, "access", refused=digest_of_token(first))).token
        assert second != first
        assert second in google.access_tokens

    def test_the_groups_of_a_book_are_told(self, keeper, connected):
        assert keeper.keep(errand(connected, "groups")).groups

    def test_a_connection_that_there_is_not_is_not_found(self, keeper, begun):
        nobody = begun.model_copy(update={"id": "c0193f1a7c9d2f4b6a8c0e1d3"})
        for wants in ("sign_in", "access", "groups", "disconnect"):
            with pytest.raises(NotFound):
                keeper.keep(errand(nobody, wants))

    def test_a_book_that_was_given_back_does_not_open(self, keeper, connected, google):
        keeper.keep(errand(connected, "disconnect"))
        assert len(google.revoked) == 1
        for wants in ("access", "groups"):
            with pytest.raises(AccessLost) as caught:
                keeper.keep(errand(connected, wants))
            assert caught.value.code == "not_connected"
            assert "POST /v1/connections" in caught.value.detail

    def test_access_that_was_withdrawn_is_lost_and_the_connection_says_so(
        self, keeper, connected, google, world
    ):
        token = keeper.keep(errand(connected, "access")).token
        google.withdraw()
        with pytest.raises(AccessLost) as caught:
            keeper.keep(errand(connected, "access", refused=digest_of_token(token)))
        assert caught.value.code == "access_lost"
        assert world.control.connection(connected.account_id, connected.id).value.state == "lost"

    def test_a_sign_in_is_good_for_once(self, keeper, begun):
        with pytest.raises(Conflict) as caught:
            keeper.keep(Errand(wants="complete", state="another", code="1"))
        assert caught.value.code == "sign_in_over"
        completed(keeper, begun)
        with pytest.raises(Conflict):
            keeper.keep(Errand(wants="complete", state="state-1", code="1"))

    def test_a_person_who_does_not_agree_connects_nothing(self, keeper, begun):
        keeper.keep(errand(begun, "sign_in", state="state-1"))
        with pytest.raises(Conflict) as caught:
            keeper.keep(Errand(wants="complete", state="state-1", refusal="access_denied"))
        assert (caught.value.code, caught.value.status) == ("sign_in_refused", 409)

    def test_one_book_more_than_the_plan_has_is_not_connected(self, keeper, begun, world):
        world.limit(connections=0)
        with pytest.raises(PlanLimit) as caught:
            completed(keeper, begun)
        assert caught.value.code == "plan_limit"

    def test_a_provider_that_is_away_takes_no_access_from_anybody(self, keeper, connected, google, world):
        token = keeper.keep(errand(connected, "access")).token
        google.down = True
        with pytest.raises(SourceAway, match="sign-in service is away"):
            keeper.keep(errand(connected, "access", refused=digest_of_token(token)))
        assert world.control.connection(connected.account_id, connected.id).value.state == "active"

    def test_nothing_that_was_lent_is_logged_or_shown(self, keeper, begun, google, caplog):
        caplog.set_level(logging.DEBUG)
        completed(keeper, begun)
        lent = keeper.keep(errand(begun, "access"))
        told = caplog.text + repr(lent)
        assert [secret for secret in (*google.access_tokens, *google.refresh_tokens) if secret in told] == []


def errand(connection: Connection, wants: Any, **more: str) -> Errand:
    """An errand about one connection."""
    return Errand(wants=wants, account_id=connection.account_id, connection_id=connection.id, **more)


def completed(keeper: Keeper, begun: Connection) -> Kept:
    """The person signs in, and comes back."""
    url = keeper.keep(errand(begun, "sign_in", state="state-1")).authorize_url
    [code] = parse_qs(consent(url))["code"]
    return keeper.keep(Errand(wants="complete", state="state-1", code=code))


class TestKeeping(KeeperContract):
    @pytest.fixture
    def keeper(self, world: World) -> Keeper:
        return world.keeper


class TestConnect(KeeperContract):
    @pytest.fixture
    def service(self) -> Lambda:
        return Lambda("connect", connect.lambda_handler)

    @pytest.fixture
    def keeper(self, world: World, service: Lambda, monkeypatch: pytest.MonkeyPatch) -> Keeper:
        monkeypatch.setattr(bootstrap, "keeping", lambda: world.keeper)
        return LambdaKeeper("connect", service.client)

    def test_our_own_services_being_busy_is_not_the_provider(self, keeper, service, begun):
        service.answer = {"errorType": "Busy", "errorMessage": "Decrypt failed with ThrottlingException."}
        with pytest.raises(Busy) as caught:
            keeper.keep(errand(begun, "access"))
        assert not isinstance(caught.value, SourceAway)
        service.refuses = "TooManyRequestsException"
        with pytest.raises(Busy):
            keeper.keep(errand(begun, "access"))

    def test_what_it_breaks_on_is_our_bug_and_its_words_stay_there(self, keeper, service, begun):
        service.answer = {"errorType": "Bug", "errorMessage": "internal error rt-1234"}
        with pytest.raises(RuntimeError) as caught:
            keeper.keep(errand(begun, "access"))
        assert "rt-1234" not in str(caught.value)


class DiscovererContract:
    """Laws of `ports.Discoverer`. Backends give `discoverer`."""

    @pytest.fixture
    def servers(self, radicale: Radicale) -> Servers:
        """Where one may go on this machine: Radicale, and a port at which nobody answers."""
        return Servers(radicale.port, 1024)

    @pytest.fixture
    def ann(self, radicale: Radicale) -> DavPerson:
        return radicale.person(f"ann-{uuid.uuid4().hex[:8]}", "Contacts", "Friends")

    def test_the_books_of_a_person_are_found(self, discoverer, ann):
        found = discoverer.discover(asked(ann))
        assert found.account_id == "a1"
        assert found.subject.endswith(f"/{ann.name}/")
        assert found.name == ann.name
        assert [group.name for group in found.groups] == ["All address books", "Contacts", "Friends"]

    def test_a_wrong_password_is_told_from_a_wrong_address(self, discoverer, ann):
        with pytest.raises(AccessLost):
            discoverer.discover(asked(ann, password="another"))

    def test_no_address_inside_is_gone_to(self, discoverer, ann):
        with pytest.raises(UnreadableFile) as caught:
            discoverer.discover(asked(ann, url="https://169.254.169.254/"))
        assert caught.value.code == "address_not_allowed"

    def test_a_server_that_does_not_answer_is_away(self, discoverer, ann):
        with pytest.raises(SourceAway):
            discoverer.discover(asked(ann, url="http://127.0.0.1:1024/"))

    def test_no_password_is_logged_or_shown(self, discoverer, ann, caplog):
        caplog.set_level(logging.DEBUG)
        told = repr(asked(ann)) + repr(discoverer.discover(asked(ann)))
        assert ann.password not in caplog.text + told


def asked(person: DavPerson, **changes: str) -> Discovering:
    """A person's server, as it is named to us."""
    named = {"url": person.server, "username": person.name, "password": person.password, **changes}
    return Discovering(account_id="a1", **named)


class TestDiscovered(DiscovererContract):
    @pytest.fixture
    def discoverer(self, servers: Servers) -> Discoverer:
        return servers


class TestDiscover(DiscovererContract):
    @pytest.fixture
    def service(self) -> Lambda:
        return Lambda("discover", discover.lambda_handler)

    @pytest.fixture
    def discoverer(self, servers: Servers, service: Lambda, monkeypatch: pytest.MonkeyPatch) -> Discoverer:
        monkeypatch.setattr(bootstrap, "discovery", lambda: servers.discover)
        return LambdaDiscoverer("discover", service.client)

    def test_one_that_runs_out_of_time_has_waited_for_the_server(self, discoverer, service, ann):
        service.answer = {
            "errorType": "Sandbox.Timedout",
            "errorMessage": "Task timed out after 20.00 seconds",
        }
        with pytest.raises(SourceAway, match="too long"):
            discoverer.discover(asked(ann))
