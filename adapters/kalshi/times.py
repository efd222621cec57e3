"""The venue's times in nanoseconds UTC (pure)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from adapters.common.errors import ProtocolError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_AWARE = Annotated[datetime, msgspec.Meta(tz=True)]


def time_ns(text: str) -> int:
    """Return an RFC 3339 time in nanoseconds UTC; its fraction may have any length.

    Raises
    ------
    ProtocolError
        Not such a time.
    """
    value = moment(text)
    delta = value - EPOCH
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1_000


def moment(value: str | int) -> datetime:
    """Return an RFC 3339 text, or Unix seconds, as an aware time; raises ``ProtocolError``."""
    try:
        if isinstance(value, int):
            return datetime.fromtimestamp(value, tz=UTC)
        return msgspec.convert(value, type=_AWARE)
    except (msgspec.MsgspecError, ValueError, OverflowError, OSError) as exc:
        raise ProtocolError(f"a time expected, found {str(value)[:40]!r}") from exc


def optional_ns(text: str | None) -> int:
    """Return :func:`time_ns`, 0 where the venue says nothing."""
    return time_ns(text) if text else 0


def stamp_ns(ts_ms: int | None, ts_s: int | None, now_ns: int) -> int:
    """Return a message's time: milliseconds, else seconds, else the time of receipt."""
    if ts_ms is not None:
        return ts_ms * 1_000_000
    if ts_s is not None:
        return ts_s * 1_000_000_000
    return now_ns
