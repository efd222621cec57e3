"""Read the top-of-book sidecars: one row per observation of a YES book."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtests.data.deltas import TOP_SCHEMA
from backtests.data.errors import DataError
from backtests.data.recording import NO_ASK, NO_BID

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Top:
    """Best prices of one YES book over time (prices $0.0001, sizes 0.01 contract)."""

    ts_ns: Ints
    bid: NDArray[np.int32]
    ask: NDArray[np.int32]
    bid_size: Ints
    ask_size: Ints

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def two_sided(self) -> Mask:
        """Observations with a bid and an ask."""
        return (self.bid != NO_BID) & (self.ask != NO_ASK)

    def between(self, start_ns: int, end_ns: int) -> Top:
        """Return the observations in [start, end]."""
        a = int(np.searchsorted(self.ts_ns, start_ns, side="left"))
        b = int(np.searchsorted(self.ts_ns, end_ns, side="right"))
        return Top(
            self.ts_ns[a:b], self.bid[a:b], self.ask[a:b], self.bid_size[a:b], self.ask_size[a:b]
        )


def read_top(path: Path, *, sizes: bool = True) -> Top:
    """Read a sidecar; without ``sizes`` only times and prices (what a scan needs).

    Raises
    ------
    DataError
        If the file is missing or not a sidecar.
    """
    if not path.is_file():
        raise DataError(path, "no such file", "a sidecar written by twinbook data load or generate")
    names = TOP_SCHEMA.names if sizes else TOP_SCHEMA.names[:3]
    try:
        table = pq.read_table(path, columns=names)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(path, f"not Parquet ({error})", "a top-of-book sidecar") from error
    if table.column_names != list(names):
        raise DataError(path, f"columns {table.column_names}", f"columns {names}")
    ts, bid, ask = (table[n].to_numpy() for n in names[:3])
    if not sizes:
        none = np.empty(0, dtype=np.int64)
        return Top(ts, bid, ask, none, none)
    return Top(ts, bid, ask, table["bid_size"].to_numpy(), table["ask_size"].to_numpy())


def last_seen(ts_ns: Ints, at_ns: Ints) -> Ints:
    """Return for each time the index of the last observation not after it (-1: none yet)."""
    return np.searchsorted(ts_ns, at_ns, side="right") - 1
