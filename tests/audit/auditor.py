"""An auditor that trusts nothing: ``./run python -m tests.audit.auditor RUN_DIR``.

It reads ``fills.parquet``, ``settlements.parquet`` and ``pairs.json`` of a run, recomputes every
fee, every cash flow, every settlement and the worst state of what is still held, and compares the
sums with ``summary.json``. It imports no package of the product; its fee formulas are its own
(``tests.audit.fees``); all arithmetic is in exact fractions.
"""

from __future__ import annotations

import json
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from fractions import Fraction as F
from pathlib import Path

import pyarrow.parquet as pq

from tests.audit.fees import AuditError, meter

FINDINGS_MAX = 50
#: Ways an event can end when it is not known: (first venue's YES, second venue's YES). In a void
#: the first venue pays a fair value that may be anything from 0 to 1, the second pays one half.
STATES = ((F(1), F(1)), (F(0), F(0)), (F(0), F(1, 2)), (F(1), F(1, 2)))


@dataclass
class Market:
    """One venue's market of one pair, as ``pairs.json`` states it."""

    pair_id: str
    venue: str
    place: int
    inverse: bool
    fees: dict
    currency: str
    value: F | None
    settled: bool


@dataclass
class Audit:
    """What was recomputed and what did not agree."""

    findings: list[str] = field(default_factory=list)
    more: int = 0
    fills: int = 0
    settlements: int = 0
    fees: dict[str, F] = field(default_factory=lambda: defaultdict(F))
    cash: dict[str, F] = field(default_factory=lambda: defaultdict(F))
    held: dict[str, F] = field(default_factory=lambda: defaultdict(F))

    @property
    def clean(self) -> bool:
        return not self.findings

    def say(self, finding: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(finding)
        else:
            self.more += 1

    def equal(self, what: str, stated: object, recomputed: F) -> None:
        if F(str(stated)) != recomputed:
            self.say(f"{what}: stated {stated}, recomputed {text(recomputed)}")


def text(value: F) -> str:
    """Write a fraction as a decimal where it is one."""
    scaled = value * 10**12
    if scaled.denominator != 1:
        return str(value)
    sign, digits = ("-" if scaled < 0 else ""), str(abs(int(scaled))).rjust(13, "0")
    return f"{sign}{digits[:-12]}.{digits[-12:]}".rstrip("0").rstrip(".")


def read_markets(path: Path) -> dict[str, tuple[Market, str]]:
    """Map instrument ids to their market and outcome."""
    found: dict[str, tuple[Market, str]] = {}
    for pair in json.loads(path.read_text())["pairs"]:
        for place, m in enumerate(pair["markets"]):
            _add_market(found, pair["pair_id"], place, m, m, turned=False)
            for route in m.get("routes") or []:
                # a second way to the same bet: its own YES may be the market's NO
                _add_market(found, pair["pair_id"], place, m, route, turned=route["inverse"])
    return found


def _add_market(
    found: dict, pair_id: str, place: int, m: dict, names: dict, *, turned: bool
) -> None:
    settlement = m.get("settlement") or {}
    value = None if settlement.get("value") is None else F(str(settlement["value"]))
    if turned and value is not None:
        value = 1 - value
    market = Market(
        pair_id, m["venue"], place, bool(m.get("inverse")) != turned, m["fees"],
        m["terms"]["currency"], value,
        value is not None and settlement.get("settled_at") is not None,
    )  # fmt: skip
    for outcome in ("YES", "NO"):
        found[f"{names[outcome.lower()]}.{m['venue']}"] = market, outcome


def audit(run: Path) -> Audit:
    """Recompute a run."""
    result = Audit()
    summary = json.loads((run / "summary.json").read_text())
    markets = read_markets(run / "pairs.json")
    fills = pq.read_table(run / "fills.parquet").to_pylist()
    settlements = pq.read_table(run / "settlements.parquet").to_pylist()
    for venue, start in summary["capital"]["start"].items():
        result.cash[venue] = F(str(start))
        result.fees[venue] = F(0)
    _flows(result, markets, fills, settlements)
    _orders(result, run, fills)
    _holdings(result, run, markets)
    _totals(result, summary, markets)
    return result


def _flows(result: Audit, markets: dict, fills: list[dict], settlements: list[dict]) -> None:
    """Walk fills and settlements in the order of time."""
    meters: dict[str, object] = {}
    paid_out: set[str] = set()
    events = [(row["ts_ns"], 0, i, row) for i, row in enumerate(fills)]
    events += [(row["ts_ns"], 1, i, row) for i, row in enumerate(settlements)]
    if [r["ts_ns"] for r in fills] != sorted(r["ts_ns"] for r in fills):
        result.say("fills are not in the order of time")
    seen: set[tuple[str, str]] = set()
    for _, kind, i, row in sorted(events, key=lambda e: e[:3]):
        where = f"{'settlement' if kind else 'fill'} {i}"
        if row["instrument"] not in markets:
            result.say(f"{where}: {row['instrument']} is in no pair of pairs.json")
            continue
        market, outcome = markets[row["instrument"]]
        for name, stated, known in (
            ("venue", row["venue"], market.venue),
            ("outcome", row["outcome"], outcome),
            ("currency", row["currency"], market.currency),
        ):
            if stated != known:
                result.say(f"{where}: {name} {stated}, pairs.json says {known}")
        if kind:
            _settlement(result, where, row, market, outcome)
            paid_out.add(row["instrument"])
        else:
            if row["instrument"] in paid_out:
                result.say(f"{where}: traded after {row['instrument']} was settled")
            if (row["venue"], row["trade_id"]) in seen:
                result.say(f"{where}: trade {row['trade_id']} appears twice")
            seen.add((row["venue"], row["trade_id"]))
            _fill(result, where, row, market, meters)


def _fill(result: Audit, where: str, row: dict, market: Market, meters: dict) -> None:
    result.fills += 1
    price, size, stated = (F(row[k]) for k in ("price", "quantity", "fee"))
    if not 0 < price < 1:
        result.say(f"{where}: price {row['price']} is not between 0 and 1")
    if size <= 0:
        result.say(f"{where}: quantity {row['quantity']} is not positive")
    if row["side"] not in {"BUY", "SELL"} or row["liquidity"] not in {"TAKER", "MAKER"}:
        result.say(f"{where}: side {row['side']}, liquidity {row['liquidity']}")
        return
    buy, taker = row["side"] == "BUY", row["liquidity"] == "TAKER"
    key = f"{row['venue']} {row['order_id']}"
    try:
        order = meters.setdefault(key, meter(market.fees))
        fee = order.fee(row["ts_ns"], price, size, buy, taker)
    except AuditError as error:
        result.say(f"{where}: {error}")
        return
    if fee != stated:
        result.say(f"{where} (order {row['order_id']}): fee {row['fee']}, recomputed {text(fee)}")
    cash = (-price * size if buy else price * size) - fee
    if cash != F(row["cash"]):
        result.say(f"{where}: cash {row['cash']}, recomputed {text(cash)}")
    result.fees[row["venue"]] += fee
    result.cash[row["venue"]] += cash
    result.held[row["instrument"]] += size if buy else -size
    if result.held[row["instrument"]] < 0:
        result.say(f"{where}: sold more of {row['instrument']} than was held")


def _settlement(result: Audit, where: str, row: dict, market: Market, outcome: str) -> None:
    result.settlements += 1
    if market.value is None:
        result.say(f"{where}: {row['instrument']} was paid out, but its settlement is not known")
        return
    pays = market.value if outcome == "YES" else 1 - market.value
    held = result.held[row["instrument"]]
    if F(row["price"]) != pays:
        result.say(f"{where}: paid {row['price']} per contract, pairs.json says {text(pays)}")
    if F(row["quantity"]) != held:
        result.say(f"{where}: {row['quantity']} contracts, held were {text(held)}")
    if F(row["cash"]) != pays * held:
        result.say(f"{where}: cash {row['cash']}, recomputed {text(pays * held)}")
    result.cash[row["venue"]] += pays * held
    result.held[row["instrument"]] = F(0)


def _orders(result: Audit, run: Path, fills: list[dict]) -> None:
    """No order is filled beyond its size or its limit."""
    orders = {
        (o["venue"], o["order_id"]): o for o in pq.read_table(run / "orders.parquet").to_pylist()
    }
    filled: dict[tuple[str, str], F] = defaultdict(F)
    for i, row in enumerate(fills):
        key = row["venue"], row["order_id"]
        order = orders.get(key)
        if order is None:
            result.say(f"fill {i}: order {row['order_id']} is not in orders.parquet")
            continue
        filled[key] += F(row["quantity"])
        limit, price = F(order["price"]), F(row["price"])
        if price > limit if row["side"] == "BUY" else price < limit:
            result.say(f"fill {i}: {row['side']} at {row['price']} beyond limit {order['price']}")
        if (row["side"], row["instrument"]) != (order["side"], order["instrument"]):
            result.say(f"fill {i}: not the side or instrument of order {row['order_id']}")
    for key, order in orders.items():
        result.equal(f"order {key[1]} filled", order["filled_quantity"], filled[key])
        if filled[key] > F(order["quantity"]):
            result.say(f"order {key[1]}: filled beyond its size")


def _holdings(result: Audit, run: Path, markets: dict) -> None:
    """What is held at the end equals ``positions.parquet``; what is known is paid out."""
    rows = {r["instrument"]: r for r in pq.read_table(run / "positions.parquet").to_pylist()}
    for name in sorted(set(rows) | {n for n, size in result.held.items() if size}):
        stated = rows[name]["open"] if name in rows else 0
        result.equal(f"{name} still held", stated, result.held[name])
        if result.held[name] and markets[name][0].settled:
            result.say(f"{name}: its settlement is known, and it was not paid out")


def _worst(result: Audit, markets: dict) -> F:
    """The least that everything held can pay, pair by pair."""
    pairs: dict[str, list[tuple[Market, str, F]]] = defaultdict(list)
    for name, size in result.held.items():
        if size:
            market, outcome = markets[name]
            pairs[market.pair_id].append((market, outcome, size))
    total = F(0)
    for holdings in pairs.values():
        total += min(sum((_pays(h, state) for h in holdings), F(0)) for state in STATES)
    return total


def _pays(holding: tuple[Market, str, F], state: tuple[F, F]) -> F:
    market, outcome, size = holding
    own_yes = market.value
    if own_yes is None:
        pair_yes = state[market.place]
        own_yes = 1 - pair_yes if market.inverse else pair_yes
    return size * (own_yes if outcome == "YES" else 1 - own_yes)


def _totals(result: Audit, summary: dict, markets: dict) -> None:
    for venue, stated in summary["capital"]["end"].items():
        result.equal(f"capital.end {venue}", stated, result.cash[venue])
    for venue in result.cash:
        if venue not in summary["capital"]["end"]:
            result.say(f"capital.end: {venue} is missing")
    fees = summary["pnl"]["fees"]
    for venue in sorted(set(fees) | set(result.fees)):
        result.equal(f"pnl.fees {venue}", fees.get(venue, "0"), result.fees[venue])
    worst = _worst(result, markets)
    result.equal("capital.open_worst", summary["capital"]["open_worst"], worst)
    start = sum((F(str(v)) for v in summary["capital"]["start"].values()), F(0))
    total = sum(result.cash.values(), F(0)) - start + worst
    result.equal("pnl.total", summary["pnl"]["total"], total)
    parts = ("locked", "closed", "unwind", "unhedged", "settlement")
    result.equal("sum of pnl parts", sum(F(str(summary["pnl"][p])) for p in parts), total)
    steps = sum((F(str(s["amount"])) for s in summary["waterfall"]), F(0))
    result.equal("sum of the waterfall", steps, total)
    difference = summary["reconciliation"]["cash_difference"]
    result.equal("reconciliation.cash_difference", difference, F(0))


def main(argv: list[str]) -> int:
    """Print what was recomputed; return 0 when all of it agrees."""
    if len(argv) != 1:
        print("usage: python -m tests.audit.auditor RUN_DIR", file=sys.stderr)
        return 2
    run = Path(argv[0])
    try:
        result = audit(run)
    except (OSError, KeyError, ValueError) as error:
        print(f"{run}: cannot be audited: {type(error).__name__}: {error}", file=sys.stderr)
        return 2
    print(f"{result.fills} fills and {result.settlements} settlements recomputed")
    for venue in sorted(result.cash):
        print(f"  {venue}: cash {text(result.cash[venue])}, fees {text(result.fees[venue])}")
    for finding in result.findings:
        print(f"  WRONG {finding}")
    if result.more:
        print(f"  and {result.more} more")
    print("agrees to the last digit" if result.clean else "DOES NOT AGREE")
    return 0 if result.clean else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
