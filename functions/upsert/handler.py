"""State Upsert of both machines in statemachine/: the plan → the contact list."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import importing
from contactsync.model.message import Units, Upserted


@step("upsert", reads=Units)
def lambda_handler(message: Units) -> Upserted:
    """The plan → the contact list."""
    return importing.upsert(
        message,
        control=bootstrap.control(),
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        clock=bootstrap.clock(),
    )
