"""State Notify of both machines in statemachine/, rules RunLeftRule and RunLostRule of template.yaml: a run's end → its record, the mail."""

from contactsync import bootstrap
from contactsync.config import settings
from contactsync.entry import step
from contactsync.journeys import importing
from contactsync.model.message import Finishing, Notified


@step("notify", reads=Finishing)
def lambda_handler(message: Finishing) -> Notified:
    """The run's end → its record and the mail."""
    return importing.notify(
        message,
        control=bootstrap.control(),
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        mailer=bootstrap.mailer(),
        bus=bootstrap.bus(),
        clock=bootstrap.clock(),
        public_url=settings().public_url,
    )
