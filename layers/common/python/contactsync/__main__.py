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
from contactsync.core.fieldtypes import is_country
from contactsync.journeys.accounts import create_account


def main() -> int:
    """0, or 1 with a word on what is wrong."""
    options = _options()
    try:
        table, region = _control_table(options.stack)
    except LookupError as problem:
        print(problem, file=sys.stderr)
        return 1
    clock = SystemClock()
    control = Control(ControlTable(table, wire.dynamodb(region), clock))
    made = create_account(
        control, name=options.name, country=options.country, email=options.email, now=clock.now()
    )
    print(f"account {made.account_id}\nkey     {made.api_key}")
    return 0


def _control_table(stack: str) -> tuple[str, str]:
    """The name of the stack's control table, and the region that the stack is in. Raises LookupError."""
    import boto3  # noqa: PLC0415 takes a third of a second, which --help need not wait for
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        cloudformation = boto3.client("cloudformation")
        (found,) = cloudformation.describe_stacks(StackName=stack)["Stacks"]
        outputs = {output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())}
        return outputs["ControlTableName"], cloudformation.meta.region_name
    except KeyError:
        raise LookupError(f"The stack {stack} has no control table: is it Contact Sync's?") from None
    except (BotoCoreError, ClientError) as error:
        raise LookupError(
            f"The stack {stack} cannot be read: {error} Check its name, AWS_PROFILE and AWS_REGION."
        ) from None


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m contactsync", description="Make a customer's account.")
    parser.add_argument("--stack", required=True, help="the CloudFormation stack's name")
    parser.add_argument("--name", required=True, help="the customer's name")
    parser.add_argument("--email", required=True, help="the first member's address")
    parser.add_argument(
        "--country",
        required=True,
        type=_country,
        help="ISO 3166 code: local phone numbers are read as this country's",
    )
    return parser.parse_args()


def _country(code: str) -> str:
    if not is_country(code.upper()):
        raise argparse.ArgumentTypeError(f"{code} is no country: write its ISO code, like NL")
    return code.upper()


if __name__ == "__main__":
    sys.exit(main())
