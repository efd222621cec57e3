"""Times as the venue prints them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _moment(ns: int) -> datetime:
    return _EPOCH + timedelta(microseconds=ns // 1000)


def iso(ns: int) -> str:
    """Return ``2026-11-21T08:00:00Z``."""
    return _moment(ns).strftime("%Y-%m-%dT%H:%M:%SZ")


def spaced(ns: int) -> str:
    """Return ``2026-11-21 08:00:00+00``, as Gamma prints closedTime and gameStartTime."""
    return _moment(ns).strftime("%Y-%m-%d %H:%M:%S+00")


def date(ns: int) -> str:
    """Return ``2026-11-21``."""
    return _moment(ns).strftime("%Y-%m-%d")


def parse(text: str) -> int:
    """Read an ISO time or date, or epoch seconds, into ns.

    Raises
    ------
    ValueError
        It is none of them.
    """
    if text.isdecimal():
        return int(text) * 1_000_000_000
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000
