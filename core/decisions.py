"""The decision record: what was seen, what was calculated, what was decided and why.

Encoding is canonical: fields in the order declared, amounts as decimal text with six places, so
the same decisions give the same bytes and the same digest on every machine.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Literal

import msgspec

from core.contracts import Direction, Outcome, Side, Venue
from core.reasons import Reason

__all__ = ["Decision", "DecisionDigest", "DecisionLeg", "Level", "Reason", "decode", "encode"]

SCHEMA = 1


class Level(msgspec.Struct, frozen=True, array_like=True):
    """One price level: dollars per contract and contracts."""

    price: Decimal
    size: Decimal


class DecisionLeg(msgspec.Struct, frozen=True, kw_only=True):
    """One leg of a decision: the book it saw and the order it implies.

    Attributes
    ----------
    ladder
        Asks used or looked at, best first, in the price of the outcome bought.
    age_ns
        Time since the book was last observed.
    best_bid, best_ask
        Top of the outcome's book; null where a side is empty.
    cash
        Dollars free for this leg before the decision.
    limit_price, size, cost, fee
        The order: worst level touched, contracts, dollars without fee, fee. Null and zero where
        refused before sizing.
    """

    venue: Venue
    instrument: str
    outcome: Outcome
    side: Side
    ladder: tuple[Level, ...]
    age_ns: int
    cash: Decimal
    best_bid: Decimal | None = None
    best_ask: Decimal | None = None
    limit_price: Decimal | None = None
    size: Decimal = Decimal("0.000000")
    cost: Decimal = Decimal("0.000000")
    fee: Decimal = Decimal("0.000000")


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about one box.

    Amounts per contract (``gross_edge``, ``fees``, ``net_edge``, ``required_edge``) are at the
    best level for refusals and averages over the size for taken boxes, in dollars.

    Attributes
    ----------
    decision_id
        ``{pair_id}#{seq}``: unique in a run, equal in a repeated run.
    kind
        ``open`` a box, ``close`` a box early.
    gross_edge
        One minus the prices of both legs.
    net_edge
        ``gross_edge - fees``.
    required_edge
        Hurdle for divergence, carry and legging.
    locked
        Dollars the box pays over its cost when the venues agree.
    objective
        J of METHODS 3.3 in dollars.
    room
        Dollars that limits and the Kelly share left for the box; 0 where refused before sizing.
    detail
        One line for people: the value that refused.
    """

    decision_id: str
    seq: int
    ts_ns: int
    strategy: str
    pair_id: str
    kind: Literal["open", "close"]
    direction: Direction
    outcome: Literal["taken", "refused"]
    reason: Reason
    legs: tuple[DecisionLeg, DecisionLeg]
    gross_edge: Decimal
    fees: Decimal
    net_edge: Decimal
    required_edge: Decimal
    size: Decimal = Decimal("0.000000")
    locked: Decimal = Decimal("0.000000")
    objective: Decimal = Decimal("0.000000")
    box_id: str | None = None
    first_leg: int | None = None
    room: Decimal = Decimal("0.000000")
    detail: str = ""


_ENCODER = msgspec.json.Encoder(decimal_format="string")
_DECODER = msgspec.json.Decoder(Decision)


def encode(decision: Decision) -> bytes:
    """Write a decision as canonical JSON bytes."""
    return _ENCODER.encode(decision)


def decode(data: bytes | str) -> Decision:
    """Read a decision back.

    Raises
    ------
    msgspec.ValidationError
        When the bytes are no decision.
    """
    return _DECODER.decode(data)


class DecisionDigest:
    """SHA-256 over the canonical encodings of all decisions in order, one line each."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, decision: Decision) -> None:
        """Take the next decision in."""
        self._hash.update(encode(decision))
        self._hash.update(b"\n")
        self.count += 1

    def hexdigest(self) -> str:
        """Return the digest of what came in so far."""
        return self._hash.hexdigest()
