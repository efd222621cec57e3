"""Read a backtest's output folder (``docs/results_schema.md``), and nothing else.

Decisions can run into millions, so they are kept as columns of integers (units of 0.000001); all
other tables are small or read in part.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from backtests.report.errors import ReportError

SCHEMA_VERSION = 1
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Units:
    """A money column: units of 0.000001 and which rows have a value (others hold 0)."""

    values: Ints
    present: Bools

    def at(self, row: int) -> Decimal | None:
        """Return the exact amount of a row, or None."""
        return Decimal(int(self.values[row])).scaleb(-6) if self.present[row] else None


@dataclass(frozen=True)
class Decisions:
    """All decisions of a run as columns, in order; ``detail`` gives a row's line for people."""

    ts_ns: Ints
    session: Texts
    pair_id: Texts
    outcome: Texts
    reason: Texts
    direction: Texts
    kind: Texts
    gross: Units
    net: Units
    required: Units
    detail: Callable[[int], str] = field(repr=False)

    def __len__(self) -> int:
        return len(self.ts_ns)


def units(column: pa.ChunkedArray) -> Units:
    """Return a ``decimal128(18, 6)`` column as exact integers."""
    array = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    if isinstance(array, pa.ChunkedArray):  # an empty column stays chunked
        return Units(np.zeros(0, np.int64), np.zeros(0, np.bool_))
    if array.type != pa.decimal128(18, 6):
        raise ReportError(f"column of type {array.type}: decimal128(18, 6) is required")
    present = np.asarray(pc.is_valid(array).to_numpy(zero_copy_only=False), dtype=np.bool_)
    # 18 digits fit the low 64 of the 128 bits, sign included
    buffer = array.buffers()[1]
    words = np.frombuffer(buffer, dtype="<i8", count=2 * (array.offset + len(array)))
    values = words.reshape(-1, 2)[array.offset :, 0].copy()
    values[~present] = 0
    return Units(values, present)


class Folder:
    """One output folder.

    Parameters
    ----------
    path : Path
        The folder.

    Raises
    ------
    ReportError
        A file is missing, unreadable or of another schema version; names the file and the field.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_dir():
            raise ReportError(f"{path}: no such folder; give the output folder of a backtest")
        self.summary = self._json("summary.json")
        version = self.summary.get("schema_version")
        if version != SCHEMA_VERSION:
            raise ReportError(
                f"{path / 'summary.json'}: schema_version: found {version!r},"
                f" allowed {SCHEMA_VERSION}"
            )

    def _json(self, name: str) -> dict[str, Any]:
        file = self.path / name
        try:
            found = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ReportError(f"{file}: missing; is this a backtest's output folder?") from None
        except (ValueError, OSError) as error:
            raise ReportError(f"{file}: cannot be read as JSON ({error})") from error
        if not isinstance(found, dict):
            raise ReportError(f"{file}: found {type(found).__name__}, allowed an object")
        return found

    def number(self, *keys: str) -> Decimal:
        """Return a number of the summary, by path, as an exact ``Decimal``."""
        found: Any = self.summary
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                raise ReportError(f"{self.path / 'summary.json'}: {'.'.join(keys)} is missing")
            found = found[key]
        return decimal(found, ".".join(keys))

    def optional(self, *keys: str) -> Decimal | None:
        """Return a number of the summary, or None where it is null or absent."""
        found: Any = self.summary
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return None if found is None else decimal(found, ".".join(keys))

    @cached_property
    def pairs(self) -> list[dict[str, Any]]:
        """The pairs as they were traded."""
        pairs = self._json("pairs.json").get("pairs")
        if not isinstance(pairs, list):
            raise ReportError(f"{self.path / 'pairs.json'}: pairs: a list is required")
        return pairs

    @cached_property
    def quality(self) -> dict[str, Any]:
        """What the check of the data found; empty when the run wrote none."""
        return self._json("quality.json") if (self.path / "quality.json").exists() else {}

    @cached_property
    def config(self) -> str:
        """The effective configuration."""
        file = self.path / "config.toml"
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def table(self, name: str, columns: list[str] | None = None) -> pa.Table:
        """Read a parquet file of the folder.

        Raises
        ------
        ReportError
            The file is missing, broken, or lacks a column.
        """
        file = self.path / f"{name}.parquet"
        try:
            return pq.read_table(file, columns=columns)
        except FileNotFoundError:
            raise ReportError(f"{file}: missing") from None
        except (pa.ArrowException, OSError, KeyError) as error:
            raise ReportError(f"{file}: {error}") from error

    @cached_property
    def decisions(self) -> Decisions:
        """The decisions as columns, without their whole records (those can be gigabytes)."""
        names = ["session", "pair_id", "outcome", "reason", "direction", "kind"]
        edges = ["gross_edge", "net_edge", "required_edge"]
        table = self.table("decisions", ["ts_ns", *names, *edges, "detail"])
        try:
            amounts = [units(table[name]) for name in edges]
        except ReportError as error:
            raise ReportError(f"{self.path / 'decisions.parquet'}: {error}") from error
        detail = table["detail"]
        session, pair_id, outcome, reason, direction, kind = (_texts(table[n]) for n in names)
        gross, net, required = amounts
        return Decisions(
            np.asarray(table["ts_ns"].to_numpy(), dtype=np.int64),
            session,
            pair_id,
            outcome,
            reason,
            direction,
            kind,
            gross,
            net,
            required,
            lambda row: detail[row].as_py() or "",
        )


def _texts(column: pa.ChunkedArray) -> Texts:
    """Return a text column in which equal texts are one object: millions of rows stay small."""
    if len(column) == 0:
        return np.zeros(0, dtype=object)
    whole = column.fill_null("").combine_chunks().dictionary_encode()
    words = np.asarray(whole.dictionary.to_pylist(), dtype=object)
    return np.asarray(words[whole.indices.to_numpy()], dtype=object)


def decimal(value: object, field_name: str) -> Decimal:
    """Take a decimal string or an integer; a binary float is refused."""
    if isinstance(value, bool) or not isinstance(value, str | int | Decimal):
        raise ReportError(f"summary.json: {field_name}: found {value!r}, allowed decimal text")
    try:
        return Decimal(value)
    except ArithmeticError:
        raise ReportError(
            f"summary.json: {field_name}: found {value!r}, allowed decimal text"
        ) from None
