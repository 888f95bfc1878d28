"""Fetch's errand: a customer's file → the run's bucket, in a function whose role may do nothing."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys.file import reaching
from contactsync.model.message import Reached, Reaching


@step("reach", reads=Reaching)
def lambda_handler(message: Reaching) -> Reached:
    """A customer's file → the one object that the message's keys may write."""
    return reaching.reach(message, remote=bootstrap.remote(), staged=bootstrap.staged)
