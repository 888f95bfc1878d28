"""The HTTP API behind API Gateway: every route of contactsync.api.routes."""

from functools import cache
from typing import Any

from contactsync import bootstrap
from contactsync.adapters.patience import answering
from contactsync.api.app import Api
from contactsync.entry import log_bug, logger

ANSWER_S = 24
"""API Gateway waits for 29, and puts us to an end without a word then."""


@cache
def api() -> Api:
    """The API of this process, made with its first request."""
    return Api(bootstrap.world(), logger=logger, log_bug=log_bug)


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Request → answer."""
    with answering(within_s=ANSWER_S):
        return api().handle(event)
