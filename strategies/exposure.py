"""What boxes tie up and lose, kept as running sums so that limits cost nothing to check."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from core.limits import Exposure
from core.money import from_units

_MINUTE_NS = 60_000_000_000
_DAY_NS = 86_400_000_000_000


class BoxCost(NamedTuple):
    """Money in one box, units: paid less received per leg, and what is sure to come back."""

    venues: tuple[str, str]
    family: str
    paid_u: tuple[int, int] = (0, 0)
    floor_u: int = 0
    at_rest: bool = False

    @property
    def total_u(self) -> int:
        """Both legs together."""
        return self.paid_u[0] + self.paid_u[1]

    @property
    def loss_u(self) -> int:
        """What the box loses in its worst state."""
        return max(0, self.total_u - self.floor_u)


class ExposureBook:
    """Sums over all boxes: by pair, venue, family; losses of the day; orders of the minute."""

    def __init__(self) -> None:
        self._boxes: dict[str, tuple[str, BoxCost]] = {}
        self._pair: dict[str, int] = {}
        self._venue: dict[str, int] = {}
        self._family: dict[str, int] = {}
        self._total = 0
        self._moving = 0
        self._count = 0
        self._day = -1
        self._day_loss = 0
        self._orders: deque[int] = deque()

    def knows(self, box_id: str) -> bool:
        """Say whether a box is being counted."""
        return box_id in self._boxes

    def start(self, box_id: str, pair_id: str, cost: BoxCost) -> None:
        """Begin to count a box."""
        self._boxes[box_id] = (pair_id, cost)
        self._add(pair_id, cost, 1)

    def cash(self, box_id: str, leg: int, paid_u: int) -> None:
        """Count money paid (positive) or received (negative) for a leg."""
        if box_id not in self._boxes:
            return
        pair_id, cost = self._boxes[box_id]
        paid = list(cost.paid_u)
        paid[leg] += paid_u
        self._replace(box_id, pair_id, cost, cost._replace(paid_u=(paid[0], paid[1])))

    def rest(self, box_id: str, *, hedged: bool, now_ns: int, floor_u: int = 0) -> None:
        """Count a box that came to rest: hedged it stays open, flat it leaves its loss behind.

        ``floor_u`` is what a hedged box pays in its worst state.
        """
        if box_id not in self._boxes:
            return
        pair_id, cost = self._boxes[box_id]
        if hedged:
            self._replace(box_id, pair_id, cost, cost._replace(at_rest=True, floor_u=floor_u))
            return
        self._add(pair_id, cost, -1)
        del self._boxes[box_id]
        self._new_day(now_ns)
        self._day_loss += max(0, cost.total_u)

    def settle(self, box_id: str) -> None:
        """Stop counting a box that both venues paid."""
        if box_id in self._boxes:
            pair_id, cost = self._boxes.pop(box_id)
            self._add(pair_id, cost, -1)

    def order(self, now_ns: int) -> None:
        """Count an order sent."""
        self._orders.append(now_ns)

    def paid_u(self, box_id: str) -> tuple[int, int]:
        """Return what a box has cost so far, per leg."""
        return self._boxes[box_id][1].paid_u if box_id in self._boxes else (0, 0)

    def now(
        self, pair_id: str, venues: tuple[str, str], family: str, cash_u: int, now_ns: int
    ) -> Exposure:
        """Return the exposure a new box of a pair is checked against."""
        while self._orders and self._orders[0] <= now_ns - _MINUTE_NS:
            self._orders.popleft()
        self._new_day(now_ns)
        return Exposure(
            pair_cost=from_units(self._pair.get(pair_id, 0)),
            venue_cost=(
                from_units(self._venue.get(venues[0], 0)),
                from_units(self._venue.get(venues[1], 0)),
            ),
            total_cost=from_units(self._total),
            family_loss=from_units(self._family.get(family, 0)),
            day_loss=from_units(self._day_loss + self._moving),
            open_boxes=self._count,
            orders_last_minute=len(self._orders),
            equity=from_units(max(0, cash_u + self._total)),
        )

    def _new_day(self, now_ns: int) -> None:
        day = now_ns // _DAY_NS
        if day != self._day:
            self._day, self._day_loss = day, 0

    def _replace(self, box_id: str, pair_id: str, old: BoxCost, new: BoxCost) -> None:
        self._add(pair_id, old, -1)
        self._add(pair_id, new, 1)
        self._boxes[box_id] = (pair_id, new)

    def _add(self, pair_id: str, cost: BoxCost, sign: int) -> None:
        total = sign * cost.total_u
        self._pair[pair_id] = self._pair.get(pair_id, 0) + total
        for venue, paid in zip(cost.venues, cost.paid_u, strict=True):
            self._venue[venue] = self._venue.get(venue, 0) + sign * paid
        self._family[cost.family] = self._family.get(cost.family, 0) + sign * cost.loss_u
        self._total += total
        self._count += sign
        if not cost.at_rest:
            self._moving += total
