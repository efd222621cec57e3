"""Amounts on every tick: exact where exact is asked, inside the caps, never another price."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from adapters.polymarket.amounts import (
    AmountError,
    dollar_buy_amounts,
    exact_buy_amounts,
    filled_shares,
    implied_price_ok,
    resting_amounts,
    taker_buy_amounts,
    taker_sell_amounts,
)
from adapters.polymarket.constants import TICK_SIZES

D = Decimal
ticks = st.sampled_from(sorted(TICK_SIZES))


@st.composite
def priced(draw: st.DrawFn) -> tuple[Decimal, Decimal, Decimal]:
    """A tick, a price on its grid, a size on the 0.01 grid."""
    tick = draw(ticks)
    steps = draw(st.integers(1, int(1 / tick) - 1))
    return tick, steps * tick, D(draw(st.integers(1, 10_000_000))) / 100


@pytest.mark.parametrize(
    ("tick", "price", "maker"),
    [
        ("0.01", "0.82", 17_252_800),
        ("0.001", "0.823", 17_315_920),
        ("0.0025", "0.8225", 17_305_400),
    ],
)
def test_resting_examples_of_the_sdk(tick: str, price: str, maker: int) -> None:
    found = resting_amounts("BUY", D(price), D("21.04"), D(tick))
    assert (found.maker, found.taker) == (maker, 21_040_000)
    sold = resting_amounts("SELL", D(price), D("21.04"), D(tick))
    assert (sold.maker, sold.taker) == (21_040_000, maker)


def test_dollar_example() -> None:
    found = dollar_buy_amounts(D("0.82"), D(10), D("0.01"))
    assert (found.maker, found.taker) == (10_000_000, 12_195_100)


def test_real_overfill_case() -> None:
    """5 lots at 0.99 that hit 0.98 returned 5.051019 shares (py-clob-client-v2 issue 89)."""
    found = taker_buy_amounts(D("0.99"), D(5), D("0.01"))
    assert (found.maker, found.taker, found.can_overfill) == (4_950_000, 5_000_000, True)
    assert found.maker * 1_000_000 // 980_000 == 5_051_020
    assert filled_shares(found.maker, found.maker, found.taker) == 5_000_000


@given(priced())
def test_resting_is_exactly_price_times_size(case: tuple[Decimal, Decimal, Decimal]) -> None:
    tick, price, size = case
    for side in ("BUY", "SELL"):
        found = resting_amounts(side, price, size, tick)
        shares, cash = (found.taker, found.maker) if side == "BUY" else (found.maker, found.taker)
        assert D(cash) == price * size * 1_000_000
        assert D(shares) == size * 1_000_000


@given(priced())
def test_dollar_buy_keeps_the_caps_and_the_limit(case: tuple[Decimal, Decimal, Decimal]) -> None:
    tick, price, size = case
    assume(price * size >= D("1.01"))
    found = taker_buy_amounts(price, size, tick)
    assert found.maker % 10_000 == 0  # 2 decimals of a dollar
    assert found.taker % 100 == 0  # 4 decimals of a share
    assert D(found.maker) <= price * size * 1_000_000  # never more dollars than meant
    assert found.shares <= size
    assert implied_price_ok(found, price)


@given(priced())
def test_exact_buy_keeps_the_caps_and_the_price(case: tuple[Decimal, Decimal, Decimal]) -> None:
    tick, price, size = case
    try:
        found = exact_buy_amounts(price, size, tick)
    except AmountError:
        assert price * size < D("1.01") or size < 100
        return
    assert found.maker % 100 == 0  # 4 decimals of a dollar
    assert found.taker % 10_000 == 0  # 2 decimals of a share
    assert D(found.maker) == price * found.taker  # exactly the limit price
    assert found.shares <= size
    assert size - found.shares < 100  # the largest such multiple: at most 100 shares fewer
    assert not found.can_overfill


@given(priced())
def test_sell_offers_exactly_what_is_held(case: tuple[Decimal, Decimal, Decimal]) -> None:
    tick, price, size = case
    found = taker_sell_amounts(price, size, tick)
    assert D(found.maker) == size * 1_000_000
    assert D(found.taker) == price * size * 1_000_000


@given(ticks, st.decimals("0", "1", places=5), st.integers(1, 1000))
def test_an_off_grid_price_is_refused_never_rounded(tick: Decimal, price: Decimal, n: int) -> None:
    on_grid = tick <= price <= 1 - tick and price % tick == 0
    try:
        found = resting_amounts("BUY", price, D(n), tick)
    except AmountError:
        assert not on_grid
    else:
        assert on_grid
        assert D(found.maker) / D(found.taker) == price


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resting_amounts("BUY", D("0.964"), D(5), D("0.01")), "never re-rounded"),
        (lambda: resting_amounts("BUY", D("0.999"), D(5), D("0.01")), "allowed 0.01 to 0.99"),
        (lambda: resting_amounts("BUY", D("0.5"), D("5.005"), D("0.01")), "multiple of 0.01"),
        (lambda: resting_amounts("BUY", D("0.5"), D(0), D("0.01")), "positive"),
        (lambda: resting_amounts("BUY", D("0.5"), D(5), D("0.02")), "tick size: found 0.02"),
        (lambda: resting_amounts("HOLD", D("0.5"), D(5), D("0.01")), "side"),
        (lambda: taker_buy_amounts(D("0.1"), D(5), D("0.01")), r"at least \$1"),
        (lambda: exact_buy_amounts(D("0.8231"), D("0.5"), D("0.0001")), "multiple of 1 shares"),
    ],
)
def test_refusals_say_what_is_allowed(call, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(AmountError, match=message):
        call()
