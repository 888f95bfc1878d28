"""A page of the customer's own, at another origin than the API, in a real browser: it alone may call us, where it is named."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Error, Page, sync_playwright

from local.deploy import client
from local.stack import Ports, Settings, Stack
from tests.customer import Customer

pytestmark = pytest.mark.stack

BROWSER = shutil.which("chromium")
CONSOLE = "https://console.example.com:8443"
NEIGHBOURS = (
    "https://console.example.com",
    "https://console.example.com:8444",
    "http://console.example.com:8443",
    "https://evil.console.example.com:8443",
    "https://console.example.com.evil.example:8443",
)
ASK = """async ([url, method, headers, body]) => {
    const answer = await fetch(url, {method, headers, body});
    return [answer.status, Object.fromEntries(answer.headers), await answer.text()];
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if BROWSER is None and not os.environ.get("CI"):
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        # The page is on no server, and the API on this machine: a browser keeps pages from the net away from there.
        beside_us = "--disable-features=LocalNetworkAccessChecks"
        launched = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox", beside_us])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def with_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A stack that knows of a console."""
    settings = Settings(
        home=tmp_path_factory.mktemp("console"),
        ports=Ports.free(),
        parameters={"ConsoleUrl": f"{CONSOLE}/app/index.html"},
        say=lambda text: None,
    )
    with Stack(settings) as started:
        yield started


def page_at(browser: Browser, origin: str) -> Page:
    """A page of that origin, which is on no server."""
    page = browser.new_page()
    page.route(f"{origin}/**", lambda route: route.fulfill(content_type="text/html", body="<p>Console</p>"))
    page.goto(f"{origin}/app/index.html")
    return page


def ask(
    page: Page, customer: Customer, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> Any:
    """[status, headers, body] as the page's own script sees them. Raises where the browser lets it see nothing."""
    sent = {"Authorization": f"Bearer {customer.api_key}", "Content-Type": "application/json", **headers}
    return page.evaluate(ASK, [customer.api + path, method, sent, body])


def test_the_console_s_page_calls_the_api_and_reads_what_it_answers(with_console: Stack, browser: Browser):
    customer, page = Customer.of(with_console), page_at(browser, CONSOLE)
    once = {"Idempotency-Key": "first"}
    status, _, text = ask(page, customer, "/contacts", "POST", '{"fields": {"name": "Ada"}}', **once)
    assert (status, '"Ada"' in text) == (201, True)
    [contact] = customer.contacts()
    place = f"/contacts/{contact['id']}"
    status, _, _ = ask(page, customer, place, "PATCH", '{"fields": {"name": "Zoe"}}', **{"If-Match": '"7"'})
    assert status == 412
    status, headers, _ = ask(page, customer, "/contacts", "PUT", "{}")
    assert (status, headers["allow"]) == (405, "GET, POST")
    import_ = '{"source": {"kind": "paste", "text": "Mail\\nada@example.com"}, "mapping": [{"column": "Mail", "field": "email"}], "identity": {"field": "email"}}'
    status, headers, _ = ask(page, customer, "/imports", "POST", import_)
    assert (status, headers["location"].startswith("/v1/runs/")) == (202, True)
    assert ask(page, customer, "/openapi.json")[0] == 200
    assert ask(page, customer, place, "DELETE")[0] == 204


def test_the_page_reads_too_what_the_gateway_answers_in_our_stead(with_console: Stack, browser: Browser):
    customer, page = Customer.of(with_console), page_at(browser, CONSOLE)
    assert ask(page, customer, "/contacts", Authorization="Bearer nobody")[0] == 401
    assert ask(page, customer, "/imports", "POST", "x" * 11_000_000)[0] == 413


@pytest.mark.parametrize("bucket", ["RunsBucket", "PhotosBucket"])
def test_the_page_reads_what_the_api_sends_it_to(with_console: Stack, bucket: str):
    """A browser that follows a 303 to another origin names none any more."""
    s3, name = client("s3", with_console.endpoint), with_console.deployed.resources[bucket]
    s3.put_object(Bucket=name, Key="former/picture", Body=b"picture")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "former/picture"})
    answer = requests.get(url, headers={"Origin": "null"}, timeout=30)
    assert (answer.content, answer.headers["Access-Control-Allow-Origin"]) == (b"picture", "*")


@pytest.mark.parametrize("origin", NEIGHBOURS)
def test_a_page_of_any_other_origin_sees_nothing(with_console: Stack, browser: Browser, origin: str):
    customer, page = Customer.of(with_console), page_at(browser, origin)
    with (
        page.expect_console_message(lambda message: message.type == "error") as said,
        pytest.raises(Error, match="Failed to fetch"),
    ):
        ask(page, customer, "/contacts")
    assert "'Access-Control-Allow-Origin' header has a value" in said.value.text


def test_the_question_before_a_request_needs_no_key_and_names_the_console_whoever_asks(with_console: Stack):
    for origin in (CONSOLE, *NEIGHBOURS, "null"):
        for path in ("/contacts", "/contacts/1/subscription", "/openapi.json"):
            asked = {"Origin": origin, "Access-Control-Request-Method": "PATCH"}
            answer = requests.options(f"{with_console.facts.api}/v1{path}", headers=asked, timeout=30)
            assert answer.status_code == 204
            assert answer.headers["Access-Control-Allow-Origin"] == CONSOLE
            assert "Access-Control-Allow-Credentials" not in answer.headers


def test_without_a_console_nothing_of_that_is_there(customer: Customer):
    asked = {"Origin": CONSOLE, "Access-Control-Request-Method": "GET"}
    for method, headers, status in (
        ("OPTIONS", {}, 401),
        ("OPTIONS", {"Authorization": f"Bearer {customer.api_key}"}, 405),
        ("GET", {}, 401),
        ("GET", {"Authorization": f"Bearer {customer.api_key}"}, 200),
    ):
        answer = requests.request(
            method, f"{customer.api}/contacts", headers={**asked, **headers}, timeout=30
        )
        assert answer.status_code == status
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
