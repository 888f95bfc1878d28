"""A CardDAV server that gives the answers which a test has written, and a connector that asks it."""

from __future__ import annotations

from collections.abc import Callable

from contactsync.connectors.carddav import CardDavConnector
from contactsync.connectors.dav import Dav
from contactsync.connectors.vcards import Translation
from contactsync.sources.net import Guard
from tests.contract.cards import ADA
from tests.fakes.webserver import Answer, Request, WebServer, reply
from tests.support.outgoing import inside

CARDS = Translation("GB")
CARD = CARDS.text(CARDS.new(ADA, uid="m1"))
BOOK = "/ann/contacts/"


def dav(server: WebServer, *, path: str = "/", host: str = "127.0.0.1") -> Dav:
    names = ("127.0.0.1", "localhost", "example.com", "dav.example.com")
    return Dav(f"http://{host}:{server.port}{path}", "ann", "s3cret", allowing(server, *names), timeout_s=5)


def allowing(server: WebServer, *names: str) -> Guard:
    return Guard(frozenset((name, server.port) for name in names or ("127.0.0.1",)), resolver=inside)


def connector(server: WebServer) -> CardDavConnector:
    return CardDavConnector(dav(server), "/ann/", country="GB", username="ann")


def multistatus(*responses: str, token: str = "") -> Answer:
    token = f"<sync-token>{token}</sync-token>" if token else ""
    body = f'<multistatus xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav">{"".join(responses)}{token}</multistatus>'
    return reply(body.encode(), status="207 Multi-Status", Connection="close")


def response(href: str, properties: str = "", *, status: int = 200) -> str:
    if status != 200:
        return f"<response><href>{href}</href><status>HTTP/1.1 {status} X</status></response>"
    found = f"<propstat><prop>{properties}</prop><status>HTTP/1.1 200 OK</status></propstat>"
    return f"<response><href>{href}</href>{found}</response>"


BOOK_KIND = "<resourcetype><collection/><C:addressbook/></resourcetype>"


def served(*answers: Callable[[Request], Answer] | Answer) -> WebServer:
    """A server that gives these answers in turn."""
    left = list(answers)

    def answer(request: Request) -> Answer:
        following = left.pop(0)
        return following(request) if callable(following) else following

    return WebServer(answer)
