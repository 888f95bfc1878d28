"""Rule ExportDueRule of template.yaml: the next stretch of an export → at most one more file of it."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.journeys.account import exporting
from contactsync.model.message import ExportDue


@step("export", reads=ExportDue)
def lambda_handler(message: ExportDue) -> ExportDue:
    """What an account holds → files, stretch by stretch."""
    return exporting.export(
        message,
        control=bootstrap.control(),
        contacts=bootstrap.contacts(),
        runs=bootstrap.runs(),
        photos=bootstrap.photos(),
        bus=bootstrap.bus(),
        clock=bootstrap.clock(),
    )
