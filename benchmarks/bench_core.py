"""Speed of the pure core and of the strategy's gate: repeated batches in one run.

``./run python -m benchmarks.bench_core`` prints a table. Times are CPU time per call; ``best`` is
what the code costs on a machine that does nothing else. The ratio column compares with the gate on
an unchanged top, measured in the same run on the same machine.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from nautilus_trader.model.data import BookOrder, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookAction, OrderSide
from nautilus_trader.model.objects import Price, Quantity

from core.contracts import Direction
from core.decisions import encode
from core.fees import NEW_ORDER, FeeSchedule, KalshiFees, PolymarketFees, PolymarketUSFees
from core.ladder import Book, CostCurve
from core.limits import Exposure
from core.opportunity import LegView, PairSetup, assess
from core.policy import Policy
from core.record import Stamp, opening
from core.sizing import Hurdle, SizeRules, best_box
from tests.strategies.support import World, make_pair

UNIT = 1_000_000
PLENTY = 10**13
D = Decimal


def measure(
    call: Callable[[], object], calls: int, batches: int = 41
) -> tuple[float, float, float]:
    """Return best, p50 and p99 in microseconds per call over batches of ``calls``."""
    call()
    times = []
    gc.disable()
    for _ in range(batches):
        start = time.thread_time_ns()
        for _ in range(calls):
            call()
        times.append((time.thread_time_ns() - start) / calls / 1000)
    gc.enable()
    times.sort()
    return times[0], times[len(times) // 2], times[-1]


def ladder(start: str, step: str, levels: int) -> tuple[tuple[int, int], ...]:
    return tuple(
        (int((D(start) + i * D(step)) * UNIT), (120 + 37 * i) * UNIT) for i in range(levels)
    )


def gates() -> list[tuple[str, Callable[[], object], int]]:
    """The strategy's handler on a cached Nautilus book: the top unchanged, and changed."""
    pair = make_pair()
    world = World(pair)
    world.book(0, pair.a, [("0.44", "100")], [("0.46", "100")])
    world.book(0.1, pair.b, [("0.45", "200")], [("0.47", "50")])
    world.run()
    market = world.strategy.pairs[0].a
    row = OrderBookDelta(
        market.instrument_id,
        BookAction.UPDATE,
        BookOrder(OrderSide.BUY, Price.from_str("0.4400"), Quantity.from_str("90.00"), 0),
        0, 1, 1, 1,
    )  # fmt: skip
    deltas = OrderBookDeltas(market.instrument_id, [row])
    handler = market.on_deltas
    handler(deltas)

    def changed() -> None:
        market.bid = -1.0
        handler(deltas)

    def empty(_deltas: object) -> None:
        return None

    return [
        ("gate, top unchanged", lambda: handler(deltas), 20_000),
        ("gate, top changed", changed, 20_000),
        ("an empty handler", lambda: empty(deltas), 20_000),
    ]


def pure() -> list[tuple[str, Callable[[], object], int]]:
    kalshi = KalshiFees("quadratic", regime="2026q3").at(0)
    broker = KalshiFees("quadratic", D(1), D("0.01"), "2026q2").at(0)
    poly = PolymarketFees(D("0.05")).at(0)
    us = PolymarketUSFees().at(0)
    asks_a, asks_b = ladder("0.46", "0.01", 10), ladder("0.49", "0.01", 10)
    policy = Policy()
    setup = PairSetup(make_pair(), policy)
    views = []
    for asks, schedule, mirrored in ((asks_a, kalshi, False), (asks_b, poly, True)):
        bids = tuple((p - 2 * (p - asks[0][0]) - 10_000, s) for p, s in asks)
        book = Book(bids, asks)
        book = book.mirrored() if mirrored else book
        views.append(LegView(book, book, 10**7, schedule, 10**12))
    legs = (views[0], views[1])
    now = 1_780_000_000_000_000_000

    def exact() -> object:
        return assess(setup, Direction.YES_NO, legs, now, policy, Exposure())

    taken = exact()
    stamp = Stamp(1, now, "S", "B")
    record = opening(setup, legs, taken, stamp)  # type: ignore[arg-type]
    lot = UNIT // 100

    def size(lot_u: int, fees: FeeSchedule) -> Callable[[], object]:
        rules = SizeRules(lot_u, 5 * UNIT, PLENTY, (PLENTY, PLENTY), PLENTY)
        hurdle = Hurdle(4_000_000, 800_000)
        return lambda: best_box(
            CostCurve(asks_a, fees, lot_u), CostCurve(asks_b, poly, lot_u), rules, hurdle
        )

    def fee(schedule: FeeSchedule) -> Callable[[], object]:
        return lambda: schedule.charge_u(NEW_ORDER, 470_000, 120 * UNIT, buy=True, taker=True)

    return [
        ("fee of a fill, Kalshi", fee(kalshi), 5_000),
        ("fee of a fill, Polymarket", fee(poly), 5_000),
        ("fee of a fill, Polymarket US", fee(us), 5_000),
        ("size, 10 levels, lot 1", size(UNIT, kalshi), 200),
        ("size, 10 levels, lot 0.01", size(lot, kalshi), 200),
        ("size, 10 levels, lot 0.01, cents", size(lot, broker), 50),
        ("exact decision", exact, 200),
        ("its record", lambda: opening(setup, legs, taken, stamp), 500),  # type: ignore[arg-type]
        ("its canonical bytes", lambda: encode(record), 2_000),
    ]


def main() -> None:
    rows = []
    for name, call, calls in (*gates(), *pure()):
        rows.append((name, *measure(call, calls)))
    gate = rows[0][1]
    print(f"{'':36}{'best µs':>10}{'p50 µs':>10}{'p99 µs':>10}{'× gate':>10}")
    for name, best, p50, p99 in rows:
        print(f"{name:36}{best:>10.2f}{p50:>10.2f}{p99:>10.2f}{best / gate:>10.1f}")


if __name__ == "__main__":
    main()
