"""Random books and random misses: whatever happens, no contract and no cent is lost from sight."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.contracts import Outcome
from core.legs import END, Phase
from core.policy import Policy
from tests.strategies.support import World, make_pair

D = Decimal
cents = st.integers(30, 60)
sizes = st.integers(1, 40).map(lambda n: str(n * 5))
polls = st.lists(
    st.tuples(cents, st.integers(1, 4), sizes, st.integers(-6, 6), st.integers(1, 4), sizes),
    min_size=3,
    max_size=14,
)
misses = st.sets(
    st.tuples(
        st.sampled_from(["KGAME-YES", "KGAME-NO", "PGAME-YES", "PGAME-NO"]),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 4),
    ),
    max_size=12,
)


plans = st.sampled_from(["sequential", "parallel", "auto"])
ends = st.sampled_from(["0", "1", "0.4", None])


def price(value):
    return f"{max(1, min(99, value)) / 100:.2f}"


def play(history, missing, plan, settle):
    pair = make_pair()
    world = World(pair, misses=missing, policy=Policy(plan=plan))
    t = 0.0
    for bid_a, gap_a, size_a, shift, gap_b, size_b in history:
        bid_b = bid_a + shift
        world.book(t, pair.a, [(price(bid_a), size_a)], [(price(bid_a + gap_a), size_a)])
        world.book(t + 0.1, pair.b, [(price(bid_b), size_b)], [(price(bid_b + gap_b), size_b)])
        t += 3.7
    world.book(t, pair.a, [], []).book(t + 60, pair.a, [], [])
    if settle is not None:
        world.close(t + 100, pair.a, settle).close(t + 101, pair.b, settle)
    return world.run(), pair


def check(world, pair):
    held = {leg: market.outcomes for leg, market in enumerate(world.strategy.pairs[0].markets)}
    boxes = world.strategy.desk.boxes.values()
    for leg, market in enumerate(pair.markets):
        for outcome in Outcome:
            book = held[leg].held_u(outcome)
            engine = sum(
                p.signed_decimal_qty()
                for p in world.engine.cache.positions_open()
                if p.instrument_id.value == market.instrument(outcome)
            )
            in_boxes = sum(
                r.box.legs[leg].net_u
                for r in boxes
                if r.outcome(leg) is outcome and r.box.phase is not Phase.SETTLED
            )
            assert book == engine * 1_000_000 == in_boxes
    bought = sum(f.last_px.as_decimal() * f.last_qty.as_decimal() * (1 if f.order_side == 1 else -1)
                 for f in world.filled)  # fmt: skip
    fees = sum(f.commission.as_decimal() for f in world.filled)
    assert world.cash("KALSHI") + world.cash("POLYMARKET") == 20_000 - bought - fees
    assert world.strategy.ledger.reservations() == {}
    for running in boxes:
        if running.box.phase in END:
            assert not running.live
            assert running.timer is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(polls, misses, plans, ends)
def test_nothing_is_lost_from_sight(history, missing, plan, settle):
    world, pair = play(history, missing, plan, settle)
    try:
        check(world, pair)
    finally:
        world.dispose()


@pytest.mark.full
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(polls, misses, plans, ends)
def test_nothing_is_lost_from_sight_for_long(history, missing, plan, settle):
    world, pair = play(history, missing, plan, settle)
    try:
        check(world, pair)
    finally:
        world.dispose()
