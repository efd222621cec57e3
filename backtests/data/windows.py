"""Cut a dataset down to the windows a scan found, so that a replay reads only those.

Per pair and session one span is kept: from the observation before the first open window to some
time after the last window of either kind. In front of it stands, for each book of the pair, one
true snapshot: the book as it was at its last observation before the span, with that observation's
own times, rebuilt from the deltas. A pair without an open window keeps the first observation of
each book, so that every instrument of ``pairs.json`` is in the data.

The middle of a span is kept on purpose. What was bought at a price stays taken until the level
disappears or grows (docs/backtest.md), and that can happen between two windows; a replay that did
not see it could decide differently. ``gap_ns`` gives this exactness up for speed: quiet stretches
longer than that are cut out too.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq

from backtests.data.dataset import (
    CATALOG_DIR,
    PAIRS_FILE,
    QUALITY_FILE,
    TOP_DIR,
    WINDOWS_FILE,
    Dataset,
    InstrumentInfo,
    open_dataset,
    write_manifest,
)
from backtests.data.deltas import (
    ACTION_ADD,
    ACTION_CLEAR,
    ACTION_DELETE,
    F_LAST,
    F_SNAPSHOT,
    SIDE_BUY,
    SIDE_NONE,
    DeltaColumns,
    DeltaWriter,
    Ints,
    TopWriter,
    concat,
    read_deltas,
)
from backtests.data.instruments import books_of
from backtests.data.load import write_instruments
from backtests.data.quality import catalog_files
from backtests.data.recording import NO_ASK, NO_BID
from backtests.data.scan import Scan, Window
from backtests.data.store import new_folder
from backtests.data.top import Top, read_top

_SECOND = 1_000_000_000
#: Legs are completed or unwound within seconds of a decision; a minute covers every deadline.
TAIL_NS = 60 * _SECOND

Span = tuple[int, int]


def cut_windows(
    dataset: Dataset,
    scan: Scan,
    dst: Path,
    *,
    tail_ns: int = TAIL_NS,
    gap_ns: int | None = None,
    replace: bool = False,
) -> Dataset:
    """Write the smaller dataset that holds only what a replay of the windows needs.

    Parameters
    ----------
    dataset : Dataset
        The full dataset.
    scan : Scan
        Its windows.
    dst : Path
        New folder.
    tail_ns : int
        Time kept after a window for orders still at work.
    gap_ns : int, optional
        Cut out stretches between windows longer than this; None keeps them (exact).
    replace : bool
        Replace an existing folder.

    Raises
    ------
    DataError
        If the dataset is damaged or ``dst`` is taken.
    """
    spans = _spans(dataset, scan.windows, tail_ns, gap_ns)
    with new_folder(Path(dst), replace=replace) as work:
        infos: list[InstrumentInfo] = []
        edges: list[Span] = []
        counts: dict[str, list[int]] = {s.name: [0, 0] for s in dataset.sessions}
        for info in dataset.instruments:
            mine = [spans[p, s] for p in info.pair_ids for s in info.sessions if (p, s) in spans]
            kept, span = _cut_book(dataset, info, sorted(chain(*mine)), work, counts)
            infos.append(kept)
            edges.append(span)
        books = books_of(dataset.pairs())
        write_instruments(
            work,
            [books[i.instrument_id] for i in infos],
            dataset.span_ns[0],
            synthetic=dataset.synthetic,
        )
        _copy(dataset, work)
        manifest = msgspec.structs.replace(
            dataset.manifest,
            name=f"{dataset.manifest.name}-windows",
            span_ns=(min(a for a, _ in edges), max(b for _, b in edges)),
            sessions=tuple(
                msgspec.structs.replace(s, observations=counts[s.name][0], deltas=counts[s.name][1])
                for s in dataset.sessions
            ),
            instruments=tuple(infos),
            counts={
                "observations": sum(i.observations for i in infos),
                "observations_full": sum(i.observations for i in dataset.instruments),
                "windows": len(scan.windows),
            },
        )
        write_manifest(work, manifest)
    return open_dataset(dst)


def _copy(dataset: Dataset, work: Path) -> None:
    """The pairs, and what check and scan said about the whole data."""
    for name in (PAIRS_FILE, QUALITY_FILE, WINDOWS_FILE):
        source = dataset.path / name
        if source.is_file():
            (work / name).write_bytes(source.read_bytes())


def _spans(
    dataset: Dataset, windows: Sequence[Window], tail_ns: int, gap_ns: int | None
) -> dict[tuple[str, str], list[Span]]:
    """Return the spans to keep per pair and session; an empty list keeps one observation."""
    spans: dict[tuple[str, str], list[Span]] = {
        (pair, s.name): [] for s in dataset.sessions for pair in s.pair_ids
    }
    for window in sorted(windows, key=lambda w: w.start_ns):
        mine = spans[window.pair_id, window.session]
        span = (window.start_ns, window.end_ns + tail_ns)
        if mine and (gap_ns is None or span[0] - mine[-1][1] <= gap_ns):
            mine[-1] = (mine[-1][0], max(mine[-1][1], span[1]))
        else:
            mine.append(span)
    return spans


def _cut_book(
    dataset: Dataset,
    info: InstrumentInfo,
    spans: list[Span],
    work: Path,
    counts: dict[str, list[int]],
) -> tuple[InstrumentInfo, Span]:
    """Copy one book's spans; return its manifest entry and the times it covers."""
    top = read_top(dataset.top_path(info.instrument_id))
    tops = TopWriter(work / TOP_DIR, info.instrument_id)
    sessions = {s.name: s for s in dataset.sessions}
    files = catalog_files(dataset, info.instrument_id)
    kept: Ints = np.empty(0, dtype=np.int64)
    deltas = 0
    for path, name in zip(files, info.sessions, strict=True):
        session = sessions[name]
        columns = read_deltas(pq.read_table(path))
        inside = [s for s in spans if session.start_ns <= s[0] <= session.end_ns]
        rows = _rows_of(top.between(session.start_ns, session.end_ns), inside)
        writer = DeltaWriter(work / CATALOG_DIR, info.instrument_id)
        for part in _parts(columns, rows):
            writer.append(part)
            counts[name][1] += len(part)
            deltas += len(part)
        writer.close()
        counts[name][0] += len(rows)
        kept = np.concatenate((kept, rows))
    index = np.searchsorted(top.ts_ns, kept)
    bid, ask = (x[index].astype(np.int64) for x in (top.bid, top.ask))
    tops.append(kept, bid, ask, top.bid_size[index], top.ask_size[index])
    tops.close()
    one_sided = (bid == NO_BID) | (ask == NO_ASK)
    entry = msgspec.structs.replace(
        info,
        observations=len(kept),
        deltas=deltas,
        first_ns=int(kept[0]),
        last_ns=int(kept[-1]),
        one_sided=int(np.count_nonzero(one_sided)),
    )
    return entry, (int(kept[0]), int(kept[-1]))


def _rows_of(top: Top, spans: list[Span]) -> Ints:
    """Return the times of the observations to keep: each span and the one before it."""
    keep = np.zeros(len(top), dtype=bool)
    keep[0] = not spans
    for start_ns, end_ns in spans:
        first = max(0, int(np.searchsorted(top.ts_ns, start_ns, side="left")) - 1)
        keep[first : int(np.searchsorted(top.ts_ns, end_ns, side="right"))] = True
    return top.ts_ns[keep]


def _parts(columns: DeltaColumns, times: Ints) -> list[DeltaColumns]:
    """Return the deltas at ``times``; a stretch that does not begin with a snapshot gets one."""
    inside = np.isin(columns.ts_init, times)
    first_row = np.flatnonzero(inside & ~np.concatenate(([False], inside[:-1])))
    parts: list[DeltaColumns] = []
    for row in first_row:
        end = row + int(np.argmin(inside[row:])) if not inside[row:].all() else len(inside)
        if columns.action[row] == ACTION_CLEAR:
            parts.append(columns.take(slice(int(row), int(end))))
            continue
        after = int(np.searchsorted(columns.ts_init, columns.ts_init[row], side="right"))
        parts.append(book_at(columns, after))
        parts.append(columns.take(slice(after, int(end))))
    return parts


def book_at(columns: DeltaColumns, rows: int) -> DeltaColumns:
    """Rebuild the book after the first ``rows`` deltas as one snapshot with their last times.

    The last row must end a message.
    """
    clears = np.flatnonzero(columns.action[:rows] == ACTION_CLEAR)
    since = columns.take(slice(int(clears[-1]), rows)) if len(clears) else columns.take(slice(0, 0))
    order = np.lexsort((np.arange(len(since)), since.price, since.side))
    last = np.ones(len(order), dtype=bool)
    side, price = since.side[order], since.price[order]
    last[:-1] = (side[1:] != side[:-1]) | (price[1:] != price[:-1])
    alive = order[last]
    alive = alive[(since.action[alive] != ACTION_DELETE) & (since.side[alive] != SIDE_NONE)]
    # best first on both sides, as a venue's snapshot
    key = np.where(since.side[alive] == SIDE_BUY, -since.price[alive], since.price[alive])
    alive = alive[np.lexsort((key, since.side[alive]))]
    levels = since.take(alive)
    levels.action[:] = ACTION_ADD
    head = since.take(slice(0, 1))
    book = concat([head, levels])
    end = rows - 1
    book.flags[:] = F_SNAPSHOT
    book.flags[-1] |= F_LAST
    book.sequence[:] = columns.sequence[end]
    book.ts_event[:] = columns.ts_event[end]
    book.ts_init[:] = columns.ts_init[end]
    return book
