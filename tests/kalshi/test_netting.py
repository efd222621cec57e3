"""One signed number behind two instruments: the rules as properties."""

from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from adapters.kalshi.netting import (
    Attribution,
    Gross,
    Holdings,
    Placed,
    Trade,
    attribute,
    attribution,
    gross,
    is_bid,
    leg_price,
    refuse_buy,
    sellable,
)
from adapters.kalshi.symbols import Leg

LEG = st.sampled_from(Leg)
UNITS = st.integers(0, 10**9)


@given(net=st.integers(-(10**9), 10**9), yes=UNITS, no=UNITS)
def test_what_is_reported_always_has_the_venues_net(net: int, yes: int, no: int) -> None:
    told = gross(net, Gross(yes, no))
    assert told.net == net
    assert min(told) >= 0
    if yes - no == net:
        assert told == Gross(yes, no), "what is held here is kept where the venue agrees"
    else:
        assert 0 in told


@given(leg=LEG, price=st.integers(1, 999_999))
def test_leg_prices_mirror_and_lead_back(leg: Leg, price: int) -> None:
    assert leg_price(leg, leg_price(leg, price)) == price
    assert leg_price(Leg.YES, price) + leg_price(Leg.NO, price) == 1_000_000


@given(leg=LEG, buy=st.booleans(), size=st.integers(1, 10**6), before=st.integers(-(10**7), 10**7))
def test_the_book_side_moves_the_net_as_the_legs_do(
    leg: Leg, buy: bool, size: int, before: int
) -> None:
    """BUY YES and SELL NO are bids: both raise YES minus NO."""
    holdings = Holdings()
    holdings.adopt("A", Gross(max(before, 0), max(-before, 0)))
    holdings.book("A", leg, buy=buy, size_u=size)
    signed = size if is_bid(leg, buy=buy) else -size
    assert holdings.of("A").net == before + signed


@given(leg=LEG, yes=UNITS, no=UNITS)
def test_a_buy_is_refused_exactly_while_long_the_other(leg: Leg, yes: int, no: int) -> None:
    other = no if leg is Leg.YES else yes
    assert (refuse_buy(leg, Gross(yes, no)) is not None) == (other > 0)


@given(leg=LEG, yes=UNITS, no=UNITS, offered=UNITS)
def test_never_more_is_sold_than_held(leg: Leg, yes: int, no: int, offered: int) -> None:
    held = yes if leg is Leg.YES else no
    free = sellable(leg, Gross(yes, no), offered)
    assert 0 <= free <= held
    assert free == 0 or free + offered == held


STEP = st.tuples(LEG, st.booleans(), st.lists(st.integers(1, 300), min_size=0, max_size=3))


@given(st.lists(STEP, max_size=25), st.randoms(use_true_random=False))
def test_a_restart_tells_legs_that_are_never_short_and_net_exactly(
    steps: list[tuple[Leg, bool, list[int]]], draw: random.Random
) -> None:
    """Trade as the rules allow, with orders that rest on both legs and fill in any order."""
    holdings, trades, orders, working = Holdings(), [], [], []
    for number, (leg, buy, parts) in enumerate(steps):
        held = holdings.of("A")
        need = sum(parts)
        offered = sum(sum(left) for o_leg, o_buy, left, _ in working if o_leg is leg and not o_buy)
        if buy and refuse_buy(leg, held):
            continue
        if not buy and need > sellable(leg, held, offered):
            continue
        name = f"O{number}"
        orders.append(Placed(name, is_bid(leg, buy=buy), need))
        working.append((leg, buy, list(parts), name))
        for _ in range(draw.randint(0, 4)):
            alive = [w for w in working if w[2]]
            if not alive:
                break
            o_leg, o_buy, left, o_name = draw.choice(alive)
            size = left.pop(0)
            holdings.book("A", o_leg, buy=o_buy, size_u=size)
            trades.append(Trade(o_name, size))
    net = holdings.of("A").net
    told = attribute(orders, trades, net, {})
    again = Holdings()
    for trade in trades:
        meaning = told[trade.order_id]
        again.book("A", meaning.leg, buy=meaning.buy, size_u=trade.size_u)
        assert min(again.of("A")) >= 0, "no leg is ever short"
    assert again.of("A").net == net
    assert gross(net, again.of("A")) == again.of("A")
    resting = {name: sum(left) for _, _, left, name in working if left}
    for leg in Leg:
        offered = sum(n for name, n in resting.items() if told[name] == Attribution(leg, False))
        held = again.of("A").yes if leg is Leg.YES else again.of("A").no
        assert offered <= held, "what still rests can fill without a short"


def test_what_somebody_remembers_is_not_told_otherwise() -> None:
    orders, trades = [Placed("A", True, 5), Placed("B", False, 5)], [Trade("A", 5), Trade("B", 5)]
    told = attribute(orders, trades, 0, {})
    assert told == {"A": Attribution(Leg.YES, True), "B": Attribution(Leg.YES, False)}
    known = {"B": Attribution(Leg.NO, True)}
    assert attribute(orders, trades, 0, known)["B"] == Attribution(Leg.NO, True)


def test_attribution_by_example() -> None:
    yes, no, flat = Gross(5, 0), Gross(0, 5), Gross(0, 0)
    assert attribution(bid=True, size_u=5, held=flat) == Attribution(Leg.YES, True)
    assert attribution(bid=True, size_u=5, held=no) == Attribution(Leg.NO, False)
    assert attribution(bid=True, size_u=6, held=no) == Attribution(Leg.YES, True)
    assert attribution(bid=False, size_u=5, held=yes) == Attribution(Leg.YES, False)
    assert attribution(bid=False, size_u=5, held=flat) == Attribution(Leg.NO, True)
