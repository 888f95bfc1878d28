"""What a request to AWS needs, in the words of a role: action, resource, and what conditions may ask for.

Written from AWS's list of actions, resources and condition keys of each service, for the requests that our
functions send. A request that is not here needs what no role has, so that whoever sends a new one adds it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import unescape

from local.place import ACCOUNT, REGION

ITEM_ACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}
_STATEMENT = re.compile(r'(INSERT INTO|UPDATE|DELETE FROM|SELECT .* FROM)\s+"([^"]+)"', re.IGNORECASE)
_DELETED = re.compile(r"<Key>([^<]+)</Key>")


class Request(NamedTuple):
    """A signed request as it arrives. `target` is the operation of services that name it in a header."""

    service: str
    method: str
    path: str
    query: Mapping[str, list[str]]
    target: str
    body: bytes
    copied: str = ""


class Need(NamedTuple):
    """One thing that the caller must be allowed to do."""

    action: str
    resource: str
    context: Mapping[str, Any] = {}


def needs(request: Request) -> list[Need]:
    """Everything that a request needs; all of it, or it is refused."""
    found = _BY_SERVICE.get(request.service, _nobody_knows)(request)
    return list(found)


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _nobody_knows(request: Request) -> Iterator[Need]:
    yield Need(f"{request.service}:{request.target or request.method}", "*")


def _dynamodb(request: Request) -> Iterator[Need]:
    """Batches and transactions need what their parts need."""
    body = json.loads(request.body)
    match request.target:
        case "BatchExecuteStatement" | "ExecuteStatement":
            for one in body.get("Statements", [body]):
                found = _STATEMENT.match(one["Statement"])
                assert found, "a statement of a kind that is not known here"
                verb = found[1].split()[0].capitalize()
                yield Need(f"dynamodb:PartiQL{verb}", _arn("dynamodb", f"table/{found[2]}"))
        case "BatchGetItem" | "BatchWriteItem":
            for table in body["RequestItems"]:
                yield Need(f"dynamodb:{request.target}", _arn("dynamodb", f"table/{table}"))
        case "TransactWriteItems" | "TransactGetItems":
            for item in body["TransactItems"]:
                [(kind, part)] = item.items()
                action = ITEM_ACTIONS.get(kind, f"{kind}Item")
                yield Need(f"dynamodb:{action}", _arn("dynamodb", f"table/{part['TableName']}"))
        case _:
            yield Need(f"dynamodb:{request.target}", _arn("dynamodb", f"table/{body['TableName']}"))


def _events(request: Request) -> Iterator[Need]:
    for entry in json.loads(request.body)["Entries"]:
        context = {"events:source": entry["Source"], "events:detail-type": entry["DetailType"]}
        bus = entry["EventBusName"].rpartition("/")[2]
        yield Need(f"events:{request.target}", _arn("events", f"event-bus/{bus}"), context)


def _kms(request: Request) -> Iterator[Need]:
    body = json.loads(request.body)
    context = body.get("EncryptionContext") or {}
    known = {f"kms:encryptioncontext:{name.lower()}": value for name, value in context.items()}
    if context:
        known["kms:encryptioncontextkeys"] = sorted(context)
    key = body.get("KeyId", "*")
    yield Need(f"kms:{request.target}", key if key.startswith("arn:") else _arn("kms", f"key/{key}"), known)


def _s3(request: Request) -> Iterator[Need]:
    bucket, _, key = unquote(request.path).lstrip("/").partition("/")
    arn = f"arn:aws:s3:::{bucket}" + (f"/{key}" if key else "")
    versioned = "Version" if "versionId" in request.query else ""
    match request.method:
        case "GET" | "HEAD" if key:
            yield Need(f"s3:GetObject{versioned}", arn)
        case "GET" | "HEAD":
            yield Need("s3:ListBucket", arn)
        case "POST" if "delete" in request.query:
            for found in _DELETED.findall(request.body.decode()):
                yield Need("s3:DeleteObject", f"{arn}/{unescape(found)}")
        case "PUT" | "POST" if key:
            yield Need("s3:PutObject", arn)
        case "DELETE" if "uploadId" in request.query:
            yield Need("s3:AbortMultipartUpload", arn)
        case "DELETE" if key:
            yield Need(f"s3:DeleteObject{versioned}", arn)
        case _:
            yield Need(f"s3:{request.method}", arn)
    if request.copied:
        yield Need("s3:GetObject", f"arn:aws:s3:::{unquote(request.copied).lstrip('/').partition('?')[0]}")


def _ses(request: Request) -> Iterator[Need]:
    if not request.path.endswith("/outbound-emails"):
        yield from _nobody_knows(request)
        return
    body = json.loads(request.body)
    sender = re.sub(r".*<(.*)>", r"\1", body["FromEmailAddress"])
    context = {"ses:fromaddress": sender}
    yield Need("ses:SendEmail", _arn("ses", f"identity/{sender}"), context)
    if body.get("ConfigurationSetName"):
        yield Need("ses:SendEmail", _arn("ses", f"configuration-set/{body['ConfigurationSetName']}"), context)


def _scheduler(request: Request) -> Iterator[Need]:
    verb = {"POST": "Create", "PUT": "Update", "DELETE": "Delete", "GET": "Get"}[request.method]
    body = json.loads(request.body or b"{}")
    group = body.get("GroupName") or request.query.get("groupName", ["default"])[0]
    name = request.path.rpartition("/")[2]
    yield Need(f"scheduler:{verb}Schedule", _arn("scheduler", f"schedule/{group}/{name}"))
    if verb in {"Create", "Update"}:
        lent = {"iam:passedtoservice": "scheduler.amazonaws.com"}
        yield Need("iam:PassRole", body["Target"]["RoleArn"], lent)


def _lambda(request: Request) -> Iterator[Need]:
    found = re.fullmatch(r"/[\d-]+/functions/([^/]+)/invocations", unquote(request.path))
    if found is None:
        yield from _nobody_knows(request)
        return
    yield Need(
        "lambda:InvokeFunction", found[1] if ":" in found[1] else _arn("lambda", f"function:{found[1]}")
    )


def _sts(request: Request) -> Iterator[Need]:
    form = {name: values[0] for name, values in parse_qs(request.body.decode()).items()}
    outside = {"sts:externalid": form["ExternalId"]} if "ExternalId" in form else {}
    yield Need(f"sts:{form['Action']}", form.get("RoleArn", "*"), outside)


_BY_SERVICE = {
    "dynamodb": _dynamodb,
    "events": _events,
    "kms": _kms,
    "lambda": _lambda,
    "s3": _s3,
    "scheduler": _scheduler,
    "ses": _ses,
    "sts": _sts,
}
