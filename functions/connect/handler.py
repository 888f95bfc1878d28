"""What members have lent us: signed in for, opened, renewed and given back, in the one function that can."""

from contactsync import bootstrap
from contactsync.entry import step
from contactsync.model.lending import Errand, Kept


@step("connect", reads=Errand)
def lambda_handler(message: Errand) -> Kept:
    """An errand → what comes of it."""
    return bootstrap.keeping().keep(message)
