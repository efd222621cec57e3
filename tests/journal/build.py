"""Rows for tests, with the values of a World Cup pair."""

from __future__ import annotations

from decimal import Decimal

from journal.records import (
    BookSeen,
    DecisionRow,
    Fill,
    Intent,
    IntentLeg,
    OrderRow,
    Run,
)

START = 1_783_261_800_000_000_000
K = "KXMENWORLDCUP-26-GB-YES.KALSHI"
P = "115556263888245616435851357148058235707004733438163639091106356867234218207169-NO.POLYMARKET"


def run(run_id: str = "run-1", scope: str = "sim", kind: str = "sim") -> Run:
    return Run(run_id, scope, kind, START, "c0ffee", "[strategy]\n", "0.1.0")


def intent(n: int = 1) -> Intent:
    legs = (
        IntentLeg(1, "POLYMARKET", P, "BUY", Decimal("0.49"), Decimal(7), "IOC", f"O-{n}-1"),
        IntentLeg(2, "KALSHI", K, "BUY", Decimal("0.46"), Decimal(7), "IOC", f"O-{n}-2", START + 5),
    )
    return Intent(
        f"I-{n}", START + n, "KXMENWORLDCUP-26-GB", f"B-{n}", "yes_no", "sequential",
        Decimal(7), legs, f"D-{n}",
    )  # fmt: skip


def decision(n: int = 1, outcome: str = "taken", reason: str = "taken") -> DecisionRow:
    books = (
        BookSeen("KALSHI", K, START, START + 1, ((Decimal("0.45"), Decimal(120)),),
                 ((Decimal("0.46"), Decimal(120)), (Decimal("0.47"), Decimal("200.5")))),
        BookSeen("POLYMARKET", P, START, START + 2, (), ((Decimal("0.49"), Decimal(150)),)),
    )  # fmt: skip
    return DecisionRow(
        f"D-{n}", START + n, "KXMENWORLDCUP-26-GB", "yes_no", outcome, reason, f'{{"n":{n}}}',
        Decimal("0.05"), Decimal("0.0201167"), Decimal("0.0116"), Decimal(7), "open", books,
    )  # fmt: skip


def order(n: int = 1, leg: int = 1) -> OrderRow:
    venue, instrument = ("POLYMARKET", P) if leg == 1 else ("KALSHI", K)
    return OrderRow(
        f"O-{n}-{leg}", START + n, venue, instrument, "BUY", "IOC",
        Decimal("0.49") if leg == 1 else Decimal("0.46"), Decimal(7),
        pair_id="KXMENWORLDCUP-26-GB", box_id=f"B-{n}", leg=leg, role="open",
        intent_id=f"I-{n}", decision_id=f"D-{n}",
    )  # fmt: skip


def fill(n: int = 1, status: str = "provisional", **changes: object) -> Fill:
    values: dict[str, object] = {
        "ts_ns": START + n, "venue": "POLYMARKET", "instrument": P, "trade_id": f"T-{n}",
        "client_order_id": f"O-{n}-1", "side": "BUY", "price": Decimal("0.49"),
        "quantity": Decimal(7), "liquidity": "TAKER", "currency": "pUSD", "status": status,
    } | changes  # fmt: skip
    return Fill(**values)
