"""Orders the venue has no word for are denied one by one, with the reason."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import pytest
from nautilus_trader.common.component import TestClock
from nautilus_trader.common.factories import OrderFactory
from nautilus_trader.model.enums import OrderSide, TimeInForce
from nautilus_trader.model.identifiers import InstrumentId, StrategyId, TraderId
from nautilus_trader.model.objects import Price, Quantity

from adapters.polymarket.orders import Denied, OrderContext, build_order

INSTRUMENT = InstrumentId.from_str("123.POLYMARKET")
QUANTITY, PRICE = Quantity.from_str("10.00"), Price.from_str("0.4500")
MARKET = SimpleNamespace(fees=object(), placeholder=False, slug="m", min_size=Decimal(5))
CONTEXT = OrderContext(
    market=MARKET,
    asset_id="123",
    tick_size=Decimal("0.01"),
    now_ns=1_760_000_000_000_000_000,
    exact_shares=True,
    builder_code=None,
    protection_price=None,
)


@pytest.fixture
def factory() -> OrderFactory:
    return OrderFactory(TraderId("T-1"), StrategyId("S-1"), TestClock())


def test_stop_orders(factory: OrderFactory) -> None:
    orders = [
        factory.stop_market(INSTRUMENT, OrderSide.BUY, QUANTITY, PRICE),
        factory.stop_limit(INSTRUMENT, OrderSide.BUY, QUANTITY, PRICE, PRICE),
        factory.market_to_limit(INSTRUMENT, OrderSide.BUY, QUANTITY),
    ]
    for order in orders:
        with pytest.raises(Denied, match="the venue has LIMIT and MARKET"):
            build_order(order, CONTEXT)


def test_time_in_force(factory: OrderFactory) -> None:
    order = factory.limit(INSTRUMENT, OrderSide.BUY, QUANTITY, PRICE, TimeInForce.DAY)
    with pytest.raises(Denied, match="time in force DAY"):
        build_order(order, CONTEXT)


def test_icebergs(factory: OrderFactory) -> None:
    order = factory.limit(
        INSTRUMENT, OrderSide.BUY, QUANTITY, PRICE, display_qty=Quantity.from_str("1.00")
    )
    with pytest.raises(Denied, match="iceberg"):
        build_order(order, CONTEXT)


def test_a_buy_that_should_reduce(factory: OrderFactory) -> None:
    order = factory.limit(INSTRUMENT, OrderSide.BUY, QUANTITY, PRICE, reduce_only=True)
    with pytest.raises(Denied, match="a wallet cannot be short"):
        build_order(order, CONTEXT)
