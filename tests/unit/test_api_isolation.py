"""One account and another's ids, in every place of every route where an id can stand: nothing told, nothing touched.

The cases are made from the table of routes, so a new route is tried without being named here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from contactsync.api.paging import PARAMETERS as PAGED
from contactsync.api.route import Route
from contactsync.api.routes import ROUTES
from tests.support.calling import ApiWorld, Client, served
from tests.support.holder import MAPPING, Holder

MISSING = "0" * 32
JSON = {"Content-Type": "application/json"}


class Case(NamedTuple):
    """A request that one account makes with another's ids, and the same with ids that nobody has."""

    method: str
    path: str
    like: str
    body: Any = None
    like_body: Any = None


class Two(NamedTuple):
    """Who asks, and whose ids they have."""

    mine: Holder
    theirs: Holder


@pytest.fixture(scope="module")
def two() -> Iterator[Two]:
    """Two accounts with two of everything each; what they ask changes nothing, so all tests share them."""
    with served(ApiWorld()) as world:
        mine, theirs = Client(world, world.account), Client(world, world.another_account())
        yield Two(Holder(mine, "mine"), Holder(theirs, "theirs"))


# The cases


def spellings(value: str) -> Iterator[str]:
    """An id, and what somebody may try with it."""
    yield value
    yield value.upper()
    yield value[:-1]
    yield value + "0"
    yield f"%2e%2e%2f{value}"
    yield f"{value}%00"
    yield f"{value}%2f..%2f{value}"


def path_of(route: Route, ids: dict[str, str]) -> str:
    return re.sub(r"<(\w+)>", lambda name: ids[name[1]], route.path)


def with_ids(route: Route, two: Two) -> Iterator[Case]:
    """Another's ids in the path: alone, beside one's own, of another kind, and bent."""
    names = re.findall(r"<(\w+)>", route.path)
    unknown = [name for name in names if name not in two.theirs.ids]
    assert unknown == [], f"{route.path}: give the accounts above some of these"
    own = {name: two.mine.ids[name][0] for name in names}
    body: Any = {} if route.method in ("POST", "PATCH") else None
    for name in names:
        like = path_of(route, {**own, name: MISSING})
        for values in two.theirs.ids.values():
            for value in values:
                for spelt in spellings(value):
                    yield Case(route.method, path_of(route, {**own, name: spelt}), like, body, body)
        for kind, values in two.mine.ids.items():
            if kind != name:
                yield Case(route.method, path_of(route, {**own, name: values[0]}), like, body, body)
    if len(names) > 1:
        theirs = {name: two.theirs.ids[name][0] for name in names}
        yield Case(route.method, path_of(route, theirs), path_of(route, dict.fromkeys(names, MISSING)))


def tokens(route: Route, two: Two) -> Iterator[str]:
    """Page tokens that are none of this listing: another's, of another listing, and one's own with a changed bit."""

    def token(holder: Holder, place: str) -> str | None:
        return holder.client.get(f"{place}?limit=1").json.get("next")  # type: ignore[no-any-return]

    place = path_of(route, {name: ids[0] for name, ids in two.mine.ids.items()})
    foreign = path_of(route, {name: ids[0] for name, ids in two.theirs.ids.items()})
    others = [
        token(two.theirs, foreign),
        *(token(two.mine, each) for each in ("/contacts", "/syncs") if each != place),
    ]
    yield from filter(None, others)
    mine = token(two.mine, place)
    if mine is not None:
        for at in range(len(mine)):
            yield mine[:at] + ("A" if mine[at] != "A" else "B") + mine[at + 1 :]
        yield from (mine[:-1], mine + "A", mine + "=", mine[4:], mine * 2)


def with_references(two: Two) -> Iterator[Case]:
    """Another's ids in bodies and filters."""
    own = two.mine.ids
    source = {"kind": "upload", "upload_id": two.mine.upload_ids[0]}
    sound = {"source": source, "mapping": MAPPING}

    def bodies(upload_id: str, segment: str, field: str) -> Iterator[tuple[str, str, Any]]:
        foreign = {"kind": "upload", "upload_id": upload_id}
        yield "POST", "/previews", {"source": foreign}
        yield "PATCH", f"/syncs/{own['sync_id'][0]}", {"source": foreign}
        yield "POST", f"/syncs/{own['sync_id'][0]}/runs", {"upload_id": upload_id}
        yield "POST", "/contacts", {"fields": {field: "x"}}
        yield "POST", "/contacts", {"fields": {"name": "x"}, "segments": [segment]}
        yield "PATCH", f"/contacts/{own['contact_id'][0]}", {"segments": [segment]}
        yield "PATCH", f"/contacts/{own['contact_id'][0]}", {"fields": {field: "x"}}
        yield "PATCH", f"/syncs/{own['sync_id'][0]}", {"options": {"segments": [segment]}}
        for path in ("/imports", "/syncs"):
            yield "POST", path, {**sound, "source": foreign}
            yield "POST", path, {**sound, "options": {"segments": [segment]}}
            yield "POST", path, {**sound, "mapping": [*MAPPING, {"literal": "x", "field": field}]}
            yield "POST", path, {**sound, "identity": {"field": field}}

    for number in range(2):
        theirs = bodies(
            two.theirs.upload_ids[number], two.theirs.ids["segment_id"][number], two.theirs.ids["key"][number]
        )
        for (method, path, body), (_, _, like) in zip(
            theirs, bodies(MISSING, MISSING, "nobodys"), strict=True
        ):
            yield Case(method, path, path, body, like)
        dropped = {"source": {"kind": "drop"}, "sync_id": two.theirs.ids["sync_id"][number]}
        yield Case("POST", "/previews", "/previews", dropped, {**dropped, "sync_id": MISSING})
        for run_id in two.theirs.ids["run_id"]:
            plan = {"run_id": run_id, "plan_hash": two.theirs.plan_hash}
            path = f"/syncs/{own['sync_id'][number]}/runs"
            yield Case("POST", path, path, {"plan": plan}, {"plan": {**plan, "run_id": MISSING}})


def told(two: Two, case: Case, *, like: bool = False) -> tuple[int, str, dict[str, str]]:
    path, body = (case.like, case.like_body) if like else (case.path, case.body)
    body = json.dumps(body) if body is not None else None
    answer = two.mine.client.call(case.method, path, body=body, headers=JSON)
    return answer.status, answer.text, answer.headers


PLACED = [route for route in ROUTES if "<" in route.path]
LISTINGS = [route for route in ROUTES if route.query >= PAGED]


@pytest.fixture(autouse=True)
def untouched(two: Two) -> Iterator[None]:
    """Whatever a test asks, nothing of the other account's changes."""
    before = two.theirs.digest()
    yield
    assert two.theirs.digest() == before


@pytest.mark.parametrize("route", PLACED, ids=lambda route: f"{route.method} {route.path}")
def test_another_s_ids_are_as_good_as_none(two: Two, route: Route) -> None:
    for case in with_ids(route, two):
        assert told(two, case) == told(two, case, like=True), case
        assert told(two, case)[0] == 404


@pytest.mark.parametrize(
    "route",
    [route for route in PLACED if route.permissions],
    ids=lambda route: f"{route.method} {route.path}",
)
def test_without_the_permission_it_is_403_whoever_s_the_ids_are(two: Two, route: Route) -> None:
    nobody = Client(two.mine.client.world, two.mine.client.account, ())
    for name, values in two.theirs.ids.items():
        for value in values:
            path = path_of(route, {**dict.fromkeys(two.mine.ids, value), name: value})
            assert nobody.call(route.method, path, body="{}", headers=JSON).status == 403


@pytest.mark.parametrize("route", LISTINGS, ids=lambda route: f"{route.method} {route.path}")
def test_a_page_token_is_good_for_its_own_account_and_listing_only(two: Two, route: Route) -> None:
    place = path_of(route, {name: ids[0] for name, ids in two.mine.ids.items()})
    for token in tokens(route, two):
        answer = two.mine.client.get(f"{place}?limit=1&next={token}")
        assert (answer.status, answer.pointers) == (422, {"/next"}), token


def test_another_s_ids_in_a_body_are_refused_in_the_words_for_those_that_nobody_has(two: Two) -> None:
    for case in with_references(two):
        status, text, headers = told(two, case)
        same = status, re.sub(r"\btheirs_[01]\b", "nobodys", text), headers
        assert same == told(two, case, like=True), case
        assert status == 422, case


@pytest.mark.parametrize("filter_", ["segment", "run"])
def test_a_filter_by_another_s_id_finds_nobody(two: Two, filter_: str) -> None:
    for value in two.theirs.ids[f"{filter_}_id"]:
        answer = two.mine.client.get(f"/contacts?{filter_}={value}")
        assert answer.json == {"items": [], "next": None}


def test_an_idempotency_key_replays_nothing_of_another_s(two: Two) -> None:
    again = two.mine.client.post("/uploads", {"filename": "kept.csv"}, key="the same").json["upload_id"]
    assert again == two.mine.kept != two.theirs.kept


def test_there_are_more_than_a_thousand_cases(two: Two) -> None:
    placed = sum(1 for route in PLACED for _ in with_ids(route, two))
    paged = sum(1 for route in LISTINGS for _ in tokens(route, two))
    assert placed + paged + sum(1 for _ in with_references(two)) > 1000
