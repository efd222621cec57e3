"""Decisions and counters on the bus, published by strategies for whoever records them."""

from __future__ import annotations

from typing import Any, Self

import msgspec
from nautilus_trader.core.data import Data
from nautilus_trader.model.data import DataType
from nautilus_trader.serialization.base import register_serializable_type

from core.decisions import Decision, decode, encode


class DecisionMessage(Data):
    """One :class:`core.decisions.Decision`, as custom data on the message bus.

    Subscribe with ``self.subscribe_data(DecisionMessage.data_type())``.
    """

    __slots__ = ("_ts_ns", "decision")

    def __init__(self, decision: Decision) -> None:
        self.decision = decision
        self._ts_ns = decision.ts_ns

    @property
    def ts_event(self) -> int:
        """Time of the decision, ns UTC."""
        return self._ts_ns

    @property
    def ts_init(self) -> int:
        """Time of the decision, ns UTC."""
        return self._ts_ns

    @classmethod
    def data_type(cls) -> DataType:
        """Return the type to publish and subscribe with."""
        return DataType(cls)

    def to_dict(self) -> dict[str, Any]:
        """Return the message as plain data: type name and canonical decision text."""
        return {"type": "DecisionMessage", "decision": encode(self.decision).decode()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make the message from :meth:`to_dict`."""
        return cls(decode(values["decision"]))

    def to_bytes(self) -> bytes:
        """Return the canonical encoding of the decision."""
        return encode(self.decision)

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """Make the message from :meth:`to_bytes`."""
        return cls(decode(data))

    def __repr__(self) -> str:
        d = self.decision
        return f"DecisionMessage({d.decision_id}, {d.outcome}, {d.reason.value}, ts={d.ts_ns})"


class Counters(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy counted since it started.

    Attributes
    ----------
    updates
        Book updates handled.
    gate_misses
        Updates on which the gate said that no edge is possible.
    gate_hits
        Updates that reached the exact path; each box considered there is one decision.
    taken
        Decisions that led to orders.
    refused
        Refused decisions by reason code.
    """

    updates: int
    gate_misses: int
    gate_hits: int
    taken: int
    refused: dict[str, int]


class CountersMessage(Data):
    """:class:`Counters` of one strategy, published when it stops and at each counter interval."""

    __slots__ = ("_ts_ns", "counters", "strategy")

    def __init__(self, strategy: str, counters: Counters, ts_ns: int) -> None:
        self.strategy = strategy
        self.counters = counters
        self._ts_ns = ts_ns

    @property
    def ts_event(self) -> int:
        """Time of the count, ns UTC."""
        return self._ts_ns

    @property
    def ts_init(self) -> int:
        """Time of the count, ns UTC."""
        return self._ts_ns

    @classmethod
    def data_type(cls) -> DataType:
        """Return the type to publish and subscribe with."""
        return DataType(cls)

    def to_dict(self) -> dict[str, Any]:
        """Return the message as plain data."""
        return {
            "type": "CountersMessage",
            "strategy": self.strategy,
            "counters": msgspec.to_builtins(self.counters),
            "ts_ns": self._ts_ns,
        }

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Self:
        """Make the message from :meth:`to_dict`."""
        counters = msgspec.convert(values["counters"], Counters)
        return cls(values["strategy"], counters, values["ts_ns"])

    def __repr__(self) -> str:
        return f"CountersMessage({self.strategy}, {self.counters}, ts={self._ts_ns})"


register_serializable_type(DecisionMessage, DecisionMessage.to_dict, DecisionMessage.from_dict)
register_serializable_type(CountersMessage, CountersMessage.to_dict, CountersMessage.from_dict)
