"""What a dataset's books look like: the numbers the generator is calibrated to.

Spread, depth and message rate per venue; size and lifetime of gross edges (best bid of one venue
above the best ask of the other, before fees) per pair. Statistics are floats; no decision reads
them.
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import NDArray

from backtests.data.dataset import Dataset, SessionInfo
from backtests.data.quality import pair_view
from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS, SIZE_UNITS
from backtests.data.top import Ints, Top, last_seen
from core.pairs import Pair

_NS = 1_000_000_000
_MINUTE = 60 * _NS


class VenueStatistics(msgspec.Struct, frozen=True):
    """Books of one venue, pooled: dollars, contracts, messages and changes a minute and book."""

    books: int
    spread_median: float
    spread_p90: float
    size_median: float
    size_p90: float
    messages_per_minute_median: float
    messages_per_minute_max: float
    price_changes_per_minute: float
    one_sided_share: float


class EdgeStatistics(msgspec.Struct, frozen=True):
    """Gross edges of all pairs: share of the time with one, how many, how large, how long."""

    pairs: int
    hours: float
    time_share: float
    episodes_per_pair_hour: float
    edge_median: float
    edge_p95: float
    life_median_s: float
    life_p75_s: float
    size_median: float


class Statistics(msgspec.Struct, frozen=True):
    """Statistics of some sessions of a dataset."""

    venues: dict[str, VenueStatistics]
    edges: EdgeStatistics


def describe(dataset: Dataset, sessions: tuple[str, ...] | None = None) -> Statistics:
    """Measure the legs (not the routes) of the pairs in the named sessions (default: all)."""
    chosen = [s for s in dataset.sessions if sessions is None or s.name in sessions]
    legs: dict[str, list[tuple[Top, float]]] = {}
    episodes: list[NDArray[np.float64]] = []
    positive = total = 0.0
    pair_count = 0
    for session in chosen:
        minutes = (session.end_ns - session.start_ns) / _MINUTE
        for pair in _pairs(dataset, session):
            tops = [pair_view(dataset, m, session) for m in pair.markets]
            for market, top in zip(pair.markets, tops, strict=True):
                legs.setdefault(market.venue.value, []).append((top, minutes))
            found, on, span = _episodes(tops[0], tops[1])
            episodes.append(found)
            positive += on
            total += span
            pair_count += 1
    table = np.concatenate(episodes) if episodes else np.empty((0, 3))
    return Statistics(
        venues={name: _venue(parts) for name, parts in sorted(legs.items())},
        edges=EdgeStatistics(
            pairs=pair_count,
            hours=round(sum((s.end_ns - s.start_ns) / _MINUTE for s in chosen) / 60, 4),
            time_share=_round(positive / total if total else 0.0),
            episodes_per_pair_hour=_round(len(table) / max(1e-9, total / (60 * _MINUTE))),
            edge_median=_quantile(table[:, 0] / PRICE_UNITS, 0.5),
            edge_p95=_quantile(table[:, 0] / PRICE_UNITS, 0.95),
            life_median_s=_quantile(table[:, 1] / _NS, 0.5),
            life_p75_s=_quantile(table[:, 1] / _NS, 0.75),
            size_median=_quantile(table[:, 2] / SIZE_UNITS, 0.5),
        ),
    )


def _pairs(dataset: Dataset, session: SessionInfo) -> list[Pair]:
    return [
        p
        for p in dataset.pairs()
        if p.pair_id in session.pair_ids and p.session in (None, session.name)
    ]


def _venue(parts: list[tuple[Top, float]]) -> VenueStatistics:
    spread = np.concatenate([(t.ask - t.bid)[t.two_sided] for t, _ in parts]) / PRICE_UNITS
    sizes = np.concatenate([t.bid_size[t.bid != NO_BID] for t, _ in parts]) / SIZE_UNITS
    rates = np.array([len(t) / minutes for t, minutes in parts])
    changes = [
        np.count_nonzero((np.diff(t.bid) != 0) | (np.diff(t.ask) != 0)) / minutes
        for t, minutes in parts
    ]
    one_sided = sum(int(np.count_nonzero(~t.two_sided)) for t, _ in parts)
    return VenueStatistics(
        books=len(parts),
        spread_median=_quantile(spread, 0.5),
        spread_p90=_quantile(spread, 0.9),
        size_median=_quantile(sizes, 0.5),
        size_p90=_quantile(sizes, 0.9),
        messages_per_minute_median=_round(float(np.median(rates))),
        messages_per_minute_max=_round(float(rates.max())),
        price_changes_per_minute=_round(float(np.mean(changes))),
        one_sided_share=_round(one_sided / max(1, sum(len(t) for t, _ in parts))),
    )


def _episodes(a: Top, b: Top) -> tuple[NDArray[np.float64], float, float]:
    """Return (edge, life, size) of each episode, time with an edge and time with both legs."""
    times = np.union1d(a.ts_ns, b.ts_ns)
    at_a, at_b = last_seen(a.ts_ns, times), last_seen(b.ts_ns, times)
    both = (at_a >= 0) & (at_b >= 0)
    times, at_a, at_b = times[both], at_a[both], at_b[both]
    if len(times) < 2:
        return np.empty((0, 3)), 0.0, 0.0
    out, on = [], 0.0
    for buy, rows, sell, sell_rows in ((a, at_a, b, at_b), (b, at_b, a, at_a)):
        edge = sell.bid[sell_rows].astype(np.int64) - buy.ask[rows]
        edge[(buy.ask[rows] == NO_ASK) | (sell.bid[sell_rows] == NO_BID)] = -1
        size = np.minimum(buy.ask_size[rows], sell.bid_size[sell_rows])
        table = _runs(times, edge, size)
        out.append(table)
        on += float(table[:, 1].sum())
    return np.concatenate(out), on, float(times[-1] - times[0])


def _runs(times: Ints, edge: Ints, size: Ints) -> NDArray[np.float64]:
    up = np.concatenate(([False], edge > 0, [False]))
    first = np.flatnonzero(up[1:] & ~up[:-1])
    end = np.flatnonzero(~up[1:] & up[:-1])
    if not len(first):
        return np.empty((0, 3))
    best = np.maximum.reduceat(edge, first)
    life = times[np.minimum(end, len(times) - 1)] - times[first]
    return np.stack((best, life, size[first]), axis=1).astype(np.float64)


def _quantile(values: NDArray[np.float64], q: float) -> float:
    return _round(float(np.quantile(values, q))) if len(values) else 0.0


def _round(value: float) -> float:
    return round(value, 4)
