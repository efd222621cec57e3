"""``twinbook why``: why nothing, or little, was traded: refusals and the nearest miss of each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from backtests.report.errors import ReportError
from backtests.report.folder import Decisions, Folder, Units
from backtests.report.refusals import NearMiss, Refusals, by_reason, cents, plain
from backtests.report.text import clock, count, percent, some
from core.money import to_text
from journal.errors import JournalError

app = typer.Typer(
    help="Say why nothing was traded: refusals and nearest miss.",
    subcommand_metavar="",
    # options may follow the folder
    context_settings={"allow_interspersed_args": True},
)

#: Exit code for input that cannot be used; typer itself uses 2 for a wrong command line.
EXIT_BAD_INPUT = 3


@dataclass(frozen=True)
class Looks:
    """Decisions of one run, wherever they were kept. The gate's counts are None in a journal."""

    source: str
    decisions: Decisions
    gate_updates: int | None
    gate_misses: int | None

    @property
    def taken(self) -> int:
        """Decisions that led to orders."""
        return int((self.decisions.outcome == "taken").sum())

    @property
    def closed(self) -> int:
        """Decisions that led to orders to sell a box back early."""
        decisions = self.decisions
        return int(((decisions.outcome == "taken") & (decisions.kind == "close")).sum())


@app.callback(invoke_without_command=True)
def why(
    source: Annotated[
        Path, typer.Argument(metavar="RUN_DIR|JOURNAL", help="A backtest's folder, or a journal.")
    ],
    run: Annotated[
        str | None, typer.Option("--run", help="Run of a journal; the newest by default.")
    ] = None,
    pair: Annotated[str | None, typer.Option("--pair", help="Only this pair.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say why nothing was traded: refusals by reason, and how near each came to a trade."""
    with _one_line_errors():
        looks = load(source, run)
        pairs = sorted({str(p) for p in looks.decisions.pair_id})
        if pair is not None:
            if pair not in pairs:
                raise ReportError(f"--pair: found {pair!r}, allowed {', '.join(pairs) or 'none'}")
            pairs = [pair]
        typer.echo(
            json.dumps(as_data(looks, pairs, pair), indent=1, ensure_ascii=False)
            if as_json
            else "\n".join(as_text(looks, pairs, pair))
        )


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except (ReportError, JournalError) as error:
        typer.echo(f"twinbook why: {error}", err=True)
        raise typer.Exit(EXIT_BAD_INPUT) from None


def load(source: Path, run: str | None = None) -> Looks:
    """Read the decisions of a run from its folder or from a journal.

    Raises
    ------
    ReportError
        Neither a backtest's folder nor a file.
    JournalError
        The file is no journal, or has no such run.
    """
    if source.is_dir():
        if run is not None:
            raise ReportError("--run: only a journal holds several runs; leave it out for a folder")
        folder = Folder(source)
        counts = folder.summary.get("decisions", {})
        return Looks(
            str(source),
            folder.decisions,
            counts.get("gate_updates"),
            counts.get("gate_misses"),
        )
    if not source.exists():
        raise ReportError(
            f"{source}: no such file or folder; give a backtest's folder or a journal"
        )
    return _from_journal(source, run)


def _from_journal(path: Path, run: str | None) -> Looks:
    # SQLAlchemy is imported only where a journal is read
    from journal.queries import decisions_of, list_runs, payload_of, reading

    with reading(path) as connection:
        runs = [r.run_id for r in list_runs(connection)]
        if not runs:
            raise ReportError(f"{path}: the journal holds no run")
        chosen = run or runs[-1]
        if chosen not in runs:
            raise ReportError(f"--run: found {chosen!r}, allowed {', '.join(runs)}")
        rows = list(decisions_of(connection, chosen))

    def detail(row: int) -> str:
        with reading(path) as connection:
            record = json.loads(payload_of(connection, rows[row].seq))
        return str(record.get("detail") or "")

    def texts(values: list[str]) -> np.ndarray[Any, np.dtype[np.object_]]:
        return np.asarray(values, dtype=object)

    def units(values: list[int | None]) -> Units:
        return Units(
            np.asarray([v or 0 for v in values], dtype=np.int64),
            np.asarray([v is not None for v in values], dtype=np.bool_),
        )

    return Looks(
        f"{path}, run {chosen}",
        Decisions(
            np.asarray([r.ts_ns for r in rows], dtype=np.int64),
            texts([""] * len(rows)),
            texts([r.pair_id for r in rows]),
            texts([r.outcome for r in rows]),
            texts([r.reason for r in rows]),
            texts([r.direction for r in rows]),
            texts([r.kind for r in rows]),
            units([r.gross_edge_e6 for r in rows]),
            units([r.net_edge_e6 for r in rows]),
            units([r.required_edge_e6 for r in rows]),
            detail,
        ),
        None,
        None,
    )


# -- for people ---------------------------------------------------------------------------------


def as_text(looks: Looks, pairs: list[str], only: str | None) -> list[str]:
    """Return the answer as lines of text."""
    lines = [looks.source, *_opening(looks, only)]
    if only is None:
        found = by_reason(looks.decisions)
        if found:
            lines += ["", "All pairs", *_reasons(found)]
    if len(pairs) > 1 or only is not None:
        for name in pairs:
            mine = looks.decisions.pair_id == name
            taken = int((looks.decisions.outcome[mine] == "taken").sum())
            head = f"{name}: {some(int(mine.sum()), 'decision')}, {count(taken)} taken"
            lines += ["", head, *_reasons(by_reason(looks.decisions, name))]
    return lines


def _opening(looks: Looks, only: str | None) -> list[str]:
    total, taken = len(looks.decisions), looks.taken
    gate = ""
    if looks.gate_updates is not None and only is None:
        gate = (
            f"{some(int(looks.gate_updates), 'look')} at a pair; the fast gate dismissed"
            f" {count(int(looks.gate_misses or 0))} whose best prices could not pay after fees. "
        )
    if total == 0:
        return [f"{gate}No decision was made: nothing came near an edge."]
    refused = total - taken
    verdict = (
        "nothing was traded"
        if taken == 0
        else f"{count(taken)} led to orders ({percent(taken / total, 2)}), {count(looks.closed)} of"
        " them to sell a box back early"
    )
    return [f"{gate}{some(total, 'decision')}: {verdict}, {count(refused)} refused."]


def _reasons(found: list[Refusals]) -> list[str]:
    if not found:
        return ["  none refused"]
    wide = max(len(plain(r.reason)) for r in found)
    lines = []
    for r in found:
        share = percent(r.share).replace("\u00a0", " ")
        lines.append(f"  {plain(r.reason):<{wide}}  {count(r.count):>9}  {share:>7}  {r.reason}")
        if r.nearest is not None:
            lines.append(f"      nearest {_miss(r.nearest)}")
        lines.append(f"      {r.change}")
        if r.nearest is not None and r.nearest.detail:
            lines.append(f"      {r.nearest.detail}")
    return lines


def _miss(miss: NearMiss) -> str:
    edges = []
    if miss.net_edge is not None:
        edges.append(f"net edge {cents(miss.net_edge)}")
    if miss.required_edge is not None:
        edges.append(f"required {cents(miss.required_edge)}")
    where = f"{miss.pair_id} {miss.direction.lower()}"
    return f"{clock(miss.ts_ns)} UTC  {where}  {', '.join(edges)}"


# -- for programs -------------------------------------------------------------------------------


def as_data(looks: Looks, pairs: list[str], only: str | None) -> dict[str, Any]:
    """Return the answer as plain data; amounts are decimal strings, dollars per contract."""
    mine = {
        name: {
            "pair_id": name,
            "evaluated": int((looks.decisions.pair_id == name).sum()),
            "taken": int(
                ((looks.decisions.pair_id == name) & (looks.decisions.outcome == "taken")).sum()
            ),
            "refused": [_reason_data(r) for r in by_reason(looks.decisions, name)],
        }
        for name in pairs
    }
    return {
        "source": looks.source,
        "gate_updates": looks.gate_updates,
        "gate_misses": looks.gate_misses,
        "evaluated": len(looks.decisions),
        "taken": looks.taken,
        "taken_to_close": looks.closed,
        "refused": [_reason_data(r) for r in by_reason(looks.decisions, only)],
        "pairs": list(mine.values()),
    }


def _reason_data(r: Refusals) -> dict[str, Any]:
    near = r.nearest
    return {
        "reason": r.reason,
        "meaning": plain(r.reason),
        "count": r.count,
        "share": to_text(r.share.quantize(Decimal("0.000001"))),
        "change_needed": r.change,
        "nearest": None
        if near is None
        else {
            "ts_ns": near.ts_ns,
            "session": near.session,
            "pair_id": near.pair_id,
            "direction": near.direction.lower(),
            "gross_edge": _edge(near.gross_edge),
            "net_edge": _edge(near.net_edge),
            "required_edge": _edge(near.required_edge),
            "short_by": _edge(near.short_by),
            "detail": near.detail,
        },
    }


def _edge(value: Decimal | None) -> str | None:
    return None if value is None else to_text(value)
