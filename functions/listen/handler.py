"""Rules SyncDueRule and HourRule of template.yaml: something of a sync may be due → the run that is, if one is."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys.asked import scheduling
from contactsync.model.message import Heard, SyncDue


@step("listen", reads=SyncDue)
def lambda_handler(message: SyncDue) -> Heard:
    """A wake-up → a run, or nothing."""
    return scheduling.listen(
        message,
        control=bootstrap.control(),
        bus=bootstrap.bus(),
        scheduler=bootstrap.scheduler(),
        clock=bootstrap.clock(),
    )
