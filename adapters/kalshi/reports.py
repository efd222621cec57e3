"""Venue records to the reports that Nautilus reconciles with."""

from __future__ import annotations

from decimal import Decimal

import pandas as pd
from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.reports import FillReport, OrderStatusReport, PositionStatusReport
from nautilus_trader.model.enums import (
    LiquiditySide,
    OrderSide,
    OrderStatus,
    OrderType,
    PositionSide,
    TimeInForce,
)
from nautilus_trader.model.identifiers import (
    AccountId,
    ClientOrderId,
    TradeId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Money

from adapters.common.currencies import usd
from adapters.kalshi import parsing
from adapters.kalshi.fills import Execution
from adapters.kalshi.netting import Attribution, leg_price
from adapters.kalshi.numbers import units
from adapters.kalshi.schemas import rest
from adapters.kalshi.symbols import Leg
from adapters.kalshi.times import optional_ns
from core.money import from_units


def total_units(order: rest.Order) -> int:
    """Return an order's total contracts now, in units.

    While it rests that is what filled plus what remains, which follows amends; a cancelled order
    shows nothing remaining, so there the initial count stands.
    """
    if order.status == "resting":
        return units(order.fill_count_fp) + units(order.remaining_count_fp)
    return max(units(order.initial_count_fp), units(order.fill_count_fp))


def order_report(
    order: rest.Order,
    told: Attribution,
    fills: list[Execution],
    *,
    account_id: AccountId,
    ts_init: int,
) -> OrderStatusReport:
    """Return the report of an order as the venue shows it.

    Parameters
    ----------
    told : Attribution
        The instrument and side that the order means here.
    fills : list of Execution
        Its fills, for the average price.
    """
    filled_u = units(order.fill_count_fp)
    expire_ns = optional_ns(order.expiration_time)
    return OrderStatusReport(
        account_id=account_id,
        instrument_id=parsing.instrument_id(order.ticker, told.leg),
        venue_order_id=VenueOrderId(order.order_id),
        client_order_id=ClientOrderId(order.client_order_id) if order.client_order_id else None,
        order_side=OrderSide.BUY if told.buy else OrderSide.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTD if expire_ns else TimeInForce.GTC,
        order_status=_status(order, filled_u),
        price=parsing.price(leg_price(told.leg, units(order.yes_price_dollars))),
        quantity=parsing.quantity(total_units(order)),
        filled_qty=parsing.quantity(filled_u),
        avg_px=average_price(fills, told.leg),
        expire_time=_moment(expire_ns),
        report_id=UUID4(),
        ts_accepted=optional_ns(order.created_time),
        ts_last=optional_ns(order.last_update_time) or optional_ns(order.created_time),
        ts_init=ts_init,
    )


def fill_report(
    execution: Execution,
    told: Attribution,
    *,
    account_id: AccountId,
    ts_init: int,
    client_id: str | None = None,
) -> FillReport:
    """Return the report of one fill, with the fee that was charged."""
    known = client_id or execution.client_id
    return FillReport(
        account_id=account_id,
        instrument_id=parsing.instrument_id(execution.ticker, told.leg),
        venue_order_id=VenueOrderId(execution.order_id),
        trade_id=TradeId(execution.trade_id),
        order_side=OrderSide.BUY if told.buy else OrderSide.SELL,
        last_qty=parsing.quantity(execution.size_u),
        last_px=parsing.price(leg_price(told.leg, execution.yes_price_u)),
        commission=Money(execution.fee, usd()),
        liquidity_side=liquidity(execution),
        client_order_id=ClientOrderId(known) if known else None,
        report_id=UUID4(),
        ts_event=execution.ts_ns,
        ts_init=ts_init,
    )


def position_report(
    ticker: str,
    leg: Leg,
    size_u: int,
    *,
    account_id: AccountId,
    ts_ns: int,
    average: Decimal | None = None,
) -> PositionStatusReport:
    """Return the report of one leg, flat included."""
    return PositionStatusReport(
        avg_px_open=average,
        account_id=account_id,
        instrument_id=parsing.instrument_id(ticker, leg),
        position_side=PositionSide.LONG if size_u else PositionSide.FLAT,
        quantity=parsing.quantity(size_u),
        report_id=UUID4(),
        ts_last=ts_ns,
        ts_init=ts_ns,
    )


def liquidity(execution: Execution) -> LiquiditySide:
    """Return whether an execution took or made."""
    return LiquiditySide.TAKER if execution.taker else LiquiditySide.MAKER


def average_price(fills: list[Execution], leg: Leg) -> Decimal | None:
    """Return the average price of fills in the price of ``leg``, None without fills."""
    total_u = sum(fill.size_u for fill in fills)
    if not total_u:
        return None
    value = sum(fill.size_u * leg_price(leg, fill.yes_price_u) for fill in fills)
    return from_units(value) / Decimal(total_u)


def _status(order: rest.Order, filled_u: int) -> OrderStatus:
    if order.status == "executed":
        return OrderStatus.FILLED
    if order.status == "canceled":
        return OrderStatus.CANCELED
    return OrderStatus.PARTIALLY_FILLED if filled_u else OrderStatus.ACCEPTED


def _moment(ns: int) -> pd.Timestamp | None:
    return pd.Timestamp(ns, unit="ns", tz="UTC") if ns else None
