"""The tour runs from top to bottom without a screen, on a run given and on one it makes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest

from backtests.data import GeneratorSettings, generate_dataset
from configs.backtest import BacktestConfig, DataSettings
from nodes.backtest_node import backtest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "backtest_tour.py"


def tour(tmp: Path, *args: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(NOTEBOOK), *map(str, args)], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=300, env={**os.environ, "TMPDIR": str(tmp)},
    )  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    work = tmp_path_factory.mktemp("tour")
    generate_dataset(work / "data", GeneratorSettings(seed=11, pairs=2, minutes=12))
    config = BacktestConfig(data=DataSettings(accept_recorded=True))
    backtest(config, data=work / "data", output=work / "run")
    return work / "data", work / "run"


def test_tour_of_a_run(made: tuple[Path, Path], tmp_path: Path) -> None:
    dataset, run = made
    done = tour(tmp_path, "--dataset", dataset, "--run", run)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout.splitlines()[-1])
    summary = json.loads((run / "summary.json").read_text())
    assert said["instruments"] == 4
    assert said["book_deltas"] > 0
    assert said["decisions"] == summary["decisions"]["evaluated"]
    assert said["refused"] == sum(summary["decisions"]["refused"].values())
    assert Decimal(said["result"]) == Decimal(summary["pnl"]["total"])
    assert said["charts"] == 4 + 4 + 2  # bid and ask of two venues; two edges, two outcomes; cash
    assert list(tmp_path.iterdir()) == []


def test_half_of_the_arguments(made: tuple[Path, Path], tmp_path: Path) -> None:
    done = tour(tmp_path, "--dataset", made[0])
    assert done.returncode != 0
    assert "give both --dataset DIR and --run RUN_DIR, or neither" in done.stdout + done.stderr


@pytest.mark.full
def test_a_run_whose_waterfall_does_not_add_up_stops_the_tour(
    made: tuple[Path, Path], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    shutil.copytree(made[1], run)
    summary = json.loads((run / "summary.json").read_text())
    summary["waterfall"][0]["amount"] = "1000000"
    (run / "summary.json").write_text(json.dumps(summary))
    done = tour(tmp_path, "--dataset", made[0], "--run", run)
    assert done.returncode != 0
    assert "the waterfall misses the result by" in done.stdout + done.stderr


@pytest.mark.full
def test_tour_of_what_it_makes_itself(tmp_path: Path) -> None:
    done = tour(tmp_path)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["decisions"] > 0
    assert list(tmp_path.iterdir()) == [], "nothing is left behind"


@pytest.mark.full
def test_the_notebook_is_well_formed() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "marimo", "check", "--strict", str(NOTEBOOK)],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
