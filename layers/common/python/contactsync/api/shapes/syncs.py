"""Syncs and their sources."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field as About
from pydantic.json_schema import SkipJsonSchema

from contactsync.api.shapes.basics import (
    Id,
    Next,
    Shape,
    Time,
    Version,
)
from contactsync.api.shapes.runs import (
    Run,
    RunProblem,
)
from contactsync.model.sync import (
    ColumnMapping,
    FieldIdentity,
    Format,
    GeneratedIdentity,
    InSegment,
    Limits,
    LiteralMapping,
    Notify,
    Options,
    Schedule,
)


class StoredUpload(Shape):
    """An uploaded file: the latest that the sync was given. A run that names none reads it."""

    kind: Literal["upload"]
    upload_id: Id


class StoredPaste(Shape):
    """Pasted rows; the text is not shown again."""

    kind: Literal["paste"]


class StoredConnection(Shape):
    """A group of a connected address book."""

    kind: Literal["connection"]
    connection_id: Id
    group: str


class StoredBasicAuth(Shape):
    """A user name; the password is not shown."""

    kind: Literal["basic"]
    username: str


class StoredBearerAuth(Shape):
    """A token, which is not shown."""

    kind: Literal["bearer"]


class StoredHeaderAuth(Shape):
    """The name of a header; its value is not shown."""

    kind: Literal["header"]
    name: str


class StoredHttp(Shape):
    """A file on a web server. What follows the question mark of the URL is not shown."""

    kind: Literal["http"]
    url: str
    auth: (
        Annotated[StoredBasicAuth | StoredBearerAuth | StoredHeaderAuth, About(discriminator="kind")]
        | SkipJsonSchema[None]
    ) = None


class StoredFtp(Shape):
    """A file on an FTP or SSH server; neither password nor private key is shown."""

    kind: Literal["ftp"]
    url: str
    username: str


class StoredS3(Shape):
    """An object in a bucket of the customer's own."""

    kind: Literal["s3"]
    bucket: str
    key: str
    role_arn: str | SkipJsonSchema[None] = None


class StoredDrop(Shape):
    """Files that are put into the drop bucket, under keys that begin with this prefix."""

    kind: Literal["drop"]
    bucket: str
    prefix: str


class Sync(Shape):
    """What a customer wants done, again and again: a source, how to read it, where its columns go, and the rules."""

    id: Id
    name: str
    source: Annotated[
        StoredUpload | StoredPaste | StoredDrop | StoredHttp | StoredFtp | StoredS3 | StoredConnection,
        About(discriminator="kind"),
    ]
    mapping: tuple[ColumnMapping | LiteralMapping, ...]
    format: Format
    identity: FieldIdentity | GeneratedIdentity
    options: Options
    direction: Literal["pull", "push", "both"] | None = About(
        default=None, description="With an address book only, as are the four that follow."
    )
    conflict: Literal["remote", "hub", "newest"] | None = None
    match: tuple[tuple[str, ...], ...] | None = None
    selection: Literal["all", "subscribed"] | InSegment | None = None
    limits: Limits | None = None
    schedule: Schedule | None
    notify: Notify
    state: Literal["active", "paused"]
    paused_because: RunProblem | None = About(
        description="Why it does not run by itself: we have paused it after failures in a row, its address book is not "
        "connected, the account has had its runs of the day, or a run waits for an approval and the schedule has several a "
        "day. Null if somebody has paused it, or nobody."
    )
    latest_run: Run | None = About(
        description="Where that one waits for an approval, dry runs since do not take its place."
    )
    next_run_at: Time | None = About(
        description="When its schedule runs it next; null if it is paused, or has had its last run."
    )
    version: Version = About(
        description="One more with every change, and with every run; If-Match takes any since the last change."
    )
    created_at: Time
    updated_at: Time


class SyncList(Shape):
    """Syncs."""

    items: tuple[Sync, ...]
    next: Next


class Connection(Shape):
    """A member's way into an address book."""

    id: Id
    provider: Literal["google", "microsoft", "carddav", "memory"]
    member_id: Id
    name: str = About(description="By which the person recognises the book: an address as a rule.")
    state: Literal["pending", "active", "lost", "disconnected"] = About(
        description="`pending`: the person has yet to sign in; `lost`: the provider does not let us in any more."
    )
    url: str = About(description="Of a CardDAV server, as it was given.")
    username: str
    scopes: tuple[str, ...] = About(description="What the person has granted.")
    problem: str | None = About(description="Why it is lost, and what to do.")
    created_at: Time
    updated_at: Time


class NewConnection(Shape):
    """A connection as it begins."""

    connection: Connection
    authorize_url: str | None = About(
        description="Send the person there, within ten minutes and once; null where nobody has to sign in."
    )


class ConnectionList(Shape):
    """Connections."""

    items: tuple[Connection, ...]
    next: Next


class Group(Shape):
    """A part of an address book: all of it, a label, a folder, a collection."""

    id: Annotated[str, About(min_length=1)]
    name: str
    writable: bool


class GroupList(Shape):
    """The parts of an address book, all at once."""

    items: tuple[Group, ...]
    next: None


class Import(Shape):
    """A sync that was saved, and its first run."""

    sync: Sync
    run: Run
