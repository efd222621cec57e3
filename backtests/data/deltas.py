"""Order book deltas and tops as integer columns, written straight to Parquet.

``ParquetDataCatalog.write_data`` builds one Python object per delta (0.2 M rows/s). The writer
here fills the same Arrow schema from numpy columns; a test holds the two files equal.

A price is an integer of $0.0001, a size an integer of 0.01 contract. Nautilus stores both as
128-bit little-endian integers scaled by 1e16 (high-precision build).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from nautilus_trader.core.datetime import unix_nanos_to_iso8601
from numpy.typing import NDArray

from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS, SIZE_UNITS

PRICE_PRECISION = 4
SIZE_PRECISION = 2

#: Values of Nautilus's enums as they stand on disk.
ACTION_ADD, ACTION_UPDATE, ACTION_DELETE, ACTION_CLEAR = 1, 2, 3, 4
SIDE_NONE, SIDE_BUY, SIDE_SELL = 0, 1, 2
F_LAST, F_SNAPSHOT = 128, 32

_FIXED_SCALAR = 10**16
_PRICE_RAW = _FIXED_SCALAR // PRICE_UNITS
_SIZE_RAW = _FIXED_SCALAR // SIZE_UNITS
_LOW = np.uint64(0xFFFFFFFF)
_SHIFT = np.uint64(32)

#: A side without quotes carries one sentinel contract at a price no one can trade.
SENTINEL_SIZE = SIZE_UNITS

#: Rows of one Parquet row group. A streaming reader holds one row group per instrument, so this
#: bounds a replay's memory: 8192 rows x 200 instruments x 64 B = 105 MB.
ROW_GROUP_ROWS = 8_192

Ints = NDArray[np.int64]

DELTA_SCHEMA = pa.schema(
    [
        pa.field("action", pa.uint8(), nullable=False),
        pa.field("side", pa.uint8(), nullable=False),
        pa.field("price", pa.binary(16), nullable=False),
        pa.field("size", pa.binary(16), nullable=False),
        pa.field("order_id", pa.uint64(), nullable=False),
        pa.field("flags", pa.uint8(), nullable=False),
        pa.field("sequence", pa.uint64(), nullable=False),
        pa.field("ts_event", pa.uint64(), nullable=False),
        pa.field("ts_init", pa.uint64(), nullable=False),
    ]
)

TOP_SCHEMA = pa.schema(
    [
        pa.field("ts_ns", pa.int64(), nullable=False),
        pa.field("bid", pa.int32(), nullable=False),
        pa.field("ask", pa.int32(), nullable=False),
        pa.field("bid_size", pa.int64(), nullable=False),
        pa.field("ask_size", pa.int64(), nullable=False),
    ]
)


_PACKED = "DELTA_BINARY_PACKED"
_DELTA_FILE: Mapping[str, object] = {
    "compression": "snappy",
    "use_dictionary": ["action", "side", "price", "size", "order_id", "flags"],
    "column_encoding": {"sequence": _PACKED, "ts_event": _PACKED, "ts_init": _PACKED},
}
_TOP_FILE: Mapping[str, object] = {
    "compression": "snappy",
    "use_dictionary": ["bid", "ask"],
    "column_encoding": {"ts_ns": _PACKED},
}


class DeltaColumns:
    """Deltas of one book as equally long numpy columns (prices $0.0001, sizes 0.01 contract)."""

    __slots__ = ("action", "flags", "price", "sequence", "side", "size", "ts_event", "ts_init")

    def __init__(
        self,
        *,
        action: NDArray[np.uint8],
        side: NDArray[np.uint8],
        price: Ints,
        size: Ints,
        flags: NDArray[np.uint8],
        sequence: Ints,
        ts_event: Ints,
        ts_init: Ints,
    ) -> None:
        self.action = action
        self.side = side
        self.price = price
        self.size = size
        self.flags = flags
        self.sequence = sequence
        self.ts_event = ts_event
        self.ts_init = ts_init

    def __len__(self) -> int:
        return len(self.action)

    def take(self, rows: slice | Ints | NDArray[np.bool_]) -> DeltaColumns:
        """Return the given rows (a slice, mask or index array)."""
        return DeltaColumns(**{name: getattr(self, name)[rows] for name in self.__slots__})


def concat(parts: list[DeltaColumns]) -> DeltaColumns:
    """Join columns of the same book."""
    if len(parts) == 1:
        return parts[0]
    names = DeltaColumns.__slots__
    return DeltaColumns(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


def scaled_128(values: Ints, factor: int) -> pa.Array:
    """Return ``values * factor`` as 16-byte little-endian integers, exact beyond 64 bits.

    Values are not negative. The product is built from 32-bit limbs because contracts times 1e14
    passes 2**64 at 184 thousand contracts.
    """
    v = values.astype(np.uint64)
    m1, m0 = np.uint64(factor >> 32), np.uint64(factor & 0xFFFFFFFF)
    v1, v0 = v >> _SHIFT, v & _LOW
    low = v0 * m0
    mid = v1 * m0 + (low >> _SHIFT)
    mid2 = v0 * m1 + (mid & _LOW)
    out = np.empty((len(v), 2), dtype=np.uint64)
    out[:, 0] = (mid2 << _SHIFT) | (low & _LOW)
    out[:, 1] = v1 * m1 + (mid >> _SHIFT) + (mid2 >> _SHIFT)
    return pa.Array.from_buffers(pa.binary(16), len(v), [None, pa.py_buffer(out)])


def unscaled_128(column: pa.ChunkedArray | pa.Array, factor: int) -> Ints:
    """Return the integers that :func:`scaled_128` wrote (the exact inverse).

    Raises
    ------
    ValueError
        If a value is not a multiple of ``factor``: finer than the catalog's precision.
    """
    chunks = column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    parts = [np.empty(0, dtype=np.int64)]
    for chunk in chunks:
        raw = np.frombuffer(
            chunk.buffers()[1], dtype="<u8", count=2 * len(chunk), offset=16 * chunk.offset
        )
        parts.append(_divide(raw[::2], raw[1::2], factor))
    return np.concatenate(parts)


def _divide(low: NDArray[np.uint64], high: NDArray[np.uint64], factor: int) -> Ints:
    """Long division of 128-bit by a factor below 2**48, by 16-bit digits (each step fits)."""
    f = np.uint64(factor)
    if not high.any():
        quotient, rest = np.divmod(low, f)
    else:
        quotient, rest = np.divmod(high, f)
        for shift in (48, 32, 16, 0):
            digit = (low >> np.uint64(shift)) & np.uint64(0xFFFF)
            value = (rest << np.uint64(16)) | digit
            part, rest = np.divmod(value, f)
            quotient = (quotient << np.uint64(16)) | part
    if rest.any():
        raise ValueError(f"a stored value is not a multiple of {factor}")
    return quotient.astype(np.int64)


def delta_table(columns: DeltaColumns, instrument_id: str) -> pa.Table:
    """Return the Arrow table Nautilus would write for these deltas."""
    metadata = {
        "instrument_id": instrument_id,
        "price_precision": str(PRICE_PRECISION),
        "size_precision": str(SIZE_PRECISION),
    }
    arrays = [
        pa.array(columns.action),
        pa.array(columns.side),
        scaled_128(columns.price, _PRICE_RAW),
        scaled_128(columns.size, _SIZE_RAW),
        pa.array(np.zeros(len(columns), dtype=np.uint64)),
        pa.array(columns.flags),
        pa.array(columns.sequence.view(np.uint64)),
        pa.array(columns.ts_event.view(np.uint64)),
        pa.array(columns.ts_init.view(np.uint64)),
    ]
    return pa.Table.from_arrays(arrays, schema=DELTA_SCHEMA.with_metadata(metadata))


def read_deltas(table: pa.Table) -> DeltaColumns:
    """Turn a table of the catalog back into columns."""
    return DeltaColumns(
        action=table["action"].to_numpy(),
        side=table["side"].to_numpy(),
        price=unscaled_128(table["price"], _PRICE_RAW),
        size=unscaled_128(table["size"], _SIZE_RAW),
        flags=table["flags"].to_numpy(),
        sequence=table["sequence"].to_numpy().view(np.int64),
        ts_event=table["ts_event"].to_numpy().view(np.int64),
        ts_init=table["ts_init"].to_numpy().view(np.int64),
    )


def snapshots(
    ts_event: Ints,
    ts_init: Ints,
    bid: Ints,
    bid_size: Ints,
    ask: Ints,
    ask_size: Ints,
    first_sequence: int,
) -> DeltaColumns:
    """Turn tops of book into snapshot groups: CLEAR, ADD bid, ADD ask, the last with F_LAST.

    A side without a quote gets its sentinel level (price 0 or 1, one contract).
    """
    n = len(ts_init)
    price = np.zeros((n, 3), dtype=np.int64)
    size = np.zeros((n, 3), dtype=np.int64)
    price[:, 1], price[:, 2] = bid, ask
    size[:, 1] = np.where(bid == NO_BID, SENTINEL_SIZE, bid_size)
    size[:, 2] = np.where(ask == NO_ASK, SENTINEL_SIZE, ask_size)

    def tile(values: list[int]) -> NDArray[np.uint8]:
        return np.tile(np.array(values, dtype=np.uint8), n)

    return DeltaColumns(
        action=tile([ACTION_CLEAR, ACTION_ADD, ACTION_ADD]),
        side=tile([SIDE_NONE, SIDE_BUY, SIDE_SELL]),
        price=price.ravel(),
        size=size.ravel(),
        flags=tile([F_SNAPSHOT, F_SNAPSHOT, F_SNAPSHOT | F_LAST]),
        sequence=np.repeat(np.arange(first_sequence, first_sequence + n, dtype=np.int64), 3),
        ts_event=np.repeat(ts_event, 3),
        ts_init=np.repeat(ts_init, 3),
    )


class _Buffered:
    """Collect numpy chunks and hand out full row groups."""

    def __init__(self, path: Path, schema: pa.Schema, options: Mapping[str, object]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.rows = 0
        self._writer = pq.ParquetWriter(path, schema, **options)

    def _write(self, table: pa.Table) -> None:
        self._writer.write_table(table, row_group_size=ROW_GROUP_ROWS)
        self.rows += table.num_rows

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


class DeltaWriter(_Buffered):
    """Stream one instrument's deltas into ``catalog/data/order_book_deltas/<instrument>/``.

    The file gets its name (first and last ``ts_init``) when it is closed.
    """

    def __init__(self, catalog: Path, instrument_id: str) -> None:
        folder = catalog / "data" / "order_book_deltas" / instrument_id
        metadata = delta_table(_EMPTY, instrument_id).schema.metadata
        super().__init__(
            folder / f"writing-{len(list(folder.glob('*.parquet')))}.parquet",
            DELTA_SCHEMA.with_metadata(metadata),
            _DELTA_FILE,
        )
        self.instrument_id = instrument_id
        self.first_ns = 0
        self.last_ns = 0
        self._parts: list[DeltaColumns] = []
        self._held = 0

    def append(self, columns: DeltaColumns) -> None:
        """Add rows whose ``ts_init`` is not before the last row's."""
        if not len(columns):
            return
        self.first_ns = self.first_ns or int(columns.ts_init[0])
        assert columns.ts_init[0] >= self.last_ns, "deltas appended out of order"
        self.last_ns = int(columns.ts_init[-1])
        self._parts.append(columns)
        self._held += len(columns)
        if self._held >= ROW_GROUP_ROWS:
            self._flush(whole=False)

    def _flush(self, *, whole: bool) -> None:
        if not self._held:
            return
        joined = concat(self._parts)
        cut = len(joined) if whole else len(joined) - len(joined) % ROW_GROUP_ROWS
        self._write(delta_table(joined.take(slice(0, cut)), self.instrument_id))
        rest = joined.take(np.arange(cut, len(joined)))  # a slice would keep all of it alive
        self._parts = [rest] if len(rest) else []
        self._held = len(rest)

    def close(self) -> None:
        """Write what is held and give the file the name the catalog looks for."""
        self._flush(whole=True)
        super().close()
        if not self.rows:
            self.path.unlink()
            return
        name = f"{_file_time(self.first_ns)}_{_file_time(self.last_ns)}.parquet"
        self.path = self.path.rename(self.path.with_name(name))


def _file_time(ts_ns: int) -> str:
    """The way the catalog writes a time into a file name (it filters files by these names)."""
    return unix_nanos_to_iso8601(ts_ns).replace(":", "-").replace(".", "-")


class TopWriter(_Buffered):
    """Stream one instrument's best prices into ``top/<instrument>.parquet``.

    One row per observation: ``ts_ns`` (its ``ts_init``), ``bid`` and ``ask`` in $0.0001 (0 and
    10000 where a side has no quote), sizes in 0.01 contract.
    """

    def __init__(self, folder: Path, instrument_id: str) -> None:
        super().__init__(
            folder / f"{instrument_id}.parquet",
            TOP_SCHEMA,
            _TOP_FILE,
        )
        self._parts: list[tuple[Ints, ...]] = []
        self._held = 0

    def append(self, ts: Ints, bid: Ints, ask: Ints, bid_size: Ints, ask_size: Ints) -> None:
        """Add observations in order of time."""
        if len(ts):
            self._parts.append((ts, bid, ask, bid_size, ask_size))
            self._held += len(ts)
            if self._held >= TOP_ROW_GROUP:
                self._flush()

    def _flush(self) -> None:
        if self._held:
            columns = [np.concatenate(c) for c in zip(*self._parts, strict=True)]
            arrays = [
                pa.array(c.astype(t.to_pandas_dtype()))
                for c, t in zip(columns, TOP_SCHEMA.types, strict=True)
            ]
            table = pa.Table.from_arrays(arrays, schema=TOP_SCHEMA)
            self._writer.write_table(table, row_group_size=len(table))
            self.rows += len(table)
            self._parts, self._held = [], 0

    def close(self) -> None:
        """Write what is held and finish the file."""
        self._flush()
        super().close()


#: Rows of one row group of a sidecar; the writer holds one per instrument.
TOP_ROW_GROUP = 8_192

_EMPTY = DeltaColumns(
    action=np.empty(0, np.uint8),
    side=np.empty(0, np.uint8),
    price=np.empty(0, np.int64),
    size=np.empty(0, np.int64),
    flags=np.empty(0, np.uint8),
    sequence=np.empty(0, np.int64),
    ts_event=np.empty(0, np.int64),
    ts_init=np.empty(0, np.int64),
)
