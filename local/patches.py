"""What ministack 1.5.33 does otherwise than AWS, mended where our templates and state machines feel it.

The patches reach into the emulator's internals, so they hold for that one version only; `apply` refuses
any other. Each function says what it mends. Upgrading means: raise the pin in pyproject.toml and VERSION
here, run the journeys, drop what is no longer needed.
"""

import importlib.metadata
import json
import re
import threading
import time
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

VERSION = "1.5.33"

Record = dict[str, Any]
Invoke = Callable[[Record, Any, str], Record]


def apply(invoke: Invoke) -> None:
    """Mend the emulator in this process. `invoke(function record, event, request id)` runs a Lambda function."""
    found = importlib.metadata.version("ministack")
    if found != VERSION:
        raise SystemExit(
            f"local/patches.py mends ministack {VERSION}, but {found} is installed. Run make again to install "
            "what uv.lock names, or adapt the patches to the new version."
        )
    run_lambda_in_sandboxes(invoke)
    start_executions_at_once()
    let_a_repeated_start_find_its_execution()
    compare_keys_without_parsing()
    parse_each_statement_once()
    read_requests_fast()
    import_all_of_an_api()
    count_requests_by_the_authorizer_s_word()
    answer_for_functions_that_do_not()
    let_schedules_name_their_events()
    let_object_events_name_their_version()


def run_lambda_in_sandboxes(invoke: Invoke) -> None:
    """Custom error names, memory limits, layers' isolation.

    The emulator's own executor reports every failure as Runtime.HandlerError, so that Retry and Catch
    by error name never match, and loads all functions into the surrounding environment.
    """
    from ministack.services import lambda_svc

    lambda_svc._execute_function_warm = invoke


def start_executions_at_once() -> None:
    """The emulator sleeps 150 ms before each execution's first state; AWS does not."""
    from ministack.services import stepfunctions

    class Clock(ModuleType):
        def __getattr__(self, name: str) -> Any:
            return getattr(time, name)

        @staticmethod
        def sleep(seconds: float) -> None:
            if seconds != 0.15:
                time.sleep(seconds)

    stepfunctions.time = Clock("time")


def let_a_repeated_start_find_its_execution() -> None:
    """StartExecution with the name and input of a running execution answers with that execution.

    The emulator refuses it as ExecutionAlreadyExists, which AWS does only for another input or once the
    execution has ended.
    """
    from ministack.core.responses import get_account_id, get_region, json_response
    from ministack.services import stepfunctions

    start_new = stepfunctions._start_execution
    starting = threading.Lock()

    def start(request: Record) -> Any:
        machine = stepfunctions._resolve_state_machine_arn(request.get("stateMachineArn", ""))
        if machine is None or not request.get("name"):
            return start_new(request)
        machine_name = stepfunctions._state_machines[machine]["name"]
        arn = f"arn:aws:states:{get_region()}:{get_account_id()}:execution:{machine_name}:{request['name']}"
        with starting:
            running = stepfunctions._executions.get(arn)
            if (
                running
                and running["status"] == "RUNNING"
                and _same_json(running["input"], request.get("input", "{}"))
            ):
                return json_response({"executionArn": arn, "startDate": running["startDate"]})
            return start_new(request)

    stepfunctions._start_execution = start


def let_schedules_name_their_events() -> None:
    """A schedule on a bus puts the event that EventBridgeParameters and Input describe.

    The emulator puts an empty "Scheduled Event" from aws.scheduler instead, which matches no rule of ours.
    """
    from ministack.services import eventbridge

    deliver = eventbridge._invoke_target

    def deliver_as_named(target: Record, event: Record, rule: Record, view: Any = None) -> Any:
        named = target.get("EventBridgeParameters")
        if named:
            event = {**event, **named, "Detail": target.get("Input") or "{}"}
            target = {key: value for key, value in target.items() if key != "Input"}
        return deliver(target, event, rule, view)

    eventbridge._invoke_target = deliver_as_named


def let_object_events_name_their_version() -> None:
    """S3's events for EventBridge say which version of a versioned object they are about; the emulator leaves it out."""
    from ministack.services import eventbridge, s3

    fire, dispatch = s3._fire_s3_event, eventbridge._dispatch_event
    firing = threading.local()  # an event is fired and put on the bus in one thread

    def fire_noting(*arguments: Any, version_id: str | None = None, **options: Any) -> None:
        firing.version_id = version_id
        fire(*arguments, version_id=version_id, **options)

    def dispatch_with_version(event: Record, *rest: Any, **options: Any) -> Any:
        version_id = getattr(firing, "version_id", None)
        if event["Source"] == "aws.s3" and version_id:
            detail = json.loads(event["Detail"])
            detail["object"]["version-id"] = version_id
            event = {**event, "Detail": json.dumps(detail)}
        return dispatch(event, *rest, **options)

    s3._fire_s3_event = fire_noting
    eventbridge._dispatch_event = dispatch_with_version


def compare_keys_without_parsing() -> None:
    """Query in a tenth of the time.

    The emulator tokenises the key condition again for every item of the partition, so that a partition of
    40,000 items takes more than a second a page. Plain conditions on string keys are matched once and
    compared directly; all others go the emulator's way.
    """
    from ministack.services import dynamodb

    evaluate = dynamodb._evaluate_condition

    def evaluate_keys_fast(
        expression: str, item: Record, values: Record, names: Record, slot: str = "ConditionExpression"
    ) -> Any:
        if slot == "KeyConditionExpression":
            holds = _key_condition(expression, item, values or {}, names or {})
            if holds is not None:
                return holds
        return evaluate(expression, item, values, names, slot=slot)

    dynamodb._evaluate_condition = evaluate_keys_fast


def parse_each_statement_once() -> None:
    """PartiQL in a quarter of the time.

    The emulator parses each of a batch's statements twice, which takes ten times as long as carrying them
    out. Statements that differ in their parameters alone are parsed once; the parameters, which the parser
    hands through as they are, are put in their places. The second parse finds the first one's result.
    """
    from ministack.services import dynamodb

    parse, prepare = dynamodb.parse_partiql_statement, dynamodb._parse_partiql
    parsed: dict[tuple[str, ...], tuple[list[Record], Any]] = {}
    latest = threading.local()

    def parse_or_fill(text: str, parameters: list[Record] | None) -> Any:
        given = parameters or []
        shape = (text, *(next(iter(parameter), "") for parameter in given))
        if shape not in parsed:
            examples = [dict(parameter) for parameter in given]
            statement = parse(text, examples)
            if len(parsed) > MOST_STATEMENTS or not all(_holds(statement, example) for example in examples):
                return parse(text, parameters)
            parsed[shape] = (examples, statement)
        examples, statement = parsed[shape]
        places = {id(example): parameter for example, parameter in zip(examples, given, strict=True)}
        return _filled(statement, places)

    def prepare_once(text: str, parameters: list[Record] | None) -> Any:
        of, prepared = getattr(latest, "prepared", (None, None))
        latest.prepared = (None, None)
        if of is parameters and of:
            return prepared
        prepared = prepare(text, parameters)
        latest.prepared = (parameters, prepared)
        return prepared

    dynamodb.parse_partiql_statement = parse_or_fill
    dynamodb._parse_partiql = prepare_once


def read_requests_fast() -> None:
    """A batch of writes is some 25 KB of JSON, and to read it takes the emulator as long as to carry it out."""
    import orjson
    from ministack.services import dynamodb

    class Json(ModuleType):
        loads = staticmethod(orjson.loads)

        def __getattr__(self, name: str) -> Any:
            return getattr(json, name)

    dynamodb.json = Json("json")


MOST_STATEMENTS = 1000


def _holds(node: Any, wanted: Record) -> bool:
    if node is wanted:
        return True
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list | tuple) else ()
    return any(_holds(child, wanted) for child in children)


def _filled(node: Any, places: Mapping[int, Record]) -> Any:
    """A copy of a parsed statement with other parameters, told by identity."""
    if id(node) in places:
        return places[id(node)]
    if isinstance(node, dict):
        return {key: _filled(value, places) for key, value in node.items()}
    if isinstance(node, list):
        return [_filled(value, places) for value in node]
    if isinstance(node, tuple):
        return tuple(_filled(value, places) for value in node)
    return node


def import_all_of_an_api() -> None:
    """Of an OpenAPI body, the emulator reads neither "any method" nor gateway responses, nor what a mock answers."""
    from ministack.services import apigateway_v1

    import_body, import_operation = apigateway_v1._import_rest_api, apigateway_v1._import_operation
    apigateway_v1._OPENAPI_HTTP_METHODS.add("any")

    def import_whole_operation(
        api_id: str, resource_id: str, method: str, operation: Record, *rest: Any
    ) -> None:
        import_operation(api_id, resource_id, method, operation, *rest)
        integration = operation["x-amazon-apigateway-integration"]
        if integration["type"] != "mock":
            return
        mock = {"type": "MOCK", "requestTemplates": integration["requestTemplates"]}
        apigateway_v1._put_integration(api_id, resource_id, method, mock)
        for response in integration["responses"].values():
            apigateway_v1._put_integration_response(
                api_id, resource_id, method, response["statusCode"], response
            )

    def import_whole_body(body: Record, settings: Record | None = None) -> Any:
        paths = {
            path: {
                "any" if method == "x-amazon-apigateway-any-method" else method: operation
                for method, operation in operations.items()
            }
            for path, operations in (body.get("paths") or {}).items()
        }
        api_id = import_body({**body, "paths": paths}, settings)
        for kind, response in (body.get("x-amazon-apigateway-gateway-responses") or {}).items():
            status = response.get("statusCode")
            apigateway_v1._put_gateway_response(
                api_id, kind, {**response, **({"statusCode": str(status)} if status else {})}
            )
        return api_id

    apigateway_v1._import_operation = import_whole_operation
    apigateway_v1._import_rest_api = import_whole_body


def count_requests_by_the_authorizer_s_word() -> None:
    """ApiKeySourceType AUTHORIZER: the usage key is the authorizer's usageIdentifierKey, never the client's header.

    The emulator's CloudFormation drops that property, and its gateway knows the header only. So the key travels from the
    authorizer's answer to the check as that header, whatever the client has sent.
    """
    from ministack.services import apigateway_v1

    invoke, authorize = apigateway_v1._invoke_authorizer_lambda, apigateway_v1._authorize_request_v1

    async def invoke_and_keep(*args: Any) -> Any:
        result = await invoke(*args)
        body = (result or {}).get("body")
        if isinstance(body, dict) and isinstance(body.get("context"), dict):
            body["context"]["usageIdentifierKey"] = body.get("usageIdentifierKey")
        return result

    async def authorize_and_name(*args: Any) -> Any:
        error, context = await authorize(*args)
        headers = args[_HEADERS_OF_AUTHORIZE]
        for name in [name for name in headers if name.lower() == "x-api-key"]:
            del headers[name]
        context = dict(context or {})
        if key := context.pop("usageIdentifierKey", None):
            headers["x-api-key"] = key
        return error, context

    apigateway_v1._invoke_authorizer_lambda = invoke_and_keep
    apigateway_v1._authorize_request_v1 = authorize_and_name


def answer_for_functions_that_do_not() -> None:
    """A function that breaks off is answered for by the API's response DEFAULT_5XX; the emulator has words of its own."""
    from ministack.services import apigateway_v1

    invoke = apigateway_v1._invoke_lambda_proxy_v1

    async def invoke_or_answer(*args: Any, **options: Any) -> Any:
        answer = await invoke(*args, **options)
        broke_off = isinstance(answer, tuple) and answer[0] == 502
        return apigateway_v1._gw_error("DEFAULT_5XX", "Internal server error") if broke_off else answer

    apigateway_v1._invoke_lambda_proxy_v1 = invoke_or_answer


_HEADERS_OF_AUTHORIZE = 6
_KEY_CONDITION = re.compile(
    r"""\s*\(?\s*(?P<pk>\#?\w+)\s*=\s*(?P<pk_value>:\w+)\s*\)?\s*
    (?:AND\s+\(?\s*(?:
        begins_with\s*\(\s*(?P<prefixed>\#?\w+)\s*,\s*(?P<prefix>:\w+)\s*\)
      | (?P<ranged>\#?\w+)\s+BETWEEN\s+(?P<low>:\w+)\s+AND\s+(?P<high>:\w+)
      | (?P<compared>\#?\w+)\s*(?P<operator><=|>=|<|>|=)\s*(?P<bound>:\w+)
    )\s*\)?)?\s*""",
    re.IGNORECASE | re.VERBOSE,
)
_PARSED: dict[str, re.Match[str] | None] = {}
_OPERATORS: Mapping[str, Callable[[bytes, bytes], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    ">": lambda a, b: a > b,
    "<=": lambda a, b: a <= b,
    ">=": lambda a, b: a >= b,
}


def _key_condition(expression: str, item: Record, values: Record, names: Record) -> bool | None:
    """Whether the item's string keys satisfy a plain key condition; None where that is not for us to say."""
    if expression not in _PARSED:
        _PARSED[expression] = _KEY_CONDITION.fullmatch(expression)
    parsed = _PARSED[expression]
    if parsed is None:
        return None

    def stored(group: str) -> bytes:
        name = str(parsed[group])
        return str(item[names.get(name, name)]["S"]).encode()

    def asked(group: str) -> bytes:
        return str(values[str(parsed[group])]["S"]).encode()

    try:
        holds = stored("pk") == asked("pk_value")
        if parsed["prefixed"]:
            holds = holds and stored("prefixed").startswith(asked("prefix"))
        elif parsed["ranged"]:
            holds = holds and asked("low") <= stored("ranged") <= asked("high")
        elif parsed["compared"]:
            holds = holds and _OPERATORS[parsed["operator"]](stored("compared"), asked("bound"))
    except KeyError:
        return None
    return holds


def _same_json(one: str, other: str) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return one == other
