"""Cash, holdings and worst state over time; positions at the end. Pure, exact."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_FLOOR, Decimal

import msgspec

from backtests.results.rows import (
    ZERO,
    EquityRow,
    FillRow,
    MarketRef,
    PositionRow,
    SettlementRow,
)
from backtests.results.worst import worst_value

_SIX = Decimal("0.000001")


class Lots:
    """Contracts of one instrument with what they cost, fees included; last in, first out.

    Last in, first out because an unwind sells what the failed box has just bought.
    """

    def __init__(self) -> None:
        self._lots: list[tuple[Decimal, Decimal]] = []
        self.cost = ZERO
        self.size = ZERO

    def buy(self, size: Decimal, cost: Decimal) -> None:
        """Add contracts bought for ``cost`` dollars."""
        self._lots.append((size, cost))
        self.size += size
        self.cost += cost

    def sell(self, size: Decimal) -> None:
        """Take contracts out, the last bought first."""
        left = size
        while left:
            lot_size, lot_cost = self._lots.pop()
            part = min(left, lot_size)
            cost = lot_cost
            if part < lot_size:
                cost = (lot_cost * part / lot_size).quantize(_SIX, rounding=ROUND_FLOOR)
                self._lots.append((lot_size - part, lot_cost - cost))
            left -= part
            self.cost -= cost
        self.size -= size


class Equity(msgspec.Struct, frozen=True, kw_only=True):
    """The account over time and at its end."""

    rows: list[EquityRow]
    cash: dict[str, Decimal]
    open_cost: dict[str, Decimal]
    open_worst: Decimal
    peak_used: Decimal


class _Book:
    """Running state of all venues."""

    def __init__(self, start: Mapping[str, Decimal], refs: Mapping[str, MarketRef]) -> None:
        self.cash = dict(start)
        self.lots: dict[str, Lots] = {}
        self._refs = refs
        self._held: dict[str, set[str]] = {}
        self._worst: dict[str, Decimal] = {}

    def apply(self, event: FillRow | SettlementRow) -> None:
        ref = self._refs[event.instrument]
        self.cash[ref.venue] += event.cash
        lots = self.lots.setdefault(event.instrument, Lots())
        if isinstance(event, FillRow) and event.is_buy:
            lots.buy(event.quantity, event.cost + event.fee)
        else:
            lots.sell(event.quantity)
        held = self._held.setdefault(ref.pair_id, set())
        held.add(event.instrument)
        self._worst[ref.pair_id] = worst_value(
            [(msgspec.structs.replace(self._refs[i], value=None), self.lots[i].size) for i in held]
        )

    def holdings_cost(self, venue: str) -> Decimal:
        lots = self.lots.items()
        return sum((lot.cost for i, lot in lots if self._refs[i].venue == venue), ZERO)

    @property
    def used(self) -> Decimal:
        return sum((lot.cost for lot in self.lots.values()), ZERO)

    @property
    def worst_total(self) -> Decimal:
        return sum(self.cash.values(), ZERO) + sum(self._worst.values(), ZERO)


def make_equity(
    start: Mapping[str, Decimal],
    currencies: Mapping[str, str],
    fills: Sequence[FillRow],
    settlements: Sequence[SettlementRow],
    refs: Mapping[str, MarketRef],
    span_ns: tuple[int, int],
) -> Equity:
    """Return cash and holdings after every event, per venue.

    While an instrument is held its settlement is not known: the worst state counts even where
    the recording knows better. After the last event only what never settled is left.
    """
    book = _Book(start, refs)
    rows = [_row(span_ns[0], venue, "start", book, currencies) for venue in start]
    peak = ZERO
    for name, event in _in_order(fills, settlements):
        book.apply(event)
        peak = max(peak, book.used)
        rows.append(_row(event.ts_ns, event.venue, name, book, currencies))
    end_ns = max(span_ns[1], rows[-1].ts_ns)
    rows += [_row(end_ns, venue, "end", book, currencies) for venue in start]
    return Equity(
        rows=rows,
        cash=dict(book.cash),
        open_cost={venue: book.holdings_cost(venue) for venue in start},
        open_worst=_open_worst(book, refs),
        peak_used=peak,
    )


def _open_worst(book: _Book, refs: Mapping[str, MarketRef]) -> Decimal:
    by_pair: dict[str, list[tuple[MarketRef, Decimal]]] = {}
    for instrument, lots in book.lots.items():
        if lots.size:
            by_pair.setdefault(refs[instrument].pair_id, []).append((refs[instrument], lots.size))
    return sum((worst_value(held) for held in by_pair.values()), ZERO)


def _in_order(
    fills: Sequence[FillRow], settlements: Sequence[SettlementRow]
) -> Iterator[tuple[str, FillRow | SettlementRow]]:
    events: list[tuple[str, FillRow | SettlementRow]] = [("fill", fill) for fill in fills]
    events += [("settlement", row) for row in settlements]
    yield from sorted(events, key=lambda event: event[1].ts_ns)


def _row(
    ts_ns: int, venue: str, event: str, book: _Book, currencies: Mapping[str, str]
) -> EquityRow:
    return EquityRow(
        ts_ns=ts_ns,
        venue=venue,
        event=event,
        cash=book.cash[venue],
        holdings_cost=book.holdings_cost(venue),
        worst_total=book.worst_total,
        currency=currencies[venue],
    )


def make_positions(
    fills: Sequence[FillRow], settlements: Sequence[SettlementRow], refs: Mapping[str, MarketRef]
) -> list[PositionRow]:
    """Return one row per instrument ever held, sorted by instrument."""
    traded: dict[str, list[FillRow]] = {}
    for fill in fills:
        traded.setdefault(fill.instrument, []).append(fill)
    paid = {row.instrument: row for row in settlements}
    return [_position(refs[i], traded[i], paid.get(i)) for i in sorted(traded)]


def _position(
    ref: MarketRef, fills: Sequence[FillRow], settlement: SettlementRow | None
) -> PositionRow:
    buys = [fill for fill in fills if fill.is_buy]
    sells = [fill for fill in fills if not fill.is_buy]
    bought = sum((fill.quantity for fill in buys), ZERO)
    sold = sum((fill.quantity for fill in sells), ZERO)
    settled = settlement.quantity if settlement else ZERO
    cash = sum((fill.cash for fill in fills), ZERO) + (settlement.cash if settlement else ZERO)
    is_open = bought - sold - settled != 0
    last_ns = settlement.ts_ns if settlement else fills[-1].ts_ns
    return PositionRow(
        venue=ref.venue,
        instrument=ref.instrument,
        outcome=ref.outcome,
        pair_id=ref.pair_id,
        bought=bought,
        sold=sold,
        settled=settled,
        open=bought - sold - settled,
        cost=sum((fill.cost for fill in buys), ZERO),
        proceeds=sum((fill.cost for fill in sells), ZERO),
        fees=sum((fill.fee for fill in fills), ZERO),
        settlement_price=settlement.price if settlement else None,
        settlement_cash=settlement.cash if settlement else ZERO,
        realised=None if is_open else cash,
        first_ns=fills[0].ts_ns,
        last_ns=last_ns,
        currency=ref.currency,
    )
