"""The mailer's contract, in memory and on two emulators; and faults on the way there."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from contactsync.adapters import clients
from contactsync.adapters.mailer import SesMailer
from contactsync.adapters.memory import MemoryMailer
from contactsync.errors import Busy
from contactsync.ports import Mail, MailRefused, MailUncertain
from tests.contract.conftest import IMPATIENT, REGION
from tests.faults.proxy import FailBeforeSending, LoseReply, refused

SENDER = "sync@example.com"
MAIL = Mail(
    "ada@example.com",
    "Import done – 3 contacts Ω",
    "3 contacts\nwere added.\n",
    "<p>3 contacts<br>were added.</p>",
)


class MailerContract:
    """Backends give `mailer` and `sent`, which tells (to, subject) of what was sent, oldest first."""

    def test_a_mail_is_sent(self, mailer, sent):
        mailer.send(MAIL)
        assert sent() == [("ada@example.com", MAIL.subject)]

    def test_every_mail_is_a_mail(self, mailer, sent):
        mailer.send(MAIL)
        mailer.send(MAIL)
        assert len(sent()) == 2

    @pytest.mark.parametrize(
        "subject", ["x\r\nBcc: eve@example.com", "x\nBcc: eve@example.com", "x\u2028\x85Bcc: eve@example.com"]
    )
    def test_a_subject_stays_one_line_and_the_mail_goes_out(self, mailer, sent, subject):
        mailer.send(Mail("ada@example.com", subject, "t", "<p>t</p>"))
        assert sent() == [("ada@example.com", "x Bcc: eve@example.com")]

    @pytest.mark.parametrize(
        "to",
        [
            "ada@example.com\r\nBcc: eve@example.com",
            "ada@example.com,eve@example.com",
            "nobody",
            "",
            "a@b@example.com",
        ],
    )
    def test_what_is_not_one_address_is_refused(self, mailer, sent, to):
        with pytest.raises(MailRefused):
            mailer.send(Mail(to, "s", "t", "h"))
        assert sent() == []


class TestMemoryMailer(MailerContract):
    @pytest.fixture
    def mailer(self):
        return MemoryMailer()

    @pytest.fixture
    def sent(self, mailer):
        return lambda: [(mail.to, mail.subject) for mail in mailer.sent]


def ministack_mails(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/_ministack/ses/messages") as response:
        accounts = json.load(response)["messages"]
    return [mail for mails in accounts.values() for mail in mails]


class TestSesMailerOnMinistack(MailerContract):
    @pytest.fixture
    def client(self, ministack_url):
        client = clients.ses(REGION, endpoint=ministack_url)
        client.create_email_identity(EmailIdentity=SENDER)
        yield client
        client.delete_email_identity(EmailIdentity=SENDER)

    @pytest.fixture
    def mailer(self, client):
        return SesMailer(SENDER, lambda: client, patience=IMPATIENT)

    @pytest.fixture
    def sent(self, ministack_url):
        before = len(ministack_mails(ministack_url))
        return lambda: [(mail["To"][0], mail["Subject"]) for mail in ministack_mails(ministack_url)[before:]]

    def test_text_and_html_arrive(self, mailer, sent, ministack_url):
        mailer.send(MAIL)
        (mail,) = ministack_mails(ministack_url)[-1:]
        assert (mail["Source"], mail["BodyText"], mail["BodyHtml"]) == (SENDER, MAIL.text, MAIL.html)


class TestSesMailerOnMoto(MailerContract):
    @pytest.fixture
    def client(self, moto_url):
        client = clients.ses(REGION, endpoint=moto_url)
        client.create_email_identity(EmailIdentity=SENDER)
        return client

    @pytest.fixture
    def mailer(self, client):
        return SesMailer(SENDER, lambda: client, patience=IMPATIENT)

    @pytest.fixture
    def sent(self, client):
        messages = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages  # the server runs in this process
        before = len(messages)
        return lambda: [(mail.destinations["ToAddresses"][0], mail.subject) for mail in messages[before:]]


def test_without_a_sender_nothing_is_sent_and_the_error_says_what_to_set():
    with pytest.raises(MailRefused, match="MailSender"):
        SesMailer("", lambda: pytest.fail("no client is needed")).send(MAIL)


class TestFaultsOnTheWay:
    @pytest.fixture
    def proxy(self, ministack_url, proxy_to):
        return proxy_to(ministack_url)

    @pytest.fixture
    def mailer(self, proxy):
        client = clients.ses(REGION, endpoint=proxy.url)
        client.create_email_identity(EmailIdentity=SENDER)
        proxy.reset()
        return SesMailer(SENDER, lambda: client, patience=IMPATIENT)

    @pytest.mark.parametrize("code", ["TooManyRequestsException", "Throttling", "LimitExceededException"])
    def test_a_throttled_mail_is_tried_again(self, mailer, proxy, code):
        proxy.plan(1, refused(code, 429))
        mailer.send(MAIL)
        assert len(proxy.calls) == 2

    def test_throttling_that_lasts_is_busy(self, mailer, proxy):
        proxy.plan_where(lambda call: True, refused("TooManyRequestsException", 429), times=9)
        with pytest.raises(Busy):
            mailer.send(MAIL)
        assert len(proxy.calls) == 4

    @pytest.mark.parametrize(
        "code", ["MessageRejected", "MailFromDomainNotVerifiedException", "AccountSuspendedException"]
    )
    def test_a_rejected_mail_is_refused_without_its_content(self, mailer, proxy, code):
        proxy.plan(1, refused(code, 400))
        with pytest.raises(MailRefused, match=code) as raised:
            mailer.send(MAIL)
        assert "ada" not in str(raised.value)
        assert len(proxy.calls) == 1

    @pytest.mark.parametrize("fault", [LoseReply(), FailBeforeSending(), refused("InternalFailure", 500)])
    def test_a_mail_that_may_have_gone_out_is_not_sent_twice(self, mailer, proxy, fault):
        proxy.plan(1, fault)
        with pytest.raises(MailUncertain):
            mailer.send(MAIL)
        assert len(proxy.calls) == 1

    def test_a_mail_for_which_there_was_no_connection_certainly_did_not_leave(self):
        client = clients.ses(REGION, endpoint="http://127.0.0.1:9")
        with pytest.raises(Busy):
            SesMailer(SENDER, lambda: client, patience=IMPATIENT).send(MAIL)
