"""The import machine on moto: the same ASL file and the same handlers, under somebody else's interpreter.

ministack, which carries the local stack, could misread the machine in the same way as we do. moto's interpreter is
another team's reading of the language. Here it runs statemachine/import.asl.yaml, with each Task calling the real
handler in this process; tables, buckets and mail are those of the local stack, so that both lists can be compared.
"""

from __future__ import annotations

import importlib
import io
import json
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import boto3
import pytest
import yaml
from botocore.client import BaseClient
from moto import mock_aws
from moto.stepfunctions.parser.asl.component.state.exec.state_task import lambda_eval_utils

from contactsync import bootstrap, config
from contactsync.adapters import clients, s3_wire, ses_wire, wire
from functions.api import handler as api
from local import deploy
from local.stack import Stack
from tests.support.waiting import wait_for

DEFINITION = Path("statemachine/import.asl.yaml")
REGION = "eu-west-1"
LIMIT_S = 60


class Call(NamedTuple):
    """One request that a function sent to AWS, in the words of a role: action and resource."""

    function: str
    action: str
    resource: str


class Execution(NamedTuple):
    """How one execution went. `states` are those entered, in order, children of Maps included."""

    status: str
    error: str | None
    states: list[str]
    history: str


class SecondInterpreter:
    """Runs the machine for each run that is announced to it; it stands where the bus and its rule stand."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.executions: list[Execution] = []
        self._acting = ""
        definition = re.sub(
            r"\$\{(\w+)FunctionArn\}",
            lambda found: f"arn:aws:lambda:{REGION}:123456789012:function:{found[1].lower()}",
            DEFINITION.read_text(encoding="utf-8"),
        )
        self._service = boto3.client(
            "stepfunctions", region_name=REGION, endpoint_url=f"https://states.{REGION}.amazonaws.com"
        )
        self._machine = self._service.create_state_machine(
            name="import",
            definition=json.dumps(yaml.safe_load(definition)),
            roleArn="arn:aws:iam::123456789012:role/import",
        )["stateMachineArn"]

    def publish(self, kind: str, detail: dict[str, str]) -> None:
        """See `ports.Bus.publish`: what RunRequestedRule does with the event, and wait for the end."""
        assert kind == "RunRequested"
        self.execute(detail)

    def execute(self, message: Mapping[str, str]) -> Execution:
        """Run the machine once over `message`, to its end."""
        told = _ended(self._service, self._machine, message)
        self._acting = ""  # functions side by side leave behind whichever began last
        page = self._service.get_execution_history(executionArn=told["executionArn"], maxResults=1000)
        states = [
            it["stateEnteredEventDetails"]["name"]
            for it in page["events"]
            if "stateEnteredEventDetails" in it
        ]
        history = json.dumps(page["events"], default=str, ensure_ascii=False)
        self.executions.append(Execution(told["status"], told.get("error"), states, history))
        return self.executions[-1]

    def invoke(self, parameters: dict[str, Any], **_: Any) -> dict[str, Any]:
        """What Lambda does with an invocation: the handler's answer, or its error by name."""
        word = parameters["FunctionName"].rpartition(":")[2]
        handler = importlib.import_module(f"functions.{word}.handler")
        context = SimpleNamespace(function_name=word, aws_request_id=f"request-{len(self.calls)}")
        try:
            with self.acting_as(word):
                answer = handler.lambda_handler(json.loads(parameters["Payload"]), context)
        except Exception as error:  # noqa: BLE001 - as Lambda, which reports whatever comes
            payload = {"errorType": type(error).__name__, "errorMessage": str(error), "stackTrace": []}
            return {"StatusCode": 200, "FunctionError": "Unhandled", "Payload": payload}
        return {"StatusCode": 200, "Payload": json.loads(json.dumps(answer))}

    @contextmanager
    def acting_as(self, word: str) -> Iterator[None]:
        """What is asked of AWS meanwhile, the function `word` asks."""
        before, self._acting = self._acting, word
        try:
            yield
        finally:
            self._acting = before

    def note(self, action: str, resource: str) -> None:
        """Remember a request of the function at work."""
        if self._acting:
            self.calls.append(Call(self._acting, action, resource))


def executed(service: Any, definition: Mapping[str, Any], message: Mapping[str, Any]) -> tuple[str, Any]:
    """Run any machine once on any interpreter; how it ended, and its output."""
    role = "arn:aws:iam::123456789012:role/import"
    name = f"machine-{uuid.uuid4().hex}"
    made = service.create_state_machine(name=name, definition=json.dumps(definition), roleArn=role)
    told = _ended(service, made["stateMachineArn"], message)
    return told["status"], json.loads(told.get("output") or "null")


def _ended(service: Any, machine: str, message: Mapping[str, Any]) -> dict[str, Any]:
    """Start an execution; its description once it has ended."""
    name = uuid.uuid4().hex
    arn = service.start_execution(stateMachineArn=machine, name=name, input=json.dumps(message))[
        "executionArn"
    ]

    def ended() -> dict[str, Any] | None:
        told: dict[str, Any] = service.describe_execution(executionArn=arn)
        return None if told["status"] == "RUNNING" else told

    return wait_for(ended, within_s=LIMIT_S, what="the end of an execution")


@contextmanager
def second_interpreter(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecondInterpreter]:
    """moto's interpreter with its Tasks calling the handlers, on the services and settings of `stack`."""
    for name, value in _environment(stack).items():
        monkeypatch.setenv(name, value)
    _forget_settings()
    with mock_aws(
        config={"stepfunctions": {"execute_state_machine": True}, "core": {"mock_credentials": False}}
    ):
        second = SecondInterpreter()
        monkeypatch.setattr(lambda_eval_utils, "_invoke_lambda_function", second.invoke)
        monkeypatch.setattr(clients, "functions", lambda region, answer_s: _Functions(second, stack))
        monkeypatch.setattr(wire.Wire, "send", _noting(wire.Wire.send, second, _of_wire))
        monkeypatch.setattr(s3_wire.S3Wire, "send", _noting(s3_wire.S3Wire.send, second, _of_bucket))
        by_mail = ses_wire.SesWire.send_email
        monkeypatch.setattr(ses_wire.SesWire, "send_email", _noting(by_mail, second, _of_mail))
        by_boto = "_make_api_call"
        monkeypatch.setattr(BaseClient, by_boto, _noting(getattr(BaseClient, by_boto), second, _of_client))
        yield second
    _forget_settings()


class _Functions:
    """Lambda for functions that send others: they run in this process too."""

    def __init__(self, second: SecondInterpreter, stack: Stack) -> None:
        self._second = second
        self._words = {
            physical: logical.removesuffix("Function").lower()
            for logical, physical in stack.deployed.resources.items()
        }

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 boto3's names
        self._second.note("lambda:InvokeFunction", f"function/{FunctionName}")
        told = self._second.invoke({"FunctionName": f":{self._words[FunctionName]}", "Payload": Payload})
        return {**told, "Payload": io.BytesIO(json.dumps(told["Payload"]).encode())}


def _environment(stack: Stack) -> dict[str, str]:
    """What the deployed functions notify and fetch are given; between them they have every setting."""
    service = deploy.client("lambda", stack.endpoint)
    given: dict[str, str] = {}
    for function in ("FetchFunction", "NotifyFunction"):
        told = service.get_function_configuration(FunctionName=stack.deployed.resources[function])
        given |= told["Environment"]["Variables"]
    return {
        **given,
        "AWS_REGION": REGION,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ENDPOINT_URL": stack.endpoint,
    }


def _forget_settings() -> None:
    """Adapters and settings are made once a process; here they must be made again."""
    for module in (bootstrap, config, api):
        for made_once in vars(module).values():
            if hasattr(made_once, "cache_clear"):
                made_once.cache_clear()


# What a request needs, in the words of a role

Needs = Callable[..., Iterator[tuple[str, str]]]


def _noting(call: Callable[..., Any], second: SecondInterpreter, needs: Needs) -> Callable[..., Any]:
    def noted(self: Any, *request: Any) -> Any:
        for action, resource in needs(self, *request):
            second.note(action, resource)
        return call(self, *request)

    return noted


def _of_wire(_: Any, operation: str, body: bytes) -> Iterator[tuple[str, str]]:
    """DynamoDB's and EventBridge's requests: batches and transactions need what their parts need."""
    request = json.loads(body)
    match operation:
        case "BatchExecuteStatement":
            for statement in request["Statements"]:
                [(verb, table)] = re.findall(r'^(\w+)(?: INTO| FROM)? "([^"]+)"', statement["Statement"])
                yield f"dynamodb:PartiQL{verb.capitalize()}", f"table/{table}"
        case "BatchGetItem":
            yield from ((f"dynamodb:{operation}", f"table/{table}") for table in request["RequestItems"])
        case "TransactWriteItems":
            for item in request["TransactItems"]:
                [(kind, write)] = item.items()
                yield f"dynamodb:{kind}Item", f"table/{write['TableName']}"
        case "PutEvents":
            yield from (
                (f"events:{operation}", f"bus/{entry['EventBusName']}") for entry in request["Entries"]
            )
        case "Encrypt" | "Decrypt":
            yield f"kms:{operation}", f"key/{request['KeyId'].rpartition('/')[2]}"
        case _:
            yield f"dynamodb:{operation}", f"table/{request['TableName']}"


S3_ACTIONS = {
    "HeadObject": "s3:GetObject",
    "CreateMultipartUpload": "s3:PutObject",
    "UploadPart": "s3:PutObject",
    "CompleteMultipartUpload": "s3:PutObject",
    "ListObjectsV2": "s3:ListBucket",
}


def _of_bucket(bucket: s3_wire.S3Wire, request: s3_wire.Request) -> Iterator[tuple[str, str]]:
    """S3's requests, of our own buckets."""
    action = S3_ACTIONS.get(request.operation, f"s3:{request.operation}")
    yield action, f"bucket/{bucket.bucket}" + (f"/{request.key}" if request.key else "")


def _of_mail(_: Any, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """SES's one request."""
    yield "ses:SendEmail", f"identity/{request['FromEmailAddress']}"


def _of_client(client: Any, operation: str, request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Requests by boto3. Step Functions' own are the test's."""
    if client.meta.service_model.service_name == "sts":
        yield f"sts:{operation}", f"role/{request['RoleArn'].rpartition('/')[2]}"
