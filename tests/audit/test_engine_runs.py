"""The auditor, the report and the journal over runs that the engine really made."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtests.data import GeneratorSettings, generate_dataset
from configs.backtest import BacktestConfig, DataSettings, FillSettings
from core.decisions import DecisionDigest, decode
from journal import queries
from journal.importer import import_run
from nodes.backtest_node import backtest
from tests.audit.auditor import audit
from tests.report.test_report import Page, money

CONFIG = BacktestConfig(data=DataSettings(accept_recorded=True))


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    work = tmp_path_factory.mktemp("engine")
    generate_dataset(work / "data", GeneratorSettings(seed=7, pairs=6, minutes=60))
    # by the book alone: whatever the generator's next version does, this trades
    pure = msgspec.structs.replace(CONFIG, fills=FillSettings(model="pure"))
    backtest(pure, data=work / "data", output=work / "run")
    return work / "run"


def _holds(run: Path) -> None:
    """What every run must satisfy: the auditor agrees, the page adds up, the journal has it all."""
    result = audit(run)
    assert result.findings == []
    summary = json.loads((run / "summary.json").read_text())
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert "Do not rely on this run" not in page.text
    assert "FAILS" not in page.text
    if summary["decisions"]["taken"]:
        steps = {r[0]: money(r[2]) for r in page.table("Step", "What it is", "Dollars")}
        total = steps.pop("Result")
        steps.pop("Locked at opening")
        assert sum(steps.values()) == total == Decimal(summary["pnl"]["total"])
    path = run.parent / f"{run.name}.db"
    imported = import_run(run, path)
    with queries.reading(path) as connection:
        digest = DecisionDigest()
        for payload in queries.decision_payloads(connection, imported.run_id):
            digest.add(decode(payload))
        assert digest.hexdigest() == summary["decision_digest"]
        bought = {(f[0], f[1]): f[2] for f in _held_by_fills(run)}
        assert queries.holdings(connection, imported.scope) == bought


def _held_by_fills(run: Path) -> list[tuple[str, str, Decimal]]:
    held: dict[tuple[str, str], Decimal] = {}
    for f in pq.read_table(run / "fills.parquet").to_pylist():
        key = f["venue"], f["instrument"]
        sign = 1 if f["side"] == "BUY" else -1
        held[key] = held.get(key, Decimal(0)) + sign * f["quantity"]
    return [(v, i, q) for (v, i), q in held.items() if q]


def test_a_synthetic_run(synthetic: Path) -> None:
    _holds(synthetic)
    assert audit(synthetic).fills > 0, "the demo's data must trade, or this proves nothing"
    page = Page((synthetic / "report.html").read_text(encoding="utf-8"))
    assert "SYNTHETIC DATA" in page.text


@pytest.mark.parametrize("column", ["price", "fee", "quantity"])
def test_one_cent_is_found_in_a_run_of_the_engine(
    synthetic: Path, tmp_path: Path, column: str
) -> None:
    for file in synthetic.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    table = pq.read_table(tmp_path / "fills.parquet")
    rows = table.to_pylist()
    middle = len(rows) // 2
    rows[middle][column] += Decimal("0.01")
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), tmp_path / "fills.parquet")
    assert any(f"fill {middle}" in finding for finding in audit(tmp_path).findings)


@pytest.mark.data
@pytest.mark.parametrize("folder", ["benchmark/quotes", "public/quotes"])
def test_the_recordings(recordings: Path, tmp_path: Path, folder: str) -> None:
    backtest(CONFIG, data=recordings / folder, output=tmp_path / "run")
    _holds(tmp_path / "run")
    page = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    assert "about every 3.7 s." in page.text
    assert "Latencies below that interval prove nothing here" in page.text


@pytest.mark.data
def test_the_crossed_day(recordings: Path, tmp_path: Path) -> None:
    backtest(CONFIG, data=recordings / "benchmark/quotes_bad", output=tmp_path / "run")
    _holds(tmp_path / "run")
    assert audit(tmp_path / "run").fills == 0
    page = Page((tmp_path / "run" / "report.html").read_text(encoding="utf-8"))
    refused = json.loads((tmp_path / "run" / "summary.json").read_text())["decisions"]["refused"]
    shown = {r[0]: int(r[1].replace(",", "")) for r in page.table("Reason", "Looks", "Share")}
    assert shown["Crossed book"] == refused["crossed"] > 0
    assert f"Most often: crossed book ({refused['crossed']:,} looks" in page.text
    assert "No look at books that can be believed had an edge" in page.text
