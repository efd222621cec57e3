"""Fees: worked examples of the venues, bounds, rounding, refusals."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.contracts import Liquidity, Side
from core.fees import (
    NEW_ORDER,
    FeeState,
    KalshiFeeChange,
    KalshiFees,
    PolymarketFees,
    PolymarketUSFees,
    UnknownFeesError,
    gross_for,
    historical_fees,
    regime_at,
)
from core.fees.kalshi import datetime_ns
from core.money import to_units
from tests.core.strategies import kalshi, prices, schedules, sizes

D = Decimal


def charge(schedule, price, size, *, side=Side.BUY, liquidity=Liquidity.TAKER, state=NEW_ORDER):
    return schedule.charge(state, price=D(price), size=D(size), side=side, liquidity=liquidity)


@pytest.mark.parametrize(
    ("kind", "price", "size", "multiplier", "liquidity", "trade", "net"),
    [
        ("quadratic", "0.52", "1", "1", Liquidity.TAKER, "0.0175", "0.0175"),
        ("quadratic", "0.99", "1", "1", Liquidity.TAKER, "0.0007", "0.0007"),
        ("quadratic", "0.50", "100", "1", Liquidity.TAKER, "1.75", "1.75"),
        ("quadratic", "0.085", "250", "1", Liquidity.TAKER, "1.3611", "1.3611"),
        ("quadratic", "0.03", "7.77", "1", Liquidity.TAKER, "0.0159", "0.0159"),
        ("quadratic", "0.40", "10", "0.5", Liquidity.TAKER, "0.084", "0.084"),
        ("quadratic_with_maker_fees", "0.40", "10", "1", Liquidity.MAKER, "0.042", "0.042"),
        ("quadratic_with_combo_maker_fees", "0.40", "10", "1", Liquidity.MAKER, "0.084", "0.084"),
        ("quadratic", "0.40", "10", "1", Liquidity.MAKER, "0", "0"),
        ("quadratic", "0.3301", "0.03", "1", Liquidity.TAKER, "0.0005", "0.000597"),
    ],
)
def test_kalshi_table_of_the_second_quarter(kind, price, size, multiplier, liquidity, trade, net):
    """KALSHI 11, direct member, 2026q2."""
    schedule = KalshiFees(kind, D(multiplier), regime="2026q2").at(0)
    fee, _ = charge(schedule, price, size, liquidity=liquidity)
    assert (fee.trade, fee.net) == (D(trade), D(net))


@pytest.mark.parametrize(
    ("member", "rounding", "net"), [("0.01", "0.001361", "0.005"), ("0.0001", "0.000061", "0.0037")]
)
def test_kalshi_third_quarter_example(member, rounding, net):
    """METHODS 3.1: one contract at 0.055."""
    schedule = KalshiFees("quadratic", D(1), D(member), "2026q3").at(0)
    fee, _ = charge(schedule, "0.055", "1")
    assert (fee.trade, fee.rounding, fee.net) == (D("0.003639"), D(rounding), D(net))


@pytest.mark.parametrize(
    ("price", "size", "multiplier", "net"),
    [("0.50", "100", "1", "1.75"), ("0.50", "1", "1", "0.02"), ("0.01", "100", "1", "0.07"),
     ("0.50", "100", "0.5", "0.88")],
)  # fmt: skip
def test_kalshi_legacy_examples(price, size, multiplier, net):
    fee, _ = charge(KalshiFees("quadratic", D(multiplier), regime="legacy").at(0), price, size)
    assert fee.net == D(net)


def test_legacy_rounds_the_order_and_not_each_fill():
    schedule, state, total = KalshiFees("quadratic", regime="legacy").at(0), NEW_ORDER, D(0)
    for _ in range(10):
        fee, state = charge(schedule, "0.50", "1", state=state)
        total += fee.net
    assert total == D("0.18")  # ten single ceilings would be 0.20


def test_a_captured_balance_of_a_direct_member():
    """KALSHI 11: 98.0186 = 100 - 2 * (0.99 + 0.0007)."""
    fee, _ = charge(KalshiFees("quadratic", regime="2026q2").at(0), "0.99", "1")
    assert 100 - 2 * (D("0.99") + fee.net) == D("98.0186")


def test_a_broker_gets_a_cent_back_when_roundings_exceed_one():
    """Docs, fee rounding: a whole cent comes back once the accumulator exceeds one cent.

    One contract at 0.055: trade fee 0.0037, change 0.0587 floored to 0.06, rounding 0.0013.
    Eight of them leave 0.0104; a fill of one contract is too small to give a cent back, the next
    larger one does.
    """
    schedule = KalshiFees("quadratic", D(1), D("0.01"), "2026q2").at(0)
    state = NEW_ORDER
    for _ in range(8):
        fee, state = charge(schedule, "0.055", "1", state=state)
        assert (fee.trade, fee.rounding, fee.rebate) == (D("0.0037"), D("0.0013"), 0)
    fee, state = charge(schedule, "0.055", "30", state=state)
    assert (fee.trade, fee.rounding, fee.rebate) == (D("0.1092"), D("0.0008"), D("0.01"))
    assert fee.net == D("0.10")
    assert state.first == 1_200  # 0.0104 + 0.0008 - 0.01


def test_a_cent_that_is_not_exceeded_stays():
    """Exactly one cent accumulated is not more than one cent."""
    schedule = KalshiFees("quadratic", D(0), D("0.01"), "2026q2").at(0)
    _, state = charge(schedule, "0.5050", "2", state=FeeState(10_000))
    assert state.first == 10_000
    fee, state = charge(schedule, "0.5050", "3", state=FeeState(10_000))
    assert (fee.rounding, fee.rebate, state.first) == (D("0.005"), 0, 15_000)


@given(kalshi, st.lists(st.tuples(prices, sizes, st.booleans()), min_size=1, max_size=8))
def test_kalshi_never_undercharges_and_stays_near_the_formula(schedule, fills):
    """Formula <= trade; order total: trade <= net < trade + n * precision (2026 regimes)."""
    state, model, trade, net = NEW_ORDER, Fraction(0), 0, 0
    rate = Fraction(schedule.rate_n(taker=True), 10**9)
    for price, size, buy in fills:
        t, rounding, rebate, state = schedule.charge_u(state, price, size, buy=buy, taker=True)
        p = Fraction(price, 10**6)
        model += rate * Fraction(size, 10**6) * p * (1 - p) * 10**6
        trade += t
        net += t + rounding - rebate
        assert t + rounding - rebate >= 0
        assert rounding >= 0
    assert model <= trade <= net
    if schedule.regime != "legacy":
        assert net - trade < len(fills) * 10_000
        assert trade < model + len(fills) * 100
    else:
        assert net < model + 10_000


@given(kalshi, prices, sizes, st.booleans())
def test_a_members_balance_stays_on_its_grid(schedule, price, size, buy):
    trade, rounding, rebate, _ = schedule.charge_u(NEW_ORDER, price, size, buy=buy, taker=True)
    if schedule.regime == "legacy":
        return
    value = price * size // 10**6
    change = (-value if buy else value) - (trade + rounding - rebate)
    assert change % 100 == 0


@given(schedules, prices, sizes)
def test_floor_and_ceiling_bracket_every_fee(schedule, price, size):
    trade, rounding, rebate, _ = schedule.charge_u(NEW_ORDER, price, size, buy=True, taker=True)
    net = trade + rounding - rebate
    assert schedule.floor_per_contract_u(price, size) * size <= net * 10**6
    assert net <= schedule.upper_u(price, size)


@given(schedules, prices, sizes)
def test_no_schedule_rounds_in_our_favour_beyond_its_slack(schedule, price, size):
    trade, rounding, rebate, _ = schedule.charge_u(NEW_ORDER, price, size, buy=True, taker=True)
    model = Fraction(schedule.model_num(price, size), 10**21)
    assert trade + rounding - rebate >= model - schedule.slack_u()


@given(schedules, sizes)
def test_a_settlement_costs_nothing(schedule, size):
    for price in (0, 1_000_000):
        assert schedule.charge_u(NEW_ORDER, price, size, buy=False, taker=True)[:3] == (0, 0, 0)


@pytest.mark.parametrize(
    ("rate", "price", "size", "fee"),
    [("0.05", "0.55", "100", "1.2375"), ("0.07", "0.30", "250", "3.675"),
     ("0.04", "0.08", "125", "0.368"), ("0.05", "0.40", "100", "1.2"), ("0", "0.5", "100", "0"),
     ("0.05", "0.0001", "0.01", "0.00001")],
)  # fmt: skip
def test_polymarket_worked_examples(rate, price, size, fee):
    """POLYMARKET 10 and METHODS 3.1; the smallest charge is 0.00001."""
    assert charge(PolymarketFees(D(rate)).at(0), price, size)[0].net == D(fee)


def test_polymarket_makers_pay_nothing():
    fee, _ = charge(PolymarketFees(D("0.07")).at(0), "0.5", "100", liquidity=Liquidity.MAKER)
    assert fee.net == 0


def test_polymarket_shares_mode_withholds_shares():
    """METHODS 3.1: 100 at 0.40 costs 40.00 and leaves 97; hedging 98 needs 102 gross."""
    fee, _ = charge(PolymarketFees(D("0.05"), asset="shares").at(0), "0.40", "100")
    assert (fee.net, fee.shares) == (0, 3)
    sale, _ = charge(PolymarketFees(D("0.05"), asset="shares").at(0), "0.40", "100", side=Side.SELL)
    assert (sale.net, sale.shares) == (D("1.2"), 0)
    assert gross_for(D(98), D("0.40"), D("0.05"), D(1)) == 102


def test_polymarket_old_form_and_exponent_two():
    """Crypto before 2026-03-30: C * p * 0.25 * (p(1-p))^2."""
    terms = historical_fees("crypto", date(2026, 2, 1))
    fee, _ = charge(terms.at(0), "0.50", "100")
    assert fee.net == D("0.78125")


@pytest.mark.parametrize(
    ("category", "day", "rate"),
    [("sports", date(2026, 2, 17), "0"), ("sports", date(2026, 2, 18), "0.0175"),
     ("sports", date(2026, 3, 30), "0.03"), ("sports", date(2026, 7, 10), "0.05"),
     ("crypto", date(2026, 1, 4), "0"), ("crypto", date(2026, 3, 30), "0.072"),
     ("geopolitics", date(2026, 10, 1), "0"), ("politics", date(2026, 10, 1), "0.04")],
)  # fmt: skip
def test_polymarket_history_by_deployment_day(category, day, rate):
    assert historical_fees(category, day).rate == D(rate)


def test_polymarket_us_rounds_to_even_over_the_order():
    """METHODS 3.1: three fills of ten at 0.50 cost 0.17, 0.18, 0.17."""
    schedule, state, paid = PolymarketUSFees().at(0), NEW_ORDER, []
    for _ in range(3):
        fee, state = charge(schedule, "0.50", "10", state=state)
        paid.append(fee.net)
    assert paid == [D("0.17"), D("0.18"), D("0.17")]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: KalshiFees("flat").at(0), "found 'flat', allowed quadratic"),
        (lambda: KalshiFees("margin_market_maker_program_fees").at(0), "fee type"),
        (lambda: KalshiFees("quadratic", member_precision=D("0.001")).at(0), "member_precision"),
        (lambda: KalshiFees("quadratic", D("-1")).at(0), "multiplier"),
        (lambda: KalshiFees("quadratic", regime="2027q1").at(0), "regime"),
        (lambda: PolymarketFees(D("0.05"), D("1.5")).at(0), "exponent"),
        (lambda: PolymarketFees(D("1.5")).at(0), "rate"),
        (lambda: PolymarketFees(D("0.05"), form="odd").at(0), "form"),
        (lambda: historical_fees("opera", date(2026, 1, 1)), "category"),
    ],
)
def test_unknown_fees_refuse_to_trade(make, message):
    with pytest.raises(UnknownFeesError, match=message):
        make()


def test_regimes_by_trade_date_and_by_setting():
    def ns(*day):
        return datetime_ns(datetime(*day, tzinfo=UTC))

    assert regime_at(ns(2026, 5, 27, 23, 59)) == "legacy"
    assert regime_at(ns(2026, 5, 28)) == "2026q2"
    assert regime_at(ns(2026, 7, 6, 23)) == "2026q2"
    assert regime_at(ns(2026, 7, 7)) == "2026q3"
    assert regime_at(ns(2026, 7, 7), "legacy") == "legacy"


def test_changes_overrides_and_waivers_follow_time():
    def day(n):
        return datetime(2026, 8, n, tzinfo=UTC)

    terms = KalshiFees(
        "quadratic",
        changes=(KalshiFeeChange(day(10), "quadratic_with_maker_fees", D("0.5")),),
        event_changes=(
            KalshiFeeChange(day(20), "quadratic", D(0)),
            KalshiFeeChange(day(25), None, None),
        ),
        waiver_until=day(5),
    )

    def rate(n):
        return terms.at(datetime_ns(day(n))).marginal_rate()

    assert [rate(n) for n in (4, 5, 10, 20, 25)] == [0, D("0.07"), D("0.035"), 0, D("0.035")]
    times = [datetime_ns(day(4))]
    while (after := terms.next_change_ns(times[-1])) is not None:
        times.append(after)
    assert times[1:] == [datetime_ns(day(n)) for n in (5, 10, 20, 25)]


@pytest.mark.parametrize("bad", [0.5, True])
def test_floats_never_get_in(bad):
    with pytest.raises(TypeError):
        PolymarketFees(D("0.05")).at(0).charge(
            NEW_ORDER, price=bad, size=D(1), side=Side.BUY, liquidity=Liquidity.TAKER
        )


@pytest.mark.parametrize(("price", "size"), [("1.01", "1"), ("-0.01", "1"), ("0.5", "0")])
def test_impossible_fills_are_refused(price, size):
    with pytest.raises(ValueError, match="found"):
        charge(PolymarketFees(D("0.05")).at(0), price, size)


def test_decimal_and_integer_faces_agree():
    schedule = KalshiFees("quadratic", regime="2026q3").at(0)
    assert schedule.upper_bound(D("0.5"), D(100)) >= charge(schedule, "0.5", "100")[0].net
    assert to_units(schedule.marginal_rate()) == 70_000
