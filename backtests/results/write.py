"""The output folder: written to a temporary sibling and renamed when complete."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from backtests.errors import BacktestError, RunFailedError
from backtests.models.fills import HAZARD_CLASSES
from backtests.node import Replay
from backtests.results import boxes as box_rows
from backtests.results import extract, tables
from backtests.results.equity import make_equity, make_positions
from backtests.results.rows import ZERO, BoxRow, MarketRef
from backtests.results.summary import Facts, make_summary

if TYPE_CHECKING:
    from backtests.data import Dataset
    from core.decisions import Decision
    from core.pairs import Pair

SUMMARY_FILE = "summary.json"
DECISIONS_FILE = "decisions.parquet"
QUALITY_FILE = "quality.json"


class RunInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What the writer is told beside the run: names, hashes, settings."""

    config_hash: str
    synthetic: bool
    data: dict[str, Any]
    models: dict[str, Any]
    sessions: list[tuple[str, int]]
    span_ns: tuple[int, int]
    capital: dict[str, Decimal]
    currencies: dict[str, str]


class DecisionLog:
    """Counts and writes every decision as it is made."""

    def __init__(self, table: tables.DecisionTable, sessions: extract.Sessions) -> None:
        self._table = table
        self._sessions = sessions
        self.refused: Counter[str] = Counter()
        self.taken = 0
        self.by_place: Counter[tuple[str, str, str]] = Counter()

    def add(self, decision: Decision) -> None:
        """Take the next decision."""
        self._table.add(decision)
        session = self._sessions.at(decision.ts_ns)
        self.by_place[decision.pair_id, session, decision.outcome] += 1
        if decision.outcome == "taken":
            self.taken += 1
        else:
            self.refused[decision.reason.value] += 1


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Give a temporary sibling of ``target``; rename it when the block ends without an error.

    Raises
    ------
    BacktestError
        If ``target`` exists and is no earlier result: nothing of the user's is overwritten.
    """
    if target.exists() and not (target / SUMMARY_FILE).is_file() and any(_entries(target)):
        raise BacktestError(
            f"--output {target}: exists and is no backtest result, allowed a new or empty folder"
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.parent / f".{target.name}.partial"
    shutil.rmtree(draft, ignore_errors=True)
    try:
        draft.mkdir()  # inside: a signal right after it must still find the cleaning up
        yield draft
        _replace(target, draft)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _replace(target: Path, draft: Path) -> None:
    """Put the new result in place; an earlier one goes only when the new one stands."""
    earlier = target.parent / f".{target.name}.earlier"
    shutil.rmtree(earlier, ignore_errors=True)
    if target.is_dir():
        target.rename(earlier)
    draft.rename(target)
    shutil.rmtree(earlier, ignore_errors=True)


def _entries(target: Path) -> Iterator[Path]:
    if not target.is_dir():
        raise BacktestError(f"--output {target}: is a file, allowed a folder")
    return target.iterdir()


def make_refs(pairs: Sequence[Pair]) -> dict[str, MarketRef]:
    """Describe every instrument of the pairs, YES and NO, legs and routes."""
    refs: dict[str, MarketRef] = {}
    for pair in pairs:
        for leg, market in enumerate(pair.markets):
            venue = market.venue.value
            views = [(market.yes, market.no, market.inverse)]
            views += [(r.yes, r.no, r.inverse != market.inverse) for r in market.routes]
            for yes, no, is_inverse in views:
                value = market.pair_yes_value
                for symbol, outcome in ((yes, "YES"), (no, "NO")):
                    is_pair_yes = (outcome == "YES") != is_inverse
                    worth = None if value is None else value if is_pair_yes else 1 - value
                    refs[f"{symbol}.{venue}"] = MarketRef(
                        instrument=f"{symbol}.{venue}",
                        venue=venue,
                        outcome=outcome,
                        pair_id=pair.pair_id,
                        currency=market.terms.currency,
                        leg=leg,
                        is_pair_yes=is_pair_yes,
                        value=worth,
                    )
    return refs


def write_results(
    folder: Path,
    replay: Replay,
    info: RunInfo,
    log: DecisionLog,
    pairs: Sequence[Pair],
) -> dict[str, Any]:
    """Write summary and tables of a finished run; return the summary.

    Raises
    ------
    RunFailedError
        If cash or positions do not reconcile to the last digit.
    """
    facts, parts = _facts(replay, info, log, pairs)
    for name, schema, rows in parts:
        tables.write_rows(folder / name, schema, rows)
    summary = make_summary(facts)
    (folder / SUMMARY_FILE).write_text(encode_summary(summary))
    check_reconciled(summary)
    return summary


def encode_summary(summary: dict[str, Any]) -> str:
    """Return the text of ``summary.json``: the same content gives the same bytes."""
    return json.dumps(summary, indent=1, ensure_ascii=False) + "\n"


def check_reconciled(summary: dict[str, Any]) -> None:
    """Refuse a result whose books do not balance.

    Raises
    ------
    RunFailedError
        If a difference is not exactly 0.
    """
    lines = summary["reconciliation"]
    for key in ("cash_difference", "positions_difference", "pnl_difference"):
        if Decimal(lines[key]) != 0:
            raise RunFailedError(f"reconciliation.{key}: found {lines[key]}, allowed 0")


def _facts(
    replay: Replay, info: RunInfo, log: DecisionLog, pairs: Sequence[Pair]
) -> tuple[Facts, list[tuple[str, Any, Sequence[tables.Row]]]]:
    refs = make_refs(pairs)
    sessions = extract.Sessions(info.sessions)
    cache = replay.engine.cache
    fills, settlements = extract.fills_and_settlements(replay.collector, cache, refs, sessions)
    orders = extract.orders(cache, replay.collector, refs, sessions)
    settled_ns = {row.instrument: row.ts_ns for row in settlements}
    boxes = box_rows.make_boxes(fills, replay.collector.taken, refs, settled_ns)
    boxes = [_with_session(box, sessions) for box in boxes]
    equity = make_equity(info.capital, info.currencies, fills, settlements, refs, info.span_ns)
    positions = make_positions(fills, settlements, refs)
    accounts, held = _accounts(replay)
    counters = replay.collector.counters.values()
    facts = Facts(
        config_hash=info.config_hash,
        decision_digest=replay.collector.digest.hexdigest(),
        synthetic=info.synthetic,
        data=info.data | {"messages": replay.counts.messages, "deltas": replay.counts.deltas},
        models=info.models,
        start=info.capital,
        accounts=accounts,
        account_positions=held,
        equity=equity,
        fills=fills,
        settlements=settlements,
        orders=orders,
        boxes=boxes,
        positions=positions,
        refs=refs,
        sessions=info.sessions,
        pair_ids=list(dict.fromkeys(pair.pair_id for pair in pairs)),
        decisions={
            "evaluated": log.taken + sum(log.refused.values()),
            "taken": log.taken,
            "refused": dict(sorted(log.refused.items(), key=lambda item: (-item[1], item[0]))),
            "gate_updates": sum(c.updates for c in counters),
            "gate_misses": sum(c.gate_misses for c in counters),
        },
        evaluated=dict(log.by_place),
        hazard=_hazard(replay),
    )
    return facts, [
        ("orders.parquet", tables.ORDERS, orders),
        ("fills.parquet", tables.FILLS, fills),
        ("settlements.parquet", tables.SETTLEMENTS, settlements),
        ("boxes.parquet", tables.BOXES, boxes),
        ("positions.parquet", tables.POSITIONS, positions),
        ("equity.parquet", tables.EQUITY, equity.rows),
    ]


def _with_session(box: BoxRow, sessions: extract.Sessions) -> BoxRow:
    return msgspec.structs.replace(box, session=sessions.at(box.ts_ns))


def _accounts(replay: Replay) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Return what the simulated venues say: cash by venue, contracts held by instrument."""
    cache = replay.engine.cache
    cash = {}
    for account in cache.accounts():
        totals = [balance.total.as_decimal() for balance in account.balances().values()]
        cash[account.id.get_issuer()] = sum(totals, ZERO)
    held: dict[str, Decimal] = {}
    for position in cache.positions_open():
        name = str(position.instrument_id)
        held[name] = held.get(name, ZERO) + position.signed_decimal_qty()
    return cash, held


def _hazard(replay: Replay) -> dict[str, Any]:
    hazard = replay.hazard
    if hazard is None:
        return {}
    return {
        name: {"attempts": hazard.attempts[name], "filled": hazard.filled[name]}
        for name in HAZARD_CLASSES
    }


def dataset_facts(dataset: Dataset, *, windows_only: bool) -> dict[str, Any]:
    """Return the ``data`` part of the summary."""
    manifest = dataset.manifest
    return {
        "name": manifest.name,
        "sessions": [
            {
                "session": session.name,
                "kind": session.kind,
                "start_ns": session.start_ns,
                "end_ns": session.end_ns,
                "messages": session.observations,
                "pairs": len(session.pair_ids),
            }
            for session in manifest.sessions
        ],
        "span": [_utc(ts_ns) for ts_ns in manifest.span_ns],
        "span_ns": list(manifest.span_ns),
        "instruments": len(manifest.instruments),
        "windows_only": windows_only,
        "sources": [msgspec.to_builtins(source) for source in manifest.sources],
        "seed": manifest.seed,
    }


def _utc(ts_ns: int) -> str:
    """Write a time for people, to the second."""
    return datetime.fromtimestamp(ts_ns // 1_000_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
