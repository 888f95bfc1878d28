"""What the API is, as a document and as a page to read it and to try it: for everybody, without a key."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from contactsync.api.answer import JSON, Answer, Ok
from contactsync.api.incoming import Request
from contactsync.api.route import Route
from contactsync.journeys.asked.asking import World

if TYPE_CHECKING:
    from contactsync.api import shapes

HTML = "text/html; charset=utf-8"

_HERE = Path(__file__).parent


def read_document(_world: World, _request: Request) -> Ok[shapes.Document]:
    """Read this document, in OpenAPI 3.1."""
    return Answer(200, _file("openapi.json"), JSON)


def read_page(_world: World, _request: Request) -> Ok[shapes.Page]:
    """Read this document as a page, on which every request can be tried."""
    page = _file("docs.html")
    return Answer(200, page, HTML, {"Content-Security-Policy": _policy(page), **STRICT})


STRICT = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer"}


@cache
def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


@cache
def _policy(page: str) -> str:
    """The page may run its own script and style, by their hashes, and speak to this API; nothing else."""
    hashes = {
        tag: base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        for tag, content in re.findall(r"<(script|style)>(.*?)</\1>", page, re.DOTALL)
    }
    return (
        f"default-src 'none'; script-src 'sha256-{hashes['script']}'; style-src 'sha256-{hashes['style']}'; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


ROUTES = (
    Route("GET", "/openapi.json", None, read_document, public=True),
    Route("GET", "/docs", None, read_page, public=True),
)
