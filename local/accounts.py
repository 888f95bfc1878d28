"""Customers of the local stack, made by the same code that makes them in the cloud."""

from contactsync.adapters import wire
from contactsync.adapters.clock import SystemClock
from contactsync.adapters.control_table import ControlTable
from contactsync.adapters.gateway import UsagePlans
from contactsync.adapters.signing import Credentials
from contactsync.control import Control, plans
from contactsync.journeys.account.accounts import NewAccount, create_account, meter
from local.deploy import Deployed, client
from local.place import REGION


def create(*, endpoint: str, deployed: Deployed, name: str, email: str, country: str) -> NewAccount:
    """A new account in the emulator's control table, with one member and a key; its requests are counted alone."""
    clock, control = SystemClock(), control_of(endpoint, deployed)
    made = create_account(control, name=name, country=country, email=email, now=clock.now())
    usage_plans = {plan: deployed.outputs[f"{plan.capitalize()}UsagePlanId"] for plan in plans()}
    shares = UsagePlans(usage_plans, lambda: client("apigateway", endpoint))
    meter(control, shares, made.account_id, clock.now())
    return made


def control_of(endpoint: str, deployed: Deployed) -> Control:
    """The emulator's control table, typed."""
    dynamodb = wire.dynamodb(REGION, endpoint=endpoint, credentials=lambda: Credentials("test", "test"))
    return Control(ControlTable(deployed.outputs["ControlTableName"], dynamodb, SystemClock()))
