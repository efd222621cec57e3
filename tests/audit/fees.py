"""Fee formulas written a second time, from the venues' documents, in exact fractions.

Nothing here is shared with the product: no import of its packages, another number type, another
structure. Sources: Kalshi "Fee rounding" (docs of 2026-06-01 and of 2026-09/10), fee schedule of
2026-07-07, the whole-cent rule before sub-penny prices; Polymarket trading/fees (2026-10);
Polymarket US fee note (2026).
"""

from __future__ import annotations

import math
from datetime import datetime
from fractions import Fraction as F

CENT = F(1, 100)
#: Taker and maker coefficient of each fee type.
KALSHI_TYPES = {
    "quadratic": (F(7, 100), F(0)),
    "quadratic_with_maker_fees": (F(7, 100), F(175, 10_000)),
    "quadratic_with_combo_maker_fees": (F(7, 100), F(35, 1_000)),
}
#: First UTC day of each rounding regime.
KALSHI_REGIMES = (("2026-07-07", "2026q3"), ("2026-05-28", "2026q2"), ("0001-01-01", "legacy"))


class AuditError(Exception):
    """The terms name something the auditor does not know."""


def up(value: F, step: F) -> F:
    """Round up to a multiple of ``step``."""
    return math.ceil(value / step) * step


def down(value: F, step: F) -> F:
    """Round down (toward minus infinity) to a multiple of ``step``."""
    return math.floor(value / step) * step


def nearest_even(value: F, step: F) -> F:
    """Round to the nearest multiple of ``step``, halves to the even one."""
    return round(value / step) * step


def _instant(text: str) -> int:
    """Nanoseconds of an ISO time, exactly."""
    at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    since = at - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1_000


class Kalshi:
    """What Kalshi charges the fills of one order, in turn."""

    def __init__(self, terms: dict) -> None:
        self.terms = terms
        self.member = F(str(terms.get("member_precision", "0.0001")))
        self.kept = F(0)  # rounding not yet given back
        self.model = F(0)  # legacy: the order's unrounded fee, and what was charged of it
        self.charged = F(0)

    def _rate(self, ts_ns: int, taker: bool) -> F:
        kind, times = self.terms["type"], F(str(self.terms.get("multiplier", "1")))
        for change in sorted(self.terms.get("changes") or [], key=lambda c: _instant(c["at"])):
            whole = change["type"] is not None and change["multiplier"] is not None
            if _instant(change["at"]) <= ts_ns and whole:
                kind, times = change["type"], F(str(change["multiplier"]))
        series = kind, times
        changes = self.terms.get("event_changes") or []
        for change in sorted(changes, key=lambda c: _instant(c["at"])):
            if _instant(change["at"]) <= ts_ns:
                whole = change["type"] is not None and change["multiplier"] is not None
                kind, times = (change["type"], F(str(change["multiplier"]))) if whole else series
        if kind not in KALSHI_TYPES:
            raise AuditError(f"fee type {kind!r}")
        until = self.terms.get("waiver_until")
        if until and ts_ns < _instant(until):
            return F(0)
        take, make = KALSHI_TYPES[kind]
        scaled = self.terms.get("maker_scaled", True)
        return take * times if taker else make * (times if scaled else 1)

    def _regime(self, ts_ns: int) -> str:
        if self.terms.get("regime"):
            return self.terms["regime"]
        return next(
            n for d, n in KALSHI_REGIMES if d < "1970" or _instant(f"{d}T00:00:00Z") <= ts_ns
        )

    def fee(self, ts_ns: int, price: F, size: F, buy: bool, taker: bool) -> F:
        model = self._rate(ts_ns, taker) * size * price * (1 - price)
        regime = self._regime(ts_ns)
        if regime == "legacy":
            self.model += model
            due = up(self.model, CENT)
            fee, self.charged = due - self.charged, due
            return fee
        trade = up(model, F(1, 10_000) if regime == "2026q2" else F(1, 1_000_000))
        # the account's precision applies to the change of the balance, not to the fee
        value = price * size
        value = up(value, F(1, 10**6)) if buy else down(value, F(1, 10**6))
        change = (-value if buy else value) - trade
        rounding = change - down(change, self.member)
        self.kept += rounding
        if regime == "2026q2":
            back = CENT if self.kept > CENT else F(0)
            if down(trade + rounding, self.member) < back:
                back = F(0)
        else:
            back = min(down(self.kept, self.member), down(trade + rounding, self.member))
        self.kept -= back
        return trade + rounding - back


class Polymarket:
    """What Polymarket (international) charges: takers, per fill, five decimals."""

    def __init__(self, terms: dict) -> None:
        self.terms = terms
        if terms.get("asset", "collateral") != "collateral":
            raise AuditError("fees in shares")

    def fee(self, ts_ns: int, price: F, size: F, buy: bool, taker: bool) -> F:
        del ts_ns, buy
        exponent = F(str(self.terms.get("exponent", "1")))
        if exponent.denominator != 1:
            raise AuditError(f"fee exponent {exponent}")
        fee = size * F(str(self.terms["rate"])) * (price * (1 - price)) ** int(exponent)
        if self.terms.get("form", "symmetric") == "price_weighted":
            fee *= price
        if not taker or fee == 0:
            return F(0)
        step = F(1, 100_000)
        if self.terms.get("rounding", "up") == "nearest":
            return max(step, nearest_even(fee, step))
        return up(fee, step)


class PolymarketUS:
    """What Polymarket US charges: whole cents on the order's running total."""

    def __init__(self, terms: dict) -> None:
        self.rate = F(str(terms.get("rate", "0.0695")))
        self.model = F(0)
        self.charged = F(0)

    def fee(self, ts_ns: int, price: F, size: F, buy: bool, taker: bool) -> F:
        del ts_ns, buy
        if taker:
            self.model += self.rate * size * price * (1 - price)
        due = nearest_even(self.model, CENT)
        fee, self.charged = due - self.charged, due
        return fee


def meter(terms: dict) -> Kalshi | Polymarket | PolymarketUS:
    """Return a fresh order's fee meter for a market's fee terms."""
    kinds = {"kalshi": Kalshi, "polymarket": Polymarket, "polymarket_us": PolymarketUS}
    kind = terms.get("kind")
    if kind not in kinds:
        raise AuditError(f"fee terms of kind {kind!r}")
    return kinds[kind](terms)
