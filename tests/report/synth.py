"""Make the output folder of a backtest by hand: small, exact, one box of every kind.

The builder keeps its own books in ``Decimal`` and writes what ``docs/results_schema.md`` says.
Prices and terms are those of a World Cup outright (Kalshi x Polymarket) and of an NBA game
(Kalshi x Polymarket US).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa

from core.contracts import Direction, Liquidity, Outcome, Side, Venue
from core.decisions import Decision, DecisionLeg, Level
from core.fees import NEW_ORDER, KalshiFees, PolymarketFees, PolymarketUSFees
from core.pairs import (
    Approval,
    MarketTerms,
    Pair,
    PairMarket,
    Settlement,
    uniform_ticks,
)
from core.reasons import Reason

D = Decimal
ZERO = D(0)
S = 1_000_000_000
START = 1_783_261_800 * S
MONEY = pa.decimal128(18, 6)
_DECIMALS = {
    "price", "quantity", "fee", "cash", "size", "price_a", "price_b", "limit_a", "limit_b",
    "cost_a", "cost_b", "fees_a", "fees_b", "gross_edge", "net_edge", "required_edge",
    "filled_quantity", "average_price", "contracts", "cost", "fees", "locked", "slippage",
    "unwound", "unwind_pnl", "closed", "closed_pnl", "unhedged", "unhedged_pnl",
    "settlement_pnl", "pnl", "bought", "sold", "settled", "open", "proceeds",
    "settlement_price", "settlement_cash", "realised", "holdings_cost", "worst_total",
}  # fmt: skip


def market(venue: str, name: str, *, settle: str | None, rate: str = "0.05") -> PairMarket:
    v = Venue(venue)
    fees = {
        Venue.KALSHI: KalshiFees("quadratic", regime="2026q2"),
        Venue.POLYMARKET: PolymarketFees(D(rate)),
        Venue.POLYMARKET_US: PolymarketUSFees(),
    }[v]
    return PairMarket(
        venue=v, market=name, yes=f"{name}-YES" if v is not Venue.POLYMARKET else name,
        no=f"{name}-NO", fees=fees,
        terms=MarketTerms(
            ticks=uniform_ticks("0.001"), lot=D("0.01"), size_min=D("0.01"),
            currency="pUSD" if v is Venue.POLYMARKET else "USD",
        ),
        settlement=Settlement(
            value=None if settle is None else D(settle),
            settled_at=None if settle is None else datetime(2026, 7, 20, tzinfo=UTC),
        ),
    )  # fmt: skip


def _second(venue: str, pair_id: str) -> str:
    if venue == "POLYMARKET":
        return str(int.from_bytes(pair_id.encode()[-4:]) * 10**66 + 7169)
    return f"aec-{pair_id[-7:].lower()}"


def pair(pair_id: str, second: str, settle: tuple[str | None, str | None], session: str) -> Pair:
    return Pair(
        pair_id=pair_id,
        markets=(
            market("KALSHI", pair_id, settle=settle[0]),
            market(second, _second(second, pair_id), settle=settle[1]),
        ),
        relation="equivalent", grade="A", family="test", session=session,
        approval=Approval(by="recording", at=datetime(1970, 1, 1, tzinfo=UTC), kind="recorded"),
    )  # fmt: skip


@dataclass
class Box:
    row: dict
    legs: tuple[str, str]
    pair: Pair
    hedged: Decimal = ZERO


@dataclass
class RunBuilder:
    """Take decisions, fills and settlements; ``write`` makes the folder."""

    pairs: list[Pair]
    synthetic: bool = False
    capital: dict[str, D] = field(
        default_factory=lambda: {"KALSHI": D(10000), "POLYMARKET": D(10000)}
    )
    hazard: bool = True
    checks_off: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ts = START
        self.seq = 0
        self.decisions: list[tuple[Decision, str]] = []
        self.rows: dict[str, list[dict]] = defaultdict(list)
        self.cash = dict(self.capital)
        self.fees_state: dict[str, object] = {}
        self.held: dict[str, D] = defaultdict(D)
        self.cost: dict[str, D] = defaultdict(D)
        self.pos: dict[str, dict] = {}
        self.boxes: list[Box] = []
        self.peak = D(0)
        self.open_worst = D(0)
        self.wf: dict[str, D] = defaultdict(D)
        for v in self.capital:
            self._equity(v, "start")

    # -- steps ---------------------------------------------------------------------------
    def wait(self, seconds: float) -> None:
        self.ts += int(seconds * S)

    def decide(
        self, p: Pair, reason: str = "taken", *, prices: tuple[str, str] = ("0.46", "0.49"),
        size: str = "0", direction: str = "yes_no", required: str = "0.0116", detail: str = "",
        fees: tuple[str, str] = ("0.017389", "0.0125"),
    ) -> Decision:  # fmt: skip
        self.seq += 1
        way = Direction(direction)
        a, b = (D(x) for x in prices)
        n = D(size)
        legs = tuple(
            DecisionLeg(
                venue=m.venue, instrument=m.instrument(way.outcome(i)), outcome=way.outcome(i),
                side=Side.BUY,
                ladder=(Level(px, D("120.000000")), Level(px + D("0.01"), D("200.000000"))),
                age_ns=(80 + 120 * i) * 1_000_000, cash=self.cash[m.venue.value],
                best_bid=px - D("0.01"), best_ask=px,
                limit_price=px if n else None, size=n, cost=n * px, fee=n * D(fees[i]),
            )
            for i, (m, px) in enumerate(zip(p.markets, (a, b), strict=True))
        )  # fmt: skip
        gross = 1 - a - b
        fee = sum((D(f) for f in fees), D(0))
        decision = Decision(
            decision_id=f"{p.pair_id}#{self.seq}", seq=self.seq, ts_ns=self.ts, strategy="ARB-001",
            pair_id=p.pair_id, kind="open", direction=way,
            outcome="taken" if reason == "taken" else "refused", reason=Reason(reason), legs=legs,
            gross_edge=gross, fees=fee, net_edge=gross - fee, required_edge=D(required), size=n,
            locked=n * (gross - fee), box_id=f"B{self.seq}" if reason == "taken" else None,
            first_leg=1, detail=detail,
        )  # fmt: skip
        self.decisions.append((decision, p.session or ""))
        return decision

    def box(self, p: Pair, d: Decision) -> Box:
        way = d.direction
        legs = (p.a.instrument(way.outcome(0)), p.b.instrument(way.outcome(1)))
        zero = {
            k: D(0)
            for k in ("contracts", "cost", "fees", "locked", "slippage", "unwound", "unwind_pnl",
                      "closed", "closed_pnl", "unhedged", "unhedged_pnl", "settlement_pnl", "pnl")
        }  # fmt: skip
        row = {
            "ts_ns": d.ts_ns, "session": p.session, "pair_id": p.pair_id, "box_id": d.box_id,
            "decision_id": d.decision_id, "direction": way.value, **zero,
            "status": "missed", "end_ns": None, "_d": d,
        }  # fmt: skip
        box = Box(row, legs, p)
        self.boxes.append(box)
        self.wf["detected_edge"] += d.size * d.gross_edge
        return box

    def trade(
        self, box: Box, side_index: int, side: str, price: str, quantity: str, *,
        role: str = "open", order: str | None = None, purpose: str = "box",
        liquidity: str = "TAKER",
    ) -> D:  # fmt: skip
        """Fill an order; return what it cost (BUY) or brought (SELL) with its fee."""
        m = box.pair.markets[side_index]
        instrument = box.legs[side_index]
        venue = m.venue.value
        order_id = order or f"O-{len(self.rows['fills']) + 1}"
        px, qty = D(price), D(quantity)
        schedule = m.fees.at(self.ts)
        state = self.fees_state.get(order_id, NEW_ORDER)
        charge, after = schedule.charge(
            state, price=px, size=qty, side=Side(side), liquidity=Liquidity(liquidity.lower())
        )
        self.fees_state[order_id] = after
        fee = charge.net
        cash = (-px * qty if side == "BUY" else px * qty) - fee
        self.cash[venue] += cash
        d = box.row["_d"]
        common = {
            "session": box.pair.session, "venue": venue, "instrument": instrument,
            "outcome": "YES" if instrument == m.yes_id else "NO", "side": side,
            "pair_id": box.pair.pair_id, "box_id": box.row["box_id"],
            "decision_id": d.decision_id, "leg": 1 if side_index == 1 else 2, "role": role,
        }  # fmt: skip
        self.rows["fills"].append({
            "ts_ns": self.ts, **common, "price": px, "quantity": qty, "fee": fee,
            "currency": m.terms.currency, "liquidity": liquidity, "cash": cash,
            "order_id": order_id, "trade_id": f"T-{len(self.rows['fills']) + 1}",
        })  # fmt: skip
        self._order(order_id, common, px, qty)
        self._position(box, m, instrument, side, px, qty, fee)
        box.row["_fees"] = box.row.get("_fees", D(0)) + fee
        if purpose == "box" and side == "BUY":
            seen = d.legs[side_index].best_ask
            box.row["cost"] += px * qty
            box.row["fees"] += fee
            box.row["slippage"] += (px - seen) * qty
        self._equity(venue, "fill")
        return cash

    def _order(self, order_id: str, common: dict, px: D, qty: D) -> None:
        for o in self.rows["orders"]:
            if o["order_id"] == order_id:
                o["filled_quantity"] += qty
                o["quantity"] = max(o["quantity"], o["filled_quantity"])
                o["last_ns"] = self.ts
                o["price"] = (max if common["side"] == "BUY" else min)(o["price"], px)
                return
        self.rows["orders"].append({
            "ts_ns": self.ts, **common, "price": px, "quantity": qty, "time_in_force": "IOC",
            "reduce_only": common["side"] == "SELL", "status": "FILLED", "filled_quantity": qty,
            "average_price": px, "order_id": order_id, "last_ns": self.ts, "reason": None,
        })  # fmt: skip

    def _position(
        self, box: Box, m: PairMarket, instrument: str, side: str, px: D, qty: D, fee: D
    ) -> None:
        p = self.pos.setdefault(instrument, {
            "venue": m.venue.value, "instrument": instrument,
            "outcome": "YES" if instrument == m.yes_id else "NO", "pair_id": box.pair.pair_id,
            "bought": D(0), "sold": D(0), "settled": D(0), "open": D(0), "cost": D(0),
            "proceeds": D(0), "fees": D(0), "settlement_price": None, "settlement_cash": D(0),
            "realised": None, "first_ns": self.ts, "last_ns": self.ts,
            "currency": m.terms.currency,
        })  # fmt: skip
        p["fees"] += fee
        p["last_ns"] = self.ts
        if side == "BUY":
            p["bought"] += qty
            p["cost"] += px * qty
            self.cost[instrument] += px * qty + fee
        else:
            p["sold"] += qty
            p["proceeds"] += px * qty
            held = p["open"]
            self.cost[instrument] -= (self.cost[instrument] * qty / held).quantize(D("0.000001"))
        p["open"] += qty if side == "BUY" else -qty
        self.peak = max(self.peak, sum(self.cost.values(), D(0)))

    def hedge(self, box: Box, contracts: str) -> None:
        n = D(contracts)
        d = box.row["_d"]
        box.hedged = n
        box.row["contracts"] = n
        box.row["locked"] = n - box.row["cost"] - box.row["fees"]
        box.row["status"] = "open"
        self.wf["not_filled"] -= (d.size - n) * d.gross_edge
        self.wf["slippage"] -= box.row["slippage"]
        self.wf["entry_fees"] -= box.row["fees"]

    def miss(self, box: Box) -> None:
        d = box.row["_d"]
        self.wf["not_filled"] -= d.size * d.gross_edge
        box.row["end_ns"] = self.ts

    def unwind(self, box: Box, bought_cash: D, sold_cash: D, contracts: str) -> None:
        box.row["unwound"] = D(contracts)
        box.row["unwind_pnl"] = bought_cash + sold_cash
        self.wf["unwind"] += box.row["unwind_pnl"]
        if box.row["status"] == "missed":
            box.row["status"] = "unwound"
            box.row["end_ns"] = self.ts

    def close(self, box: Box, prices: tuple[str, str]) -> None:
        n = box.hedged
        cash = sum(
            (self.trade(box, i, "SELL", prices[i], str(n), role="close") for i in (0, 1)), D(0)
        )
        box.row.update(closed=n, closed_pnl=cash - n, status="closed", end_ns=self.ts)
        self.wf["closed"] += cash - n
        box.hedged = D(0)

    def settle(self) -> None:
        """Settle what the pairs know; the rest stays open at its worst state (nothing)."""
        for p in self.pairs:
            for m in p.markets:
                for outcome in (Outcome.YES, Outcome.NO):
                    instrument = m.yes_id if outcome is Outcome.YES else m.no_id
                    pos = self.pos.get(instrument)
                    if pos is None or pos["open"] == 0 or m.settlement.value is None:
                        continue
                    value = m.settlement.value
                    price = value if outcome is Outcome.YES else 1 - value
                    n = pos["open"]
                    self.rows["settlements"].append({
                        "ts_ns": self.ts, "session": p.session, "venue": m.venue.value,
                        "instrument": instrument, "outcome": outcome.value, "pair_id": p.pair_id,
                        "price": price, "quantity": n, "cash": price * n,
                        "currency": m.terms.currency,
                    })  # fmt: skip
                    pos.update(settled=n, open=D(0), settlement_price=price,
                               settlement_cash=price * n, last_ns=self.ts)  # fmt: skip
                    self.cost[instrument] = D(0)
                    self.cash[m.venue.value] += price * n
                    self._equity(m.venue.value, "settlement")
        for box in self.boxes:
            self._end(box)

    def _end(self, box: Box) -> None:
        n = box.hedged
        if n:
            way = box.row["_d"].direction
            state = box.pair.settled_state
            if state is not None:
                value = state.yes_a + 1 - state.yes_b
                if way is Direction.NO_YES:
                    value = 2 - value
                box.row.update(status="settled", end_ns=self.ts, settlement_pnl=n * (value - 1))
            else:
                box.row["settlement_pnl"] = n / 2 - n  # a void pays a box one half at least
                self.open_worst += n / 2
            self.wf["settlement"] += box.row["settlement_pnl"]
        r = box.row
        r["pnl"] = (
            r["locked"]
            + r["closed_pnl"]
            + r["unwind_pnl"]
            + r["unhedged_pnl"]
            + r["settlement_pnl"]
        )

    def _equity(self, venue: str, event: str) -> None:
        held = sum((c for i, c in self.cost.items() if i.endswith(f".{venue}")), D(0))
        self.rows["equity"].append({
            "ts_ns": self.ts, "venue": venue, "event": event, "cash": self.cash[venue],
            "holdings_cost": held, "worst_total": sum(self.cash.values(), D(0)),
            "currency": "pUSD" if venue == "POLYMARKET" else "USD",
        })  # fmt: skip

    # -- the folder -----------------------------------------------------------------------
    def write(self, out: Path) -> Path:
        from tests.report.synth_write import write_run

        return write_run(self, out)
