"""State Plan of statemachine/import.asl.yaml: rows against stored contacts → what will be done."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import importing
from contactsync.model.message import Planned, Units


@step("plan", reads=Units)
def lambda_handler(message: Units) -> Planned:
    """Rows against stored contacts → what will be done."""
    return importing.plan(
        message,
        control=bootstrap.control(),
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        clock=bootstrap.clock(),
    )
