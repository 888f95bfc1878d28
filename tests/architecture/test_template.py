"""What must hold of template.yaml and the state machines, whatever is added to them."""

import re
from pathlib import Path
from typing import Any

import pytest

from contactsync.adapters.courier import SESSION_S
from contactsync.bootstrap import CONNECT_ANSWERS_S, DISCOVER_ANSWERS_S, PEEK_ANSWERS_S, REACH_ANSWERS_S
from contactsync.config import Settings
from contactsync.journeys.asked.asking import derived_id
from contactsync.journeys.book import album
from contactsync.model.account import RETENTION_DAYS
from contactsync.sources.staging import PEEK_LIMITS
from contactsync.sources.transfer import Limits
from tests.architecture.template import (
    ENTRANCES,
    ERRANDS,
    IMPORT,
    MACHINES,
    RESOURCES,
    STEPS,
    SYNC,
    TEMPLATE,
    Permission,
    functions,
    of_type,
    permissions,
    tasks,
)

# AWS offers no resource to limit these to. None of them reads or writes data.
NO_RESOURCE_TO_NAME = {
    *("logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery"),
    *(
        "logs:ListLogDeliveries",
        "logs:PutResourcePolicy",
        "logs:DescribeResourcePolicies",
        "logs:DescribeLogGroups",
    ),
    *(
        "xray:PutTraceSegments",
        "xray:PutTelemetryRecords",
        "xray:GetSamplingRules",
        "xray:GetSamplingTargets",
    ),
}
TLS_ONLY = {"Bool": {"aws:SecureTransport": False}}
TABLES = sorted(of_type("AWS::DynamoDB::Table"))
BUCKETS = sorted(of_type("AWS::S3::Bucket"))
LASTING = "PhotosBucket"
"""The one bucket that does not forget all that it holds: contacts still have it."""


# ── Who may do what ──


@pytest.mark.parametrize("permission", list(permissions()), ids=lambda it: f"{it.role}-{it.sid}")
def test_no_action_is_a_wildcard(permission: Permission):
    assert not [action for action in permission.actions if "*" in action]


@pytest.mark.parametrize("permission", list(permissions()), ids=lambda it: f"{it.role}-{it.sid}")
def test_every_permission_names_its_resource(permission: Permission):
    if set(permission.actions) <= NO_RESOURCE_TO_NAME or permission.actions == ("sts:AssumeRole",):
        return
    for resource in permission.resources:
        # A star may only stand for what lies inside a named bucket or the executions of a named machine.
        named = resource.removesuffix("*")
        assert re.search(r"\$\{(\w+(\.Arn)?|AWS::StackName)\}", named), (
            f"{resource} names nothing of this template"
        )
        # In a run's folder, whose name nobody knows before, one file of a name that everybody knows.
        assert "*" not in named or named.endswith(
            ("/paste", "/source", "/added.csv", "/updated.csv", "/deletions.csv")
        ), resource


def test_only_fetch_and_previews_assume_customers_roles_and_fetch_the_one_that_it_lends():
    assuming = {(it.role, it.sid): it.resources for it in permissions() if "sts:AssumeRole" in it.actions}
    assert assuming == {
        ("fetch", "LendTheStage"): ("${StagingRole.Arn}",),
        ("fetch", "ReadCustomersBuckets"): ("arn:${AWS::Partition}:iam::*:role/*",),
        ("api", "ShowCustomersBuckets"): ("arn:${AWS::Partition}:iam::*:role/*",),
    }
    for word, sid in (("fetch", "ReadCustomersBuckets"), ("api", "ShowCustomersBuckets")):
        statements = {it["Sid"]: it for it in functions()[word]["Policies"][0]["Statement"]}
        for_others = {"Null": {"sts:ExternalId": False}}
        assert statements[sid]["Condition"] == for_others
        denied = {"Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/*"}
        assert statements["NoRoleOfOurs"] == {
            "Sid": "NoRoleOfOurs",
            "Effect": "Deny",
            "Action": "sts:AssumeRole",
            "Resource": denied,
            "Condition": for_others,
        }


def test_who_goes_to_customers_servers_may_do_nothing_but_write_the_one_object_that_is_lent():
    assert [it for it in permissions() if it.role == "reach"] == []
    assert not {"Policies", "Role", "VpcConfig", "Environment"} & set(functions()["reach"])
    [lent] = [it for it in permissions() if it.role == "StagingRole"]
    assert lent.actions == ("s3:PutObject", "s3:AbortMultipartUpload")
    assert lent.resources == ("${RunsBucket.Arn}/runs/*/source",)
    [statement] = RESOURCES["StagingRole"]["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    account = "arn:${AWS::Partition}:iam::${AWS::AccountId}:"
    assert statement["Principal"] == {"AWS": {"Sub": f"{account}root"}}
    path = "${AWS::StackName}/fetch/"
    assert statement["Condition"] == {"ArnLike": {"aws:PrincipalArn": {"Sub": f"{account}role/{path}*"}}}
    assert functions()["fetch"]["RolePath"] == {"Sub": f"/{path}"}
    assert [word for word, it in functions().items() if "RolePath" in it] == ["fetch"]
    senders = {it.role for it in permissions() if "${ReachFunction.Arn}" in it.resources}
    assert senders == {"fetch"}


def test_no_role_is_known_by_a_name_that_cloudformation_makes():
    """It cuts the stack's name in it where both together are too long: with a stack of 34 characters to the first 25."""
    written = Path("template.yaml").read_text(encoding="utf-8")
    made = "|".join([*of_type("AWS::Serverless::Function"), *of_type("AWS::IAM::Role")])
    assert re.findall(rf"\$\{{AWS::StackName\}}-(?:{made})\w*", written) == []


def test_reach_ends_before_fetch_does_and_its_keys_after_it():
    reach, fetch = functions()["reach"]["Timeout"], functions()["fetch"]["Timeout"]
    assert Limits().total_s < reach < REACH_ANSWERS_S < fetch
    assert reach < SESSION_S


def test_secrets_are_sealed_and_opened_by_few_each_for_one_account_and_sync_or_connection():
    users = {(it.role, action) for it in permissions() for action in it.actions if action.startswith("kms:")}
    assert users == {
        ("api", "kms:Encrypt"),
        ("fetch", "kms:Decrypt"),
        ("connect", "kms:Decrypt"),
        ("connect", "kms:Encrypt"),
    }
    for word, theirs in (("api", None), ("fetch", "s*"), ("connect", "c*")):
        [statement] = [
            it for it in functions()[word]["Policies"][0]["Statement"] if "kms:" in str(it["Action"])
        ]
        condition = {
            "Null": {"kms:EncryptionContext:account": False, "kms:EncryptionContext:sync": False},
            "ForAllValues:StringEquals": {"kms:EncryptionContextKeys": ["account", "sync"]},
        }
        if theirs:
            condition["StringLike"] = {"kms:EncryptionContext:sync": theirs}
        assert statement["Condition"] == condition


def test_ids_tell_what_is_a_sync_s_and_what_is_a_connection_s():
    assert (derived_id("0" * 24, "sync")[0], derived_id("0" * 24, "connection")[0]) == ("s", "c")


def test_only_connect_is_told_who_we_are_to_providers_and_only_they_go_to_it_who_have_to():
    told = {
        word: {name for name in it.get("Environment", {}).get("Variables", {}) if "CLIENT_" in name}
        for word, it in functions().items()
    }
    assert {word for word, names in told.items() if names} == {"connect"}
    going = {
        it.role
        for it in permissions()
        if "lambda:InvokeFunction" in it.actions
        and any("connect" in resource.lower() for resource in it.resources)
    }
    assert going == {"api", "pull", "reconcile", "push", "erase"}
    secrets = {name for name, it in TEMPLATE["Parameters"].items() if "Secret" in name and it.get("NoEcho")}
    assert secrets == {"GoogleClientSecret", "MicrosoftClientSecret"}


def test_who_looks_for_address_books_on_customers_servers_may_do_nothing():
    assert [it for it in permissions() if it.role == "discover"] == []
    assert not {"Policies", "Role", "VpcConfig", "Environment"} & set(functions()["discover"])
    senders = {it.role for it in permissions() if "${DiscoverFunction.Arn}" in it.resources}
    assert senders == {"api", "connect"}


def test_who_looks_at_files_on_customers_servers_may_do_nothing_and_is_sent_by_the_api_alone():
    assert [it for it in permissions() if it.role == "peek"] == []
    assert not {"Policies", "Role", "VpcConfig", "Environment"} & set(functions()["peek"])
    assert {it.role for it in permissions() if "${PeekFunction.Arn}" in it.resources} == {"api"}
    worst = PEEK_LIMITS.connect_s + PEEK_LIMITS.answer_s + PEEK_LIMITS.read_s
    assert PEEK_LIMITS.attempts == 1
    ends, gives_up = functions()["peek"]["Timeout"], functions()["api"]["Timeout"]
    assert max(PEEK_LIMITS.total_s, worst) < ends < PEEK_ANSWERS_S < gives_up


def test_who_is_sent_ends_before_who_waits():
    limits = [functions()[word]["Timeout"] for word in ("discover", "connect", "api")]
    assert limits[0] < DISCOVER_ANSWERS_S < limits[1] < CONNECT_ANSWERS_S < limits[2]
    assert RESOURCES["SecretsKey"]["Properties"]["EnableKeyRotation"] is True


@pytest.mark.parametrize("role", sorted(of_type("AWS::IAM::Role")))
def test_a_role_is_lent_only_to_this_account(role: str):
    for statement in RESOURCES[role]["Properties"]["AssumeRolePolicyDocument"]["Statement"]:
        if statement["Principal"] == {"Service": "apigateway.amazonaws.com"}:
            continue  # the account's one role for API Gateway's logs: it sends no source to compare
        if "Service" not in statement["Principal"]:
            assert statement["Principal"] == {
                "AWS": {"Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}
            }
            continue
        assert statement["Condition"]["StringEquals"]["aws:SourceAccount"] == {"Ref": "AWS::AccountId"}


def test_contacts_are_written_by_upsert_and_by_hand_and_only_by_statements_that_carry_conditions():
    writers = {
        (permission.role, action)
        for permission in permissions()
        for action in permission.actions
        if "${ContactsTable.Arn}" in permission.resources
        and action not in {"dynamodb:BatchGetItem", "dynamodb:Query"}
    }
    verbs = ("Insert", "Update", "Delete")
    writing = {(role, f"dynamodb:PartiQL{verb}") for role in ("upsert", "api") for verb in verbs}
    assert writers == writing | {("erase", "dynamodb:PartiQLDelete")}


@pytest.mark.parametrize(("role", "steps"), [("ImportRole", IMPORT), ("SyncRole", SYNC)])
def test_a_machine_may_invoke_its_steps_and_nothing_else(role: str, steps: tuple[str, ...]):
    invoked = {
        resource
        for permission in permissions()
        for resource in permission.resources
        if permission.role == role and "lambda:InvokeFunction" in permission.actions
    }
    assert invoked == {f"${{{word.capitalize()}Function.Arn}}" for word in steps}


def test_the_import_machine_may_do_with_its_children_what_aws_asks_for():
    """As Step Functions' guide has it under "IAM policies for using Distributed Map states"; no emulator asks for any of it."""
    arn = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:"
    name = "${AWS::StackName}-import"
    assert RESOURCES["ImportStateMachine"]["Properties"]["Name"] == {"Sub": name}
    allowed = {
        (action, resource)
        for permission in permissions()
        if permission.role == "ImportRole"
        for action in permission.actions
        for resource in permission.resources
        if action.startswith("states:")
    }
    assert allowed == {
        ("states:StartExecution", f"{arn}stateMachine:{name}"),
        *(
            (f"states:{verb}Execution", f"{arn}execution:{name}{of}*")
            for verb in ("Describe", "Stop")
            for of in (":", "/")
        ),
        ("states:RedriveExecution", f"{arn}execution:{name}/*"),
    }


def test_what_a_rule_sends_is_let_in():
    """AWS takes a rule whose target does not admit it, and nothing ever arrives; the emulator lets all in."""
    rules = of_type("AWS::Events::Rule")
    admitted = {
        (it["FunctionName"]["Ref"], it["SourceArn"]["GetAtt"])
        for it in of_type("AWS::Lambda::Permission").values()
        if (it["Action"], it["Principal"]) == ("lambda:InvokeFunction", "events.amazonaws.com")
    }
    starting = {
        (it.role, resource)
        for it in permissions()
        if "states:StartExecution" in it.actions
        for resource in it.resources
    }
    sent = set()
    for name, rule in rules.items():
        for target in rule["Targets"]:
            if "RoleArn" in target:
                role = target["RoleArn"]["GetAtt"].removesuffix(".Arn")
                assert (role, f"${{{target['Arn']['Ref']}}}") in starting, name
            else:
                sent.add((target["Arn"]["GetAtt"].removesuffix(".Arn"), f"{name}.Arn"))
    assert sent == admitted
    [policy] = of_type("AWS::SQS::QueuePolicy").values()
    [dead] = [it for it in policy["PolicyDocument"]["Statement"] if it["Effect"] == "Allow"]
    assert {it["GetAtt"] for it in dead["Condition"]["ArnEquals"]["aws:SourceArn"]} == {
        f"{name}.Arn" for name in rules
    }


# ── Where data rests ──


@pytest.mark.parametrize("name", [*BUCKETS, *of_type("AWS::KMS::Key")])
def test_a_first_deployment_that_fails_leaves_none_behind(name: str):
    """With `Retain` each attempt would leave its own, a key at a dollar a month; later on both words mean the same."""
    resource = RESOURCES[name]
    assert resource["DeletionPolicy"] == "RetainExceptOnCreate"
    assert resource["UpdateReplacePolicy"] == "Retain"


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_is_private_encrypted_and_forgets(bucket: str):
    properties = RESOURCES[bucket]["Properties"]
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert len(properties["PublicAccessBlockConfiguration"]) == 4
    assert properties["OwnershipControls"] == {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]}
    assert properties["BucketEncryption"]
    if bucket == LASTING:
        return
    rule, *sooner = properties["LifecycleConfiguration"]["Rules"]
    assert rule["Status"] == "Enabled"
    assert "Prefix" not in rule
    assert rule["ExpirationInDays"] <= 90
    assert all(each["Prefix"] and each["ExpirationInDays"] < rule["ExpirationInDays"] for each in sooner)
    assert rule["AbortIncompleteMultipartUpload"]
    assert ("VersioningConfiguration" in properties) == ("NoncurrentVersionExpiration" in rule)


def test_pictures_stay_as_long_as_contacts_have_them_and_then_as_long_as_that_can_be_undone():
    former, halves = RESOURCES[LASTING]["Properties"]["LifecycleConfiguration"]["Rules"]
    assert (former["Prefix"], former["ExpirationInDays"]) == (album.FORMER, RETENTION_DAYS)
    assert halves["AbortIncompleteMultipartUpload"]
    assert "ExpirationInDays" not in halves


@pytest.mark.parametrize("bucket", BUCKETS)
def test_a_bucket_refuses_plain_http(bucket: str):
    [policy] = [it for it in of_type("AWS::S3::BucketPolicy").values() if it["Bucket"] == {"Ref": bucket}]
    [statement] = policy["PolicyDocument"]["Statement"]
    assert (statement["Effect"], statement["Principal"], statement["Action"]) == ("Deny", "*", "s3:*")
    assert statement["Resource"] == [{"GetAtt": f"{bucket}.Arn"}, {"Sub": f"${{{bucket}.Arn}}/*"}]
    assert statement["Condition"] == TLS_ONLY


@pytest.mark.parametrize("table", TABLES)
def test_a_table_can_be_brought_back_and_not_be_lost_by_mistake(table: str):
    resource = RESOURCES[table]
    assert resource["DeletionPolicy"] == resource["UpdateReplacePolicy"] == "Retain"
    properties = resource["Properties"]
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    assert properties["SSESpecification"] == {"SSEEnabled": True}
    assert properties["DeletionProtectionEnabled"] is True


def test_records_that_expire_are_removed():
    assert RESOURCES["ControlTable"]["Properties"]["TimeToLiveSpecification"] == {
        "AttributeName": "expires_at",
        "Enabled": True,
    }


@pytest.mark.parametrize("queue", sorted(of_type("AWS::SQS::Queue")))
def test_a_queue_is_encrypted_and_refuses_plain_http(queue: str):
    assert RESOURCES[queue]["Properties"]["SqsManagedSseEnabled"] is True
    [policy] = [it for it in of_type("AWS::SQS::QueuePolicy").values() if it["Queues"] == [{"Ref": queue}]]
    denials = [it for it in policy["PolicyDocument"]["Statement"] if it["Effect"] == "Deny"]
    assert [denial["Condition"] for denial in denials] == [TLS_ONLY]


# ── What is written down ──


def test_logs_are_kept_for_as_long_as_is_said():
    kept = {name: it.get("RetentionInDays") for name, it in of_type("AWS::Logs::LogGroup").items()}
    assert kept
    assert all(days == {"Ref": "LogRetentionDays"} for days in kept.values()), kept


@pytest.mark.parametrize("word", [*STEPS, *ENTRANCES, *ERRANDS])
def test_a_function_logs_where_retention_is_set(word: str):
    [group] = functions()[word]["LoggingConfig"]["LogGroup"].values()
    assert RESOURCES[group]["Type"] == "AWS::Logs::LogGroup"


def test_api_gateway_makes_no_log_of_its_own():
    """With any other level it keeps API-Gateway-Execution-Logs_…, for ever, and when the stack is gone."""
    for api in of_type("AWS::Serverless::Api").values():
        assert {setting["LoggingLevel"] for setting in api["MethodSettings"]} == {"OFF"}


def test_the_machine_logs_no_execution_data():
    for machine in of_type("AWS::Serverless::StateMachine").values():
        assert machine["Logging"]["IncludeExecutionData"] is False


def test_the_access_log_holds_no_path_and_no_query():
    for api in of_type("AWS::Serverless::Api").values():
        logged = set(re.findall(r"\$context\.([\w.]+)", api["AccessLogSetting"]["Format"]))
        assert not logged & {"path", "requestOverride.path", "domainName", "identity.sourceIp"}
        assert all(not setting["DataTraceEnabled"] for setting in api["MethodSettings"])


# ── What bounds it ──


@pytest.mark.parametrize("name", sorted(tasks()))
def test_a_task_waits_longer_than_its_function_runs(name: str):
    """So that the function's own time-out is seen as such; both are bounds."""
    task = tasks()[name]
    word = re.fullmatch(r"\$\{(\w+)FunctionArn\}", task["Resource"])
    assert word
    assert functions()[word[1].lower()]["Timeout"] < task["TimeoutSeconds"] <= 960


@pytest.mark.parametrize("name", sorted(tasks()))
def test_every_task_is_tried_again_in_the_same_way(name: str):
    refused, lambdas, busy, rest = tasks()[name]["Retry"]
    assert refused == {"ErrorEquals": ["Refused", "Cancelled"], "MaxAttempts": 0}
    assert busy["ErrorEquals"] == ["Busy"]
    assert busy["JitterStrategy"] == lambdas["JitterStrategy"] == "FULL"
    assert rest["ErrorEquals"] == ["States.ALL"]
    assert 1 <= rest["MaxAttempts"] < busy["MaxAttempts"] <= 10


@pytest.mark.parametrize("name", sorted(tasks()))
@pytest.mark.parametrize("error", ["TooManyRequestsException", "ServiceException", "SdkClientException"])
def test_a_run_outlasts_the_alarm_that_says_that_lambda_refuses_functions(name: str, error: str):
    """Else whoever hears the alarm comes too late, and a customer's run has failed for want of a place at Lambda."""
    alarm = RESOURCES["FunctionsThrottledAlarm"]["Properties"]
    rings_s = alarm["Period"] * alarm["EvaluationPeriods"]
    assert usual_wait_s(tasks()[name]["Retry"], f"Lambda.{error}") > rings_s


def usual_wait_s(retriers: list[dict[str, Any]], error: str) -> float:
    """How long a state is tried again, all its waits together, while one error lasts: the first retrier that knows it counts."""
    for retrier in retriers:
        if {error, "States.ALL"} & set(retrier["ErrorEquals"]):
            longest: float = retrier.get("MaxDelaySeconds", float("inf"))
            share = 0.5 if retrier.get("JitterStrategy") == "FULL" else 1
            first, growth = float(retrier["IntervalSeconds"]), float(retrier["BackoffRate"])
            return share * sum(min(longest, first * growth**tried) for tried in range(retrier["MaxAttempts"]))
    return 0


def test_every_failure_is_caught_and_told():
    """A Task outside a Map catches for itself, one inside is caught by its Map; only Notify's own failure ends the run.

    It ends it where it stands, for an execution that came to a Fail state would be redriven from there, and fail again.
    """
    for machine in MACHINES.values():
        for name, state in machine["States"].items():
            if state["Type"] not in {"Task", "Map"}:
                continue
            caught = {"ErrorEquals": ["States.ALL"], "ResultPath": "$.error", "Next": "Notify"}
            assert state.get("Catch", []) == ([] if name == "Notify" else [caught]), name


def test_a_rule_keeps_what_it_cannot_deliver():
    for name, rule in of_type("AWS::Events::Rule").items():
        for target in rule["Targets"]:
            assert target["DeadLetterConfig"], name
            assert target["RetryPolicy"], name


def test_a_dead_letter_rings():
    watched = {
        dimension["Value"]["GetAtt"].split(".")[0]
        for alarm in of_type("AWS::CloudWatch::Alarm").values()
        for dimension in alarm.get("Dimensions", ())
        if dimension["Name"] == "QueueName"
    }
    assert watched == set(of_type("AWS::SQS::Queue"))


def test_functions_run_on_arm_and_are_traced():
    shared = TEMPLATE["Globals"]["Function"]
    assert (shared["Runtime"], shared["Architectures"], shared["Tracing"]) == (
        "python3.13",
        ["arm64"],
        "Active",
    )
    layer = RESOURCES["CommonLayer"]
    assert layer["Properties"]["ContentUri"] == "layers/common/python"
    assert layer["Metadata"] == {"BuildMethod": "makefile"}
    recipe = Path("layers/common/python/Makefile").read_text()
    assert "--python-version 3.13" in recipe
    assert set(re.findall(r"manylinux\w+_([a-z0-9]+)\b", recipe)) == {"aarch64"}


def test_every_setting_that_the_code_needs_is_in_the_environment():
    given = set(TEMPLATE["Globals"]["Function"]["Environment"]["Variables"])
    needed = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}
    assert needed - given == {"AWS_REGION"}, "Lambda sets the region, all else is ours to give"
    assert "PUBLIC_URL" in functions()["notify"]["Environment"]["Variables"]
