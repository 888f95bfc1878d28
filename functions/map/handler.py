"""State Map of statemachine/import.asl.yaml: chunks → typed rows and rejects."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import importing
from contactsync.model.message import Chunks, Mapped


@step("map", reads=Chunks)
def lambda_handler(message: Chunks) -> Mapped:
    """Chunks → typed rows and rejects."""
    return importing.map(
        message,
        control=bootstrap.control(),
        runs=bootstrap.runs(),
        clock=bootstrap.clock(),
    )
