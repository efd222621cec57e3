"""Price ladders in integers: cleaning, mirroring, and the exact cost of walking one.

A ladder is a tuple of ``(price_u, size_u)``, best first; prices and sizes in units of 0.000001.
Prices at or outside 0 and 1 are sentinels of empty sides and are dropped.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable
from typing import NamedTuple

from core.fees.base import NEW_ORDER, FeeSchedule, FeeState
from core.money import SCALE, ceil_div

Ladder = tuple[tuple[int, int], ...]

WIDE = 10**21
"""One unit of money on the wide scale (1e-27 dollars), on which costs add without rounding."""

_VALUE = 10**15
"""Price units times size units (1e-12 dollars) to the wide scale."""


def clean(levels: Iterable[tuple[int, int]]) -> Ladder:
    """Drop sentinels and empty levels."""
    return tuple((p, s) for p, s in levels if 0 < p < SCALE and s > 0)


def mirror(levels: Iterable[tuple[int, int]]) -> Ladder:
    """Return the other outcome's ladder: its asks are one minus these bids, same sizes.

    Examples
    --------
    >>> mirror(((470_000, 5_000_000),))
    ((530000, 5000000),)
    """
    return tuple((SCALE - p, s) for p, s in levels)


class Book(NamedTuple):
    """One outcome's book: cleaned bids and asks, best first."""

    bids: Ladder
    asks: Ladder

    def mirrored(self) -> Book:
        """Return the other outcome's book."""
        return Book(mirror(self.asks), mirror(self.bids))


class Walk(NamedTuple):
    """What buying (or selling) a size costs: money in units, the worst level touched.

    ``gross_u`` is the order size: larger than the size asked for where shares are withheld.
    """

    gross_u: int
    value_u: int
    fee_u: int
    worst_u: int

    @property
    def cost_u(self) -> int:
        """Dollars (units) paid for a BUY: value plus fee."""
        return self.value_u + self.fee_u

    @property
    def proceeds_u(self) -> int:
        """Dollars (units) received for a SELL: value minus fee."""
        return self.value_u - self.fee_u


class CostCurve:
    """Cost of taking from one ladder, exact to the unit, in O(log levels) per size.

    One fill per level and one order per walk: fees accumulate over the levels as the venue
    accumulates them.

    Parameters
    ----------
    ladder
        Asks for a BUY, bids for a SELL, best first.
    schedule
        Fees of the market at this moment.
    lot_u
        Size step of the market; used where shares are withheld.
    buy
        False walks bids to sell.
    """

    __slots__ = (
        "_cum",
        "_fees",
        "_states",
        "_units",
        "_values",
        "_wide",
        "buy",
        "ladder",
        "lot_u",
        "schedule",
        "size_u",
    )

    def __init__(
        self, ladder: Ladder, schedule: FeeSchedule, lot_u: int, *, buy: bool = True
    ) -> None:
        self.ladder = ladder
        self.schedule = schedule
        self.lot_u = lot_u
        self.buy = buy
        cum, values, fees, wide = [0], [0], [0], [0]
        states: list[FeeState] = [NEW_ORDER]
        units: list[int] = []
        for price, size in ladder:
            trade, rounding, rebate, state = schedule.charge_u(
                states[-1], price, size, buy=buy, taker=True
            )
            got = size - schedule.withheld_u(price, size, buy=buy, taker=True)
            cum.append(cum[-1] + got)
            values.append(values[-1] + self._value_u(price, size))
            fees.append(fees[-1] + trade + rounding - rebate)
            states.append(state)
            unit = self._unit(price, size, got)
            units.append(unit)
            wide.append(wide[-1] + unit * got // SCALE)
        self._units = units
        self._cum, self._values, self._fees, self._states = cum, values, fees, states
        self._wide = wide
        self.size_u = cum[-1]

    def _value_u(self, price_u: int, size_u: int) -> int:
        product = price_u * size_u
        return ceil_div(product, SCALE) if self.buy else product // SCALE

    def _wide_cost(self, price_u: int, size_u: int) -> int:
        if self.schedule.withheld_u(price_u, size_u, buy=self.buy, taker=True):
            return price_u * size_u * _VALUE
        fee = self.schedule.model_num(price_u, size_u)
        value = price_u * size_u * _VALUE
        return value + fee if self.buy else value - fee

    def unit_wide(self, level: int) -> int:
        """Return the unrounded money per contract at a level, on the wide scale."""
        return self._units[level]

    def _unit(self, price: int, size: int, got: int) -> int:
        if got == size:
            return self._wide_cost(price, SCALE)
        # shares withheld: dollars per share kept, rounded down so that the bound stays a bound
        return price * size * _VALUE * SCALE // (got + 1)

    def affordable(self, wide_u: int) -> int:
        """Return a size above which the unrounded cost certainly exceeds an amount (wide scale)."""
        level = bisect_left(self._wide, wide_u + 1) - 1
        if level >= len(self.ladder):
            return self.size_u
        return self._cum[level] + (wide_u - self._wide[level]) * SCALE // self._units[level] + 1

    def ends(self) -> list[int]:
        """Return the cumulative size at the end of each level."""
        return self._cum[1:]

    def level_of(self, size_u: int) -> int:
        """Return the index of the worst level touched by a size (1 to ``size_u``)."""
        return bisect_left(self._cum, size_u, 1) - 1

    def wide(self, size_u: int) -> int:
        """Return the unrounded money of a size on the wide scale, never more than the exact cost.

        For a SELL it is never less than the exact proceeds. Slack of schedules that round in our
        favour is not included.
        """
        if size_u <= 0:
            return 0
        level = self.level_of(size_u)
        rest = size_u - self._cum[level]
        return self._wide[level] + self.unit_wide(level) * rest // SCALE

    def walk(self, size_u: int) -> Walk:
        """Return the exact cost of a size.

        Raises
        ------
        ValueError
            When the size is not between 1 and the ladder's depth.
        """
        if not 0 < size_u <= self.size_u:
            raise ValueError(f"size_u: found {size_u}, allowed 1 to {self.size_u}")
        level = self.level_of(size_u)
        price, available = self.ladder[level]
        before = sum(s for _, s in self.ladder[:level]) if self._withholds else self._cum[level]
        gross = self._gross(level, size_u - self._cum[level], price, available)
        trade, rounding, rebate, _ = self.schedule.charge_u(
            self._states[level], price, gross, buy=self.buy, taker=True
        )
        return Walk(
            before + gross,
            self._values[level] + self._value_u(price, gross),
            self._fees[level] + trade + rounding - rebate,
            price,
        )

    @property
    def _withholds(self) -> bool:
        return bool(self.ladder) and self._cum[1] != self.ladder[0][1]

    def _gross(self, level: int, net_u: int, price: int, available: int) -> int:
        """Return the contracts to trade at a level so that ``net_u`` remain."""
        got = self._cum[level + 1] - self._cum[level]
        if got == available:
            return net_u
        gross = max(self.lot_u, net_u * available // got // self.lot_u * self.lot_u)
        while gross < available and (
            gross - self.schedule.withheld_u(price, gross, buy=True, taker=True) < net_u
        ):
            gross += self.lot_u
        return min(gross, available)
