"""A Google address book to connect without an account anywhere: its sign-in page and its People API under one address.

It is the server that the tests hold the connector against; here writes show at once. Whoever comes to its sign-in page
agrees. `/demo` shows the book, and `/demo?add=<name>` or `/demo?from=<name>&to=<name>` change it as its owner would.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import cast
from urllib.parse import parse_qsl, urlencode

import orjson

from contactsync.adapters.clock import SystemClock
from tests.fakes.authority import AuthorityServer, Person
from tests.fakes.jsonserver import Call, Reply
from tests.fakes.people import PeopleServer

CLIENT = "demo"
"""Both id and secret; they open nothing."""
PEOPLE = ("Emmy Noether", "Grace Hopper")
"""Who is in the book at first; of the second README.md has the contact list know already."""


class DemoBook(PeopleServer):
    """The book of ann@example.com. Begin with `with`; `url` is then where it is."""

    def __init__(self, redirect_uri: str) -> None:
        super().__init__(SystemClock(), lag=timedelta())
        self._authority = AuthorityServer(CLIENT, CLIENT, redirect_uri)
        self._authority.person = Person("demo-ann", "ann@example.com")
        self.tokens = cast("set[str]", self._authority.access_tokens.keys())
        self.parameters = {"GoogleClientId": CLIENT, "GoogleClientSecret": CLIENT}
        self.begin_anew()

    @property
    def variables(self) -> dict[str, str]:
        """Of the functions, that they take this for Google."""
        return {"GOOGLE_ELSEWHERE": self.url}

    @property
    def revoked(self) -> list[str]:
        """The tokens that were given back."""
        return self._authority.revoked

    def begin_anew(self) -> None:
        """Have those in the book who were there at first."""
        for all_of_it in (self.persons, self.events, self.sync_tokens, self.pages):
            all_of_it.clear()
        for name in PEOPLE:
            self._add(name)

    def respond(self, call: Call) -> Reply:
        """What a call gets."""
        self.calls.clear()  # nobody looks at them here, and a day of them is long
        self._authority.url = self.url
        match call.path:
            case "/authorize":
                return self._agreed({name: values[-1] for name, values in call.query.items()})
            case "/token" | "/revoke":
                return Reply(*self._authority.answer(call.path, dict(parse_qsl(call.body.decode()))))
            case "/demo":
                return self._owner(call)
        return super().respond(call)

    def _agreed(self, asked: dict[str, str]) -> Reply:
        if asked.get("redirect_uri") != self._authority.redirect_uri or asked.get("client_id") != CLIENT:
            return Reply(400, {"error": "redirect_uri_mismatch"})
        code = secrets.token_hex(8)
        self._authority.codes[code] = asked
        back = urlencode({"code": code, "state": asked.get("state", "")})
        return Reply(302, None, {"Location": f"{self._authority.redirect_uri}?{back}"})

    def _owner(self, call: Call) -> Reply:
        """The owner looks at the book, after changing it."""
        if call.one("add"):
            self._add(call.one("add"))
        for id_, person in list(self.persons.items()):
            if call.one("to") and _name(person) == call.one("from"):
                self.edit(id_, {"names": [{"givenName": call.one("to"), "displayName": call.one("to")}]})
        book = {"contacts": sorted(map(_name, self.persons.values()))}
        return Reply(200, raw=orjson.dumps(book, option=orjson.OPT_APPEND_NEWLINE))  # read in terminals

    def _add(self, name: str) -> None:
        given, _, family = name.partition(" ")
        parts = {"givenName": given, "familyName": family, "displayName": name}
        self.add({"names": [parts], "emailAddresses": [{"value": f"{given.lower()}@example.com"}]})


def _name(person: dict[str, object]) -> str:
    names = cast("list[dict[str, str]]", person.get("names") or [{}])
    parts = (names[0].get("givenName"), names[0].get("familyName"))
    whole = names[0].get("displayName") or names[0].get("unstructuredName")
    return whole or " ".join(filter(None, parts))
