"""The catalog check: what is wrong or weak in a dataset, per instrument and per pair.

It reads the time and flag columns of the catalog and the top-of-book sidecars, never a price as a
float, and writes ``quality.json``. Nothing is repaired: the strategy refuses crossed, locked and
stale books itself; the report says how often they stand in the data.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtests.data.dataset import QUALITY_FILE, Dataset, InstrumentInfo, SessionInfo
from backtests.data.deltas import F_LAST, F_SNAPSHOT, PRICE_PRECISION
from backtests.data.errors import DataError
from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS
from backtests.data.store import write_whole
from backtests.data.top import Ints, Mask, Top, last_seen, read_top
from core.pairs import Pair, PairMarket

QUALITY_SCHEMA_VERSION = 1
_SECOND = 1_000_000_000


class QualityLimits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """From where on a finding becomes an issue.

    Parameters
    ----------
    feed_gap_ns : int
        A venue of a session that sends nothing for longer has a gap.
    stale_ns : int
        A leg not observed for longer is stale.
    stale_share, one_sided_share, wide_share : float
        Largest share of the time (stale) or of the observations (others) without an issue.
    crossed_share : float
        Largest share of crossed or locked observations without an issue.
    wide : int
        A spread above this many $0.0001 is wide.
    clock_ns : int
        A venue time may lie this far after the receive time (clocks differ).
    """

    feed_gap_ns: int = 30 * _SECOND
    stale_ns: int = 60 * _SECOND
    stale_share: float = 0.05
    one_sided_share: float = 0.05
    wide_share: float = 0.05
    crossed_share: float = 0.0
    wide: int = 2_000
    clock_ns: int = 2 * _SECOND


def check_dataset(dataset: Dataset, limits: QualityLimits | None = None) -> dict[str, Any]:
    """Check every instrument and pair of a dataset; write and return ``quality.json``.

    Raises
    ------
    DataError
        If the catalog or a sidecar is missing or contradicts the manifest.
    """
    limits = limits or QualityLimits()
    issues: list[dict[str, Any]] = []
    books: dict[str, Any] = {}
    feeds = _Feeds(dataset.sessions)
    for info in dataset.instruments:
        top = read_top(dataset.top_path(info.instrument_id))
        clock = _catalog_clock(dataset, info, top)
        books[info.instrument_id] = _book(info, top, clock, dataset.sessions, limits)
        issues += _book_issues(info.instrument_id, books[info.instrument_id], limits)
        feeds.add(info, top)
    for feed in (found := feeds.result(limits)):
        for gap in feed["gaps"]:
            where = f"{feed['session']} {feed['venue']}"
            issues.append(_issue("feed_gap", where, gap["length_ns"], limits.feed_gap_ns))
    pairs = [
        _pair(dataset, pair, session, limits)
        for session in dataset.sessions
        for pair in dataset.pairs()
        if pair.pair_id in session.pair_ids and pair.session in (None, session.name)
    ]
    for entry in pairs:
        for leg, share in entry["stale_share"].items():
            if share > limits.stale_share:
                where = f"{entry['session']} {entry['pair_id']} {leg}"
                issues.append(_issue("stale_leg", where, share, limits.stale_share))
    result = {
        "schema_version": QUALITY_SCHEMA_VERSION,
        "dataset": dataset.manifest.name,
        "synthetic": dataset.synthetic,
        "limits": msgspec.to_builtins(limits),
        "instruments": books,
        "feeds": found,
        "pairs": pairs,
        "issues": issues,
    }
    write_whole(dataset.path / QUALITY_FILE, msgspec.json.format(_json(result), indent=1) + b"\n")
    return result


def _json(value: object) -> bytes:
    return msgspec.json.encode(value, order="deterministic")


def _issue(kind: str, where: str, found: object, limit: object) -> dict[str, Any]:
    return {"kind": kind, "where": where, "found": found, "limit": limit}


# -- one book ---------------------------------------------------------------------------------


def catalog_files(dataset: Dataset, instrument_id: str) -> list[Path]:
    """Return the delta files of an instrument in time order (their names begin with the time).

    Raises
    ------
    DataError
        If there is none: the manifest names an instrument that is not in the catalog.
    """
    folder = dataset.catalog_path / "data" / "order_book_deltas" / instrument_id
    files = sorted(folder.glob("*.parquet"))
    if not files:
        raise DataError(folder, "no delta file", f"deltas of {instrument_id} (dataset.json)")
    return files


def _catalog_clock(dataset: Dataset, info: InstrumentInfo, top: Top) -> dict[str, int]:
    """Read times and flags of the deltas, one row group at a time."""
    seen = {
        "deltas": 0,
        "groups": 0,
        "snapshots": 0,
        "out_of_order": 0,
        "venue_time_back": 0,
        "venue_after_receipt": 0,
        "venue_lead_max_ns": 0,
    }
    last_init = last_event = 0
    for path in catalog_files(dataset, info.instrument_id):
        file = pq.ParquetFile(path)
        for table in file.iter_batches(262_144, columns=["flags", "ts_event", "ts_init"]):
            flags = table["flags"].to_numpy()
            closing = (flags & F_LAST) != 0
            init = table["ts_init"].to_numpy().view(np.int64)
            seen["out_of_order"] += _steps_back(init, last_init)
            last_init = int(init[-1])
            event = table["ts_event"].to_numpy().view(np.int64)[closing]
            lead = event - init[closing]
            seen["deltas"] += len(flags)
            seen["groups"] += int(np.count_nonzero(closing))
            seen["snapshots"] += int(np.count_nonzero(closing & ((flags & F_SNAPSHOT) != 0)))
            if not len(event):
                continue  # a message longer than a row group
            seen["venue_time_back"] += _steps_back(event, last_event)
            seen["venue_after_receipt"] += int(np.count_nonzero(lead > 0))
            seen["venue_lead_max_ns"] = max(seen["venue_lead_max_ns"], int(lead.max()))
            last_event = int(event[-1])
    if seen["deltas"] != info.deltas or seen["groups"] != len(top):
        raise DataError(
            dataset.top_path(info.instrument_id),
            f"{len(top)} observations; the catalog has {seen['groups']} in {seen['deltas']} deltas",
            f"{info.observations} observations in {info.deltas} deltas (dataset.json)",
        )
    return seen


def _steps_back(ts: Ints, last: int) -> int:
    return int(np.count_nonzero(np.diff(ts) < 0)) + int(ts[0] < last)


def _book(
    info: InstrumentInfo,
    top: Top,
    clock: dict[str, int],
    sessions: Sequence[SessionInfo],
    limits: QualityLimits,
) -> dict[str, Any]:
    two = top.two_sided
    spread = (top.ask - top.bid)[two]
    spans = [(s.start_ns, s.end_ns) for s in sessions if s.name in info.sessions]
    gaps = np.concatenate([_gaps(top.ts_ns, *span) for span in spans] or [np.zeros(1)])
    same = (top.bid[1:] == top.bid[:-1]) & (top.ask[1:] == top.ask[:-1])
    return {
        "venue": info.venue,
        "role": info.role,
        "observations": len(top),
        **clock,
        "no_bid": int(np.count_nonzero(top.bid == NO_BID)),
        "no_ask": int(np.count_nonzero(top.ask == NO_ASK)),
        "one_sided_share": _share(~two),
        "crossed": int(np.count_nonzero(spread < 0)),
        "locked": int(np.count_nonzero(spread == 0)),
        "wide": int(np.count_nonzero(spread > limits.wide)),
        "spread_median": _price(_median(spread)),
        "yes_ask_plus_no_ask": _sums(PRICE_UNITS + spread),
        "bid_size_median": _size(_median(top.bid_size[top.bid != NO_BID])),
        "ask_size_median": _size(_median(top.ask_size[top.ask != NO_ASK])),
        "gap_median_ns": int(np.median(gaps)),
        "gap_max_ns": int(gaps.max()),
        "price_changes": int(np.count_nonzero(~same)),
    }


def _book_issues(name: str, book: dict[str, Any], limits: QualityLimits) -> list[dict[str, Any]]:
    count = max(1, book["observations"])
    shares = {
        "crossed": (book["crossed"] / count, limits.crossed_share),
        "locked": (book["locked"] / count, limits.crossed_share),
        "one_sided": (book["one_sided_share"], limits.one_sided_share),
        "wide_spread": (book["wide"] / count, limits.wide_share),
        "clock_order": (book["out_of_order"], 0),
        "venue_clock": (book["venue_lead_max_ns"], limits.clock_ns),
    }
    return [
        _issue(kind, name, round(found, 6), limit)
        for kind, (found, limit) in shares.items()
        if found > limit
    ]


def _gaps(ts_ns: Ints, start_ns: int, end_ns: int) -> Ints:
    """Return the times between observations of one session, with its two ends."""
    inside = ts_ns[np.searchsorted(ts_ns, start_ns) : np.searchsorted(ts_ns, end_ns, "right")]
    return np.diff(np.concatenate(([start_ns], inside, [end_ns])))


# -- feeds and pairs --------------------------------------------------------------------------


class _Feeds:
    """Whether anything of a venue arrived, second by second: a quiet market is no gap."""

    def __init__(self, sessions: Sequence[SessionInfo]) -> None:
        self._sessions = sessions
        self._seen: dict[tuple[int, str], Mask] = {}
        self._count: dict[tuple[int, str], int] = {}

    def add(self, info: InstrumentInfo, top: Top) -> None:
        """Count one book's observations."""
        for number, session in enumerate(self._sessions):
            if session.name not in info.sessions:
                continue
            key = (number, info.venue)
            mine = top.between(session.start_ns, session.end_ns)
            if key not in self._seen:
                seconds = (session.end_ns - session.start_ns) // _SECOND + 1
                self._seen[key] = np.zeros(seconds, dtype=bool)
                self._count[key] = 0
            self._seen[key][(mine.ts_ns - session.start_ns) // _SECOND] = True
            self._count[key] += len(mine)

    def result(self, limits: QualityLimits) -> list[dict[str, Any]]:
        """Return per session and venue the observations and the gaps."""
        return [
            {
                "session": self._sessions[number].name,
                "venue": venue,
                "observations": self._count[number, venue],
                "gaps": _silences(seen, self._sessions[number].start_ns, limits.feed_gap_ns),
            }
            for (number, venue), seen in sorted(self._seen.items())
        ]


def _silences(seen: Mask, start_ns: int, limit_ns: int) -> list[dict[str, int]]:
    at = np.concatenate(([-1], np.flatnonzero(seen), [len(seen)]))
    return [
        {"start_ns": start_ns + int(a + 1) * _SECOND, "length_ns": int(b - a - 1) * _SECOND}
        for a, b in pairwise(at)
        if (b - a - 1) * _SECOND > limit_ns
    ]


def _pair(
    dataset: Dataset, pair: Pair, session: SessionInfo, limits: QualityLimits
) -> dict[str, Any]:
    legs = [pair_view(dataset, m, session) for m in pair.markets]
    times = np.union1d(legs[0].ts_ns, legs[1].ts_ns)
    rows = [last_seen(leg.ts_ns, times) for leg in legs]
    both = (rows[0] >= 0) & (rows[1] >= 0)
    ask = [leg.ask[r].astype(np.int64) for leg, r in zip(legs, rows, strict=True)]
    bid = [leg.bid[r].astype(np.int64) for leg, r in zip(legs, rows, strict=True)]
    sums = {}
    for name, yes, no in (("yes_no", 0, 1), ("no_yes", 1, 0)):
        valid = both & (ask[yes] != NO_ASK) & (bid[no] != NO_BID)
        sums[name] = _sums((ask[yes] + PRICE_UNITS - bid[no])[valid])
    return {
        "pair_id": pair.pair_id,
        "session": session.name,
        "legs": {m.venue.value: m.yes_id for m in pair.markets},
        "stale_share": {
            m.venue.value: _stale_share(leg.ts_ns, session, limits.stale_ns)
            for m, leg in zip(pair.markets, legs, strict=True)
        },
        "ask_sums": sums,
        "route_sums": _route_sums(dataset, pair, session),
    }


def _session_top(dataset: Dataset, yes_id: str, session: SessionInfo, *, sizes: bool = True) -> Top:
    top = read_top(dataset.top_path(yes_id), sizes=sizes)
    return top.between(session.start_ns, session.end_ns)


def pair_view(
    dataset: Dataset, market: PairMarket, session: SessionInfo, *, sizes: bool = True
) -> Top:
    """Return a leg in the pair's YES frame; without ``sizes`` only times and prices."""
    top = _session_top(dataset, market.yes_id, session, sizes=sizes)
    if not market.inverse:
        return top
    return Top(
        top.ts_ns,
        (PRICE_UNITS - top.ask).astype(np.int32),
        (PRICE_UNITS - top.bid).astype(np.int32),
        top.ask_size,
        top.bid_size,
    )


def _route_sums(dataset: Dataset, pair: Pair, session: SessionInfo) -> dict[str, Any]:
    """Sum of the YES asks of a market and of its opposite: below one means one of them is wrong."""
    out = {}
    present = {i.instrument_id for i in dataset.instruments}
    for market in pair.markets:
        for route in market.routes:
            name = f"{route.yes}.{market.venue.value}"
            if name not in present or not route.inverse:
                continue
            leg = _session_top(dataset, market.yes_id, session)
            other = _session_top(dataset, name, session)
            if not len(other):
                continue
            rows = last_seen(other.ts_ns, leg.ts_ns)
            valid = (rows >= 0) & (leg.ask != NO_ASK) & (other.ask[rows] != NO_ASK)
            total = leg.ask.astype(np.int64) + other.ask[rows]
            out[name] = _sums(total[valid])
    return out


def _stale_share(ts_ns: Ints, session: SessionInfo, stale_ns: int) -> float:
    """Share of the session in which the leg was last seen longer ago than the limit."""
    gaps = _gaps(ts_ns, session.start_ns, session.end_ns)
    stale = int(np.maximum(gaps - stale_ns, 0).sum())
    return round(stale / max(1, session.end_ns - session.start_ns), 6)


# -- numbers ----------------------------------------------------------------------------------


def _share(mask: Mask) -> float:
    return round(float(np.count_nonzero(mask)) / max(1, len(mask)), 6)


def _median(values: NDArray[Any]) -> int | None:
    """Return the lower median, an observed value."""
    if not len(values):
        return None
    at = (len(values) - 1) // 2
    return int(np.partition(values, at)[at])


def _price(units: int | None) -> str | None:
    return None if units is None else f"{units / PRICE_UNITS:.{PRICE_PRECISION}f}"


def _size(units: int | None) -> str | None:
    return None if units is None else f"{units // 100}.{units % 100:02d}"


def _sums(values: NDArray[Any]) -> dict[str, Any]:
    """Minimum, median and share below one of sums of asks."""
    if not len(values):
        return {"min": None, "median": None, "below_one_share": 0.0, "observations": 0}
    return {
        "min": _price(int(values.min())),
        "median": _price(_median(values)),
        "below_one_share": _share(values < PRICE_UNITS),
        "observations": len(values),
    }
