"""Errands to customers' servers, run where there is nothing to steal (ADR 0014).

Whoever answers there may send anything, to code that has to make sense of it: TLS, SSH, FTP, HTTP. So that code has
functions of its own, whose roles may do nothing: one for fetch, which is handed the right to write one object, and one
for previews, which is handed none.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import datetime

from contactsync.model.message import Peeked, Peeking, Reached, Reaching, StagingKeys
from contactsync.ports import Objects, Source
from contactsync.sources.staging import DirectPeeker, copied


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


def peek(message: Peeking, *, remote: Callable[..., Source]) -> Peeked:
    """A customer's file → its beginning, which nothing keeps. Raises what `Source.open` does."""
    came = DirectPeeker(remote).peek(message.account_id, message.source)
    return Peeked(
        data=b64encode(came.data).decode(),
        whole=came.whole,
        size=came.size,
        name=came.name,
        modified=came.modified,
        host_key=came.host_key,
    )
