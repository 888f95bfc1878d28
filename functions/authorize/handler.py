"""The authorizer behind API Gateway: the key or token in the request → account, member and permissions."""

from typing import Any

from contactsync import bootstrap
from contactsync.api.authorizing import authorize


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Authorization header → policy; an exception called Unauthorized where API Gateway shall answer 401."""
    return authorize(
        event,
        bootstrap.control(),
        bootstrap.clock(),
        guests=bootstrap.guests,
        shared_key=bootstrap.shared_usage_key(),
    )
