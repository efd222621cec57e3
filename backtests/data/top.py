"""Read the top-of-book sidecars: one row per observation of a YES book."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
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

    def flipped(self) -> Top:
        """Return the same market seen from its NO side (NO bid = 1 - YES ask)."""
        bid = (NO_ASK - self.ask).astype(np.int32)
        ask = (NO_ASK - self.bid).astype(np.int32)
        return Top(self.ts_ns, bid, ask, self.ask_size, self.bid_size)

    @property
    def two_sided(self) -> Mask:
        """Observations with a bid and an ask."""
        return np.asarray((self.bid != NO_BID) & (self.ask != NO_ASK))

    def between(self, start_ns: int, end_ns: int) -> Top:
        """Return the observations in [start, end]; sizes may have been left out."""
        a = int(np.searchsorted(self.ts_ns, start_ns, side="left"))
        b = int(np.searchsorted(self.ts_ns, end_ns, side="right"))
        return Top(
            self.ts_ns[a:b], self.bid[a:b], self.ask[a:b], self.bid_size[a:b], self.ask_size[a:b]
        )


def read_top(path: Path, *, sizes: bool = True) -> Top:
    """Read a whole sidecar; without ``sizes`` only times and prices (what a scan needs).

    Raises
    ------
    DataError
        If the file is missing or not a sidecar.
    """
    return TopFile(path).read(sizes=sizes)


class TopFile:
    """A sidecar read piece by piece, so that memory does not grow with its length.

    Raises
    ------
    DataError
        If the file is missing or not a sidecar.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise DataError(
                path, "no such file", "a sidecar written by twinbook data load or generate"
            )
        try:
            self._file = pq.ParquetFile(path)
        except (pa.ArrowInvalid, OSError) as error:
            raise DataError(path, f"not Parquet ({error})", "a top-of-book sidecar") from error
        if self._file.schema_arrow.names != TOP_SCHEMA.names:
            found = f"columns {self._file.schema_arrow.names}"
            raise DataError(path, found, f"columns {TOP_SCHEMA.names}")
        meta = self._file.metadata
        self.rows: int = meta.num_rows
        stats = [meta.row_group(i).column(0).statistics for i in range(meta.num_row_groups)]
        self.starts = np.array([x.min for x in stats], dtype=np.int64)
        self._ends = np.array([x.max for x in stats], dtype=np.int64)

    def read(self, start_ns: int = 0, end_ns: int = 2**63 - 1, *, sizes: bool = True) -> Top:
        """Return the observations in [start, end]."""
        groups = np.flatnonzero((self._ends >= start_ns) & (self.starts <= end_ns))
        names = TOP_SCHEMA.names if sizes else TOP_SCHEMA.names[:3]
        table = self._file.read_row_groups(groups.tolist(), columns=names)
        none = np.empty(0, dtype=np.int64)
        columns = [table[n].to_numpy() for n in names] + ([] if sizes else [none, none])
        return Top(*columns).between(start_ns, end_ns)

    def parts(self, start_ns: int, end_ns: int) -> Iterator[Top]:
        """Yield the observations in [start, end] in pieces of some hundred thousand."""
        for a, b in slices([self], start_ns, end_ns):
            part = self.read(a, b)
            if len(part):
                yield part


#: Row groups of all files together that one slice of time covers.
_SLICE_GROUPS = 48


def slices(files: Sequence[TopFile], start_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
    """Cut a span of time into pieces that hold about equally many rows of the files together."""
    starts = np.sort(np.concatenate([f.starts for f in files]))
    cuts = starts[(starts > start_ns) & (starts <= end_ns)][_SLICE_GROUPS - 1 :: _SLICE_GROUPS]
    edges = [start_ns, *np.unique(cuts).tolist(), end_ns + 1]
    for a, b in pairwise(edges):
        yield int(a), int(b) - 1


@dataclass(frozen=True, slots=True)
class Merged:
    """Both books of a pair after every observation of either, once both were seen."""

    ts_ns: Ints
    a_bid: NDArray[np.int32]
    a_ask: NDArray[np.int32]
    b_bid: NDArray[np.int32]
    b_ask: NDArray[np.int32]

    def since(self, start_ns: int) -> Merged:
        """Return the part from a time on."""
        at = int(np.searchsorted(self.ts_ns, start_ns))
        return Merged(*(getattr(self, n)[at:] for n in self.__slots__))


def merge(a: Top, b: Top) -> Merged:
    """Line up two books in time order; times are unique over all books of a dataset."""
    n, m = len(a), len(b)
    at_a = np.arange(n) + np.searchsorted(b.ts_ns, a.ts_ns)
    from_a: Mask = np.zeros(n + m, dtype=bool)
    from_a[at_a] = True
    row_a = np.cumsum(from_a) - 1
    row_b = np.arange(n + m) - row_a - 1
    first = int(max(np.searchsorted(row_a, 0), np.searchsorted(row_b, 0)))
    from_a, row_a, row_b = from_a[first:], row_a[first:], row_b[first:]
    if not n or not m:
        none = np.empty(0, dtype=np.int32)
        return Merged(np.empty(0, dtype=np.int64), none, none, none, none)
    ts = np.where(from_a, a.ts_ns[row_a], b.ts_ns[row_b])
    return Merged(ts, a.bid[row_a], a.ask[row_a], b.bid[row_b], b.ask[row_b])


def merged_slices(
    legs: Sequence[TopFile], start_ns: int, end_ns: int, *, flip: Sequence[bool]
) -> Iterator[Merged]:
    """Line up the sidecars of two legs slice by slice; ``flip`` takes a book's NO side's view."""
    held: list[Top | None] = [None, None]
    for first, last in slices(legs, start_ns, end_ns):
        tops = []
        for leg, file in enumerate(legs):
            top = file.read(first, last, sizes=False)
            top = top.flipped() if flip[leg] else top
            before = held[leg]
            top = top if before is None else _joined(before, top)
            held[leg] = top.between(int(top.ts_ns[-1]), last) if len(top) else None
            tops.append(top)
        merged = merge(tops[0], tops[1]).since(first)
        if len(merged.ts_ns):
            yield merged


def _joined(a: Top, b: Top) -> Top:
    return Top(*(np.concatenate((getattr(a, n), getattr(b, n))) for n in Top.__slots__))


def last_seen(ts_ns: Ints, at_ns: Ints) -> Ints:
    """Return for each time the index of the last observation not after it (-1: none yet)."""
    return np.searchsorted(ts_ns, at_ns, side="right") - 1
