"""Fetch's errand to a customer's server, run where there is nothing to steal (ADR 0014).

Whoever answers there may send anything, to code that has to make sense of it: TLS, SSH, FTP, HTTP. So that code has
a function of its own, whose role may do nothing, and which is handed the right to write one object.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from contactsync.model.message import Reached, Reaching, StagingKeys
from contactsync.ports import Objects, Source
from contactsync.sources.staging import copied


def reach(
    message: Reaching, *, remote: Callable[..., Source], staged: Callable[[StagingKeys], Objects]
) -> Reached:
    """A customer's file → the one object that the message's keys may write. Raises what `Source.open` does."""
    source = remote(message.source, host_key=message.host_key)
    carried = copied(source, staged(message.keys), message.key)
    return Reached(
        account_id=message.account_id,
        run_id=message.run_id,
        digest=carried.digest,
        proof=carried.ending.proof,
        doubt=carried.ending.doubt,
        size=carried.size,
        modified=datetime.fromisoformat(carried.modified) if carried.modified else None,
        host_key=carried.host_key,
    )
