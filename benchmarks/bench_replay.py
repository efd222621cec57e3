"""How fast books are replayed, and what the strategy costs beside a handler that does nothing.

::

    ./run python -m benchmarks.bench_replay [--pairs 100] [--rows 1000000] [--repeat 3]

Makes a synthetic dataset (100 pairs: 200 books), replays it in fresh processes, in turn: reading
alone; the engine with a subscribed strategy whose handler is ``pass``; the real strategy that finds
every edge too small (it gates and decides, but never holds a box); and the real strategy trading.
Rates are rows (order-book deltas) per second of CPU, best of the repeats: other work on the
machine then counts least. Ratios are of one run of this file; peak memory is of each process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from nautilus_trader.config import ImportableStrategyConfig, StrategyConfig
from nautilus_trader.model.enums import BookType
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.trading.strategy import Strategy


class PassConfig(StrategyConfig, frozen=True, kw_only=True):
    """``books``: YES instrument ids."""

    books: list[str]


class Pass(Strategy):
    """Subscribes to every book and does nothing."""

    def on_start(self) -> None:
        """Subscribe."""
        for book in self.config.books:
            self.subscribe_order_book_deltas(InstrumentId.from_str(book), BookType.L2_MBP)

    def on_order_book_deltas(self, deltas: object) -> None:
        """Do nothing."""


def measure(folder: str, kind: str, chunk_rows: int) -> dict:
    """Replay once in this process; return rows, messages, seconds and peak memory."""
    import msgspec

    from backtests.data import open_dataset
    from backtests.node import ReplayNode
    from backtests.replay import stream
    from configs.backtest import BacktestConfig
    from nodes.backtest_plan import make_plan, merge_sessions

    dataset = open_dataset(Path(folder))
    settings = {"data": {"accept_recorded": True}, "replay": {"chunk_rows": chunk_rows}}
    if kind == "watch":
        settings["strategy"] = {"net_edge_min": "0.5"}
    config = msgspec.convert(settings, BacktestConfig)
    plan = make_plan(dataset, merge_sessions(dataset.pairs(), folder), config)
    began = time.perf_counter(), time.process_time()
    if kind == "read":
        books = [market.yes for market in plan.markets]
        rows = messages = 0
        for events in stream(dataset.catalog(), books, [], chunk_rows=chunk_rows):
            messages += len(events)
        rows = sum(info.deltas for info in dataset.instruments)
        taken = 0
    else:
        if kind == "pass":
            strategy = ImportableStrategyConfig(
                strategy_path="benchmarks.bench_replay:Pass",
                config_path="benchmarks.bench_replay:PassConfig",
                config={"books": [market.yes for market in plan.markets]},
            )
            plan = msgspec.structs.replace(plan, strategies=(strategy,))
        replay = ReplayNode(plan).replay()
        rows, messages = replay.counts.deltas, replay.counts.messages
        taken = len(replay.collector.taken)
    return {
        "kind": kind,
        "rows": rows,
        "messages": messages,
        "taken": taken,
        "wall_s": time.perf_counter() - began[0],
        "cpu_s": time.process_time() - began[1],
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def in_child(folder: str, kind: str, chunk_rows: int) -> dict:
    """Measure in a fresh process: memory and caches start from nothing."""
    args = [sys.executable, "-m", "benchmarks.bench_replay", "--child", kind, folder]
    done = subprocess.run(
        [*args, "--chunk-rows", str(chunk_rows)], check=True, capture_output=True, text=True
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def generate(folder: Path, pairs: int, rows: int, levels: int) -> None:
    """Make a dataset of about ``rows`` deltas."""
    from backtests.data import GeneratorSettings, generate_dataset

    # a probe of two minutes tells how many rows an hour of this market makes
    probe = generate_dataset(folder / "probe", GeneratorSettings(pairs=pairs, minutes=2))
    per_minute = sum(info.deltas for info in probe.instruments) / 2
    settings = GeneratorSettings(pairs=pairs, minutes=max(2, rows / per_minute), levels=levels)
    generate_dataset(folder / "data", settings)


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.bench_replay")
    parser.add_argument("--pairs", type=int, default=100)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--levels", type=int, default=6)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--chunk-rows", type=int, default=50_000)
    parser.add_argument("--kinds", default="read,pass,watch,trade")
    parser.add_argument("--child", nargs=2, metavar=("KIND", "FOLDER"))
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure(args.child[1], args.child[0], args.chunk_rows)))
        return
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        generate(Path(folder), args.pairs, args.rows, args.levels)
        print(f"generated in {time.perf_counter() - began:.0f} s", flush=True)
        report(str(Path(folder) / "data"), args)


def report(folder: str, args: argparse.Namespace) -> None:
    """Measure all kinds in turn and print the table."""
    kinds = args.kinds.split(",")
    runs: dict[str, list[dict]] = {kind: [] for kind in kinds}
    for _ in range(args.repeat):
        for kind in kinds:
            runs[kind].append(in_child(folder, kind, args.chunk_rows))
    best = {kind: min(found, key=lambda run: run["cpu_s"]) for kind, found in runs.items()}
    first = best[kinds[-1]]
    print(
        f"{first['rows']:,} rows, {first['messages']:,} messages, {2 * args.pairs} books, "
        f"{first['taken']} boxes taken"
    )
    print(f"{'':10}{'rows/s':>10}{'us/message':>12}{'wall s':>9}{'peak MB':>9}{'of pass':>9}")
    for kind, run in best.items():
        share = best["pass"]["cpu_s"] / run["cpu_s"] if "pass" in best else 0.0
        print(
            f"{kind:10}{run['rows'] / run['cpu_s']:>10,.0f}"
            f"{run['cpu_s'] / run['messages'] * 1e6:>12.2f}{run['wall_s']:>9.1f}"
            f"{run['peak_mb']:>9.0f}{share:>9.2f}"
        )
    if {"read", "pass", "trade"} <= best.keys():
        read, engine, all_ = (best[kind]["cpu_s"] for kind in ("read", "pass", "trade"))
        print(
            f"of a trading run: reading and grouping {read / all_:.0%}, engine and bus "
            f"{(engine - read) / all_:.0%}, strategy and decisions {(all_ - engine) / all_:.0%}"
        )


if __name__ == "__main__":
    main()
