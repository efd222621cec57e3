"""The catalog check: what is wrong or weak in a dataset, per instrument and per pair.

It reads the time and flag columns of the catalog and the top-of-book sidecars, never a price as a
float, and writes ``quality.json``. Nothing is repaired: the strategy refuses crossed, locked and
stale books itself; the report says how often they stand in the data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq

from backtests.data.dataset import QUALITY_FILE, Dataset, InstrumentInfo, SessionInfo
from backtests.data.deltas import F_LAST, F_SNAPSHOT, PRICE_PRECISION
from backtests.data.errors import DataError
from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS
from backtests.data.store import write_whole
from backtests.data.tally import Sample, Tally
from backtests.data.top import Ints, Mask, Top, TopFile, merged_slices
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
    stale: dict[tuple[str, str], float] = {}
    feeds = _Feeds(dataset.sessions)
    for info in dataset.instruments:
        book = _BookCheck(info, limits)
        top = TopFile(dataset.top_path(info.instrument_id))
        clock = _catalog_clock(dataset, info, top.rows)
        for number, session in enumerate(dataset.sessions):
            if session.name in info.sessions:
                for part in book.session(top, session):
                    feeds.add(number, info.venue, part)
                stale[info.instrument_id, session.name] = book.stale_share
        books[info.instrument_id] = book.result(clock)
        issues += _book_issues(info.instrument_id, books[info.instrument_id], limits)
    for feed in (found := feeds.result(limits)):
        for gap in feed["gaps"]:
            where = f"{feed['session']} {feed['venue']}"
            issues.append(_issue("feed_gap", where, gap["length_ns"], limits.feed_gap_ns))
    pairs = [
        _pair(dataset, pair, session, stale)
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


def _catalog_clock(dataset: Dataset, info: InstrumentInfo, observations: int) -> dict[str, int]:
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
    if seen["deltas"] != info.deltas or seen["groups"] != observations:
        raise DataError(
            dataset.top_path(info.instrument_id),
            f"{observations} rows; the catalog has {seen['groups']} in {seen['deltas']} deltas",
            f"{info.observations} observations in {info.deltas} deltas (dataset.json)",
        )
    return seen


def _steps_back(ts: Ints, last: int) -> int:
    return int(np.count_nonzero(np.diff(ts) < 0)) + int(ts[0] < last)


class _BookCheck:
    """Counts of one book, taken piece by piece."""

    def __init__(self, info: InstrumentInfo, limits: QualityLimits) -> None:
        self._info = info
        self._limits = limits
        self._spread = Tally(-PRICE_UNITS, PRICE_UNITS)
        self._sizes = (Sample(info.observations), Sample(info.observations))
        self._gaps = Sample(info.observations + 2 * len(info.sessions))
        self._gap_max = 0
        self._counts = {"observations": 0, "no_bid": 0, "no_ask": 0, "one_sided": 0, "changes": 0}
        self._last: tuple[int, int] | None = None
        self.stale_share = 0.0

    def session(self, top: TopFile, session: SessionInfo) -> Iterator[Top]:
        """Count one session's observations and pass them on."""
        before, stale = session.start_ns, 0
        for part in top.parts(session.start_ns, session.end_ns):
            stale += self._gap(np.diff(part.ts_ns, prepend=before))
            before = int(part.ts_ns[-1])
            self._take(part)
            yield part
        stale += self._gap(np.array([session.end_ns - before]))
        self.stale_share = round(stale / max(1, session.end_ns - session.start_ns), 6)

    def _gap(self, gaps: Ints) -> int:
        """Count times between observations; return how long the book was stale in them."""
        self._gaps.add(gaps)
        self._gap_max = max(self._gap_max, int(gaps.max()))
        return int(np.maximum(gaps - self._limits.stale_ns, 0).sum())

    def _take(self, part: Top) -> None:
        no_bid, no_ask = part.bid == NO_BID, part.ask == NO_ASK
        one_sided = no_bid | no_ask
        self._spread.add((part.ask - part.bid)[~one_sided])
        self._sizes[0].add(part.bid_size[~no_bid])
        self._sizes[1].add(part.ask_size[~no_ask])
        changed = (np.diff(part.bid) != 0) | (np.diff(part.ask) != 0)
        first = (int(part.bid[0]), int(part.ask[0]))
        found: dict[str, int] = {
            "observations": len(part),
            "no_bid": int(np.count_nonzero(no_bid)),
            "no_ask": int(np.count_nonzero(no_ask)),
            "one_sided": int(np.count_nonzero(one_sided)),
            "changes": int(np.count_nonzero(changed)) + (self._last not in (None, first)),
        }
        for name, count in found.items():
            self._counts[name] += count
        self._last = (int(part.bid[-1]), int(part.ask[-1]))

    def result(self, clock: dict[str, int]) -> dict[str, Any]:
        """Return the entry of ``quality.json``."""
        count, spread = self._counts, self._spread
        return {
            "venue": self._info.venue,
            "role": self._info.role,
            "observations": count["observations"],
            **clock,
            "no_bid": count["no_bid"],
            "no_ask": count["no_ask"],
            "one_sided_share": _share(count["one_sided"], count["observations"]),
            "crossed": spread.below(0),
            "locked": spread.at(0),
            "wide": spread.count - spread.below(self._limits.wide + 1),
            "spread_median": _price(spread.median),
            "yes_ask_plus_no_ask": _sums(spread, PRICE_UNITS),
            "bid_size_median": _size(self._sizes[0].median),
            "ask_size_median": _size(self._sizes[1].median),
            "gap_median_ns": self._gaps.median,
            "gap_max_ns": self._gap_max,
            "price_changes": count["changes"],
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


# -- feeds and pairs --------------------------------------------------------------------------


class _Feeds:
    """Whether anything of a venue arrived, second by second: a quiet market is no gap."""

    def __init__(self, sessions: Sequence[SessionInfo]) -> None:
        self._sessions = sessions
        self._seen: dict[tuple[int, str], Mask] = {}
        self._count: dict[tuple[int, str], int] = {}

    def add(self, number: int, venue: str, part: Top) -> None:
        """Count observations of a book in the session with this number."""
        session, key = self._sessions[number], (number, venue)
        if key not in self._seen:
            seconds = (session.end_ns - session.start_ns) // _SECOND + 1
            self._seen[key] = np.zeros(seconds, dtype=bool)
            self._count[key] = 0
        self._seen[key][(part.ts_ns - session.start_ns) // _SECOND] = True
        self._count[key] += len(part)

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
    dataset: Dataset, pair: Pair, session: SessionInfo, stale: dict[tuple[str, str], float]
) -> dict[str, Any]:
    files = [TopFile(dataset.top_path(m.yes_id)) for m in pair.markets]
    flip = (pair.a.inverse, pair.b.inverse)
    sums = {"yes_no": Tally(0, 2 * PRICE_UNITS), "no_yes": Tally(0, 2 * PRICE_UNITS)}
    for m in merged_slices(files, session.start_ns, session.end_ns, flip=flip):
        for name, ask, bid in (("yes_no", m.a_ask, m.b_bid), ("no_yes", m.b_ask, m.a_bid)):
            valid = (ask != NO_ASK) & (bid != NO_BID)
            sums[name].add((ask + PRICE_UNITS - bid)[valid])
    return {
        "pair_id": pair.pair_id,
        "session": session.name,
        "legs": {m.venue.value: m.yes_id for m in pair.markets},
        "stale_share": {
            m.venue.value: stale.get((m.yes_id, session.name), 1.0) for m in pair.markets
        },
        "ask_sums": {name: _sums(tally) for name, tally in sums.items()},
        "route_sums": _route_sums(dataset, pair, session),
    }


def pair_view(
    dataset: Dataset, market: PairMarket, session: SessionInfo, *, sizes: bool = True
) -> Top:
    """Return a leg of a session in the pair's YES frame."""
    file = TopFile(dataset.top_path(market.yes_id))
    top = file.read(session.start_ns, session.end_ns, sizes=sizes)
    return top.flipped() if market.inverse else top


def _route_sums(dataset: Dataset, pair: Pair, session: SessionInfo) -> dict[str, Any]:
    """Sum of the YES asks of a market and of its opposite: below one means one of them is wrong."""
    out = {}
    present = {i.instrument_id for i in dataset.instruments if session.name in i.sessions}
    for market in pair.markets:
        for route in market.routes:
            name = f"{route.yes}.{market.venue.value}"
            if name not in present or not route.inverse:
                continue
            files = [TopFile(dataset.top_path(n)) for n in (market.yes_id, name)]
            tally = Tally(0, 2 * PRICE_UNITS)
            for m in merged_slices(files, session.start_ns, session.end_ns, flip=(False, False)):
                tally.add((m.a_ask + m.b_ask)[(m.a_ask != NO_ASK) & (m.b_ask != NO_ASK)])
            out[name] = _sums(tally)
    return out


# -- numbers ----------------------------------------------------------------------------------


def _share(part: int, whole: int) -> float:
    return round(part / max(1, whole), 6)


def _price(units: int | None) -> str | None:
    return None if units is None else f"{units / PRICE_UNITS:.{PRICE_PRECISION}f}"


def _size(units: int | None) -> str | None:
    return None if units is None else f"{units // 100}.{units % 100:02d}"


def _sums(tally: Tally, base: int = 0) -> dict[str, Any]:
    """Minimum, median and share below one of sums of asks (``base`` plus what was tallied)."""
    if not tally.count:
        return {"min": None, "median": None, "below_one_share": 0.0, "observations": 0}
    least, median = tally.least, tally.median
    return {
        "min": _price(base + (least or 0)),
        "median": _price(base + (median or 0)),
        "below_one_share": _share(tally.below(PRICE_UNITS - base), tally.count),
        "observations": tally.count,
    }
