"""Make a customer's account in a deployed stack and print its key, which is kept nowhere else.

    python -m contactsync --stack contact-sync --name "Example Ltd" --email you@example.com --country GB

AWS credentials and region come from where the AWS tools look for them.
"""

from __future__ import annotations

import argparse
import sys

from contactsync.adapters import wire
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.control_table import ControlTable
from contactsync.control import Control
from contactsync.journeys.accounts import create_account


def main() -> int:
    """0, or 1 if the stack has no control table."""
    options = _options()
    table, region = _control_table(options.stack)
    if table is None:
        print(
            f"The stack {options.stack} has no output ControlTableName: is it Contact Sync's?",
            file=sys.stderr,
        )
        return 1
    clock = SystemClock()
    control = Control(ControlTable(table, wire.dynamodb(region), clock))
    made = create_account(
        control, name=options.name, country=options.country, email=options.email, now=clock.now()
    )
    print(f"account {made.account_id}\nkey     {made.api_key}")
    return 0


def _control_table(stack: str) -> tuple[str | None, str]:
    """The name of the stack's control table, and the region that the stack is in."""
    import boto3  # noqa: PLC0415 takes a third of a second, which --help need not wait for

    cloudformation = boto3.client("cloudformation")
    (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
    return outputs.get("ControlTableName"), cloudformation.meta.region_name


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m contactsync", description="Make a customer's account.")
    parser.add_argument("--stack", required=True, help="the CloudFormation stack's name")
    parser.add_argument("--name", required=True, help="the customer's name")
    parser.add_argument("--email", required=True, help="the first member's address")
    parser.add_argument(
        "--country", required=True, help="ISO 3166 code: local phone numbers are read as this country's"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
