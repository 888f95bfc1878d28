"""Rule FileParkedRule of template.yaml: a file was left where it lies → one mail to whoever owns it."""

from contactsync import bootstrap
from contactsync.config import settings
from contactsync.entry import step
from contactsync.journeys.asked import dropping
from contactsync.model.message import FileParked, Told


@step("tell", reads=FileParked)
def lambda_handler(message: FileParked) -> Told:
    """A parked file → one mail."""
    return dropping.tell(
        message, control=bootstrap.control(), mailer=bootstrap.mailer(), public_url=settings().public_url
    )
