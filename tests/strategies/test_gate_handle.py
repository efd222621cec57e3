"""The gate as it runs in the handler: against the plain inequality, over random histories."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

from hypothesis import given, settings
from hypothesis import strategies as st
from nautilus_trader.model.objects import Price

from core.fees import KalshiFees, PolymarketFees
from core.money import SCALE
from core.policy import Policy
from strategies.handles import RAW_ONE, PairHandle
from tests.strategies.support import T0, make_pair

PRICES = [0, 44, 46, 48, 50, 52, 54, 56, 100]
ticks = st.sampled_from([None, *PRICES])
updates = st.lists(st.tuples(st.integers(0, 1), ticks, ticks), min_size=2, max_size=60)


class Top:
    """A book with nothing but best prices."""

    def __init__(self):
        self.bid = self.ask = None

    def best_bid_price(self):
        return None if self.bid is None else Price.from_str(f"{self.bid / 100:.4f}")

    def best_ask_price(self):
        return None if self.ask is None else Price.from_str(f"{self.ask / 100:.4f}")


def least(handle, top, *, yes):
    """The cost bound of the pair's outcome, calculated afresh."""
    own_yes = yes != handle.inverse
    price = top.ask if own_yes else (None if top.bid is None else 100 - top.bid)
    return SCALE if price is None else handle.bounds.table[price * (RAW_ONE // 100)]


@settings(max_examples=300, deadline=None)
@given(updates, st.booleans(), st.booleans())
def test_an_update_that_may_hold_an_edge_is_always_looked_at(history, inverse_a, inverse_b):
    pair = PairHandle(make_pair(a={"inverse": inverse_a}, b={"inverse": inverse_b}), Policy())
    pair.load_fees(T0, {})
    tops, looked = (Top(), Top()), []
    for handle, top in zip(pair.markets, tops, strict=True):
        handle.attach(top)
        for known in PRICES:  # seen before, so that the short way of the handler is taken
            top.bid = top.ask = known
            handle.reprice()
        top.bid = top.ask = None
        handle.reprice()

        def look(market):
            market.reprice()
            looked.append(market)
            hit = pair.a.buy_yes + pair.b.buy_no < SCALE or pair.a.buy_no + pair.b.buy_yes < SCALE
            pair.a.quiet = pair.b.quiet = not hit

        handle.look = look
    for step, (index, bid, ask) in enumerate(history):
        tops[index].bid, tops[index].ask = bid, ask
        handle = pair.markets[index]
        looked.clear()
        handle.on_deltas(SimpleNamespace(ts_init=T0 + step))
        first = least(pair.a, tops[0], yes=True) + least(pair.b, tops[1], yes=False)
        second = least(pair.a, tops[0], yes=False) + least(pair.b, tops[1], yes=True)
        if first < SCALE or second < SCALE:
            assert looked == [handle]
        assert handle.seen_ns == T0 + step
    assert sum(handle.updates for handle in pair.markets) == len(history)


def test_a_cheaper_fee_reaches_the_other_markets_gate():
    cheap = KalshiFees("quadratic", regime="2026q3")
    pair = PairHandle(
        make_pair(a={"fees": cheap}, b={"fees": PolymarketFees(Decimal(0))}), Policy()
    )
    shared = {}
    pair.load_fees(T0, shared)
    tops = (Top(), Top())
    for handle, top in zip(pair.markets, tops, strict=True):
        handle.attach(top)
    tops[0].bid, tops[0].ask = 40, 50
    pair.a.reprice()
    before = pair.b.vs_bid
    pair.a.market = make_pair(a={"fees": KalshiFees("quadratic", Decimal(0))}).a
    pair.load_fees(T0, shared)
    assert (before, pair.b.vs_bid) == (517_500, 500_000)
