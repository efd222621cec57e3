"""What only Kalshi's execution client does: denials, duplicate ids, shards, strangers' orders."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
import pytest_asyncio
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity

from tests.conformance.script import Answer
from tests.kalshi.support.scripted import TICKER, KalshiScript, VenueOrder


@pytest_asyncio.fixture
async def script():
    made = KalshiScript()
    await made.open()
    yield made
    await made.close()


def bodies(script: KalshiScript) -> list[dict]:
    return [json.loads(r.body) for r in script.venue.requests if r.method == "POST"]


async def denied(script: KalshiScript, order) -> str:
    before = len([r for r in script.venue.requests if r.method != "GET"])
    await script.submit(order)
    await script.until(lambda: order.is_closed)
    assert script.story(order) == ["Denied"]
    assert len([r for r in script.venue.requests if r.method != "GET"]) == before, "nothing sent"
    return order.last_event.reason


@pytest.mark.asyncio
async def test_bad_orders_are_denied_before_anything_is_sent(script: KalshiScript) -> None:
    assert "off the grid" in await denied(script, script.new_order(price="0.4050"))
    assert "between 0 and 1" in await denied(script, script.new_order(price="1"))
    sell = script.new_order(side=OrderSide.SELL)
    assert "allowed: 0 (held" in await denied(script, sell)
    unknown = script.factory.limit(
        InstrumentId.from_str("NOPE-YES.KALSHI"),
        OrderSide.BUY,
        Quantity.from_str("1.00"),
        Price.from_str("0.4000"),
    )
    script.cache.add_order(unknown, None)
    assert "not loaded" in await denied(script, unknown)
    market = script.factory.market(script.instrument_id(), OrderSide.BUY, Quantity.from_str("1.00"))
    script.cache.add_order(market, None)
    assert "order type: found MARKET" in await denied(script, market)
    small = script.factory.limit(
        script.instrument_id(), OrderSide.BUY, Quantity.from_str("0.001"), Price.from_str("0.4000")
    )
    script.cache.add_order(small, None)
    assert "at least 0.01" in await denied(script, small)


@pytest.mark.asyncio
async def test_unknown_fees_refuse_to_trade(script: KalshiScript) -> None:
    from dataclasses import replace

    import msgspec

    provider = script.client.desk.provider
    market = provider.markets[TICKER]
    provider.markets[TICKER] = replace(
        market, fees=msgspec.structs.replace(market.fees, type="brand_new")
    )
    assert "brand_new" in await denied(script, script.new_order())


@pytest.mark.asyncio
async def test_a_killed_fok_is_cancelled_not_rejected(script: KalshiScript) -> None:
    async def kill(method: str, path: str, body: dict):
        return script.venue._reply(
            409, {"error": {"code": "fill_or_kill_insufficient_resting_volume", "message": "m"}}
        )

    script.venue._command = kill
    order = script.new_order(tif="FOK")
    await script.submit(order)
    await script.until(lambda: order.is_closed)
    assert script.story(order) == ["Submitted", "Canceled"]


@pytest.mark.asyncio
async def test_buying_no_is_an_ask_and_exits_sell_what_is_held(script: KalshiScript) -> None:
    order = script.new_order(leg="NO", price="0.30", size="5")
    await script.submit(order)
    assert bodies(script)[-1] | {"client_order_id": 0} == {
        "ticker": TICKER,
        "client_order_id": 0,
        "side": "ask",
        "count": "5.00",
        "price": "0.7000",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "cancel_order_on_pause": False,
        "exchange_index": 2,
    }
    script.announce_fill(order, script.fill(order, "5"))
    await script.until(lambda: order.is_closed)
    assert str(order.avg_px) == "0.3"
    assert "sell it instead" in await denied(script, script.new_order(leg="YES"))
    one = script.new_order(leg="NO", side=OrderSide.SELL, size="3", price="0.35", reduce_only=True)
    await script.submit(one)
    assert bodies(script)[-1]["side"] == "bid"
    assert "reduce_only" not in bodies(script)[-1], "only with IOC"
    two = script.new_order(leg="NO", side=OrderSide.SELL, size="3", price="0.35")
    assert "allowed: 2" in await denied(script, two), "three of five are offered already"


@pytest.mark.asyncio
async def test_two_sells_in_one_turn_cannot_sell_the_same_contracts(script: KalshiScript) -> None:
    buy = script.new_order(size="5")
    await script.submit(buy)
    script.announce_fill(buy, script.fill(buy, "5"))
    await script.until(lambda: buy.is_closed)
    sells = [script.new_order(side=OrderSide.SELL, size="4", price="0.50") for _ in range(2)]
    tasks = [script.submit_soon(order) for order in sells]
    for task in tasks:
        await task
    await script.quiet()
    assert sorted(script.story(o)[0] for o in sells) == ["Denied", "Submitted"]


@pytest.mark.asyncio
async def test_a_duplicate_id_finds_the_order_that_landed(script: KalshiScript) -> None:
    order = script.new_order()
    script.venue._create(
        {
            "client_order_id": order.client_order_id.value,
            "ticker": TICKER,
            "side": "bid",
            "price": "0.4000",
            "count": "10.00",
        }
    )
    await script.submit(order)
    await script.until(lambda: order.is_open)
    assert script.story(order) == ["Submitted", "Accepted"]


@pytest.mark.asyncio
async def test_nothing_is_called_absent_while_reads_lag(script: KalshiScript) -> None:
    script.venue.read_lag_ns = 3_600 * 10**9
    script.answer_create(Answer.UNAPPLIED_LOST)
    order = script.new_order()
    await script.submit(order)
    await script.quiet(300)
    assert script.story(order) == ["Submitted"]
    script.venue.read_lag_ns = 0
    await script.until(lambda: order.is_closed)
    assert "NOT_AT_VENUE" in order.last_event.reason


@pytest.mark.asyncio
async def test_a_stale_resting_is_not_believed_after_a_cancel_of_unknown_outcome(
    script: KalshiScript,
) -> None:
    order = script.new_order()
    await script.submit(order)
    real = script.venue._get
    (record,) = [o.record() for o in script.venue.orders.values()]

    def stale(path: str, query: dict[str, str]):
        if path.startswith("/portfolio/orders/"):
            return script.venue._reply(200, {"order": record})
        return real(path, query)

    script.venue._get, script.venue.read_lag_ns = stale, 60 * 10**9
    script.answer_cancel(Answer.APPLIED_LOST)
    await script.cancel(order)
    await script.quiet(300)
    assert "CancelRejected" not in script.story(order), "the read is older than the question"
    script.venue._get, script.venue.read_lag_ns = real, 0
    await script.until(lambda: order.is_closed)
    assert order.status_string() == "CANCELED"


@pytest.mark.asyncio
async def test_reports_raise_while_the_venue_is_down(script: KalshiScript) -> None:
    from nautilus_trader.core.uuid import UUID4
    from nautilus_trader.execution.messages import (
        GenerateFillReports,
        GenerateOrderStatusReports,
        GeneratePositionStatusReports,
    )

    from adapters.common.errors import TransportError

    script.venue.down = True
    common = {
        "instrument_id": None,
        "start": None,
        "end": None,
        "command_id": UUID4(),
        "ts_init": 0,
    }
    with pytest.raises(TransportError):
        await script.client.generate_order_status_reports(
            GenerateOrderStatusReports(open_only=True, **common)
        )
    with pytest.raises(TransportError):
        await script.client.generate_fill_reports(
            GenerateFillReports(venue_order_id=None, **common)
        )
    with pytest.raises(TransportError):
        await script.client.generate_position_status_reports(
            GeneratePositionStatusReports(**common)
        )
    assert await script.client.generate_mass_status() is None


@pytest.mark.asyncio
async def test_an_order_placed_elsewhere_is_taken_in_with_its_fills(script: KalshiScript) -> None:
    stranger = VenueOrder(
        "web-1", "web-client-1", TICKER, "bid", "0.4000", Decimal(5), initial=Decimal(5)
    )
    script.venue.orders["web-1"] = stranger
    script.venue.say_fill(script.venue.fill(stranger, Decimal(2)))
    await script.until(lambda: script.position() == 2)
    (order,) = [o for o in script.cache.orders() if o.venue_order_id.value == "web-1"]
    assert order.strategy_id.value == "EXTERNAL"
    assert order.commissions()[0].as_decimal() == Decimal("0.0175"), "the fee that was charged"


@pytest.mark.asyncio
async def test_cash_is_told_by_shard(script: KalshiScript) -> None:
    account = script.cache.account(script.client.account_id)
    assert account.last_event.info["shards"] == {"2": "1000.0000"}
    order = script.new_order(size="10", price="0.40")
    await script.submit(order)
    await script.client.refresh_account()
    (balance,) = account.balances().values()
    assert (balance.total.as_decimal(), balance.locked.as_decimal()) == (1000, 4)


@pytest.mark.asyncio
async def test_a_smaller_size_is_a_decrease_and_anything_else_an_amend(
    script: KalshiScript,
) -> None:
    order = script.new_order()
    await script.submit(order)
    await script.modify(order, size="8")
    assert bodies(script)[-1] == {"market_ticker": TICKER, "reduce_by": "2.00", "exchange_index": 2}
    await script.until(lambda: order.quantity.as_decimal() == 8)
    await script.modify(order, size="9", price="0.41")
    body = bodies(script)[-1]
    assert (body["count"], body["price"], body["side"]) == ("9.00", "0.4100", "bid")
    await script.modify(order, price="0.4150")
    await script.until(lambda: script.story(order)[-1] == "ModifyRejected")
    assert "off the grid" in order.last_event.reason


@pytest.mark.asyncio
async def test_a_settled_market_pays_yes_its_value_and_no_the_rest(script: KalshiScript) -> None:
    order = script.new_order(leg="NO", price="0.30", size="5")
    await script.submit(order)
    script.announce_fill(order, script.fill(order, "5"))
    await script.until(lambda: order.is_closed)
    script.venue.market |= {
        "status": "finalized",
        "result": "scalar",
        "settlement_value_dollars": "0.333333",
    }
    script.venue.settlements = [
        {
            "ticker": TICKER,
            "market_result": "scalar",
            "value": None,
            "settled_time": "2026-11-21T08:59:19Z",
            "fee_cost": "0.000050",
        }
    ]
    script.venue.net = Decimal(0)
    await script.client.resolver.settle()
    await script.client.resolver.settle()
    await script.quiet()
    (position,) = script.cache.positions()
    assert position.is_closed
    # 5 × (0.666667 − 0.30) − 0.0175 − 0.00005, to the last unit of six decimals
    assert position.realized_pnl.as_decimal() == Decimal("1.815785")
    settlements = [o for o in script.cache.orders() if o.tags and "SETTLEMENT" in o.tags]
    assert len(settlements) == 1
    assert settlements[0].strategy_id == order.strategy_id
