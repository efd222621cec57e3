"""A trading node against the venue with every fault on, restarted in the middle.

The node journals its belief before anybody reads the truth; at the end both are equal exactly.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.kalshi.support.audit import differences
from tests.kalshi.support.faults import ALL, OTHER_SETTINGS, set_all
from tests.kalshi.support.venue import SimVenue, run_node

HALF_S = 30
SHORT_S = 22
SEEDS = Path(__file__).parent / "seeds.txt"


def each_second(beliefs: list[dict[str, Any]], truth: dict[str, Any]) -> list[str]:
    """What was believed at any second and is not so: fills only ever grow, so truth at the end
    judges every moment."""
    wrong: list[str] = []
    real = {f["trade_id"]: f for f in truth["fills"]}
    for belief in beliefs:
        for trade_id, fill in belief["fills"].items():
            true = real.get(trade_id)
            if true is None:
                wrong.append(f"{belief['ts']}: fill {trade_id} never happened")
            elif Decimal(fill["qty"]) != Decimal(true["count_fp"]):
                wrong.append(f"{belief['ts']}: fill {trade_id} has another size")
        short = [s for s, size in belief["positions"].items() if Decimal(size) < 0]
        wrong.extend(f"{belief['ts']}: short {symbol}" for symbol in short)
        counted = Counter(o["venue_id"] for o in belief["orders"].values() if o["venue_id"])
        wrong.extend(f"{belief['ts']}: {v} twice" for v, n in counted.items() if n > 1)
    return wrong


def flow(
    folder: Path, *, half_s: int, seed: int, other: bool, runs: int = 2, extra: tuple[str, ...] = ()
) -> dict[str, int]:
    with SimVenue(folder, seed=seed) as venue:
        set_all(venue)
        if other:
            venue.switch(**OTHER_SETTINGS)
        for name, node_seed in (("first", seed), ("second", seed + 1))[:runs]:
            beliefs = run_node(
                venue,
                folder,
                name,
                "--seconds",
                str(half_s),
                "--seed",
                str(node_seed),
                "--quiet",
                "10",
                *extra,
                timeout=half_s + 60,
            )
            truth = venue.truth()
            (folder / f"{name}.truth.json").write_text(json.dumps(truth))
            assert len(beliefs) >= half_s - 8, "a belief each second"
            assert beliefs[-1]["fills"], "something traded"
            assert each_second(beliefs, truth) == []
            assert differences(beliefs[-1], truth) == []
        return venue.hits()


def test_belief_equals_truth_through_every_fault_and_a_restart(tmp_path: Path) -> None:
    hits = flow(tmp_path, half_s=HALF_S, seed=7, other=False)
    unused = [name for name, count in hits.items() if not count]
    assert len(unused) < len(ALL) / 3, f"too many faults never struck: {unused}"


def test_the_other_setting_of_everything_uncertain(tmp_path: Path) -> None:
    # The engine is told to give orders up at once, so that its false rejections are mended too.
    hasty = ("--inflight-retries", "1", "--inflight-ms", "400")
    flow(tmp_path, half_s=SHORT_S, seed=8, other=True, runs=1, extra=hasty)
    assert "the engine gave up" in (tmp_path / "first.log").read_text()


@pytest.mark.full
def test_ten_minutes_of_every_fault(tmp_path: Path) -> None:
    hits = flow(tmp_path, half_s=310, seed=9, other=False)
    unused = [name for name, count in hits.items() if not count]
    assert len(unused) <= 2, f"faults that never struck: {unused}"


@pytest.mark.full
@pytest.mark.parametrize("seed", [int(line) for line in SEEDS.read_text().split() if line])
def test_seeds_that_once_failed(tmp_path: Path, seed: int) -> None:
    flow(tmp_path, half_s=HALF_S, seed=seed, other=bool(seed % 2))
