"""Signing in at a provider, against an authority on loopback that is as strict as the real ones."""

from __future__ import annotations

import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from urllib.error import HTTPError
from urllib.parse import parse_qs, urlsplit

import pytest

from contactsync.connectors.oauth import App, Authority, OAuth, new_verifier
from contactsync.errors import AccessLost, Busy, Conflict, SourceAway
from tests.fakes.authority import AuthorityServer, Person

SCOPES = ("openid", "email", "contacts")


@pytest.fixture
def server() -> Iterator[AuthorityServer]:
    with AuthorityServer() as server:
        yield server


def oauth(server: AuthorityServer, **changed) -> OAuth:
    authority = Authority(
        authorize_url=f"{server.url}/auth",
        token_url=f"{server.url}/token",
        revoke_url=f"{server.url}/revoke",
        issuers=(server.url,),
        scopes=SCOPES,
        needed=("contacts",),
        parameters={"prompt": "consent"},
    )
    app = App(server.client_id, server.client_secret, server.redirect_uri)
    return OAuth(replace(authority, **changed), app)


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


def consent(url: str) -> dict[str, list[str]]:
    """What comes back with the person's browser."""
    try:
        urllib.request.build_opener(NoRedirect).open(url)
    except HTTPError as redirect:
        with redirect:
            if redirect.code == 302:
                return parse_qs(urlsplit(redirect.headers["Location"]).query)
            raise
    raise AssertionError("no redirect")


def signed_in(client: OAuth, verifier: str | None = None):
    verifier = verifier or new_verifier()
    back = consent(client.authorize_url(state="s", nonce="n", verifier=verifier))
    assert back["state"] == ["s"]
    return client.exchange(back["code"][0], verifier=verifier, nonce="n")


def test_a_person_lets_us_in_and_stays_known(server):
    grant = signed_in(oauth(server))
    assert (grant.subject, grant.name) == ("subject-1", "ann@example.com")
    assert grant.access_token in server.access_tokens
    again = oauth(server).refresh(grant.refresh_token)
    assert again.access_token in server.access_tokens
    assert again.refresh_token == grant.refresh_token, "this authority gives none anew"


def test_a_new_refresh_token_takes_the_place_of_the_old(server):
    server.rotates = True
    grant = signed_in(oauth(server))
    assert oauth(server).refresh(grant.refresh_token).refresh_token not in ("", grant.refresh_token)


def test_a_code_is_good_once_and_for_its_verifier_only(server):
    client, verifier = oauth(server), new_verifier()
    back = consent(client.authorize_url(state="s", nonce="n", verifier=verifier))
    with pytest.raises(Conflict, match="sign_in_failed"):
        client.exchange(back["code"][0], verifier=new_verifier(), nonce="n")
    with pytest.raises(Conflict, match="sign_in_failed"):
        client.exchange(back["code"][0], verifier=verifier, nonce="n")


@pytest.mark.parametrize("changed", [{"issuers": ("https://other.example",)}], ids=["from another issuer"])
def test_an_answer_that_is_not_for_this_sign_in_is_refused(server, changed):
    with pytest.raises(Conflict, match="does not belong"):
        signed_in(oauth(server, **changed))


def test_an_answer_to_another_sign_in_is_refused(server):
    client, verifier = oauth(server), new_verifier()
    back = consent(client.authorize_url(state="s", nonce="another", verifier=verifier))
    with pytest.raises(Conflict, match="does not belong"):
        client.exchange(back["code"][0], verifier=verifier, nonce="n")


def test_an_unticked_box_is_said(server):
    server.unticked = frozenset({"contacts"})
    with pytest.raises(Conflict, match="not_granted") as caught:
        signed_in(oauth(server))
    assert "boxes" in caught.value.detail


def test_withdrawn_is_told_from_away(server):
    """Case 46: the one needs the person, the other passes."""
    grant = signed_in(oauth(server))
    server.down = True
    with pytest.raises(SourceAway):
        oauth(server).refresh(grant.refresh_token)
    server.down = False
    server.withdraw()
    with pytest.raises(AccessLost) as caught:
        oauth(server).refresh(grant.refresh_token)
    assert "again" in caught.value.detail


@pytest.mark.parametrize("error", ["consent_required", "login_required", "interaction_required"])
def test_whatever_asks_for_the_person_is_a_lost_access(server, error):
    """An administrator has taken the consent back, or wants a second factor now. Waiting would help nobody."""
    grant = signed_in(oauth(server))
    server.microsoft, server.error = True, error
    with pytest.raises(AccessLost):
        oauth(server).refresh(grant.refresh_token)


def test_our_own_application_being_refused_is_told_from_away(server):
    """It is ours to mend, and nothing that a customer could ask anybody about."""
    client = oauth(server)
    grant = signed_in(client)
    server.client_secret = "another"
    with pytest.raises(Busy) as caught:
        client.refresh(grant.refresh_token)
    assert not isinstance(caught.value, SourceAway)


def test_who_signs_in_while_our_application_is_refused_is_not_sent_to_begin_again(server):
    """Client secrets expire. Whoever began again would come back to the same page for ever."""
    client, verifier = oauth(server), new_verifier()
    back = consent(client.authorize_url(state="s", nonce="n", verifier=verifier))
    server.client_secret = "another"
    with pytest.raises(Conflict, match="client secret"):
        client.exchange(back["code"][0], verifier=verifier, nonce="n")


def test_what_we_have_is_given_back(server):
    grant = signed_in(oauth(server))
    assert oauth(server).revoke(grant.refresh_token)
    assert server.revoked == [grant.refresh_token]
    assert not oauth(server, revoke_url=None).revoke(grant.refresh_token)


def test_no_secret_is_shown(server):
    server.person = Person("s", "bob@example.com")
    client, grant = oauth(server), signed_in(oauth(server))
    shown = repr([grant, client, App("id", "top-s3cret", "x")])
    assert not any(secret in shown for secret in (grant.access_token, grant.refresh_token, "top-s3cret"))
