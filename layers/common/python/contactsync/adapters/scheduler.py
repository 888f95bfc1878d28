"""Wake-ups on EventBridge Scheduler: one schedule a sync, which puts the event SyncDue on our bus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import orjson

from contactsync.adapters.bus import SOURCE
from contactsync.adapters.clients import busy_if_transient

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

RETRIED_S = 3600
"""A wake-up that is later than this is of no use: what is due then is found at the next one."""


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
        with busy_if_transient():
            try:
                client.update_schedule(**asked)
            except client.exceptions.ResourceNotFoundException:
                client.create_schedule(**asked)

    def remove(self, account_id: str, sync_id: str) -> None:
        """See `ports.Scheduler.remove`."""
        client = self._client()
        with busy_if_transient():
            try:
                client.delete_schedule(Name=_name(account_id, sync_id), GroupName=self._target.group)
            except client.exceptions.ResourceNotFoundException:
                return

    def _client(self) -> EventBridgeSchedulerClient:
        if self._made is None:
            self._made = self._make()
        return self._made


def _name(account_id: str, sync_id: str) -> str:
    return f"{account_id}-{sync_id}"
