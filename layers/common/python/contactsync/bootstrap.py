"""The composition root: the only place where a port meets its adapter.

Each function makes its adapter once a process and on first use, and imports what only some handlers need: a
handler pays for what it uses. Importing everything for everybody took a cold start 140 ms of CPU more.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from contactsync.adapters import clients, wire
from contactsync.adapters.bucket import Bucket
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.contact_table import ContactTable
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.s3_wire import S3Wire
from contactsync.adapters.signing import Credentials
from contactsync.config import settings
from contactsync.control import Control

if TYPE_CHECKING:
    from contactsync.connectors.opening import WayIn
    from contactsync.journeys.account.signing_in import Guests
    from contactsync.journeys.asked.asking import World
    from contactsync.journeys.book.bookrun import Ports
    from contactsync.model.connection import Connection
    from contactsync.model.lending import Discovered, Discovering
    from contactsync.model.message import StagingKeys
    from contactsync.model.source import RemoteSource
    from contactsync.ports import (
        Bus,
        Clock,
        Connector,
        ContactStore,
        Courier,
        Discoverer,
        Keeper,
        Mailer,
        Objects,
        Peeker,
        Scheduler,
        Source,
        Vault,
    )

REACH_ANSWERS_S = 870
"""Longer than Reach may run, shorter than fetch."""
CONNECT_ANSWERS_S = 28
"""Longer than Connect may run, shorter than the API."""
DISCOVER_ANSWERS_S = 24
"""Longer than Discover may run, shorter than Connect."""
PEEK_ANSWERS_S = 24
"""Longer than Peek may run, shorter than the API."""


@cache
def guests() -> Guests:
    """Who signs in by the identity provider, if there is one."""
    from contactsync.journeys.account.signing_in import Guests  # noqa: PLC0415

    known = settings()
    if not known.identity_issuer:
        return Guests(None, control(), clock())
    from contactsync.adapters.issuer import Issuer  # noqa: PLC0415 only whoever signs in needs it

    audiences = frozenset(filter(None, map(str.strip, known.identity_audiences.split(","))))
    return Guests(Issuer(known.identity_issuer, audiences), control(), clock())


def shared_usage_key() -> str:
    """Under which API Gateway counts accounts without a key of their own there."""
    return settings().shared_usage_key


@cache
def _dynamodb() -> wire.Wire:
    return wire.dynamodb(settings().aws_region)


@cache
def clock() -> Clock:
    """The time."""
    return SystemClock()


@cache
def control() -> Control:
    """The control table, typed."""
    return Control(ControlTable(settings().control_table, _dynamodb(), clock()))


@cache
def contacts() -> ContactStore:
    """The contacts table."""
    return ContactTable(settings().contacts_table, _dynamodb())


@cache
def runs() -> Objects:
    """The runs bucket."""
    return _bucket(settings().runs_bucket)


@cache
def uploads() -> Objects:
    """The uploads bucket."""
    return _bucket(settings().uploads_bucket)


@cache
def drops() -> Objects:
    """The drop bucket."""
    return _bucket(settings().drop_bucket)


@cache
def photos() -> Objects:
    """The photos bucket."""
    return _bucket(settings().photos_bucket)


def drop_bucket() -> str:
    """The name of the drop bucket, for those who put files there."""
    return settings().drop_bucket


@cache
def mailer() -> Mailer:
    """The mail service."""
    from contactsync.adapters.mailer import SesMailer  # noqa: PLC0415
    from contactsync.adapters.ses_wire import SesWire  # noqa: PLC0415

    return SesMailer(settings().mail_sender, SesWire(settings().aws_region))


@cache
def bus() -> Bus:
    """The product's own event bus."""
    from contactsync.adapters.bus import EventBridgeBus  # noqa: PLC0415

    return EventBridgeBus(settings().bus_name, wire.eventbridge(settings().aws_region))


@cache
def vault() -> Vault:
    """Where the secrets of sources are sealed."""
    from contactsync.adapters.vault import KmsVault  # noqa: PLC0415

    return KmsVault(settings().secrets_key, wire.kms(settings().aws_region))


@cache
def scheduler() -> Scheduler:
    """What wakes us when syncs are due."""
    from contactsync.adapters.scheduler import EventBridgeScheduler, Target  # noqa: PLC0415

    known = settings()
    target = Target(known.schedule_group, known.bus_arn, known.schedule_role, known.schedule_dead_letters)
    return EventBridgeScheduler(target, partial(clients.scheduler, known.aws_region))


@cache
def remote() -> Callable[..., Source]:
    """What opens sources on customers' servers: `sources.opening.source_of`, with our way out."""
    from contactsync.sources.net import Guard, allowed_hosts  # noqa: PLC0415 few functions open sources
    from contactsync.sources.opening import source_of  # noqa: PLC0415

    guard = Guard(allowed_hosts(settings().allow_hosts))
    return partial(source_of, guard=guard, region=settings().aws_region)


@cache
def courier() -> Courier:
    """Who copies files from customers' servers: the function Reach, and from their buckets this one."""
    from contactsync.adapters.courier import ReachCourier  # noqa: PLC0415
    from contactsync.sources.staging import DirectCourier  # noqa: PLC0415

    known = settings()
    return ReachCourier(
        known.reach_function,
        known.staging_role,
        known.runs_bucket,
        sts=partial(clients.sts, known.aws_region),
        functions=partial(clients.functions, known.aws_region, answer_s=REACH_ANSWERS_S),
        direct=DirectCourier(remote(), runs()),
    )


def staged(keys: StagingKeys) -> Objects:
    """The runs bucket, as far as somebody else's keys go."""
    lent = Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    return _bucket(settings().runs_bucket, credentials=lambda: lent)


@cache
def keeper() -> Keeper:
    """Who holds what members have lent us: the function Connect."""
    from contactsync.adapters.keeper import LambdaKeeper  # noqa: PLC0415 only what concerns address books

    known = settings()
    functions = partial(clients.functions, known.aws_region, answer_s=CONNECT_ANSWERS_S)
    return LambdaKeeper(known.connect_function, cache(functions))


@cache
def discoverer() -> Discoverer:
    """Who looks for address books on customers' servers: the function Discover."""
    from contactsync.adapters.keeper import LambdaDiscoverer  # noqa: PLC0415

    known = settings()
    functions = partial(clients.functions, known.aws_region, answer_s=DISCOVER_ANSWERS_S)
    return LambdaDiscoverer(known.discover_function, cache(functions))


@cache
def peeker() -> Peeker:
    """Who looks at files before they are imported: the function Peek, and in customers' buckets this one."""
    from contactsync.adapters.peeker import LambdaPeeker  # noqa: PLC0415 only previews of such files
    from contactsync.sources.staging import DirectPeeker  # noqa: PLC0415

    known = settings()
    functions = partial(clients.functions, known.aws_region, answer_s=PEEK_ANSWERS_S)
    return LambdaPeeker(known.peek_function, cache(functions), direct=DirectPeeker(_opened))


def _opened(source: RemoteSource, **options: Any) -> Source:
    """As `remote`, whose imports cost nothing before a bucket is looked at."""
    return remote()(source, **options)


@cache
def keeping() -> Keeper:
    """What the function Connect itself does."""
    from contactsync.connectors.ways import authorities, signed_in_book  # noqa: PLC0415
    from contactsync.journeys.book.keeping import Keeping  # noqa: PLC0415

    known = settings()
    apps = {
        "google": (known.google_client_id, known.google_client_secret),
        "microsoft": (known.microsoft_client_id, known.microsoft_client_secret),
    }
    return Keeping(
        control(),
        vault(),
        clock(),
        authorities=authorities(apps, _elsewhere(), known.public_url),
        opened=partial(signed_in_book, country=_country, elsewhere=_elsewhere()),
        discoverer=discoverer(),
    )


@cache
def discovery() -> Callable[[Discovering], Discovered]:
    """What the function Discover itself does."""
    from contactsync.connectors.ways import discovered  # noqa: PLC0415
    from contactsync.sources.net import Guard, allowed_hosts  # noqa: PLC0415

    return partial(discovered, guard=Guard(allowed_hosts(settings().allow_hosts)))


@cache
def connect() -> Callable[[Connection], Connector]:
    """What opens connected address books: the ways in, by provider."""
    from contactsync.connectors.opening import opened  # noqa: PLC0415

    return partial(opened, ways=ways_in())


def ways_in() -> dict[str, WayIn]:
    """How each provider's books are opened. A connector that is made here costs its imports only when it is used."""
    return {"google": _signed_in, "microsoft": _signed_in, "carddav": _on_a_server}


def books() -> Ports:
    """All that the steps with an address book reach."""
    from contactsync.journeys.book.bookrun import Ports  # noqa: PLC0415

    return Ports(control(), contacts(), runs(), photos(), connect(), clock())


def _signed_in(connection: Connection) -> Connector:
    from contactsync.connectors.lent import LentAccess  # noqa: PLC0415
    from contactsync.connectors.ways import signed_in_book  # noqa: PLC0415

    access = LentAccess(keeper(), connection)
    return signed_in_book(connection, access, country=_country, elsewhere=_elsewhere())


def _on_a_server(connection: Connection) -> Connector:
    from contactsync.connectors.lent import LentAccess  # noqa: PLC0415
    from contactsync.connectors.ways import dav_book  # noqa: PLC0415
    from contactsync.sources.net import Guard, allowed_hosts  # noqa: PLC0415

    guard = Guard(allowed_hosts(settings().allow_hosts))
    return dav_book(connection, LentAccess(keeper(), connection), country=_country, guard=guard)


def _elsewhere() -> dict[str, str]:
    known = settings()
    bases = {"google": known.google_elsewhere, "microsoft": known.microsoft_elsewhere}
    return {provider: base for provider, base in bases.items() if base}


def _country(account_id: str) -> str:
    return control().account(account_id).country


def world() -> World:
    """All that requests of the API reach."""
    from contactsync.journeys.asked.asking import World  # noqa: PLC0415

    return World(
        control=control(),
        contacts=contacts(),
        runs=runs(),
        uploads=uploads(),
        photos=photos(),
        bus=bus(),
        scheduler=scheduler(),
        vault=vault(),
        clock=clock(),
        drop_bucket=drop_bucket(),
        keeper=keeper(),
        discoverer=discoverer(),
        drops=drops(),
        peeker=peeker(),
    )


def _bucket(name: str, **options: Any) -> Objects:
    return Bucket(S3Wire(name, settings().aws_region, **options))
