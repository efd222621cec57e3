"""Parquet with exact decimals: the same rows give the same bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from backtests.results.rows import (
    BoxRow,
    EquityRow,
    FillRow,
    OrderRow,
    PositionRow,
    SettlementRow,
    Story,
)
from core.decisions import Decision, encode

MONEY = pa.decimal128(18, 6)
_SIX = Decimal("0.000001")
_BATCH_ROWS = 5_000

_TEXT, _NS, _FLAG, _LEG = pa.string(), pa.int64(), pa.bool_(), pa.int8()


def _schema(**columns: pa.DataType) -> pa.Schema:
    return pa.schema(list(columns.items()))


_STORY = {"pair_id": _TEXT, "box_id": _TEXT, "decision_id": _TEXT, "leg": _LEG, "role": _TEXT}

DECISIONS = _schema(
    ts_ns=_NS,
    session=_TEXT,
    pair_id=_TEXT,
    decision_id=_TEXT,
    box_id=_TEXT,
    kind=_TEXT,
    outcome=_TEXT,
    reason=_TEXT,
    detail=_TEXT,
    direction=_TEXT,
    venue_a=_TEXT,
    venue_b=_TEXT,
    size=MONEY,
    price_a=MONEY,
    price_b=MONEY,
    limit_a=MONEY,
    limit_b=MONEY,
    cost_a=MONEY,
    cost_b=MONEY,
    fees_a=MONEY,
    fees_b=MONEY,
    gross_edge=MONEY,
    net_edge=MONEY,
    required_edge=MONEY,
    locked=MONEY,
    age_a_ns=_NS,
    age_b_ns=_NS,
    record=_TEXT,
)

ORDERS = _schema(
    ts_ns=_NS,
    session=_TEXT,
    venue=_TEXT,
    instrument=_TEXT,
    outcome=_TEXT,
    side=_TEXT,
    price=MONEY,
    quantity=MONEY,
    time_in_force=_TEXT,
    reduce_only=_FLAG,
    status=_TEXT,
    filled_quantity=MONEY,
    average_price=MONEY,
    order_id=_TEXT,
    **_STORY,
    last_ns=_NS,
    reason=_TEXT,
)

FILLS = _schema(
    ts_ns=_NS,
    session=_TEXT,
    venue=_TEXT,
    instrument=_TEXT,
    outcome=_TEXT,
    side=_TEXT,
    price=MONEY,
    quantity=MONEY,
    fee=MONEY,
    currency=_TEXT,
    liquidity=_TEXT,
    cash=MONEY,
    order_id=_TEXT,
    trade_id=_TEXT,
    **_STORY,
)

SETTLEMENTS = _schema(
    ts_ns=_NS,
    session=_TEXT,
    venue=_TEXT,
    instrument=_TEXT,
    outcome=_TEXT,
    pair_id=_TEXT,
    price=MONEY,
    quantity=MONEY,
    cash=MONEY,
    currency=_TEXT,
)

BOXES = _schema(
    ts_ns=_NS,
    session=_TEXT,
    pair_id=_TEXT,
    box_id=_TEXT,
    decision_id=_TEXT,
    direction=_TEXT,
    contracts=MONEY,
    cost=MONEY,
    fees=MONEY,
    locked=MONEY,
    slippage=MONEY,
    detected=MONEY,
    not_filled=MONEY,
    unwound=MONEY,
    unwind_pnl=MONEY,
    closed=MONEY,
    closed_pnl=MONEY,
    unhedged=MONEY,
    unhedged_pnl=MONEY,
    settlement_pnl=MONEY,
    pnl=MONEY,
    spent=MONEY,
    held=MONEY,
    status=_TEXT,
    end_ns=_NS,
)

POSITIONS = _schema(
    venue=_TEXT,
    instrument=_TEXT,
    outcome=_TEXT,
    pair_id=_TEXT,
    bought=MONEY,
    sold=MONEY,
    settled=MONEY,
    open=MONEY,
    cost=MONEY,
    proceeds=MONEY,
    fees=MONEY,
    settlement_price=MONEY,
    settlement_cash=MONEY,
    realised=MONEY,
    first_ns=_NS,
    last_ns=_NS,
    currency=_TEXT,
)

EQUITY = _schema(
    ts_ns=_NS,
    venue=_TEXT,
    event=_TEXT,
    cash=MONEY,
    holdings_cost=MONEY,
    worst_total=MONEY,
    currency=_TEXT,
)

Row = OrderRow | FillRow | SettlementRow | BoxRow | PositionRow | EquityRow


def write_rows(path: Path, schema: pa.Schema, rows: Sequence[Row]) -> None:
    """Write records to a parquet file; none gives an empty table with the same columns."""
    table = pa.Table.from_pylist([_plain(row, schema) for row in rows], schema=schema)
    pq.write_table(table, path, compression="zstd")


def _plain(row: Row, schema: pa.Schema) -> dict[str, Any]:
    out = {}
    for name in schema.names:
        value = getattr(row, name, None)
        if value is None and name in _STORY:
            story: Story | None = getattr(row, "story", None)
            value = getattr(story, name) if story is not None else None
        out[name] = value.quantize(_SIX) if isinstance(value, Decimal) else value
    return out


class DecisionTable:
    """Writes decisions while the run makes them; memory holds one batch.

    Parameters
    ----------
    path : Path
        The file; it is closed when the context ends.
    session_at : Callable[[int], str]
        Session of a time (ns UTC).
    """

    def __init__(self, path: Path, session_at: Callable[[int], str]) -> None:
        self._writer = pq.ParquetWriter(path, DECISIONS, compression="zstd")
        self._session_at = session_at
        self._rows: list[Mapping[str, Any]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._flush()
        self._writer.close()

    def add(self, decision: Decision) -> None:
        """Take the next decision."""
        self._rows.append(_decision_row(decision, self._session_at(decision.ts_ns)))
        if len(self._rows) >= _BATCH_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._writer.write_table(pa.Table.from_pylist(self._rows, schema=DECISIONS))
            self._rows = []


def _decision_row(decision: Decision, session: str) -> dict[str, Any]:
    row: dict[str, Any] = {
        "ts_ns": decision.ts_ns,
        "session": session,
        "pair_id": decision.pair_id,
        "decision_id": decision.decision_id,
        "box_id": decision.box_id,
        "kind": decision.kind,
        "outcome": decision.outcome,
        "reason": decision.reason.value,
        "detail": decision.detail,
        "direction": decision.direction.value,
        "size": decision.size.quantize(_SIX),
        "gross_edge": decision.gross_edge.quantize(_SIX),
        "net_edge": decision.net_edge.quantize(_SIX),
        "required_edge": decision.required_edge.quantize(_SIX),
        "locked": decision.locked.quantize(_SIX),
        "record": encode(decision).decode(),
    }
    for side, leg in zip("ab", decision.legs, strict=True):
        best = leg.best_ask if leg.side == "BUY" else leg.best_bid
        row |= {
            f"venue_{side}": leg.venue.value,
            f"price_{side}": None if best is None else best.quantize(_SIX),
            f"limit_{side}": None if leg.limit_price is None else leg.limit_price.quantize(_SIX),
            f"cost_{side}": leg.cost.quantize(_SIX),
            f"fees_{side}": leg.fee.quantize(_SIX),
            f"age_{side}_ns": leg.age_ns,
        }
    return row
