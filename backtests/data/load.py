"""Recordings in, dataset out.

A folder of recordings (``*.parquet`` in the normalized schema and ``pairs.json``) becomes a
dataset. Every row is written as one snapshot of its YES book, changed or not: a poll that saw the
same book proves its age. ``ts_init`` is the time of receipt made strictly increasing over all
instruments, ``ts_event`` the venue's time where the recorder kept it.

``inverse`` rows quote the NO side of their market. They are turned into the YES view; one that
repeats the YES row of the same message is the same observation seen twice and is only counted.
A route (the Kalshi opposite ticker) is stored as its own book with the role ``route``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.compute as pc

from backtests.data.dataset import (
    CATALOG_DIR,
    DATASET_SCHEMA_VERSION,
    PAIRS_FILE,
    TOP_DIR,
    Dataset,
    InstrumentInfo,
    Manifest,
    SessionInfo,
    Source,
    open_dataset,
    write_manifest,
)
from backtests.data.deltas import DeltaWriter, Ints, TopWriter, snapshots
from backtests.data.errors import DataError
from backtests.data.instruments import Book, binary_options, books_of
from backtests.data.quality import check_dataset
from backtests.data.recording import (
    NO_ASK,
    NO_BID,
    PRICE_UNITS,
    VENUES,
    Batch,
    Recording,
    open_recording,
)
from backtests.data.store import new_folder, sha256
from core.pairs import Pair, PairsError, encode_pairs, parse_pairs
from core.recorded import is_recorded, parse_recorded

#: Suffix of an instrument whose rows quote the NO side (``inverse`` is true there).
INVERSE_SUFFIX = "-inverse"
#: An inverse row repeats its YES row when it says the same within this time of it.
REPEAT_NS = 100_000_000
#: Books of a polled session have equally many observations, within this share.
_POLL_TOLERANCE = 0.02
_POLLS_MIN = 10

#: Called with (rows done, rows in total, session).
Progress = Callable[[int, int, str], None]


@dataclass(slots=True)
class BookStats:
    """What the loader counted for one YES book."""

    book: Book
    sessions: list[str] = field(default_factory=list)
    observations: int = 0
    deltas: int = 0
    first_ns: int = 0
    last_ns: int = 0
    one_sided: int = 0

    def info(self) -> InstrumentInfo:
        """Return the manifest entry."""
        return InstrumentInfo(
            instrument_id=self.book.yes_id,
            no_instrument_id=self.book.no_id,
            venue=self.book.venue,
            venue_instrument=self.book.market,
            pair_ids=self.book.pair_ids,
            role="leg" if self.book.role == "leg" else "route",
            currency=self.book.terms.terms.currency,
            sessions=tuple(self.sessions),
            observations=self.observations,
            deltas=self.deltas,
            first_ns=self.first_ns,
            last_ns=self.last_ns,
            one_sided=self.one_sided,
        )


def build_dataset(
    src: Path,
    dst: Path,
    *,
    accept_recorded: bool,
    sessions: Sequence[str] | None = None,
    progress: Progress | None = None,
    replace: bool = False,
) -> Dataset:
    """Make a dataset from a folder of recordings.

    Parameters
    ----------
    src : Path
        Folder with ``*.parquet`` (one session each) and ``pairs.json``, either the recordings'
        own list or schema 1.
    dst : Path
        Where the dataset goes; it appears complete or not at all.
    accept_recorded : bool
        Give the recordings' own pairs an approval of kind ``recorded``: backtests may trade them.
    sessions : sequence of str, optional
        Load only these sessions.
    progress : callable, optional
        Called with rows done, rows in total and the session's name.
    replace : bool
        Replace an existing folder.

    Raises
    ------
    DataError
        For any file, row or field that is wrong, for sessions that overlap in time, and for a
        pair that names an instrument without data.
    """
    src = Path(src)
    files = _session_files(src)
    pairs = read_pairs(src / PAIRS_FILE, accept_recorded=accept_recorded)
    _check_sessions_exist(src, files, pairs, sessions)
    chosen = [f for f in files if sessions is None or f.session in sessions]
    _check_disjoint(chosen)
    chosen_names = {f.session for f in chosen}
    used = tuple(p for p in pairs if p.session is None or p.session in chosen_names)
    with new_folder(Path(dst), replace=replace) as work:
        loader = _Loader(work, used, sum(f.rows for f in chosen), progress)
        for file in chosen:
            loader.session(file)
        loader.finish(src.resolve().name, chosen)
        (work / PAIRS_FILE).write_bytes(encode_pairs(used))
        check_dataset(open_dataset(work))
    return open_dataset(dst)


def read_pairs(path: Path, *, accept_recorded: bool) -> tuple[Pair, ...]:
    """Read ``pairs.json`` in either of its two forms.

    Raises
    ------
    DataError
        If the file is missing or wrong.
    """
    if not path.is_file():
        raise DataError(path, "no such file", "pairs.json beside the recordings (docs/pairs.md)")
    data = path.read_bytes()
    try:
        if is_recorded(data):
            return parse_recorded(data, accept=accept_recorded, source=str(path))
        return parse_pairs(data, str(path))
    except PairsError as error:
        found = str(error).removeprefix(f"{path}: ").removeprefix("found ")
        raise DataError(path, found, "docs/pairs.md") from error


@dataclass(frozen=True, slots=True)
class _File:
    path: Path
    session: str
    start_ns: int
    end_ns: int
    rows: int


def _session_files(src: Path) -> list[_File]:
    if not src.is_dir():
        raise DataError(src, "no such folder", "a folder with *.parquet and pairs.json")
    paths = sorted(src.glob("*.parquet"))
    if not paths:
        raise DataError(src, "no *.parquet file", "one Parquet file per session and pairs.json")
    files = [_peek(path) for path in paths]
    seen: dict[str, Path] = {}
    for file in files:
        if file.session in seen:
            found = f"session {file.session!r}, also in {seen[file.session].name}"
            raise DataError(file.path, found, "one file per session", field="session")
        seen[file.session] = file.path
    return sorted(files, key=lambda f: (f.start_ns, f.session))


def _peek(path: Path) -> _File:
    """Read name and span of a session from its first and last row group."""
    file = open_recording(path)
    rows = file.metadata.num_rows
    if rows == 0:
        raise DataError(path, "0 rows", "a session with at least one observation")
    head = file.read_row_group(0, columns=["session", "ts_recv_ns"])
    tail = file.read_row_group(file.num_row_groups - 1, columns=["ts_recv_ns"])
    name = head["session"][0].as_py()
    start, end = pc.min(head["ts_recv_ns"]).as_py(), pc.max(tail["ts_recv_ns"]).as_py()
    return _File(path, name or "", start or 0, end or 0, rows)


def _check_sessions_exist(
    src: Path, files: list[_File], pairs: tuple[Pair, ...], sessions: Sequence[str] | None
) -> None:
    names = [f.session for f in files]
    for wanted in sessions or ():
        if wanted not in names:
            raise DataError(src, f"no session {wanted!r}", ", ".join(names), field="--session")
    for pair in pairs:
        named = pair.session
        if named is None or named in names or (sessions is not None and named not in sessions):
            continue
        found = f"pair {pair.pair_id} of session {named!r}, which no *.parquet file holds"
        raise DataError(src / PAIRS_FILE, found, ", ".join(names), field="session")


def _check_disjoint(files: list[_File]) -> None:
    for before, after in pairwise(files):
        if after.start_ns <= before.end_ns:
            found = f"begins before session {before.session!r} ends"
            allowed = f"sessions one after the other (load one with --session {after.session})"
            raise DataError(after.path, found, allowed, field="ts_recv_ns")


class _Loader:
    """Turn the batches of one session after another into catalog files and sidecars."""

    def __init__(
        self, work: Path, pairs: tuple[Pair, ...], total_rows: int, progress: Progress | None
    ) -> None:
        self._work = work
        self._pairs = pairs
        self._books = books_of(pairs)
        self._stats = {name: BookStats(book) for name, book in self._books.items()}
        self._tops: dict[str, TopWriter] = {}
        self._deltas: dict[str, DeltaWriter] = {}
        self._sessions: list[SessionInfo] = []
        self._counts = dict.fromkeys(
            ("rows", "observations", "floored_sizes", "inverse_rows", "inverse_repeats"), 0
        )
        self._last_ts = 0
        self._last_of: dict[int, tuple[int, ...]] = {}
        self._total_rows = total_rows
        self._progress = progress

    def session(self, file: _File) -> None:
        """Load one recording."""
        pairs = [p for p in self._pairs if p.session in (None, file.session)]
        if not pairs:
            raise DataError(
                file.path.with_name(PAIRS_FILE),
                f"no pair of session {file.session!r}",
                "at least one",
                field="session",
            )
        names = _Names(pairs)
        recording = Recording(file.path, names.allowed)
        before = {name: s.observations for name, s in self._stats.items()}
        deltas = sum(s.deltas for s in self._stats.values())
        self._last_of = {}
        start_ns = 0
        for batch in recording.batches():
            first = self._batch(batch, recording, names)
            start_ns = start_ns or first
            self._counts["rows"] += len(batch)
            if self._progress:
                self._progress(self._counts["rows"], self._total_rows, file.session)
        self._counts["floored_sizes"] += recording.floored_sizes
        for writer in self._deltas.values():
            writer.close()
        self._deltas = {}
        counts = {n: s.observations - before[n] for n, s in self._stats.items()}
        _check_complete(file, pairs, counts)
        for name, count in counts.items():
            if count:
                self._stats[name].sessions.append(file.session)
        poll_ns = _poll_ns(pairs, counts, self._last_ts - start_ns)
        self._sessions.append(
            SessionInfo(
                name=file.session,
                kind="message" if poll_ns is None else "polled",
                start_ns=start_ns,
                end_ns=self._last_ts,
                observations=sum(counts.values()),
                deltas=sum(s.deltas for s in self._stats.values()) - deltas,
                pair_ids=tuple(p.pair_id for p in pairs),
                poll_ns=poll_ns,
            )
        )

    def _batch(self, batch: Batch, recording: Recording, names: _Names) -> int:
        """Write one batch; return its first ``ts_init``."""
        market = np.array([names.market(key) for key in recording.books], dtype=np.int64)
        ids = market[batch.book]
        view = _yes_view(batch)
        keep = self._fold(ids, batch, view)
        ts_init = strictly_increasing(batch.ts_recv_ns[keep], self._last_ts)
        if len(ts_init) == 0:
            return self._last_ts
        self._last_ts = int(ts_init[-1])
        venue_ns = batch.ts_venue_ns[keep]
        ts_event = np.where(venue_ns > 0, venue_ns, batch.ts_recv_ns[keep])
        bid, bid_size, ask, ask_size = (column[keep] for column in view)
        ids = ids[keep]
        order = np.argsort(ids, kind="stable")
        cuts = np.flatnonzero(np.diff(ids[order])) + 1
        for rows in np.split(order, cuts):
            self._write(
                names.yes_ids[ids[rows[0]]],
                ts_event[rows],
                ts_init[rows],
                (bid[rows], bid_size[rows], ask[rows], ask_size[rows]),
            )
        return int(ts_init[0])

    def _fold(
        self, ids: Ints, batch: Batch, view: tuple[Ints, Ints, Ints, Ints]
    ) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        """Return which rows to keep: all but inverse rows that repeat their message's YES row."""
        keep = np.ones(len(batch), dtype=bool)
        rows = np.flatnonzero(batch.inverse)
        self._counts["inverse_rows"] += len(rows)
        columns = (*view, batch.ts_recv_ns, batch.inverse.astype(np.int64))
        with_inverse = np.unique(ids[rows])
        for market in with_inverse:
            mine = np.flatnonzero(ids == market)
            table = np.stack([c[mine] for c in columns])
            last = self._last_of.get(int(market), (-1, 0, -1, 0, -(2**62), 1))
            shifted = np.concatenate((np.array(last)[:, None], table[:, :-1]), axis=1)
            same = (table[:4] == shifted[:4]).all(axis=0)
            near = table[4] - shifted[4] <= REPEAT_NS
            keep[mine] = ~((table[5] == 1) & (shifted[5] == 0) & same & near)
        for market in np.unique(ids):
            row = int(np.flatnonzero(ids == market)[-1])
            self._last_of[int(market)] = tuple(int(c[row]) for c in columns)
        self._counts["inverse_repeats"] += int(np.count_nonzero(~keep))
        return keep

    def _write(
        self, yes_id: str, ts_event: Ints, ts_init: Ints, top: tuple[Ints, Ints, Ints, Ints]
    ) -> None:
        bid, bid_size, ask, ask_size = top
        stats = self._stats[yes_id]
        if yes_id not in self._deltas:
            self._deltas[yes_id] = DeltaWriter(self._work / CATALOG_DIR, yes_id)
        if yes_id not in self._tops:
            self._tops[yes_id] = TopWriter(self._work / TOP_DIR, yes_id)
        columns = snapshots(ts_event, ts_init, *top, first_sequence=stats.observations)
        self._deltas[yes_id].append(columns)
        self._tops[yes_id].append(ts_init, bid, ask, bid_size, ask_size)
        stats.first_ns = stats.first_ns or int(ts_init[0])
        stats.last_ns = int(ts_init[-1])
        stats.observations += len(ts_init)
        stats.deltas += len(columns)
        stats.one_sided += int(np.count_nonzero((bid == NO_BID) | (ask == NO_ASK)))

    def finish(self, name: str, files: list[_File]) -> None:
        """Close the files; write instruments and manifest."""
        for writer in self._tops.values():
            writer.close()
        used = {n: s for n, s in sorted(self._stats.items()) if s.observations}
        write_instruments(self._work, [s.book for s in used.values()], self._sessions[0].start_ns)
        self._counts["observations"] = sum(s.observations for s in used.values())
        write_manifest(
            self._work,
            Manifest(
                schema_version=DATASET_SCHEMA_VERSION,
                name=name,
                synthetic=False,
                seed=None,
                span_ns=(self._sessions[0].start_ns, self._sessions[-1].end_ns),
                sessions=tuple(self._sessions),
                instruments=tuple(s.info() for s in used.values()),
                sources=tuple(
                    Source(f.path.name, f.path.stat().st_size, sha256(f.path)) for f in files
                ),
                counts=self._counts,
            ),
        )


class _Names:
    """The instruments a session's rows may name, and the book each of them belongs to."""

    def __init__(self, pairs: Sequence[Pair]) -> None:
        self.allowed: dict[tuple[str, str], frozenset[str]] = {}
        self.yes_ids: list[str] = []
        self._index: dict[tuple[str, str, str], int] = {}
        schema_name = {venue: name for name, venue in VENUES.items()}
        for pair in pairs:
            for market in pair.markets:
                venue = schema_name[market.venue.value]
                named = [(market.market, market.yes)] + [(r.market, r.yes) for r in market.routes]
                for name, yes in named:
                    self.yes_ids.append(f"{yes}.{market.venue.value}")
                    for spelled in (name, name + INVERSE_SUFFIX):
                        self._index[pair.pair_id, venue, spelled] = len(self.yes_ids) - 1
                self.allowed[pair.pair_id, venue] = frozenset(
                    s for n, _ in named for s in (n, n + INVERSE_SUFFIX)
                )

    def market(self, key: tuple[str, str, str]) -> int:
        """Return the number of the market that a row's (pair, venue, instrument) observes."""
        return self._index[key]


def _yes_view(batch: Batch) -> tuple[Ints, Ints, Ints, Ints]:
    """Return bid, bid size, ask, ask size as the YES book shows them (NO bid p = YES ask 1-p)."""
    flip = batch.inverse
    return (
        np.where(flip, PRICE_UNITS - batch.ask, batch.bid),
        np.where(flip, batch.ask_size, batch.bid_size),
        np.where(flip, PRICE_UNITS - batch.bid, batch.ask),
        np.where(flip, batch.bid_size, batch.ask_size),
    )


def strictly_increasing(ts_ns: Ints, last_ns: int) -> Ints:
    """Return the smallest strictly increasing times not before ``ts_ns`` and after ``last_ns``.

    Examples
    --------
    >>> strictly_increasing(np.array([5, 5, 5, 9]), 6).tolist()
    [7, 8, 9, 10]
    """
    steps = np.arange(len(ts_ns), dtype=np.int64)
    return np.maximum.accumulate(np.maximum(ts_ns - steps, last_ns + 1)) + steps


def _check_complete(file: _File, pairs: Sequence[Pair], counts: dict[str, int]) -> None:
    for pair in pairs:
        for market in pair.markets:
            if not counts.get(market.yes_id):
                raise DataError(
                    file.path.with_name(PAIRS_FILE),
                    f"pair {pair.pair_id} of session {file.session!r} names {market.venue} "
                    f"{market.market!r}, which has no row in {file.path.name}",
                    "instruments that are in the data",
                    field="instrument",
                )


def _poll_ns(pairs: Sequence[Pair], counts: dict[str, int], span_ns: int) -> int | None:
    """Return the poll period if all legs were observed equally often, else None."""
    legs = [counts[m.yes_id] for p in pairs for m in p.markets]
    if min(legs) < _POLLS_MIN or max(legs) - min(legs) > _POLL_TOLERANCE * max(legs):
        return None
    return round(span_ns / (max(legs) - 1))


def write_instruments(
    work: Path, books: Sequence[Book], ts_ns: int, *, synthetic: bool = False
) -> None:
    """Write the YES and NO definitions of every book into the catalog."""
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    catalog = ParquetDataCatalog(str(work / CATALOG_DIR))
    options = [o for b in books for o in binary_options(b, ts_ns, synthetic=synthetic)]
    catalog.write_data(options)
