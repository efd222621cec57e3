"""The official SDK, unmodified, against the venue over real sockets: every call an adapter uses."""

from __future__ import annotations

import sys
import time
import uuid
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from simulators.launcher import LaunchConfig, Launcher

pytestmark = pytest.mark.skipif(
    sys.version_info < (3, 13), reason="the official SDK needs Python 3.13"
)
RSA, ED25519 = 0, 1


def configured(sdk, host: str, account: dict):
    configuration = sdk.Configuration(host=host)
    configuration.api_key_id = account["key_id"]
    configuration.private_key_pem = Path(account["private_key_path"]).read_text()
    return configuration


@asynccontextmanager
async def running(account: int = RSA, scenario: str = "quiet", **switches):
    import kalshi_python_async as sdk

    config = LaunchConfig(
        venues=("kalshi",),
        scenario=scenario,
        options={"kalshi": {"tier": "prestige"}},
        switches={"kalshi": switches},
    )
    async with Launcher(config) as run:
        part = run.ready["kalshi"]
        chosen = part["accounts"][account]
        client = sdk.KalshiClient(configured(sdk, part["rest"], chosen))
        try:
            yield sdk, client, run
        finally:
            await client.close()


def market_of(run, prefix: str) -> str:
    return next(t for t in run.ready["kalshi"]["tickers"] if t.startswith(prefix))


def operate(run, action: str, **body):
    venue = run.venues["kalshi"]
    return venue.app.operate(action, body, run.clock.now_ns())


def ticket(ticker: str, **fields):
    base = {
        "ticker": ticker,
        "client_order_id": str(uuid.uuid4()),
        "side": "bid",
        "count": "10",
        "price": "0.47",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    }
    return base | fields


@pytest.mark.asyncio
@pytest.mark.parametrize("account", [RSA, ED25519], ids=["rsa", "ed25519"])
async def test_account_and_exchange_calls_work_with_both_key_types(account):
    async with running(account) as (sdk, client, _):
        balance = await sdk.PortfolioApi(client).get_balance()
        assert balance.balance_dollars == "400000.0000"
        assert [row.exchange_index for row in balance.balance_breakdown] == [0, 1, 2, 3]
        limits = await sdk.AccountApi(client).get_account_api_limits()
        assert (limits.usage_tier, limits.write.bucket_capacity) == ("prestige", 19_200)
        costs = await sdk.AccountApi(client).get_account_endpoint_costs()
        assert costs.default_cost == 10
        status = await sdk.ExchangeApi(client).get_exchange_status()
        assert status.trading_active
        assert len(status.exchange_index_statuses) == 4
        schedule = await sdk.ExchangeApi(client).get_exchange_schedule()
        assert len(schedule.schedule.standard_hours[0].thursday) == 2
        as_of = await sdk.ExchangeApi(client).get_user_data_timestamp()
        assert as_of.as_of_time.tzinfo is not None
        cutoff = await sdk.HistoricalApi(client).get_historical_cutoff()
        assert cutoff.orders_updated_ts > cutoff.market_settled_ts
        keys = await sdk.ApiKeysApi(client).get_api_keys()
        assert len(keys.api_keys) == 1


@pytest.mark.asyncio
async def test_market_data_calls():
    async with running(scenario="default") as (sdk, client, run):
        markets = sdk.MarketApi(client)
        page = await markets.get_markets(limit=5, status="open", mve_filter="exclude")
        assert len(page.markets) == 5
        rest = await markets.get_markets(limit=1000, cursor=page.cursor)
        tickers = {m.ticker for m in page.markets} | {m.ticker for m in rest.markets}
        assert tickers == set(run.ready["kalshi"]["tickers"])
        assert len(tickers) >= 20
        ticker = page.markets[0].ticker
        assert (await markets.get_market(ticker)).market.ticker == ticker
        book = await markets.get_market_orderbook(ticker, depth=3)
        assert len(book.orderbook_fp.yes_dollars) == 3
        books = await markets.get_market_orderbooks(tickers=sorted(tickers)[:3])
        assert len(books.orderbooks) == 3
        game = market_of(run, "KXNBAGAME")
        bid = run.venues["kalshi"].app.state.books[game].bids.best()
        operate(run, "order", ticker=game, side="ask", count="2", price=f"{bid / 10000:.2f}")
        trades = await markets.get_trades(ticker=game, limit=10)
        assert trades.trades[0].count_fp == "2.00"
        now = int(time.time())
        event = next(m for m in rest.markets + page.markets if m.ticker == game).event_ticker
        candles = await markets.get_market_candlesticks(
            "KXNBAGAME", game, start_ts=now - 3600, end_ts=now + 120, period_interval=1
        )
        assert candles.candlesticks[-1].price.close_dollars is not None
        batch = await markets.batch_get_market_candlesticks(
            market_tickers=game,
            start_ts=now - 3600,
            end_ts=now + 120,
            period_interval=60,
            include_latest_before_start=True,
        )
        assert batch.markets[0].market_ticker == game
        by_event = await sdk.EventsApi(client).get_market_candlesticks_by_event(
            event, "KXNBAGAME", start_ts=now - 3600, end_ts=now + 120, period_interval=1
        )
        assert game in by_event.market_tickers


@pytest.mark.asyncio
async def test_catalogue_calls():
    async with running() as (sdk, client, run):
        series = await sdk.MarketApi(client).get_series_list(category="Sports")
        assert {s.ticker for s in series.series} >= {"KXNBAGAME", "KXMLBGAME", "KXATPMATCH"}
        one = await sdk.MarketApi(client).get_series("KXMLBGAME", include_volume=True)
        assert one.series.fee_multiplier == 0.5
        events = sdk.EventsApi(client)
        page = await events.get_events(limit=3, with_nested_markets=True, status="open")
        assert len(page.events) == 3
        assert page.events[0].markets
        event = await events.get_event(page.events[0].event_ticker)
        assert event.markets
        assert (await events.get_event_metadata(page.events[0].event_ticker)).market_details
        assert (await events.get_multivariate_events()).events == []
        operate(run, "fees", ticker="KXNBAGAME", fee_type="quadratic", fee_multiplier="0.5",
                at_s=int(time.time()) + 3600)  # fmt: skip
        operate(run, "fees", ticker=page.events[0].event_ticker, fee_type="quadratic",
                fee_multiplier="0")  # fmt: skip
        changes = await sdk.ExchangeApi(client).get_series_fee_changes()
        assert changes.series_fee_change_arr[0].fee_multiplier == 0.5
        overrides = await events.get_event_fee_changes()
        assert overrides.event_fee_changes[0].fee_multiplier_override == 0
        milestones = await sdk.MilestoneApi(client).get_milestones(limit=10)
        assert milestones.milestones
        single = await sdk.MilestoneApi(client).get_milestone(milestones.milestones[0].id)
        assert single.milestone.title == milestones.milestones[0].title
        tags = await sdk.SearchApi(client).get_tags_for_series_categories()
        assert "Sports" in tags.tags_by_categories
        assert (await sdk.SearchApi(client).get_filters_for_sports()).sport_ordering


@pytest.mark.asyncio
@pytest.mark.parametrize("account", [RSA, ED25519], ids=["rsa", "ed25519"])
async def test_order_calls(account):
    async with running(account) as (sdk, client, run):
        orders, portfolio = sdk.OrdersApi(client), sdk.PortfolioApi(client)
        game = market_of(run, "KXNBAGAME")
        operate(run, "book", ticker=game, bids=[["0.45", "50"]], asks=[["0.52", "3"]])
        maker = await orders.create_order_v2(**ticket(game))
        assert (maker.fill_count, maker.remaining_count) == ("0.00", "10.00")
        taker = await orders.create_order_v2(
            **ticket(game, count="1.00", price="0.99", time_in_force="immediate_or_cancel")
        )
        assert (taker.average_fill_price, taker.average_fee_paid) == ("0.5200", "0.0175")
        amended = await orders.amend_order_v2(
            maker.order_id, ticker=game, side="bid", price="0.46", count="12"
        )
        assert amended.remaining_count == "12.00"
        smaller = await orders.decrease_order_v2(maker.order_id, reduce_by="2", market_ticker=game)
        assert smaller.remaining_count == "10.00"
        assert (await orders.get_order(maker.order_id)).order.yes_price_dollars == "0.4600"
        assert (await orders.get_order_queue_position(maker.order_id)).queue_position_fp == "0.00"
        queue = await orders.get_order_queue_positions(market_tickers=game)
        assert queue.queue_positions[0].order_id == maker.order_id
        canceled = await orders.cancel_order_v2(maker.order_id, market_ticker=game)
        assert canceled.reduced_by == "10.00"
        listed = await orders.get_orders(ticker=game)
        assert [o.status for o in listed.orders] == ["executed", "canceled"]
        fills = await portfolio.get_fills(ticker=game)
        assert fills.fills[0].fee_cost == "0.017500"
        positions = await portfolio.get_positions(event_ticker=None, count_filter="position")
        assert positions.market_positions[0].position_fp == "1.00"
        operate(run, "settle", ticker=game, result="yes")
        settlements = await portfolio.get_settlements()
        assert settlements.settlements[0].revenue == 100
        assert (await portfolio.get_positions()).market_positions == []
        history = sdk.HistoricalApi(client)
        assert (await history.get_historical_orders()).orders == []
        assert (await history.get_fills_historical()).fills == []
        assert (await history.get_historical_positions()).market_positions == []
        assert (await history.get_historical_markets()).markets == []
        assert (await history.get_trades_historical()).trades == []


@pytest.mark.asyncio
async def test_batch_and_cancel_all_calls():
    async with running() as (sdk, client, run):
        orders, game = sdk.OrdersApi(client), market_of(run, "KXNBAGAME")
        batch = await orders.batch_create_orders_v2(
            orders=[ticket(game), ticket(game, price="0.475"), ticket(game)]
        )
        assert [row.error is None for row in batch.orders] == [True, False, True]
        assert batch.orders[1].error.code == "invalid_price"
        rows = [
            {"order_id": batch.orders[0].order_id, "market_ticker": game},
            {"order_id": str(uuid.uuid4()), "market_ticker": game},
        ]
        gone = await orders.batch_cancel_orders_v2(orders=rows)
        assert [row.reduced_by for row in gone.orders] == ["10.00", "0.00"]
        assert gone.orders[1].error.code == "not_found"
        assert await orders.cancel_all_orders() is None
        assert (await orders.get_orders(status="resting")).orders == []


@pytest.mark.asyncio
async def test_group_calls():
    async with running() as (sdk, client, run):
        groups, orders = sdk.OrderGroupsApi(client), sdk.OrdersApi(client)
        ticker = market_of(run, "KXGOVSHUT")
        made = await groups.create_order_group(contracts_limit=5)
        group_id = made.order_group_id
        order = await orders.create_order_v2(**ticket(ticker, order_group_id=group_id))
        found = await groups.get_order_group(group_id)
        assert found.orders == [order.order_id]
        await groups.update_order_group_limit(group_id, contracts_limit_fp="150.00")
        listed = await groups.get_order_groups()
        assert listed.order_groups[0].contracts_limit_fp == "150.00"
        await groups.trigger_order_group(group_id)
        assert (await orders.get_order(order.order_id)).order.status == "canceled"
        with pytest.raises(sdk.exceptions.ApiException) as refused:
            await orders.create_order_v2(**ticket(ticker, order_group_id=group_id))
        assert refused.value.status == 400
        await groups.reset_order_group(group_id)
        await orders.create_order_v2(**ticket(ticker, order_group_id=group_id))
        await groups.delete_order_group(group_id)
        assert (await groups.get_order_groups()).order_groups == []


@pytest.mark.asyncio
async def test_cash_calls():
    async with running() as (sdk, client, _):
        portfolio = sdk.PortfolioApi(client)
        sent = await portfolio.intra_exchange_instance_transfer(
            source="event_contract",
            destination="event_contract",
            amount=10_000_000,
            source_exchange_shard=0,
            destination_exchange_shard=3,
            client_transfer_id=str(uuid.uuid4()),
        )
        one = await portfolio.get_intra_exchange_instance_transfer(sent.transfer_id)
        assert (one.transfer.amount, one.transfer.status) == ("1000.0000", "complete")
        assert len((await portfolio.get_intra_exchange_instance_transfers()).transfers) == 1
        balance = await portfolio.get_balance(exchange_index=3)
        assert balance.balance_dollars == "101000.0000"
        await portfolio.set_target_balance_allocation(
            allocations=[
                {"exchange_index": 0, "percent": 60},
                {"exchange_index": 3, "percent": 40},
            ],
            resting_margin_reservation="none",
        )
        target = await portfolio.get_target_balance_allocation()
        assert [row.percent for row in target.allocations] == [60, 40]
        sub = await portfolio.create_subaccount()
        assert sub.subaccount_number == 1
        await portfolio.apply_subaccount_transfer(
            client_transfer_id=str(uuid.uuid4()),
            from_subaccount=0,
            to_subaccount=1,
            amount_cents=2500,
        )
        balances = await portfolio.get_subaccount_balances()
        moved = [b for b in balances.subaccount_balances if b.subaccount_number == 1]
        assert moved[0].balance == "25.0000"
        assert (await portfolio.get_subaccount_transfers()).transfers[0].amount_cents == 2500
        await portfolio.update_subaccount_netting(subaccount_number=1, enabled=True)
        netting = await portfolio.get_subaccount_netting()
        assert [row.enabled for row in netting.netting_configs] == [False, True]
        assert (await portfolio.get_deposits()).deposits == []
        assert (await portfolio.get_withdrawals()).withdrawals == []
        value = await portfolio.get_portfolio_resting_order_total_value()
        assert value.total_resting_order_value == 0


@pytest.mark.asyncio
async def test_refusals_reach_the_sdk_as_api_exceptions():
    async with running() as (sdk, client, run):
        orders, game = sdk.OrdersApi(client), market_of(run, "KXNBAGAME")
        request = ticket(game)
        await orders.create_order_v2(**request)
        with pytest.raises(sdk.exceptions.ConflictException) as duplicate:
            await orders.create_order_v2(**request)
        assert "order_already_exists" in duplicate.value.body
        with pytest.raises(sdk.exceptions.NotFoundException) as unknown:
            await orders.cancel_order_v2(str(uuid.uuid4()), market_ticker=game)
        assert unknown.value.body == '{"error":{"code":"not_found","message":"not found"}}'
