"""An account that has something of everything: whose ids another account may try."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta

from contactsync.control.books import Linking
from contactsync.journeys.book.album import Album
from contactsync.model.connection import Connection, Link, Review, key_of
from tests.support.calling import Client

TEXT = "email,name\n" + "".join(f"p{number}@example.com,Person {number}\n" for number in range(6))
MAPPING = [{"column": "email", "field": "email"}, {"column": "name", "field": "name"}]

Ids = dict[str, list[str]]
"""The name that a route gives to an id → ids of that kind."""


class Holder:
    """An account with two of everything, where there can be two. `ids` has some of each kind that a route names."""

    def __init__(self, client: Client, word: str) -> None:
        self.client = client
        world = client.world
        keys = [f"{word}_{number}" for number in range(2)]
        for key in keys:
            client.post("/fields", {"key": key, "label": key, "type": "text"})
        segments = [client.post("/segments", {"name": name}).json["id"] for name in ("One", "Two")]
        uploads = [client.post("/uploads", {"filename": "people.csv"}).json["upload_id"] for _ in range(2)]
        for upload_id in uploads:
            world.uploads.put(f"uploads/{client.account.account_id}/{upload_id}", TEXT.encode())
        asked = {"source": {"kind": "upload", "upload_id": uploads[0]}, "mapping": MAPPING}
        told = [client.post("/imports", {**asked, "options": {"segments": segments}}).json for _ in range(2)]
        for each in told:
            world.clock.advance(timedelta(seconds=5))
            world.execute(world.control.run(client.account.account_id, each["run"]["id"]).value)
        contacts = [each["id"] for each in client.get("/contacts").json["items"]]
        photo = Album(world.photos, client.account.account_id).keep(contacts[0], b"\xff\xd8\xff a face")
        edit = {"fields": {"name": "Edited", "photo": photo}}
        assert client.patch(f"/contacts/{contacts[0]}", edit).status == 200
        self.kept = client.post("/uploads", {"filename": "kept.csv"}, key="the same").json["upload_id"]
        self.plan_hash = client.get(f"/runs/{told[0]['run']['id']}").json["plan_hash"]
        self.upload_ids = uploads
        members = [
            client.post("/members", {"email": f"{word}{number}@example.com", "permissions": []}).json["id"]
            for number in range(2)
        ]
        connections, key = [f"c{word}{number}" for number in range(2)], key_of(word)
        at = world.clock.now().isoformat()
        for each in connections:
            book = client.account.account_id, each
            connection = Connection(
                id=each,
                account_id=client.account.account_id,
                provider="google",
                member_id=client.account.member_id,
                state="active",
                created_at=at,
            )
            world.control.create_connection(book[0], connection)
            link = Link(f"card of {word}", contacts[0], "1", {}, {})
            doubt = Review(
                card_id="other", contacts=(contacts[1],), rule=("email",), why="other_name", run_id="r"
            )
            world.control.store_review(*book, key, doubt)
            world.control.store_links(*book, [Linking(link)], world.clock.now())
            [read] = world.control.links(*book)
            world.control.store_links(
                *book, [Linking(replace(link, state="frozen"), read, theirs={})], world.clock.now()
            )
        self.ids: Ids = {
            "connection_id": connections,
            "review_id": [key],
            "frozen_id": [key_of(f"card of {word}")],
            "sync_id": [each["sync"]["id"] for each in told],
            "run_id": [each["run"]["id"] for each in told],
            "contact_id": contacts[:2],
            "segment_id": segments,
            "key": keys,
            "member_id": members,
            "key_id": [client.post("/keys", {}).json["id"] for _ in range(2)],
            "erasure_id": [client.post("/erasures", {"email": f"{word}@example.com"}).json["id"]],
            "export_id": [client.post("/exports", {}).json["id"]],
        }

    def digest(self) -> str:
        """Of all that is stored of this account: records, contacts, files."""
        account_id, world = self.client.account.account_id, self.client.world
        stored = [
            sorted((str(key), value) for key, value in world.records._stored.items() if key.partition == account_id),
            sorted((key, sorted(slots.items())) for key, slots in world.contacts._partitions.items() if account_id in key),
            [(key, files.get(key)) for files in (world.runs, world.uploads, world.photos) for key in files.keys("") if account_id in key],
        ]  # fmt: skip
        assert all(stored)
        return hashlib.sha256(repr(stored).encode()).hexdigest()
