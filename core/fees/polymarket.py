"""Polymarket's fees (international CLOB): the market's own schedule, takers only.

``fee = C · rate · (p · (1-p))^exponent`` per fill, five decimals, at least $0.00001 where the
schedule is not zero. Paid in pUSD on top of a BUY and out of a SELL (since 2026-04-28); before,
and in some help texts, withheld from the shares bought. The venue does not document the
direction of the rounding: we round up. Makers pay nothing; rebates are never part of an edge.

Source: docs.polymarket.com trading/fees and changelog to 2026-10, SDK ``fees.py``; POLYMARKET 10,
METHODS 3.1.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Literal

import msgspec

from core.contracts import Venue
from core.fees.base import MODEL_DEN, FeeSchedule, FeeState, UnknownFeesError, ceil_grid, rate_to_n
from core.money import SCALE, ceil_div, half_even_div

Form = Literal["symmetric", "price_weighted"]
FeeAsset = Literal["collateral", "shares"]

_GRID_U = 10
"""Five decimals."""


class PolymarketFees(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="polymarket", tag_field="kind"
):
    """Fee terms of one Polymarket market: its ``feeSchedule``.

    Attributes
    ----------
    rate, exponent
        ``feeSchedule.rate`` and ``feeSchedule.exponent``; rate 0 where ``feesEnabled`` is false.
    asset
        ``collateral``: pUSD on both sides. ``shares``: a BUY receives fewer shares.
    form
        ``price_weighted`` is the form before 2026-03-30: ``C · p · rate · (p(1-p))^exponent``.
    rounding
        ``up``, or ``nearest`` (half to even) where real fills show it.
    """

    rate: Decimal
    exponent: Decimal = Decimal(1)
    asset: FeeAsset = "collateral"
    form: Form = "symmetric"
    rounding: Literal["up", "nearest"] = "up"

    def next_change_ns(self, ts_ns: int) -> int | None:  # noqa: ARG002 - a market keeps its terms
        """Return None: the schedule does not change."""
        return None

    def at(self, ts_ns: int) -> PolymarketSchedule:  # noqa: ARG002 - a market keeps the terms it was deployed with
        """Return the schedule; it does not depend on time.

        Raises
        ------
        UnknownFeesError
            When the exponent is not a whole number from 1 to 4 or the rate is out of range.
        """
        return PolymarketSchedule(self)


class PolymarketSchedule(FeeSchedule):
    """Polymarket's fees of one market.

    Examples
    --------
    >>> from core.contracts import Liquidity, Side
    >>> from core.fees.base import NEW_ORDER
    >>> sports = PolymarketFees(Decimal("0.05")).at(0)
    >>> fee, _ = sports.charge(NEW_ORDER, price=Decimal("0.55"), size=Decimal(100), side=Side.BUY,
    ...                        liquidity=Liquidity.TAKER)
    >>> fee.net
    Decimal('1.237500')
    """

    __slots__ = ("_den", "_exponent", "_nearest", "_rate_n", "_weighted", "asset")

    venue = Venue.POLYMARKET

    def __init__(self, terms: PolymarketFees) -> None:
        exponent = int(terms.exponent)
        if exponent != terms.exponent or not 1 <= exponent <= 4:
            raise UnknownFeesError(
                f"polymarket fee exponent: found {terms.exponent}, allowed 1, 2, 3 or 4"
            )
        if terms.form not in {"symmetric", "price_weighted"}:
            raise UnknownFeesError(
                f"polymarket fee form: found {terms.form!r}, allowed symmetric or price_weighted"
            )
        self._rate_n = rate_to_n(terms.rate, "polymarket fee rate")
        self._exponent = exponent
        self._weighted = terms.form == "price_weighted"
        self._nearest = terms.rounding == "nearest"
        self._den = int("1" + "0" * (9 + 12 * exponent + (6 if self._weighted else 0)))
        self.asset = terms.asset

    def _num(self, price_u: int, size_u: int) -> int:
        num = self._rate_n * size_u
        for _ in range(self._exponent):
            num *= price_u * (SCALE - price_u)
        return num * price_u if self._weighted else num

    def _fee_u(self, price_u: int, size_u: int) -> int:
        num = self._num(price_u, size_u)
        if num == 0:
            return 0
        if self._nearest:
            return max(_GRID_U, half_even_div(num, self._den * _GRID_U) * _GRID_U)
        return ceil_grid(num, self._den, _GRID_U)

    def charge_u(
        self,
        state: FeeState,
        price_u: int,
        size_u: int,
        *,
        buy: bool,
        taker: bool,
    ) -> tuple[int, int, int, FeeState]:
        """Charge one fill; nothing is carried from fill to fill."""
        if not taker or (buy and self.asset == "shares"):
            return 0, 0, 0, state
        return self._fee_u(price_u, size_u), 0, 0, state

    def withheld_u(self, price_u: int, size_u: int, *, buy: bool, taker: bool) -> int:
        """Return the shares a BUY does not receive: the fee divided by the price, rounded up."""
        if not (taker and buy and self.asset == "shares") or price_u == 0:
            return 0
        return ceil_div(self._num(price_u, size_u) * SCALE, self._den * price_u)

    def model_num(self, price_u: int, size_u: int) -> int:
        """Return the unrounded taker fee of a fill over ``MODEL_DEN`` units, rounded down."""
        return self._num(price_u, size_u) * MODEL_DEN // self._den

    def rate_n(self, *, taker: bool) -> int:
        """Return the rate in 1e-9 (exact marginal only for exponent 1, symmetric form)."""
        return self._rate_n if taker else 0

    def floor_per_contract_u(self, price_u: int, size_min_u: int) -> int:  # noqa: ARG002 - rounding up never falls below the formula
        """Return the formula per contract rounded down (one grid less under ``nearest``)."""
        return max(0, self._num(price_u, SCALE) // self._den - (_GRID_U if self._nearest else 0))

    def slack_u(self) -> int:
        """Return half a grid per fill under ``nearest``; a ladder walk has at most 200 fills."""
        return 100 * _GRID_U if self._nearest else 0

    def upper_u(self, price_u: int, size_u: int, *, taker: bool = True, matches: int = 1) -> int:
        """Return the formula plus one grid per match."""
        if not taker:
            return 0
        return ceil_div(self._num(price_u, size_u), self._den) + matches * _GRID_U


class HistoricalTerms(msgspec.Struct, frozen=True):
    """Fee terms of a category for markets deployed from a day on."""

    since: date
    rate: Decimal
    exponent: Decimal
    form: Form


def _terms(
    since: date, rate: str, exponent: str = "1", form: Form = "symmetric"
) -> HistoricalTerms:
    return HistoricalTerms(since, Decimal(rate), Decimal(exponent), form)


_NEW_FORM = date(2026, 3, 30)
_FLAT_04 = (_terms(_NEW_FORM, "0.04"),)
_FLAT_05 = (_terms(_NEW_FORM, "0.05"),)

HISTORY: dict[str, tuple[HistoricalTerms, ...]] = {
    "crypto": (
        _terms(date(2026, 1, 5), "0.25", "2", "price_weighted"),
        _terms(_NEW_FORM, "0.072"),
        _terms(date(2026, 8, 1), "0.07"),  # first seen in the August documentation
    ),
    "sports": (
        _terms(date(2026, 2, 18), "0.0175", "1", "price_weighted"),
        _terms(_NEW_FORM, "0.03"),
        _terms(date(2026, 7, 10), "0.05"),
    ),
    "finance": _FLAT_04,
    "politics": _FLAT_04,
    "tech": _FLAT_04,
    "mentions": _FLAT_04,
    "economics": _FLAT_05,
    "culture": _FLAT_05,
    "weather": _FLAT_05,
    "other": _FLAT_05,
    "geopolitics": (),
}
"""By category: zero before the first day; a market keeps the terms of the day it was deployed.

The start of the 0.04 and 0.05 categories and the step to crypto 0.07 are our reading: the
documents give the rates, not every day.
"""


def historical_fees(category: str, deployed: date) -> PolymarketFees:
    """Return the fee terms of a market by category and deployment day, for backtests.

    Raises
    ------
    UnknownFeesError
        For a category outside the table.

    Examples
    --------
    >>> historical_fees("sports", date(2026, 5, 1)).rate
    Decimal('0.03')
    """
    if category not in HISTORY:
        raise UnknownFeesError(
            f"polymarket fee category: found {category!r}, allowed {', '.join(sorted(HISTORY))}"
        )
    found = None
    for terms in HISTORY[category]:
        if deployed >= terms.since:
            found = terms
    if found is None:
        return PolymarketFees(Decimal(0))
    return PolymarketFees(found.rate, found.exponent, form=found.form)


def gross_for(net: Decimal, price: Decimal, rate: Decimal, step: Decimal) -> Decimal:
    """Return the shares to buy so that ``net`` remain after a fee taken in shares.

    Parameters
    ----------
    net, step
        Shares wanted, and the size step of the market.
    price, rate
        Dollars per share and fee rate (exponent 1).

    Examples
    --------
    >>> gross_for(Decimal(98), Decimal("0.40"), Decimal("0.05"), Decimal(1))
    Decimal('102')
    """
    keep = 1 - rate * (1 - price)
    gross = (net / keep / step).to_integral_value(rounding="ROUND_FLOOR") * step
    while gross * keep < net:
        gross += step
    return gross
