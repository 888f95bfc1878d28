"""Access to a book, as Connect lends it: fetched when it is needed, kept as long as it lives, asked for anew when refused."""

from __future__ import annotations

import time
from collections.abc import Callable

from contactsync.model.connection import Connection
from contactsync.model.lending import Errand, digest_of_token
from contactsync.ports import Keeper


class LentAccess:
    """See `calling.Access`."""

    def __init__(
        self, keeper: Keeper, connection: Connection, *, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._keeper = keeper
        self._connection = connection
        self._monotonic = monotonic
        self._token = ""
        self._until = 0.0

    def __call__(self, renew: bool) -> str:
        """The access token, or the password."""
        if renew or self._monotonic() >= self._until:
            refused = digest_of_token(self._token) if renew and self._token else ""
            errand = Errand(
                wants="access",
                account_id=self._connection.account_id,
                connection_id=self._connection.id,
                refused=refused,
            )
            kept = self._keeper.keep(errand)
            self._token, self._until = kept.token, self._monotonic() + kept.expires_in_s
        return self._token
