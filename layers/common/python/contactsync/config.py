"""Settings from the environment: read once, all problems named at once."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import cache

from pydantic import BaseModel, ConfigDict, Field, ValidationError


class Settings(BaseModel):
    """Each field is the environment variable of the same name in capitals."""

    model_config = ConfigDict(frozen=True)

    aws_region: str = Field(min_length=3)
    contacts_table: str = Field(min_length=3)
    control_table: str = Field(min_length=3)
    runs_bucket: str = Field(min_length=3)
    uploads_bucket: str = Field(min_length=3)
    drop_bucket: str = Field(min_length=3)
    photos_bucket: str = Field(min_length=3)
    bus_name: str = Field(min_length=1)
    mail_sender: str = Field(default="", description="Without a sender no mail leaves; runs say so.")
    public_url: str = Field(
        default="", description="Where customers reach the API; links in mails start here."
    )
    secrets_key: str = Field(default="", description="The KMS key of the sources' secrets.")
    reach_function: str = Field(default="", description="The function that goes to customers' servers.")
    staging_role: str = Field(
        default="", description="The role by which that one writes, one object at a time."
    )
    bus_arn: str = Field(default="", description="The bus, as schedules name it.")
    schedule_group: str = Field(default="", description="The group in which the schedules of all syncs lie.")
    schedule_role: str = Field(default="", description="The role by which schedules put events on the bus.")
    schedule_dead_letters: str = Field(
        default="", description="The queue for events that schedules could not put on the bus."
    )
    identity_issuer: str = Field(
        default="", pattern=r"^(https://\S+)?$", description="Who signs people in; empty: nobody does."
    )
    identity_audiences: str = Field(
        default="", description="The clients whose tokens are meant for us, separated by commas."
    )
    shared_usage_key: str = Field(
        default="", description="Under which API Gateway counts accounts without a key of their own there."
    )
    connect_function: str = Field(
        default="", description="The function that keeps what members have lent us to open their books."
    )
    discover_function: str = Field(
        default="", description="The function that looks for address books on customers' servers."
    )
    peek_function: str = Field(
        default="", description="The function that looks at files on customers' servers for previews."
    )
    google_client_id: str = Field(default="", description="Who we are to Google; empty: it is not offered.")
    google_client_secret: str = Field(default="", repr=False)
    microsoft_client_id: str = Field(
        default="", description="Who we are to Microsoft; empty: it is not offered."
    )
    microsoft_client_secret: str = Field(default="", repr=False)
    google_elsewhere: str = Field(
        default="",
        description="A stand-in for Google, for trials on one machine; in the cloud it stays empty.",
    )
    microsoft_elsewhere: str = Field(default="", description="The same for Microsoft.")
    allow_hosts: str = Field(
        default="",
        pattern=r"^( *[^, ]+:[0-9]{1,5} *(,|$))*$",
        description="Private hosts that sources may read all the same, host:port separated by commas. "
        "For trials on one machine; in the cloud it stays empty.",
    )


class Misconfigured(Exception):
    """The function's environment is incomplete; the message names every variable that is."""


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raises Misconfigured with all problems at once."""
    values = {
        name: environment[name.upper()] for name in Settings.model_fields if name.upper() in environment
    }
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        names = ", ".join(str(problem["loc"][0]).upper() for problem in error.errors())
        raise Misconfigured(f"Set these environment variables in template.yaml: {names}") from None


@cache
def settings() -> Settings:
    """The settings of this process."""
    return settings_from(os.environ)
