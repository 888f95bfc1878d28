"""State Guard of both machines in statemachine/: the whole plan → go, or not."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import importing
from contactsync.model.message import Guarded, Message


@step("guard", reads=Message)
def lambda_handler(message: Message) -> Guarded:
    """The whole plan → go, or not."""
    return importing.guard(
        message,
        control=bootstrap.control(),
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        clock=bootstrap.clock(),
    )
