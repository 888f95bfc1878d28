"""make account: the first key of a deployed stack opens it, and a stack that is not ours is named."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
import requests

from local import deploy
from local.emulator import REGION
from local.stack import Stack

pytestmark = pytest.mark.stack


def make_account(stack: Stack, name: str, country: str = "NL") -> subprocess.CompletedProcess[str]:
    asked = ["--stack", name, "--name", "Example Ltd", "--email", "you@example.com", "--country", country]
    return subprocess.run(
        [sys.executable, "-m", "contactsync", "account", *asked],
        env={**os.environ, "AWS_ENDPOINT_URL": stack.endpoint, "AWS_DEFAULT_REGION": REGION},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_key_that_is_printed_opens_the_account(stack: Stack) -> None:
    done = make_account(stack, deploy.STACK_NAME)
    assert done.returncode == 0, done.stderr
    [account_id] = re.findall(r"^account (a[0-9a-f]{24})$", done.stdout, re.MULTILINE)
    [key] = re.findall(r"^key     (csk_\w{40})$", done.stdout, re.MULTILINE)
    told = requests.get(
        f"{stack.facts.api}/v1/account", headers={"Authorization": f"Bearer {key}"}, timeout=30
    ).json()
    assert (told["id"], told["country"]) == (account_id, "NL")


@pytest.mark.parametrize(
    ("name", "country"), [("somebody-elses", "NL"), (deploy.STACK_NAME, "Holland"), (deploy.STACK_NAME, "XX")]
)
def test_what_is_wrong_is_told(stack: Stack, name: str, country: str) -> None:
    done = make_account(stack, name, country)
    assert done.returncode != 0
    assert (name if country == "NL" else country) in done.stderr
    assert "Traceback" not in done.stderr
