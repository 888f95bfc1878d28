"""When a file was last changed, as each protocol says it, in one spelling: RFC 3339 in UTC, or None."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime


def of_http(text: str | None) -> str | None:
    """Last-Modified: "Sun, 22 Nov 2026 09:00:00 GMT"."""
    with suppress(ValueError, OverflowError):
        moment = parsedate_to_datetime(text or "")
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    return None


def of_ftp(text: str | None) -> str | None:
    """MDTM: YYYYMMDDHHMMSS in UTC, perhaps with a fraction."""
    with suppress(ValueError):
        return datetime.strptime((text or "")[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).isoformat()
    return None


def epoch(moment: str | None) -> float:
    """Seconds since 1970 of what the others return; 0 of None."""
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0


def of_epoch(seconds: int | None) -> str | None:
    """Seconds since 1970."""
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds is not None else None
    return None
