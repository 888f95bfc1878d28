"""A sync's source on a customer's server: what is stored of it, and how it is opened again.

Its secrets are sealed for this account and this sync, so that nothing else in the control table opens them, and
are in the clear only while a request is saved and while a file is fetched.
"""

from __future__ import annotations

import json
from typing import Any

from contactsync.errors import Problem
from contactsync.model.source import FtpSource, HttpSource, RemoteSource, S3Source, joined, public, secrets
from contactsync.model.sync import ConnectionSource, DropSource, PasteSource, Sync, UploadSource
from contactsync.ports import VAULT_BYTES, Vault

REMOTE = frozenset({"http", "ftp", "s3"})

Plain = UploadSource | PasteSource | DropSource | ConnectionSource
"""These hold no secret."""
Asked = Plain | HttpSource | FtpSource | S3Source


def is_remote(sync: Sync) -> bool:
    """Whether we can fetch the sync's file by ourselves, whenever it is due."""
    return sync.source["kind"] in REMOTE


def is_unattended(sync: Sync) -> bool:
    """Whether files are imported that nobody has looked at: those that were not sent by hand."""
    return sync.source["kind"] not in ("upload", "paste")


def unsuitable(source: Asked) -> list[Problem]:
    """What is wrong with a source although each part of it is well-formed, with pointers into the request."""
    if isinstance(source, S3Source) and source.role_arn is None:
        message = (
            "A bucket is read by a role of yours: make one that may read it, admit us under the external_id that "
            "GET /v1/account shows, and give its ARN."
        )
        return [Problem("/source/role_arn", message, "role_needed")]
    if len(_sealable(source).encode()) > VAULT_BYTES:
        message = (
            f"The secrets are larger than {VAULT_BYTES:,} bytes together: use a shorter key, such as Ed25519."
        )
        return [Problem("/source", message, "secrets_too_large")]
    return []


def stored(source: Asked, account_id: str, sync_id: str, vault: Vault) -> tuple[dict[str, Any], str]:
    """A source as its sync keeps it: what may be shown, and the secrets, sealed; "" if there are none."""
    if isinstance(source, Plain):
        return source.model_dump(mode="json", exclude={"text"}), ""
    plain = _sealable(source)
    return public(source), vault.encrypt(plain, _context(account_id, sync_id)) if plain else ""


def with_secrets(sync: Sync, account_id: str, vault: Vault) -> RemoteSource:
    """A stored source as it was asked for, ready to be read. Raises `ports.Unopenable`."""
    secret = json.loads(vault.decrypt(sync.sealed, _context(account_id, sync.id))) if sync.sealed else {}
    return joined(sync.source, secret)


def pinned(sync: Sync, host_key: str | None) -> Sync:
    """The sync, bound to the SSH server that it has met first."""
    return sync if sync.host_key else sync.model_copy(update={"host_key": host_key})


def _sealable(source: Asked) -> str:
    found = {} if isinstance(source, Plain) else secrets(source)
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")) if found else ""


def _context(account_id: str, sync_id: str) -> dict[str, str]:
    return {"account": account_id, "sync": sync_id}
