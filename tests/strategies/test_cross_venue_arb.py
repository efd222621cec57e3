"""The strategy in Nautilus's engine, on books made by hand, to the cent."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import pytest
from nautilus_trader.model.enums import TradingState

from core.contracts import Venue as CoreVenue
from core.fees import KalshiFees
from core.intents import Intent
from core.legs import Phase
from core.pairs import Approval
from core.policy import Odds, Policy
from core.reasons import Reason
from tests.strategies.support import World, make_pair, market

D = Decimal

A_BOOK = ([("0.44", "100")], [("0.45", "100")])
B_BOOK = ([("0.50", "200")], [("0.51", "50")])


@pytest.fixture
def world():
    worlds = []

    def make(*pairs, **options):
        worlds.append(World(*(pairs or (make_pair(),)), **options))
        return worlds[-1]

    yield make
    for each in worlds:
        each.dispose()


def seed(w, pair, t_s=0.0, a=A_BOOK, b=B_BOOK):
    return w.book(t_s, pair.a, *a).book(t_s + 0.1, pair.b, *b)


def test_a_box_is_bought_held_and_paid(world):
    """45.00 + 1.7325 and 50.00 + 1.25: 2.0175 whatever happens; here YES."""
    pair = make_pair()
    w = seed(world(pair), pair).close(100, pair.a, "1").close(101, pair.b, "1").run()
    assert w.fills()[:2] == [
        ("PGAME-NO", "BUY", D("0.5"), D(100)),
        ("KGAME-YES", "BUY", D("0.45"), D(100)),
    ]
    assert w.cash("KALSHI") == D("10000") - D("46.7325") + 100
    assert w.cash("POLYMARKET") == D("10000") - D("51.25")
    assert w.phases() == ["settled"]
    assert w.taken[0].locked == D("2.0175")


@pytest.mark.parametrize(
    ("value_a", "value_b", "total"),
    [("0", "0", "2.0175"), ("1", "1", "2.0175"), ("0.8", "0.5", "32.0175"),
     ("0.3", "0.5", "-17.9825"), ("0.37", "0.37", "2.0175")],
)  # fmt: skip
def test_every_settlement_pays_its_state(world, value_a, value_b, total):
    pair = make_pair()
    w = seed(world(pair), pair).close(100, pair.a, value_a).close(101, pair.b, value_b).run()
    assert w.cash("KALSHI") + w.cash("POLYMARKET") - 20000 == D(total)


def test_orders_carry_their_story(world):
    pair = make_pair()
    w = seed(world(pair), pair).run()
    tags = sorted(t for t in w.tags() if t[0].startswith("pair:"))
    assert tags == [
        ["pair:GAME", "box:GAME.1", "leg:1", "role:open", "decision:GAME#1"],
        ["pair:GAME", "box:GAME.1", "leg:2", "role:open", "decision:GAME#1"],
    ]
    first = next(o for o in w.engine.cache.orders() if "leg:1" in o.tags)
    assert first.instrument_id.value == "PGAME-NO.POLYMARKET"
    assert first.price.as_decimal() == D("0.50")


def test_a_lasting_edge_is_loaded_once(world):
    pair = make_pair()
    w = world(pair)
    for t in range(6):
        seed(w, pair, t * 3.7)
    w.run()
    assert len(w.taken) == 1
    assert Counter(w.reasons)["consumed"] >= 5


def test_polls_decide_only_when_both_legs_are_in(world):
    """Kalshi arrives 0.1 s before Polymarket, 3.7 s after the previous cycle."""
    pair = make_pair()
    poor = ([("0.46", "200")], [("0.51", "50")])
    w = seed(world(pair), pair, 0, b=poor)
    seed(w, pair, 3.7, a=([("0.38", "100")], [("0.39", "100")]))
    w.run()
    assert [(d.reason, d.legs[1].age_ns // 10**9) for d in w.decisions] == [
        (Reason.LEG_SKEW, 3),
        (Reason.TAKEN, 0),
    ]


CASES = {
    "crossed": ({"a": ([("0.47", "10")], [("0.45", "100")])}, {}, {}, "crossed"),
    "locked": ({"a": ([("0.45", "10")], [("0.45", "100")])}, {}, {}, "locked"),
    "one_sided": ({"a": ([], [("0.45", "100")])}, {}, {}, "one_sided"),
    "wide": ({"a": ([("0.20", "10")], [("0.45", "100")])}, {}, {}, "wide_spread"),
    "too_good": ({"a": ([("0.19", "10")], [("0.20", "100")])}, {}, {}, "too_good"),
    "hurdle": ({}, {"net_edge_min": D("0.05")}, {}, "below_hurdle"),
    "size": ({}, {"size_min": D(500)}, {}, "below_min_size"),
    "box": ({}, {}, {"cash": ("2", "10000")}, "no_cash"),
    "unapproved": ({}, {}, {"pair": {"approval": None}}, "not_approved"),
    "recorded": (
        {}, {}, {"pair": {"approval": Approval(by="r", at=make_pair().approval.at,
                                               kind="recorded")}}, "not_approved",
    ),
    "watched": ({}, {}, {"observe_ms_min": 1}, "not_observed_long_enough"),
    "fees": ({}, {}, {"pair": {"a": {"fees": KalshiFees("flat")}}}, "unknown_fees"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_refusals_send_nothing_and_say_why(world, name):
    books, policy, options, reason = CASES[name]
    options = dict(options)
    pair = make_pair(**options.pop("pair", {}))
    w = seed(world(pair, policy=Policy(**policy), **options), pair, **books).run()
    assert set(w.reasons) == {reason}
    assert w.fills() == []
    assert w.counters.refused == {reason: len(w.decisions)}


def test_a_recorded_pair_trades_where_a_backtest_accepts_it(world):
    approval = Approval(by="r", at=make_pair().approval.at, kind="recorded")
    pair = make_pair(approval=approval)
    assert len(seed(world(pair, accept_recorded_pairs=True), pair).run().taken) == 1


def test_a_check_that_is_off_trades_the_crossed_book(world):
    pair = make_pair()
    crossed = ([("0.47", "10")], [("0.45", "100")])
    policy = Policy(checks_off=(Reason.CROSSED,))
    assert len(seed(world(pair, policy=policy), pair, a=crossed).run().taken) == 1


def test_an_empty_side_is_a_sentinel_not_a_price(world):
    pair = make_pair()
    w = seed(world(pair), pair, a=([("0.44", "100")], []), b=([], [("0.51", "5")])).run()
    assert w.decisions == []
    assert w.counters.gate_misses == 2


def test_no_edge_is_a_gate_miss_and_no_record(world):
    pair = make_pair()
    w = world(pair)
    for t in range(5):
        seed(w, pair, t, b=([("0.46", "200")], [("0.51", "50")]))
    w.run()
    assert w.decisions == []
    assert (w.counters.updates, w.counters.gate_misses, w.counters.gate_hits) == (10, 10, 0)


def test_a_first_leg_that_misses_costs_nothing(world):
    pair = make_pair()
    w = seed(world(pair, misses={("PGAME-NO", "BUY", 1)}), pair).run()
    assert w.fills() == []
    assert w.cash("KALSHI") + w.cash("POLYMARKET") == 20000
    assert w.phases()[0] == "flat"


def test_a_second_leg_that_misses_is_tried_once_more(world):
    pair = make_pair()
    w = seed(world(pair, misses={("KGAME-YES", "BUY", 1)}), pair).run()
    assert [row[:2] for row in w.fills()] == [("PGAME-NO", "BUY"), ("KGAME-YES", "BUY")]
    assert w.phases() == ["hedged"]
    assert any("role:complete" in tags for tags in w.tags())


def test_a_second_leg_that_stays_away_is_unwound(world):
    """PGAME-NO: bought 100 at 0.50 + 1.25, sold 50 at 0.49 + 0.62475 and the rest next book."""
    pair = make_pair()
    misses = {("KGAME-YES", "BUY", n) for n in (1, 2)}
    w = seed(world(pair, misses=misses), pair)
    seed(w, pair, 3, b=([("0.46", "200")], [("0.51", "200")]))
    seed(w, pair, 12, b=([("0.46", "200")], [("0.51", "200")]))
    w.run()
    assert w.fills() == [
        ("PGAME-NO", "BUY", D("0.5"), D(100)),
        ("PGAME-NO", "SELL", D("0.49"), D(50)),
        ("PGAME-NO", "SELL", D("0.49"), D(50)),
    ]
    assert w.phases()[0] == "flat"
    spent = 10000 - w.cash("POLYMARKET")
    assert spent == D("51.25") - D("49") + 2 * D("0.62475")
    assert all(o.is_reduce_only for o in w.engine.cache.orders() if "role:unwind" in o.tags)


def test_a_part_filled_first_leg_sizes_the_second(world):
    """100 are displayed and 30 are there: 30 fill, so 30 are hedged."""
    pair = make_pair()
    w = world(pair).book(0, pair.a, *A_BOOK).book(0.1, pair.b, *B_BOOK, no_ask_size="30").run()
    assert w.taken[0].size == 100
    sizes = {row[0]: row[3] for row in w.fills()}
    assert sizes == {"PGAME-NO": D(30), "KGAME-YES": D(30)}
    assert w.phases() == ["hedged"]


def test_a_second_leg_below_the_venues_minimum_is_not_sent(world):
    """One Kalshi contract filled: half a dollar is no marketable BUY, so it is sold again."""
    pair = make_pair()
    odds = {v: Odds(D("0.9"), D("0.9")) for v in CoreVenue}
    odds[CoreVenue.KALSHI] = Odds(D("0.9"), D("0.5"))
    w = world(pair, policy=Policy(odds=odds, slippage_max=D(0)))
    w.book(0, pair.b, [("0.49", "100")], [("0.50", "100")])
    w.book(0.1, pair.a, [("0.55", "100")], [("0.56", "100")], no_ask_size="1")
    w.run()
    assert [row[:2] for row in w.fills()] == [("KGAME-NO", "BUY"), ("KGAME-NO", "SELL")]
    assert [row[3] for row in w.fills()] == [D(1), D(1)]
    assert w.phases()[0] == "flat"


def test_both_legs_at_once(world):
    pair = make_pair()
    w = seed(world(pair, policy=Policy(plan="parallel")), pair).run()
    assert w.phases() == ["hedged"]
    assert len(w.fills()) == 2


def test_a_box_is_sold_back_when_the_bids_beat_holding(world):
    """Bids 0.60 and 0.50 for a box that pays a dollar."""
    pair = make_pair()
    w = seed(world(pair), pair)
    w.book(10, pair.a, [("0.60", "100")], [("0.61", "100")])
    w.book(10.1, pair.b, [("0.49", "100")], [("0.50", "100")])
    w.run()
    assert [d.kind for d in w.taken] == ["open", "close"]
    sold = [row for row in w.fills() if row[1] == "SELL"]
    assert sorted(sold) == [
        ("KGAME-YES", "SELL", D("0.6"), D(100)),
        ("PGAME-NO", "SELL", D("0.5"), D(100)),
    ]
    assert w.phases()[0] == "flat"
    gain = w.cash("KALSHI") + w.cash("POLYMARKET") - 20000
    # bought for 97.9825; sold for 60 - 1.68 and 50 - 1.25
    assert gain == D("107.07") - D("97.9825")
    assert [row[0] for row in sold] == ["PGAME-NO", "KGAME-YES"]
    assert w.taken[1].required_edge == 0


def test_a_gain_below_the_risk_of_a_missing_leg_is_not_taken(world):
    """Bids 0.55 and 0.49 leave 1.04 less 2.98 c of fees: a gain, but less than legging costs."""
    pair = make_pair()
    w = seed(world(pair, policy=Policy(unwind_move=D("0.30"))), pair)
    w.book(10, pair.a, [("0.55", "100")], [("0.56", "100")])
    w.book(10.1, pair.b, [("0.50", "100")], [("0.51", "100")])
    w.run()
    assert [d.kind for d in w.taken] == ["open"]


def test_early_close_can_be_switched_off(world):
    pair = make_pair()
    w = seed(world(pair, policy=Policy(close_early=False)), pair)
    w.book(10, pair.a, [("0.60", "100")], [("0.61", "100")])
    w.book(10.1, pair.b, [("0.49", "100")], [("0.50", "100")])
    w.run()
    assert [d.kind for d in w.taken] == ["open"]


def test_the_other_side_is_not_bought_while_one_is_held(world):
    pair = make_pair()
    w = seed(world(pair, policy=Policy(close_early=False)), pair)
    w.book(10, pair.a, [("0.60", "100")], [("0.61", "100")])
    w.book(10.1, pair.b, [("0.44", "100")], [("0.45", "100")])
    w.run()
    assert w.reasons[-1] == "holds_other_side"
    assert len(w.taken) == 1


def test_an_inverse_market_buys_the_right_tokens(world):
    """Polymarket's YES is the pair's NO: its own YES book is quoted the other way round."""
    pair = make_pair(b={"inverse": True})
    w = world(pair)
    w.book(0, pair.a, *A_BOOK).book(0.1, pair.b, [("0.49", "50")], [("0.50", "200")])
    w.run()
    assert sorted(row[:3] for row in w.fills()) == [
        ("KGAME-YES", "BUY", D("0.45")),
        ("PGAME-YES", "BUY", D("0.5")),
    ]


def test_two_pairs_do_not_spend_the_same_cash(world):
    """Cash for one box and a bit: the second pair finds it reserved."""
    one, two = make_pair("ONE"), make_pair("TWO")
    w = world(one, two, cash=("70", "10000"))
    seed(w, one).book(0.2, two.a, *A_BOOK).book(0.3, two.b, *B_BOOK)
    w.run()
    bought = sum(row[3] for row in w.fills() if row[0].startswith("K"))
    assert bought < 150
    assert w.cash("KALSHI") >= 0


def test_nothing_is_sent_when_the_intent_cannot_be_saved(world):
    class Full:
        def __init__(self):
            self.seen: list[Intent] = []

        def save(self, intent):
            self.seen.append(intent)
            return False

        def close(self, box_id, phase, ts_ns):
            assert phase == "flat"

    pair = make_pair()
    w = world(pair)
    w.strategy.intent_sink = Full()
    seed(w, pair).run()
    assert w.fills() == []
    assert len(w.strategy.intent_sink.seen) == 1


def test_intents_name_the_orders_that_follow(world):
    class Sink:
        saved: list[Intent] = []  # noqa: RUF012 - one test, one list
        ended: list[tuple] = []  # noqa: RUF012 - one test, one list

        def save(self, intent):
            self.saved.append(intent)
            return True

        def close(self, box_id, phase, ts_ns):
            self.ended.append((box_id, phase))

    pair = make_pair()
    w = world(pair)
    w.strategy.intent_sink = Sink()
    seed(w, pair).run()
    planned = {leg.client_order_id for leg in Sink.saved[0].legs}
    sent = {o.client_order_id.value for o in w.engine.cache.orders() if o.tags}
    assert planned == sent
    assert Sink.ended == [("GAME.1", "hedged")]


def test_halted_means_no_new_boxes(world):
    pair = make_pair()
    w = world(pair)
    w.strategy.is_halted = True
    assert set(seed(w, pair).run().reasons) == {"halted"}


def test_a_denied_first_order_leaves_the_box_flat(world):
    """Nautilus's own risk engine says no: that is positive evidence."""
    pair = make_pair()
    w = world(pair)
    w.engine.kernel.risk_engine.set_trading_state(TradingState.HALTED)
    seed(w, pair).run()
    assert w.fills() == []
    assert set(w.phases()) == {"flat"}
    assert len(w.taken) >= 1


def test_cash_that_is_gone_stops_the_order_before_it_is_sent(world):
    pair = make_pair()
    w = world(pair)
    ledger = w.strategy.ledger
    take = w.strategy.desk.open

    def spend_first(handle, assessment, box_id, decision_id):
        for account in (("KALSHI", 0), ("POLYMARKET", 0)):
            ledger.set_cash(account, 0)
        take(handle, assessment, box_id, decision_id)

    w.strategy.desk.open = spend_first
    seed(w, pair).run()
    assert w.fills() == []
    assert set(w.phases()) == {"flat"}


def test_an_unknown_outcome_freezes_the_pair(world):
    pair = make_pair()
    w = world(pair, misses={("PGAME-NO", "BUY", 1)})
    desk = w.strategy.desk
    closed = desk.closed
    desk.closed = desk.unknown  # the venue's answer is lost
    seed(w, pair).book(1, pair.a, *A_BOOK).book(1.1, pair.b, *B_BOOK)
    w.run()
    assert w.phases() == [Phase.FROZEN.value]
    assert set(w.reasons[1:]) == {"pair_busy"}
    box = next(iter(desk.boxes.values()))
    closed(next(iter(box.live.values())))
    assert w.phases() == ["flat"]


def test_decisions_repeat_byte_for_byte(world):
    def run():
        pair = make_pair()
        w = seed(world(pair), pair)
        for t in range(1, 6):
            seed(w, pair, t, b=([("0.50", str(100 + 60 * t))], [("0.51", "50")]))
        return w.run().decisions

    first, second = run(), run()
    assert first == second
    assert len(first) > 5


def test_a_missing_instrument_stops_the_strategy(world):
    pair = make_pair()
    ghost = make_pair("GHOST")
    w = world(pair, pairs_json=World.text(pair, ghost))
    seed(w, pair).run()
    assert w.decisions == []


def test_three_venues_have_their_currencies():
    assert market(CoreVenue.KALSHI, "K").terms.currency == "USD"
    assert market(CoreVenue.POLYMARKET, "P").terms.currency == "pUSD"
