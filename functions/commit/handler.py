"""State Commit of statemachine/sync.asl.yaml: what is left → kept; the cursor moves."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import syncing
from contactsync.model.message import Committed, Message


@step("commit", reads=Message)
def lambda_handler(message: Message) -> Committed:
    """What is left → kept; the cursor moves."""
    return syncing.commit(message, ports=bootstrap.books())
