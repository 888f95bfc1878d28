"""Wake-ups on EventBridge Scheduler: one schedule a sync, which puts the event SyncDue on our bus."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from contactsync.adapters.bus import SOURCE
from contactsync.adapters.clients import busy_if_transient
from contactsync.errors import Busy

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

RETRIED_S = 3600
"""A wake-up that is later than this is of no use: what is due then is found at the next one."""
TURNS = 5
"""How often a schedule is tried that others change at the same time."""


@dataclass(frozen=True, slots=True)
class Target:
    """In which group the schedules lie, on which bus they put their events, by which role, and where those go that fail."""

    group: str
    bus_arn: str
    role_arn: str
    dead_letters_arn: str


class EventBridgeScheduler:
    """See `ports.Scheduler`."""

    def __init__(self, target: Target, client: Callable[[], EventBridgeSchedulerClient]) -> None:
        self._target = target
        self._make = client
        self._made: EventBridgeSchedulerClient | None = None

    def put(
        self, account_id: str, sync_id: str, cron: str, *, start: datetime | None, end: datetime | None
    ) -> None:
        """See `ports.Scheduler.put`."""
        detail = {"account_id": account_id, "sync_id": sync_id}
        asked: dict[str, Any] = {
            "Name": _name(account_id, sync_id),
            "GroupName": self._target.group,
            "ScheduleExpression": cron,
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "ActionAfterCompletion": "DELETE",
            "Target": {
                "Arn": self._target.bus_arn,
                "RoleArn": self._target.role_arn,
                "Input": orjson.dumps(detail).decode(),
                "EventBridgeParameters": {"Source": SOURCE, "DetailType": "SyncDue"},
                "DeadLetterConfig": {"Arn": self._target.dead_letters_arn},
                "RetryPolicy": {"MaximumEventAgeInSeconds": RETRIED_S, "MaximumRetryAttempts": 20},
            },
            **({"StartDate": start} if start else {}),
            **({"EndDate": end} if end else {}),
        }
        client = self._client()

        def tell() -> None:
            try:
                client.update_schedule(**asked)
            except client.exceptions.ResourceNotFoundException:
                client.create_schedule(**asked)

        self._in_turn(tell)

    def remove(self, account_id: str, sync_id: str) -> None:
        """See `ports.Scheduler.remove`."""
        client = self._client()

        def forget() -> None:
            with suppress(client.exceptions.ResourceNotFoundException):
                client.delete_schedule(Name=_name(account_id, sync_id), GroupName=self._target.group)

        self._in_turn(forget)

    def _in_turn(self, change: Callable[[], None]) -> None:
        """Try it while others change the same schedule, or have just made it, which the service calls a conflict."""
        for _ in range(TURNS):
            with busy_if_transient(), suppress(self._client().exceptions.ConflictException):
                return change()
        raise Busy("The schedule is being changed from several sides.")

    def _client(self) -> EventBridgeSchedulerClient:
        if self._made is None:
            self._made = self._make()
        return self._made


def _name(account_id: str, sync_id: str) -> str:
    return f"{account_id}-{sync_id}"


def ids_in(schedule_arn: str) -> tuple[str, str]:
    """The account and the sync of a schedule of ours."""
    account_id, _, sync_id = schedule_arn.rpartition("/")[2].partition("-")
    return account_id, sync_id
