"""How fast data goes in and out: generate, load, check, scan, cut; each with its peak memory.

Run: ``./run python benchmarks/bench_data.py [--deltas 2000000] [--pairs 100]``.
Every step runs in a process of its own, so that its peak memory is its own; the rate is per second
of CPU time, so that a busy machine does not change it. Nothing here is asserted: the tests hold
the results, this shows the speed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

#: Deltas per pair, minute and unit of rate that the mixed style makes (measured).
DELTAS_PER_PAIR_MINUTE = 58.3
RATE = 5.0

TICKER, TOKEN = "KXBENCH-26-FR", "1082336038194677"
_TERMS = {"tick": "0.001", "lot": "0.01", "min_size": "0.01"}
_KALSHI_FEES = {"type": "quadratic", "multiplier": "1", "regime": "2026q2"}
PAIR = {
    "pair_id": TICKER,
    "session": "S1",
    "kalshi_ticker": TICKER,
    "polymarket_token_yes": TOKEN,
    "polymarket_venue": "polymarket_international_clob",
    "relation": "YES=YES",
    "fees_assumed": {
        "kalshi": _KALSHI_FEES | {"member_precision": "0.0001"},
        "polymarket": {"rate": "0", "exponent": "1"},
    },
    "settlement": {"kalshi": None, "polymarket": None},
    "settled_at": None,
    "expected_settlement": None,
    "terms": {
        "kalshi": _TERMS | {"currency": "USD"},
        "polymarket": _TERMS | {"currency": "pUSD"},
    },
}


def _generate(root: Path, deltas: int, pairs: int) -> int:
    from backtests.data import GeneratorSettings, generate_dataset

    minutes = max(1.0, deltas / (pairs * RATE * DELTAS_PER_PAIR_MINUTE))
    settings = GeneratorSettings(seed=1, pairs=pairs, minutes=minutes, rate=RATE)
    made = generate_dataset(root / "generated", settings)
    return sum(i.deltas for i in made.instruments)


def _record(root: Path, rows: int) -> int:
    """Write a recording of the World Cup shape with this many rows.

    In a process of its own, like the steps: a child inherits the peak memory of its parent.
    """
    import json

    import pyarrow as pa
    import pyarrow.parquet as pq

    rng = np.random.default_rng(1)
    bid = rng.integers(300, 400, rows)
    price = np.array([f"0.{i:03d}" for i in range(1000)])
    size = np.array([f"{i}.{i % 100:02d}" for i in range(1, 5001)])
    kalshi = np.arange(rows) % 2 == 0
    columns = {
        "session": np.full(rows, "S1"),
        "ts_recv_ns": 1_783_196_687_929_000_000 + np.arange(rows) * 50_000_000,
        "ts_venue_ns": 1_783_196_687_920_000_000 + np.arange(rows) * 50_000_000,
        "venue": np.where(kalshi, "kalshi", "polymarket"),
        "pair_id": np.full(rows, TICKER),
        "instrument": np.where(kalshi, TICKER, TOKEN),
        "inverse": np.zeros(rows, dtype=bool),
        "bid_px": price[bid],
        "bid_sz": size[rng.integers(0, 5000, rows)],
        "ask_px": price[bid + 1 + rng.integers(0, 5, rows)],
        "ask_sz": size[rng.integers(0, 5000, rows)],
    }
    folder = root / "recording"
    folder.mkdir()
    pq.write_table(pa.table(columns), folder / "S1.parquet", row_group_size=100_000)
    (folder / "pairs.json").write_text(json.dumps([PAIR]))
    return rows


def _load(root: Path) -> int:
    from backtests.data import build_dataset

    made = build_dataset(root / "recording", root / "loaded", accept_recorded=True)
    return made.manifest.counts["rows"]


def _check(root: Path) -> int:
    from backtests.data import check_dataset, open_dataset

    dataset = open_dataset(root / "generated")
    check_dataset(dataset)
    return sum(i.deltas for i in dataset.instruments)


def _scan(root: Path) -> int:
    from backtests.data import open_dataset, scan_dataset

    return scan_dataset(open_dataset(root / "generated")).rows


def _cut(root: Path) -> int:
    from backtests.data import cut_windows, open_dataset, scan_dataset

    dataset = open_dataset(root / "generated")
    scan = scan_dataset(dataset, write=False)
    cut_windows(dataset, scan, root / "cut")
    return sum(i.deltas for i in dataset.instruments)


def _catalog_write(root: Path) -> int:
    """The other way to write deltas: Nautilus objects through ``catalog.write_data``."""
    from nautilus_trader.model.data import OrderBookDelta
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

    from backtests.data import open_dataset

    dataset = open_dataset(root / "generated")
    deltas = []
    for info in dataset.instruments[:20]:
        deltas += dataset.catalog().query(OrderBookDelta, identifiers=[info.instrument_id])
    start = time.process_time()
    ParquetDataCatalog(str(root / "theirs")).write_data(deltas)
    _catalog_write.seconds = time.process_time() - start
    return len(deltas)


_catalog_write.seconds = 0.0


def _child(step, args, queue) -> None:
    import backtests.data  # noqa: F401 - imports are not what is measured

    wall, cpu = time.perf_counter(), time.process_time()
    units = step(*args)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    queue.put((units, wall, getattr(step, "seconds", 0.0) or cpu, peak))


def measure(step, *args) -> tuple[int, float, float, float]:
    """Run a step in a fresh process: units, wall and CPU seconds, peak memory in MiB."""
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    child = context.Process(target=_child, args=(step, args, queue))
    child.start()
    result = queue.get()
    child.join()
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--deltas", type=int, default=2_000_000)
    parser.add_argument("--pairs", type=int, default=100)
    options = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="bench-data-"))
    try:
        measure(_record, root, options.deltas // 4)
        steps = [
            ("generate", "deltas", _generate, (root, options.deltas, options.pairs)),
            ("catalog.write_data", "deltas", _catalog_write, (root,)),
            ("load", "rows", _load, (root,)),
            ("check", "deltas", _check, (root,)),
            ("scan", "observations", _scan, (root,)),
            ("scan and cut", "deltas", _cut, (root,)),
        ]
        print(
            f"{'step':<20}{'units':>24}{'wall s':>9}{'CPU s':>9}{'peak MiB':>10}{'per CPU s':>14}"
        )
        for name, unit, step, args in steps:
            units, wall, cpu, peak = measure(step, *args)
            row = f"{name:<20}{units:>11,} {unit:<12}{wall:>9.2f}{cpu:>9.2f}{peak:>10.0f}"
            print(f"{row}{units / cpu:>14,.0f}")
        size = sum(p.stat().st_size for p in (root / "generated").rglob("*") if p.is_file())
        print(f"{2 * options.pairs} instruments, {size / 2**20:.0f} MiB on disk")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
