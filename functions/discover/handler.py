"""A CardDAV server that somebody has named → their address books, in a function whose role may do nothing."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.model.lending import Discovered, Discovering


@step("discover", reads=Discovering)
def lambda_handler(message: Discovering) -> Discovered:
    """User name and password for a server → where the books lie."""
    return bootstrap.discovery()(message)
