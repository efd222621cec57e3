"""One execution of ours, the same whether the stream or a read tells it (pure)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from adapters.common.errors import ProtocolError
from adapters.common.ledger import Fill
from adapters.kalshi.numbers import decimal, units
from adapters.kalshi.schemas import rest, ws
from adapters.kalshi.times import stamp_ns, time_ns
from core.money import from_units


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution.

    Attributes
    ----------
    yes_price_u, size_u : int
        YES price and contracts in units of 0.000001.
    bid : bool
        Whether our order was the bid on the YES book.
    fee : Decimal
        Dollars the venue charged.
    ts_ns : int
        The venue's time.
    """

    trade_id: str
    order_id: str
    client_id: str
    ticker: str
    bid: bool
    yes_price_u: int
    size_u: int
    taker: bool
    fee: Decimal
    ts_ns: int

    def as_fill(self) -> Fill:
        """Return the ledger's view of it."""
        return Fill(self.trade_id, self.order_id, from_units(self.size_u), self.client_id, self)


def from_stream(msg: ws.FillMsg, now_ns: int) -> Execution:
    """Return a streamed fill; raises ``ProtocolError`` for numbers that make no sense."""
    return _checked(
        Execution(
            trade_id=msg.trade_id,
            order_id=msg.order_id,
            client_id=msg.client_order_id or "",
            ticker=msg.market_ticker,
            bid=msg.book_side == "bid",
            yes_price_u=units(msg.yes_price_dollars),
            size_u=units(msg.count_fp),
            taker=msg.is_taker,
            fee=decimal(msg.fee_cost),
            ts_ns=stamp_ns(msg.ts_ms, msg.ts, now_ns),
        )
    )


def from_rest(record: rest.Fill, now_ns: int) -> Execution:
    """Return a fill read over REST; it knows no client order id."""
    ticker = record.ticker or record.market_ticker
    if not ticker:
        raise ProtocolError(f"fill {record.trade_id}: no ticker")
    if record.created_time:
        # The stream states milliseconds; the same fill must carry the same time from both.
        ts_ns = time_ns(record.created_time) // 1_000_000 * 1_000_000
    else:
        ts_ns = stamp_ns(None, record.ts, now_ns)
    return _checked(
        Execution(
            trade_id=record.trade_id,
            order_id=record.order_id,
            client_id="",
            ticker=ticker,
            bid=record.book_side == "bid",
            yes_price_u=units(record.yes_price_dollars),
            size_u=units(record.count_fp),
            taker=record.is_taker,
            fee=decimal(record.fee_cost),
            ts_ns=ts_ns,
        )
    )


def _checked(execution: Execution) -> Execution:
    if execution.size_u <= 0 or not 0 <= execution.yes_price_u <= 1_000_000:
        raise ProtocolError(
            f"fill {execution.trade_id}: {execution.size_u} units at {execution.yes_price_u}"
        )
    return execution
