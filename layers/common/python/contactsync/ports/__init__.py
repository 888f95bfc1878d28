"""What the journeys need from outside: promises, and the errors that may be raised.

Every port but the clock has a suite in tests/contract, which all its adapters pass: those in memory or in this
process, and the real ones. Any method may raise `Busy` after its own bounded retries; other errors are named where
they can occur.
"""

from __future__ import annotations

from contactsync.ports.connectors import Connector
from contactsync.ports.contacts import (
    ContactPage,
    ContactStore,
    Insert,
    Remove,
    Replace,
    Write,
)
from contactsync.ports.objects import Objects, ObjectWriter, Version
from contactsync.ports.records import Delete, Put, Record, RecordKey, RecordPage, Records
from contactsync.ports.services import (
    VAULT_BYTES,
    Bus,
    Clock,
    Discoverer,
    IdentityProvider,
    Keeper,
    Mail,
    Mailer,
    MailRefused,
    MailUncertain,
    Scheduler,
    Shares,
    Unopenable,
    Vault,
)
from contactsync.ports.sources import (
    Beginning,
    Carried,
    Courier,
    Destination,
    Ending,
    Peeker,
    Source,
    SourceStream,
)

__all__ = [
    "VAULT_BYTES",
    "Beginning",
    "Bus",
    "Carried",
    "Clock",
    "Connector",
    "ContactPage",
    "ContactStore",
    "Courier",
    "Delete",
    "Destination",
    "Discoverer",
    "Ending",
    "IdentityProvider",
    "Insert",
    "Keeper",
    "Mail",
    "MailRefused",
    "MailUncertain",
    "Mailer",
    "ObjectWriter",
    "Objects",
    "Peeker",
    "Put",
    "Record",
    "RecordKey",
    "RecordPage",
    "Records",
    "Remove",
    "Replace",
    "Scheduler",
    "Shares",
    "Source",
    "SourceStream",
    "Unopenable",
    "Vault",
    "Version",
    "Write",
]
