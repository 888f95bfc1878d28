"""What an account may do: its plan's limits, which are data (control/plans.json), and its own exceptions."""

from __future__ import annotations

from pydantic import ConfigDict, Field

from contactsync.model.deferred import Deferred


class PlanLimits(Deferred):
    """How much of everything. A limit of 0 is something that the plan does not have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sources: tuple[str, ...] = Field(description="Kinds of sources that a sync may have.")
    schedules: int = Field(ge=0, description="Syncs that run by themselves.")
    connections: int = Field(ge=0, description="Address books at providers.")
    contacts: int = Field(ge=0)
    runs_a_day: int = Field(
        ge=0,
        description="Within a day of the account's time zone. Undoing is not counted; runs that follow edits into address books "
        "are counted for themselves, up to the same number, and what is edited after that waits for the next run.",
    )
    concurrent_runs: int = Field(ge=1)
    members: int = Field(ge=1, le=1000)
    keys: int = Field(
        ge=1, le=1000, description="Of all members together; revoked and expired ones do not count."
    )
    fields: int = Field(ge=0, le=1000, description="Of the account's own.")
    first_sync_contacts: int = Field(ge=0, description="The first time that an address book is read.")
    next_sync_contacts: int = Field(ge=0, description="Each time after that.")
    connection_contacts: int = Field(ge=0, description="In one address book altogether.")


class Requests(Deferred):
    """What API Gateway lets an account ask; template.yaml has a usage plan with these very numbers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    a_second: int = Field(ge=1)
    burst: int = Field(ge=1)
    a_day: int = Field(ge=1)


class Plan(Deferred):
    """One plan."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limits: PlanLimits
    requests: Requests


class PlanTable(Deferred):
    """All plans by name, and which one holds for an account that names none, or one that is gone."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: str
    plans: dict[str, Plan]
