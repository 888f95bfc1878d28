"""Mail, through SES."""

from __future__ import annotations

import re
from ssl import SSLCertVerificationError

from contactsync.adapters.connection import InDoubt
from contactsync.adapters.ses_wire import SesWire
from contactsync.adapters.wire import ServiceError
from contactsync.errors import Busy
from contactsync.ports import Mail, MailRefused, MailUncertain

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_REFUSALS = frozenset(
    {
        "AccessDeniedException",  # in SES's sandbox, of every receiver that our role does not name
        "AccountSuspendedException",
        "BadRequestException",
        "MailFromDomainNotVerifiedException",
        "MessageRejected",
        "NotFoundException",
        "SendingPausedException",
    }
)


class SesMailer:
    """See `ports.Mailer`."""

    def __init__(self, sender: str, wire: SesWire) -> None:
        self._sender = sender
        self._wire = wire

    def send(self, mail: Mail) -> None:
        """See `ports.Mailer.send`.

        A mail that the service throttled, or for which there was no connection, was not sent and is tried again.
        After any other failure it may have been: that is MailUncertain at once.
        """
        check_address(mail.to)
        if not self._sender:
            raise MailRefused(
                "No sender is set: give the stack the parameter MailSender, an address verified in SES."
            )
        try:
            self._wire.send_email(self._request(mail))
        except InDoubt as error:
            raise MailUncertain(f"Nobody can tell whether the mail has left: {error}.") from None
        except SSLCertVerificationError:
            raise Busy("The mail has not left: nobody vouches for the mail service's certificate.") from None
        except ServiceError as error:
            if error.code in _REFUSALS:
                raise MailRefused(f"The mail service did not take the mail: {error.code}.") from None
            raise

    def _request(self, mail: Mail) -> dict[str, object]:
        return {
            "FromEmailAddress": self._sender,
            "Destination": {"ToAddresses": [mail.to]},
            "Content": {
                "Simple": {
                    "Subject": {"Data": one_line(mail.subject), "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": mail.text, "Charset": "UTF-8"},
                        "Html": {"Data": mail.html, "Charset": "UTF-8"},
                    },
                }
            },
        }


def one_line(text: str) -> str:
    """A subject without line breaks and control characters: in a header they would begin another one."""
    return _CONTROL.sub(" ", text).strip()


def check_address(address: str) -> None:
    """Raises MailRefused for an address that would not stay one address in a header."""
    if _CONTROL.search(address) or "," in address or address.count("@") != 1:
        raise MailRefused("The address is not one mail address.")
