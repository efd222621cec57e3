"""Run py-clob-client-v2, unmodified, through every call an adapter uses. Argument: ready file."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from py_clob_client_v2.client import ClobClient
from py_clob_client_v2.clob_types import (
    AssetType,
    BalanceAllowanceParams,
    BookParams,
    MarketOrderArgsV2,
    OpenOrderParams,
    OrderArgsV2,
    OrderMarketCancelParams,
    OrderPayload,
    OrderType,
    PostOrdersV2Args,
    PricesHistoryParams,
    TradeParams,
)
from py_clob_client_v2.exceptions import PolyApiException


def refused(call, words):
    with pytest.raises(PolyApiException) as caught:
        call()
    assert words in str(caught.value.error_msg)


def public_calls(client, token, condition):
    assert client.get_ok() == "OK"
    assert client.get_version() == 2
    assert int(client.get_server_time()) > 1_700_000_000
    book = client.get_order_book(token)
    assert client.get_order_books([BookParams(token_id=token)])
    bids, asks = (book[s] if isinstance(book, dict) else getattr(book, s) for s in ("bids", "asks"))
    assert bids
    assert asks
    assert client.get_tick_size(token) == "0.01"
    assert client.get_neg_risk(token) is False
    assert client.get_fee_rate_bps(token) == 1000
    assert float(client.get_midpoint(token)["mid"]) > 0
    assert float(client.get_price(token, "BUY")["price"]) == 0.48
    assert client.get_prices([BookParams(token_id=token, side="SELL")])[token] == {"SELL": "0.52"}
    assert client.get_spread(token) == {"spread": "0.04"}
    assert client.get_last_trade_price(token)["price"] == "0.5"
    assert client.get_market(condition)["condition_id"] == condition
    assert client.get_clob_market_info(condition)["c"] == condition
    assert client.get_markets()["data"]
    assert client.get_simplified_markets()["data"]
    assert client.get_prices_history(PricesHistoryParams(market=token, interval="1d")) == {
        "history": []}  # fmt: skip


def private_calls(client, token, condition):
    resting = OrderArgsV2(token_id=token, price=0.40, size=10, side="BUY")
    order = client.create_and_post_order(resting)
    assert (order["success"], order["status"]) == (True, "live")
    assert client.get_order(order["orderID"])["status"] == "LIVE"
    assert [o["id"] for o in client.get_open_orders(OpenOrderParams(market=condition))] == [
        order["orderID"]]  # fmt: skip
    payload = OrderPayload(orderID=order["orderID"])
    assert client.cancel_order(payload)["canceled"] == [order["orderID"]]
    again = client.cancel_order(payload)
    assert list(again["not_canceled"]) == [order["orderID"]]
    signed = [client.create_order(OrderArgsV2(token_id=token, price=p, size=5, side="BUY"))
              for p in (0.41, 0.42)]  # fmt: skip
    batch = client.post_orders([PostOrdersV2Args(order=o, orderType=OrderType.GTC)
                                for o in signed])  # fmt: skip
    ids = [entry["orderID"] for entry in batch]
    assert client.cancel_orders(ids[:1])["canceled"] == ids[:1]
    by_market = client.cancel_market_orders(OrderMarketCancelParams(market=condition))
    assert by_market["canceled"] == ids[1:]
    assert client.cancel_all() == {"canceled": [], "not_canceled": {}}
    refused(lambda: client.post_order(client.create_order(resting), OrderType.FOK), "FOK orders")
    crossing = OrderArgsV2(token_id=token, price=0.60, size=10, side="BUY")
    refused(lambda: client.create_and_post_order(crossing, post_only=True), "crosses book")
    beat = client.post_heartbeat()["heartbeat_id"]
    assert client.post_heartbeat(beat)["heartbeat_id"] != beat
    assert client.get_closed_only_mode() == {"closed_only": False}
    assert client.get_api_keys()["apiKeys"]


def trading_calls(client, token, condition):
    market = MarketOrderArgsV2(token_id=token, amount=5.2, side="BUY", price=0.52)
    answer = client.create_and_post_market_order(market, order_type=OrderType.FAK)
    assert answer["status"] == "matched"
    assert (answer["makingAmount"], answer["takingAmount"]) == ("5.2", "10")
    assert answer["transactionsHashes"], "the client waited until the trade was mined"
    trades = client.get_trades(TradeParams(market=condition))
    assert {t["id"] for t in trades} == set(answer["tradeIDs"])
    held = BalanceAllowanceParams(asset_type=AssetType.CONDITIONAL, token_id=token)
    assert client.get_balance_allowance(held)["balance"] == "10000000"
    cash = BalanceAllowanceParams(asset_type=AssetType.COLLATERAL)
    client.update_balance_allowance(cash)
    before = int(client.get_balance_allowance(cash)["balance"])
    sale = client.create_and_post_order(
        OrderArgsV2(token_id=token, price=0.48, size=10, side="SELL"), order_type=OrderType.GTC
    )
    assert (sale["status"], sale["takingAmount"]) == ("matched", "4.8")
    gained = int(client.get_balance_allowance(cash)["balance"]) - before
    assert gained == 4_800_000 - 124_800, "proceeds less 10 × 0.05 × 0.48 × 0.52"
    assert client.get_notifications()


def main() -> None:
    ready = json.loads(Path(sys.argv[1]).read_text())["polymarket"]
    token, condition = sys.argv[2], sys.argv[3]
    for number, account in enumerate(ready["accounts"][:4]):
        client = ClobClient(
            ready["clob"],
            ready["chain_id"],
            key=account["private_key"],
            signature_type=account["signature_type"],
            funder=account["funder"],
        )
        keys = client.create_or_derive_api_key()
        assert keys.api_key == account["api_key"]
        client.set_api_creds(keys)
        if number == 0:
            public_calls(client, token, condition)
            private_calls(client, token, condition)
        trading_calls(client, token, condition)
        print(f"signature type {account['signature_type']}: ok")


if __name__ == "__main__":
    main()
