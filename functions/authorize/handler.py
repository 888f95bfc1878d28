"""The authorizer behind API Gateway: the key or token in the request → account, member and permissions."""

from typing import Any

from contactsync import bootstrap
from contactsync.adapters.patience import answering
from contactsync.api.authorizing import authorize

ANSWER_S = 8
"""Less than the function may run."""


def lambda_handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Authorization header → policy; an exception called Unauthorized where API Gateway shall answer 401.

    Any other exception, as where the table is throttled, is answered 503 by API Gateway.
    """
    with answering(within_s=ANSWER_S):
        return authorize(
            event,
            bootstrap.control(),
            bootstrap.clock(),
            guests=bootstrap.guests,
            shared_key=bootstrap.shared_usage_key(),
        )
