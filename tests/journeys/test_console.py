"""A page at another origin than the API's, in a real browser: with a key it may do what the key may."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright

from local.deploy import client
from local.stack import Stack
from tests.support.customer import Customer

pytestmark = pytest.mark.stack

BROWSER = shutil.which("chromium")
CONSOLE = "https://console.example.com:8443"
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


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """The console's page, which is on no server."""
    page = browser.new_page()
    page.route(f"{CONSOLE}/**", lambda route: route.fulfill(content_type="text/html", body="<p>Console</p>"))
    page.goto(f"{CONSOLE}/app/index.html")
    yield page
    page.close()


def ask(
    page: Page, customer: Customer, path: str, method: str = "GET", body: str | None = None, **headers: str
) -> Any:
    """[status, headers, body] as the page's own script sees them. Raises where the browser lets it see nothing."""
    sent = {"Authorization": f"Bearer {customer.api_key}", "Content-Type": "application/json", **headers}
    return page.evaluate(ASK, [customer.api + path, method, sent, body])


def test_the_console_s_page_calls_the_api_and_reads_what_it_answers(customer: Customer, page: Page):
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


def test_the_page_reads_too_what_the_gateway_answers_in_our_stead(customer: Customer, page: Page):
    assert ask(page, customer, "/contacts", Authorization="Bearer nobody")[0] == 401
    assert ask(page, customer, "/imports", "POST", "x" * 11_000_000)[0] == 413


@pytest.mark.parametrize("bucket", ["RunsBucket", "PhotosBucket"])
def test_the_page_reads_what_the_api_sends_it_to(stack: Stack, bucket: str):
    """A browser that follows a 303 to another origin names none any more."""
    s3, name = client("s3", stack.endpoint), stack.deployed.resources[bucket]
    s3.put_object(Bucket=name, Key="former/picture", Body=b"picture")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": name, "Key": "former/picture"})
    answer = requests.get(url, headers={"Origin": "null"}, timeout=30)
    assert (answer.content, answer.headers["Access-Control-Allow-Origin"]) == (b"picture", "*")


@pytest.mark.parametrize("path", ["/contacts", "/contacts/1/subscription", "/openapi.json"])
def test_the_question_before_a_request_needs_no_key_and_no_browser_sends_one_by_itself(
    stack: Stack, path: str
):
    asked = {"Origin": CONSOLE, "Access-Control-Request-Method": "PATCH"}
    answer = requests.options(f"{stack.facts.api}/v1{path}", headers=asked, timeout=30)
    assert answer.status_code in {200, 204}
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "Access-Control-Allow-Credentials" not in answer.headers
