"""Strict, streaming reader of recordings in the normalized schema (docs/data.md).

A recording is one Parquet file per session, one row per observation of one book's top. The
reader takes a file apart one row group at a time, so its memory does not grow with the file,
and refuses what it does not understand: the first violation ends the reading with one line that
names file, row, field, value and what is allowed. Nothing is repaired here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from backtests.data.errors import DataError

#: Version of the recording schema; a file may state it as metadata ``twinbook.recording``.
RECORDING_SCHEMA_VERSION = 1
VERSION_KEY = b"twinbook.recording"

#: One unit of price is $0.0001, one unit of size 0.01 contract: what the catalog stores.
PRICE_UNITS = 10_000
SIZE_UNITS = 100
NO_BID = 0
NO_ASK = PRICE_UNITS

VENUES: Mapping[str, str] = {
    "kalshi": "KALSHI",
    "polymarket": "POLYMARKET",
    "polymarket_us": "POLYMARKET_US",
}

_TEXT = "string"
_NS = "int64"
_BOOL = "bool"
#: column -> (type, may be null)
COLUMNS: Mapping[str, tuple[str, bool]] = {
    "session": (_TEXT, False),
    "ts_recv_ns": (_NS, False),
    "ts_venue_ns": (_NS, True),
    "venue": (_TEXT, False),
    "pair_id": (_TEXT, False),
    "instrument": (_TEXT, False),
    "inverse": (_BOOL, False),
    "bid_px": (_TEXT, True),
    "bid_sz": (_TEXT, True),
    "ask_px": (_TEXT, True),
    "ask_sz": (_TEXT, True),
}

#: A time outside these years is a time in another unit.
_FIRST_NS, _END_NS = 1_262_304_000_000_000_000, 4_102_444_800_000_000_000
_BATCH_ROWS = 65_536
_PRICE_ALLOWED = "0 < price < 1"
_SIZE_ALLOWED = "size > 0 (null where no quote)"
_DECIMALS = 10
_WIDE = pa.decimal128(38, _DECIMALS)
_LIMB = 10**_DECIMALS

Ints = NDArray[np.int64]


class BookKey(NamedTuple):
    """The venue market that a row observes, and the pair the row belongs to."""

    pair_id: str
    venue: str
    instrument: str


@dataclass(slots=True)
class Batch:
    """Some consecutive rows of one recording, as integers.

    ``book`` indexes ``Recording.books``; prices are $0.0001 units (``NO_BID`` = 0 and ``NO_ASK``
    = 10000 where a side has no quote), sizes 0.01 contract; ``ts_venue_ns`` is 0 where unknown.
    """

    first_row: int
    book: NDArray[np.int32]
    inverse: NDArray[np.bool_]
    ts_recv_ns: Ints
    ts_venue_ns: Ints
    bid: Ints
    bid_size: Ints
    ask: Ints
    ask_size: Ints

    def __len__(self) -> int:
        return len(self.book)


@dataclass(slots=True)
class Recording:
    """One recording file being read; iterate :meth:`batches` once.

    Parameters
    ----------
    path : Path
        The Parquet file.
    allowed : mapping
        (pair id, venue) -> the instruments that may quote it, from the folder's ``pairs.json``.
    """

    path: Path
    allowed: Mapping[tuple[str, str], frozenset[str]]
    session: str = ""
    books: list[BookKey] = field(default_factory=list)
    rows: int = 0
    floored_sizes: int = 0
    _index: dict[BookKey, int] = field(default_factory=dict)
    _last_ns: int = 0

    def batches(self) -> Iterator[Batch]:
        """Read the file from the first row to the last.

        Raises
        ------
        DataError
            At the first row, field or column that breaks the schema; also for an empty file.
        """
        file = open_recording(self.path)
        if file.metadata.num_rows == 0:
            raise DataError(self.path, "0 rows", "a session with at least one observation")
        for table in file.iter_batches(batch_size=_BATCH_ROWS, columns=list(COLUMNS)):
            batch = self._take(table)
            self.rows += len(batch)
            yield batch

    def _take(self, table: pa.RecordBatch) -> Batch:
        self._check_nulls(table)
        self._check_session(table)
        ts_recv = _ns(table["ts_recv_ns"])
        self._check_order(ts_recv)
        book = self._books(table)
        bid, bid_size = self._side(table, "bid", NO_BID)
        ask, ask_size = self._side(table, "ask", NO_ASK)
        return Batch(
            first_row=self.rows,
            book=book,
            inverse=table["inverse"].to_numpy(zero_copy_only=False),
            ts_recv_ns=ts_recv,
            ts_venue_ns=_ns(table["ts_venue_ns"]),
            bid=bid,
            bid_size=bid_size,
            ask=ask,
            ask_size=ask_size,
        )

    def _fail(self, row: int, name: str, found: object, allowed: str) -> DataError:
        return DataError(self.path, found, allowed, row=self.rows + row, field=name)

    def _check_nulls(self, table: pa.RecordBatch) -> None:
        for name, (_, nullable) in COLUMNS.items():
            if not nullable and table[name].null_count:
                row = int(np.flatnonzero(pc.is_null(table[name]).to_numpy(False))[0])
                raise self._fail(row, name, "null", "a value")

    def _check_session(self, table: pa.RecordBatch) -> None:
        names = pc.unique(table["session"]).to_pylist()
        if not self.session:
            self.session = str(names[0])
            if not self.session:
                raise self._fail(0, "session", "''", "the session's name")
        for name in names:
            if name != self.session:
                row = pc.index(table["session"], name).as_py()
                allowed = f"{self.session!r}: one session per file"
                raise self._fail(row, "session", repr(name), allowed)

    def _check_order(self, ts_recv: Ints) -> None:
        before = np.concatenate(([self._last_ns], ts_recv[:-1]))
        wrong = np.flatnonzero(ts_recv < before)
        if len(wrong):
            row = int(wrong[0])
            allowed = f">= {int(before[row])} (rows in order of receipt)"
            raise self._fail(row, "ts_recv_ns", int(ts_recv[row]), allowed)
        for row in (0, len(ts_recv) - 1):
            if not _FIRST_NS <= ts_recv[row] < _END_NS:
                allowed = f"ns UTC from 2010 to 2100, {_FIRST_NS} to {_END_NS}"
                raise self._fail(row, "ts_recv_ns", int(ts_recv[row]), allowed)
        self._last_ns = int(ts_recv[-1])

    def _books(self, table: pa.RecordBatch) -> NDArray[np.int32]:
        """Map each row to its book, checking every new (pair, venue, instrument) once."""
        encoded = [pc.dictionary_encode(table[n]) for n in ("pair_id", "venue", "instrument")]
        codes = [e.indices.to_numpy(zero_copy_only=False).astype(np.int64) for e in encoded]
        sizes = [len(e.dictionary) for e in encoded]
        combined = (codes[0] * sizes[1] + codes[1]) * sizes[2] + codes[2]
        unique, first, inverse = np.unique(combined, return_index=True, return_inverse=True)
        ids = np.empty(len(unique), dtype=np.int32)
        for at in np.argsort(first):
            row = int(first[at])
            names = [e.dictionary[int(c[row])].as_py() for e, c in zip(encoded, codes, strict=True)]
            ids[at] = self._book(BookKey(*names), row)
        return ids[inverse]

    def _book(self, key: BookKey, row: int) -> int:
        known = self._index.get(key)
        if known is not None:
            return known
        if key.venue not in VENUES:
            raise self._fail(row, "venue", repr(key.venue), ", ".join(VENUES))
        instruments = self.allowed.get((key.pair_id, key.venue))
        if instruments is None:
            pairs = sorted({pair for pair, _ in self.allowed})
            if key.pair_id in pairs:
                venues = ", ".join(v for p, v in self.allowed if p == key.pair_id)
                raise self._fail(row, "venue", repr(key.venue), f"{venues} for {key.pair_id}")
            raise self._fail(row, "pair_id", repr(key.pair_id), _some(pairs))
        if key.instrument not in instruments:
            allowed = f"{_some(sorted(instruments))} for {key.pair_id}"
            raise self._fail(row, "instrument", repr(key.instrument), allowed)
        self._index[key] = len(self.books)
        self.books.append(key)
        return self._index[key]

    def _side(self, table: pa.RecordBatch, side: str, none: int) -> tuple[Ints, Ints]:
        price_name, size_name = f"{side}_px", f"{side}_sz"
        price, no_price = self._decimals(table[price_name], price_name)
        size, no_size = self._decimals(table[size_name], size_name)
        torn = np.flatnonzero(no_price != no_size)
        if len(torn):
            row = int(torn[0])
            name = size_name if no_size[row] else price_name
            raise self._fail(row, name, "null", "null on both of price and size, or on neither")
        outside = ~no_price & ((price <= 0) | (price >= _LIMB))
        self._check(price_name, table, outside, _PRICE_ALLOWED)
        step = _LIMB // PRICE_UNITS
        self._check(price_name, table, price % step != 0, "at most 4 decimals")
        self._check(size_name, table, ~no_size & (size <= 0), _SIZE_ALLOWED)
        lot = _LIMB // SIZE_UNITS
        self.floored_sizes += int(np.count_nonzero(size % lot))
        size //= lot
        # less than 0.01 contract is no quote the catalog could hold
        price = np.where(no_price | (size == 0), none, price // step)
        return price, size

    def _check(
        self, name: str, table: pa.RecordBatch, wrong: NDArray[np.bool_], allowed: str
    ) -> None:
        rows = np.flatnonzero(wrong)
        if len(rows):
            row = int(rows[0])
            raise self._fail(row, name, repr(table[name][row].as_py()), allowed)

    def _decimals(self, column: pa.Array, name: str) -> tuple[Ints, NDArray[np.bool_]]:
        """Return values scaled by 1e10 (0 where null) and the null mask, without any float."""
        null = pc.is_null(column).to_numpy(zero_copy_only=False)
        try:
            wide = pc.cast(column, _WIDE)
        except pa.ArrowInvalid:
            raise self._first_bad_decimal(column, name) from None
        raw = np.frombuffer(
            wide.buffers()[1], dtype="<i8", count=2 * len(wide), offset=16 * wide.offset
        )
        low, high = raw[::2], raw[1::2]
        low = np.where(null, 0, low)
        out_of_range = ~null & (high != (low >> 63))
        if out_of_range.any():
            row = int(np.flatnonzero(out_of_range)[0])
            raise self._fail(row, name, repr(column[row].as_py()), "less than 900 million")
        return low, null

    def _first_bad_decimal(self, column: pa.Array, name: str) -> DataError:
        for row, text in enumerate(column.to_pylist()):
            if text is None:
                continue
            try:
                value = Decimal(text)
            except InvalidOperation:
                return self._fail(row, name, repr(text), "a decimal number as text")
            if not value.is_finite():
                allowed = _PRICE_ALLOWED if name.endswith("_px") else _SIZE_ALLOWED
                return self._fail(row, name, repr(text), allowed)
            digits = value.as_tuple().exponent
            if not isinstance(digits, int) or -digits > _DECIMALS:
                return self._fail(row, name, repr(text), f"at most {_DECIMALS} decimals")
        return self._fail(0, name, "not decimal text", "decimal numbers as text")


def open_recording(path: Path) -> pq.ParquetFile:
    """Open a Parquet file and check its columns and types against the schema.

    Raises
    ------
    DataError
        If the file is missing, not Parquet, of another schema version, or a column is missing or
        of another type.
    """
    if not path.is_file():
        raise DataError(path, "no such file", "a recording (*.parquet)")
    try:
        file = pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(path, f"not Parquet ({error})", "a Parquet file") from error
    stated = (file.schema_arrow.metadata or {}).get(VERSION_KEY)
    if stated is not None and stated != str(RECORDING_SCHEMA_VERSION).encode():
        allowed = str(RECORDING_SCHEMA_VERSION)
        raise DataError(path, stated.decode(), allowed, field="metadata twinbook.recording")
    schema = file.schema_arrow
    for name, (kind, _) in COLUMNS.items():
        at = schema.get_field_index(name)
        if at < 0:
            raise DataError(path, "no such column", f"columns {', '.join(COLUMNS)}", field=name)
        if not _matches(schema.field(at).type, kind):
            raise DataError(path, f"type {schema.field(at).type}", kind, field=name)
    return file


def _matches(kind: pa.DataType, wanted: str) -> bool:
    if wanted == _TEXT:
        return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))
    return str(kind) == wanted


def _ns(column: pa.Array) -> Ints:
    filled = pc.fill_null(column, 0) if column.null_count else column
    return np.asarray(filled.to_numpy(zero_copy_only=False), dtype=np.int64)


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:6])
    return shown if len(names) <= 6 else f"{shown} and {len(names) - 6} more"


def write_recording(path: Path | str, columns: Mapping[str, list[Any]]) -> None:
    """Write a recording in this schema: the reference for who records their own.

    Parameters
    ----------
    path : Path or str
        Where to write; folders are made.
    columns : mapping
        Column name -> values; prices and sizes as decimal text, times as int ns UTC.
    """
    types = {_TEXT: pa.string(), _NS: pa.int64(), _BOOL: pa.bool_()}
    schema = pa.schema(
        [pa.field(n, types[kind], nullable=null) for n, (kind, null) in COLUMNS.items()],
        metadata={VERSION_KEY: str(RECORDING_SCHEMA_VERSION).encode()},
    )
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({n: columns[n] for n in COLUMNS}, schema=schema), path)
