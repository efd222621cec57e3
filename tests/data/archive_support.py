"""Archive files with the exact schemas, made of invented rows."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from backtests.data.archives.files import Archive, hour_ns, local_path

MS, US = pa.timestamp("ms", tz="UTC"), pa.timestamp("us", tz="UTC")
PRICE, SIZE = pa.decimal128(9, 4), pa.decimal128(18, 6)
LADDER = pa.list_(pa.struct([("1", PRICE), ("2", SIZE)]))
HOUR = datetime(2026, 6, 1, 12, tzinfo=UTC)
T = hour_ns(HOUR)
SECOND = 1_000_000_000

KALSHI = pa.schema(
    [
        ("timestamp_received", MS),
        ("timestamp", US),
        ("market_ticker", pa.string()),
        ("market_id", pa.string()),
        ("event_type", pa.string()),
        ("yes_bids", LADDER),
        ("no_bids", LADDER),
        ("price", PRICE),
        ("delta", SIZE),
        ("side", pa.string()),
    ]
)
_V2_HEAD = [
    ("timestamp_received", MS),
    ("timestamp", MS),
    ("market", pa.binary(66)),
    ("event_type", pa.string()),
    ("asset_id", pa.string()),
]
_V2_TAIL = [
    ("price", PRICE),
    ("size", SIZE),
    ("side", pa.string()),
    ("best_bid", PRICE),
    ("best_ask", PRICE),
    ("fee_rate_bps", pa.uint16()),
    ("transaction_hash", pa.string()),
    ("old_tick_size", PRICE),
    ("new_tick_size", PRICE),
]
V2 = pa.schema([*_V2_HEAD, ("bids", pa.string()), ("asks", pa.string()), *_V2_TAIL])
_LISTS = [(f"{s}_{k}", pa.list_(pa.string())) for s in ("bid", "ask") for k in ("prices", "sizes")]
V2_OLD = pa.schema([*_V2_HEAD, *_LISTS, *_V2_TAIL])
V1 = pa.schema(
    [
        ("timestamp_received", MS),
        ("timestamp_created_at", MS),
        ("market_id", pa.string()),
        ("update_type", pa.string()),
        ("data", pa.string()),
    ]
)

TICKER = "KXMLBGAME-26JUN01NYYBOS-NYY"
OTHER_TICKER = "KXBTC15M-26JUN010815-15"
TOKEN = "12797718370059249552521373626153011510369822987030079309340270451157419729634"
OTHER_TOKEN = "99" * 38
MARKET = b"0x66c737db5f67fdd09273a03a6dc911d85d262ad87974037fef1d4832d4f47f54"


def _levels(levels: list[tuple[str, str]]) -> list[dict[str, Decimal]]:
    return [{"1": Decimal(p), "2": Decimal(s)} for p, s in levels]


def k_row(ns: int | None, received: int, ticker: str = TICKER, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(KALSHI.names)
    row |= {
        "timestamp_received": received // 1_000_000,
        "timestamp": None if ns is None else ns // 1_000,
        "market_ticker": ticker,
        "market_id": "21bf08f0-8c84-4c2c-b82f-ca2825f27a3b",
        "yes_bids": [],
        "no_bids": [],
    }
    return row | more


def k_delta(ns: int, side: str, price: str, delta: str, **more: Any) -> dict[str, Any]:
    base = {"event_type": "orderbook_delta", "side": side}
    base |= {"price": Decimal(price), "delta": Decimal(delta)}
    return k_row(ns, more.pop("received", ns + 400_000_000), **base, **more)


def k_snapshot(
    received: int, yes: list[tuple[str, str]], no: list[tuple[str, str]], **more: Any
) -> dict[str, Any]:
    base = {"event_type": "orderbook_snapshot", "side": ""}
    return k_row(None, received, **base, yes_bids=_levels(yes), no_bids=_levels(no), **more)


def p_row(ns: int, kind: str, token: str = TOKEN, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys({*V2.names, *V2_OLD.names})
    row |= {
        "timestamp_received": more.pop("received", ns + 41_000_000) // 1_000_000,
        "timestamp": ns // 1_000_000,
        "market": MARKET,
        "event_type": kind,
        "asset_id": token,
    }
    return row | more


def p_book(
    ns: int, bids: list[tuple[str, str]], asks: list[tuple[str, str]], **more: Any
) -> dict[str, Any]:
    lists = {
        "bid_prices": [p for p, _ in bids],
        "bid_sizes": [s for _, s in bids],
        "ask_prices": [p for p, _ in asks],
        "ask_sizes": [s for _, s in asks],
    }
    return p_row(ns, "book", **lists, bids=json.dumps(bids), asks=json.dumps(asks), **more)


def p_change(ns: int, side: str, price: str, size: str, best: tuple[str, str], **more: Any) -> dict:
    numbers = {"price": Decimal(price), "size": Decimal(size)}
    stated = {"best_bid": Decimal(best[0]), "best_ask": Decimal(best[1])}
    return p_row(ns, "price_change", side=side, **numbers, **stated, **more)


def v1_row(ns: int, kind: str, token: str = TOKEN, **data: Any) -> dict[str, Any]:
    seconds = f"{ns // SECOND}.{ns % SECOND // 100:07d}"
    body = {"update_type": kind, "market_id": MARKET.decode(), "token_id": token, "side": "YES"}
    text = json.dumps(body | data)[:-1] + f', "timestamp": {seconds}}}'
    return {
        "timestamp_received": ns // 1_000_000 + 60,
        "timestamp_created_at": ns // 1_000_000,
        "market_id": MARKET.decode(),
        "update_type": kind,
        "data": text,
    }


def write(
    mirror: Path, archive: Archive, hour: datetime, rows: list[dict], schema: pa.Schema, **more: Any
) -> Path:
    path = local_path(mirror, archive, hour)
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = {n: [r[n] for r in rows] for n in schema.names}
    pq.write_table(pa.table(columns, schema=schema), path, compression="zstd", **more)
    return path


def kalshi_hour(mirror: Path, hour: datetime, rows: list[dict]) -> Path:
    return write(mirror, Archive.KALSHI, hour, rows, KALSHI)


def v2_hour(mirror: Path, hour: datetime, rows: list[dict], schema: pa.Schema = V2) -> Path:
    """Sorted as the archive sorts: by market, token and time of receipt."""
    rows = sorted(rows, key=lambda r: (r["market"], r["asset_id"], r["timestamp_received"]))
    return write(mirror, Archive.POLYMARKET_V2, hour, rows, schema, row_group_size=64)


def quiet_kalshi(hour_start: int, ticker: str = OTHER_TICKER, minutes: int = 60) -> list[dict]:
    """A background market that gives the file its clock: one delta a minute, first to last."""
    out = []
    for i in range(minutes + 1):
        ns = min(hour_start + i * 60 * SECOND, hour_start + minutes * 60 * SECOND - 1_000_000)
        out.append(k_delta(ns, "yes", "0.1000", "5.000000", ticker=ticker))
    return out


def quiet_polymarket(hour_start: int) -> list[dict]:
    out = []
    for i in range(61):
        ns = min(hour_start + i * 60 * SECOND, hour_start + 3600 * SECOND - 1_000_000)
        out.append(p_change(ns, "BUY", "0.1", "5", ("0.1", "0.9"), token=OTHER_TOKEN))
    return out
