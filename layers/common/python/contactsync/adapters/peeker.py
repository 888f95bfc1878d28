"""Sends the function Peek to customers' servers for the beginning of a file; it holds nothing, and is lent nothing."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from typing import TYPE_CHECKING

from contactsync.adapters.errands import sent
from contactsync.errors import UnreadableFile
from contactsync.model.message import Peeked, Peeking
from contactsync.model.source import RemoteSource, S3Source
from contactsync.ports import Beginning, Peeker

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient


class LambdaPeeker:
    """See `ports.Peeker`. `direct` looks at files in S3, which is no stranger."""

    def __init__(self, function: str, functions: Callable[[], LambdaClient], *, direct: Peeker) -> None:
        self._function = function
        self._functions = functions
        self._direct = direct

    def peek(self, account_id: str, source: RemoteSource) -> Beginning:
        """See `ports.Peeker.peek`."""
        if isinstance(source, S3Source):
            return self._direct.peek(account_id, source)
        asked = Peeking(account_id=account_id, source=source)
        told = sent(self._functions(), self._function, asked, Peeked, UnreadableFile.told)
        return Beginning(
            data=b64decode(told.data),
            whole=told.whole,
            size=told.size,
            name=told.name,
            modified=told.modified,
            host_key=told.host_key,
        )
