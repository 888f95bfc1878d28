"""Radicale as people run it: a CardDAV server in a process of its own, with users who have passwords."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import urljoin

import requests

from tests.support.waiting import wait_for

MAKE_BOOK = """<?xml version="1.0"?><mkcol xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:carddav"><set><prop><resourcetype>
<collection/><C:addressbook/></resourcetype><displayname>{name}</displayname></prop></set></mkcol>"""
PASSWORD = "open sesame"


class Radicale:
    """Begin with `with Radicale(folder) as server`; it keeps all that it has in the folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._people = folder / "people"
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self._people.write_text("")
        options = {
            "server-hosts": f"127.0.0.1:{self.port}",
            "storage-filesystem-folder": str(self._folder / "collections"),
            "auth-type": "htpasswd",
            "auth-htpasswd-filename": str(self._people),
            "auth-htpasswd-encryption": "plain",
            "auth-delay": "0",
            "logging-level": "critical",
        }
        told = [part for name, value in options.items() for part in (f"--{name}", value)]
        with (self._folder / "log").open("wb") as log:
            command = [sys.executable, "-m", "radicale", "--config", "", *told]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        wait_for(self._answers, within_s=30, what="the start of Radicale")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)

    def person(self, name: str, *books: str) -> DavPerson:
        """Somebody new, with these address books."""
        self.let_in(name, PASSWORD)
        person = DavPerson(self.url, name, PASSWORD)
        for book in books:
            body = MAKE_BOOK.format(name=book)
            person.ask("MKCOL", f"{book.lower()}/", body, Content_Type="text/xml")
        return person

    def let_in(self, name: str, password: str) -> None:
        """From now on it is this password that opens the person's books."""
        others = [line for line in self._people.read_text().splitlines() if not line.startswith(f"{name}:")]
        self._people.write_text("".join(f"{line}\n" for line in [*others, f"{name}:{password}"]))

    def _answers(self) -> bool:
        assert self._process.poll() is None, "Radicale ended at once"
        try:
            return requests.get(self.url, timeout=5, allow_redirects=False).status_code < 500
        except requests.ConnectionError:
            return False


@dataclass(frozen=True)
class DavPerson:
    """Somebody at their own address books, with another app than ours."""

    server: str
    name: str
    password: str

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> requests.Response:
        """A request to something in the person's home, which must succeed."""
        answer = requests.request(
            method,
            urljoin(f"{self.server}/{self.name}/", path),
            data=body.encode(),
            headers={name.replace("_", "-"): value for name, value in headers.items()},
            auth=(self.name, self.password),
            timeout=10,
        )
        assert answer.ok, (method, answer.status_code, answer.text[:300])
        return answer

    def put(self, book: str, uid: str, name: str, email: str, picture: bytes = b"") -> None:
        """Make a card, or write it anew."""
        photo = f"PHOTO;ENCODING=b;TYPE=PNG:{b64encode(picture).decode()}\r\n" if picture else ""
        told = f"UID:{uid}\r\nFN:{name}\r\nN:;{name};;;\r\nEMAIL:{email}\r\n{photo}"
        card = f"BEGIN:VCARD\r\nVERSION:3.0\r\n{told}END:VCARD\r\n"
        self.ask("PUT", f"{book.lower()}/{uid}.vcf", card, Content_Type="text/vcard; charset=utf-8")

    def picture(self, book: str, uid: str) -> bytes:
        """The picture of a card; empty if it has none."""
        card = self.ask("GET", f"{book.lower()}/{uid}.vcf").content.decode()
        found = re.search(r"^PHOTO[^:]*:(.*)$", re.sub(r"\r?\n ", "", card), re.MULTILINE)
        return b64decode(found[1]) if found else b""

    def names(self, book: str) -> list[str]:
        """Who is in the book."""
        cards = self.ask("GET", f"{book.lower()}/").content.decode()
        return sorted(re.findall(r"^FN:(.*?)\r?$", cards, re.MULTILINE))
