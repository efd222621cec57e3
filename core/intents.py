"""Write-ahead intents: what a box is about to send, recorded before anything is sent.

The strategy saves an intent through a sink and sends only after the sink confirmed it. After a
crash :func:`recover` says for each intent what must be asked of the venues: nothing is ever
re-sent blindly.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple, Protocol

import msgspec

from core.contracts import Direction, Outcome, Side, Venue

SCHEMA = 1


class IntentLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One order of an intent: dollars per contract and contracts.

    ``client_order_id`` is chosen before sending: the venue is asked by it after a crash.
    """

    leg: int
    venue: Venue
    instrument: str
    outcome: Outcome
    side: Side
    size: Decimal
    limit_price: Decimal
    role: str
    client_order_id: str


class Intent(msgspec.Struct, frozen=True, kw_only=True):
    """What is about to be sent for one box."""

    box_id: str
    pair_id: str
    decision_id: str
    strategy: str
    direction: Direction
    ts_ns: int
    legs: tuple[IntentLeg, ...]
    schema: int = SCHEMA


class IntentSink(Protocol):
    """Where intents and their ends go (the journal; nothing in a backtest)."""

    def save(self, intent: Intent) -> bool:
        """Record an intent durably; False means that nothing may be sent."""
        ...

    def close(self, box_id: str, phase: str, ts_ns: int) -> None:
        """Record that a box came to rest."""
        ...


class NullSink:
    """Keeps nothing: the default of backtests, where there is no crash to survive."""

    def save(self, intent: Intent) -> bool:  # noqa: ARG002 - the protocol's shape
        """Accept the intent."""
        return True

    def close(self, box_id: str, phase: str, ts_ns: int) -> None:
        """Accept the end of a box."""


class Known(StrEnum):
    """What the venue says about an order that an intent names."""

    FILLED = "filled"
    OPEN = "open"
    CLOSED = "closed"
    NEVER_SEEN = "never_seen"
    UNKNOWN = "unknown"


class Recovery(NamedTuple):
    """What to do about one leg after a restart.

    ``ask``: query by client id and decide again; ``cancel``: it still rests; ``account``: count
    ``filled``; ``drop``: the venue has positive evidence that it never existed.
    """

    client_order_id: str
    action: str
    filled: Decimal


def encode(intent: Intent) -> bytes:
    """Write an intent as canonical JSON."""
    return msgspec.json.encode(intent)


def decode(data: bytes) -> Intent:
    """Read an intent back.

    Raises
    ------
    msgspec.ValidationError
        When the bytes are no intent.
    """
    return msgspec.json.decode(data, type=Intent)


def recover(
    intents: Iterable[Intent],
    answers: dict[str, tuple[Known, Decimal]],
) -> list[Recovery]:
    """Say what each leg of each unfinished intent needs.

    Parameters
    ----------
    intents
        Intents without an end in the journal.
    answers
        By client order id: what the venue said, and how much of the order filled. A missing
        answer counts as unknown.
    """
    actions = {
        Known.FILLED: "account",
        Known.CLOSED: "account",
        Known.OPEN: "cancel",
        Known.NEVER_SEEN: "drop",
        Known.UNKNOWN: "ask",
    }
    return [
        Recovery(leg.client_order_id, actions[known], filled)
        for intent in intents
        for leg in intent.legs
        for known, filled in [answers.get(leg.client_order_id, (Known.UNKNOWN, Decimal(0)))]
    ]
