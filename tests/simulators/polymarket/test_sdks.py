"""The official clients, unmodified, against the local venue."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import sys
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest
from eth_account import Account
from polymarket import AsyncSecureClient
from polymarket.auth import RelayerApiKey
from polymarket.environments import PRODUCTION, _create_environment
from polymarket.errors import RequestRejectedError
from polymarket.streams import MarketSpec, SportsSpec, UserSpec

from simulators.launcher import LaunchConfig, Launcher
from simulators.polymarket import operations
from simulators.polymarket.units import ONE

pytestmark = pytest.mark.asyncio
FAST = {"mined_ms_min": 20, "mined_ms_max": 40, "confirmed_ms": 20, "indexer_ms": 0}


@asynccontextmanager
async def launched(tmp_path, **switches):
    config = LaunchConfig(
        venues=("polymarket",),
        scenario="quiet",
        ready=tmp_path / "ready.json",
        state=tmp_path / "state",
        switches={"polymarket": {**FAST, **switches}},
    )
    async with Launcher(config) as run:
        venue = run.venues["polymarket"]
        market = next(m for m in venue.world.markets.values() if not m.seconds_delay)
        operations.quote(venue.world, market, [(480_000, 900 * ONE)], [(520_000, 900 * ONE)])
        yield run, venue, market


async def prove(tmp_path, script, *arguments):
    """Run a script of this folder in its own process and return exit code and output."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", f"tests.simulators.polymarket.{script}",
        str(tmp_path / "ready.json"), *arguments,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_py_clob_client_v2(tmp_path):
    async with launched(tmp_path) as (_, _, market):
        known = (market.tokens[0], market.condition_id)
        code, output = await prove(tmp_path, "prove_py_clob", *known)
        assert code == 0, output[-3000:]
        assert output.count(": ok") == 4


async def test_the_adapter_that_nautilus_bundles(tmp_path):
    async with launched(tmp_path) as (_, _, market):
        known = (market.condition_id, market.tokens[0])
        code, output = await prove(tmp_path, "prove_nautilus", *known)
        assert code == 0, output[-3000:]
        seen = ["instrument", "book", "accepted", "canceled", "filled 10 at 0.52"]
        assert json.dumps(seen) in output


def environment(ready):
    config = dataclasses.replace(
        PRODUCTION._config,
        clob_url=ready["clob"],
        clob_market_ws_url=ready["ws_market"],
        clob_user_ws_url=ready["ws_user"],
        sports_ws_url=ready["ws_sports"],
        gamma_url=ready["gamma"],
        data_url=ready["data"],
        relayer_url=ready["relayer"],
        rpc_url=ready["rpc"],
        relayer_poll_frequency_ms=20,
    )
    return _create_environment(name="local", config=config)


@asynccontextmanager
async def client(run, index=0, **more):
    ready = run.ready["polymarket"]
    account = ready["accounts"][index]
    made = await AsyncSecureClient.create(
        private_key=account["private_key"],
        wallet=account["funder"],
        environment=environment(ready),
        **more,
    )
    try:
        yield made
    finally:
        await made.close()


@pytest.mark.parametrize("index", [0, 1, 2, 3])
async def test_unified_client_trades_with_every_wallet(tmp_path, index):
    async with launched(tmp_path) as (run, venue, market), client(run, index) as sdk:
        kinds = {0: "EOA", 1: "POLY_PROXY", 2: "GNOSIS_SAFE", 3: "DEPOSIT_WALLET"}
        assert sdk.wallet_type == kinds[venue.accounts[index].signature_type]
        token = market.tokens[0]
        order = await sdk.place_limit_order(
            asset_id=token, price=Decimal("0.4"), size=Decimal(10), side="BUY"
        )
        assert (order.ok, order.status) == (True, "live")
        page = await sdk.list_open_orders().first_page()
        assert [item.id for item in page.items] == [order.order_id]
        assert (await sdk.get_order(order_id=order.order_id)).status == "LIVE"
        reply = await sdk.cancel_order(order_id=order.order_id)
        assert reply.canceled == (order.order_id,)
        taken = await sdk.place_market_order(
            asset_id=token, side="BUY", amount=Decimal("5.2"), order_type="FAK"
        )
        assert (taken.status, taken.taking_amount) == ("matched", Decimal(10))
        assert await sdk.wait_for_order_fill_settlement(taken)
        with pytest.raises(RequestRejectedError, match="order crosses book"):
            await sdk.place_limit_order(
                asset_id=token, price=Decimal("0.6"), size=Decimal(10), side="BUY", post_only=True
            )


async def test_unified_client_reads_everything(tmp_path):
    async with launched(tmp_path) as (run, venue, market), client(run) as sdk:
        token, condition = market.tokens[0], market.condition_id
        book = await sdk.get_order_book(asset_id=token)
        assert (book.bids[-1].price, book.asks[-1].price) == (Decimal("0.48"), Decimal("0.52"))
        assert len(await sdk.get_order_books(asset_ids=list(market.tokens))) == 2
        assert await sdk.get_midpoint(asset_id=token) == Decimal("0.5")
        assert await sdk.get_spread(asset_id=token) == Decimal("0.04")
        assert await sdk.get_price(asset_id=token, side="SELL") == Decimal("0.52")
        assert await sdk.get_closed_only_mode() is False
        assert (await sdk.get_balance_allowance(asset_type="COLLATERAL")).balance == 10**10
        assert len(await sdk.fetch_api_keys()) == 1
        beat = await sdk.send_order_heartbeat()
        assert await sdk.send_order_heartbeat(heartbeat_id=beat.heartbeat_id)
        markets = (await sdk.list_markets(page_size=100).first_page()).items
        assert len(markets) == len(venue.world.markets)
        versions = {m.slug: m.version for m in markets}
        assert versions["eth-5k"] == "v2"
        found = await sdk.list_markets(condition_ids=[condition]).first_page()
        assert found.items[0].outcomes.yes.token_id == token
        events = await sdk.list_events(page_size=3).first_page()
        assert events.has_more
        assert await sdk.get_event(slug=events.items[0].slug)
        assert (await sdk.get_sports())[0].sport == "nba"
        assert (await sdk.search(q="celtics").first_page()).items
        tokens = await sdk.get_token_references(condition_ids=[condition])
        assert {item.asset_id for item in tokens} == set(market.tokens)
        open_resolution = (await sdk.get_resolutions(condition_ids=[condition]))[0]
        assert open_resolution.price is None
        state = await sdk.get_trading_approvals_state()
        assert state.is_fully_approved
        key = await sdk.create_builder_api_key()
        assert [info.key for info in await sdk.fetch_builder_api_keys()] == [key.key]
        assert (await sdk.list_series().first_page()).items
        assert (await sdk.list_tags().first_page()).items
        assert (await sdk.list_teams(league=["nba"]).first_page()).items
        assert await sdk.get_market_tags(market.gamma_id)
        assert await sdk.get_last_trade_prices(asset_ids=[token]) == (), "it never traded"
        assert await sdk.estimate_market_price(asset_id=token, side="BUY", amount=Decimal(5))
        assert (await sdk.cancel_all()).canceled == ()
        assert (await sdk.cancel_market_orders(market=condition)).canceled == ()


async def test_unified_client_sees_its_trade_in_every_list(tmp_path):
    async with launched(tmp_path) as (run, venue, market), client(run) as sdk:
        taken = await sdk.place_market_order(
            asset_id=market.tokens[0], side="BUY", amount=Decimal("5.2"), order_type="FAK"
        )
        await sdk.wait_for_order_fill_settlement(taken)
        trades = (await sdk.list_account_trades().first_page()).items
        assert [(t.size, t.price, t.trader_side) for t in trades] == [
            (Decimal(10), Decimal("0.52"), "TAKER")]  # fmt: skip
        position = (await sdk.list_positions(user=sdk.wallet).first_page()).items[0]
        assert (position.current_size, position.avg_price) == (Decimal(10), Decimal("0.52"))
        assert (await sdk.list_trades(user=sdk.wallet).first_page()).items
        assert (await sdk.list_activity(user=sdk.wallet).first_page()).items
        assert (await sdk.get_notifications())[0].type == 2
        history = await sdk.list_price_history(
            asset_id=market.tokens[1], interval="1d"
        ).first_page()
        assert [point.price for point in history.items] == [Decimal("0.48")]
        value = await sdk.get_portfolio_value()
        assert value.value == Decimal(5)
        sold = await sdk.place_market_order(
            asset_id=market.tokens[0], side="SELL", shares=Decimal(4), order_type="FAK"
        )
        assert sold.taking_amount == Decimal("1.92")
        await sdk.wait_for_order_fill_settlement(sold)
        operations.resolve(venue.world, market, (ONE, 0))
        resolved = (await sdk.get_resolutions(condition_ids=[market.condition_id]))[0]
        assert resolved.payouts == (Decimal(1), Decimal(0))
        assert (await sdk.get_notifications())[-1].type == 4


async def test_unified_client_streams(tmp_path):
    switches = {"reply_order": "events_first"}
    async with launched(tmp_path, **switches) as (run, venue, market), client(run) as sdk:
        books = await sdk.subscribe(
            MarketSpec(token_ids=list(market.tokens), custom_feature_enabled=True)
        )
        mine = await sdk.subscribe(UserSpec())
        games = await sdk.subscribe(SportsSpec())
        async with asyncio.timeout(10):
            first = await anext(aiter(books))
            assert first.type == "book"
            await sdk.place_limit_order(
                asset_id=market.tokens[0], price=Decimal("0.52"), size=Decimal(10), side="BUY"
            )
            kinds, states = [], []
            async for event in books:
                kinds.append(event.type)
                if event.type == "last_trade_price":
                    break
            async for event in mine:
                if event.type == "trade":
                    states.append(event.payload.status)
                    if event.payload.status == "CONFIRMED":
                        break
            event = next(e for e in venue.world.events.values() if e.game_id)
            venue.operator.apply("PATCH /events/{id}", {"id": event.id}, {"live": True})
            game = await anext(aiter(games))
        assert "book" in kinds
        assert states == ["MATCHED", "MINED", "CONFIRMED"]
        assert game.payload.live is True
        for handle in (books, mine, games):
            await handle.close()


@pytest.mark.parametrize("index", [0, 1, 2, 3])
async def test_unified_client_splits_merges_and_redeems(tmp_path, index):
    """An EOA by raw transactions, the wallets through the relayer."""
    async with launched(tmp_path) as (run, venue, market):
        account = venue.accounts[index]
        key = RelayerApiKey(key="local", address=account.owner)
        async with client(run, index, api_key=key) as sdk:
            wallet = venue.world.wallet(account.funder)
            condition = market.condition_id
            for amount, call in ((30 * ONE, sdk.split_position), (10 * ONE, sdk.merge_positions)):
                handle = await call(condition_id=condition, amount=amount)
                await handle.wait()
            assert [wallet.tokens[t] for t in market.tokens] == [20 * ONE] * 2
            operations.resolve(venue.world, market, (ONE // 2, ONE // 2))
            handle = await sdk.redeem_positions(condition_id=condition)
            await handle.wait()
            assert wallet.tokens == {}
            assert wallet.cash == 10_000 * ONE


async def test_unified_client_sets_missing_approvals(tmp_path):
    async with launched(tmp_path) as (run, venue, market):
        wallet = venue.world.wallet(venue.accounts[0].funder)
        wallet.allowances.clear()
        wallet.operators.clear()
        async with client(run) as sdk:
            before = await sdk.get_trading_approvals_state()
            assert len(before.missing.erc20) >= 6
            for missing in before.missing.erc20:
                handle = await sdk.approve_erc20(
                    token_address=missing.token_address,
                    spender_address=missing.spender,
                    amount=missing.amount,
                )
                await handle.wait()
            for missing in before.missing.erc1155:
                handle = await sdk.approve_erc1155_for_all(
                    token_address=missing.token_address, operator_address=missing.operator
                )
                await handle.wait()
            assert (await sdk.get_trading_approvals_state()).is_fully_approved
            order = await sdk.place_limit_order(
                asset_id=market.tokens[0], price=Decimal("0.4"), size=Decimal(10), side="BUY"
            )
            assert order.ok


async def test_unified_client_trades_protocol_v2(tmp_path):
    async with launched(tmp_path, itode_delay_ms=0) as (run, venue, _), client(run) as sdk:
        market = next(m for m in venue.world.markets.values() if m.version == "v2")
        operations.quote(venue.world, market, [(480_000, 90 * ONE)], [(520_000, 90 * ONE)])
        order = await sdk.place_limit_order(
            asset_id=market.tokens[0], price=Decimal("0.52"), size=Decimal(10), side="BUY"
        )
        assert order.status == "matched"


async def test_ready_file_has_the_agreed_shape(tmp_path):
    async with launched(tmp_path) as (run, _, _):
        ready = json.loads((tmp_path / "ready.json").read_text())
        assert ready == run.ready
        part = ready["polymarket"]
        assert {"clob", "gamma", "data", "ws_market", "ws_user", "chain_id", "accounts",
                "tokens"} <= set(part)  # fmt: skip
        assert {"private_key", "funder", "signature_type", "api_key", "api_secret",
                "api_passphrase"} <= set(part["accounts"][0])  # fmt: skip
        assert part["chain_id"] == 137


async def test_a_newcomer_from_key_to_order(tmp_path):
    """A key the venue never saw: API key, deposit wallet, funds, approvals, order."""
    async with launched(tmp_path) as (run, venue, market):
        secret = "0x" + "5a" * 32
        ready = run.ready["polymarket"]
        key = RelayerApiKey(key="local", address=Account.from_key(secret).address)
        sdk = await AsyncSecureClient.create(
            private_key=secret, environment=environment(ready), api_key=key
        )
        try:
            assert sdk.wallet_type == "DEPOSIT_WALLET"
            wallet = venue.world.wallet(sdk.wallet)
            assert (wallet.signature_type, wallet.cash) == (3, 0)
            order = {"asset_id": market.tokens[0], "price": Decimal("0.4"), "size": Decimal(10)}
            with pytest.raises(RequestRejectedError, match="not enough balance"):
                await sdk.place_limit_order(**order, side="BUY")
            funds = {"add_cash": "100"}
            venue.operator.apply("PATCH /accounts/{address}", {"address": wallet.address}, funds)
            # With a relayer key the client gives missing approvals itself and tries again.
            assert (await sdk.place_limit_order(**order, side="BUY")).status == "live"
            assert wallet.allowances
        finally:
            await sdk.close()
