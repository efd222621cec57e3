"""What only Polymarket does: fills that are taken back, stale ticks, places that may not trade."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
import pytest_asyncio
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.orders import Order

from adapters.polymarket.eligibility import Permission
from adapters.polymarket.fills import fill_id
from messages.fills import FILL_REVERTED_TAG, FillReverted
from tests.conformance.script import Answer
from tests.polymarket.support.scripted import CONDITION, NO, YES, PolymarketScript

D = Decimal


@pytest_asyncio.fixture
async def script() -> AsyncIterator[PolymarketScript]:
    script = PolymarketScript(reconcile_interval_s=0.5)
    await script.open()
    yield script
    await script.close()


async def submit(script: PolymarketScript, *orders: Order) -> None:
    """Submit and let the engine work through its queue."""
    await script.submit(*orders)
    await script.quiet()


def posts(script: PolymarketScript, path: str) -> list[object]:
    return [
        json.loads(r.body) for r in script.venue.requests if r.method == "POST" and path in r.url
    ]


def say(script: PolymarketScript, order_id: str, size: str, status: str) -> str:
    trade_id = script.venue.fill(order_id, D(size), status)
    script.venue.say_trade(trade_id)
    return trade_id


def reverts(script: PolymarketScript) -> list[FillReverted]:
    found = [getattr(item, "data", None) for item in script.data]
    return [item for item in found if isinstance(item, FillReverted)]


# -- provisional fills ----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_unconfirmed_shares_cannot_be_sold(script: PolymarketScript) -> None:
    order = script.new_order(price="0.50")
    await submit(script, order)
    trade_id = say(script, script.order_id(order), "10", "MATCHED")
    await script.until(lambda: order.is_closed)
    early = script.new_order(price="0.60", side=OrderSide.SELL)
    await submit(script, early)
    assert script.story(early) == ["Denied"]
    assert "10 are not confirmed on chain" in early.last_event.reason
    script.venue.trades[trade_id]["status"] = "CONFIRMED"
    script.venue.shares[YES] = D(10)
    script.venue.say_trade(trade_id)
    await script.until(lambda: not script.client.tracker.fills.unconfirmed())
    later = script.new_order(price="0.60", side=OrderSide.SELL)
    await submit(script, later)
    assert script.story(later) == ["Submitted", "Accepted"]
    more = script.new_order(size="5", price="0.61", side=OrderSide.SELL)
    await submit(script, more)
    assert script.story(more) == ["Denied"], "offered shares are not offered twice"


@pytest.mark.asyncio
async def test_a_failed_settlement_turns_the_books_back_and_says_so(
    script: PolymarketScript,
) -> None:
    order = script.new_order(price="0.50")
    await submit(script, order)
    trade_id = say(script, script.order_id(order), "10", "MATCHED")
    await script.until(lambda: script.position() == 10)
    script.venue.trades[trade_id]["status"] = "RETRYING"
    script.venue.say_trade(trade_id)
    script.venue.trades[trade_id]["status"] = "FAILED"
    script.venue.say_trade(trade_id)
    script.venue.say_trade(trade_id)
    await script.until(lambda: script.position() == 0)
    await script.quiet()
    (message,) = reverts(script)
    assert (message.client_order_id, message.quantity) == (order.client_order_id.value, "10")
    assert message.trade_id == fill_id(trade_id, script.order_id(order), 0)
    (aside,) = [o for o in script.cache.orders() if FILL_REVERTED_TAG in (o.tags or [])]
    assert aside.strategy_id == order.strategy_id
    assert aside.side == OrderSide.SELL
    assert aside.avg_px == order.avg_px
    (back,), (paid,) = aside.commissions(), order.commissions()
    assert back.as_decimal() == -paid.as_decimal()
    assert script.client.tracker.holdings.shares(YES) == 0


@pytest.mark.asyncio
async def test_a_failure_heard_before_the_match_books_nothing(script: PolymarketScript) -> None:
    order = script.new_order(price="0.50")
    await submit(script, order)
    trade_id = say(script, script.order_id(order), "10", "FAILED")
    script.venue.trades[trade_id]["status"] = "MATCHED"
    script.venue.say_trade(trade_id)
    script.venue.trades[trade_id]["status"] = "FAILED"
    script.venue.say_order(script.order_id(order))
    await script.until(lambda: order.is_closed)
    assert script.position() == 0
    assert reverts(script) == []
    assert order.filled_qty.as_decimal() == 0


@pytest.mark.asyncio
async def test_a_failure_nobody_announced_is_found_by_asking(script: PolymarketScript) -> None:
    order = script.new_order(price="0.50")
    await submit(script, order)
    trade_id = say(script, script.order_id(order), "10", "MATCHED")
    await script.until(lambda: script.position() == 10)
    script.venue.trades[trade_id]["status"] = "FAILED"
    await script.until(lambda: script.position() == 0)
    assert len(reverts(script)) == 1


@pytest.mark.asyncio
async def test_reports_include_provisional_shares(script: PolymarketScript) -> None:
    order = script.new_order(price="0.50")
    await submit(script, order)
    say(script, script.order_id(order), "10", "MATCHED")
    await script.until(lambda: script.position() == 10)
    assert script.venue.shares[YES] == 0, "the chain has not moved yet"
    status = await script.client.generate_mass_status()
    reports = {
        r.instrument_id.symbol.value: r for rs in status.position_reports.values() for r in rs
    }
    assert reports[YES].quantity.as_decimal() == 10
    fills = [f for fs in status.fill_reports.values() for f in fs]
    assert {f.trade_id.value for f in fills} == {t.value for t in order.trade_ids}


# -- before sending -------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_stale_tick_is_refused_never_rounded(script: PolymarketScript) -> None:
    script.venue.market["orderPriceMinTickSize"] = 0.01
    order = script.new_order(price="0.4050")
    await submit(script, order)
    assert script.story(order) == ["Denied"]
    assert "never re-rounded" in order.last_event.reason
    script.venue.market["orderPriceMinTickSize"] = 0.001
    script.hub.ticks.doubt(YES)
    finer = script.new_order(price="0.4050")
    await submit(script, finer)
    assert script.story(finer) == ["Submitted", "Accepted"]


@pytest.mark.asyncio
async def test_the_order_is_written_down_before_it_is_sent(script: PolymarketScript) -> None:
    order = script.new_order()
    seen: list[int] = []
    send = script.venue.send

    async def spy(request):  # type: ignore[no-untyped-def]
        if request.method == "POST" and request.url.endswith("/order"):
            seen.append(len(script.log.read()))
        return await send(request)

    script.venue.send = spy
    await submit(script, order)
    assert seen == [1]
    (entry,) = script.log.read()
    assert entry.client_order_id == order.client_order_id.value
    assert script.cache.venue_order_id(order.client_order_id).value == entry.order_id


@pytest.mark.asyncio
async def test_an_order_that_cannot_be_written_down_is_not_sent(script: PolymarketScript) -> None:
    def full(_orders: object) -> None:
        raise OSError(28, "No space left on device")

    script.client.order_log.write = full
    order = script.new_order()
    await submit(script, order)
    assert script.story(order) == ["Denied"]
    assert "No space left" in order.last_event.reason
    assert posts(script, "/order") == []


@pytest.mark.asyncio
async def test_lists_go_out_in_chunks_of_fifteen(script: PolymarketScript) -> None:
    orders = [script.new_order() for _ in range(32)]
    await submit(script, *orders)
    sizes = [len(body) for body in posts(script, "/orders")]
    assert sizes == [15, 15, 2]
    assert all(script.story(o) == ["Submitted", "Accepted"] for o in orders)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"price": "0.005"}, "price: found 0.005"),
        ({"size": "10.005"}, "multiple of 0.01"),
        ({"size": "3"}, "resting orders need 5 shares"),
        ({"size": "1", "tif": "IOC"}, "at least $1"),
        ({"tif": "DAY"}, "time in force DAY"),
        ({"tif": "IOC", "post_only": True}, "post-only"),
        ({"side": OrderSide.SELL}, "0 can be sold now"),
    ],
)
async def test_what_the_venue_would_refuse_is_denied(
    script: PolymarketScript, arguments: dict, reason: str
) -> None:
    order = script.new_order(**arguments)
    await submit(script, order)
    assert script.story(order) == ["Denied"]
    assert reason in order.last_event.reason
    assert posts(script, "/order") == []


# -- permission -----------------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_a_403_turns_trading_off_with_a_plain_sentence(script: PolymarketScript) -> None:
    page = b"<!DOCTYPE html><title>Attention Required! | Cloudflare</title>"
    from adapters.common.transport import HttpResponse

    script.venue.override["/order"] = HttpResponse(403, page)
    script.venue.override["/api/geoblock"] = script.venue.reply(
        200, {"blocked": True, "ip": "1.2.3.4", "country": "US", "region": "NY"}
    )
    order = script.new_order()
    await submit(script, order)
    assert script.story(order) == ["Submitted", "Rejected"]
    await script.until(lambda: "US NY" in script.client.eligibility.reason)
    later = script.new_order()
    await submit(script, later)
    assert script.story(later) == ["Denied"]
    assert "does not accept orders from here (US NY)" in later.last_event.reason


@pytest.mark.asyncio
async def test_closed_only_accounts_may_sell(script: PolymarketScript) -> None:
    script.venue.override["/auth/ban-status/closed-only"] = script.venue.reply(
        200, {"closed_only": True}
    )
    await script.client._ask_eligibility()
    assert script.client.eligibility.permission is Permission.REDUCE
    order = script.new_order()
    await submit(script, order)
    assert "closed-only" in order.last_event.reason


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "body"),
    [("/version", {"version": 3}), ("/version", {"nonsense": []}), ("/api/geoblock", {})],
)
async def test_no_answer_is_not_a_yes(script: PolymarketScript, path: str, body: dict) -> None:
    script.venue.override[path] = script.venue.reply(200, body)
    await script.client._ask_eligibility()
    assert script.client.eligibility.permission is Permission.NOTHING


# -- sizes that differ ----------------------------------------------------------------------------


@pytest.mark.asyncio
async def test_more_shares_than_asked_are_all_booked(script: PolymarketScript) -> None:
    order = script.new_order(size="5", price="0.99", tif="IOC")
    await submit(script, order)
    say(script, script.order_id(order), "5.051019", "MATCHED")
    await script.until(lambda: order.is_closed)
    assert script.position() == D("5.051019")
    assert order.filled_qty.as_decimal() == D("5.051019")
    assert "Updated" in script.story(order)


@pytest.mark.asyncio
async def test_an_exact_order_is_a_gtc_whose_rest_is_cancelled(script: PolymarketScript) -> None:
    order = script.new_order(size="10", price="0.50", tif="IOC", tags=["size:exact"])
    script.answer_create(Answer.HELD)
    task = script.submit_soon(order)
    await script.until(lambda: script.is_known(order))
    script.venue.fill(script.order_id(order), D(4))
    script.release()
    await task
    assert posts(script, "/order")[0]["orderType"] == "GTC"
    await script.until(lambda: order.is_closed)
    assert order.status_string() == "CANCELED"
    assert order.filled_qty.as_decimal() == 4
    assert not script.is_resting(order)


# -- other things the venue does ------------------------------------------------------------------


@pytest.mark.asyncio
async def test_an_order_placed_elsewhere_becomes_external(script: PolymarketScript) -> None:
    ours = script.new_order()
    await submit(script, ours)
    body = json.loads(json.dumps(script.venue.orders[script.order_id(ours)].body))
    foreign = "0x" + "ee" * 32
    from tests.polymarket.support.scripted import VenueOrder

    script.venue.orders[foreign] = VenueOrder(body)
    script.venue.say_order(foreign)
    trade_id = say(script, foreign, "6", "MATCHED")
    await script.until(lambda: script.position() == 6, 15)
    external = [o for o in script.cache.orders() if o.strategy_id.value == "EXTERNAL"]
    assert [o.venue_order_id.value for o in external] == [foreign]
    assert [t.value for t in external[0].trade_ids] == [fill_id(trade_id, foreign, 0)]
    assert script.story(ours) == ["Submitted", "Accepted"]


@pytest.mark.asyncio
@pytest.mark.parametrize("value", ["1", "0", "0.5"])
async def test_resolution_closes_positions_at_the_payout(
    script: PolymarketScript, value: str
) -> None:
    order = script.new_order(price="0.50")
    await submit(script, order)
    trade_id = say(script, script.order_id(order), "10", "MATCHED")
    await script.until(lambda: script.position() == 10)
    script.venue.trades[trade_id]["status"] = "CONFIRMED"
    script.venue.shares[YES] = D(10)
    micro = [int(D(value) * 10**6), int((1 - D(value)) * 10**6)]
    script.venue.market |= {"closed": True, "umaResolutionStatus": "resolved"}
    row = {"condition_id": CONDITION, "status": "resolved", "payouts": micro}
    script.venue.override["/v2/resolutions"] = script.venue.reply(
        200, {"data": [row], "pagination": {"has_more": False}}
    )
    await script.until(lambda: script.position() == 0)
    await script.quiet()
    (settled,) = [o for o in script.cache.orders() if "SETTLEMENT" in (o.tags or [])]
    assert D(str(settled.avg_px)) == D(value)
    assert settled.strategy_id == order.strategy_id
    closed = script.cache.positions_closed()
    assert closed[0].realized_pnl.as_decimal() == 10 * D(value) - 5
    await script.client._round()
    assert script.position() == 0, "shares that wait to be redeemed are not bought again"


@pytest.mark.asyncio
async def test_shares_moved_by_somebody_else_are_noticed_after_two_looks(
    script: PolymarketScript,
) -> None:
    order = script.new_order(price="0.50")
    await submit(script, order)
    trade_id = say(script, script.order_id(order), "10", "CONFIRMED")
    await script.until(lambda: script.position() == 10)
    assert script.venue.trades[trade_id]["status"] == "CONFIRMED"
    script.venue.shares[YES] = D(4)
    held = script.client.tracker.holdings
    await script.until(lambda: held.shares(YES) == 4)


@pytest.mark.asyncio
async def test_cash_is_what_the_venue_has_less_what_is_on_its_way(
    script: PolymarketScript,
) -> None:
    def balance() -> tuple[Decimal, Decimal]:
        (found,) = script.cache.account_for_venue(script.client.venue).balances().values()
        return found.total.as_decimal(), found.locked.as_decimal()

    order = script.new_order(price="0.50")
    await submit(script, order)
    await script.until(lambda: balance()[1] > 5)
    assert balance()[1] < D("5.13")
    say(script, script.order_id(order), "10", "MATCHED")
    await script.until(lambda: balance() == (D(995), D(0)))


@pytest.mark.asyncio
@pytest.mark.parametrize("answer", ["rows", "down"])
async def test_shares_the_indexer_knows_are_taken_up(script: PolymarketScript, answer: str) -> None:
    row = {"token_id": NO, "condition_id": CONDITION, "current_size": 7.25, "avg_price": 0.3}
    body = {"data": [row], "pagination": {"has_more": False}}
    script.venue.shares[NO] = D("7.25")
    down = script.venue.reply(500, {"error": "indexer", "code": "x"})
    script.venue.override["/v2/positions"] = (
        down if answer == "down" else script.venue.reply(200, body)
    )
    await script.client._round()
    expected = D(0) if answer == "down" else D("7.25")
    assert script.client.tracker.holdings.shares(NO) == expected
