"""Rule FileDroppedRule of template.yaml: S3's event of a new object → a file that waits for its turn, or is parked."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys.asked import dropping
from contactsync.model.message import FileDropped, Received


@step("receive", reads=FileDropped)
def lambda_handler(message: FileDropped) -> Received:
    """A new object → a file of a sync."""
    return dropping.receive(message, control=bootstrap.control(), bus=bootstrap.bus())
