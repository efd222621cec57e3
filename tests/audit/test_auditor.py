"""The auditor agrees with a right run, and with nothing else."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.contracts import Liquidity, Side
from core.fees import NEW_ORDER, KalshiFees, PolymarketFees, PolymarketUSFees
from tests.audit import fees
from tests.audit.auditor import audit
from tests.report import scenarios

HERE = Path(__file__).parent
CENT = Decimal("0.01")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return scenarios.every_kind(tmp_path / "run")


def edit(run: Path, table: str, row: int, **changes: object) -> None:
    path = run / f"{table}.parquet"
    read = pq.read_table(path)
    rows = read.to_pylist()
    rows[row] |= changes
    pq.write_table(pa.Table.from_pylist(rows, schema=read.schema), path)


def edit_json(run: Path, name: str, change) -> None:
    path = run / name
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    "make",
    [scenarios.every_kind, scenarios.one_box, scenarios.nothing_taken, scenarios.nothing_seen],
)
def test_a_right_run_agrees(tmp_path: Path, make) -> None:
    result = audit(make(tmp_path / "run"))
    assert result.findings == []


def test_thousands_of_fills_agree(tmp_path: Path) -> None:
    result = audit(scenarios.many(tmp_path / "run", boxes=300))
    assert result.clean
    assert result.fills > 1_000


@pytest.mark.parametrize("column", ["price", "fee", "quantity"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("fill", [0, 9, 25])
def test_one_fill_off_by_a_cent_fails(run: Path, column: str, sign: int, fill: int) -> None:
    rows = pq.read_table(run / "fills.parquet").to_pylist()
    edit(run, "fills", fill, **{column: rows[fill][column] + sign * CENT})
    result = audit(run)
    assert not result.clean
    assert any(f"fill {fill}" in finding for finding in result.findings)
    if column != "fee":  # a fee that is only misstated leaves the recomputed sums right
        assert any("capital.end" in f for f in result.findings)


def test_a_consistent_lie_about_a_fee_fails(run: Path) -> None:
    """Fee, cash, fees and capital all moved by the same cent: only the formula can tell."""
    rows = pq.read_table(run / "fills.parquet").to_pylist()
    row = rows[0]
    edit(run, "fills", 0, fee=row["fee"] + CENT, cash=row["cash"] - CENT)

    def shift(summary: dict) -> None:
        venue = row["venue"]
        summary["capital"]["end"][venue] = str(Decimal(summary["capital"]["end"][venue]) - CENT)
        summary["pnl"]["fees"][venue] = str(Decimal(summary["pnl"]["fees"][venue]) + CENT)
        for key in ("total", "locked"):
            summary["pnl"][key] = str(Decimal(summary["pnl"][key]) - CENT)
        summary["waterfall"][3]["amount"] = str(Decimal(summary["waterfall"][3]["amount"]) - CENT)

    edit_json(run, "summary.json", shift)
    assert any(f.startswith("fill 0") and "fee" in f for f in audit(run).findings)


@pytest.mark.parametrize(
    ("table", "row", "changes", "finding"),
    [
        ("settlements", 0, {"price": Decimal("0.99")}, "paid 0.990000 per contract"),
        ("settlements", 0, {"quantity": Decimal(1)}, "contracts, held were"),
        ("settlements", 0, {"cash": Decimal(1)}, "settlement 0: cash"),
        ("fills", 0, {"side": "SELL"}, "sold more"),
        ("fills", 0, {"liquidity": "MAKER"}, "fee"),
        ("fills", 0, {"instrument": "NONE.KALSHI"}, "in no pair"),
        ("fills", 0, {"venue": "POLYMARKET_US"}, "venue POLYMARKET_US"),
        ("fills", 1, {"trade_id": "T-1"}, "appears twice"),
        ("fills", 3, {"order_id": "ghost"}, "not in orders.parquet"),
        ("orders", 0, {"price": Decimal("0.10")}, "beyond limit"),
        ("orders", 0, {"filled_quantity": Decimal(1)}, "filled"),
        ("positions", 0, {"open": Decimal(3)}, "still held"),
    ],
)
def test_other_wrong_rows_fail(
    run: Path, table: str, row: int, changes: dict, finding: str
) -> None:
    edit(run, table, row, **changes)
    found = audit(run).findings
    assert any(finding in f for f in found), found


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("capital", "end", "KALSHI"), "9985.88"),
        (("capital", "open_worst"), "10"),
        (("pnl", "total"), "0.01387"),
        (("pnl", "locked"), "0"),
        (("pnl", "fees", "POLYMARKET"), "1.81"),
        (("reconciliation", "cash_difference"), "0.000001"),
    ],
)
def test_a_wrong_summary_fails(run: Path, path: tuple[str, ...], value: str) -> None:
    def change(summary: dict) -> None:
        for key in path[:-1]:
            summary = summary[key]
        summary[path[-1]] = value

    edit_json(run, "summary.json", change)
    assert any(path[0] in f or "pnl" in f for f in audit(run).findings)


def test_another_settlement_than_the_pairs_say_fails(run: Path) -> None:
    def change(pairs: dict) -> None:
        pairs["pairs"][1]["markets"][0]["settlement"]["value"] = "0.81"

    edit_json(run, "pairs.json", change)
    assert any("per contract" in f for f in audit(run).findings)


def test_command_line(run: Path) -> None:
    def call(*args: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-m", "tests.audit.auditor", *args],
            cwd=HERE.parent.parent, capture_output=True, text=True, check=False,
        )  # fmt: skip

    good = call(str(run))
    assert good.returncode == 0
    assert "26 fills and 6 settlements" in good.stdout
    assert "agrees to the last digit" in good.stdout
    edit(run, "fills", 0, fee=Decimal("0.01"))
    bad = call(str(run))
    assert bad.returncode == 1
    assert "WRONG fill 0" in bad.stdout
    assert "DOES NOT AGREE" in bad.stdout
    missing = call(str(run / "none"))
    assert missing.returncode == 2
    assert "cannot be audited" in missing.stderr
    assert "Traceback" not in missing.stderr
    assert call().returncode == 2


def test_the_auditor_shares_no_code_with_the_product() -> None:
    allowed = {"__future__", "collections", "dataclasses", "datetime", "fractions", "json", "math",
               "pathlib", "pyarrow", "sys", "tests"}  # fmt: skip
    for name in ("auditor.py", "fees.py"):
        for node in ast.walk(ast.parse((HERE / name).read_text())):
            modules = (
                [a.name for a in node.names] if isinstance(node, ast.Import)
                else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            )  # fmt: skip
            for module in modules:
                assert module.split(".")[0] in allowed, (name, module)
                assert not module.startswith("tests.") or module == "tests.audit.fees"


# -- the two fee implementations against the documents and each other ---------------------------


@pytest.mark.parametrize(
    ("terms", "price", "size", "taker", "expected"),
    [
        # Kalshi docs and fee schedule
        ({"type": "quadratic", "regime": "2026q2"}, "0.52", "1", True, "0.0175"),
        ({"type": "quadratic", "regime": "2026q2"}, "0.99", "1", True, "0.0007"),
        ({"type": "quadratic", "regime": "2026q2"}, "0.50", "100", True, "1.75"),
        ({"type": "quadratic", "multiplier": "0.5", "regime": "2026q2"}, "0.40", "10", True,
         "0.084"),
        ({"type": "quadratic_with_maker_fees", "regime": "2026q2"}, "0.40", "10", False, "0.042"),
        ({"type": "quadratic_with_combo_maker_fees", "regime": "2026q2"}, "0.40", "10", False,
         "0.084"),
        ({"type": "quadratic", "regime": "2026q2"}, "0.40", "10", False, "0"),
        ({"type": "quadratic", "regime": "2026q3"}, "0.055", "1", True, "0.0037"),
        ({"type": "quadratic", "regime": "2026q3", "member_precision": "0.01"}, "0.055", "1", True,
         "0.005"),
        ({"type": "quadratic", "regime": "legacy"}, "0.50", "100", True, "1.75"),
        ({"type": "quadratic", "regime": "legacy"}, "0.50", "1", True, "0.02"),
        ({"type": "quadratic", "regime": "legacy"}, "0.01", "100", True, "0.07"),
        ({"type": "quadratic", "multiplier": "0.5", "regime": "legacy"}, "0.50", "100", True,
         "0.88"),
    ],
)  # fmt: skip
def test_documented_kalshi_fees(
    terms: dict, price: str, size: str, taker: bool, expected: str
) -> None:
    order = fees.meter({"kind": "kalshi", **terms})
    fee = order.fee(0, Fraction(price), Fraction(size), True, taker)
    assert fee == Fraction(expected)


def test_documented_polymarket_fees() -> None:
    sports = fees.meter({"kind": "polymarket", "rate": "0.05"})
    assert sports.fee(0, Fraction("0.55"), Fraction(100), True, True) == Fraction("1.2375")
    assert sports.fee(0, Fraction("0.55"), Fraction(100), True, False) == 0
    crypto = fees.meter({"kind": "polymarket", "rate": "0.07"})
    assert crypto.fee(0, Fraction("0.30"), Fraction(250), False, True) == Fraction("3.675")
    us = fees.meter({"kind": "polymarket_us"})
    paid = [us.fee(0, Fraction("0.5"), Fraction(10), True, True) for _ in range(3)]
    assert paid == [Fraction("0.17"), Fraction("0.18"), Fraction("0.17")]


@pytest.mark.parametrize("terms", [{"kind": "kalshi", "type": "flat"}, {"kind": "other"}])
def test_unknown_terms_are_an_error(terms: dict) -> None:
    with pytest.raises(fees.AuditError):
        fees.meter(terms).fee(0, Fraction(1, 2), Fraction(1), True, True)


_KINDS = st.sampled_from(
    [
        (KalshiFees(kind, Decimal(times), Decimal(member), regime),
         {"kind": "kalshi", "type": kind, "multiplier": times, "member_precision": member,
          "regime": regime})
        for kind in fees.KALSHI_TYPES for times in ("1", "0.5") for member in ("0.0001", "0.01")
        for regime in ("legacy", "2026q2", "2026q3", None)
    ]
    + [
        (PolymarketFees(Decimal(rate), Decimal(exponent), form=form, rounding=rounding),
         {"kind": "polymarket", "rate": rate, "exponent": exponent, "form": form,
          "rounding": rounding})
        for rate in ("0", "0.05", "0.0175") for exponent in ("1", "2")
        for form in ("symmetric", "price_weighted") for rounding in ("up", "nearest")
    ]
    + [(PolymarketUSFees(), {"kind": "polymarket_us", "rate": "0.0695"})]
)  # fmt: skip
_FILL = st.tuples(
    st.integers(1, 9_999), st.integers(1, 500_000), st.booleans(),
)  # fmt: skip


@settings(max_examples=400, deadline=None)
@given(
    kinds=_KINDS,
    ts_day=st.integers(20_560, 20_660),
    buy=st.booleans(),
    fills=st.lists(_FILL, min_size=1, max_size=6),
)
def test_both_implementations_charge_the_same(
    kinds: tuple, ts_day: int, buy: bool, fills: list[tuple[int, int, bool]]
) -> None:
    """Two derivations from the documents, one in integers, one in fractions, over whole orders."""
    ours, terms = kinds
    schedule, state = ours.at(ts_day * 86_400 * 10**9), NEW_ORDER
    order = fees.meter(terms)
    for price_4, size_2, taker in fills:
        price, size = Decimal(price_4).scaleb(-4), Decimal(size_2).scaleb(-2)
        charge, state = schedule.charge(
            state, price=price, size=size, side=Side.BUY if buy else Side.SELL,
            liquidity=Liquidity.TAKER if taker else Liquidity.MAKER,
        )  # fmt: skip
        second = order.fee(ts_day * 86_400 * 10**9, Fraction(price), Fraction(size), buy, taker)
        assert Fraction(charge.net) == second
