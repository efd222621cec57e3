"""Opportunities, survival, intervals and axes, against hand-made cases and invariants."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.report.charts import POINTS_MAX, Scale, Series, TimeAxis, tidy
from backtests.report.folder import Decisions, Units, units
from backtests.report.stats import episodes, kaplan_meier, nice_step, wilson
from backtests.report.text import clock, listed, plain_number, some, span, usd, when

S = 10**9


def looks(*rows: tuple[float, int, str]) -> Decisions:
    """One pair's looks: (seconds, net edge in units, reason)."""
    n = len(rows)

    def texts(values: list[str]) -> np.ndarray:
        return np.asarray(values, dtype=object)

    net = Units(np.asarray([r[1] for r in rows], np.int64), np.ones(n, bool))
    return Decisions(
        np.asarray([int(r[0] * S) for r in rows], np.int64), texts(["s"] * n), texts(["p"] * n),
        texts(["taken" if r[2] == "taken" else "refused" for r in rows]),
        texts([r[2] for r in rows]), texts(["yes_no"] * n),
        texts(["open"] * n), net, net, net, lambda _row: "",
    )  # fmt: skip


def cut(decisions: Decisions, end_s: float = 1_000) -> list[tuple[float, int, int, bool]]:
    found = episodes(decisions, lambda _pair: 10 * S, {"s": int(end_s * S)})
    return [(e.life_ns / S, e.looks, e.best_u, e.censored) for e in found]


def test_an_opportunity_ends_where_the_edge_or_the_looks_end() -> None:
    assert cut(looks((0, 5, "below_hurdle"), (4, 9, "below_hurdle"), (8, -1, "no_edge"))) == [
        (4.0, 2, 9, False)
    ]
    assert cut(looks((0, 5, "below_hurdle"), (30, 5, "below_hurdle"))) == [
        (0.0, 1, 5, False),
        (0.0, 1, 5, False),
    ]


def test_what_we_took_and_what_the_recording_cut_off_is_censored() -> None:
    assert cut(looks((0, 5, "below_hurdle"), (4, 9, "taken"))) == [(4.0, 2, 9, True)]
    assert cut(looks((0, 5, "below_hurdle"), (4, 9, "below_hurdle")), end_s=10) == [
        (4.0, 2, 9, True)
    ]


@pytest.mark.parametrize("reason", ["crossed", "stale_leg", "too_good", "one_sided", "leg_skew"])
def test_books_that_cannot_be_believed_offer_nothing(reason: str) -> None:
    assert cut(looks((0, 300_000, reason), (4, 300_000, reason))) == []
    around = looks((0, 5, "below_hurdle"), (4, 300_000, reason), (8, 6, "below_hurdle"))
    assert cut(around) == [(8.0, 2, 6, False)]


def test_no_edge_no_opportunity() -> None:
    assert cut(looks((0, 0, "no_edge"), (4, -5, "no_edge"))) == []
    assert cut(looks()) == []


def test_kaplan_meier_by_hand() -> None:
    # times 1, 2+, 3, 3, 4+ (+ censored): S(1) = 4/5, S(3) = 4/5 * 1/3
    curve = kaplan_meier([1, 2, 3, 3, 4], [False, True, False, False, True])
    assert curve.times == (1, 3)
    assert curve.at_risk == (5, 3)
    assert curve.alive == pytest.approx((0.8, 0.8 / 3))
    assert (curve.n, curve.censored, curve.median) == (5, 2, 3)
    assert [curve.share_after(t) for t in (0, 1, 2.9, 3)] == pytest.approx([1, 0.8, 0.8, 0.8 / 3])
    assert kaplan_meier([5, 6], [True, True]).median is None


@given(st.lists(st.tuples(st.integers(0, 50), st.booleans()), max_size=60))
def test_kaplan_meier_only_falls_and_without_censoring_is_the_empirical_share(
    rows: list[tuple[int, bool]],
) -> None:
    lives, censored = [float(a) for a, _ in rows], [c for _, c in rows]
    curve = kaplan_meier(lives, censored)
    values = [1.0, *curve.alive]
    assert all(a >= b >= -1e-12 for a, b in pairwise(values))
    plain = kaplan_meier(lives, [False] * len(lives))
    for time in (0.0, 3.0, 17.0):
        if lives:
            share = sum(v > time for v in lives) / len(lives)
            assert plain.share_after(time) == pytest.approx(share)


def test_wilson_against_known_values() -> None:
    low, high = wilson(0, 119)
    assert (low, high) == pytest.approx((0.0, 0.0313), abs=1e-4)  # 0 of 119 still allows 3.1 %
    assert wilson(50, 100) == pytest.approx((0.4038, 0.5962), abs=1e-4)
    assert wilson(0, 0) == (0.0, 1.0)


@given(st.integers(0, 500), st.integers(1, 500))
def test_wilson_contains_the_rate(hits: int, n: int) -> None:
    hits = min(hits, n)
    low, high = wilson(hits, n)
    assert 0 <= low <= hits / n + 1e-12
    assert hits / n - 1e-12 <= high <= 1


@given(
    st.lists(st.one_of(st.none(), st.integers(-(10**17), 10**17)), max_size=40), st.integers(0, 5)
)
def test_units_reads_decimals_exactly(values: list[int | None], skip: int) -> None:
    cells = [None if v is None else Decimal(v).scaleb(-6) for v in values]
    column = pa.chunked_array([pa.array(cells, pa.decimal128(18, 6))]).slice(min(skip, len(cells)))
    read = units(column)
    assert [read.at(i) for i in range(len(column))] == cells[min(skip, len(cells)) :]


@given(st.floats(1e-6, 1e9))
def test_nice_step_is_round_and_near(span_: float) -> None:
    step = nice_step(span_, 6)
    assert 0.4 <= span_ / step <= 6.01


@given(st.lists(st.integers(0, 10**18), min_size=1, max_size=50))
def test_time_axis_keeps_order_and_bounds(times: list[int]) -> None:
    axis = TimeAxis(times, 74, 744)
    pixels = [axis(t) for t in sorted(times)]
    assert all(a <= b + 1e-6 for a, b in pairwise(pixels))
    assert all(73.9 <= p <= 744.1 for p in pixels)


def test_time_axis_cuts_each_long_silence() -> None:
    hour = 3_600 * S
    busy = [i * hour // 60 for i in range(60)]
    days = 24 * hour
    times = [*busy, *(t + 130 * days for t in busy), 145 * days]
    assert len(TimeAxis(times, 0, 700).parts) == 3
    assert len(TimeAxis(busy, 0, 700).parts) == 1


def test_thin_keeps_ends_and_extremes() -> None:
    values = np.asarray([float(i % 977) for i in range(50_000)])
    values[31_111] = -5.0
    long = Series("x", np.arange(50_000), values)
    kept = long.thin()
    assert len(kept) <= POINTS_MAX
    assert (kept[0], kept[-1]) == ((0, 0.0), (49_999, values[-1]))
    assert (31_111, -5.0) in kept
    assert Series("x", np.arange(3), values[:3]).thin() == [(0, 0.0), (1, 1.0), (2, 2.0)]


def test_scale_ticks_lie_inside() -> None:
    ticks = Scale(-4.6, 3.1, 0, 100).ticks()
    assert ticks == sorted(ticks)
    assert 0 in ticks
    assert ticks[0] >= -4.6
    assert ticks[-1] <= 3.1 + 1e-6


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (usd(Decimal("-0.012500")), "−$0.0125"),
        (usd(Decimal("1234.5"), sign=True), "+$1,234.50"),
        (usd(Decimal(0), sign=True), "$0.00"),
        (usd(Decimal("-0.000000")), "$0.00"),
        (plain_number(Decimal("8429.200000")), "8,429.2"),
        (plain_number(Decimal("-0.000001")), "−0.000001"),
        (tidy(-0.1 - 0.2), "−0.3"),
        (tidy(1234567.0), "1,234,567"),
        (some(1, "box", "boxes"), "1 box"),
        (some(0, "look"), "0 looks"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (listed([]), ""),
        (span(3_707_000_000), "3.7\u00a0s"),
        (span(7_200_000), "7.2\u00a0ms"),
        (span(200_000_000), "200\u00a0ms"),
        (span(0), "0\u00a0s"),
        (span(41 * 60 * S), "41\u00a0min"),
        (span(25 * 3_600 * S), "25 h"),
        (span((15 * 24 + 3) * 3_600 * S), "15 d 3 h"),
        (when(1_783_261_805 * S), "5 Jul 2026 14:30:05 UTC"),
        (when(0), "unknown"),
        (clock(1_783_261_805 * S + 7_000_000), "2026-07-05 14:30:05.007"),
    ],
)  # fmt: skip
def test_written_for_people(written: str, expected: str) -> None:
    assert written == expected
