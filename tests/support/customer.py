"""A customer as the tests play one: an account of their own, its key, the HTTP API, their inbox."""

import uuid
from dataclasses import dataclass, field
from typing import Any

import requests

from local.stack import Stack
from tests.support.waiting import wait_for

ENDED = {"succeeded", "unchanged", "blocked", "failed", "cancelled", "undone"}
TIMEOUT_S = 35


@dataclass(frozen=True)
class Customer:
    """Everything goes through the HTTP API, as it does for a real one. `refusals` are the answers that were none."""

    api: str
    inbox: str
    account_id: str
    member_id: str
    api_key: str
    email: str
    refusals: list[str] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def of(cls, stack: Stack, *, country: str = "GB") -> "Customer":
        """A new account on the stack."""
        email = f"owner-{uuid.uuid4().hex[:12]}@example.com"
        account = stack.create_account(name="Example Ltd", email=email, country=country)
        ids = (account.account_id, account.member_id)
        return cls(f"{stack.facts.api}/v1", stack.facts.inbox, *ids, account.api_key, email)

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One call of the API with this customer's key; options as for requests."""
        headers = {"Authorization": f"Bearer {self.api_key}", **options.pop("headers", {})}
        answer = requests.request(method, self.api + path, headers=headers, timeout=TIMEOUT_S, **options)
        if not answer.ok:
            self.refusals.append(f"{method} {answer.status_code} {dict(answer.headers)} {answer.text}")
        return answer

    def get(self, path: str, **parameters: Any) -> Any:
        """The JSON answer of a GET that must succeed."""
        answer = self.request("GET", path, params=parameters)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        return answer.json()

    def post(self, path: str, body: Any, *, expect: int) -> Any:
        """The JSON answer of a POST that must be answered with the status `expect`."""
        answer = self.request("POST", path, json=body)
        assert answer.status_code == expect, f"{answer.status_code} {answer.text}"
        return answer.json()

    def upload(self, filename: str, content: bytes) -> str:
        """Put a file where the API says; its upload_id."""
        told = self.post("/uploads", {"filename": filename}, expect=201)
        put = requests.request(
            told["method"], told["url"], data=content, headers=told["headers"], timeout=TIMEOUT_S
        )
        assert put.ok, f"{put.status_code} {put.text}"
        return str(told["upload_id"])

    def wait_for_run(self, run_id: str, *, within_s: float = 60) -> dict[str, Any]:
        """The run once it has ended, however it ended."""

        def ended() -> dict[str, Any] | None:
            run: dict[str, Any] = self.get(f"/runs/{run_id}")
            return run if run["status"] in ENDED else None

        return wait_for(ended, within_s=within_s, what=f"the end of run {run_id}")

    def sync(self, sync_id: str) -> dict[str, Any]:
        """A run of an address book's sync, when it has ended well. Edits set runs going by themselves: those go first."""

        def begun() -> str | None:
            answer = self.request("POST", f"/syncs/{sync_id}/runs", json={})
            assert answer.status_code in {202, 409}, answer.text
            return str(answer.json()["id"]) if answer.status_code == 202 else None

        run = self.wait_for_run(wait_for(begun, within_s=60, what=f"room for a run of {sync_id}"))
        assert run["status"] in {"succeeded", "unchanged"}, run
        return run

    def connect_demo_book(self) -> str:
        """Sign in for the stack's demo book as its owner; the connection's id."""
        begun = self.post("/connections", {"provider": "google"}, expect=201)
        page = requests.get(begun["authorize_url"], timeout=30)
        assert "is connected to" in page.text, page.text
        [active] = [each for each in self.get("/connections")["items"] if each["state"] == "active"]
        return str(active["id"])

    def wait_until_done(self, path: str, *, within_s: float = 60) -> dict[str, Any]:
        """An export or an erasure once it has succeeded."""

        def done() -> dict[str, Any] | None:
            told: dict[str, Any] = self.get(path)
            return told if told["status"] == "succeeded" else None

        return wait_for(done, within_s=within_s, what=f"the end of {path}")

    def contacts(self) -> list[dict[str, Any]]:
        """All contacts of the account, over as many pages as it takes."""
        found: list[dict[str, Any]] = []
        parameters: dict[str, Any] = {}
        while True:
            page = self.get("/contacts", **parameters)
            found += page["items"]
            if page["next"] is None:
                return found
            parameters = {"next": page["next"]}

    def mails(self) -> list[dict[str, Any]]:
        """What has arrived for this customer, the newest first."""
        listed = requests.get(f"{self.inbox}/messages", timeout=TIMEOUT_S).json()["items"]
        return [mail for mail in listed if self.email in mail["to"]]

    def wait_for_mail(self, *, within_s: float = 60) -> dict[str, Any]:
        """The newest mail, as soon as there is one."""
        return wait_for(lambda: next(iter(self.mails()), None), within_s=within_s, what="a mail")
