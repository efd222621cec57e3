"""What a run writes down while it runs: decisions, counters and order events, in order."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from decimal import Decimal
from typing import TYPE_CHECKING

from nautilus_trader.model.events import OrderDenied, OrderEvent, OrderFilled, OrderRejected

from core.decisions import Decision, DecisionDigest
from messages.decisions import Counters, CountersMessage, DecisionMessage

if TYPE_CHECKING:
    from nautilus_trader.common.component import MessageBus


class Collector:
    """Subscribes to the bus of a run; keeps what the results are made of.

    Parameters
    ----------
    edges : MutableMapping[str, Decimal], optional
        Where the net edge of each taken decision goes, for the hazard model.
    on_decision : Callable, optional
        Takes every decision; refused ones are not kept here, for there can be millions.
    """

    def __init__(
        self,
        edges: MutableMapping[str, Decimal] | None = None,
        on_decision: Callable[[Decision], None] | None = None,
    ) -> None:
        self._edges = edges
        self._sink = on_decision
        self.taken: dict[str, Decision] = {}
        self.digest = DecisionDigest()
        self.counters: dict[str, Counters] = {}
        self.fills: list[OrderFilled] = []
        self.refusals: dict[str, str] = {}

    def attach(self, bus: MessageBus) -> None:
        """Subscribe to decisions, counters and order events."""
        bus.subscribe(f"data.{DecisionMessage.data_type().topic}", self._on_decision)
        bus.subscribe(f"data.{CountersMessage.data_type().topic}", self._on_counters)
        bus.subscribe("events.order.*", self._on_order_event)

    def _on_decision(self, message: DecisionMessage) -> None:
        decision = message.decision
        self.digest.add(decision)
        if decision.outcome == "taken":
            self.taken[decision.decision_id] = decision
            if self._edges is not None:
                self._edges[decision.decision_id] = decision.net_edge
        if self._sink is not None:
            self._sink(decision)

    def _on_counters(self, message: CountersMessage) -> None:
        self.counters[message.strategy] = message.counters

    def _on_order_event(self, event: OrderEvent) -> None:
        if isinstance(event, OrderFilled):
            self.fills.append(event)
        elif isinstance(event, (OrderDenied, OrderRejected)):
            self.refusals[event.client_order_id.value] = event.reason

    def describe_last(self) -> str:
        """Say the last fill, where a run may have stopped."""
        if not self.fills:
            return "no fill yet"
        fill = self.fills[-1]
        return f"last fill {fill.last_qty} {fill.instrument_id} at {fill.last_px}"
