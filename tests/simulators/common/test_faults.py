"""Fault plans, the message pipe, switches, seeded draws, clocks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.clock import RealClock, VirtualClock
from simulators.faults import (
    CONNECT_KINDS,
    MESSAGE_KINDS,
    REQUEST_KINDS,
    Fault,
    FaultPlan,
    add_unknown_fields,
)
from simulators.pipe import MessagePipe
from simulators.seeds import between, chance, draw, uuid_of
from simulators.switches import Switch, Switches


def hits(plan, scope, count, account=""):
    return [n for n in range(1, count + 1) if plan.hit(scope, account)]


def test_ordinals_count_the_matches_of_a_rule():
    plan = FaultPlan(1, [{"kind": "reject", "scope": "POST /a", "at": [2, 4]}])
    assert hits(plan, "GET /a", 3) == []
    assert hits(plan, "POST /a", 6) == [2, 4]
    assert plan.rules()[0]["matched"] == 6
    assert plan.rules()[0]["hits"] == 2


def test_every_times_and_account():
    rule = {"kind": "reject", "scope": "*", "every": 2, "times": 2, "account": "k1"}
    plan = FaultPlan(1, [rule])
    assert hits(plan, "POST /a", 4, "k2") == []
    assert hits(plan, "POST /a", 9, "k1") == [2, 4]


def test_probability_is_decided_by_seed_and_ordinal_alone():
    rule = {"id": "p", "kind": "drop", "scope": "ws:fill", "probability": 0.3}
    first = hits(FaultPlan(7, [rule]), "ws:fill", 2000)
    mixed = FaultPlan(7, [rule])
    again = []
    for n in range(1, 2001):
        mixed.hit("ws:trade")
        if mixed.hit("ws:fill"):
            again.append(n)
    assert first == again
    assert hits(FaultPlan(8, [rule]), "ws:fill", 2000) != first
    assert 480 < len(first) < 720


def test_patterns_match_methods_and_channels():
    plan = FaultPlan(
        1,
        [
            {"kind": "reject", "scope": "POST *", "every": 1},
            {"kind": "drop", "scope": "ws:*", "every": 1},
        ],
    )
    assert [f.kind for f in plan.hit("POST /portfolio/events/orders")] == ["reject"]
    assert [f.kind for f in plan.hit("ws:fill")] == ["drop"]
    assert plan.hit("GET /markets") == ()


@pytest.mark.parametrize(
    "rule",
    [
        {},
        {"kind": "explode", "scope": "*", "every": 1},
        {"kind": "reject", "every": 1},
        {"kind": "reject", "scope": "POST *"},
        {"kind": "reject", "scope": "POST *", "every": 1, "at": [1]},
        {"kind": "reject", "scope": "POST *", "at": [0]},
        {"kind": "reject", "scope": "POST *", "at": "1"},
        {"kind": "reject", "scope": "POST *", "at": [True]},
        {"kind": "reject", "scope": "POST *", "every": -1},
        {"kind": "reject", "scope": "POST *", "probability": 2},
        {"kind": "reject", "scope": "POST *", "probability": "x"},
        {"kind": "reject", "scope": "POST *", "every": 1, "params": []},
        {"kind": "reject", "scope": "POST *", "every": 1, "colour": "red"},
        {"kind": "drop", "scope": "POST *", "every": 1},
        {"kind": "accept_then_5xx", "scope": "ws:fill", "every": 1},
        {"kind": "duplicate", "scope": "ws:connect", "every": 1},
    ],
)
def test_a_bad_rule_is_refused_and_the_plan_stays(rule):
    plan = FaultPlan(1)
    good = {"kind": "reject", "scope": "POST *", "every": 1}
    with pytest.raises(ValueError, match="fault rule"):
        plan.extend([good, rule])
    assert plan.rules() == []


def test_rules_can_be_replaced_removed_and_cleared():
    plan = FaultPlan(1)
    plan.add({"id": "a", "kind": "reject", "scope": "*", "every": 1})
    plan.add({"id": "a", "kind": "reject", "scope": "*", "every": 3})
    assert [rule["every"] for rule in plan.rules()] == [3]
    assert plan.remove("a")
    assert not plan.remove("a")
    plan.add({"kind": "reject", "scope": "*", "every": 1})
    plan.clear()
    assert plan.hit("POST /x") == ()


def test_every_kind_is_described():
    for table in (REQUEST_KINDS, MESSAGE_KINDS, CONNECT_KINDS):
        assert all(len(text) > 15 for text in table.values())


def test_unknown_fields_reach_every_level_and_keep_the_rest():
    body = {"a": [{"b": 1}], "c": None}
    grown = add_unknown_fields(body, 3)
    assert grown["a"][0]["b"] == 1
    assert "x_unannounced_3" in grown["a"][0]
    assert body == {"a": [{"b": 1}], "c": None}


def fault(kind, **params):
    return Fault(kind, "r", 1, params)


def through(messages):
    pipe, out = MessagePipe(), []
    for message, *faults in messages:
        out += pipe.push(message, faults).messages
    return out, pipe


def test_pipe_without_faults_passes_everything_in_order():
    assert through([(1,), (2,), (3,)])[0] == [1, 2, 3]


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([(1,), (2, fault("drop")), (3,)], [1, 3]),
        ([(1, fault("duplicate")), (2,)], [1, 1, 2]),
        ([(1, fault("reorder")), (2,), (3,)], [2, 1, 3]),
        ([(1, fault("reorder", span=2)), (2,), (3,), (4,)], [2, 3, 1, 4]),
        ([(1, fault("late", messages=3)), (2,), (3,), (4,), (5,)], [2, 3, 4, 1, 5]),
        ([(1, fault("duplicate"), fault("late", messages=1)), (2,)], [2, 1, 1]),
        ([(1, fault("drop"), fault("duplicate")), (2,)], [2]),
        ([(1, fault("half_open")), (2,), (3,)], [1]),
    ],
)
def test_pipe_faults(messages, expected):
    assert through(messages)[0] == expected


def test_pipe_flush_lets_the_held_go():
    out, pipe = through([(1, fault("late", messages=9)), (2,)])
    assert out == [2]
    assert pipe.flush() == [1]
    assert pipe.flush() == []


@given(
    st.lists(
        st.lists(st.sampled_from(["drop", "duplicate", "reorder", "late"]), max_size=2), max_size=40
    )
)
def test_pipe_loses_only_what_is_dropped(kinds):
    messages = [(n, *(fault(kind) for kind in row)) for n, row in enumerate(kinds)]
    out, pipe = through(messages)
    out += pipe.flush()
    for n, row in enumerate(kinds):
        expected = 0 if "drop" in row else 2 if "duplicate" in row else 1
        assert out.count(n) == expected


TABLE = (
    Switch("colour", "red", ("red", "blue"), "why"),
    Switch("on", False, (True, False), "why"),
    Switch("ms", 5, (), "why"),
)


def test_switches_take_allowed_values_only():
    switches = Switches(TABLE, {"colour": "blue"})
    switches.update({"on": True, "ms": 0})
    assert switches.values() == {"colour": "blue", "on": True, "ms": 0}
    assert switches.number("ms") == 0
    assert switches.describe()[2]["allowed"] == "integer >= 0"


@pytest.mark.parametrize(
    "bad", [{"colour": "green"}, {"on": 1}, {"ms": -1}, {"ms": True}, {"ms": "5"}, {"size": 1}]
)
def test_a_bad_switch_changes_nothing(bad):
    switches = Switches(TABLE)
    with pytest.raises(ValueError, match="switch"):
        switches.update({"on": True} | bad)
    assert switches.values() == {"colour": "red", "on": False, "ms": 5}


def test_draws_depend_on_seed_and_key_only():
    assert draw(1, "a", 2) == draw(1, "a", 2)
    assert len({draw(1, "a", n) for n in range(100)}) == 100
    assert draw(1, "a", 23) != draw(1, "a2", 3)
    assert uuid_of(1, "x") == uuid_of(1, "x") != uuid_of(2, "x")
    assert uuid_of(1, "x")[14] == "4"
    assert all(2 <= between(2, 4, 1, n) <= 4 for n in range(50))
    assert not chance(0.0, 1, "x")
    assert chance(1.0, 1, "x")


def test_clocks():
    virtual = VirtualClock(100)
    assert (virtual.now_ns(), virtual.advance(5), virtual.now_ns()) == (100, 105, 105)
    virtual.set(200)
    assert virtual.now_ns() == 200
    for clock in (virtual, RealClock()):
        with pytest.raises(ValueError, match="cannot go back"):
            clock.advance(-1)
        clock.skew_ns = 10**12
        assert clock.wall_ns() - RealClock().wall_ns() > 9 * 10**11
    real = RealClock()
    first = real.now_ns()
    assert real.advance(10**15) >= first + 10**15
    assert real.now_ns() > real.wall_ns()
