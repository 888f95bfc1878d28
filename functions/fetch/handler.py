"""State Fetch of statemachine/import.asl.yaml: source bytes → the run's bucket."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys import importing
from contactsync.model.message import Fetched, Requested


@step("fetch", reads=Requested)
def lambda_handler(message: Requested) -> Fetched:
    """Source bytes → the run's bucket."""
    return importing.fetch(
        message,
        control=bootstrap.control(),
        uploads=bootstrap.uploads(),
        drops=bootstrap.drops(),
        runs=bootstrap.runs(),
        vault=bootstrap.vault(),
        courier=bootstrap.courier(),
        clock=bootstrap.clock(),
    )
