"""The inbox: an SMTP server that keeps what it is sent, with a page and a JSON listing of the mails.

GET /               a page with all mails, the newest first
GET /messages       {"items": [{id, received_at, from, to, subject, text, html, headers}]}, the newest first
GET /messages/<id>  one of them
GET /messages/<id>/html   its HTML part, as a mail program would show it
DELETE /messages    forget them all
"""

import email
import email.policy
import html
import itertools
import json
import threading
from collections import deque
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

MOST_KEPT = 1000

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Inbox</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }}
article {{ border: 1px solid #8888; border-radius: .5rem; margin: 1rem 0; padding: .5rem 1rem; }}
iframe {{ width: 100%; height: 24rem; border: 1px solid #8888; background: #fff; }}
pre {{ white-space: pre-wrap; }}
</style></head><body><h1>Inbox</h1>{mails}</body></html>"""

_MAIL = """<article><h2>{subject}</h2><p>from {sender} to {to}, {received_at}</p>
<iframe sandbox title="The mail as HTML" src="/messages/{id}/html"></iframe>
<details><summary>As plain text</summary><pre>{text}</pre></details></article>"""


@dataclass(frozen=True)
class Mail:
    """One mail as it was received; to is what the envelope said, not the header."""

    id: int
    received_at: str
    sender: str
    to: list[str]
    subject: str
    text: str
    html: str
    headers: list[tuple[str, str]]

    def listed(self) -> dict[str, Any]:
        """The mail as JSON: `sender` is called `from` there."""
        listed = asdict(self)
        return {"from": listed.pop("sender")} | listed


class Inbox:
    """Starts with `start`, ends with `stop`; both servers listen on the loopback interface only."""

    def __init__(self, *, smtp_port: int, http_port: int) -> None:
        self._mails: deque[Mail] = deque(maxlen=MOST_KEPT)
        self._ids = itertools.count(1)
        self._smtp = Controller(self, hostname="127.0.0.1", port=smtp_port)
        self._http = _Server(("127.0.0.1", http_port), _Handler)
        self._http.inbox = self

    def start(self) -> None:
        """Both servers answer when this returns."""
        self._smtp.start()
        threading.Thread(target=self._http.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Both ports are free when this returns."""
        self._smtp.stop()
        self._http.shutdown()
        self._http.server_close()

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: ARG002
        """aiosmtpd calls this for every mail."""
        content = envelope.original_content or b""
        message = email.message_from_bytes(content, policy=email.policy.default)
        self._mails.appendleft(
            Mail(
                id=next(self._ids),
                received_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
                sender=str(message.get("From") or envelope.mail_from or ""),
                to=list(envelope.rcpt_tos),
                subject=str(message.get("Subject") or ""),
                text=_part(message, "plain"),
                html=_part(message, "html"),
                headers=[(name, str(value)) for name, value in message.items()],
            )
        )
        return "250 OK"

    def mails(self) -> list[Mail]:
        """What has arrived, the newest first."""
        return list(self._mails)

    def clear(self) -> None:
        """Forget what has arrived."""
        self._mails.clear()


def _part(message: EmailMessage, kind: str) -> str:
    body = message.get_body(preferencelist=(kind,))
    return str(body.get_content()) if body is not None else ""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    inbox: Inbox


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the base class names it)
        pass

    def do_GET(self) -> None:
        mails = self.server.inbox.mails()
        path = self.path.partition("?")[0].strip("/").split("/")
        if path == [""]:
            self._answer(200, "text/html", _page(mails))
        elif path == ["messages"]:
            self._answer(200, "application/json", json.dumps({"items": [mail.listed() for mail in mails]}))
        elif path[0] == "messages" and (mail := next((m for m in mails if str(m.id) == path[1]), None)):
            if path[2:] == ["html"]:
                self._answer(200, "text/html", mail.html or f"<pre>{html.escape(mail.text)}</pre>")
            else:
                self._answer(200, "application/json", json.dumps(mail.listed()))
        else:
            self._answer(404, "text/plain", "The inbox has / and /messages.\n")

    def do_DELETE(self) -> None:
        self.server.inbox.clear()
        self._answer(204, "text/plain", "")

    def _answer(self, status: int, kind: str, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _page(mails: list[Mail]) -> str:
    shown = (
        _MAIL.format(
            id=mail.id,
            subject=html.escape(mail.subject),
            sender=html.escape(mail.sender),
            to=html.escape(", ".join(mail.to)),
            received_at=mail.received_at,
            text=html.escape(mail.text),
        )
        for mail in mails
    )
    return _PAGE.format(mails="".join(shown) or "<p>No mail yet. After each run one arrives here.</p>")
