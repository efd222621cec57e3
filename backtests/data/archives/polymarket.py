"""Read a PMXT Polymarket hour (v1, and v2 in both of its column generations).

Rules (archive notes of 2026-11):

1. Key is the token. The YES token's book is used; the NO token mirrors it.
2. ``book`` replaces both sides; levels come worst first; one empty side is valid.
3. ``price_change`` states the level's new size: BUY is the bid side, SELL the ask side.
4. Trades never change the book; the level's change comes separately.
5. v2 is sorted by token, not by time: order by time of receipt, then row. Venue times may step
   back; rows of one batch share one, and best bid and ask describe the state after the last.
6. ``fee_rate_bps`` is 0 even on markets with fees: fees are never taken from here.
7. In v1 ``side`` names the token's outcome; the order's side is ``change_side``. Its
   ``timestamp`` is the archive's message time, not proven to be the venue's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtests.data.archives.events import (
    Change,
    Event,
    Rows,
    Snapshot,
    price_units,
    require_columns,
    size_units,
    times_ns,
)
from backtests.data.archives.files import Archive
from backtests.data.deltas import SIDE_BUY, SIDE_SELL
from backtests.data.recording import PRICE_UNITS
from core.money import to_units

_V2 = ("timestamp_received", "timestamp", "event_type", "asset_id", "price", "size", "side")
_V2_BEST = ("best_bid", "best_ask", "transaction_hash")
_V2_TEXT = ("bids", "asks")
_V2_LISTS = ("bid_prices", "bid_sizes", "ask_prices", "ask_sizes")
_V1 = ("timestamp_received", "update_type", "data")
_BATCH_ROWS = 262_144
_SIDES = {"BUY": SIDE_BUY, "SELL": SIDE_SELL}

_Levels = msgspec.json.Decoder(list[tuple[str, str]])


def read_polymarket(path: Path, archive: Archive, tokens: Collection[str]) -> Rows:
    """Read the events of some tokens from one hour, in order of receipt.

    Raises
    ------
    DataError
        If the file has neither generation's columns, or floats in them.
    """
    reader = _read_v1 if archive is Archive.POLYMARKET_V1 else _read_v2
    rows = reader(path, tokens)
    for token, found in rows.events.items():
        rows.events[token] = _forward(found)
    return rows


def _forward(events: list[Event]) -> list[Event]:
    """Let no time step back within a market: receipt gives the order (rule 5)."""
    out: list[Event] = []
    last = 0
    for event in events:
        last = max(last, event.ts_ns)
        out.append(event if event.ts_ns == last else event._replace(ts_ns=last))
    return out


# -- v2 ---------------------------------------------------------------------------------------


def _read_v2(path: Path, tokens: Collection[str]) -> Rows:
    file = pq.ParquetFile(path)
    schema = file.schema_arrow
    text = schema.get_field_index("bids") >= 0
    book = _V2_TEXT if text else _V2_LISTS
    names = require_columns(path, schema, (*_V2, *_V2_BEST, *book))
    events: dict[str, list[Event]] = {t: [] for t in tokens}
    counts: dict[str, Counter[str]] = {t: Counter() for t in tokens}
    found: dict[str, list[tuple[int, int, Event]]] = {t: [] for t in tokens}
    trades: set[tuple[Any, ...]] = set()
    for numbers, batch in _filtered(file, names, "asset_id", tokens):
        received, venue = times_ns(batch["timestamp_received"]), times_ns(batch["timestamp"])
        times = zip(numbers.tolist(), received.tolist(), venue.tolist(), strict=True)
        for (number, at, ts), row in zip(times, _dicts(batch), strict=True):
            token = row["asset_id"]
            event = _v2_event(row, ts, number, counts[token], trades, text=text)
            if event is not None:
                found[token].append((at, number, event))
    for token, lines in found.items():
        lines.sort(key=lambda r: r[:2])
        events[token] = [event for _, _, event in lines]
    return Rows(events, counts)


def _dicts(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = batch.drop_columns(["timestamp_received", "timestamp"]).to_pylist()
    return rows


def _filtered(
    file: pq.ParquetFile, names: list[str], key: str, wanted: Collection[str]
) -> Iterator[tuple[NDArray[np.int64], pa.RecordBatch]]:
    """Yield the wanted rows with their numbers.

    The key column of a row group is read first: a file is sorted by market, so a token stands in
    one or two of its eighty groups, and the book texts of the others are never decoded.
    """
    values = pa.array(sorted(wanted), pa.string())
    low, high = min(wanted), max(wanted)
    column = file.schema_arrow.names.index(key)
    first = 0
    for group in range(file.num_row_groups):
        meta = file.metadata.row_group(group)
        stats = meta.column(column).statistics
        outside = stats is not None and stats.has_min_max and (stats.max < low or stats.min > high)
        if not outside and _holds(file, group, key, values):
            at = first
            for batch in file.iter_batches(_BATCH_ROWS, row_groups=[group], columns=names):
                keys = pc.cast(batch[key], pa.string())
                mask = pc.is_in(keys, value_set=values).to_numpy(zero_copy_only=False)
                rows = np.flatnonzero(mask)
                if len(rows):
                    yield rows + at, batch.take(pa.array(rows))
                at += len(batch)
        first += meta.num_rows


def _holds(file: pq.ParquetFile, group: int, key: str, values: pa.Array) -> bool:
    column = file.read_row_group(group, columns=[key])[key]
    found: bool = pc.any(pc.is_in(pc.cast(column, pa.string()), value_set=values)).as_py()
    return found


def _v2_event(
    row: dict[str, Any],
    ts: int,
    number: int,
    count: Counter[str],
    trades: set[tuple[Any, ...]],
    *,
    text: bool,
) -> Event | None:
    kind = row["event_type"]
    count[kind] += 1
    if kind == "book":
        levels = _text_levels(row) if text else _list_levels(row)
        if levels is None:
            count["skipped_book"] += 1
            return None
        return _book(ts, number, levels, count)
    if kind == "price_change":
        best = (row["best_bid"], row["best_ask"])
        return _change(ts, number, row["side"], row["price"], row["size"], best, count)
    if kind == "last_trade_price":  # rule 4
        key = ("asset_id", "transaction_hash", "price", "size", "side")
        trade = (*(row[k] for k in key), ts)
        count["duplicate_trades"] += int(trade in trades)
        trades.add(trade)
    elif kind != "tick_size_change":
        count["skipped_type"] += 1
    return None


_Pairs = tuple[list[tuple[str, str]], list[tuple[str, str]]]


def _text_levels(row: dict[str, Any]) -> _Pairs | None:
    try:
        return _Levels.decode(row["bids"] or "[]"), _Levels.decode(row["asks"] or "[]")
    except msgspec.DecodeError:
        return None


def _list_levels(row: dict[str, Any]) -> _Pairs | None:
    out = []
    for side in ("bid", "ask"):
        prices, sizes = row[f"{side}_prices"] or [], row[f"{side}_sizes"] or []
        if len(prices) != len(sizes) or any(isinstance(x, float) for x in (*prices, *sizes)):
            return None
        out.append([(str(p), str(s)) for p, s in zip(prices, sizes, strict=True)])
    return out[0], out[1]


# -- v1 ---------------------------------------------------------------------------------------


class _V1Message(msgspec.Struct):
    """The JSON text of a v1 row; numbers arrive as text, times as raw JSON numbers."""

    token_id: str
    timestamp: msgspec.Raw
    best_bid: str | None = None
    best_ask: str | None = None
    change_price: str | None = None
    change_size: str | None = None
    change_side: str | None = None
    bids: list[tuple[str, str]] = []
    asks: list[tuple[str, str]] = []


_V1Decoder = msgspec.json.Decoder(_V1Message)


def _read_v1(path: Path, tokens: Collection[str]) -> Rows:
    file = pq.ParquetFile(path)
    names = require_columns(path, file.schema_arrow, _V1)
    counts: dict[str, Counter[str]] = {t: Counter() for t in tokens}
    found: dict[str, list[tuple[int, int, Event]]] = {t: [] for t in tokens}
    pattern = "|".join(sorted(tokens))
    first = 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=names):
        # the token stands inside the JSON text: match the text before decoding any of it
        hit = pc.match_substring_regex(pc.cast(batch["data"], pa.string()), pattern)
        rows = np.flatnonzero(hit.to_numpy(zero_copy_only=False))
        received = times_ns(batch["timestamp_received"])
        for row in rows.tolist():
            event = _v1_event(
                batch["update_type"][row].as_py(), batch["data"][row].as_py(), first + row, counts
            )
            if event is not None:
                found[event[0]].append((int(received[row]), first + row, event[1]))
        first += len(batch)
    events: dict[str, list[Event]] = {}
    for token, lines in found.items():
        lines.sort(key=lambda r: r[:2])
        events[token] = [event for _, _, event in lines]
    return Rows(events, counts)


def _v1_event(
    kind: str, data: str, number: int, counts: dict[str, Counter[str]]
) -> tuple[str, Event] | None:
    try:
        message = _V1Decoder.decode(data)
    except msgspec.DecodeError:
        next(iter(counts.values()))["skipped_json"] += 1
        return None
    count = counts.get(message.token_id)
    if count is None:
        return None
    count[kind] += 1
    ts = to_units(bytes(message.timestamp).decode()[:17], "timestamp") * 1_000
    if kind == "book_snapshot":
        event: Event | None = _book(ts, number, (message.bids, message.asks), count)
    elif kind == "price_change":
        best = (message.best_bid, message.best_ask)
        side, price, size = message.change_side, message.change_price, message.change_size
        event = _change(ts, number, side, price, size, best, count)  # rule 7
    else:
        count["skipped_type"] += 1
        event = None
    return None if event is None else (message.token_id, event)


# -- both -------------------------------------------------------------------------------------


def _book(ts: int, number: int, levels: _Pairs, count: Counter[str]) -> Snapshot:
    bids, asks = (_ladder(side, count) for side in levels)
    if not bids and not asks:
        count["books_empty"] += 1  # the venue means it: applied, and counted
    return Snapshot(ts, number, bids, asks)


def _ladder(levels: list[tuple[str, str]], count: Counter[str]) -> dict[int, int]:
    ladder = {}
    for price_text, size_text in levels:
        price, size = price_units(price_text), size_units(size_text)
        if price is None or not 0 < price < PRICE_UNITS:
            count["skipped_price"] += 1
        elif size is None:
            count["skipped_size"] += 1
        elif size < 0:
            count["negative_levels"] += 1
        elif size:
            ladder[price] = size
    return ladder


def _change(
    ts: int,
    number: int,
    side: str | None,
    price: object,
    size: object,
    best: tuple[object, object],
    count: Counter[str],
) -> Change | None:
    if side not in _SIDES or price is None or size is None:
        count["skipped_null"] += 1
        return None
    level, amount = price_units(price), size_units(size)
    if level is None or not 0 < level < PRICE_UNITS:
        count["skipped_price"] += 1
        return None
    if amount is None:
        count["skipped_size"] += 1
        return None
    if amount < 0:
        count["negative_levels"] += 1
        return None
    bid, ask = (-1 if b is None else price_units(b) for b in best)
    return Change(
        ts,
        number,
        _SIDES[side],
        level,
        amount,
        signed=False,
        best_bid=-1 if bid is None else bid,
        best_ask=-1 if ask is None else ask,
    )
