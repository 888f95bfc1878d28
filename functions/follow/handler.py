"""Rule ContactsChangedRule of template.yaml: contacts have changed → runs of the syncs that bring them to a book."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys.book import books
from contactsync.model.message import ContactsChanged, Followed


@step("follow", reads=ContactsChanged)
def lambda_handler(message: ContactsChanged) -> Followed:
    """Changed contacts → runs, or nothing."""
    return books.follow(message, control=bootstrap.control(), bus=bootstrap.bus(), clock=bootstrap.clock())
