"""Rule FileParkedRule of template.yaml: a file was left where it lies, or a book is lost → one mail to whoever owns it."""

from contactsync import bootstrap
from contactsync.config import settings
from contactsync.entry import step
from contactsync.journeys.asked import dropping
from contactsync.journeys.book import losing
from contactsync.model.message import BookLost, FileParked, Told, ToTell


@step("tell", reads=ToTell)
def lambda_handler(message: ToTell) -> Told:
    """A parked file, or a lost book → one mail."""
    control, mailer, public_url = bootstrap.control(), bootstrap.mailer(), settings().public_url
    if message.connection_id:
        lost = BookLost(account_id=message.account_id, connection_id=message.connection_id)
        return losing.tell_lost(lost, control=control, mailer=mailer, public_url=public_url)
    parked = FileParked(account_id=message.account_id, drop_id=message.drop_id or "")
    return dropping.tell(parked, control=control, mailer=mailer, public_url=public_url)
