"""The health test of an archive file: done first, with its numbers kept.

Kalshi files carry the exchange's time on deltas and the exporter's flush time on every row; the
lag between them shows whether the exporter kept up. A file whose exporter fell behind holds other
minutes than its name says, and one without deltas has no clock at all.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtests.data.archives.files import HOUR_NS, Archive, defect

#: Lags are counted in milliseconds up to this many, the rest in the last bin.
_LAG_BINS = 4_000_000
_LAG_P50_MS = 2_000
_LAG_P99_MS = 10_000
_SPAN_MIN = 59 / 60
_SNAPSHOT_SHARE = 0.10
_BATCH_ROWS = 1_048_576


class Verdict(StrEnum):
    """What may be done with a file."""

    ACCEPT = "accept"
    DEGRADED = "degraded"
    REJECT = "reject"
    MISSING = "missing"


class Health(msgspec.Struct, frozen=True):
    """The result of one file's test.

    ``lag_*_ms`` is receipt less venue time; ``span_ns`` the venue times covered; ``rows`` by
    event type; ``why`` names what kept the file from being accepted.
    """

    file: str
    verdict: Verdict
    why: str
    rows: dict[str, int] = {}
    first_ns: int = 0
    last_ns: int = 0
    lag_p50_ms: int = 0
    lag_p99_ms: int = 0
    lag_max_ms: int = 0

    @property
    def usable(self) -> bool:
        """True unless the file is missing or rejected."""
        return self.verdict in (Verdict.ACCEPT, Verdict.DEGRADED)


_TIMES = {
    Archive.KALSHI: ("timestamp_received", "timestamp", "event_type"),
    Archive.POLYMARKET_V1: ("timestamp_received", "timestamp_created_at", "update_type"),
    Archive.POLYMARKET_V2: ("timestamp_received", "timestamp", "event_type"),
}
_SNAPSHOTS = {"orderbook_snapshot", "book_snapshot", "book"}


def examine(path: Path, archive: Archive, alive: set[int] | None = None) -> Health:
    """Test one archive file; memory does not grow with it.

    Parameters
    ----------
    path : Path
        The file.
    archive : Archive
        Its kind.
    alive : set of int, optional
        Takes the seconds (UTC) of the venue's clock in which any market said anything.
    """
    why = defect(path)
    if why is not None:
        return Health(path.name, Verdict.MISSING, why)
    file = pq.ParquetFile(path)
    names = _TIMES[archive]
    absent = [n for n in names if file.schema_arrow.get_field_index(n) < 0]
    if absent:
        return Health(path.name, Verdict.REJECT, f"no column {absent[0]}")
    lags = np.zeros(_LAG_BINS, dtype=np.int64)
    kinds: Counter[str] = Counter()
    first, last = 2**62, 0
    for batch in file.iter_batches(_BATCH_ROWS, columns=list(names)):
        for entry in pc.value_counts(batch[names[2]]).to_pylist():
            kinds[str(entry["values"])] += entry["counts"]
        known = pc.is_valid(batch[names[1]])
        venue = ns_of(batch[names[1]].filter(known))
        if not len(venue):
            continue
        if alive is not None:
            alive.update(np.unique(venue // 1_000_000_000).tolist())
        lag = (ns_of(batch[names[0]].filter(known)) - venue) // 1_000_000
        lags += np.bincount(np.clip(lag, 0, _LAG_BINS - 1), minlength=_LAG_BINS)
        first, last = min(first, int(venue.min())), max(last, int(venue.max()))
    return _judge(path.name, archive, kinds, lags, first, last)


def _judge(
    name: str,
    archive: Archive,
    kinds: Counter[str],
    lags: NDArray[np.int64],
    first: int,
    last: int,
) -> Health:
    clocked = int(lags.sum())
    rows = dict(sorted(kinds.items()))
    if not clocked:
        return Health(name, Verdict.REJECT, "no row with the venue's time: no clock", rows)
    p50, p99 = (_percentile(lags, clocked, q) for q in (0.5, 0.99))
    share = sum(n for k, n in kinds.items() if k in _SNAPSHOTS) / sum(kinds.values())
    wrong = []
    if p50 >= _LAG_P50_MS:
        wrong.append(f"median lag {p50} ms (allowed: below {_LAG_P50_MS})")
    if p99 >= _LAG_P99_MS:
        wrong.append(f"p99 lag {p99} ms (allowed: below {_LAG_P99_MS})")
    if last - first < _SPAN_MIN * HOUR_NS:
        wrong.append(f"covers {(last - first) / 6e10:.1f} minutes (allowed: from 59)")
    if archive is Archive.KALSHI and share >= _SNAPSHOT_SHARE:
        wrong.append(f"snapshots {share:.0%} (allowed: below {_SNAPSHOT_SHARE:.0%})")
    return Health(
        file=name,
        verdict=Verdict.DEGRADED if wrong else Verdict.ACCEPT,
        why="; ".join(wrong),
        rows=rows,
        first_ns=first,
        last_ns=last,
        lag_p50_ms=p50,
        lag_p99_ms=p99,
        lag_max_ms=int(np.flatnonzero(lags)[-1]),
    )


def _percentile(bins: NDArray[np.int64], total: int, q: float) -> int:
    return int(np.searchsorted(np.cumsum(bins), q * total, side="left"))


def ns_of(column: pa.Array) -> NDArray[np.int64]:
    """Return a timestamp column of any unit as ns."""
    cast = pc.cast(column, pa.timestamp("ns", tz="UTC"))
    return np.asarray(cast.cast(pa.int64()).to_numpy(zero_copy_only=False))
