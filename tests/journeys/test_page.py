"""The API's page in a real browser: it is shown whole, asks nobody but the API, and a request can be tried on it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from contactsync.api.routes import ROUTES
from local.stack import Stack
from tests.support.customer import Customer

pytestmark = pytest.mark.stack

BROWSER = shutil.which("chromium")
TIMEOUT_MS = 30_000


@pytest.fixture
def page() -> Iterator[Page]:
    """A fresh window. Fails if the page says anything on the console."""
    if BROWSER is None and not os.environ.get("CI"):
        pytest.skip("chromium is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        window = browser.new_page()
        window.set_default_timeout(TIMEOUT_MS)
        said: list[str] = []
        window.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        window.on("pageerror", lambda error: said.append(str(error)))
        yield window
        browser.close()
    assert said == []


def test_the_page_shows_every_request_and_one_can_be_tried(stack: Stack, page: Page) -> None:
    customer = Customer.of(stack)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{customer.api}/docs")
    expect(page.locator("details.operation")).to_have_count(len(ROUTES), timeout=TIMEOUT_MS)
    page.get_by_label("Key", exact=True).fill(customer.api_key)
    operation = page.locator("#createContact")
    operation.locator("summary").click()
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator(".status")).to_contain_text("201", timeout=TIMEOUT_MS)
    [contact] = customer.contacts()
    assert contact["fields"]["name"] in operation.locator("textarea").input_value()
    assert all(url.startswith(customer.api) for url in asked)


def test_a_slash_at_the_end_does_not_matter(stack: Stack, page: Page) -> None:
    customer = Customer.of(stack)
    page.goto(f"{customer.api}/docs/#listSegments")
    expect(page.locator("#listSegments")).to_have_attribute("open", "", timeout=TIMEOUT_MS)
    assert page.url == f"{customer.api}/docs#listSegments"


def test_what_the_api_answers_is_text_on_the_page_and_never_markup(stack: Stack, page: Page) -> None:
    customer = Customer.of(stack)
    customer.post("/segments", {"name": "<img src=x onerror=alert(1)>"}, expect=201)
    page.goto(f"{customer.api}/docs#listSegments")
    page.get_by_label("Key", exact=True).fill(customer.api_key)
    operation = page.locator("#listSegments")
    operation.get_by_role("button", name="Send").click()
    expect(operation.locator("[role=status] pre")).to_contain_text("<img src=x", timeout=TIMEOUT_MS)
    assert page.locator("img").count() == 0
