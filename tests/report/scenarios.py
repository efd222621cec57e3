"""Runs that a report must be able to tell: every kind of box, none at all, thousands."""

from __future__ import annotations

import random
from pathlib import Path

from tests.report.synth import D, RunBuilder, pair

WC = "WC26-R16-MX-GB-20260705"
NBA = "NBA-20260222-inplay"


def every_kind(out: Path) -> Path:
    """One box of each fate over two sessions and three venues."""
    gb = pair("KXMENWORLDCUP-26-GB", "POLYMARKET", ("0", "0"), WC)
    mx = pair("KXMENWORLDCUP-26-MX", "POLYMARKET", ("0.8", "0.5"), WC)
    open_pair = pair("KXMENWORLDCUP-26-BR", "POLYMARKET", (None, None), WC)
    nba = pair("KXNBAGAME-26FEB22BOSLAL-BOS", "POLYMARKET_US", ("1", "1"), NBA)
    b = RunBuilder(
        [gb, mx, open_pair, nba],
        capital={"KALSHI": D(10000), "POLYMARKET": D(10000), "POLYMARKET_US": D(5000)},
    )
    rng = random.Random(7)
    for i in range(60):
        b.wait(3.7)
        p = (gb, mx, open_pair)[i % 3]
        up = D(rng.randrange(0, 40)) / 1000
        b.decide(p, rng.choice(["no_edge", "below_hurdle", "stale_leg", "crossed", "one_sided"]),
                 prices=(str(D("0.46") + up), "0.52"), detail="seen in a test")  # fmt: skip
    for i in range(48):  # edges that come and go, too small for the hurdle
        b.wait(3.7)
        if rng.random() < 0.75:
            b.decide((gb, mx)[i // 9 % 2], "below_hurdle", required="0.0316",
                     prices=("0.46", str(D("0.49") + D(rng.randrange(0, 18)) / 1000)))  # fmt: skip
    b.wait(30)
    _hedged(b, gb, "40")
    _hedged(b, mx, "25")
    _hedged(b, open_pair, "10")
    _unwound(b, gb)
    b.wait(3.7)
    missed = b.box(gb, b.decide(gb, size="12"))
    b.miss(missed)
    closing = _hedged(b, mx, "15")
    b.wait(60)
    b.close(closing, ("0.52", "0.53"))
    b.wait(3600)
    for i in range(20):
        b.wait(0.4)
        b.decide(nba, "no_edge", prices=("0.55", str(D("0.44") + D(i) / 1000)))
    _hedged(b, nba, "20", prices=("0.44", "0.50"))
    b.wait(86_400)
    b.settle()
    return b.write(out)


def _hedged(b: RunBuilder, p, n: str, prices=("0.46", "0.49")):
    b.wait(3.7)
    d = b.decide(p, size=n, prices=prices)
    box = b.box(p, d)
    half = str(D(n) / 2)
    b.trade(box, 1, "BUY", prices[1], half, order=f"P{b.seq}")
    b.trade(box, 1, "BUY", str(D(prices[1]) + D("0.001")), half, order=f"P{b.seq}")
    b.wait(0.2)
    b.trade(box, 0, "BUY", prices[0], half, order=f"K{b.seq}", role="complete")
    b.trade(box, 0, "BUY", prices[0], half, order=f"K{b.seq}", role="complete")
    b.hedge(box, n)
    return box


def _unwound(b: RunBuilder, p) -> None:
    b.wait(3.7)
    box = b.box(p, b.decide(p, size="30"))
    b.trade(box, 1, "BUY", "0.49", "20")
    b.trade(box, 0, "BUY", "0.46", "20", role="complete")
    bought = b.trade(box, 1, "BUY", "0.49", "10", purpose="unwind")
    b.hedge(box, "20")
    b.wait(0.5)
    sold = b.trade(box, 1, "SELL", "0.47", "10", role="unwind", purpose="unwind")
    b.unwind(box, bought, sold, "10")


def nothing_taken(out: Path) -> Path:
    """A crossed-book day: gate hits, all refused."""
    gb = pair("KXMENWORLDCUP-26-GB", "POLYMARKET", ("0", "0"), WC)
    b = RunBuilder([gb])
    for i in range(30):
        b.wait(3.7)
        b.decide(gb, "crossed" if i % 3 else "below_hurdle", prices=("0.46", f"0.5{i % 3}"),
                 detail="bid 0.47 over ask 0.46")  # fmt: skip
    return b.write(out)


def nothing_seen(out: Path) -> Path:
    """No gate hit at all."""
    gb = pair("KXMENWORLDCUP-26-GB", "POLYMARKET", (None, None), WC)
    b = RunBuilder([gb], synthetic=True, hazard=False)
    b.wait(600)
    b.settle()
    return b.write(out)


def one_box(out: Path) -> Path:
    gb = pair("KXMENWORLDCUP-26-GB", "POLYMARKET", ("0", "0"), WC)
    b = RunBuilder([gb], synthetic=True)
    _hedged(b, gb, "40")
    b.wait(86_400)
    b.settle()
    return b.write(out)


def many(out: Path, boxes: int = 1_500) -> Path:
    """Thousands of fills over two sessions."""
    gb = pair("KXMENWORLDCUP-26-GB", "POLYMARKET", ("0", "0"), WC)
    mx = pair("KXMENWORLDCUP-26-MX", "POLYMARKET", ("1", "1"), WC)
    b = RunBuilder([gb, mx], capital={"KALSHI": D(100000), "POLYMARKET": D(100000)})
    rng = random.Random(11)
    for _ in range(boxes):
        p = rng.choice((gb, mx))
        for _ in range(3):
            b.wait(rng.choice((0.5, 3.7, 3.7, 90)))
            b.decide(p, rng.choice(["no_edge", "below_hurdle", "stale_leg"]),
                     prices=(str(D(460 + rng.randrange(40)) / 1000), "0.50"))  # fmt: skip
        if rng.random() < 0.15:
            _unwound(b, p)
        else:
            _hedged(b, p, str(2 * rng.randrange(1, 30)))
    b.wait(86_400)
    b.settle()
    return b.write(out)
