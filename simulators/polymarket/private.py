"""The order book's private REST: keys, orders, cancels, trades, balances, heartbeats."""

from __future__ import annotations

from typing import Any

from simulators.polymarket import auth, operations, orders
from simulators.polymarket.ledger import (
    MAX_ALLOWANCE,
    SPENDERS,
    operator_key,
    shares_contract,
)
from simulators.polymarket.model import OPEN, Order, OrderStatus, Refusal, Trade, Wallet
from simulators.polymarket.public import full_market
from simulators.polymarket.records import is_party, open_order, rest_trade
from simulators.polymarket.routes import Answer, Call, Route, page
from simulators.polymarket.wallets import DEPOSIT, EOA, wallet_for
from simulators.polymarket.world import NS_PER_S, ApiKey
from simulators.wire import Json

_PAGE = 100
_HTML_403 = (
    "<!DOCTYPE html><html><head><title>Attention Required! | Cloudflare</title></head>"
    "<body><h1>Sorry, you have been blocked</h1></body></html>"
)


def _credentials(key: ApiKey) -> dict[str, str]:
    return {"apiKey": key.key, "secret": key.secret, "passphrase": key.passphrase}


def _login(call: Call) -> tuple[str, int]:
    if call.login is None:
        raise Refusal(401, "Invalid L1 Request headers")
    return call.login


def _create_key(call: Call) -> Json:
    address, nonce = _login(call)
    key = auth.create_key(call.world, address, nonce)
    for kind in (EOA, DEPOSIT):
        call.world.ledger.open(wallet_for(address, kind), key.address, kind)
    return _credentials(key)


def _derive_key(call: Call) -> Json:
    return _credentials(auth.derive_key(call.world, *_login(call)))


def _keys(call: Call, *, readonly: bool) -> list[str]:
    mine = call.owner.address.lower()
    return [
        k.key
        for k in call.world.keys.values()
        if k.address.lower() == mine and k.readonly is readonly
    ]


def _list_keys(call: Call) -> Json:
    return {"apiKeys": _keys(call, readonly=False)}


def _delete_key(call: Call) -> Json:
    call.world.keys.pop(call.owner.key, None)
    return "OK"


def _readonly_key(call: Call) -> Json:
    key = auth.make_key(call.world, call.owner.address, call.world.next(), readonly=True)
    call.world.keys[key.key] = key
    return _credentials(key)


def _delete_readonly(call: Call) -> Json:
    asked = str(call.body.get("key", "")) if isinstance(call.body, dict) else ""
    if asked not in _keys(call, readonly=True):
        raise Refusal(404, "api key not found")
    del call.world.keys[asked]
    return True


def _builder_key(call: Call) -> Json:
    key = auth.make_key(call.world, call.owner.address, call.world.next(), readonly=True)
    call.world.builder_keys[key.key] = key.address
    return {"key": key.key, "secret": key.secret, "passphrase": key.passphrase}


def _builder_keys(call: Call) -> Json:
    mine = call.owner.address
    return [{"key": key} for key, owner in call.world.builder_keys.items() if owner == mine]


def _drop_builder_keys(call: Call) -> Json:
    for row in _builder_keys(call):
        del call.world.builder_keys[row["key"]]
    return "OK"


def _gate(call: Call) -> None:
    """Refuse orders from a restricted region; reads and cancels go on."""
    if not call.world.blocked_region:
        return
    if call.world.switches["geoblock_body"] == "html":
        raise Refusal(403, "blocked", html=_HTML_403)
    raise Refusal(
        403,
        "Trading restricted in your region, please refer to available regions -"
        " https://docs.polymarket.com/polymarket-learn/FAQ/geoblocking",
    )


def _charge(call: Call, kind: str, cost: int) -> None:
    switches = call.world.switches
    headers = call.limits.signer(
        call.owner.address.lower(),
        kind,
        cost,
        call.world.now_ns,
        str(switches["rate_tier"]),
        str(switches["signer_limits"]),
    )
    call.headers.update(headers)


def _post_order(call: Call) -> Json:
    _gate(call)
    _charge(call, "orders", 1)
    return orders.post_order(call.world, call.owner, call.body)


def _post_orders(call: Call) -> Json:
    _gate(call)
    _charge(call, "orders", len(call.body) if isinstance(call.body, list) else 1)
    return orders.post_orders(call.world, call.owner, call.body)


def _cancel(call: Call) -> Json:
    _charge(call, "cancels", 1)
    wanted = call.body.get("orderID") if isinstance(call.body, dict) else None
    if not isinstance(wanted, str) or not wanted.startswith("0x"):
        raise Refusal(400, "Invalid orderID")
    return orders.cancel(call.world, call.owner, [wanted])


def _cancel_many(call: Call) -> Json:
    ids = call.body
    if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
        raise Refusal(400, "Invalid order payload")
    limit = call.world.switches.number("max_cancel_batch")
    if len(ids) > limit:
        raise Refusal(400, f"Too many orders in payload: {len(ids)}, max allowed: {limit}")
    _charge(call, "cancels", max(1, len(ids)))
    return orders.cancel(call.world, call.owner, dict.fromkeys(ids))


def _cancel_all(call: Call) -> Json:
    mine = call.owner.address.lower()
    count = len(call.world.orders_of(lambda o: o.by == mine and o.status == OrderStatus.LIVE))
    _charge(call, "cancels", 1 + count)
    return orders.cancel_where(call.world, call.owner, lambda _: True)


def _cancel_market(call: Call) -> Json:
    body = call.body if isinstance(call.body, dict) else {}
    market, asset = str(body.get("market", "")).lower(), str(body.get("asset_id", ""))
    if not market and not asset:
        raise Refusal(400, "Invalid order payload")
    _charge(call, "cancels", 1)
    return orders.cancel_where(
        call.world,
        call.owner,
        lambda o: (
            (not market or o.market.condition_id == market) and (not asset or o.token == asset)
        ),
    )


def _heartbeat(call: Call) -> Json:
    key = call.owner
    body = call.body if isinstance(call.body, dict) else {}
    scope = key.key if call.world.switches["heartbeat_scope"] == "key" else key.address.lower()
    given = body.get("heartbeat_id") or ""
    return {"heartbeat_id": operations.beat(call.world, scope, str(given))}


def _mine(call: Call) -> list[Order]:
    owner = call.owner.address.lower()
    return call.world.orders_of(lambda o: o.by == owner and o.id not in call.hidden)


def _open_orders(call: Call) -> Json:
    wanted, market, asset = call.one("id"), call.one("market").lower(), call.one("asset_id")
    rows = [
        open_order(o)
        for o in _mine(call)
        if o.status in OPEN
        and (not wanted or o.id == wanted)
        and (not market or o.market.condition_id == market)
        and (not asset or o.token == asset)
    ]
    return page(rows, call.one("next_cursor"), _PAGE)


def _order(call: Call) -> Json:
    wanted = call.path["id"].lower()
    if not wanted.startswith("0x"):
        raise Refusal(400, "Invalid orderID")
    order = call.world.orders.get(wanted)
    choice = call.world.switches["cancelled_order_query"]
    absent = order is None or order.by != call.owner.address.lower() or order.id in call.hidden
    if absent or (order is not None and order.status not in OPEN and choice != "order"):
        if choice == "null":
            return None
        raise Refusal(404, "order not found")
    assert order is not None
    return open_order(order)


def _trades(call: Call) -> Json:
    owner = call.owner.address.lower()
    wanted, market = call.one("id"), call.one("market").lower()
    asset, maker = call.one("asset_id"), call.one("maker_address").lower()
    after, before = call.integer("after", 0), call.integer("before", 1 << 40)

    def shown(trade: Trade) -> bool:
        taker = trade.taker
        wallets = {taker.wallet.address.lower()}
        wallets.update(fill.maker.wallet.address.lower() for fill in trade.fills)
        return (
            bool(is_party(trade, owner))
            and trade.id not in call.hidden
            and taker.id not in call.hidden
            and (not wanted or trade.id == wanted)
            and (not market or taker.market.condition_id == market)
            and (not asset or taker.token == asset)
            and (not maker or maker in wallets)
            and after <= trade.match_ns // NS_PER_S <= before
        )

    found = [trade for trade in call.world.trades.values() if shown(trade)]
    newest = sorted(found, key=lambda t: (-t.match_ns, -t.ordinal))
    rows = [rest_trade(t, owner, call.world.now_ns, call.world.switches) for t in newest]
    return page(rows, call.one("next_cursor"), _PAGE)


def _wallet(call: Call) -> Wallet | None:
    text = call.one("signature_type", "0")
    if text not in ("0", "1", "2", "3"):
        raise Refusal(400, "Invalid signature_type")
    kind, key = int(text), call.owner
    for wallet in call.world.ledger.wallets.values():
        if wallet.signature_type == kind and (
            wallet.owner.lower() == key.address.lower()
            or key.address.lower() in wallet.session_keys
        ):
            return wallet
    return None


def _balance(call: Call) -> Json:
    kind, token = call.one("asset_type"), call.one("token_id")
    if kind not in ("COLLATERAL", "CONDITIONAL", "CONDITIONAL-V2"):
        raise Refusal(400, "Invalid asset type")
    if kind != "COLLATERAL":
        call.market(token)
    wallet = _wallet(call)
    if wallet is None:
        return {"balance": "0", "allowances": dict.fromkeys(SPENDERS, "0")}
    if kind == "COLLATERAL":
        balance, given = wallet.seen_cash, wallet.allowances
        allowances = {spender: str(given.get(spender.lower(), 0)) for spender in SPENDERS}
    else:
        balance = wallet.seen_tokens.get(token, 0)
        contract = shares_contract(call.market(token))
        given_to = wallet.operators
        allowances = {
            spender: str(MAX_ALLOWANCE if operator_key(contract, spender) in given_to else 0)
            for spender in SPENDERS
        }
    return {"balance": str(balance), "allowances": allowances}


def _refresh_balance(call: Call) -> Json:
    wallet = _wallet(call)
    if wallet is not None:
        call.world.ledger.refresh(wallet)
    return Answer("", kind="text/plain")


def _closed_only(call: Call) -> Json:
    owner = call.owner.address.lower()
    wallets = call.world.ledger.wallets.values()
    return {"closed_only": any(w.closed_only for w in wallets if w.owner.lower() == owner)}


def _scoring(call: Call) -> Json:
    order = call.world.orders.get(call.one("order_id").lower())
    return {"scoring": order is not None and order.status == OrderStatus.LIVE}


def _scorings(call: Call) -> Json:
    ids = call.body if isinstance(call.body, list) else call.many("order_ids")
    live = {o.id for o in _mine(call) if o.status == OrderStatus.LIVE}
    return {str(item): str(item).lower() in live for item in ids}


def _notifications(call: Call) -> Json:
    owner = call.owner.address.lower()
    rows = []
    for row in call.world.notices:
        if row["owner"] != owner:
            continue
        payload = row["payload"]
        market = call.world.markets.get(payload.get("condition_id", ""))
        if market is not None:
            payload = full_market(call, market)
        rows.append({**row, "owner": call.owner.key, "payload": payload})
    return rows


def _drop_notifications(call: Call) -> Json:
    gone, owner = set(call.many("ids")), call.owner.address.lower()
    call.world.notices[:] = [
        row for row in call.world.notices if row["owner"] != owner or str(row["id"]) not in gone
    ]
    return "OK"


def _tier(call: Call) -> Json:
    return {"tier": call.world.switches["rate_tier"]}


def _nothing(call: Call) -> Json:
    return page([], call.one("next_cursor"), _PAGE)


def _empty(_: Call) -> Json:
    return []


def _builder_fee(_: Call) -> dict[str, Any]:
    return {"builder_maker_fee_rate_bps": 0, "builder_taker_fee_rate_bps": 0}


ROUTES = (
    Route("POST", "/auth/api-key", _create_key, "l1"),
    Route("GET", "/auth/derive-api-key", _derive_key, "l1"),
    Route("GET", "/auth/api-keys", _list_keys, "l2"),
    Route("DELETE", "/auth/api-key", _delete_key, "l2"),
    Route("POST", "/auth/readonly-api-key", _readonly_key, "l2"),
    Route("GET", "/auth/readonly-api-keys", lambda c: {"readonlyApiKeys": _keys(c, readonly=True)},
          "l2"),
    Route("DELETE", "/auth/readonly-api-key", _delete_readonly, "l2"),
    Route("POST", "/auth/builder-api-key", _builder_key, "l2"),
    Route("GET", "/auth/builder-api-key", _builder_keys, "l2"),
    Route("DELETE", "/auth/builder-api-key", _drop_builder_keys, "l2"),
    Route("GET", "/auth/ban-status/closed-only", _closed_only, "l2"),
    Route("POST", "/order", _post_order, "l2"),
    Route("POST", "/orders", _post_orders, "l2"),
    Route("DELETE", "/order", _cancel, "l2"),
    Route("DELETE", "/orders", _cancel_many, "l2"),
    Route("DELETE", "/cancel-all", _cancel_all, "l2"),
    Route("DELETE", "/cancel-market-orders", _cancel_market, "l2"),
    Route("POST", "/v1/heartbeats", _heartbeat, "l2"),
    Route("POST", "/heartbeats", lambda _: {"status": "ok"}, "l2"),
    Route("GET", "/data/orders", _open_orders, "l2"),
    Route("GET", "/data/order/{id}", _order, "l2"),
    Route("GET", "/data/trades", _trades, "l2"),
    Route("GET", "/data/pre-migration-orders", _nothing, "l2"),
    Route("GET", "/balance-allowance", _balance, "l2"),
    Route("GET", "/balance-allowance/update", _refresh_balance, "l2"),
    Route("GET", "/order-scoring", _scoring, "l2"),
    Route("POST", "/orders-scoring", _scorings, "l2"),
    Route("GET", "/notifications", _notifications, "l2"),
    Route("DELETE", "/notifications", _drop_notifications, "l2"),
    Route("GET", "/v1/user/rate-limit-tier", _tier, "l2"),
    Route("GET", "/builder/trades", _nothing),
    Route("GET", "/fees/builder-fees/{code}", _builder_fee),
    Route("GET", "/rewards/markets/current", _nothing),
    Route("GET", "/rewards/markets/{condition}", _nothing),
    Route("GET", "/rewards/user", _nothing, "l2"),
    Route("GET", "/rewards/user/total", _empty, "l2"),
    Route("GET", "/rebates/current", _empty),
)  # fmt: skip
