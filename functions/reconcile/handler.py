"""State Reconcile of statemachine/sync.asl.yaml: both sides and what they last agreed on → the plan of both."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import syncing
from contactsync.model.message import Message, Reconciled


@step("reconcile", reads=Message)
def lambda_handler(message: Message) -> Reconciled:
    """Both sides and what they last agreed on → the plan of both."""
    return syncing.reconcile(message, ports=bootstrap.books())
