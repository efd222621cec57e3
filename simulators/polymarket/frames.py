"""Books as REST and the market stream print them, with their SHA-1 hash.

The hash is SHA-1 over the compact JSON of the REST object, keys in exactly this order, with an
empty ``hash`` (and ``"version":"v2"`` last for Protocol-V2 markets). Verified on real frames.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from simulators.polymarket.model import Market
from simulators.polymarket.units import ONE, text

if TYPE_CHECKING:
    from simulators.polymarket.world import Event

NS_PER_MS = 1_000_000


def levels_json(levels: list[tuple[int, int]]) -> list[dict[str, str]]:
    """Print levels in the order given."""
    return [{"price": text(price), "size": text(size)} for price, size in levels]


def last_price_text(market: Market) -> str:
    """Return the market-level last price that enters the hash: three decimals or empty."""
    price = market.last_hash_price
    return "" if price is None else f"{price // ONE}.{price % ONE // 1000:03d}"


def rest_book(market: Market, outcome: int) -> dict[str, Any]:
    """Return the answer of ``GET /book``."""
    bids, asks = market.book.levels(outcome)
    body: dict[str, Any] = {
        "market": market.condition_id,
        "asset_id": market.tokens[outcome],
        "timestamp": str(market.changed_ns // NS_PER_MS),
        "hash": "",
        "bids": levels_json(bids),
        "asks": levels_json(asks),
        "min_order_size": text(market.min_size),
        "tick_size": text(market.tick),
        "neg_risk": market.neg_risk,
        "last_trade_price": last_price_text(market),
    }
    if market.version == "v2":
        body["version"] = "v2"
    body["hash"] = book_hash(body)
    return body


def book_hash(body: dict[str, Any]) -> str:
    """Return the hash of a REST book object (its ``hash`` is taken as empty)."""
    compact = json.dumps({**body, "hash": ""}, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha1(compact.encode(), usedforsecurity=False).hexdigest()


def initial_book(market: Market, outcome: int) -> dict[str, Any]:
    """Return the book of a first subscription: with tick and last price, without the minimum."""
    body = rest_book(market, outcome)
    frame = {key: body[key] for key in ("market", "asset_id", "timestamp", "hash", "bids", "asks")}
    frame["tick_size"] = body["tick_size"]
    frame["event_type"] = "book"
    frame["last_trade_price"] = body["last_trade_price"]
    if market.version == "v2":
        frame["version"] = "v2"
    return frame


def trade_book(market: Market, outcome: int) -> dict[str, Any]:
    """Return the book frame that follows a trade: the bare fields only."""
    body = rest_book(market, outcome)
    frame = {key: body[key] for key in ("market", "asset_id", "bids", "asks", "hash", "timestamp")}
    frame["event_type"] = "book"
    return frame


def price_change(
    market: Market, yes_price: int, yes_bid: bool, hashes: list[str], empty: str = "bounds"
) -> dict[str, Any]:
    """Return the two-entry frame of one level, as it stands now, with both tokens' book hashes.

    `empty` says how the best price of an empty side is printed: ``bounds`` or ``empty``.
    """
    side = market.book.bids if yes_bid else market.book.asks
    size = text(side.total(yes_price))
    changes = []
    for outcome in (0, 1):
        bid, ask = market.book.best(outcome)
        changes.append(
            {
                "asset_id": market.tokens[outcome],
                "price": text(yes_price if outcome == 0 else ONE - yes_price),
                "size": size,
                "side": "BUY" if yes_bid == (outcome == 0) else "SELL",
                "hash": hashes[outcome],
                **_bests(bid, ask, empty),
            }
        )
    return {
        "market": market.condition_id,
        "price_changes": changes,
        "timestamp": str(market.changed_ns // NS_PER_MS),
        "event_type": "price_change",
    }


def _bests(bid: int | None, ask: int | None, empty: str) -> dict[str, str]:
    low, high = ("0", "1") if empty == "bounds" else ("", "")
    return {
        "best_bid": low if bid is None else text(bid),
        "best_ask": high if ask is None else text(ask),
    }


def best_bid_ask(market: Market, outcome: int, empty: str = "bounds") -> dict[str, Any]:
    """Return the custom-feature frame of an outcome's best prices."""
    bid, ask = market.book.best(outcome)
    spread = text((ask if ask is not None else ONE) - (bid or 0))
    if empty != "bounds" and (bid is None or ask is None):
        spread = ""
    return {
        "event_type": "best_bid_ask",
        "market": market.condition_id,
        "asset_id": market.tokens[outcome],
        **_bests(bid, ask, empty),
        "spread": spread,
        "timestamp": str(market.changed_ns // NS_PER_MS),
    }


def last_trade(
    market: Market, outcome: int, side: str, price: int, shares: int, tx_hash: str, now_ns: int
) -> dict[str, Any]:
    """Return the trade frame; `side` is the taker's, the fee rate is "0" on every market."""
    return {
        "market": market.condition_id,
        "asset_id": market.tokens[outcome],
        "price": text(price),
        "size": text(shares),
        "fee_rate_bps": "0",
        "side": side,
        "timestamp": str(now_ns // NS_PER_MS),
        "event_type": "last_trade_price",
        "transaction_hash": tx_hash,
    }


def tick_change(market: Market, outcome: int, old: int, now_ns: int) -> dict[str, Any]:
    """Return the tick switch of one token."""
    return {
        "event_type": "tick_size_change",
        "market": market.condition_id,
        "asset_id": market.tokens[outcome],
        "old_tick_size": text(old),
        "new_tick_size": text(market.tick),
        "timestamp": str(now_ns // NS_PER_MS),
    }


def market_resolved(market: Market, fifty: str, now_ns: int) -> dict[str, Any]:
    """Return the resolution frame; a 50/50 result names no winner, or is not sent (`fifty`)."""
    frame: dict[str, Any] = {
        "event_type": "market_resolved",
        "id": market.gamma_id,
        "market": market.condition_id,
        "assets_ids": list(market.tokens),
        "timestamp": str(now_ns // NS_PER_MS),
        "tags": [],
    }
    payouts = market.payouts or (0, 0)
    if payouts[0] != payouts[1]:
        winner = 0 if payouts[0] > payouts[1] else 1
        frame["winning_asset_id"] = market.tokens[winner]
        frame["winning_outcome"] = market.outcomes[winner]
    elif fifty == "empty_winner":
        frame["winning_asset_id"] = ""
        frame["winning_outcome"] = ""
    return frame


def new_market(market: Market, title: str, now_ns: int) -> dict[str, Any]:
    """Return the announcement that goes to every socket with custom features."""
    fees = market.fees
    frame: dict[str, Any] = {
        "id": market.gamma_id,
        "question": market.question,
        "market": market.condition_id,
        "slug": market.slug,
        "description": market.description,
        "assets_ids": list(market.tokens),
        "outcomes": list(market.outcomes),
        "event_message": {
            "id": market.event_id,
            "ticker": market.slug,
            "slug": market.slug,
            "title": title,
            "description": market.description,
        },
        "timestamp": str(now_ns // NS_PER_MS),
        "event_type": "new_market",
        "tags": [],
        "condition_id": market.condition_id,
        "active": True,
        "clob_token_ids": list(market.tokens),
        "sports_market_type": market.sports_type,
        "line": market.line,
        "game_start_time": "",
        "order_price_min_tick_size": text(market.tick),
        "group_item_title": market.group_title,
        "taker_base_fee": "1000" if fees else "0",
        "fees_enabled": fees is not None,
    }
    if fees is not None:
        frame["fee_schedule"] = {
            "exponent": str(fees.exponent),
            "rate": text(fees.rate_ppm),
            "taker_only": True,
            "rebate_rate": text(fees.rebate_ppm),
        }
    return frame


def sports_frame(event: Event) -> dict[str, Any]:
    """Return a game as the sports stream sends it."""
    status = "Final" if event.ended else ("InProgress" if event.live else "Scheduled")
    return {
        "gameId": int(event.game_id or 0),
        "leagueAbbreviation": event.league,
        "slug": event.slug,
        "homeTeam": event.home,
        "awayTeam": event.away,
        "status": status,
        "score": event.score or "0-0",
        "period": event.period,
        "elapsed": "",
        "live": event.live,
        "ended": event.ended,
        "turn": None,
        "finishedTimestamp": None,
    }
