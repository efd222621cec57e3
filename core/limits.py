"""Limits: (order, exposure) to Approved or Refused, with the number that refused."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from core.reasons import Reason

_NONE = Decimal(10) ** 12


class Limits(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Bounds on what may be tied up or lost, in dollars unless said otherwise.

    Attributes
    ----------
    box_cost_max
        Cost of one box order, both legs and fees.
    pair_cost_max
        Cost of all open boxes of a pair.
    venue_cost_max
        Cost tied up on one venue.
    total_cost_max
        Cost of everything open.
    family_loss_max
        Worst-state loss of all open boxes of one rule family (they fail together).
    day_loss_max
        Worst-state loss of the day: realised losses plus what open legs can still lose.
    open_boxes_max
        Boxes open or in progress (count).
    orders_per_minute_max
        Orders sent in the last 60 seconds (count).
    cash_reserve
        Share of each venue's free cash kept for second legs and unwinds, 0 to 1.
    """

    box_cost_max: Decimal = Decimal(1000)
    pair_cost_max: Decimal = Decimal(5000)
    venue_cost_max: Decimal = _NONE
    total_cost_max: Decimal = _NONE
    family_loss_max: Decimal = _NONE
    day_loss_max: Decimal = _NONE
    open_boxes_max: int = 10_000
    orders_per_minute_max: int = 600
    cash_reserve: Decimal = Decimal("0.20")

    def __post_init__(self) -> None:
        if not 0 <= self.cash_reserve < 1:
            raise ValueError(f"cash_reserve: found {self.cash_reserve}, allowed 0 to below 1")
        for field in self.__struct_fields__:
            if getattr(self, field) < 0:
                raise ValueError(f"{field}: found {getattr(self, field)}, allowed 0 or more")


class Exposure(NamedTuple):
    """What is open now, dollars; counts where Limits counts."""

    pair_cost: Decimal = Decimal(0)
    venue_cost: tuple[Decimal, Decimal] = (Decimal(0), Decimal(0))
    total_cost: Decimal = Decimal(0)
    family_loss: Decimal = Decimal(0)
    day_loss: Decimal = Decimal(0)
    open_boxes: int = 0
    orders_last_minute: int = 0
    equity: Decimal = Decimal(0)
    """Cash and cost of holdings on both venues; 0 where unknown."""


class BoxOrder(NamedTuple):
    """The box about to be sent: cost per leg with fees, and what it loses in its worst state."""

    cost: tuple[Decimal, Decimal]
    worst_loss: Decimal
    orders: int = 2


class Approved(NamedTuple):
    """The order respects every limit."""


class Refused(NamedTuple):
    """A limit refuses the order: which, and by what numbers."""

    reason: Reason
    detail: str


def check(order: BoxOrder, exposure: Exposure, limits: Limits) -> Approved | Refused:
    """Say whether a box may be sent.

    Notes
    -----
    The day's loss counts the new order's first leg as lost: until the second leg fills, that is
    its worst state.
    """
    total = order.cost[0] + order.cost[1]
    rows: tuple[tuple[Reason, str, Decimal | int, Decimal | int], ...] = (
        (Reason.LIMIT_BOX, "box cost", total, limits.box_cost_max),
        (Reason.LIMIT_BOX, "open boxes", exposure.open_boxes + 1, limits.open_boxes_max),
        (Reason.LIMIT_PAIR, "pair cost", exposure.pair_cost + total, limits.pair_cost_max),
        *(
            (Reason.LIMIT_VENUE, "venue cost", used + cost, limits.venue_cost_max)
            for used, cost in zip(exposure.venue_cost, order.cost, strict=True)
        ),
        (Reason.LIMIT_TOTAL, "total cost", exposure.total_cost + total, limits.total_cost_max),
        (
            Reason.LIMIT_FAMILY,
            "family loss",
            exposure.family_loss + order.worst_loss,
            limits.family_loss_max,
        ),
        (
            Reason.LIMIT_LOSS,
            "worst-state loss of the day",
            exposure.day_loss + max(order.cost),
            limits.day_loss_max,
        ),
        (
            Reason.LIMIT_RATE,
            "orders in a minute",
            exposure.orders_last_minute + order.orders,
            limits.orders_per_minute_max,
        ),
    )
    for reason, name, value, allowed in rows:
        if value > allowed:
            return Refused(reason, f"{name}: {value}, allowed {allowed}")
    return Approved()


def budget(exposure: Exposure, limits: Limits) -> tuple[Decimal, Reason]:
    """Return the dollars a new box may cost in total, and the limit that sets it."""
    return min(
        (limits.box_cost_max, Reason.LIMIT_BOX),
        (limits.pair_cost_max - exposure.pair_cost, Reason.LIMIT_PAIR),
        (limits.total_cost_max - exposure.total_cost, Reason.LIMIT_TOTAL),
        (limits.family_loss_max - exposure.family_loss, Reason.LIMIT_FAMILY),
        key=lambda row: row[0],
    )
