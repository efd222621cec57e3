"""The two-leg machine: paths, races in both orders, and invariants over random histories."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from core.contracts import Side
from core.hedge import HedgeChoice
from core.legs import (
    END,
    TABLE,
    AskHedge,
    Cancel,
    Event,
    Finished,
    ImpossibleEvent,
    Kind,
    Phase,
    Place,
    Query,
    Rules,
    SaveIntent,
    SetDeadline,
    new_box,
    step,
)

LOT = 10_000
SIZE = 100 * LOT
RULES = Rules(lot_u=LOT)
LIMITS = (450_000, 500_000)
SAVED = Event(Kind.INTENT_SAVED)


def fill(leg, size=SIZE, side=Side.BUY):
    return Event(Kind.FILL, leg=leg, size_u=size, side=side)


def closed(leg):
    return Event(Kind.CLOSED, leg=leg)


def hedge(choice, size=0):
    return Event(Kind.HEDGE, choice=choice, size_u=size, limits_u=LIMITS)


def play(*events, first=0):
    box, actions = new_box(SIZE, LIMITS, first, RULES)
    assert actions == [SaveIntent()]
    for event in events:
        box, actions = step(box, event)
    return box, actions


def test_every_cell_is_filled():
    assert set(TABLE) == {(phase, kind) for phase in Phase for kind in Kind}


def test_nothing_is_sent_before_the_intent_is_saved():
    box, actions = play(Event(Kind.INTENT_FAILED))
    assert (box.phase, actions) == (Phase.FLAT, [Finished(Phase.FLAT)])
    assert not any(leg.live for leg in box.legs)


def test_the_second_leg_follows_the_first():
    box, actions = play(SAVED)
    assert actions[0] == Place(0, Side.BUY, SIZE, 450_000, "open")
    box, actions = play(SAVED, fill(0), closed(0))
    assert actions[0] == Place(1, Side.BUY, SIZE, 500_000, "open")
    box, actions = play(SAVED, fill(0), closed(0), fill(1), closed(1))
    assert (box.phase, actions) == (Phase.HEDGED, [Finished(Phase.HEDGED)])
    assert box.boxes_u == SIZE


def test_the_second_leg_is_sized_from_what_filled():
    _, actions = play(SAVED, fill(1, 30 * LOT + 1), closed(1), first=1)
    assert actions[0] == Place(0, Side.BUY, 30 * LOT, 450_000, "open")


def test_a_first_leg_that_misses_leaves_nothing():
    box, actions = play(SAVED, closed(0))
    assert (box.phase, actions) == (Phase.FLAT, [Finished(Phase.FLAT)])


def test_both_legs_at_once():
    box, actions = play(SAVED, first=None)
    assert [a.leg for a in actions if isinstance(a, Place)] == [0, 1]
    for order in ((0, 1), (1, 0)):
        box, actions = play(
            SAVED, fill(order[0]), fill(order[1]), closed(order[0]), closed(order[1]), first=None
        )
        assert box.phase is Phase.HEDGED


@pytest.mark.parametrize("missing", [0, 1])
def test_a_missing_leg_asks_what_to_do(missing):
    filled = 1 - missing
    box, actions = play(SAVED, fill(filled), closed(filled), closed(missing), first=filled)
    assert (box.phase, actions) == (Phase.EXPOSED, [AskHedge(filled, SIZE)])


EXPOSED = (SAVED, fill(0), closed(0), closed(1))


def test_completing_closes_the_gap():
    box, actions = play(*EXPOSED, hedge(HedgeChoice.COMPLETE))
    assert actions[0] == Place(1, Side.BUY, SIZE, 500_000, "complete")
    box, _ = play(*EXPOSED, hedge(HedgeChoice.COMPLETE), fill(1), closed(1))
    assert (box.phase, box.attempts) == (Phase.HEDGED, 1)


def test_unwinding_sells_only_what_is_held():
    box, actions = play(*EXPOSED, hedge(HedgeChoice.UNWIND, 10 * SIZE))
    assert actions[0] == Place(0, Side.SELL, SIZE, 450_000, "unwind")
    box, _ = play(*EXPOSED, hedge(HedgeChoice.UNWIND), fill(0, SIZE, Side.SELL), closed(0))
    assert box.phase is Phase.FLAT


def test_a_part_filled_second_leg_keeps_its_boxes():
    box, actions = play(SAVED, fill(0), closed(0), fill(1, 40 * LOT), closed(1))
    assert actions == [AskHedge(0, 60 * LOT)]
    box, _ = step(box, hedge(HedgeChoice.UNWIND))
    box, _ = step(box, fill(0, 60 * LOT, Side.SELL))
    box, _ = step(box, closed(0))
    assert (box.phase, box.boxes_u) == (Phase.HEDGED, 40 * LOT)


def test_a_sale_that_nobody_takes_pauses_instead_of_spinning():
    box, actions = play(*EXPOSED, hedge(HedgeChoice.UNWIND), closed(0))
    assert (box.phase, actions) == (Phase.EXPOSED, [SetDeadline(RULES.wait_ns)])
    box, actions = step(box, Event(Kind.DEADLINE))
    assert actions == [AskHedge(0, SIZE)]


def test_waiting_and_holding_come_back():
    for choice, phase, delay in (
        (HedgeChoice.WAIT, Phase.EXPOSED, RULES.wait_ns),
        (HedgeChoice.HOLD, Phase.HOLDING, RULES.hold_ns),
    ):
        box, actions = play(*EXPOSED, hedge(choice))
        assert (box.phase, actions) == (phase, [SetDeadline(delay)])
        box, actions = step(box, Event(Kind.DEADLINE))
        assert (box.phase, actions) == (Phase.EXPOSED, [AskHedge(0, SIZE)])


def test_an_unknown_first_leg_freezes_the_box():
    box, actions = play(SAVED, Event(Kind.UNKNOWN, leg=0))
    assert box.phase is Phase.FROZEN
    assert actions[0] == Query(0)
    assert play(SAVED, Event(Kind.UNKNOWN, leg=0), closed(0))[0].phase is Phase.FLAT
    box, actions = play(SAVED, Event(Kind.UNKNOWN, leg=0), fill(0), closed(0))
    assert box.phase is Phase.WORKING
    assert actions[0] == Place(1, Side.BUY, SIZE, 500_000, "open")


def test_a_deadline_never_decides_an_unknown():
    box, actions = play(SAVED, Event(Kind.UNKNOWN, leg=0), Event(Kind.DEADLINE))
    assert box.phase is Phase.FROZEN
    assert Query(0) in actions
    assert not any(isinstance(a, Place) for a in actions)


def test_an_overdue_order_is_cancelled_and_asked_for():
    box, actions = play(SAVED, Event(Kind.DEADLINE))
    assert box.phase is Phase.FROZEN
    assert actions[:2] == [Cancel(0), Query(0)]


@pytest.mark.parametrize("known_first", [0, 1])
def test_a_box_thaws_only_when_both_are_known(known_first):
    unknown = [Event(Kind.UNKNOWN, leg=i) for i in (0, 1)]
    box, _ = play(SAVED, *unknown, fill(0), fill(1), closed(known_first), first=None)
    assert box.phase is Phase.FROZEN
    box, _ = step(box, closed(1 - known_first))
    assert box.phase is Phase.HEDGED


def test_the_end_of_an_order_told_twice_counts_once():
    box, _ = play(SAVED, fill(0), closed(0))
    again, actions = step(box, closed(0))
    assert (again, actions) == (box, [])


def test_a_fill_that_comes_late_is_never_lost():
    box, _ = play(SAVED, closed(0))
    assert box.phase is Phase.FLAT
    box, actions = step(box, fill(0, 7 * LOT))
    assert (box.phase, actions) == (Phase.EXPOSED, [AskHedge(0, 7 * LOT)])
    box, actions = step(box, fill(1, 7 * LOT))
    assert (box.phase, box.boxes_u) == (Phase.HEDGED, 7 * LOT)


def test_an_overfill_is_hedged():
    _box, actions = play(SAVED, fill(0), closed(0), fill(1, SIZE + 5 * LOT), closed(1))
    assert actions == [AskHedge(1, 5 * LOT)]


def test_a_reverted_fill_exposes_the_other_leg_at_once():
    box, _ = play(SAVED, fill(0), closed(0), fill(1), closed(1))
    box, actions = step(box, Event(Kind.REVERTED, leg=1, size_u=SIZE))
    assert (box.phase, actions) == (Phase.EXPOSED, [AskHedge(0, SIZE)])


def test_a_fill_reverted_after_its_unwind_has_nothing_to_sell():
    box, _ = play(*EXPOSED, hedge(HedgeChoice.UNWIND), fill(0, SIZE, Side.SELL), closed(0))
    box, _ = step(box, Event(Kind.REVERTED, leg=0, size_u=SIZE))
    assert box.phase is Phase.FLAT


HEDGED = (SAVED, fill(0), closed(0), fill(1), closed(1))


@pytest.mark.parametrize("first", [0, 1])
def test_a_box_is_sold_back_one_leg_after_the_other(first):
    second = 1 - first
    box, actions = play(*HEDGED, Event(Kind.CLOSE, leg=first, size_u=SIZE, limits_u=LIMITS))
    assert actions[0] == Place(first, Side.SELL, SIZE, LIMITS[first], "close")
    box, _ = step(box, fill(first, 60 * LOT, Side.SELL))
    box, actions = step(box, closed(first))
    assert actions[0] == Place(second, Side.SELL, 60 * LOT, LIMITS[second], "close")
    box, _ = step(box, fill(second, 60 * LOT, Side.SELL))
    box, _ = step(box, closed(second))
    assert (box.phase, box.boxes_u) == (Phase.HEDGED, 40 * LOT)


def test_a_close_whose_first_leg_misses_changes_nothing():
    box, _ = play(*HEDGED, Event(Kind.CLOSE, leg=1, size_u=SIZE, limits_u=LIMITS))
    box, actions = step(box, closed(1))
    assert (box.phase, box.boxes_u, actions) == (Phase.HEDGED, SIZE, [Finished(Phase.HEDGED)])
    assert box.to_sell is None  # or a later sale would go on with the limit of this one


def test_a_close_whose_second_leg_misses_is_decided():
    box, _ = play(*HEDGED, Event(Kind.CLOSE, leg=0, size_u=SIZE, limits_u=LIMITS))
    box, _ = step(box, fill(0, SIZE, Side.SELL))
    box, _ = step(box, closed(0))
    box, actions = step(box, closed(1))
    assert (box.phase, actions) == (Phase.EXPOSED, [AskHedge(1, SIZE)])


def test_an_unknown_close_freezes_and_goes_on_where_it_was():
    box, _ = play(*HEDGED, Event(Kind.CLOSE, leg=0, size_u=SIZE, limits_u=LIMITS))
    box, _ = step(box, Event(Kind.UNKNOWN, leg=0))
    assert box.phase is Phase.FROZEN
    box, _ = step(box, fill(0, SIZE, Side.SELL))
    box, actions = step(box, closed(0))
    assert box.phase is Phase.CLOSING
    assert actions[0] == Place(1, Side.SELL, SIZE, LIMITS[1], "close")


def test_a_close_of_less_than_a_lot_is_nothing():
    before, _ = play(*HEDGED)
    assert step(before, Event(Kind.CLOSE, size_u=LOT - 1, limits_u=LIMITS)) == (before, [])


def test_settlement_ends_a_box():
    hedged = (SAVED, fill(0), closed(0), fill(1), closed(1))
    assert play(*hedged, Event(Kind.SETTLED))[0].phase is Phase.SETTLED
    assert play(*EXPOSED, Event(Kind.SETTLED))[0].phase is Phase.SETTLED


def test_bugs_of_ours_are_loud():
    with pytest.raises(ImpossibleEvent, match="fill in phase planned"):
        play(fill(0))
    with pytest.raises(ValueError, match="size_u: found 0"):
        new_box(0, LIMITS, 0, RULES)


class Boxes(RuleBasedStateMachine):
    """A venue that may do anything a venue can do, and a strategy that answers."""

    def __init__(self):
        super().__init__()
        self.asked = None
        self.history = []

    @initialize(first=st.sampled_from([0, 1, None]))
    def begin(self, first):
        self.box, actions = new_box(SIZE, LIMITS, first, RULES)
        self.take(actions)
        self.send(SAVED)

    def send(self, event):
        self.history.append(event)
        self.box, actions = step(self.box, event)
        self.take(actions)

    def take(self, actions):
        for action in actions:
            if isinstance(action, AskHedge):
                self.asked = action
            if isinstance(action, Place):
                assert action.size_u > 0
                if action.side is Side.SELL:
                    assert action.size_u <= self.box.legs[action.leg].net_u
        places = [a for a in actions if isinstance(a, Place)]
        assert len({p.leg for p in places}) == len(places)

    def live(self, leg):
        return self.box.legs[leg].live

    @precondition(lambda self: self.box.live_legs)
    @rule(data=st.data())
    def part_fill(self, data):
        leg = data.draw(st.sampled_from(self.box.live_legs))
        left = self.live(leg).size_u - self.live(leg).filled_u
        if left > 0:
            size = data.draw(st.sampled_from(sorted({left, max(1, left // 3), min(left, LOT)})))
            self.send(fill(leg, size, self.live(leg).side))

    @precondition(lambda self: self.box.live_legs)
    @rule(data=st.data())
    def order_closes(self, data):
        self.send(closed(data.draw(st.sampled_from(self.box.live_legs))))

    @precondition(lambda self: self.box.live_legs)
    @rule(data=st.data())
    def nobody_knows(self, data):
        self.send(Event(Kind.UNKNOWN, leg=data.draw(st.sampled_from(self.box.live_legs))))

    @rule()
    def time_passes(self):
        self.send(Event(Kind.DEADLINE))

    @rule(leg=st.sampled_from([0, 1]))
    def told_again(self, leg):
        if self.live(leg) is None:
            self.send(closed(leg))

    @precondition(lambda self: self.box.phase in {Phase.EXPOSED, Phase.HOLDING})
    @rule(choice=st.sampled_from(list(HedgeChoice)), part=st.sampled_from([1, 2, 3]))
    def hedges(self, choice, part):
        _leg, size = self.box.excess
        self.send(hedge(choice, max(LOT, size // part)))

    @precondition(lambda self: self.box.phase is Phase.HEDGED)
    @rule(first=st.sampled_from([0, 1]), part=st.sampled_from([1, 3]))
    def sells_back(self, first, part):
        size = self.box.boxes_u // part
        self.send(Event(Kind.CLOSE, leg=first, size_u=size, limits_u=LIMITS))

    @precondition(lambda self: any(leg.bought_u for leg in self.box.legs))
    @rule(data=st.data())
    def venue_takes_back(self, data):
        legs = [i for i, leg in enumerate(self.box.legs) if leg.bought_u]
        leg = data.draw(st.sampled_from(legs))
        self.send(Event(Kind.REVERTED, leg=leg, size_u=min(LOT, self.box.legs[leg].bought_u)))

    @invariant()
    def filled_within_ordered(self):
        if not hasattr(self, "box"):
            return
        for leg in self.box.legs:
            assert leg.bought_u <= leg.ordered_buy_u
            assert leg.sold_u <= leg.ordered_sell_u

    @invariant()
    def frozen_means_unknown(self):
        if not hasattr(self, "box"):
            return
        if self.box.phase is Phase.FROZEN:
            assert self.box.live_legs
        if any(leg.live and leg.live.unknown for leg in self.box.legs):
            assert self.box.phase is Phase.FROZEN

    @invariant()
    def rest_means_rest(self):
        if not hasattr(self, "box"):
            return
        if self.box.phase in END:
            assert not self.box.live_legs
            assert self.box.excess[1] == 0

    def teardown(self):
        """From here, with the venue healed, the box comes to rest."""
        if not hasattr(self, "box"):
            return
        for _ in range(60):
            if self.box.phase in END:
                return
            if self.box.live_legs:
                leg = self.box.live_legs[0]
                order = self.live(leg)
                left = order.size_u - order.filled_u
                if left > 0:
                    self.send(fill(leg, left, order.side))
                self.send(closed(leg))
            elif self.box.phase in {Phase.EXPOSED, Phase.HOLDING}:
                leg, size = self.box.excess
                self.send(hedge(HedgeChoice.UNWIND, size))
            else:
                self.send(Event(Kind.DEADLINE))
        raise AssertionError(f"stuck in {self.box}")


Boxes.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestBoxes = Boxes.TestCase
