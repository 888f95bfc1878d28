"""Mail, through SES."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from contactsync.adapters.clients import busy_if_transient
from contactsync.adapters.patience import Patience
from contactsync.errors import Busy
from contactsync.ports import Mail, MailRefused, MailUncertain

if TYPE_CHECKING:
    from mypy_boto3_sesv2 import SESV2Client

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_REFUSALS = frozenset(
    {
        "AccountSuspendedException",
        "BadRequestException",
        "MailFromDomainNotVerifiedException",
        "MessageRejected",
        "NotFoundException",
        "SendingPausedException",
    }
)
_THROTTLED = frozenset(
    {"LimitExceededException", "Throttling", "ThrottlingException", "TooManyRequestsException"}
)
_NO_CONNECTION = frozenset({"ConnectTimeoutError", "EndpointConnectionError"})


class SesMailer:
    """See `ports.Mailer`. `client` makes the client when the first mail is sent."""

    def __init__(
        self, sender: str, client: Callable[[], SESV2Client], *, patience: Patience | None = None
    ) -> None:
        self._sender = sender
        self._make_client = client
        self._patience = patience or Patience(attempts=5, first_s=0.2)

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
        from botocore.exceptions import ClientError, ConnectTimeoutError, EndpointConnectionError  # noqa: PLC0415 lazy, like the client

        why = ""
        for failures in range(1, self._patience.attempts + 1):
            try:
                with busy_if_transient(passing=_THROTTLED | _NO_CONNECTION):
                    self._send(mail)
                return
            except Busy as error:
                raise MailUncertain(str(error)) from None
            except (ConnectTimeoutError, EndpointConnectionError):
                why = "could not be reached for"
            except ClientError as error:
                code = error.response.get("Error", {}).get("Code", "")
                if code in _REFUSALS:
                    raise MailRefused(f"The mail service did not take the mail: {code}.") from None
                if code not in _THROTTLED:
                    raise
                why = "throttled"
            if failures < self._patience.attempts:
                self._patience.wait(failures)
        raise Busy(f"The mail service {why} the mail {self._patience.attempts} times.")

    def _send(self, mail: Mail) -> None:
        self._client.send_email(
            FromEmailAddress=self._sender,
            Destination={"ToAddresses": [mail.to]},
            Content={
                "Simple": {
                    "Subject": {"Data": one_line(mail.subject), "Charset": "UTF-8"},
                    "Body": {
                        "Text": {"Data": mail.text, "Charset": "UTF-8"},
                        "Html": {"Data": mail.html, "Charset": "UTF-8"},
                    },
                }
            },
        )

    @cached_property
    def _client(self) -> SESV2Client:
        return self._make_client()


def one_line(text: str) -> str:
    """A subject without line breaks and control characters: in a header they would begin another one."""
    return _CONTROL.sub(" ", text).strip()


def check_address(address: str) -> None:
    """Raises MailRefused for an address that would not stay one address in a header."""
    if _CONTROL.search(address) or "," in address or address.count("@") != 1:
        raise MailRefused("The address is not one mail address.")
