"""A function starts with what it uses: what only some requests need is imported, and built, with the first of them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

SELDOM = [
    "PIL",
    "boto3",
    "botocore.session",
    "cryptography",
    "paramiko",
    "requests",
    "urllib3",
    "html.entities",
    "contactsync.core.parsing.detection",
    "contactsync.core.spreadsheet",
    "contactsync.core.vcard",
    "contactsync.core.mailing",
]
DEFAULTS = {
    "Caller",
    "Counts",
    "FieldIdentity",
    "Format",
    "Guard",
    "Limits",
    "Notify",
    "Options",
    "Pushed",
    "RunProblem",
    "RunWarning",
}
"""Of these there is one from the beginning: what another model holds if nothing is said, or what is always said."""
STARTED = """
import json, sys
sys.path.insert(0, sys.argv[1])
import handler
from contactsync.model.deferred import Deferred

def below(model):
    for one in model.__subclasses__():
        yield one
        yield from below(one)

built = [one.__qualname__ for one in below(Deferred) if one.__pydantic_complete__]
print(json.dumps({"modules": [*sys.modules], "built": built}))
"""
FUNCTIONS = sorted(path.parent for path in Path("functions").glob("*/handler.py"))


@pytest.mark.parametrize("function", FUNCTIONS, ids=[path.name for path in FUNCTIONS])
def test_nothing_is_imported_or_built_that_few_requests_need(function):
    command = [sys.executable, "-c", STARTED, str(function)]
    environment = {**os.environ, "AWS_REGION": "eu-west-1", "AWS_LAMBDA_FUNCTION_NAME": "it"}
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    started = json.loads(told)
    assert [name for name in SELDOM if name in started["modules"]] == []
    begins_with = {*re.findall(r"reads=(\w+)", (function / "handler.py").read_text())}
    assert {*started["built"]} <= DEFAULTS | begins_with | {"Run", "Sync"}
