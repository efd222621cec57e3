"""The real recordings, end to end: every session, and the day whose books were crossed."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from nodes.backtest_node import main

pytestmark = pytest.mark.data

ROOT = Path(__file__).resolve().parents[2]
SESSIONS = {
    "WC26-R16-PY-FR-20260704": "public/quotes",
    "NBA-20260221-pregame": "public/quotes",
    "WC26-R16-MX-GB-20260705-pre": "benchmark/quotes",
    "WC26-R16-MX-GB-20260705": "benchmark/quotes",
    "NBA-20260222-inplay": "benchmark/quotes",
}


def backtest(tmp_path: Path, data: Path, **change: str) -> tuple[dict, Path]:
    """Run the shipped settings with lines replaced; return summary and folder."""
    text = (ROOT / "configs" / "backtest.toml").read_text()
    for key, value in change.items():
        old = next(line for line in text.splitlines() if line.startswith(f"{key} ="))
        text = text.replace(old, f"{key} = {value}")
    tmp_path.mkdir(exist_ok=True)
    settings, output = tmp_path / "backtest.toml", tmp_path / "out"
    settings.write_text(text)
    args = ["--config", str(settings), "--data", str(data), "--output", str(output)]
    assert main(args) == 0
    return json.loads((output / "summary.json").read_text()), output


@pytest.mark.parametrize("session", SESSIONS)
def test_every_session_runs_and_reconciles(recordings: Path, tmp_path: Path, session: str) -> None:
    data = recordings / SESSIONS[session]
    result, output = backtest(tmp_path, data, sessions=f'["{session}"]', model='"pure"')
    assert [s["session"] for s in result["data"]["sessions"]] == [session]
    assert result["data"]["messages"] > 500
    assert result["reconciliation"]["cash_difference"] == "0"
    assert result["reconciliation"]["positions_difference"] == "0"
    assert (output / "report.html").stat().st_size > 1000
    steps = sum(Decimal(step["amount"]) for step in result["waterfall"])
    assert steps == Decimal(result["pnl"]["total"])
    refused = sum(result["decisions"]["refused"].values())
    assert result["decisions"]["evaluated"] == result["decisions"]["taken"] + refused
    if session.startswith("NBA"):  # after fees these samples hold no taker box
        assert result["boxes"]["opened"] == 0
    else:
        assert result["boxes"]["opened"] > 0
        assert result["boxes"]["annualised"] is not None


def test_one_folder_is_one_timeline(recordings: Path, tmp_path: Path) -> None:
    """Three sessions, one account: the sessions' results add up to the whole."""
    result, output = backtest(tmp_path, recordings / "benchmark/quotes")
    assert len(result["sessions"]) == 3
    total = Decimal(result["pnl"]["total"])
    assert sum(Decimal(s["pnl"]) for s in result["sessions"]) == total
    assert sum(Decimal(p["pnl"]) for p in result["pairs"]) == total
    assert sum(s["evaluated"] for s in result["sessions"]) == result["decisions"]["evaluated"]
    times = pq.read_table(output / "fills.parquet")["ts_ns"].to_pylist()
    assert times == sorted(times)


def test_windows_of_a_real_day_take_the_same_decisions(recordings: Path, tmp_path: Path) -> None:
    data = recordings / "public/quotes"
    whole, _ = backtest(tmp_path / "a", data, compare="false")
    window, _ = backtest(tmp_path / "b", data, compare="false", windows_only="true")
    assert window["decision_digest"] == whole["decision_digest"]
    assert window["data"]["messages"] < whole["data"]["messages"] / 2
    for key in ("capital", "pnl", "boxes", "orders", "hazard"):
        assert window[key] == whole[key]


def test_crossed_books_are_refused_and_counted(recordings: Path, tmp_path: Path) -> None:
    result, output = backtest(tmp_path, recordings / "benchmark/quotes_bad")
    assert result["decisions"]["taken"] == 0
    assert result["orders"]["sent"] == 0
    assert result["decisions"]["refused"]["crossed"] > 5_000
    assert set(result["decisions"]["refused"]) <= {"crossed", "locked"}
    assert pq.read_table(output / "fills.parquet").num_rows == 0
    assert "crossed" in (output / "report.html").read_text()


def test_with_the_check_off_the_same_day_trades(recordings: Path, tmp_path: Path) -> None:
    data = recordings / "benchmark/quotes_bad"
    result, _ = backtest(tmp_path, data, checks_off='["crossed", "locked"]', compare="false")
    assert result["models"]["checks_off"] == ["crossed", "locked"]
    assert result["decisions"]["taken"] > 0
    assert result["boxes"]["opened"] > 0
    assert result["boxes"]["annualised"] is None
