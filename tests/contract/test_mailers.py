"""The mailer's contract, in memory and on two emulators; and faults on the way there."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import sys
import urllib.request
from typing import Any

import boto3
import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.ses.models import ses_backends

from contactsync.adapters import ses_wire
from contactsync.adapters.mailer import SesMailer
from contactsync.adapters.memory import MemoryMailer
from contactsync.adapters.patience import Patience
from contactsync.adapters.ses_wire import SesWire
from contactsync.adapters.wire import ServiceError
from contactsync.errors import Busy
from contactsync.ports import Mail, MailRefused, MailUncertain
from tests.contract.conftest import IMPATIENT, REGION, credentials
from tests.contract.scripted import Cut, Server
from tests.fakes.certificates import Authority
from tests.faults.proxy import FailBeforeSending, LoseReply, refused

SENDER = "sync@example.com"
NOBODY = "http://127.0.0.1:9"
MAIL = Mail(
    "ada@example.com",
    "Import done – 3 contacts Ω",
    "3 contacts\nwere added.\n",
    "<p>3 contacts<br>were added.</p>",
)


def mailer_at(url: str, patience: Patience = IMPATIENT) -> SesMailer:
    return SesMailer(SENDER, SesWire(REGION, endpoint=url, credentials=credentials, patience=patience))


def identities(url: str) -> Any:
    return boto3.client("sesv2", region_name=REGION, endpoint_url=url)


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
    def mailer(self, ministack_url):
        identities(ministack_url).create_email_identity(EmailIdentity=SENDER)
        yield mailer_at(ministack_url)
        identities(ministack_url).delete_email_identity(EmailIdentity=SENDER)

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
    def mailer(self, moto_url):
        identities(moto_url).create_email_identity(EmailIdentity=SENDER)
        return mailer_at(moto_url)

    @pytest.fixture
    def sent(self, mailer):
        messages = ses_backends[DEFAULT_ACCOUNT_ID][REGION].sent_messages  # the server runs in this process
        before = len(messages)
        return lambda: [(mail.destinations["ToAddresses"][0], mail.subject) for mail in messages[before:]]


def test_without_a_sender_nothing_is_sent_and_the_error_says_what_to_set():
    with pytest.raises(MailRefused, match="MailSender"):
        SesMailer("", SesWire(REGION, endpoint=NOBODY)).send(MAIL)


class TestFaultsOnTheWay:
    @pytest.fixture
    def proxy(self, ministack_url, proxy_to):
        return proxy_to(ministack_url)

    @pytest.fixture
    def mailer(self, proxy):
        identities(proxy.url).create_email_identity(EmailIdentity=SENDER)
        proxy.reset()
        return mailer_at(proxy.url)

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
        "code",
        [
            "MessageRejected",
            "MailFromDomainNotVerifiedException",
            "AccountSuspendedException",
            "AccessDeniedException",
        ],
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


def told(body: bytes = b'{"MessageId": "1"}', *headers: str, status: str = "200 OK") -> bytes:
    lines = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers])
    return f"{lines}\r\n\r\n".encode() + body


SENT = told()
ADDRESS = "http://internal.amazon.com/coral/com.amazonaws.sesv2/"
NAMINGS = [
    lambda code: told(b"{}", f"x-amzn-ErrorType: {code}:{ADDRESS}", status="400 Bad Request"),
    lambda code: told(b"", f"x-amzn-errortype: {code}", status="400 Bad Request"),
    lambda code: told(f'{{"__type": "com.amazonaws.sesv2#{code}"}}'.encode(), status="400 Bad Request"),
    lambda code: told(f'{{"__type": "{code}"}}'.encode(), status="400 Bad Request"),
    lambda code: told(f'{{"code": "{code}", "message": "no"}}'.encode(), status="400 Bad Request"),
]
"""Where a service of this kind may name an error."""


class BreaksOff(ssl.SSLContext):
    """TLS whose first handshake comes to nothing."""

    shaken = 0

    def wrap_socket(self, sock: socket.socket, **options: Any) -> ssl.SSLSocket:  # type: ignore[override]
        self.shaken += 1
        if self.shaken == 1:
            sock.close()
            raise ConnectionAbortedError
        return super().wrap_socket(sock, **options)


class TestAfterTheMailWentOut:
    @pytest.mark.parametrize(
        "answer",
        [
            None,
            b"",
            Cut(SENT[:-1]),
            Cut(SENT[:20]),
            Cut(b"HTTP/1.1 100 Continue\r\nContent-Length: 0\r\n\r\n"),
            b"no HTTP at all\r\n\r\n",
            told(b"<html>a proxy is pleased"),
            told(b"[]"),
            told(b"{}", "x-amzn-errortype: InternalFailure", status="500 Internal Server Error"),
            told(b"<html>a proxy is not", status="502 Bad Gateway"),
            told(b"<html>one too many", status="429 Too Many Requests"),
            told(b"{}", "x-amzn-errortype: RequestTimeoutException", status="408 Request Timeout"),
        ],
    )
    def test_it_is_uncertain_and_not_sent_twice(self, serve, monkeypatch, answer):
        monkeypatch.setattr(ses_wire, "READ_S", 0.2)
        server = serve(answer, then=SENT)
        with pytest.raises(MailUncertain):
            mailer_at(server.url).send(MAIL)
        assert server.requests == ["POST /v2/email/outbound-emails"]

    @pytest.mark.parametrize("refusal", NAMINGS)
    def test_a_refusal_is_told_by_its_code_wherever_that_stands(self, serve, refusal):
        server = serve(refusal("MessageRejected"))
        with pytest.raises(MailRefused, match="MessageRejected") as raised:
            mailer_at(server.url).send(MAIL)
        assert ADDRESS not in str(raised.value)
        assert len(server.requests) == 1

    @pytest.mark.parametrize("refusal", NAMINGS)
    def test_so_is_throttling(self, serve, refusal):
        server = serve(refusal("TooManyRequestsException"), then=SENT)
        mailer_at(server.url).send(MAIL)
        assert len(server.requests) == 2

    def test_what_nobody_expects_is_nobody_s_fault_but_ours(self, serve):
        """Such as a signature that is not taken: no address is to blame, and no later attempt will fare better."""
        server = serve(told(b"{}", "x-amzn-errortype: InvalidSignatureException", status="403 Forbidden"))
        with pytest.raises(ServiceError, match="SendEmail was refused: InvalidSignatureException"):
            mailer_at(server.url).send(MAIL)
        assert len(server.requests) == 1

    def test_in_the_sandbox_a_receiver_is_refused_by_our_role_and_that_is_no_bug(self, serve):
        """Until AWS lets the account out of it, SES asks of the role to name the receivers as well."""
        server = serve(told(b"{}", "x-amzn-errortype: AccessDeniedException", status="403 Forbidden"))
        with pytest.raises(MailRefused, match="AccessDeniedException"):
            mailer_at(server.url).send(MAIL)
        assert len(server.requests) == 1

    def test_no_mail_is_entrusted_to_a_connection_that_was_idle(self, serve):
        """It may have died unnoticed, and then nobody could tell what became of the mail."""
        server = serve(then=SENT)
        mailer = mailer_at(server.url)
        mailer.send(MAIL)
        mailer.send(MAIL)
        assert server.connections == 2


class TestWithoutAConnection:
    def test_the_mail_certainly_did_not_leave(self):
        with pytest.raises(Busy, match="4 times, the last time with ConnectionRefusedError"):
            mailer_at(NOBODY).send(MAIL)

    @pytest.fixture
    def authority(self, tmp_path, monkeypatch):
        authority = Authority(tmp_path)
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "ca.pem"))
        return authority

    def test_it_is_tried_again(self, authority):
        tls = authority.server("localhost")
        tls.__class__ = BreaksOff
        server = Server(then=SENT, tls=tls)
        mailer_at(server.url).send(MAIL)
        server.close()
        assert len(server.requests) == 1

    def test_a_server_that_nobody_vouches_for_gets_no_mail(self, authority, monkeypatch):
        monkeypatch.delenv("AWS_CA_BUNDLE")
        server = Server(then=SENT, tls=authority.server("localhost"))
        with pytest.raises(Busy, match="certificate"):
            mailer_at(server.url).send(MAIL)
        server.close()
        assert server.heard == []


class TestTheRequest:
    def test_it_is_the_one_that_boto3_makes(self, serve):
        server = serve(then=SENT)
        mailer_at(server.url).send(MAIL)
        boto3.client(
            "sesv2", region_name=REGION, endpoint_url=server.url,
            aws_access_key_id="test", aws_secret_access_key="test",
        ).send_email(**json.loads(server.bodies[0]))  # fmt: skip
        ours, theirs = server.bodies
        assert json.loads(ours) == json.loads(theirs)
        assert len(set(server.requests)) == 1
        signed = [line for line in server.heard if line.lower().startswith(b"authorization:")]
        assert len({line.partition(b": ")[2].partition(b", Signature")[0] for line in signed}) == 1
        typed = [line.lower() for line in server.heard if line.lower().startswith(b"content-type:")]
        assert len(typed) == 2
        assert len(set(typed)) == 1

    @pytest.mark.parametrize(
        ("region", "address"),
        [
            ("eu-west-1", "https://email.eu-west-1.amazonaws.com"),
            ("cn-north-1", "https://email.cn-north-1.amazonaws.com.cn"),
        ],
    )
    def test_where_it_goes_in_the_cloud(self, region, address):
        assert SesWire(region)._host.address == address

    def test_the_environment_says_where_else(self, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
        assert SesWire(REGION)._host.address == "http://127.0.0.1:1"
        monkeypatch.setenv("AWS_ENDPOINT_URL_SESV2", "http://127.0.0.1:2")
        assert SesWire(REGION)._host.address == "http://127.0.0.1:2"


@pytest.mark.parametrize("function", ["notify", "tell"])
def test_a_mail_costs_no_import_of_botocore(serve, function):
    """With all that the function itself imports. Powertools asks the package for its version only."""
    server = serve(then=SENT)
    needed = "CONTACTS_TABLE CONTROL_TABLE RUNS_BUCKET UPLOADS_BUCKET DROP_BUCKET PHOTOS_BUCKET BUS_NAME"
    environment = {
        **os.environ,
        **dict.fromkeys(needed.split(), "some"),
        "AWS_REGION": REGION,
        "AWS_ENDPOINT_URL_SESV2": server.url,
        "AWS_LAMBDA_FUNCTION_NAME": function,
        "MAIL_SENDER": SENDER,
    }
    code = (
        "import sys\n"
        f"sys.path.insert(0, 'functions/{function}')\n"
        "import handler\n"
        "from contactsync.ports import Mail\n"
        "handler.bootstrap.mailer().send(Mail('ada@example.com', 's', 't', '<p>t</p>'))\n"
        "print(*{'boto3', 'botocore.session', 'urllib3', 'http.client'} & set(sys.modules))"
    )
    said = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == ""
    assert len(server.requests) == 1
