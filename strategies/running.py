"""A running box beside its machine: ids, orders, timer, and the intents it writes."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

from core.contracts import Direction, Outcome, Side
from core.intents import Intent, IntentLeg
from core.legs import Box, Event, Place
from core.money import from_units

if TYPE_CHECKING:
    from nautilus_trader.model.identifiers import ClientOrderId

    from strategies.handles import MarketHandle, PairHandle


class OrderRef(NamedTuple):
    """Which box, leg and side an order belongs to."""

    box_id: str
    leg: int
    side: Side


class RunningBox:
    """One box and what the machine does not know: ids, orders, the timer."""

    __slots__ = (
        "box",
        "box_id",
        "decision_id",
        "direction",
        "live",
        "order_ids",
        "pair",
        "planned",
        "queue",
        "running",
        "timer",
        "timers",
        "waits",
    )

    def __init__(
        self, box_id: str, decision_id: str, pair: PairHandle, direction: Direction, box: Box
    ) -> None:
        self.box_id = box_id
        self.decision_id = decision_id
        self.pair = pair
        self.direction = direction
        self.box = box
        self.live: dict[int, ClientOrderId] = {}
        self.planned: dict[int, ClientOrderId] = {}
        self.queue: deque[Event] = deque()
        self.running = False
        self.timer: str | None = None
        self.timers = 0
        self.waits = 0
        self.order_ids: list[str] = []

    def market(self, leg: int) -> MarketHandle:
        """Return the market handle of a leg."""
        return self.pair.markets[leg]

    def outcome(self, leg: int) -> Outcome:
        """Return the outcome held on a leg."""
        return self.direction.outcome(leg)


def box_intent(running: RunningBox, strategy: str, ts_ns: int) -> Intent:
    """Return what a new box is about to send on both venues."""
    legs = tuple(
        _leg(
            running,
            Place(leg, Side.BUY, running.box.size_u, running.box.limits_u[leg], "open"),
            running.planned[leg],
        )
        for leg in (0, 1)
    )
    return _intent(running, legs, strategy, ts_ns)


def order_intent(
    running: RunningBox, place: Place, client_order_id: ClientOrderId, strategy: str, ts_ns: int
) -> Intent:
    """Return what one later order of a box is about to send."""
    return _intent(running, (_leg(running, place, client_order_id),), strategy, ts_ns)


def _intent(running: RunningBox, legs: tuple[IntentLeg, ...], strategy: str, ts_ns: int) -> Intent:
    return Intent(
        box_id=running.box_id,
        pair_id=running.pair.pair.pair_id,
        decision_id=running.decision_id,
        strategy=strategy,
        direction=running.direction,
        ts_ns=ts_ns,
        legs=legs,
    )


def _leg(running: RunningBox, place: Place, client_order_id: ClientOrderId) -> IntentLeg:
    market = running.market(place.leg).market
    outcome = running.outcome(place.leg)
    return IntentLeg(
        leg=place.leg,
        venue=market.venue,
        instrument=market.instrument(outcome),
        outcome=outcome,
        side=place.side,
        size=from_units(place.size_u),
        limit_price=from_units(place.limit_u),
        role=place.role,
        client_order_id=client_order_id.value,
    )


def exact_text(units: int, precision: int) -> str:
    """Write units with a precision, exactly.

    Raises
    ------
    ValueError
        When the amount is finer than the precision: it must have been rounded before.
    """
    amount = from_units(units)
    text = f"{amount:.{precision}f}"
    if from_units(units) != type(amount)(text):
        raise ValueError(f"{amount} does not fit {precision} decimal places")
    return text
