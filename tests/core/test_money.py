"""The money boundary."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.money import (
    PriceGrid,
    TickBand,
    ceil_div,
    ceil_to,
    dec,
    floor_to,
    from_units,
    half_even_div,
    half_even_to,
    to_text,
    to_units,
)

TAPERED = PriceGrid(
    (
        TickBand(Decimal("0.0000"), Decimal("0.1000"), Decimal("0.0010")),
        TickBand(Decimal("0.1000"), Decimal("0.9000"), Decimal("0.0100")),
        TickBand(Decimal("0.9000"), Decimal("1.0000"), Decimal("0.0010")),
    )
)


@pytest.mark.parametrize("value", [0.5, 1.0, True, None, b"1"])
def test_anything_but_decimal_int_and_text_is_refused(value):
    with pytest.raises(TypeError, match="stake: found"):
        dec(value, "stake")


@pytest.mark.parametrize("value", ["NaN", "Infinity", "", "0.5.1", "1e16"])
def test_text_that_is_no_amount_is_refused(value):
    with pytest.raises(ValueError, match="stake: found"):
        dec(value, "stake")


def test_units_are_exact_or_refused():
    assert to_units("0.0001") == 100
    assert to_units(Decimal("-1.5")) == -1_500_000
    with pytest.raises(ValueError, match="at most 6 decimal places"):
        to_units("0.0000001")


@given(st.integers(-(10**14), 10**14))
def test_units_round_trip(units):
    assert to_units(from_units(units)) == units
    assert from_units(units).as_tuple().exponent == -6


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_divisions_round_as_they_say(numerator, denominator):
    exact = Decimal(numerator) / Decimal(denominator)
    assert ceil_div(numerator, denominator) == exact.to_integral_value("ROUND_CEILING")
    assert half_even_div(numerator, denominator) == exact.to_integral_value("ROUND_HALF_EVEN")


def test_rounding_to_steps():
    step = Decimal("0.01")
    assert floor_to(Decimal("0.479"), step) == Decimal("0.47")
    assert ceil_to(Decimal("0.471"), step) == Decimal("0.48")
    assert half_even_to(Decimal("0.465"), step) == Decimal("0.46")


def test_text_has_no_exponent_and_no_trailing_zeros():
    assert [to_text(Decimal(x)) for x in ("1.500000", "0.000000", "1E+2", "-0.0")] == [
        "1.5",
        "0",
        "100",
        "0",
    ]


def test_a_tapered_grid_has_three_bands():
    assert TAPERED.floor_u(95_900) == 95_000
    assert TAPERED.floor_u(476_000) == 470_000
    assert TAPERED.ceil_u(476_000) == 480_000
    assert TAPERED.ceil_u(955_500) == 956_000
    assert TAPERED.contains_u(100_000)
    assert TAPERED.contains_u(900_000)
    assert not TAPERED.contains_u(105_000)
    assert not TAPERED.contains_u(0)
    assert not TAPERED.contains_u(1_000_000)
    assert TAPERED.step_u(50_000) == 1_000


@given(st.integers(1, 999_999))
def test_grid_rounding_brackets_the_price(price_u):
    low, high = TAPERED.floor_u(price_u), TAPERED.ceil_u(price_u)
    assert low <= price_u <= high
    assert (low == high) == (low == price_u)
    assert high - low <= 10_000


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ((), "no bands"),
        ((TickBand(Decimal(0), Decimal("0.5"), Decimal("0.01")),), "from 0 to 1"),
        (
            (
                TickBand(Decimal(0), Decimal("0.4"), Decimal("0.01")),
                TickBand(Decimal("0.5"), Decimal(1), Decimal("0.01")),
            ),
            "no hole",
        ),
        ((TickBand(Decimal(0), Decimal(1), Decimal("0.03")),), "does not divide"),
        ((TickBand(Decimal(0), Decimal(1), Decimal(0)),), "does not divide"),
    ],
)
def test_impossible_grids_are_refused(bands, message):
    with pytest.raises(ValueError, match=message):
        PriceGrid(bands)
