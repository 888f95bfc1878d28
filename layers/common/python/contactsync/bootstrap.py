"""The composition root: the only place where a port meets its adapter.

Each function makes its adapter once a process and on first use, so that a handler pays only for what it uses.
"""

from __future__ import annotations

from functools import cache

from contactsync.adapters.bucket import Bucket
from contactsync.adapters.bus import EventBus
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.contact_table import ContactTable
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.mailer import SesMailer
from contactsync.adapters.wire import Wire
from contactsync.config import settings
from contactsync.control import Control
from contactsync.ports import Bus, Clock, ContactStore, Mailer, Objects, Records


@cache
def _wire() -> Wire:
    return Wire(settings().aws_region)


@cache
def clock() -> Clock:
    """The time."""
    return SystemClock()


@cache
def records() -> Records:
    """The control table's records."""
    return ControlTable(_wire(), settings().control_table, clock())


@cache
def control() -> Control:
    """The control table, typed."""
    return Control(records())


@cache
def contacts() -> ContactStore:
    """The contacts table."""
    return ContactTable(_wire(), settings().contacts_table)


@cache
def runs() -> Objects:
    """The runs bucket."""
    return Bucket(settings().runs_bucket, settings().aws_region)


@cache
def uploads() -> Objects:
    """The uploads bucket."""
    return Bucket(settings().uploads_bucket, settings().aws_region)


@cache
def mailer() -> Mailer:
    """The mail service."""
    return SesMailer(settings().mail_sender, settings().aws_region)


@cache
def bus() -> Bus:
    """The product's own event bus."""
    return EventBus(settings().bus_name, settings().aws_region)
