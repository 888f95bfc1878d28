"""Every route says of itself what the OpenAPI document tells."""

from __future__ import annotations

import pytest

from contactsync.api.route import Route
from contactsync.api.routes import ROUTES
from tests.docs.openapi import PARAMETERS
from tests.promises import promise


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_a_route_says_what_it_is_sent_and_what_it_answers(route: Route) -> None:
    name = getattr(route.verb, "__name__", "the verb")
    where = f"{name} of {route.method} {route.path}"
    summary = (route.verb.__doc__ or "").strip().partition("\n")[0]
    assert summary.endswith("."), (
        f"{where} needs a docstring: its first line is what the OpenAPI document calls the operation"
    )
    assert promise(route)
    if route.method in ("POST", "PATCH"):
        assert route.body is not None, (
            f"{where} needs body=…, the model of what it is sent (NothingAsked if its place says all)"
        )
    else:
        assert route.body is None, f"{where}: a {route.method} has no body"
    undescribed = sorted(route.query - PARAMETERS.keys())
    assert undescribed == [], f"{where}: describe these in PARAMETERS of tests/docs/openapi.py"


def test_no_two_verbs_have_one_name() -> None:
    """It is what clients that are generated from the document call the operation."""
    names = [route.verb.__name__ for route in ROUTES]
    assert len(names) == len(set(names))
