"""State Parse of statemachine/import.asl.yaml: bytes → chunks of rows."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import importing
from contactsync.model.message import Message, Parsed


@step("parse", reads=Message)
def lambda_handler(message: Message) -> Parsed:
    """Bytes → chunks of rows."""
    return importing.parse(
        message,
        control=bootstrap.control(),
        runs=bootstrap.runs(),
    )
