"""Rules EraseDueRule and NightRule of template.yaml: the next stretch of forgetting somebody, or the nightly look."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys.account import forgetting
from contactsync.model.message import EraseDue


@step("erase", reads=EraseDue)
def lambda_handler(message: EraseDue) -> EraseDue:
    """A person, an account, or old history → nothing of it, stretch by stretch."""
    stores = forgetting.EveryStore(
        control=bootstrap.control(),
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        uploads=bootstrap.uploads(),
        photos=bootstrap.photos(),
        drops=bootstrap.drops(),
        scheduler=bootstrap.scheduler(),
        bus=bootstrap.bus(),
        keeper=bootstrap.keeper(),
        clock=bootstrap.clock(),
    )
    return forgetting.erase(message, stores)
