"""What a live node adds: restarts, reverted fills, feeds that fail, fees that change."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace

import pytest
from nautilus_trader.model.enums import OmsType, OrderSide
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, PositionId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.model.position import Position
from nautilus_trader.test_kit.stubs.events import TestEventStubs

from core.contracts import Outcome
from core.fees import KalshiFeeChange, KalshiFees
from messages.decisions import Counters, CountersMessage, DecisionMessage
from messages.fills import FILL_REVERTED, FillReverted
from messages.health import FEED_HEALTH, FeedHealth
from tests.strategies.support import T0, World, make_pair
from tests.strategies.test_cross_venue_arb import A_BOOK, B_BOOK, seed

D = Decimal


@pytest.fixture
def world():
    worlds = []

    def make(*pairs, **options):
        worlds.append(World(*(pairs or (make_pair(),)), **options))
        return worlds[-1]

    yield make
    for each in worlds:
        each.dispose()


def hold(w, instrument, size, price):
    """Put a position of an earlier life into the cache, and its cash out of the account."""
    found = w.engine.cache.instrument(InstrumentId.from_str(instrument))
    order = w.strategy.order_factory.limit(
        found.id, OrderSide.BUY, Quantity.from_str(size), Price.from_str(price)
    )
    fill = TestEventStubs.order_filled(
        order,
        found,
        strategy_id=w.strategy.id,
        position_id=PositionId(f"{instrument}-{w.strategy.id}"),
        last_qty=Quantity.from_str(size),
        last_px=Price.from_str(price),
    )
    w.engine.cache.add_position(Position(found, fill), OmsType.NETTING)


def test_boxes_held_before_a_restart_are_hedged_and_guarded(world):
    pair = make_pair()
    w = world(pair)
    hold(w, pair.a.yes_id, "40.00", "0.4500")
    hold(w, pair.b.no_id, "40.00", "0.5000")
    # the mirrored box has the edge now: it would buy the other side of what is held
    w.book(0, pair.a, [("0.56", "100")], [("0.57", "100")])
    w.book(0.1, pair.b, [("0.43", "90")], [("0.44", "90")])
    w.run()
    assert w.strategy.pairs[0].hedged == ["GAME.adopted"] or w.phases() == ["flat"]
    opened = [d for d in w.taken if d.kind == "open"]
    assert opened == []
    assert "holds_other_side" in w.reasons


def test_a_single_leg_held_before_a_restart_is_hedged(world):
    pair = make_pair()
    w = world(pair)
    hold(w, pair.a.yes_id, "40.00", "0.4500")
    seed(w, pair)
    seed(w, pair, 6)
    seed(w, pair, 12)
    w.run()
    assert ("PGAME-NO", "BUY", D("0.5"), D(40)) in w.fills()
    assert w.phases()[0] == "hedged"


def test_both_boxes_held_at_once_stop_the_pair(world):
    pair = make_pair()
    w = world(pair)
    for name in (pair.a.yes_id, pair.a.no_id):
        hold(w, name, "40.00", "0.4500")
    seed(w, pair).run()
    assert set(w.reasons) == {"pair_busy"}


def test_a_reverted_fill_is_hedged_again_at_once(world):
    pair = make_pair()
    w = seed(world(pair), pair)
    bus, seen = w.engine.kernel.msgbus, []

    def take_back(message):
        if seen or not w.filled or len(w.filled) < 2:
            return
        fill = next(f for f in w.filled if f.instrument_id.symbol.value == "PGAME-NO")
        seen.append(fill)
        bus.publish(
            f"data.{FILL_REVERTED.topic}",
            FillReverted(
                venue="POLYMARKET",
                instrument=fill.instrument_id.value,
                strategy_id=fill.strategy_id.value,
                client_order_id=fill.client_order_id.value,
                venue_order_id="V",
                trade_id=fill.trade_id.value,
                venue_trade_id="T",
                side="BUY",
                quantity=str(fill.last_qty),
                price=str(fill.last_px),
                commission=str(fill.commission.as_decimal()),
                ts_event=T0,
                ts_init=T0,
            ),
        )

    w.book(1, pair.b, [("0.50", "900")], [("0.51", "50")])
    bus.subscribe(f"data.{DecisionMessage.data_type().topic}", take_back)
    w.run()
    assert len(seen) == 1
    assert any("role:complete" in tags or "role:unwind" in tags for tags in w.tags())
    box = w.strategy.desk.boxes["GAME.1"].box
    assert box.excess[1] == 0
    held = w.strategy.pairs[0].a.outcomes.held_u(Outcome.YES)
    assert held == box.legs[0].net_u


def test_a_fill_that_comes_after_the_end_reopens_the_box(world):
    """The venue said that nothing filled, and reports a fill later: it is held, so it counts."""
    pair = make_pair()
    w = seed(world(pair, misses={("PGAME-NO", "BUY", 1)}), pair).run()
    handle, desk = w.strategy.pairs[0], w.strategy.desk
    assert w.phases()[0] == "flat"
    handle.a.seen_ns = handle.b.seen_ns = 1  # the books are old by now: nothing is sent blindly
    box = desk.boxes["GAME.1"]
    late = SimpleNamespace(
        client_order_id=ClientOrderId(box.order_ids[0]),
        last_qty=Quantity.from_str("30.00"),
        last_px=Price.from_str("0.5000"),
        commission=None,
    )
    assert desk.filled(late, is_closed=True)
    assert box.box.phase.value == "exposed"
    assert (handle.box_id, handle.b.outcomes.held_u(Outcome.NO)) == ("GAME.1", 30_000_000)
    assert w.strategy.exposure.paid_u("GAME.1") == (0, 15_000_000)
    assert box.timer is not None


def test_fills_of_others_are_left_alone(world):
    pair = make_pair()
    w = seed(world(pair), pair).run()
    stranger = SimpleNamespace(client_order_id=ClientOrderId("EXTERNAL-1"))
    assert not w.strategy.desk.filled(stranger, is_closed=True)
    assert not w.strategy.desk.reverted("EXTERNAL-1", 5, 5)
    w.strategy.desk.closed(ClientOrderId("EXTERNAL-1"))
    w.strategy.desk.unknown(ClientOrderId("EXTERNAL-1"))
    assert w.phases()[0] == "hedged"


def test_one_market_in_two_pairs_stops_the_strategy(world):
    """Two sessions of one pair in one run would count the same liquidity twice."""
    one = make_pair(session="s1")
    two = make_pair(session="s2")
    w = world(one, pairs_json=World.text(one, two))
    assert seed(w, one).run().decisions == []


@pytest.mark.parametrize(("bad", "reason"), [((), "stale_leg"), (("PGAME-YES",), "stale_leg")])
def test_a_feed_that_is_down_is_not_traded_on(world, bad, reason):
    pair = make_pair()
    w = world(pair)
    w.strategy.on_data(
        FeedHealth(venue="POLYMARKET", feed="market-data", state="recovering", bad=bad)
    )
    assert set(seed(w, pair).run().reasons) == {reason}


def test_a_bad_book_of_another_market_does_not_matter(world):
    pair = make_pair()
    w = world(pair)
    health = FeedHealth(venue="POLYMARKET", feed="market-data", state="recovering", bad=("OTHER",))
    w.strategy.on_data(health)
    assert len(seed(w, pair).run().taken) == 1
    assert FEED_HEALTH.type is FeedHealth


def test_fees_change_when_they_were_announced_to(world):
    """Free until ten seconds in; then 0.07 leaves no edge in the same books."""
    change = datetime.fromtimestamp(T0 // 10**9, tz=UTC) + timedelta(seconds=10)
    free = KalshiFees(
        "quadratic", D(0), regime="2026q3", changes=(KalshiFeeChange(change, "quadratic", D(1)),)
    )
    pair = make_pair(a={"fees": free})
    w = world(pair)
    for t in (0, 20):
        w.book(t, pair.a, [("0.46", "9")], [("0.48", "9")])
        w.book(t + 0.1, pair.b, [("0.50", "9")], [("0.51", "9")])
    w.run()
    assert len(w.taken) == 1
    assert w.decisions[-1].ts_ns < T0 + 10 * 10**9


def test_symbols_with_a_dot_share_a_topic_and_are_told_apart(world):
    """KXBTCD-26JAN3117-T84749.99: Nautilus publishes such symbols under their root."""
    one = make_pair("X-T1.99")
    two = make_pair("X-T1.49")
    w = world(one, two)
    w.book(0, one.a, *A_BOOK).book(0.1, one.b, *B_BOOK)
    poor = [("0.46", "100")], [("0.47", "100")]
    w.book(0.2, two.a, *poor).book(0.3, two.b, *poor)
    w.run()
    assert [d.pair_id for d in w.taken] == ["X-T1.99"]
    assert w.counters.updates == 4


def test_a_stale_book_is_refused(world):
    pair = make_pair()
    w = world(pair)
    w.book(0, pair.b, *B_BOOK).book(40, pair.a, *A_BOOK)
    assert w.run().reasons == ["stale_leg"]


def test_messages_round_trip(world):
    pair = make_pair()
    w = seed(world(pair), pair).run()
    message = DecisionMessage(w.decisions[0])
    assert DecisionMessage.from_dict(message.to_dict()).decision == w.decisions[0]
    assert DecisionMessage.from_bytes(message.to_bytes()).decision == w.decisions[0]
    assert message.ts_event == message.ts_init == w.decisions[0].ts_ns
    assert "GAME#1" in repr(message)
    counters = Counters(updates=3, gate_misses=1, gate_hits=2, taken=1, refused={"locked": 1})
    told = CountersMessage("S", counters, 5)
    assert CountersMessage.from_dict(told.to_dict()).counters == counters
    assert told.ts_event == told.ts_init == 5
    assert "gate_misses=1" in repr(told)


def test_counters_are_published_while_running(world):
    pair = make_pair()
    w = world(pair, counters_every_ms=1_000)
    seen = []
    topic = f"data.{CountersMessage.data_type().topic}"
    w.engine.kernel.msgbus.subscribe(topic, lambda m: seen.append(m.counters.updates))
    for t in range(4):
        seed(w, pair, t, b=([("0.44", "9")], [("0.51", "9")]))
    w.run()
    assert seen[-1] == 8
    assert len(seen) >= 3
