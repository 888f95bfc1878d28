"""A mail that does not leave fails no run: whatever the mail service does, the run ends as it would have, and says how many."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from contactsync.adapters.memory import MemoryMailer
from contactsync.errors import Busy
from contactsync.journeys.file.notifying import MAILS_PUT_OFF
from contactsync.model.message import Finishing
from contactsync.ports import Mail, MailRefused, MailUncertain
from tests.architecture.template import MACHINES
from tests.support.mailers import Failing

ADDRESSES = ["ann@example.com", "bob@example.com"]
BODY = {
    "name": "People",
    "source": {"kind": "paste", "text": "email\nada@example.com\n"},
    "mapping": [{"column": "email", "field": "email"}],
    "notify": {"emails": ADDRESSES},
}


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


class Meanwhile(MemoryMailer):
    """Has something done while the first mail is under way."""

    def __init__(self) -> None:
        super().__init__()
        self.act: Callable[[], object] | None = None

    def send(self, mail: Mail) -> None:
        super().send(mail)
        act, self.act = self.act, None
        if act is not None:
            act()


def test_two_workers_at_once_send_each_mail_once(api):
    mailer = Meanwhile()

    def another() -> None:
        [sync] = api.get("/syncs").json["items"]
        names = {"account_id": api.account.account_id, "run_id": sync["latest_run"]["id"]}
        api.world.notify(Finishing.model_validate(names))

    mailer.act = another
    run_with(api, mailer)
    assert [mail.to for mail in mailer.sent] == ADDRESSES


def test_nobody_is_told_that_a_run_waits_once_it_was_approved(api):
    people = "email\n" + "".join(f"p{number}@example.com\n" for number in range(10))
    pasted = {"kind": "paste", "text": people}
    first = run_with(api, MemoryMailer(), source=pasted, options={"delete_missing": {"scope": "all"}})
    mailer = Meanwhile()
    api.world.ports.mailer = mailer
    api.world.clock.advance(timedelta(hours=1))
    again = api.world.again(first["sync_id"], people[: people.index("p6@")])

    def approve() -> None:
        waiting = api.get(f"/runs/{again.id}").json
        assert waiting["status"] == "awaiting_approval"
        assert api.post(f"/runs/{again.id}/approve", {"plan_hash": waiting["plan_hash"]}).status == 202

    mailer.act = approve
    api.world.execute(again)
    assert [(mail.to, "waits" in mail.subject) for mail in mailer.sent] == [("ann@example.com", True)]
    api.world.execute(again, execution="after approval")
    assert [mail.to for mail in mailer.sent[1:]] == ADDRESSES
    assert {mail.subject for mail in mailer.sent[1:]} == {"People: 4 deleted"}


@pytest.mark.parametrize("machine", MACHINES)
def test_a_mail_is_given_up_before_the_execution_is(machine):
    retries = MACHINES[machine]["States"]["Notify"]["Retry"]
    [busy] = [retry["MaxAttempts"] for retry in retries if "Busy" in retry["ErrorEquals"]]
    assert busy > MAILS_PUT_OFF
