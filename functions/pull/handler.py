"""State Pull of statemachine/sync.asl.yaml: an address book and what has changed here → the run's files."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import syncing
from contactsync.model.message import Pulled, Requested


@step("pull", reads=Requested)
def lambda_handler(message: Requested) -> Pulled:
    """An address book and what has changed here → the run's files."""
    return syncing.pull(message, ports=bootstrap.books())
