"""What an archive's rows say about one market, in the order it happened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from backtests.data.errors import DataError
from core.money import to_units

#: One $0.0001 in units of 0.000001.
_PRICE_STEP = 100


class Lost(NamedTuple):
    """From here on nothing is known: an hour is missing, unreadable or rejected."""

    ts_ns: int
    row: int


class Snapshot(NamedTuple):
    """A whole book. ``probe`` rows only compare (the earliest moment a snapshot can stand for)."""

    ts_ns: int
    row: int
    bids: Mapping[int, int]
    asks: Mapping[int, int]
    probe: bool = False


class Change(NamedTuple):
    """A level changed: ``signed`` by ``size`` (Kalshi) or to ``size`` (Polymarket).

    ``best_bid`` and ``best_ask`` are the venue's after the message, -1 where not stated.
    """

    ts_ns: int
    row: int
    side: int
    price: int
    size: int
    signed: bool
    best_bid: int = -1
    best_ask: int = -1


Event = Lost | Snapshot | Change


class Rows(NamedTuple):
    """The events of one file by market, and what was read or skipped, by market and reason."""

    events: dict[str, list[Event]]
    counts: dict[str, Counter[str]]


def require_columns(path: Path, schema: pa.Schema, names: Iterable[str]) -> list[str]:
    """Check that a file has these columns and that none of its numbers is a binary float.

    Raises
    ------
    DataError
        If a column is missing or holds floats: a price that went through one is another price.
    """
    names = list(names)
    for name in names:
        at = schema.get_field_index(name)
        if at < 0:
            raise DataError(path, "no such column", ", ".join(names), field=name)
        kind = schema.field(at).type
        if pa.types.is_floating(kind):
            raise DataError(path, f"type {kind}", "decimal numbers or text", field=name)
    return names


def price_units(value: object) -> int | None:
    """Return a price in $0.0001; None if it is no number, finer, or outside [0, 1]."""
    units = _units(value)
    if units is None or units % _PRICE_STEP or not 0 <= units <= 1_000_000:
        return None
    return units // _PRICE_STEP


def size_units(value: object) -> int | None:
    """Return a size in 0.000001 contract; None if it is no number or finer."""
    return _units(value)


def _units(value: object) -> int | None:
    if isinstance(value, float):
        return None  # a binary float is not what the venue said
    try:
        return to_units(value if isinstance(value, Decimal) else str(value))
    except ValueError:
        return None


def scaled(column: pa.Array, decimals: int) -> NDArray[np.int64]:
    """Return a decimal column as integers of 10**-decimals (0 where null); never through floats."""
    wide = pc.cast(column, pa.decimal128(38, decimals))
    raw = np.frombuffer(
        wide.buffers()[1], dtype="<i8", count=2 * len(wide), offset=16 * wide.offset
    )
    null = pc.is_null(column).to_numpy(zero_copy_only=False)
    return np.where(null, 0, raw[::2])


def times_ns(column: pa.Array) -> NDArray[np.int64]:
    """Return a timestamp column of any unit as ns UTC (0 where null)."""
    filled = pc.fill_null(pc.cast(column, pa.timestamp("ns", tz="UTC")).cast(pa.int64()), 0)
    return np.asarray(filled.to_numpy(zero_copy_only=False))
