"""Trading fees, per fill and exact, with the rounding of each published regime.

References
----------
docs.kalshi.com /getting_started/fee_rounding as of 2026-06-01 (``2026q2``) and as of the
schedule of 2026-07-07 (``2026q3``); the older whole-cent rule is ``legacy``. The dates between
them are undated in the documents, so the regime is a switch.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from simulators.kalshi.units import CENT, CENTICENT, DOLLAR_PX, NS_PER_S

REGIMES = ("legacy", "2026q2", "2026q3")
_Q2_FROM_NS = 1_779_926_400 * NS_PER_S  # 2026-05-28
_Q3_FROM_NS = 1_783_382_400 * NS_PER_S  # 2026-07-07

_RATES: dict[str, tuple[Fraction, Fraction]] = {
    "quadratic": (Fraction(7, 100), Fraction(0)),
    "quadratic_with_maker_fees": (Fraction(7, 100), Fraction(175, 10_000)),
    "quadratic_with_combo_maker_fees": (Fraction(7, 100), Fraction(35, 1000)),
    # The table of flat fees stands in a PDF only; here flat means a venue without trading fee.
    "flat": (Fraction(0), Fraction(0)),
}
FEE_TYPES = tuple(_RATES)


@dataclass(frozen=True, slots=True)
class FeeTerms:
    """``fee_type`` and ``fee_multiplier`` in force for a market."""

    fee_type: str
    multiplier: Fraction

    def rate(self, is_taker: bool) -> Fraction:
        """Return k · m, the factor of C · P · (1 − P)."""
        taker, maker = _RATES[self.fee_type]
        return (taker if is_taker else maker) * self.multiplier


@dataclass(slots=True)
class FeeAccumulator:
    """What one order carries from fill to fill: rounding not yet rebated, and the legacy sum."""

    rounding: int = 0
    raw: Fraction = Fraction(0)
    charged: int = 0


@dataclass(frozen=True, slots=True)
class FeeResult:
    """The fee of one fill in $0.000001: net = trade + rounding − rebate."""

    trade: int
    rounding: int
    rebate: int

    @property
    def net(self) -> int:
        """Return what the fill costs beyond its price."""
        return self.trade + self.rounding - self.rebate


def regime_at(now_ns: int) -> str:
    """Return the regime by trade date."""
    if now_ns < _Q2_FROM_NS:
        return "legacy"
    return "2026q2" if now_ns < _Q3_FROM_NS else "2026q3"


def raw_fee(rate: Fraction, qty: int, px: int) -> Fraction:
    """Return k · m · C · P · (1 − P) in $0.000001, unrounded.

    Examples
    --------
    >>> raw_fee(Fraction(7, 100), 100, 5200)
    Fraction(17472, 1)

    """
    return rate * qty * px * (DOLLAR_PX - px) / DOLLAR_PX


def charge(
    regime: str,
    rate: Fraction,
    qty: int,
    px: int,
    revenue: int,
    precision: int,
    order: FeeAccumulator,
) -> FeeResult:
    """Return the fee of one fill and move the order's accumulator.

    Parameters
    ----------
    regime
        One of `REGIMES`.
    rate
        `FeeTerms.rate`.
    qty, px
        Size in 0.01 contract and YES price in $0.0001.
    revenue
        Cash of the fill before fees in $0.000001; negative for a purchase.
    precision
        The account's balance step in $0.000001: 100 for direct members, 10,000 otherwise.
    order
        The accumulator of the order that is filled.

    """
    raw = raw_fee(rate, qty, px)
    if regime == "legacy":
        return _charge_legacy(raw, order)
    step = CENTICENT if regime == "2026q2" else 1
    trade = _ceil(raw, step)
    change = revenue - trade
    rounding = change % precision  # what flooring toward minus infinity takes
    order.rounding += rounding
    rebate = 0
    if regime == "2026q2":
        if order.rounding > CENT:
            rebate = CENT
    else:
        rebate = order.rounding // precision * precision
    # The charge is never negative, and the balance stays on the account's step.
    rebate = min(rebate, (trade + rounding) // precision * precision)
    order.rounding -= rebate
    return FeeResult(trade, rounding, rebate)


def _charge_legacy(raw: Fraction, order: FeeAccumulator) -> FeeResult:
    order.raw += raw
    total = _ceil(order.raw, CENT)
    trade = total - order.charged
    order.charged = total
    return FeeResult(trade, 0, 0)


def _ceil(value: Fraction, step: int) -> int:
    return -(-value.numerator // (value.denominator * step)) * step
