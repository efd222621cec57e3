"""Kalshi's fees: type, multiplier, regime by trade date, member precision, rounding, rebates.

Rules, numbered as cited below (Kalshi docs, "Fee rounding", read 2026-06-01 and 2026-10;
fee schedule of 2026-07-07; SDK enum ``fee_type``):

1. The formula is ``k · multiplier · C · P · (1 - P)``; k by fee type, taker or maker.
2. The trade fee of a fill is the formula rounded up: to $0.0001 (2026q2) or $0.000001 (2026q3).
3. The change of the balance, revenue minus trade fee, is floored to the member's precision:
   $0.0001 for direct members, $0.01 through a broker. What the floor took is the rounding fee.
4. Rounding fees add up per order, over taker and maker fills. 2026q2: when the sum exceeds one
   cent a cent comes back. 2026q3: whole multiples of the member's precision come back.
5. A fill's net fee is never negative; what cannot come back yet stays with the order.
6. ``legacy`` (before 2026-05-28): whole-cent ceiling of the order's total.
7. An event override wins over the series; a market's waiver makes fees zero until it expires;
   scheduled changes count from their time on. ``flat`` and unknown types: refuse to trade.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

import msgspec

from core.contracts import Venue
from core.fees.base import (
    MODEL_DEN,
    RATE_SCALE,
    FeeSchedule,
    FeeState,
    UnknownFeesError,
    ceil_grid,
    model_num,
    rate_to_n,
)
from core.money import SCALE, ceil_div, from_units

Regime = Literal["legacy", "2026q2", "2026q3"]

_COEFFICIENTS: dict[str, tuple[Decimal, Decimal]] = {
    "quadratic": (Decimal("0.07"), Decimal(0)),
    "quadratic_with_maker_fees": (Decimal("0.07"), Decimal("0.0175")),
    "quadratic_with_combo_maker_fees": (Decimal("0.07"), Decimal("0.035")),
}
FEE_TYPES = tuple(_COEFFICIENTS)


def _day_ns(year: int, month: int, day: int) -> int:
    return int(datetime(year, month, day, tzinfo=UTC).timestamp()) * 1_000_000_000


REGIMES: tuple[tuple[int, Regime], ...] = (
    (0, "legacy"),
    (_day_ns(2026, 5, 28), "2026q2"),
    (_day_ns(2026, 7, 7), "2026q3"),
)
"""From when (ns UTC) each regime counts: our reading of undated documents, overridable."""


def regime_at(ts_ns: int, override: Regime | None = None) -> Regime:
    """Return the rounding regime of a trade at a time, or the override."""
    if override is not None:
        return override
    found: Regime = "legacy"
    for start_ns, regime in REGIMES:
        if ts_ns >= start_ns:
            found = regime
    return found


class KalshiFeeChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fee type and multiplier valid from ``at`` on; null fields clear an event's override."""

    at: datetime
    type: str | None
    multiplier: Decimal | None


class KalshiFees(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="kalshi", tag_field="kind"
):
    """Fee terms of one Kalshi market as its series, event and market state them.

    Attributes
    ----------
    type, multiplier
        ``fee_type`` and ``fee_multiplier`` of the series.
    member_precision
        Dollars: 0.0001 for a direct member, 0.01 through a broker.
    regime
        Forces a rounding regime; null chooses by trade date.
    changes
        ``/series/fee_changes``, any order.
    event_changes
        ``/events/fee_changes`` and ``event_fee_update``: overrides that win over the series.
    waiver_until
        ``fee_waiver_expiration_time`` of the market.
    maker_scaled
        Whether the multiplier scales the maker coefficient too (not spelt out by the venue).
    """

    type: str
    multiplier: Decimal = Decimal(1)
    member_precision: Decimal = Decimal("0.0001")
    regime: Regime | None = None
    changes: tuple[KalshiFeeChange, ...] = ()
    event_changes: tuple[KalshiFeeChange, ...] = ()
    waiver_until: datetime | None = None
    maker_scaled: bool = True

    def next_change_ns(self, ts_ns: int) -> int | None:
        """Return when the schedule may next differ from the one at ``ts_ns``, or None."""
        times = [datetime_ns(change.at) for change in (*self.changes, *self.event_changes)]
        if self.waiver_until is not None:
            times.append(datetime_ns(self.waiver_until))
        if self.regime is None:
            times.extend(start_ns for start_ns, _ in REGIMES)
        return min((time for time in times if time > ts_ns), default=None)

    def at(self, ts_ns: int) -> KalshiSchedule:
        """Return the schedule that charges a fill at ``ts_ns``.

        Raises
        ------
        UnknownFeesError
            When the type is unknown (``flat`` included) or a number is out of range.
        """
        fee_type, multiplier = self.type, self.multiplier
        for change in sorted(self.changes, key=lambda c: c.at):
            if datetime_ns(change.at) <= ts_ns and change.type and change.multiplier is not None:
                fee_type, multiplier = change.type, change.multiplier
        series = (fee_type, multiplier)
        for change in sorted(self.event_changes, key=lambda c: c.at):
            if datetime_ns(change.at) <= ts_ns:
                both = change.type is not None and change.multiplier is not None
                fee_type, multiplier = (
                    (str(change.type), Decimal(change.multiplier or 0)) if both else series
                )
        if fee_type not in _COEFFICIENTS:
            raise UnknownFeesError(
                f"kalshi fee type: found {fee_type!r}, allowed {', '.join(FEE_TYPES)}"
            )
        taker, maker = _COEFFICIENTS[fee_type]
        if self.waiver_until is not None and ts_ns < datetime_ns(self.waiver_until):
            taker = maker = Decimal(0)
        return KalshiSchedule(
            rate_to_n(taker * multiplier, "kalshi fee multiplier"),
            rate_to_n(maker * (multiplier if self.maker_scaled else 1), "kalshi fee multiplier"),
            regime_at(ts_ns, self.regime),
            self.member_precision,
        )


def datetime_ns(value: datetime) -> int:
    """Convert an aware datetime to ns UTC without a float."""
    delta = value - datetime(1970, 1, 1, tzinfo=UTC)
    return ((delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds) * 1000


class KalshiSchedule(FeeSchedule):
    """Kalshi's fees of one market at one moment.

    Examples
    --------
    >>> from core.contracts import Liquidity, Side
    >>> from core.fees.base import NEW_ORDER
    >>> q3 = KalshiFees("quadratic", regime="2026q3").at(0)
    >>> fee, _ = q3.charge(NEW_ORDER, price=Decimal("0.055"), size=Decimal(1), side=Side.BUY,
    ...                    liquidity=Liquidity.TAKER)
    >>> fee.trade, fee.net
    (Decimal('0.003639'), Decimal('0.003700'))
    """

    __slots__ = ("_grid_u", "_maker_n", "_member_u", "_taker_n", "regime")

    venue = Venue.KALSHI

    def __init__(
        self, taker_n: int, maker_n: int, regime: Regime, member_precision: Decimal
    ) -> None:
        member = {Decimal("0.0001"): 100, Decimal("0.01"): 10_000}.get(member_precision)
        if member is None:
            raise UnknownFeesError(
                f"kalshi member_precision: found {member_precision}, allowed 0.0001 or 0.01"
            )
        if regime not in {name for _, name in REGIMES}:
            raise UnknownFeesError(
                f"kalshi fee regime: found {regime!r}, allowed {[name for _, name in REGIMES]}"
            )
        self._taker_n = taker_n
        self._maker_n = maker_n
        self.regime = regime
        self._member_u = member
        self._grid_u = 1 if regime == "2026q3" else 100

    def charge_u(
        self, state: FeeState, price_u: int, size_u: int, *, buy: bool, taker: bool
    ) -> tuple[int, int, int, FeeState]:
        """Charge one fill; the state is the accumulated rounding (legacy: formula, charged)."""
        num = model_num(self._taker_n if taker else self._maker_n, price_u, size_u)
        if self.regime == "legacy":
            total_num = state[0] + num
            due = ceil_grid(total_num, MODEL_DEN, 10_000)
            return due - state[1], 0, 0, FeeState(total_num, due)
        trade = ceil_grid(num, MODEL_DEN, self._grid_u)  # rule 2
        return self._settle(state[0], trade, price_u * size_u, buy=buy)

    def _settle(
        self, accumulated: int, trade: int, value_num: int, *, buy: bool
    ) -> tuple[int, int, int, FeeState]:
        """Apply rules 3 to 5; ``value_num`` is price times size in 1e-12 dollars."""
        member = self._member_u
        # The rounding is exact only when the fill's value is a whole number of units; a finer
        # value (six-decimal sizes) is rounded against us first.
        value = ceil_div(value_num, SCALE) if buy else value_num // SCALE
        change = -(value + trade) if buy else value - trade
        rounding = change % member  # floor toward minus infinity: what is left above the floor
        accumulated += rounding
        if self.regime == "2026q2":
            rebate = 10_000 if accumulated > 10_000 else 0  # rule 4
        else:
            rebate = accumulated // member * member
        room = (trade + rounding) // member * member  # rule 5
        if self.regime == "2026q2" and room < rebate:
            rebate = 0
        rebate = min(rebate, room)
        return trade, rounding, rebate, FeeState(accumulated - rebate)

    def rate_n(self, *, taker: bool) -> int:
        """Return k times multiplier in 1e-9."""
        return self._taker_n if taker else self._maker_n

    def floor_per_contract_u(self, price_u: int, size_min_u: int) -> int:  # noqa: ARG002 - never below the formula at any size
        """Return the formula per contract, rounded down: every regime only ever adds to it."""
        return model_num(self._taker_n, price_u, SCALE) // MODEL_DEN

    def upper_u(self, price_u: int, size_u: int, *, taker: bool = True, matches: int = 1) -> int:
        """Return formula plus one trade grid and one member precision per match."""
        num = model_num(self.rate_n(taker=taker), price_u, size_u)
        if self.regime == "legacy":
            return ceil_grid(num, MODEL_DEN, 10_000)
        return ceil_div(num, MODEL_DEN) + matches * (self._grid_u + self._member_u)

    def __repr__(self) -> str:
        return (
            f"KalshiSchedule(taker={Decimal(self._taker_n) / RATE_SCALE}, regime={self.regime!r}, "
            f"member={from_units(self._member_u)})"
        )
