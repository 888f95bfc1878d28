"""A mail that does not leave fails no run: whatever the mail service does, the run ends as it would have, and says how many."""

from __future__ import annotations

from typing import Any

import pytest

from contactsync.adapters.memory import MemoryMailer
from contactsync.errors import Busy
from contactsync.journeys.file.finishing import MAILS_PUT_OFF
from contactsync.ports import Mail, MailRefused, MailUncertain
from tests.architecture.template import MACHINES

ADDRESSES = ["ann@example.com", "bob@example.com"]
BODY = {
    "name": "People",
    "source": {"kind": "paste", "text": "email\nada@example.com\n"},
    "mapping": [{"column": "email", "field": "email"}],
    "notify": {"emails": ADDRESSES},
}


class Failing(MemoryMailer):
    """Raises `error` for the next `times` mails, or those to one address only."""

    def __init__(self, error: Exception, times: int = 1_000, only: str = "") -> None:
        super().__init__()
        self.error, self.times, self.only = error, times, only

    def send(self, mail: Mail) -> None:
        if self.times and self.only in mail.to:
            self.times -= 1
            raise self.error
        super().send(mail)


def run_with(api: Any, mailer: MemoryMailer, **body: Any) -> dict[str, Any]:
    """A run whose mails go by way of `mailer`."""
    api.world.ports.mailer = mailer
    run_id = api.post("/imports", {**BODY, **body}).json["run"]["id"]
    told = api.world.execute(api.world.control.run(api.account.account_id, run_id).value)
    assert told is not None
    assert not told.bug, "the execution would have failed"
    return dict(api.get(f"/runs/{run_id}").json)


@pytest.mark.parametrize(
    "error",
    [MailRefused("no"), MailUncertain("who knows"), Busy("away")],
    ids=lambda error: type(error).__name__,
)
def test_a_mailer_that_fails_for_good_fails_no_run(api, error):
    run = run_with(api, Failing(error))
    assert (run["status"], run["problem"], run["counts"]["added"]) == ("succeeded", None, 1)
    assert set(api.world.stored()) == {"ada@example.com"}
    assert run["mails_failed"] == len(ADDRESSES)
    assert api.post(f"/syncs/{run['sync_id']}/runs", {}).status == 202, "the sync is free again"


@pytest.mark.parametrize("error", [MailRefused("no"), MailUncertain("who knows"), Busy("away")])
def test_a_failed_run_keeps_its_own_problem(api, error):
    run = run_with(api, Failing(error), mapping=[{"column": "nowhere", "field": "email"}])
    assert run["status"] == "failed"
    assert run["problem"]["code"] != "internal"
    assert run["mails_failed"] == len(ADDRESSES)


def test_one_address_that_fails_costs_the_other_nothing(api):
    mailer = Failing(Busy("away"), only="ann@")
    run = run_with(api, mailer)
    assert [mail.to for mail in mailer.sent] == ["bob@example.com"]
    assert run["mails_failed"] == 1


@pytest.mark.parametrize("times", [1, 2, MAILS_PUT_OFF])
def test_a_mailer_that_was_away_sends_each_mail_once(api, times):
    mailer = Failing(Busy("away"), times=times)
    run = run_with(api, mailer)
    assert [mail.to for mail in mailer.sent] == ADDRESSES
    assert run["mails_failed"] == 0


@pytest.mark.parametrize("machine", MACHINES)
def test_a_mail_is_given_up_before_the_execution_is(machine):
    retries = MACHINES[machine]["States"]["Notify"]["Retry"]
    [busy] = [retry["MaxAttempts"] for retry in retries if "Busy" in retry["ErrorEquals"]]
    assert busy > MAILS_PUT_OFF
