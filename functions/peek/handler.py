"""The API's errand: the first rows of a file on a customer's server, in a function whose role may do nothing."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys.file import reaching
from contactsync.model.message import Peeked, Peeking


@step("peek", reads=Peeking)
def lambda_handler(message: Peeking) -> Peeked:
    """A customer's file → its beginning."""
    return reaching.peek(message, remote=bootstrap.remote())
