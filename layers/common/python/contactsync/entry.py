"""Where Lambda meets a step: event → validated message → step → JSON, with log context and errors translated.

The state machine matches errors by name, so there are four, whatever went wrong:

    Refused     the customer can mend it; the message is the problem as JSON, to be shown to them
    Busy        throttled or briefly away: try again later; of a customer's server the message is a problem as well
    Cancelled   the run is no longer ours to work on
    Bug         anything else; the message is a reference into the log, because the cause may quote people's data
"""

from __future__ import annotations

import functools
import gc
import json
import os
import time
import traceback
from collections.abc import Callable
from typing import Any, TypeVar

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel

from contactsync.core.metrics import measured
from contactsync.errors import Busy, Cancelled, SourceAway, UserError
from contactsync.model.message import Message, Notified
from contactsync.model.run import Run
from contactsync.model.sync import Sync

Reads = TypeVar("Reads", bound=BaseModel)

logger = Logger(service="contactsync", utc=True)

# What is imported lives as long as the process, and rows make few cycles: looking for garbage less often
# saves nearly half of plan's CPU (docs/adr/0026-scale.md).
gc.freeze()
gc.set_threshold(50_000, 20, 20)


class Refused(Exception):
    """The customer can mend it."""


class Bug(Exception):
    """Ours to mend."""


def step(
    word: str,
    *,
    reads: type[Reads],
) -> Callable[[Callable[[Reads], BaseModel]], Callable[[dict[str, Any], LambdaContext], dict[str, Any]]]:
    """Make a Lambda handler of a function from one message to the next.

    `word` is the step's: its state, its folder, its journey function, and in the log the field `step`. Lambda's
    own name of the function would not do, for that carries the stack's name and a random tail.
    """
    # built while the function starts, as each of its requests begins with them
    for model in (reads, Run, Sync) if issubclass(reads, Message) else (reads,):
        model.model_rebuild()

    def decorate(
        function: Callable[[Reads], BaseModel],
    ) -> Callable[[dict[str, Any], LambdaContext], dict[str, Any]]:
        @functools.wraps(function)
        def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
            began = time.monotonic()
            # An execution that began before an upgrade, or goes on after a rollback, may say more than we know
            message = reads.model_validate(event, extra="ignore")
            told = message.model_dump(include={"account_id", "run_id"})
            logger.append_keys(step=word, request_id=context.aws_request_id, **told)
            try:
                answer = function(message)
            except UserError as error:
                logger.info("refused", extra={"code": error.code, **_failed(error.code)})
                raise Refused(problem_of(error)) from None
            except SourceAway as error:
                logger.warning("SourceAway", extra={"code": error.code, **_failed(error.code)})
                raise Busy(problem_of(error)) from None
            except (Busy, Cancelled) as error:
                logger.warning(type(error).__name__, extra=_failed(type(error).__name__))
                raise
            except Exception as error:  # noqa: BLE001 - whatever it is, its text must not leave this process
                log_bug(error, **_failed("Bug"))
                raise Bug(f"internal error, see request {context.aws_request_id} in the log") from None
            took_ms = round((time.monotonic() - began) * 1000)
            heard = answer.model_dump(include={"outcome", "drop_id", "run_id"}, exclude_none=True)
            logger.info("done", extra={"duration_ms": took_ms, **heard, **_told(answer)})
            return answer.model_dump(mode="json")

        return handler

    return decorate


def problem_of(error: UserError | SourceAway) -> str:
    """The problem as the run's record keeps it, JSON."""
    return json.dumps({"code": error.code, "title": error.title, "detail": error.detail})


def log_bug(error: Exception, **fields: Any) -> None:
    """Log where an unexpected error came from, never what it says: its message may quote a contact."""
    frames = [
        f"{frame.filename}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]
    logger.error("bug", extra={"error": type(error).__qualname__, "frames": frames[-20:], **fields})


def _failed(reason: str) -> dict[str, Any]:
    """An attempt of a step that came to nothing. `reason` is a refusal's code, or Busy, Cancelled, Bug."""
    return {"reason": reason, **_metrics(Failures=1)}


def _told(answer: BaseModel) -> dict[str, Any]:
    """What a step's answer says of the run as a whole; only the last step's does."""
    if not isinstance(answer, Notified) or answer.status in {"queued", "running"}:
        return {}
    values: dict[str, float] = {"Runs": 1}
    if answer.problem:
        values["RunProblems"] = 1
    if answer.took_s is not None:
        values["RunSeconds"] = answer.took_s
    if (counts := answer.counts) is not None:
        values |= {
            "RowsRead": counts.rows,
            "RowsUnchanged": counts.unchanged,
            "RowsRejected": counts.rejected,
            "RowsSkipped": counts.skipped,
            "ContactsAdded": counts.added,
            "ContactsUpdated": counts.updated,
            "ContactsDeleted": counts.deleted,
        }
    values |= {"MailsSent": answer.mails_sent, "MailsFailed": answer.mails_failed}
    return {"status": answer.status, "problem": answer.problem, **_metrics(**values)}


def _metrics(**values: float) -> dict[str, Any]:
    namespace = os.environ.get("POWERTOOLS_METRICS_NAMESPACE", "ContactSync")
    return measured(values, namespace=namespace, at_ms=time.time_ns() // 1_000_000)
