"""The members of an account, the keys that they hold, and how somebody who signs in is found among all members.

A key lies twice: in its account, under its id, to be listed; and under its hash, where the authorizer finds it. The two are
always written together. Members are found by their address, and once they have signed in by whom the identity
provider means.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import datetime, timedelta

from contactsync.control.documents import Documents, Read, put
from contactsync.core.identity import email_key
from contactsync.errors import NotFound
from contactsync.model.account import Key, Member
from contactsync.ports import Delete, Put, RecordKey

MAX_MEMBERS = 1000
KEY_PAGES = 100
"""Of a thousand keys each, most of them revoked: a bound for a loop, out of anybody's reach."""
DEAD_KEYS_KEPT = timedelta(days=90)
"""How long a key that was revoked or has expired is remembered, so that none comes to life again."""


def key_digest(api_key: str) -> str:
    """Under which name a key lies. Keys are long and random, so one plain hash is enough."""
    return hashlib.sha256(api_key.encode()).hexdigest()


def by_email(email: str) -> str:
    """Under which name members with this address are found."""
    return hashlib.sha256(f"email\0{email_key(email)}".encode()).hexdigest()


def by_subject(issuer: str, subject: str) -> str:
    """Under which name members are found who have signed in as this one."""
    return hashlib.sha256(f"subject\0{issuer}\0{subject}".encode()).hexdigest()


class Members(Documents):
    """Members and keys. What changes them is a list of writes, for `Accounts.change_account` to commit."""

    # Members

    def member(self, account_id: str, member_id: str) -> Member:
        """A member of the account. Raises NotFound."""
        return self.read_member(account_id, member_id).value

    def read_member(self, account_id: str, member_id: str) -> Read[Member]:
        """A member and their version. Raises NotFound."""
        return self._read(RecordKey(account_id, f"member#{member_id}"), Member)

    def members(
        self, account_id: str, *, after: str | None = None, limit: int = MAX_MEMBERS
    ) -> tuple[list[Read[Member]], str | None]:
        """Up to `limit` members who came after the member `after`, oldest first, and the id to go on after."""
        page = self.records.page(account_id, "member#", after=after and f"member#{after}", limit=limit)
        read = [
            Read(Member.model_validate(record.document, extra="ignore"), record.version)
            for record in page.records
        ]
        return read, page.next and page.next.removeprefix("member#")

    def put_member(self, member: Member, expected: int = 0) -> list[Put | Delete]:
        """The writes that store a member; a new one can be found by their address from then on."""
        key = RecordKey(member.account_id, f"member#{member.id}")
        found = [] if expected else [Put(_way_to(by_email(member.email), member), {}, 0)]
        return [put(key, member, expected=expected), *found]

    def bind_member(self, read: Read[Member], subject: str) -> list[Put | Delete]:
        """The writes by which a member is from now on whom the provider means; `subject` as `by_subject` says."""
        bound = read.value.model_copy(update={"subject": subject})
        return [*self.put_member(bound, read.version), Put(_way_to(subject, bound), {}, 0)]

    def drop_member(self, read: Read[Member]) -> list[Put | Delete]:
        """The writes by which a member is gone: their keys open nothing from then on, and nobody signs in as them."""
        member = read.value
        ways = [by_email(member.email), *([member.subject] if member.subject else [])]
        found = [Delete(_way_to(way, member), 1) for way in ways]
        return [Delete(RecordKey(member.account_id, f"member#{member.id}"), read.version), *found]

    def found_by(self, way: str) -> Iterator[Read[Member]]:
        """The members that are found by a hash of `by_email` or `by_subject`, in all accounts."""
        page = self.records.page(f"person#{way}", "member#", limit=MAX_MEMBERS)
        for record in page.records:
            _, account_id, member_id = record.key.name.split("#")
            try:
                yield self.read_member(account_id, member_id)
            except NotFound:
                continue

    # Keys

    def key(self, digest: str) -> Key:
        """The key with this digest. Raises NotFound."""
        return self._read(RecordKey(f"key#{digest}", "key"), Key).value

    def read_key(self, account_id: str, key_id: str) -> Read[Key]:
        """A key of the account, by its id. Raises NotFound."""
        return self._read(RecordKey(account_id, f"key#{key_id}"), Key)

    def keys(self, account_id: str) -> list[Read[Key]]:
        """The account's keys that have not been revoked, oldest first."""
        found: list[Read[Key]] = []
        after = None
        for _ in range(KEY_PAGES):
            page = self.records.page(account_id, "key#", after=after, limit=1000)
            read = [
                Read(Key.model_validate(record.document, extra="ignore"), record.version)
                for record in page.records
            ]
            found += [each for each in read if not each.value.revoked]
            after = page.next
            if after is None:
                break
        return found

    def put_key(self, key: Key, expected: int = 0) -> list[Put | Delete]:
        """The writes that store a key. One that opens nothing any more is forgotten after a while."""
        forgotten = None
        if key.expires_at is not None:
            forgotten = int((datetime.fromisoformat(key.expires_at) + DEAD_KEYS_KEPT).timestamp())
        return [
            put(place, key, expected=expected, expires_at=forgotten)
            for place in (
                RecordKey(key.account_id, f"key#{key.id}"),
                RecordKey(f"key#{key.digest}", "key"),
            )
        ]


def _way_to(way: str, member: Member) -> RecordKey:
    return RecordKey(f"person#{way}", f"member#{member.account_id}#{member.id}")
