"""One protocol for every venue's fees: schedule in, per-order state in, charge and state out.

The same objects charge fills in backtests, predict costs in sizing and check what a live venue
charged. A schedule is immutable; what an order has accumulated is a ``FeeState`` that the caller
keeps beside the order and hands back for the next fill.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from decimal import Decimal
from typing import NamedTuple

import msgspec

from core.contracts import Liquidity, Side, Venue
from core.money import ceil_div, from_units, to_units

RATE_SCALE = 1_000_000_000
"""Fee rates are held as integers of 1e-9."""


class UnknownFeesError(ValueError):
    """The venue names a fee rule that this version does not know: do not trade the market."""


class FeeState(NamedTuple):
    """What one order carried over from its earlier fills; meaning belongs to the schedule."""

    first: int = 0
    second: int = 0


NEW_ORDER = FeeState()


class FeeCharge(msgspec.Struct, frozen=True):
    """The fee of one fill in dollars; ``net`` is what the venue takes.

    Attributes
    ----------
    trade
        Fee of the formula after its own rounding.
    rounding
        What bringing the balance to the member's precision took in addition.
    rebate
        What came back from roundings of earlier fills of the order.
    net
        ``trade + rounding - rebate``.
    shares
        Contracts withheld instead of dollars (Polymarket shares mode, BUY only).
    """

    trade: Decimal
    rounding: Decimal
    rebate: Decimal
    net: Decimal
    shares: Decimal = Decimal("0.000000")


class FeeSchedule(ABC):
    """Fees of one market at one moment.

    Subclasses implement :meth:`charge_u`; all integers are units of 0.000001.
    """

    __slots__ = ()

    venue: Venue

    @abstractmethod
    def charge_u(
        self, state: FeeState, price_u: int, size_u: int, *, buy: bool, taker: bool
    ) -> tuple[int, int, int, FeeState]:
        """Charge one fill.

        Returns
        -------
        tuple
            Trade fee, rounding fee and rebate in units, and the order's next state.
        """

    def withheld_u(self, price_u: int, size_u: int, *, buy: bool, taker: bool) -> int:  # noqa: ARG002 - the default withholds nothing
        """Return contracts (units) withheld from a fill; 0 where fees are paid in dollars."""
        return 0

    @abstractmethod
    def rate_n(self, *, taker: bool) -> int:
        """Return the rate k of ``k·p·(1-p)`` in 1e-9, for marginal costs."""

    def model_num(self, price_u: int, size_u: int) -> int:
        """Return the unrounded taker fee of a fill over ``MODEL_DEN`` units, rounded down."""
        return model_num(self.rate_n(taker=True), price_u, size_u)

    @abstractmethod
    def floor_per_contract_u(self, price_u: int, size_min_u: int) -> int:
        """Return a bound in units that the taker fee per contract never falls below.

        Valid for every order of at least ``size_min_u``; the gate rests on it.
        """

    def slack_u(self) -> int:
        """Return how far, in units, an order's total can lie below the unrounded formula."""
        return 0

    @abstractmethod
    def upper_u(self, price_u: int, size_u: int, *, taker: bool = True, matches: int = 1) -> int:
        """Return a bound in units the fee never exceeds when one price fills in ``matches``."""

    def charge(
        self, state: FeeState, *, price: Decimal, size: Decimal, side: Side, liquidity: Liquidity
    ) -> tuple[FeeCharge, FeeState]:
        """Charge one fill in Decimal.

        Parameters
        ----------
        state
            The order's state: ``NEW_ORDER`` for the first fill, then what the last call returned.
        price
            Fill price, dollars per contract, 0 to 1. A settlement at 0 or 1 costs nothing.
        size
            Contracts, at most six places.
        side, liquidity
            As the venue reported the fill.

        Raises
        ------
        ValueError
            When price or size is out of range.
        TypeError
            When price or size is a float.
        """
        price_u = to_units(price, "price")
        size_u = to_units(size, "size")
        if not 0 <= price_u <= 1_000_000:
            raise ValueError(f"price: found {price}, allowed 0 to 1")
        if size_u <= 0:
            raise ValueError(f"size: found {size}, allowed more than 0")
        buy, taker = side is Side.BUY, liquidity is Liquidity.TAKER
        trade, rounding, rebate, after = self.charge_u(state, price_u, size_u, buy=buy, taker=taker)
        charge = FeeCharge(
            trade=from_units(trade),
            rounding=from_units(rounding),
            rebate=from_units(rebate),
            net=from_units(trade + rounding - rebate),
            shares=from_units(self.withheld_u(price_u, size_u, buy=buy, taker=taker)),
        )
        return charge, after

    def upper_bound(
        self, price: Decimal, size: Decimal, *, taker: bool = True, matches: int = 1
    ) -> Decimal:
        """Return the most a fill can cost in fees, in dollars, split into ``matches`` fills."""
        return from_units(
            self.upper_u(
                to_units(price, "price"), to_units(size, "size"), taker=taker, matches=matches
            )
        )

    def marginal_rate(self, *, taker: bool = True) -> Decimal:
        """Return k of ``k·p·(1-p)`` as a Decimal."""
        return Decimal(self.rate_n(taker=taker)).scaleb(-9)


def rate_to_n(rate: Decimal, field: str) -> int:
    """Convert a fee rate to 1e-9 exactly.

    Raises
    ------
    UnknownFeesError
        When the rate is negative, above one, or finer than 1e-9.
    """
    scaled = rate.scaleb(9)
    if not rate.is_finite() or rate < 0 or rate > 1 or scaled != int(scaled):
        raise UnknownFeesError(f"{field}: found {rate}, allowed 0 to 1 with at most 9 places")
    return int(scaled)


def model_num(rate_n: int, price_u: int, size_u: int) -> int:
    """Return ``rate·size·p·(1-p)`` as a numerator over ``MODEL_DEN`` units."""
    return rate_n * size_u * price_u * (1_000_000 - price_u)


MODEL_DEN = 10**21
"""``model_num / MODEL_DEN`` is the fee of the formula in units of $0.000001."""


def ceil_grid(numerator: int, denominator: int, grid_u: int) -> int:
    """Round a fraction of units up to a multiple of ``grid_u``."""
    return ceil_div(numerator, denominator * grid_u) * grid_u
