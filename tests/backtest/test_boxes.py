"""What a box was and became: hand-made fills, hand-computed parts that add up exactly."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.results.boxes import make_boxes
from backtests.results.equity import Lots, make_equity, make_positions
from backtests.results.rows import BoxRow, FillRow, MarketRef, SettlementRow, Story
from backtests.results.worst import worst_value
from core.contracts import Direction, Outcome, Side, Venue
from core.decisions import Decision, DecisionLeg
from core.reasons import Reason

D = Decimal
K, P = "K-YES.KALSHI", "P-NO.POLYMARKET"


def refs(k: str | None = "1", p: str | None = "0") -> dict[str, MarketRef]:
    def ref(name: str, venue: str, outcome: str, leg: int, value: str | None) -> MarketRef:
        return MarketRef(
            instrument=name,
            venue=venue,
            outcome=outcome,
            pair_id="pair",
            currency="USD" if venue == "KALSHI" else "pUSD",
            leg=leg,
            is_pair_yes=outcome == "YES",
            value=None if value is None else D(value),
        )

    return {K: ref(K, "KALSHI", "YES", 0, k), P: ref(P, "POLYMARKET", "NO", 1, p)}


def fill(instrument: str, side: str, size: str, price: str, fee: str, role: str = "open", at=1):
    cost = D(price) * D(size)
    return FillRow(
        ts_ns=at,
        session="s",
        venue="KALSHI" if instrument == K else "POLYMARKET",
        instrument=instrument,
        outcome="YES" if instrument == K else "NO",
        side=side,
        price=D(price),
        quantity=D(size),
        fee=D(fee),
        currency="USD",
        liquidity="TAKER",
        cash=(-cost if side == "BUY" else cost) - D(fee),
        order_id=f"{instrument}-{at}",
        trade_id="t",
        story=Story("pair", "box", "dec", 1, role),
    )


def decision(size: str, cost_k: str, cost_p: str) -> Decision:
    def leg(venue: Venue, name: str, outcome: Outcome, cost: str) -> DecisionLeg:
        return DecisionLeg(
            venue=venue, instrument=name, outcome=outcome, side=Side.BUY, ladder=(), age_ns=0,
            cash=D(0), size=D(size), cost=D(cost),
        )  # fmt: skip

    return Decision(
        decision_id="dec", seq=1, ts_ns=1, strategy="S", pair_id="pair", kind="open",
        direction=Direction.YES_NO, outcome="taken", reason=Reason.TAKEN, gross_edge=D(0),
        fees=D(0), net_edge=D(0), required_edge=D(0), size=D(size), box_id="box",
        legs=(leg(Venue.KALSHI, K, Outcome.YES, cost_k),
              leg(Venue.POLYMARKET, P, Outcome.NO, cost_p)),
    )  # fmt: skip


def box(fills: list[FillRow], settled=(K, P), promise=None, **values) -> BoxRow:
    decisions = {"dec": promise} if promise else {}
    (row,) = make_boxes(fills, decisions, refs(**values), dict.fromkeys(settled, 99))
    return row


ENTRY = [fill(K, "BUY", "100", "0.46", "1.74"), fill(P, "BUY", "100", "0.52", "1.25", at=2)]


def parts(row: BoxRow) -> dict[str, str]:
    names = ("locked", "closed_pnl", "unwind_pnl", "unhedged_pnl", "settlement_pnl", "pnl")
    assert sum(getattr(row, name) for name in names[:-1]) == row.pnl
    assert row.detected + row.not_filled - row.slippage - row.fees == row.locked
    return {name: str(getattr(row, name).normalize()) for name in names if getattr(row, name)}


def test_a_box_held_to_an_agreeing_end_earns_what_it_locked() -> None:
    row = box(ENTRY, promise=decision("100", "45", "52"))
    assert parts(row) == {"locked": "-0.99", "pnl": "-0.99"}
    assert (row.contracts, row.cost, row.fees, row.status) == (100, 98, D("2.99"), "settled")
    assert (row.detected, row.slippage, row.not_filled) == (3, 1, 0)
    assert row.end_ns == 99


@pytest.mark.parametrize(
    ("k", "p", "settlement"), [("0.63", "0.5", "13"), ("0", "0", "-1E+2"), ("1", "1", "1E+2")]
)
def test_a_void_or_a_divergence_shows_as_settlement(k: str, p: str, settlement: str) -> None:
    assert parts(box(ENTRY, k=k, p=p))["settlement_pnl"] == settlement


@pytest.mark.parametrize(
    ("k", "p", "worst"),
    [(None, None, "-50"), ("1", None, "0"), ("0", None, "-1E+2"), (None, "0.5", "-5E+1")],
)
def test_an_unknown_settlement_counts_as_its_worst_state(k, p, worst: str) -> None:
    """Unknown on both: a void at fair value 0 pays 0.50. On one: its own worst state."""
    settled = [name for name, value in ((K, k), (P, p)) if value is not None]
    row = box(ENTRY, settled=settled, k=k, p=p)
    assert row.status == "open"
    assert row.end_ns is None
    assert row.settlement_pnl == D(worst)
    parts(row)


def test_a_missed_second_leg_is_an_unwind_and_no_box() -> None:
    fills = [ENTRY[0], fill(K, "SELL", "100", "0.44", "1.72", "unwind", at=3)]
    row = box(fills, promise=decision("100", "46", "52"))
    assert parts(row) == {"unwind_pnl": "-5.46", "pnl": "-5.46"}
    assert (row.contracts, row.unwound, row.status, row.end_ns) == (0, 100, "unwound", 3)
    assert (row.detected, row.not_filled) == (2, -2)


def test_a_partial_second_leg_leaves_a_smaller_box() -> None:
    """100 and 60: 40 sold back, the last bought; fee parts of one fill add up to its fee."""
    fills = [
        ENTRY[0],
        fill(P, "BUY", "60", "0.52", "0.75", at=2),
        fill(K, "SELL", "40", "0.44", "0.69", "unwind", at=3),
    ]
    row = box(fills, promise=decision("100", "46", "52"))
    assert (row.contracts, row.cost, row.fees) == (60, D("58.8"), D("1.044") + D("0.75"))
    assert parts(row) == {
        "locked": "-0.594",  # 60 - 58.8 - 1.794
        "unwind_pnl": "-2.186",  # 17.6 - .69 - 18.4 - .696
        "pnl": "-2.78",
    }


def test_contracts_nobody_wanted_back_are_unhedged() -> None:
    fills = [ENTRY[0], fill(P, "BUY", "60", "0.52", "0.75", at=2)]
    row = box(fills)
    assert (row.contracts, row.unhedged) == (60, 40)
    assert parts(row)["unhedged_pnl"] == "20.904"  # 40 paid 1 each, cost 18.4 and .696
    row = box(fills, settled=(), k=None, p=None)
    assert parts(row)["unhedged_pnl"] == "-19.096"  # worst: nothing


def test_an_early_close_is_measured_against_the_dollar() -> None:
    fills = [
        *ENTRY,
        fill(K, "SELL", "70", "0.55", "1.2", "close", at=5),
        fill(P, "SELL", "70", "0.47", "0.9", "close", at=5),
    ]
    row = box(fills)
    assert (row.closed, row.status) == (70, "settled")
    assert parts(row) == {"locked": "-0.99", "closed_pnl": "-0.7", "pnl": "-1.69"}


def test_a_close_whose_other_leg_missed_and_was_unwound_is_still_a_close() -> None:
    fills = [
        *ENTRY,
        fill(K, "SELL", "100", "0.55", "1.7", "close", at=5),
        fill(P, "SELL", "100", "0.45", "1.2", "unwind", at=9),
    ]
    row = box(fills)
    assert (row.contracts, row.closed, row.unwound, row.status) == (100, 100, 0, "closed")
    assert parts(row) == {"locked": "-0.99", "closed_pnl": "-2.9", "pnl": "-3.89"}


def test_a_decision_without_a_fill_is_a_missed_box() -> None:
    row = box([], promise=decision("100", "46", "52"))
    assert (row.status, row.detected, row.not_filled, row.pnl) == ("missed", 2, -2, 0)


def test_an_untagged_order_is_a_box_of_its_own() -> None:
    bare = fill(K, "BUY", "5", "0.5", "0.1")
    rows = make_boxes(
        [FillRow(**{f: getattr(bare, f) for f in FillRow.__struct_fields__} | {"story": Story()})],
        {},
        refs(),
        {K: 99},
    )
    assert [row.box_id for row in rows] == [f"order {K}-1"]
    assert rows[0].pnl == D("2.4")


sizes = st.decimals("0.01", "500", places=2)
prices = st.decimals("0.01", "0.99", places=4)
fees = st.decimals("-0.05", "5", places=4)
legs = st.lists(st.tuples(sizes, prices, fees), min_size=0, max_size=4)
values = st.sampled_from([None, "0", "1", "0.5", "0.3725"])


@given(legs, legs, st.integers(0, 100), st.integers(0, 100), prices, fees, values, values)
def test_parts_add_up_and_agree_with_cash_in_every_case(
    k_buys, p_buys, k_sold, p_sold, price, fee, k, p
) -> None:
    fills = [fill(K, "BUY", *map(str, row), at=1) for row in k_buys]
    fills += [fill(P, "BUY", *map(str, row), at=2) for row in p_buys]
    for name, share, rows in ((K, k_sold, k_buys), (P, p_sold, p_buys)):
        held = sum((size for size, _, _ in rows), D(0))
        size = (held * share / 100).quantize(D("0.01"), rounding="ROUND_FLOOR")
        if size:
            role = "unwind" if share % 2 else "close"
            fills.append(fill(name, "SELL", str(size), str(price), str(fee), role, at=3))
    if not fills:
        return
    row = box(fills, settled=[n for n, v in ((K, k), (P, p)) if v], k=k, p=p)
    parts(row)
    held = {n: sum((f.quantity * (1 if f.is_buy else -1) for f in fills if f.instrument == n), D(0))
            for n in (K, P)}  # fmt: skip
    worth = worst_value([(refs(k, p)[n], size) for n, size in held.items()])
    assert row.pnl == sum(f.cash for f in fills) + worth


@given(st.lists(st.tuples(sizes, st.decimals("0.01", "300", places=6)), min_size=1, max_size=5))
def test_lots_give_back_every_dollar(buys) -> None:
    lots = Lots()
    for size, cost in buys:
        lots.buy(size, cost)
    third = (lots.size / 3).quantize(D("0.01"), rounding="ROUND_FLOOR")
    if third:
        lots.sell(third)
    lots.sell(lots.size)
    assert (lots.size, lots.cost) == (0, 0)


def test_equity_and_positions_follow_the_cash() -> None:
    settled = [
        SettlementRow(
            ts_ns=9, session="s", venue="KALSHI", instrument=K, outcome="YES", pair_id="pair",
            price=D(1), quantity=D(100), cash=D(100), currency="USD",
        )
    ]  # fmt: skip
    start = {"KALSHI": D(1000), "POLYMARKET": D(500)}
    names = refs(k="1", p=None)
    equity = make_equity(
        start, {"KALSHI": "USD", "POLYMARKET": "pUSD"}, ENTRY, settled, names, (0, 5)
    )
    assert equity.cash == {"KALSHI": D("1052.26"), "POLYMARKET": D("446.75")}
    assert equity.open_cost == {"KALSHI": 0, "POLYMARKET": D("53.25")}
    assert equity.peak_used == D("100.99")
    assert equity.open_worst == 0  # the NO is worth nothing in a YES
    events = [(row.event, row.venue, row.cash, row.worst_total) for row in equity.rows]
    assert events[:2] == [("start", "KALSHI", 1000, 1500), ("start", "POLYMARKET", 500, 1500)]
    assert events[2][3] == D("1452.26")  # one leg alone can be worth nothing
    assert events[3][3] == 1500 - D("100.99") + 50  # the box: 0.50 in a void
    assert [row.ts_ns for row in equity.rows][-2:] == [9, 9]
    rows = make_positions(ENTRY, settled, names)
    assert [(r.instrument, r.open, r.realised) for r in rows] == [
        (K, 0, D("52.26")),
        (P, 100, None),
    ]
