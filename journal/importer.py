"""Take a backtest's output folder into a journal, so that one place answers all questions.

The folder's schema is ``docs/results_schema.md``. An import is one run of kind ``backtest`` with a
scope of its own, so that order and trade ids of two runs never meet. It is all or nothing: one
transaction holds every row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.parquet as pq

from journal.errors import JournalError, JournalImportError
from journal.records import (
    Amount,
    BookSeen,
    DecisionRow,
    Fill,
    OrderEvent,
    OrderRow,
    Run,
    Side,
)
from journal.store import Journal

SCHEMA_VERSION = 1


def import_run(folder: Path, path: Path, *, run_id: str | None = None) -> Run:
    """Import a backtest.

    Parameters
    ----------
    folder : Path
        The output folder.
    path : Path
        The journal; made when it is not there.
    run_id : str or None
        Name of the run; the folder's name and the start of its configuration's hash otherwise.

    Returns
    -------
    Run
        The run as it was recorded.

    Raises
    ------
    JournalImportError
        The folder is no backtest's output, or a file or field of it is missing.
    JournalContradiction
        A run of that name is in the journal.
    JournalLocked
        The journal is being written by somebody else.
    """
    summary = _summary(folder)
    run = _run(folder, summary, run_id)
    if not path.parent.is_dir():
        raise JournalImportError(f"{path}: the folder {path.parent} does not exist")
    new = not path.exists()
    try:
        with Journal(path, run, whole=True) as journal:
            _fill_in(journal, folder)
            journal.close(int(summary["data"]["span_ns"][1]))
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        _forget(path, new=new)
        raise JournalImportError(f"{folder}: {type(error).__name__}: {error}") from error
    except JournalError:
        _forget(path, new=new)
        raise
    return run


def _forget(path: Path, *, new: bool) -> None:
    """Take back a journal that was made for an import that failed."""
    if new:
        for part in ("", "-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)


def _summary(folder: Path) -> dict[str, Any]:
    file = folder / "summary.json"
    try:
        summary = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise JournalImportError(f"{file}: missing; give the output folder of a backtest") from None
    except (ValueError, OSError) as error:
        raise JournalImportError(f"{file}: cannot be read as JSON ({error})") from error
    version = summary.get("schema_version") if isinstance(summary, dict) else None
    if version != SCHEMA_VERSION:
        raise JournalImportError(
            f"{file}: schema_version: found {version!r}, allowed {SCHEMA_VERSION}"
        )
    return cast("dict[str, Any]", summary)


def _run(folder: Path, summary: dict[str, Any], run_id: str | None) -> Run:
    try:
        name = run_id or f"{folder.absolute().name}-{summary['config_hash'][:8]}"
        config = folder / "config.toml"
        return Run(
            run_id=name,
            scope=f"backtest/{name}",
            kind="backtest",
            started_ns=int(summary["data"]["span_ns"][0]),
            config_hash=str(summary["config_hash"]),
            config=config.read_text(encoding="utf-8") if config.exists() else "",
            code_version=str(summary.get("code_version", "unknown")),
        )
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise JournalImportError(
            f"{folder / 'summary.json'}: {type(error).__name__}: {error}"
        ) from error


def _rows(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    file = folder / f"{name}.parquet"
    try:
        source = pq.ParquetFile(file)
    except FileNotFoundError:
        raise JournalImportError(f"{file}: missing") from None
    except (pa.ArrowException, OSError) as error:
        raise JournalImportError(f"{file}: cannot be read ({error})") from error
    for batch in source.iter_batches(4_096):
        yield from batch.to_pylist()


def _fill_in(journal: Journal, folder: Path) -> None:
    for row in _rows(folder, "decisions"):
        journal.add_decision(_decision(row))
    for row in _rows(folder, "orders"):
        journal.add_order(_order(row))
        journal.add_order_event(
            OrderEvent(row["order_id"], row["last_ns"], row["status"].lower(), reason=row["reason"])
        )
    for row in _rows(folder, "fills"):
        journal.add_fill(_fill(row))
    for row in _rows(folder, "positions"):
        journal.add_position(
            Amount(row["last_ns"], row["venue"], "position", row["instrument"], row["open"])
        )
    for row in _rows(folder, "equity"):
        if row["event"] == "end":
            journal.add_position(
                Amount(row["ts_ns"], row["venue"], "cash", row["currency"], row["cash"])
            )


def _decision(row: dict[str, Any]) -> DecisionRow:
    record = json.loads(row["record"] or "{}")
    return DecisionRow(
        decision_id=row["decision_id"],
        ts_ns=row["ts_ns"],
        pair_id=row["pair_id"],
        direction=row["direction"].lower(),
        outcome=row["outcome"],
        reason=row["reason"],
        payload=row["record"] or "{}",
        gross_edge=row["gross_edge"],
        net_edge=row["net_edge"],
        required_edge=row["required_edge"],
        quantity=row["size"],
        kind=_kind(row.get("kind") or record.get("kind") or "open"),
        books=tuple(_book(leg, row["ts_ns"]) for leg in record.get("legs", [])),
    )


def _kind(text: str) -> Literal["open", "close"]:
    if text not in {"open", "close"}:
        raise ValueError(f"kind: found {text!r}, allowed open or close")
    return cast("Literal['open', 'close']", text)


def _book(leg: dict[str, Any], ts_ns: int) -> BookSeen:
    """Return what a decision saw of a leg's book: the asks it walked, and the best bid."""
    seen_ns = ts_ns - int(leg["age_ns"])
    bid = leg.get("best_bid")
    return BookSeen(
        venue=leg["venue"],
        instrument=leg["instrument"],
        ts_event_ns=seen_ns,
        ts_init_ns=seen_ns,
        # the record keeps the best bid's price alone: size zero says that none is known
        bids=() if bid is None else ((Decimal(bid), Decimal(0)),),
        asks=tuple((Decimal(p), Decimal(q)) for p, q in leg["ladder"]),
    )


def _side(text: str) -> Side:
    if text not in {"BUY", "SELL"}:
        raise ValueError(f"side: found {text!r}, allowed BUY or SELL")
    return cast("Side", text)


def _order(row: dict[str, Any]) -> OrderRow:
    return OrderRow(
        client_order_id=row["order_id"],
        ts_ns=row["ts_ns"],
        venue=row["venue"],
        instrument=row["instrument"],
        side=_side(row["side"]),
        time_in_force=row["time_in_force"],
        price=row["price"],
        quantity=row["quantity"],
        reduce_only=row["reduce_only"],
        pair_id=row["pair_id"],
        box_id=row["box_id"],
        leg=cast("Literal[1, 2] | None", row["leg"]),
        role=row["role"],
        decision_id=row["decision_id"],
    )


def _fill(row: dict[str, Any]) -> Fill:
    return Fill(
        ts_ns=row["ts_ns"],
        venue=row["venue"],
        instrument=row["instrument"],
        trade_id=row["trade_id"],
        client_order_id=row["order_id"],
        side=_side(row["side"]),
        price=row["price"],
        quantity=row["quantity"],
        liquidity=row["liquidity"],
        currency=row["currency"],
        status="final",
        fee_charged=row["fee"],
    )
