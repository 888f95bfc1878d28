"""People who sign in by the identity provider: who is let in as whom, and who never is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from contactsync.errors import Busy
from functions.authorize import handler
from tests.support.calling import SHARED, Client
from tests.support.tokens import EC, OTHER_RSA, RSA, Signer, public
from tests.unit.test_api_authorize import event
from tests.unit.test_api_members import add


@pytest.fixture(autouse=True)
def _published(world):
    world.issuer.published = {"one": public(RSA, "one")}


@pytest.fixture
def sign(world):
    return Signer(world.clock.now()).token


def enter(token, account_id=None):
    before = f"{account_id}~" if account_id else ""
    return handler.lambda_handler(event(f"Bearer {before}{token}"), None)


def kept_out(token, account_id=None):
    with pytest.raises(Exception, match=r"\AUnauthorized\Z"):
        enter(token, account_id)
    return True


def test_a_member_signs_in_with_the_address_they_were_invited_by(api, sign):
    api.world.clock.advance(timedelta(seconds=1))
    answer = enter(sign(email="Owner@EXAMPLE.com"))
    assert answer["principalId"] == api.account.member_id
    assert answer["context"]["account_id"] == api.account.account_id
    assert answer["context"]["plan"] == "standard"
    assert "contacts.view" in answer["context"]["permissions"].split()
    assert answer["usageIdentifierKey"] == SHARED
    [owner] = api.get("/members").json["items"]
    assert owner["signed_in"]
    assert api.get("/account/audit").json["items"][0]["what"] == "member.signed_in"
    assert enter(sign())["principalId"] == api.account.member_id
    assert len(api.get("/account/audit").json["items"]) == 2, "bound once"


def test_once_bound_the_address_is_neither_needed_nor_enough(api, sign):
    enter(sign())
    assert enter(sign(email="moved@example.com"))["principalId"] == api.account.member_id
    assert enter(sign(email=None))["principalId"] == api.account.member_id
    assert kept_out(sign(sub="another", email="owner@example.com")), "the address went to somebody else"


def test_a_changed_address_takes_no_other_member_over(api, sign):
    """Who is bound as one member changes the address at the provider to another member's, who is bound as well."""
    second = add(api, "two@example.com", ["contacts.view"])
    enter(sign())
    assert enter(sign(sub="two", email="two@example.com"))["principalId"] == second["id"]
    assert enter(sign(sub="two", email="owner@example.com"))["principalId"] == second["id"]


@pytest.mark.parametrize(
    "changes",
    [{"email": "stranger@example.com"}, {"email_verified": False}, {"email": None}, {"iss": "https://evil"}],
)
def test_whoever_means_nobody_here_stays_out(sign, changes):
    assert kept_out(sign(**changes))


def test_a_member_of_several_accounts_says_which(api, stranger, sign):
    stranger.post("/members", {"email": "owner@example.com", "permissions": ["contacts.view"]})
    mine, theirs = api.account.account_id, stranger.account.account_id
    told = enter(sign())["context"]
    assert (told["refused"], told["accounts"]) == ("choose_account", ", ".join(sorted([mine, theirs])))
    assert enter(sign(), mine)["context"]["account_id"] == mine
    assert enter(sign(), theirs)["context"]["permissions"] == "contacts.view"
    assert kept_out(sign(), "a" + "0" * 24)
    context = api.event("GET", "/account")["requestContext"] | {"authorizer": told}
    answer = api.get("/account", requestContext=context)
    assert answer.problem == (403, "choose_account")
    assert mine in answer.json["detail"]


def test_an_invitation_by_a_stranger_keeps_nobody_out_of_their_own_account(api, stranger, sign):
    mine, theirs = api.account.account_id, stranger.account.account_id
    assert enter(sign())["context"]["account_id"] == mine
    stranger.post("/members", {"email": "owner@example.com", "permissions": ["contacts.view"]})
    assert enter(sign())["context"]["account_id"] == mine
    assert enter(sign(), theirs)["context"]["account_id"] == theirs
    assert enter(sign())["context"]["refused"] == "choose_account", "now they have been in both"


def test_nobody_enters_an_account_that_they_are_no_member_of(stranger, sign):
    assert kept_out(sign(), stranger.account.account_id)


def test_a_member_who_was_removed_stays_out(api, sign):
    second = add(api, "two@example.com")
    token = sign(sub="two", email="two@example.com")
    enter(token)
    api.delete(f"/members/{second['id']}")
    assert kept_out(token)
    again = add(api, "two@example.com")
    assert enter(token)["principalId"] == again["id"], "invited anew, bound anew"


def test_a_removed_member_s_permissions_are_not_those_of_the_token(api, sign):
    second = add(api, "two@example.com", ["contacts.view"])
    token = sign(sub="two", email="two@example.com", permissions="account.manage", scope="account.manage")
    assert enter(token)["context"]["permissions"] == "contacts.view"
    api.patch(f"/members/{second['id']}", {"permissions": []})
    assert enter(token)["context"]["permissions"] == ""


def test_a_suspended_account_says_so(api, sign):
    from contactsync.journeys.account import accounts

    accounts.suspend(api.world.control, api.account.account_id, api.world.clock.now())
    told = enter(sign())["context"]
    assert told["refused"] == "account_suspended"
    assert "permissions" not in told


# The provider's keys


def test_keys_are_asked_for_once_and_again_after_an_hour(world, sign):
    for _ in range(3):
        enter(sign())
    assert world.issuer.asked == 1
    world.clock.advance(timedelta(minutes=59))
    enter(Signer(world.clock.now()).token())
    assert world.issuer.asked == 1
    world.clock.advance(timedelta(minutes=1))
    enter(Signer(world.clock.now()).token())
    assert world.issuer.asked == 2


def test_a_new_key_is_found_and_the_old_one_dies_with_it(world, sign):
    enter(sign())
    world.issuer.published = {"two": public(OTHER_RSA, "two")}
    world.clock.advance(timedelta(minutes=1))
    new = Signer(world.clock.now(), key=OTHER_RSA, key_id="two")
    assert enter(new.token())
    assert kept_out(Signer(world.clock.now()).token())


def test_tokens_that_name_any_key_make_us_ask_once_a_minute(world, sign):
    enter(sign())
    for number in range(20):
        assert kept_out(Signer(world.clock.now(), key_id=f"k{number}").token())
    assert world.issuer.asked == 1
    world.clock.advance(timedelta(minutes=1))
    for name in ("../one", "one\x00", "' OR 1=1", "https://evil.example.com/key"):
        assert kept_out(Signer(world.clock.now(), key_id=name).token())
    assert world.issuer.asked == 2


def test_a_replaced_key_under_the_old_name_counts_within_the_hour(world, sign):
    enter(sign())
    world.issuer.published = {"one": public(EC, "one")}
    elliptic = Signer(world.clock.now(), key=EC, algorithm="ES256")
    assert kept_out(elliptic.token())
    world.clock.advance(timedelta(hours=1))
    assert enter(Signer(world.clock.now(), key=EC, algorithm="ES256").token())
    assert kept_out(Signer(world.clock.now()).token())


def test_when_the_provider_is_away_nobody_is_told_that_their_token_is_wrong(world, sign, monkeypatch):
    def away():
        raise Busy("away")

    monkeypatch.setattr(world.issuer, "keys", away)
    with pytest.raises(Busy):
        enter(sign())


def test_without_a_provider_a_token_is_as_good_as_none(world, sign):
    world.guests()._provider = None
    assert kept_out(sign())


def test_a_token_without_end_is_not_even_looked_at(world):
    huge = Signer(world.clock.now()).token(filler="x" * 100_000)
    assert kept_out(huge)
    assert kept_out("a." * 4000)
    assert world.issuer.asked == 0


def test_two_who_come_first_at_once_are_one(api, sign, monkeypatch):
    """Whoever binds second finds the member bound to the other, and stays out."""
    commit = api.world.records.commit
    met: list[int] = []

    def meanwhile(writes):
        if not met:
            met.append(1)
            enter(sign(sub="first"))
        commit(writes)

    monkeypatch.setattr(api.world.records, "commit", meanwhile)
    assert kept_out(sign(sub="second"))
    assert enter(sign(sub="first"))["principalId"] == api.account.member_id


def test_who_has_signed_in_is_a_caller_as_any_other(api, sign):
    add(api, "two@example.com", ["contacts.view"])
    told = enter(sign(sub="two", email="two@example.com"))["context"]
    account = type(api.account)(told["account_id"], told["member_id"], "")
    clerk = Client(api.world, account, tuple(told["permissions"].split()))
    assert clerk.get("/contacts").status == 200
    assert clerk.get("/syncs").problem == (403, "not_permitted")
