"""The venue's book hash, rebuilt bit by bit. Pure.

The hash is the SHA-1 of the compact JSON of the REST book object with `"hash":""`. What must be
right for it to agree (verified on production frames of 2026):

1. Key order: market, asset_id, timestamp, hash, bids, asks, min_order_size, tick_size, neg_risk,
   last_trade_price, and `"version":"v2"` last on Protocol V2 markets only.
2. Bids ascend and asks descend in price; price and size text exactly as the venue printed it.
3. `neg_risk` is a JSON boolean; `last_trade_price` is "" before the first trade, else three
   decimals.
4. Stream frames omit `min_order_size`, `neg_risk` and often tick and last price: they come from the
   market's metadata. The last price in the hash is market-level, so after a trade at p it may be p
   or 1 - p: both are tried.
5. Frames of one client batch share timestamp and hash; the hash describes the book after the last.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

import msgspec

_json_string = msgspec.json.Encoder()


class Level(NamedTuple):
    """One price level exactly as printed."""

    price: str
    size: str


class BookTerms(NamedTuple):
    """The part of the hashed object that is the market's, not the book's."""

    market: str
    min_order_size: str
    tick_size: str
    neg_risk: bool
    version: str = ""


def last_price_text(price: Decimal) -> str:
    """Print a last trade price as the hash wants it: three decimals.

    >>> last_price_text(Decimal("0.49"))
    '0.490'
    """
    return f"{price:.3f}"


def _text(value: str) -> str:
    return _json_string.encode(value).decode()


def _levels(levels: Iterable[Level]) -> str:
    # Prices and sizes are numbers in text: nothing in them needs escaping.
    return ",".join([f'{{"price":"{p}","size":"{s}"}}' for p, s in levels])


def book_hash(
    terms: BookTerms,
    *,
    asset_id: str,
    timestamp: str,
    bids: Iterable[Level],
    asks: Iterable[Level],
    last_trade_price: str,
) -> str:
    """Return the SHA-1 hex of a book; bids ascending, asks descending."""
    return hashlib.sha1(
        _object(terms, asset_id, timestamp, _levels(bids), _levels(asks), last_trade_price),
        usedforsecurity=False,
    ).hexdigest()


def matching_last_price(
    terms: BookTerms,
    *,
    asset_id: str,
    timestamp: str,
    bids: Iterable[Level],
    asks: Iterable[Level],
    candidates: Iterable[str],
    expected: str,
) -> str | None:
    """Return the first candidate last price under which the hash agrees, or None (rule 4)."""
    bid_text, ask_text = _levels(bids), _levels(asks)
    for candidate in candidates:
        payload = _object(terms, asset_id, timestamp, bid_text, ask_text, candidate)
        if hashlib.sha1(payload, usedforsecurity=False).hexdigest() == expected:
            return candidate
    return None


def _object(
    terms: BookTerms, asset_id: str, timestamp: str, bids: str, asks: str, last_trade_price: str
) -> bytes:
    version = f',"version":{_text(terms.version)}' if terms.version else ""
    return (
        f'{{"market":{_text(terms.market)},"asset_id":{_text(asset_id)},'
        f'"timestamp":{_text(timestamp)},"hash":"","bids":[{bids}],"asks":[{asks}],'
        f'"min_order_size":{_text(terms.min_order_size)},"tick_size":{_text(terms.tick_size)},'
        f'"neg_risk":{"true" if terms.neg_risk else "false"},'
        f'"last_trade_price":{_text(last_trade_price)}{version}}}'
    ).encode()
