"""Limits, capital, consumption, the outcome guard, policy, intents, decisions."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.capital import CapitalError, CapitalLedger
from core.consumption import Consumption
from core.contracts import Direction, Outcome, Side, Venue
from core.decisions import Decision, DecisionDigest, DecisionLeg, Level, decode, encode
from core.intents import Intent, IntentLeg, Known, NullSink, recover
from core.intents import decode as decode_intent
from core.intents import encode as encode_intent
from core.limits import Approved, BoxOrder, Exposure, Limits, Refused, budget, check
from core.outcome_market import GuardError, OutcomeMarket
from core.policy import Odds, Policy
from core.reasons import Reason

D = Decimal
UNIT = 1_000_000
ACCOUNT = ("KALSHI", 0)


# -- limits -----------------------------------------------------------------------------------

ORDER = BoxOrder((D(45), D(50)), D(3))


@pytest.mark.parametrize(
    ("limits", "exposure", "reason"),
    [
        ({}, {}, None),
        ({"box_cost_max": D(94)}, {}, Reason.LIMIT_BOX),
        ({"box_cost_max": D(95)}, {}, None),
        ({"open_boxes_max": 3}, {"open_boxes": 3}, Reason.LIMIT_BOX),
        ({"pair_cost_max": D(100)}, {"pair_cost": D(6)}, Reason.LIMIT_PAIR),
        ({"venue_cost_max": D(50)}, {"venue_cost": (D(0), D(1))}, Reason.LIMIT_VENUE),
        ({"total_cost_max": D(100)}, {"total_cost": D("5.01")}, Reason.LIMIT_TOTAL),
        ({"family_loss_max": D(5)}, {"family_loss": D("2.5")}, Reason.LIMIT_FAMILY),
        ({"day_loss_max": D(60)}, {"day_loss": D(11)}, Reason.LIMIT_LOSS),
        ({"orders_per_minute_max": 5}, {"orders_last_minute": 4}, Reason.LIMIT_RATE),
    ],
)
def test_each_limit_refuses_with_its_reason(limits, exposure, reason):
    verdict = check(ORDER, Exposure(**exposure), Limits(**limits))
    if reason is None:
        assert isinstance(verdict, Approved)
    else:
        assert isinstance(verdict, Refused)
        assert verdict.reason is reason
        assert "allowed" in verdict.detail


def test_the_budget_is_the_tightest_limit():
    limits = Limits(box_cost_max=D(100), pair_cost_max=D(120))
    assert budget(Exposure(pair_cost=D(50)), limits) == (D(70), Reason.LIMIT_PAIR)
    assert budget(Exposure(), limits) == (D(100), Reason.LIMIT_BOX)


@pytest.mark.parametrize("field", ["box_cost_max", "family_loss_max", "open_boxes_max"])
def test_negative_limits_are_refused(field):
    with pytest.raises(ValueError, match=f"{field}: found -1"):
        Limits(**{field: -1})


# -- capital ----------------------------------------------------------------------------------


def test_cash_in_flight_is_not_spent_twice():
    ledger = CapitalLedger()
    ledger.set_cash(ACCOUNT, 100)
    ledger.reserve("a", ACCOUNT, 60)
    assert ledger.free_u(ACCOUNT) == 40
    with pytest.raises(CapitalError, match=r"free \$0\.00004"):
        ledger.reserve("b", ACCOUNT, 41)
    ledger.spend("a", 50)  # a fill: the venue's cash falls by the same
    ledger.set_cash(ACCOUNT, 50)
    assert ledger.free_u(ACCOUNT) == 40
    ledger.release("a")
    ledger.release("a")
    assert ledger.free_u(ACCOUNT) == 50


@pytest.mark.parametrize(("order", "amount"), [("a", 1), ("b", -1)])
def test_wrong_reservations_change_nothing(order, amount):
    ledger = CapitalLedger()
    ledger.set_cash(ACCOUNT, 100)
    ledger.reserve("a", ACCOUNT, 10)
    with pytest.raises(CapitalError):
        ledger.reserve(order, ACCOUNT, amount)
    assert ledger.free_u(ACCOUNT) == 90


def test_shards_have_their_own_cash():
    ledger = CapitalLedger()
    ledger.set_cash(("KALSHI", 3), 100)
    assert ledger.free_u(("KALSHI", 3)) == 100
    assert ledger.free_u(("KALSHI", 0)) == 0


operations = st.lists(
    st.tuples(
        st.sampled_from(["reserve", "spend", "release"]), st.integers(0, 5), st.integers(0, 60)
    ),
    max_size=40,
)


@given(operations)
def test_free_cash_is_never_more_than_cash_less_reservations(steps):
    ledger = CapitalLedger()
    ledger.set_cash(ACCOUNT, 100)
    for kind, order, amount in steps:
        if kind == "reserve":
            try:
                ledger.reserve(str(order), ACCOUNT, amount)
            except CapitalError:
                continue
        elif kind == "spend":
            ledger.spend(str(order), amount)
        else:
            ledger.release(str(order))
        held = sum(r.amount_u for r in ledger.reservations().values())
        assert ledger.free_u(ACCOUNT) == 100 - held
        assert held >= 0


# -- consumption ------------------------------------------------------------------------------


def asks(*levels):
    return tuple((p * 10_000, s) for p, s in levels)


@pytest.mark.parametrize(
    ("shown", "left"),
    [
        (asks((45, 100), (46, 50)), asks((45, 60), (46, 50))),  # repeated: ours is gone
        (asks((45, 90)), asks((45, 50))),  # shrank by less than ours
        (asks((45, 60)), asks((45, 60))),  # shrank by ours: the venue shows our fill
        (asks((45, 140)), asks((45, 100))),  # grew by just what we took: still ours
        (asks((45, 141)), asks((45, 141))),  # grew by more: new size
        (asks((46, 50)), asks((46, 50))),  # the level is gone
        ((), ()),
    ],
)
def test_what_we_took_stays_taken(shown, left):
    side = Consumption(asks=True)
    side.take(450_000, 40, 100)
    assert side.apply(shown) == left


def test_a_level_that_was_gone_is_new_when_it_returns():
    side = Consumption(asks=True)
    side.take(450_000, 100, 100)
    assert side.apply(asks((45, 100))) == ()
    side.apply(asks((46, 10)))
    assert side.apply(asks((45, 100))) == asks((45, 100))
    assert not side


def test_a_hidden_level_is_remembered():
    """A better price on top hides our level in a top-of-book feed; it is not gone."""
    side = Consumption(asks=True)
    side.take(450_000, 100, 100)
    side.apply(asks((44, 10)))
    assert side.apply(asks((45, 100))) == ()
    bids = Consumption(asks=False)
    bids.take(450_000, 100, 100)
    bids.apply(((460_000, 10),))
    assert bids.apply(((450_000, 100),)) == ()
    bids.apply(((440_000, 10),))
    assert bids.apply(((450_000, 100),)) == ((450_000, 100),)


# -- outcome market ---------------------------------------------------------------------------


def test_entries_are_buys_and_exits_are_reduce_only_sells():
    market = OutcomeMarket("Y.K", "N.K")
    assert market.entry(Outcome.NO, 5) == ("N.K", Outcome.NO, Side.BUY, 5, False)
    market.apply(Outcome.NO, Side.BUY, 5)
    assert market.exit(Outcome.NO, 3) == ("N.K", Outcome.NO, Side.SELL, 3, True)


def test_never_buy_one_side_while_long_the_other():
    market = OutcomeMarket("Y.K", "N.K")
    market.apply(Outcome.YES, Side.BUY, 5)
    assert not market.may_buy(Outcome.NO)
    with pytest.raises(GuardError, match="sell them instead"):
        market.entry(Outcome.NO, 1)
    market.apply(Outcome.YES, Side.SELL, 5)
    assert market.may_buy(Outcome.NO)


@pytest.mark.parametrize("size", [0, -1, 6])
def test_nothing_is_sold_that_is_not_held(size):
    market = OutcomeMarket("Y.K", "N.K")
    market.apply(Outcome.YES, Side.BUY, 5)
    with pytest.raises(GuardError):
        market.exit(Outcome.YES, size)


def test_settlement_empties_the_market():
    market = OutcomeMarket("Y.K", "N.K")
    market.apply(Outcome.YES, Side.BUY, 5)
    market.settle()
    assert market.held_u(Outcome.YES) == 0
    assert market.instrument(Outcome.NO) == "N.K"
    with pytest.raises(GuardError):
        market.entry(Outcome.NO, 0)


# -- policy -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"age_ms_max": 0}, "age_ms_max: found 0"),
        ({"size_max": D(1)}, "size_max: found 1"),
        ({"rate_year": D(-1)}, "rate_year: found -1"),
        ({"checks_off": (Reason.NO_CASH,)}, "checks_off: found 'no_cash', allowed"),
        ({"odds": {}}, "odds: KALSHI is missing"),
        ({"age_ms_by_venue": {Venue.KALSHI: 0}}, "age_ms_by_venue.KALSHI: found 0"),
    ],
)
def test_policies_out_of_range_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Policy(**changes)


def test_odds_are_probabilities():
    with pytest.raises(ValueError, match="first: found 0"):
        Odds(D(0), D(1))


def test_a_policy_round_trips_through_json():
    policy = Policy(checks_off=(Reason.CROSSED,), limits=Limits(box_cost_max=D(10)))
    assert msgspec.json.decode(msgspec.json.encode(policy), type=Policy) == policy


def test_a_policy_refuses_unknown_fields():
    with pytest.raises(msgspec.ValidationError, match="colour"):
        msgspec.json.decode(b'{"colour": 1}', type=Policy)


# -- intents ----------------------------------------------------------------------------------


def intent():
    leg = IntentLeg(
        leg=0,
        venue=Venue.KALSHI,
        instrument="K-YES.KALSHI",
        outcome=Outcome.YES,
        side=Side.BUY,
        size=D("10.000000"),
        limit_price=D("0.450000"),
        role="open",
        client_order_id="O-1",
    )
    return Intent(
        box_id="P.1",
        pair_id="P",
        decision_id="P#1",
        strategy="S",
        direction=Direction.YES_NO,
        ts_ns=1,
        legs=(leg, msgspec.structs.replace(leg, leg=1, client_order_id="O-2")),
    )


def test_intents_round_trip():
    assert decode_intent(encode_intent(intent())) == intent()
    assert NullSink().save(intent())
    NullSink().close("P.1", "flat", 2)


def test_recovery_asks_before_it_acts():
    answers = {"O-1": (Known.FILLED, D(10))}
    assert [(r.client_order_id, r.action, r.filled) for r in recover([intent()], answers)] == [
        ("O-1", "account", D(10)),
        ("O-2", "ask", D(0)),
    ]
    rows = {"O-1": (Known.OPEN, D(3)), "O-2": (Known.NEVER_SEEN, D(0))}
    assert [r.action for r in recover([intent()], rows)] == ["cancel", "drop"]
    closed = {"O-1": (Known.CLOSED, D(3)), "O-2": (Known.UNKNOWN, D(0))}
    assert [r.action for r in recover([intent()], closed)] == ["account", "ask"]


# -- decisions --------------------------------------------------------------------------------


def decision(seq=1):
    leg = DecisionLeg(
        venue=Venue.KALSHI,
        instrument="K-YES.KALSHI",
        outcome=Outcome.YES,
        side=Side.BUY,
        ladder=(Level(D("0.450000"), D("100.000000")),),
        age_ns=5,
        cash=D("10.000000"),
    )
    zero = D("0.000000")
    return Decision(
        decision_id=f"P#{seq}",
        seq=seq,
        ts_ns=seq,
        strategy="S",
        pair_id="P",
        kind="open",
        direction=Direction.YES_NO,
        outcome="refused",
        reason=Reason.NO_CASH,
        legs=(leg, leg),
        gross_edge=zero,
        fees=zero,
        net_edge=zero,
        required_edge=zero,
    )


def test_decisions_round_trip_and_keep_six_places():
    data = encode(decision())
    assert b'"0.450000"' in data
    assert decode(data) == decision()


def test_the_digest_knows_order_and_content():
    def digest(*rows):
        total = DecisionDigest()
        for row in rows:
            total.add(row)
        assert total.count == len(rows)
        return total.hexdigest()

    one, two = decision(1), decision(2)
    assert digest(one, two) == digest(one, two)
    assert len({digest(one, two), digest(two, one), digest(one), digest()}) == 4
