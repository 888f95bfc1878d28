"""The HTTP API behind API Gateway: every route of contactsync.api.routes."""

from functools import cache
from typing import Any

from contactsync import bootstrap
from contactsync.api.app import Api
from contactsync.entry import log_bug, logger
from contactsync.journeys.asking import World


@cache
def api() -> Api:
    """The API of this process, made with its first request."""
    world = World(
        control=bootstrap.control(),
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        uploads=bootstrap.uploads(),
        bus=bootstrap.bus(),
        scheduler=bootstrap.scheduler(),
        vault=bootstrap.vault(),
        clock=bootstrap.clock(),
        drop_bucket=bootstrap.drop_bucket(),
        keeper=bootstrap.keeper(),
        discoverer=bootstrap.discoverer(),
    )
    return Api(world, logger=logger, log_bug=log_bug)


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Request → answer."""
    return api().handle(event)
