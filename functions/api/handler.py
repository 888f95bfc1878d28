"""The HTTP API behind API Gateway: every route of contactsync.api.routes."""

from functools import cache
from typing import Any

from contactsync import bootstrap
from contactsync.api.app import Api
from contactsync.entry import log_bug, logger


@cache
def api() -> Api:
    """The API of this process, made with its first request."""
    return Api(bootstrap.world(), logger=logger, log_bug=log_bug)


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Request → answer."""
    return api().handle(event)
