"""Polymarket US fees: 0.0695·C·p·(1-p), cents, banker's rounding, cumulative per order.

Source: METHODS 3.1, POLYMARKET 13. The maker rebate from 2026-09-17 is a bonus and counts as zero.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from core.contracts import Venue
from core.fees.base import MODEL_DEN, FeeSchedule, FeeState, model_num, rate_to_n
from core.money import SCALE, ceil_div, half_even_div

_CENT_U = 10_000


class PolymarketUSFees(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="polymarket_us", tag_field="kind"
):
    """Fee terms of one Polymarket US market: the taker rate."""

    rate: Decimal = Decimal("0.0695")

    def next_change_ns(self, ts_ns: int) -> int | None:  # noqa: ARG002 - one rate for all dates we know
        """Return None: the schedule does not change."""
        return None

    def at(self, ts_ns: int) -> PolymarketUSSchedule:  # noqa: ARG002 - one rate for all dates we know
        """Return the schedule; it does not depend on time."""
        return PolymarketUSSchedule(rate_to_n(self.rate, "polymarket_us fee rate"))


class PolymarketUSSchedule(FeeSchedule):
    """Polymarket US fees of one market.

    Examples
    --------
    >>> from core.contracts import Liquidity, Side
    >>> from core.fees.base import NEW_ORDER
    >>> schedule, state, paid = PolymarketUSFees().at(0), NEW_ORDER, []
    >>> for _ in range(3):
    ...     fee, state = schedule.charge(state, price=Decimal("0.5"), size=Decimal(10),
    ...                                  side=Side.BUY, liquidity=Liquidity.TAKER)
    ...     paid.append(str(fee.net))
    >>> paid
    ['0.170000', '0.180000', '0.170000']
    """

    __slots__ = ("_rate_n",)

    venue = Venue.POLYMARKET_US

    def __init__(self, rate_n: int) -> None:
        self._rate_n = rate_n

    def charge_u(
        self,
        state: FeeState,
        price_u: int,
        size_u: int,
        *,
        buy: bool,  # noqa: ARG002 - both sides pay alike
        taker: bool,
    ) -> tuple[int, int, int, FeeState]:
        """Charge one fill; ``state`` is (formula so far, cents charged so far)."""
        total_num = state[0] + (model_num(self._rate_n, price_u, size_u) if taker else 0)
        due = half_even_div(total_num, MODEL_DEN * _CENT_U) * _CENT_U
        return due - state[1], 0, 0, FeeState(total_num, due)

    def rate_n(self, *, taker: bool) -> int:
        """Return the rate in 1e-9."""
        return self._rate_n if taker else 0

    def floor_per_contract_u(self, price_u: int, size_min_u: int) -> int:
        """Return the formula per contract less half a cent spread over the smallest order."""
        model = model_num(self._rate_n, price_u, SCALE) // MODEL_DEN
        return max(0, model - ceil_div(self.slack_u() * SCALE, max(size_min_u, 1)))

    def slack_u(self) -> int:
        """Return half a cent: banker's rounding can favour us by that per order."""
        return _CENT_U // 2

    def upper_u(self, price_u: int, size_u: int, *, taker: bool = True, matches: int = 1) -> int:  # noqa: ARG002 - cumulative per order
        """Return the formula plus half a cent."""
        if not taker:
            return 0
        return ceil_div(model_num(self._rate_n, price_u, size_u), MODEL_DEN) + self.slack_u()
