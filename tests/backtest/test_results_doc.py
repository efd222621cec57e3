"""docs/results.md says what the backtest gives today: every row of its table is run again."""

from __future__ import annotations

import json
import re
from decimal import Decimal
from pathlib import Path

import pytest

from nodes.backtest_node import main

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs" / "backtest.toml"


def number(text: str) -> Decimal:
    """Read ``+$1,234.5`` or ``−$3``."""
    return Decimal(re.sub(r"[$,+]", "", text).replace("−", "-"))


def rows() -> dict[str, dict[str, tuple[Decimal, ...]]]:
    """Return looks, boxes, contracts, fees and result by folder and session."""
    found: dict[str, dict[str, tuple[Decimal, ...]]] = {}
    text = (ROOT / "docs" / "results.md").read_text()
    for line in text.splitlines():
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        if len(cells) == 9 and cells[0].count("/quotes"):
            folder, session, *numbers = cells[:7]
            found.setdefault(folder, {})[session] = tuple(map(number, numbers))
    return found


def test_the_table_names_every_folder() -> None:
    assert set(rows()) == {"benchmark/quotes", "public/quotes", "benchmark/quotes_bad"}


@pytest.mark.data
@pytest.mark.parametrize("folder", ["benchmark/quotes", "public/quotes", "benchmark/quotes_bad"])
def test_every_row_is_what_a_run_gives(folder: str, recordings: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code = main(["--config", str(CONFIG), "--data", str(recordings / folder), "--output", str(out)])
    assert not code
    summary = json.loads((out / "summary.json").read_text())
    got = {
        s["session"]: tuple(
            Decimal(str(s[key])) for key in ("evaluated", "boxes", "contracts", "fees", "pnl")
        )
        for s in summary["sessions"]
    }
    claimed = rows()[folder]
    total = claimed.pop("all three", None)
    assert got == claimed
    if total is not None:
        assert tuple(map(sum, zip(*got.values(), strict=True))) == total
        assert Decimal(summary["pnl"]["total"]) == total[-1]
