"""Read a PMXT Kalshi hour: signed deltas on the exchange's clock, snapshots between them.

Venue facts (archive notes of 2026-11):

1. ``timestamp_received`` is when the exporter flushed a batch of up to 5,000 rows, not when the
   message came: order by ``timestamp``, then row number.
2. Snapshots have no exchange time. The deltas flushed in the same batch bracket it; a batch
   without deltas has no clock, and its snapshots are not used.
3. The list columns hold structs whose fields are named ``1`` (price, dollars) and ``2``
   (contracts): read by name, or the names become prices.
4. ``side`` says whose bid the level is; a NO bid at p is a YES ask at 1 - p.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backtests.data.archives.books import kalshi_asks
from backtests.data.archives.events import (
    Change,
    Event,
    Rows,
    Snapshot,
    price_units,
    require_columns,
    scaled,
    size_units,
    times_ns,
)
from backtests.data.deltas import SIDE_BUY, SIDE_SELL
from backtests.data.recording import PRICE_UNITS

COLUMNS = (
    "timestamp_received",
    "timestamp",
    "market_ticker",
    "event_type",
    "yes_bids",
    "no_bids",
    "price",
    "delta",
    "side",
)
_SNAPSHOT, _DELTA = "orderbook_snapshot", "orderbook_delta"
_BATCH_ROWS = 1_048_576


def read_kalshi(path: Path, tickers: Collection[str]) -> Rows:
    """Read the events of some tickers from one hour, in order of the exchange's time.

    Raises
    ------
    DataError
        If a column is missing or holds floats.
    """
    file = pq.ParquetFile(path)
    require_columns(path, file.schema_arrow, COLUMNS)
    wanted = pa.array(sorted(tickers), pa.string())
    events: dict[str, list[Event]] = {t: [] for t in tickers}
    counts: dict[str, Counter[str]] = {t: Counter() for t in tickers}
    brackets: dict[int, tuple[int, int]] = {}
    snapshots: list[tuple[str, int, int, dict[int, int], dict[int, int]]] = []
    first_row = 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=list(COLUMNS)):
        _widen(brackets, batch)
        tick = pc.cast(batch["market_ticker"], pa.string())
        rows = np.flatnonzero(pc.is_in(tick, value_set=wanted).to_numpy(zero_copy_only=False))
        if len(rows):
            mine = batch.take(pa.array(rows))
            _deltas(mine, rows + first_row, events, counts)
            snapshots += _snapshots(mine, rows + first_row, counts)
        first_row += len(batch)
    for ticker, received, row, bids, asks in snapshots:
        bracket = brackets.get(received)
        if bracket is None:
            counts[ticker]["snapshots_without_clock"] += 1  # rule 2
            continue
        events[ticker].append(Snapshot(bracket[0], row, bids, asks, probe=True))
        events[ticker].append(Snapshot(bracket[1], row, bids, asks))
    for found in events.values():
        found.sort(key=lambda e: e[:2])
    return Rows(events, counts)


def _widen(brackets: dict[int, tuple[int, int]], batch: pa.RecordBatch) -> None:
    """Keep the first and last exchange time of every flush (rule 2), over all tickers."""
    clocked = batch.filter(pc.is_valid(batch["timestamp"]))
    if not len(clocked):
        return
    received, venue = times_ns(clocked["timestamp_received"]), times_ns(clocked["timestamp"])
    order = np.argsort(received, kind="stable")
    flush, first = np.unique(received[order], return_index=True)
    low = np.minimum.reduceat(venue[order], first)
    high = np.maximum.reduceat(venue[order], first)
    for key, a, b in zip(flush.tolist(), low.tolist(), high.tolist(), strict=True):
        old = brackets.get(key, (a, b))
        brackets[key] = (min(a, old[0]), max(b, old[1]))


def _deltas(
    batch: pa.RecordBatch,
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]],
    events: dict[str, list[Event]],
    counts: dict[str, Counter[str]],
) -> None:
    is_delta = pc.equal(pc.cast(batch["event_type"], pa.string()), _DELTA)
    rows = np.flatnonzero(is_delta.to_numpy(zero_copy_only=False))
    if not len(rows):
        return
    mine = batch.take(pa.array(rows))
    columns = (
        numbers[rows].tolist(),
        mine["market_ticker"].to_pylist(),
        times_ns(mine["timestamp"]).tolist(),
        pc.is_null(mine["price"]).to_pylist(),
        scaled(mine["price"], 4).tolist(),
        pc.is_null(mine["delta"]).to_pylist(),
        scaled(mine["delta"], 6).tolist(),
        mine["side"].to_pylist(),
    )
    for row, ticker, ts, no_price, price, no_delta, change, side in zip(*columns, strict=True):
        count = counts[ticker]
        count["deltas"] += 1
        if no_price or no_delta or not ts:
            count["skipped_null"] += 1
        elif not 0 < price < PRICE_UNITS:
            count["skipped_price"] += 1
        elif side == "yes":
            events[ticker].append(Change(ts, row, SIDE_BUY, price, change, signed=True))
        elif side == "no":  # rule 4
            ask = PRICE_UNITS - price
            events[ticker].append(Change(ts, row, SIDE_SELL, ask, change, signed=True))
        else:
            count["skipped_side"] += 1


def _snapshots(
    batch: pa.RecordBatch,
    numbers: np.ndarray[tuple[int], np.dtype[np.int64]],
    counts: dict[str, Counter[str]],
) -> list[tuple[str, int, int, dict[int, int], dict[int, int]]]:
    kinds = pc.cast(batch["event_type"], pa.string())
    is_snapshot = pc.equal(kinds, _SNAPSHOT).to_numpy(zero_copy_only=False)
    rows = np.flatnonzero(is_snapshot)
    out = []
    received = times_ns(batch["timestamp_received"])
    for row in rows.tolist():
        ticker = batch["market_ticker"][row].as_py()
        counts[ticker]["snapshots"] += 1
        yes = _ladder(batch["yes_bids"][row].as_py(), counts[ticker])
        no = _ladder(batch["no_bids"][row].as_py(), counts[ticker])
        if not yes and not no:
            counts[ticker]["snapshots_empty"] += 1
        out.append((ticker, int(received[row]), int(numbers[row]), yes, kalshi_asks(no)))
    return out


def _ladder(levels: list[dict[str, Any]] | None, count: Counter[str]) -> dict[int, int]:
    """Read a list of structs by the fields' names (rule 3)."""
    ladder = {}
    for level in levels or []:
        price, size = price_units(level["1"]), size_units(level["2"])
        if price is None or not 0 < price < PRICE_UNITS:
            count["skipped_price"] += 1
        elif size is None:
            count["skipped_size"] += 1
        elif size < 0:
            count["negative_levels"] += 1
        elif size:
            ladder[price] = size
    return ladder
