"""Times as records keep them and answers show them."""

from __future__ import annotations

from datetime import datetime


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, to the millisecond."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
