"""The per-wallet Data API v2: positions, trades, activity, resolutions; it lags the chain."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import Any

from simulators.polymarket.ledger import (
    ADAPTERS,
    CONDITIONAL_TOKENS,
    MAX_ALLOWANCE,
    POSITION_MANAGER,
    PUSD,
    SPENDERS,
    operator_key,
)
from simulators.polymarket.model import BUY, Market, Refusal
from simulators.polymarket.routes import Answer, Call, Route
from simulators.polymarket.stamps import date
from simulators.polymarket.units import ONE, number, text, units
from simulators.polymarket.world import NS_PER_MS, NS_PER_S, World
from simulators.wire import Json

_DUST = ONE // 10
_MAX = 1000
_MAX_CONDITIONS = 20


@dataclass(slots=True)
class Holding:
    """A wallet's history in one outcome, folded from the indexed rows."""

    market: Market
    outcome: int
    size: int = 0
    cost: int = 0
    fees: int = 0
    bought: int = 0
    realized: int = 0
    first_ns: int = 0
    last_ns: int = 0

    def add(self, shares: int, cash: int, fee: int, ns: int) -> None:
        """Take shares in (or, negative, out) for cash."""
        self.first_ns = self.first_ns or ns
        self.last_ns = ns
        if shares >= 0:
            self.size += shares
            self.cost += cash
            self.bought += shares
            self.fees += fee
            return
        gone = min(-shares, self.size)
        basis = self.cost * gone // self.size if self.size else 0
        self.size -= gone
        self.cost -= basis
        self.realized += cash - basis


def holdings(world: World, address: str, now_ns: int) -> list[Holding]:
    """Fold what the indexer has seen of a wallet into holdings."""
    found: dict[tuple[str, int], Holding] = {}

    def slot(condition: str, outcome: int) -> Holding:
        key = (condition, outcome)
        if key not in found:
            found[key] = Holding(world.markets[condition], outcome)
        return found[key]

    for row in indexed(world, address, now_ns):
        ns, kind = row["ns"], row["type"]
        if kind in ("TRADE", "TRANSFER"):
            sign = 1 if row["side"] == BUY else -1
            held = slot(row["market"], row["outcome"])
            held.add(sign * row["shares"], row["cash"], row.get("fee", 0), ns)
        elif kind in ("SPLIT", "MERGE"):
            sign = 1 if kind == "SPLIT" else -1
            for outcome in (0, 1):
                slot(row["market"], outcome).add(sign * row["shares"], row["cash"] // 2, 0, ns)
        elif kind == "REDEEM":
            for outcome, shares in row["burnt"].items():
                payouts = world.markets[row["market"]].payouts or (0, 0)
                paid = shares * payouts[outcome] // ONE
                slot(row["market"], outcome).add(-shares, paid, 0, ns)
    return list(found.values())


def indexed(world: World, address: str, now_ns: int) -> list[dict[str, Any]]:
    """Return a wallet's rows that are older than the indexer's lag, oldest first."""
    limit = now_ns - world.switches.number("indexer_ms") * NS_PER_MS
    mine = address.lower()
    return [r for r in world.activity if r["wallet"].lower() == mine and r["ns"] <= limit]


def _user(call: Call) -> str:
    user = call.one("user")
    if not user.startswith("0x") or len(user) != 42:
        raise Refusal(400, "user is required", code="invalid_argument", retryable=False)
    return user


def _conditions(call: Call) -> set[str]:
    asked = [value.lower() for value in call.many("condition_id")]
    if len(set(asked)) > _MAX_CONDITIONS:
        raise Refusal(400, "too many condition_id values", code="invalid_argument", retryable=False)
    for value in asked:
        if len(value) != 66:
            raise Refusal(
                400, "condition_id must be 64 hex", code="invalid_argument", retryable=False
            )
    return set(asked)


def _page(call: Call, rows: list[Any], default: int = 100) -> dict[str, Any]:
    limit = max(1, min(_MAX, call.integer("limit", default)))
    start = call.integer("offset", 0)
    cursor = call.one("cursor")
    if cursor:
        try:
            start = int(base64.urlsafe_b64decode(cursor).decode())
        except (ValueError, binascii.Error) as error:
            raise Refusal(
                400, "invalid cursor", code="invalid_argument", retryable=False
            ) from error
    more = start + limit < len(rows)
    after = base64.urlsafe_b64encode(str(start + limit).encode()).decode() if more else None
    return {
        "data": rows[start : start + limit],
        "pagination": {"limit": limit, "offset": start, "has_more": more, "next_cursor": after},
    }


def _price(market: Market, outcome: int) -> int:
    if market.payouts is not None:
        return market.payouts[outcome]
    bid, ask = market.book.best(outcome)
    if bid is not None and ask is not None:
        return (bid + ask) // 2
    return market.last_price.get(outcome, ONE // 2)


def _position(world: World, address: str, held: Holding) -> dict[str, Any]:
    market, outcome = held.market, held.outcome
    event = world.events[market.event_id]
    price = _price(market, outcome)
    value = held.size * price // ONE
    unrealized = value - held.cost
    resolved = market.payouts is not None
    status = "CLOSED" if held.size == 0 else ("REDEEMABLE" if resolved else "OPEN")
    total = held.realized + unrealized
    return {
        "proxy_wallet": address,
        "token_id": market.tokens[outcome],
        "condition_id": market.condition_id,
        "current_size": number(held.size),
        "avg_price": number(held.cost * ONE // held.size) if held.size else 0,
        "entry_cost_usdc": number(held.cost),
        "entry_fees_usdc": number(held.fees),
        "total_cost_usdc": number(held.cost + held.fees),
        "current_price": number(price),
        "current_value": number(value),
        "total_size": number(held.bought),
        "realized_pnl": number(held.realized),
        "unrealized_pnl": number(unrealized),
        "total_pnl": number(total),
        "percent_pnl": number(total * 100 * ONE // held.cost) if held.cost else 0,
        "percent_realized_pnl": 0,
        "status": status,
        "redeemable": resolved and held.size > 0,
        "mergeable": False,
        "negative_risk": market.neg_risk,
        "archived": False,
        "verified": False,
        "title": market.question,
        "slug": market.slug,
        "icon": "",
        "event_slug": event.slug,
        "event_id": event.id,
        "outcome": market.outcomes[outcome],
        "outcome_index": outcome,
        "opposite_outcome": market.outcomes[1 - outcome],
        "opposite_token_id": market.tokens[1 - outcome],
        "end_date": date(market.end_ns),
        "first_entry_at": held.first_ns // NS_PER_S,
        "last_event_at": held.last_ns // NS_PER_S,
    }


def _status_fits(row: dict[str, Any], wanted: str) -> bool:
    if wanted == "REDEEMABLE_LOST":
        return bool(row["status"] == "REDEEMABLE" and row["current_price"] == 0)
    if wanted == "MERGEABLE":
        return bool(row["mergeable"])
    if wanted:
        return bool(row["status"] == wanted)
    return bool(row["status"] != "CLOSED")


def _positions(call: Call) -> Json:
    user, conditions = _user(call), _conditions(call)
    try:
        smallest = units(call.one("filter_amount") or text(_DUST))
    except ValueError as error:
        raise Refusal(400, str(error), code="invalid_argument", retryable=False) from error
    rows = []
    for held in holdings(call.world, user, call.world.now_ns):
        row = _position(call.world, user, held)
        wanted = call.one("status").upper()
        dust = held.size < smallest and wanted != "CLOSED"
        if dust or (conditions and row["condition_id"] not in conditions):
            continue
        rows.append(row)
    both = [row["condition_id"] for row in rows if row["status"] == "OPEN"]
    for row in rows:
        row["mergeable"] = both.count(row["condition_id"]) == 2
    return _page(call, [row for row in rows if _status_fits(row, call.one("status").upper())])


def _row(world: World, row: dict[str, Any]) -> dict[str, Any]:
    """Return one activity row as printed."""
    body: dict[str, Any] = {
        "type": row["type"],
        "proxy_wallet": row["wallet"],
        "timestamp": row["ns"] // NS_PER_S,
        "transaction_hash": row["tx"],
        "usdc_size": number(row.get("cash", 0)),
        "size": number(row.get("shares", 0)),
        "is_combo": False,
    }
    market = world.markets.get(row.get("market", ""))
    if market is None:
        return body
    body.update(
        condition_id=market.condition_id,
        title=market.question,
        slug=market.slug,
        icon="",
        event_slug=world.events[market.event_id].slug,
    )
    if row["type"] == "TRADE":
        outcome, shares = row["outcome"], row["shares"]
        body.update(
            token_id=market.tokens[outcome],
            side=row["side"],
            price=number(row["cash"] * ONE // shares) if shares else 0,
            outcome=market.outcomes[outcome],
            outcome_index=outcome,
        )
    return body


def _window(call: Call, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep the asked time span; without one the feed starts a day ago."""
    now_s = call.world.now_ns // NS_PER_S
    start, end = call.integer("start", now_s - 86_400), call.integer("end", now_s + 1)
    kept = [row for row in rows if start <= row["ns"] // NS_PER_S <= end]
    newest_first = call.one("sort_direction").upper() != "ASC"
    return kept[::-1] if newest_first else kept


def _feed(call: Call) -> list[dict[str, Any]]:
    conditions, side = _conditions(call), call.one("side").upper()
    rows = _window(call, indexed(call.world, _user(call), call.world.now_ns))
    return [
        row
        for row in rows
        if row["type"] != "TRANSFER"
        and (not conditions or row.get("market") in conditions)
        and (not side or row.get("side") == side)
    ]


def _trades(call: Call) -> Json:
    taker_only = call.one("taker_only", "true").lower() != "false"
    rows = [
        _row(call.world, row)
        for row in _feed(call)
        if row["type"] == "TRADE" and (row["taker"] or not taker_only)
    ]
    return _page(call, [{k: v for k, v in row.items() if k != "type"} for row in rows])


def _activity(call: Call) -> Json:
    wanted = {value.upper() for value in call.many("type")}
    rows = [row for row in _feed(call) if not wanted or row["type"] in wanted]
    printed: list[dict[str, Any]] = []
    for row in rows:
        if row["type"] != "REDEEM":
            printed.append(_row(call.world, row))
            continue
        market = call.world.markets[row["market"]]
        for outcome, shares in row["burnt"].items():
            paid = shares * (market.payouts or (0, 0))[outcome] // ONE
            part = {**row, "cash": paid, "shares": shares}
            extra = {"outcome_index": outcome, "token_id": market.tokens[outcome]}
            printed.append({**_row(call.world, part), **extra})
    return _page(call, printed)


def _asked_markets(call: Call) -> list[Market]:
    conditions, questions = _conditions(call), set(call.many("question_id"))
    events = set(call.many("event_id"))
    return [
        m
        for m in call.world.markets.values()
        if m.condition_id in conditions or m.question_id in questions or m.event_id in events
    ]


def _resolutions(call: Call) -> Json:
    rows = []
    for market in _asked_markets(call):
        resolved = market.payouts is not None
        status = "resolved" if resolved else (market.uma_status or "initialized")
        status = {"requested": "posed"}.get(status, status)
        rows.append(
            {
                "question_id": market.question_id,
                "condition_id": market.condition_id,
                "status": status,
                "extended_review": False,
                "expected_settlement_time": None,
                "settlement_time_basis": None,
                "was_disputed": market.uma_status == "disputed",
                "new_version_q": False,
                "proposed_price": "69",
                "reproposed_price": "69",
                "price": number(market.payouts[0]) if market.payouts else "69",
                "transaction_hash": call.world.tx_hash("resolve", market.condition_id),
                "log_index": 1,
                "last_update_timestamp": (market.closed_ns or market.start_ns) // NS_PER_S,
                "market_type": "BINARY",
                "payouts": list(market.payouts) if market.payouts else None,
                "resolution_source": None,
                "reporter": None,
                "was_arbitrated": False,
                "resolved_block": 1 if resolved else None,
                "resolved_at": None,
            }
        )
    return {"data": rows}


def _value(call: Call) -> Json:
    user = _user(call)
    held = holdings(call.world, user, call.world.now_ns)
    total = sum(h.size * _price(h.market, h.outcome) // ONE for h in held)
    return {"data": {"proxy_wallet": user, "value": number(total)}}


def _interest(call: Call) -> Json:
    conditions = _conditions(call)
    locked = call.world.ledger.collateral
    if not conditions:
        return {"data": [{"condition_id": "GLOBAL", "value": number(sum(locked.values()))}]}
    return {
        "data": [{"condition_id": c, "value": number(locked.get(c, 0))} for c in sorted(conditions)]
    }


def _tokens(call: Call) -> Json:
    wanted, conditions = set(call.many("token_id")), {c.lower() for c in call.many("condition")}
    rows = []
    for market in call.world.markets.values():
        for outcome, token in enumerate(market.tokens):
            if token not in wanted and market.condition_id not in conditions:
                continue
            event = call.world.events[market.event_id]
            v2 = "neg_risk" if market.neg_risk else "binary"
            rows.append(
                {
                    "token_id": token,
                    "condition_id": market.condition_id,
                    "structural_condition_id": None,
                    "module": v2 if market.version == "v2" else "v1_ctf",
                    "outcome_index": outcome,
                    "clob_index": outcome,
                    "outcome": market.outcomes[outcome],
                    "opposite_token_id": market.tokens[1 - outcome],
                    "resolved": market.payouts is not None,
                    "final_price": number(market.payouts[outcome]) if market.payouts else None,
                    "title": market.question,
                    "market_slug": market.slug,
                    "closed": market.closed,
                    "neg_risk": market.neg_risk,
                    "neg_risk_market_id": event.neg_risk_id or None,
                    "question_index": None,
                    "event_id": int(event.id),
                    "event_slug": event.slug,
                }
            )
    return {"data": rows}


def _price_history(call: Call) -> Json:
    """Return traded prices of a token, newest last; resolution 0 is an exact trade."""
    token = call.one("token_id")
    market = call.world.by_token.get(token)
    if market is None:
        raise Refusal(404, "token not found", code="not_found", retryable=False)
    start, end = call.integer("start", 0), call.integer("end", 1 << 40)
    outcome, rows = market.index(token), []
    for second, price in market.history:
        if start <= second <= end:
            shown = number(price if outcome == 0 else ONE - price)
            rows.append({"timestamp": second, "price": shown, "resolution_seconds": 0})
    return _page(call, rows, default=_MAX)


def approvals(call: Call) -> Json:
    """Return the approvals of a wallet as the indexer lists them."""
    user = _user(call)
    wallet = call.world.wallet(user)
    given = wallet.allowances if wallet is not None else {}
    operators = wallet.operators if wallet is not None else set()
    rows: list[dict[str, Any]] = []
    for spender in (*SPENDERS, *ADAPTERS):
        amount = given.get(spender.lower(), 0)
        shown = "max" if amount >= MAX_ALLOWANCE else str(amount)
        rows.append(
            {
                "token": PUSD,
                "spender": spender,
                "standard": "ERC20",
                "approved": amount > 0,
                "amount": shown,
            }
        )
        rows.extend(
            {
                "token": contract,
                "spender": spender,
                "standard": "ERC1155",
                "approved": operator_key(contract, spender) in operators,
                "amount": None,
            }
            for contract in (CONDITIONAL_TOKENS, POSITION_MANAGER)
        )
    return {"data": {"address": user, "chain_id": call.world.chain_id, "contracts": rows}}


def _retired(_: Call) -> Json:
    body = {"error": "Data API v1 was retired on 2026-10-24, use /v2", "code": "gone"}
    return Answer({**body, "retryable": False, "trace_id": "0"}, status=410)


ROUTES = (
    Route("GET", "/v2/positions", _positions),
    Route("GET", "/v2/trades", _trades),
    Route("GET", "/v2/activity", _activity),
    Route("GET", "/v2/resolutions", _resolutions),
    Route("GET", "/v2/value", _value),
    Route("GET", "/v2/oi", _interest),
    Route("GET", "/v2/tokens", _tokens),
    Route("GET", "/v2/approvals", approvals),
    Route("GET", "/v2/prices-history", _price_history),
    Route("GET", "/v2/status", lambda _: {"data": {"status": "ok"}}),
    Route("GET", "/positions", _retired),
    Route("GET", "/trades", _retired),
    Route("GET", "/activity", _retired),
    Route("GET", "/value", _retired),
)
