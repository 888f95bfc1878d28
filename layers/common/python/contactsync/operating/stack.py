"""The deployed stack that a command works on, found by its name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from contactsync import bootstrap
from contactsync.adapters.gateway import UsagePlans
from contactsync.control import Control, plans
from contactsync.ports import Shares

SETTINGS = {
    "CONTACTS_TABLE": "ContactsTableName",
    "CONTROL_TABLE": "ControlTableName",
    "RUNS_BUCKET": "RunsBucketName",
    "UPLOADS_BUCKET": "UploadsBucketName",
    "DROP_BUCKET": "DropBucketName",
    "PHOTOS_BUCKET": "PhotosBucketName",
    "BUS_NAME": "EventBusName",
}
"""What the functions read from their environment, and which output of the stack says it."""


class NoStack(Exception):
    """The stack cannot be worked on; the message says why and what to check."""


@dataclass(frozen=True)
class Stack:
    """A stack of ours: what it is called, where it is, and its outputs by name."""

    name: str
    region: str
    outputs: dict[str, str]

    @classmethod
    def named(cls, name: str) -> Stack:
        """Ask CloudFormation. Raises NoStack."""
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        if not name:
            raise NoStack("No stack is named. Say which, as in STACK=contact-sync or --stack contact-sync.")
        where = ""
        try:
            cloudformation = client("cloudformation")
            where = f" in {cloudformation.meta.region_name}"
            (found,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
        except (BotoCoreError, ClientError) as error:
            raise NoStack(
                f"The stack {name} cannot be read{where}: {str(error).rstrip('.')}. "
                "Check its name, AWS_PROFILE and AWS_REGION."
            ) from None
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
        return cls(name, cloudformation.meta.region_name, outputs)

    def output(self, name: str) -> str:
        """One output of the stack. Raises NoStack if it has none of that name."""
        try:
            return self.outputs[name]
        except KeyError:
            raise NoStack(f"The stack {self.name} has no output {name}: is it Contact Sync's?") from None

    def enter(self) -> None:
        """From here on the ports of `bootstrap` are this stack's. Raises NoStack."""
        os.environ.update({variable: self.output(name) for variable, name in SETTINGS.items()})
        os.environ["AWS_REGION"] = self.region

    def control(self) -> Control:
        """The stack's control table, typed. Raises NoStack."""
        self.enter()
        return bootstrap.control()

    def shares(self) -> Shares:
        """The shares of the stack's API. Raises NoStack."""
        plans_of_gateway = {name: self.output(f"{name.capitalize()}UsagePlanId") for name in plans()}
        return UsagePlans(plans_of_gateway, lambda: client("apigateway"))


def client(service: str) -> Any:
    """A boto3 client with the operator's own credentials and region."""
    import boto3  # noqa: PLC0415 takes a third of a second, which --help need not wait for

    # AWS's command line heeds AWS_REGION, boto3 does not
    return boto3.client(service, region_name=os.environ.get("AWS_REGION") or None)  # type: ignore[call-overload]
