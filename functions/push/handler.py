"""State Push of statemachine/sync.asl.yaml: what is planned for the book → the book, and links."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import syncing
from contactsync.model.message import Message, Pushed


@step("push", reads=Message)
def lambda_handler(message: Message) -> Pushed:
    """What is planned for the book → the book, and links."""
    return syncing.push(message, ports=bootstrap.books())
