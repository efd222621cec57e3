"""Which fills make a box, what it locked in, and what became of it. Pure, exact.

Contracts bought under one box id, per leg, oldest first:

* the first ``n`` are the box (``n``: contracts both legs kept),
* the next are unhedged (one leg kept more than the other),
* the last were unwound (sold back because the other leg missed).

``locked`` is ``n`` dollars less the cost and entry fees of the boxed contracts. What happens later
is measured against that dollar: ``closed`` (from the first early-close fill on: all that was sold
or bought, against a dollar for every box that is gone), ``settlement`` (what the venues paid, or
the worst state while unknown). ``unhedged`` is the rest, so that the parts add up to ``pnl``
exactly: cash of every fill and settlement of the box plus the worst state of what is held.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal

import msgspec

from backtests.results.rows import ZERO, BoxRow, FillRow, MarketRef
from backtests.results.worst import worst_value
from core.decisions import Decision

_SIX = Decimal("0.000001")


class _Lot(msgspec.Struct):
    """Part of one BUY fill: contracts, their cost and their part of the fee."""

    size: Decimal
    cost: Decimal
    fee: Decimal


class _Leg:
    """The contracts of one instrument under one box id."""

    def __init__(self, fills: Sequence[FillRow]) -> None:
        self.buys = [fill for fill in fills if fill.is_buy]
        self.bought = _total(self.buys)
        self.unwound = _total([fill for fill in fills if not fill.is_buy])

    @property
    def kept(self) -> Decimal:
        """Contracts that were not sold back because the other leg missed."""
        return self.bought - self.unwound

    def part(self, start: Decimal, size: Decimal) -> _Lot:
        """Return cost and fee of ``size`` contracts bought after the first ``start``."""
        lot = _Lot(ZERO, ZERO, ZERO)
        seen = ZERO
        for fill in self.buys:
            low = max(start, seen)
            high = min(start + size, seen + fill.quantity)
            if high > low:
                lot.size += high - low
                lot.cost += fill.price * (high - low)
                lot.fee += _share(fill, low - seen, high - seen)
            seen += fill.quantity
        return lot


def _total(fills: Sequence[FillRow]) -> Decimal:
    return sum((fill.quantity for fill in fills), ZERO)


def _share(fill: FillRow, low: Decimal, high: Decimal) -> Decimal:
    """Return the part of a fill's fee for its contracts from ``low`` to ``high``.

    Parts of one fill add up to its fee exactly: each is the difference of two floored sums.
    """

    def upto(size: Decimal) -> Decimal:
        return (fill.fee * size / fill.quantity).quantize(_SIX, rounding=ROUND_FLOOR)

    return upto(high) - upto(low)


def box_key(fill: FillRow) -> str:
    """Return the box a fill belongs to; an untagged order is a box of its own."""
    return fill.story.box_id or f"order {fill.order_id}"


def make_boxes(
    fills: Sequence[FillRow],
    decisions: Mapping[str, Decision],
    refs: Mapping[str, MarketRef],
    settled_ns: Mapping[str, int],
) -> list[BoxRow]:
    """Return one row per box id, in the order of their first events.

    Parameters
    ----------
    fills : Sequence[FillRow]
        All trades.
    decisions : Mapping[str, Decision]
        Taken decisions by id; one that opened a box without any fill becomes a missed box.
    refs : Mapping[str, MarketRef]
        Instruments.
    settled_ns : Mapping[str, int]
        When an instrument was settled, for those that were (ns UTC).
    """
    by_box: dict[str, list[FillRow]] = {}
    opened = {d.box_id: d for d in decisions.values() if d.kind == "open" and d.box_id}
    for box_id in opened:
        by_box[box_id] = []
    for fill in fills:
        by_box.setdefault(box_key(fill), []).append(fill)
    return [
        _box(box_id, rows, opened.get(box_id), refs, settled_ns) for box_id, rows in by_box.items()
    ]


def _box(
    box_id: str,
    fills: Sequence[FillRow],
    decision: Decision | None,
    refs: Mapping[str, MarketRef],
    settled_ns: Mapping[str, int],
) -> BoxRow:
    names = _instruments(fills, decision)
    entry_fills, exit_fills = _split(fills)
    legs = [_Leg([fill for fill in entry_fills if fill.instrument == name]) for name in names]
    n = min(leg.kept for leg in legs) if len(legs) == 2 else ZERO
    entry = [leg.part(ZERO, n) for leg in legs]
    cost, fees = sum((e.cost for e in entry), ZERO), sum((e.fee for e in entry), ZERO)
    locked = n - cost - fees
    unwind_pnl = _unwind(entry_fills, legs)
    left = {name: _held(fills, name) for name in names}
    boxes_left = min(left.values()) if len(legs) == 2 else ZERO
    closed = n - boxes_left if exit_fills else ZERO
    closed_pnl = sum((fill.cash for fill in exit_fills), ZERO) - closed
    # what is left of the boxes that were opened: an exit may have broken some
    settlement_pnl = _value(dict.fromkeys(names, boxes_left), refs) - boxes_left
    pnl = sum((fill.cash for fill in fills), ZERO) + _value(left, refs)
    parts = locked + unwind_pnl + closed_pnl + settlement_pnl
    slippage, detected = _promised(decision, n, cost)
    first = fills[0] if fills else None
    return BoxRow(
        ts_ns=decision.ts_ns if decision else (first.ts_ns if first else 0),
        session=first.session if first else "",
        pair_id=decision.pair_id if decision else (first.story.pair_id if first else ""),
        box_id=box_id,
        decision_id=decision.decision_id if decision else "",
        direction=decision.direction if decision else None,
        contracts=n,
        cost=cost,
        fees=fees,
        locked=locked,
        slippage=slippage,
        detected=detected,
        not_filled=(n - cost) + slippage - detected,
        unwound=sum((leg.unwound for leg in legs), ZERO),
        unwind_pnl=unwind_pnl,
        closed=closed,
        closed_pnl=closed_pnl,
        unhedged=sum((leg.kept - n for leg in legs), ZERO),
        unhedged_pnl=pnl - parts,
        settlement_pnl=settlement_pnl,
        pnl=pnl,
        spent=sum((fill.cost + fill.fee for fill in fills if fill.is_buy), ZERO),
        held=sum(left.values(), ZERO),
        **_end(fills, n, left, refs, settled_ns),
    )


def _split(fills: Sequence[FillRow]) -> tuple[Sequence[FillRow], Sequence[FillRow]]:
    """Divide a box's fills into its making and, from the first early close on, its ending."""
    for place, fill in enumerate(fills):
        if fill.story.role == "close":
            return fills[:place], fills[place:]
    return fills, ()


def _held(fills: Sequence[FillRow], name: str) -> Decimal:
    signed = (f.quantity if f.is_buy else -f.quantity for f in fills if f.instrument == name)
    return sum(signed, ZERO)


def _instruments(fills: Sequence[FillRow], decision: Decision | None) -> list[str]:
    """Return the instruments of a box: the decision's two, else those that were traded."""
    traded = list(dict.fromkeys(fill.instrument for fill in fills))
    if decision is None:
        return traded
    planned = [leg.instrument for leg in decision.legs]
    assert set(traded) <= set(planned), f"{decision.decision_id} traded {traded}, not {planned}"
    return planned


def _unwind(fills: Sequence[FillRow], legs: Sequence[_Leg]) -> Decimal:
    proceeds = sum((fill.cash for fill in fills if not fill.is_buy), ZERO)
    for leg in legs:
        lot = leg.part(leg.bought - leg.unwound, leg.unwound)
        proceeds -= lot.cost + lot.fee
    return proceeds


def _value(holdings: Mapping[str, Decimal], refs: Mapping[str, MarketRef]) -> Decimal:
    return worst_value([(refs[name], size) for name, size in holdings.items()])


def _promised(decision: Decision | None, n: Decimal, cost: Decimal) -> tuple[Decimal, Decimal]:
    """Return slippage of the boxed contracts and the gross edge that the decision promised."""
    if decision is None or not decision.size:
        return ZERO, n - cost
    promised = sum((leg.cost for leg in decision.legs), ZERO)
    planned = (promised * n / decision.size).quantize(_SIX, rounding=ROUND_FLOOR)
    return cost - planned, decision.size - promised


def _end(
    fills: Sequence[FillRow],
    n: Decimal,
    left: Mapping[str, Decimal],
    refs: Mapping[str, MarketRef],
    settled_ns: Mapping[str, int],
) -> dict[str, object]:
    """Say how a box ended and when."""
    held = [name for name, size in left.items() if size]
    if any(refs[name].value is None or name not in settled_ns for name in held):
        return {"status": "open", "end_ns": None}
    if held:
        return {"status": "settled", "end_ns": max(settled_ns[name] for name in held)}
    if not fills:
        return {"status": "missed", "end_ns": None}
    return {"status": "closed" if n else "unwound", "end_ns": fills[-1].ts_ns}
