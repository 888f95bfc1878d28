"""Syncs of uploaded lists, for the tests that decide over their runs."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.support.calling import Client

NAMES = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]
DELETES = {"delete_missing": {"scope": "all"}}


def many(count: int, name: str = "Person") -> str:
    return "email,name\n" + "".join(f"p{number}@example.com,{name} {number}\n" for number in range(count))


class Lists:
    """A sync of uploaded files, and what its runs do."""

    def __init__(self, api: Client, **asked: Any) -> None:
        self.api = api
        self.asked = {"mapping": NAMES, **asked}

    def upload(self, text: str) -> str:
        upload_id: str = self.api.post("/uploads", {"filename": "people.csv"}).json["upload_id"]
        key = self.api.world.control.upload(self.api.account.account_id, upload_id).key
        self.api.world.uploads.put(key, text.encode())
        return upload_id

    def first(self, text: str) -> dict[str, Any]:
        source = {"kind": "upload", "upload_id": self.upload(text)}
        return self.ended(self.api.post("/imports", {**self.asked, "source": source}).json["run"])

    def request(self, sync_id: str, text: str | None = None, **asked: Any) -> Any:
        self.api.world.clock.advance(timedelta(minutes=5))
        if text is not None:
            asked["upload_id"] = self.upload(text)
        return self.api.post(f"/syncs/{sync_id}/runs", asked)

    def again(self, sync_id: str, text: str | None = None, **asked: Any) -> dict[str, Any]:
        told = self.request(sync_id, text, **asked)
        assert told.status == 202, told.text
        return self.ended(told.json)

    def ended(self, run: dict[str, Any], execution: str = "execution-1") -> dict[str, Any]:
        world = self.api.world
        world.execute(world.control.run(self.api.account.account_id, run["id"]).value, execution=execution)
        told: dict[str, Any] = self.api.get(f"/runs/{run['id']}").json
        return told

    def emails(self) -> set[str]:
        items = self.api.get("/contacts?limit=200").json["items"]
        return {contact["fields"]["email"] for contact in items}

    def undone(self, run: dict[str, Any]) -> dict[str, Any]:
        told = self.api.post(f"/runs/{run['id']}/undo")
        assert told.status == 202, told.text
        assert told.json["undoes"] == run["id"]
        return self.ended(told.json)
