"""Deploy template.yaml to the emulator: build the layer, package, translate SAM offline, create the stack."""

import compileall
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from local.emulator import POINTER
from local.place import REGION
from local.problem import Problem

ROOT = Path(__file__).resolve().parent.parent
LAYER_SOURCE = ROOT / "layers" / "common" / "python"
STACK_NAME = "contact-sync"
_ARTIFACTS = "artifacts"
_DEPLOY_TIMEOUT_S = 60

# What the emulator has no room for, and why nothing on one machine misses it.
LEFT_OUT = {
    "AWS::CloudWatch::Alarm": "the emulator keeps no metrics that could set one off",
    "AWS::CloudWatch::Dashboard": "the emulator keeps no metrics that it could show",
    "AWS::Cognito::UserPool": "its tokens name an issuer at AWS that nobody here can ask; API keys go on working",
    "AWS::Cognito::UserPoolClient": "there is no user pool",
    "AWS::Cognito::UserPoolDomain": "there is no user pool",
    "AWS::SES::Template": "the emulator's CloudFormation refuses it",
    "AWS::WAFv2::WebACLAssociation": "the emulator's CloudFormation refuses it",
}


@dataclass(frozen=True)
class Deployed:
    """What was created: the stack's outputs, the REST API's id, the ids of resources by logical id."""

    outputs: dict[str, str]
    api_id: str
    resources: dict[str, str]


def client(service: str, endpoint: str) -> Any:
    """A boto3 client of the emulator."""
    return boto3.client(  # type: ignore[call-overload]
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id="test",
        aws_secret_access_key="test",  # noqa: S106 (the emulator takes any)
        config=Config(retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def build_layer(cache: Path) -> Path:
    """The folder of the built layer (it holds python/), built only if its requirements or source are new.

    Raises Problem if a requirement cannot be installed.
    """
    requirements = LAYER_SOURCE / "requirements.txt"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    dependencies = cache / f"dependencies-{version}-{_digest([requirements])}"
    if not dependencies.is_dir():
        with tempfile.TemporaryDirectory(dir=_made(cache)) as scratch:
            _install(requirements, Path(scratch) / "python")
            _move_into_place(Path(scratch) / "python", dependencies)
    sources = sorted(LAYER_SOURCE.glob("contactsync/**/*.*"))
    sources = [path for path in sources if "__pycache__" not in path.parts and path.is_file()]
    layer = cache / f"layer-{version}-{_digest([requirements, *sources])}"
    if not layer.is_dir():
        with tempfile.TemporaryDirectory(dir=cache) as scratch:
            built = Path(scratch) / "layer" / "python"
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(LAYER_SOURCE / "contactsync", built / "contactsync", ignore=ignored)
            for entry in dependencies.iterdir():
                (built / entry.name).symlink_to(entry)
            place = layer / "python" / "contactsync"  # for tracebacks
            compileall.compile_dir(str(built / "contactsync"), ddir=str(place), quiet=1)
            _move_into_place(built.parent, layer)
    return layer


def _install(requirements: Path, target: Path) -> None:
    uv = ROOT / ".uv" / "bin" / "uv"
    tool = str(uv) if uv.exists() else shutil.which("uv")
    if tool is None:
        raise Problem("uv, which builds the layer, is not installed. Start with make run, which installs it.")
    command = [
        tool,
        "pip",
        "install",
        "--quiet",
        "--no-config",
        "--require-hashes",
        "--no-deps",
        "--only-binary=:all:",
    ]
    command += [
        "--compile-bytecode",
        "--python",
        sys.executable,
        "--target",
        str(target),
        "-r",
        str(requirements),
    ]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise Problem(f"The layer's dependencies could not be installed. uv says:\n{done.stderr.strip()}")


def deploy(
    *,
    endpoint: str,
    layer: Path,
    parameters: dict[str, str],
    say: Callable[[str], None],
    name: str = STACK_NAME,
) -> Deployed:
    """Create the stack `name` in the emulator. Raises Problem, with CloudFormation's reason, if it does not complete."""
    template = _translated(_packaged(client("s3", endpoint), layer), parameters)
    for kind, reason in LEFT_OUT.items():
        left_out = [each for each, resource in template["Resources"].items() if resource["Type"] == kind]
        for logical_id in left_out:
            del template["Resources"][logical_id]
        if left_out:
            say(f"Left out {len(left_out)} {kind}: {reason}.")
    known = {each: value for each, value in parameters.items() if each in template.get("Parameters", {})}
    client("s3", endpoint).put_object(
        Bucket=_ARTIFACTS, Key="template.json", Body=json.dumps(template, default=str)
    )
    cloudformation = client("cloudformation", endpoint)
    try:
        cloudformation.create_stack(
            StackName=name,
            TemplateURL=f"{endpoint}/{_ARTIFACTS}/template.json",
            Parameters=[{"ParameterKey": each, "ParameterValue": value} for each, value in known.items()],
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
        )
    except ClientError as error:
        raise Problem(f"template.yaml was not deployed: {error.response['Error']['Message']}") from None
    stack = _completed(cloudformation, name)
    pages = cloudformation.get_paginator("list_stack_resources").paginate(StackName=name)
    resources = [resource for page in pages for resource in page["StackResourceSummaries"]]
    return Deployed(
        outputs={output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])},
        api_id=next(
            r["PhysicalResourceId"] for r in resources if r["ResourceType"] == "AWS::ApiGateway::RestApi"
        ),
        resources={r["LogicalResourceId"]: r.get("PhysicalResourceId", "") for r in resources},
    )


def _completed(cloudformation: Any, name: str) -> dict[str, Any]:
    deadline = time.monotonic() + _DEPLOY_TIMEOUT_S
    while time.monotonic() < deadline:
        stack: dict[str, Any] = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return stack
        if not stack["StackStatus"].endswith("IN_PROGRESS"):
            raise Problem(f"template.yaml was not deployed: {_reasons(cloudformation, stack)}")
        time.sleep(0.05)
    raise Problem(f"template.yaml was not deployed within {_DEPLOY_TIMEOUT_S} seconds.")


def _reasons(cloudformation: Any, stack: dict[str, Any]) -> str:
    events = cloudformation.describe_stack_events(StackName=stack["StackName"])["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    lines = [f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', 'no reason given')}" for e in failed]
    return "\n  ".join([stack.get("StackStatusReason", stack["StackStatus"]), *lines])


def _packaged(s3: Any, layer: Path) -> dict[str, Any]:
    """template.yaml with its local paths replaced by archives in the emulator's S3."""
    from samtranslator.yaml_helper import yaml_parse

    with suppress(s3.exceptions.BucketAlreadyOwnedByYou):
        s3.create_bucket(Bucket=_ARTIFACTS, CreateBucketConfiguration={"LocationConstraint": REGION})
    template: dict[str, Any] = yaml_parse((ROOT / "template.yaml").read_text(encoding="utf-8"))
    common = (template.get("Globals") or {}).get("Function") or {}
    for logical_id, resource in template["Resources"].items():
        properties = resource.get("Properties") or {}
        if resource["Type"] == "AWS::Serverless::Function":
            folder = ROOT / properties.get("CodeUri", common.get("CodeUri", "."))
            properties["CodeUri"] = _uploaded(s3, f"{logical_id}.zip", _zipped(folder))
        elif resource["Type"] == "AWS::Serverless::LayerVersion":
            # The layer stays in its folder: to zip and unzip it would take seconds at every start.
            pointer = _zip_of({POINTER: json.dumps({"directory": str(layer)}).encode()})
            properties["ContentUri"] = _uploaded(s3, f"{logical_id}.zip", pointer)
        elif resource["Type"] == "AWS::Serverless::StateMachine" and "DefinitionUri" in properties:
            definition = ROOT / properties.pop("DefinitionUri")
            properties["Definition"] = yaml.safe_load(definition.read_text(encoding="utf-8"))
    return template


def _translated(template: dict[str, Any], parameters: dict[str, str]) -> dict[str, Any]:
    """SAM to CloudFormation, without asking AWS for its managed policies."""
    from samtranslator.model.exceptions import InvalidDocumentException
    from samtranslator.translator.transform import transform

    class NoManagedPolicies:
        @staticmethod
        def load() -> dict[str, str]:
            return {}

    os.environ.setdefault("AWS_DEFAULT_REGION", REGION)
    try:
        translated: dict[str, Any] = transform(template, dict(parameters), NoManagedPolicies())
    except InvalidDocumentException as error:
        causes = "\n  ".join(str(cause.message) for cause in error.causes)
        raise Problem(f"SAM does not understand template.yaml:\n  {causes}") from None
    return translated


def _uploaded(s3: Any, key: str, archive: bytes) -> str:
    s3.put_object(Bucket=_ARTIFACTS, Key=key, Body=archive)
    return f"s3://{_ARTIFACTS}/{key}"


def _zipped(folder: Path) -> bytes:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return _zip_of({str(path.relative_to(folder)): path.read_bytes() for path in files})


def _zip_of(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as opened:
        for name, content in files.items():
            opened.writestr(zipfile.ZipInfo(name), content)
    return archive.getvalue()


def _digest(paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        content = path.read_bytes()
        digest.update(f"{path.relative_to(LAYER_SOURCE)}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _move_into_place(built: Path, place: Path) -> None:
    """Rename at once; if another start was faster, its equal result stays."""
    try:
        built.rename(place)
    except OSError:
        if not place.is_dir():
            raise
