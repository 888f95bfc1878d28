"""The event bus, on EventBridge."""

from __future__ import annotations

import orjson

from contactsync.adapters.wire import TRANSIENT, ServiceError, Wire
from contactsync.errors import Busy

SOURCE = "contactsync"


class EventBridgeBus:
    """See `ports.Bus`."""

    def __init__(self, name: str, wire: Wire) -> None:
        self._name = name
        self._wire = wire

    def publish(self, kind: str, detail: dict[str, str]) -> None:
        """See `ports.Bus.publish`."""
        entry = {
            "EventBusName": self._name,
            "Source": SOURCE,
            "DetailType": kind,
            "Detail": orjson.dumps(detail).decode(),
        }
        patience = self._wire.patience
        for failures in range(1, patience.attempts + 1):
            answer = self._wire.call("PutEvents", {"Entries": [entry]})
            if not answer.get("FailedEntryCount"):
                return
            # An entry can fail although the request succeeds
            code = str(answer["Entries"][0].get("ErrorCode", ""))
            if code not in TRANSIENT:
                raise ServiceError("PutEvents", 200, code, "unknown")
            if failures < patience.attempts:
                patience.wait(failures)
        raise Busy(f"The event bus did not take the event in {patience.attempts} attempts.")
