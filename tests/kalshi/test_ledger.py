"""The order ledger: laws by example, then a machine that shuffles every delivery."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.common.errors import UsageError
from adapters.common.ledger import (
    Accept,
    Book,
    Close,
    Fill,
    NeedFills,
    OrderLedger,
    Park,
    Phase,
    Reject,
    Resize,
    Revived,
)

D = Decimal


def fill(trade: str, qty: str, *, venue: str = "V1", client: str = "") -> Fill:
    return Fill(trade, venue, D(qty), client)


def sent(quantity: str = "10") -> OrderLedger:
    ledger = OrderLedger()
    ledger.submit("C1", D(quantity))
    return ledger


def test_accepted_once_whoever_says_it() -> None:
    ledger = sent()
    assert ledger.acknowledged("C1", "V1") == [Accept("C1", "V1")]
    assert ledger.acknowledged("C1", "V1") == []


def test_a_fill_with_the_client_id_accepts_before_it_books() -> None:
    ledger = sent()
    effects = ledger.fill(fill("T1", "4", client="C1"))
    assert effects == [Accept("C1", "V1"), Book("C1", fill("T1", "4", client="C1"))]


def test_a_fill_without_client_id_waits_for_the_answer() -> None:
    ledger = sent()
    first = fill("T1", "4")
    assert ledger.fill(first) == [Park(first)]
    assert ledger.fill(first) == [], "parked once"
    assert ledger.acknowledged("C1", "V1") == [Accept("C1", "V1"), Book("C1", first)]
    assert ledger.fill(first) == [], "booked once"


def test_close_waits_for_its_fills() -> None:
    ledger = sent()
    ledger.acknowledged("C1", "V1")
    assert ledger.closed("C1", Phase.CANCELED, D(4)) == [NeedFills("C1", "V1", D(4))]
    assert ledger.fill(fill("T1", "4")) == [
        Book("C1", fill("T1", "4")),
        Close("C1", Phase.CANCELED),
    ]
    assert ledger.closed("C1", Phase.CANCELED, D(4)) == []


def test_a_stale_close_changes_nothing() -> None:
    ledger = sent()
    ledger.acknowledged("C1", "V1")
    ledger.fill(fill("T1", "4"))
    assert ledger.closed("C1", Phase.CANCELED, D(0)) == []
    assert ledger.find(client_id="C1").phase is Phase.WORKING


def test_a_fill_after_the_end_is_booked_all_the_same() -> None:
    ledger = sent()
    ledger.acknowledged("C1", "V1")
    ledger.closed("C1", Phase.CANCELED, D(0))
    assert ledger.fill(fill("T1", "1")) == [Book("C1", fill("T1", "1"))]


def test_a_refusal_of_a_live_order_is_a_contradiction() -> None:
    ledger = sent()
    ledger.acknowledged("C1", "V1")
    assert ledger.refused("C1", "x", "y") == []
    assert sent().refused("C1", "x", "y") == [Reject("C1", "x", "y")]


def test_a_rejected_order_that_fills_is_revived() -> None:
    ledger = sent()
    ledger.given_up("C1")
    effects = ledger.fill(fill("T1", "4", client="C1"))
    assert effects == [Revived("C1", "V1"), Book("C1", fill("T1", "4", client="C1"))]


def test_a_smaller_order_that_filled_is_resized_first() -> None:
    ledger = sent()
    ledger.acknowledged("C1", "V1")
    ledger.fill(fill("T1", "4"))
    effects = ledger.closed("C1", Phase.FILLED, D(8))
    assert effects == [Resize("C1", D(8)), NeedFills("C1", "V1", D(4))]
    assert ledger.fill(fill("T2", "4")) == [Book("C1", fill("T2", "4"))]
    assert ledger.find(client_id="C1").phase is Phase.FILLED


def test_an_id_is_used_once() -> None:
    ledger = sent()
    with pytest.raises(UsageError, match="'C1' was used before"):
        ledger.submit("C1", D(1))


def test_two_orders_may_share_a_trade_id() -> None:
    ledger = sent()
    ledger.submit("C2", D(10))
    ledger.acknowledged("C1", "V1")
    ledger.acknowledged("C2", "V2")
    assert ledger.fill(fill("T1", "4"))
    assert ledger.fill(fill("T1", "4", venue="V2"))


def test_nothing_parked_is_lost_at_the_bound() -> None:
    ledger = OrderLedger(parked_max=2)
    ledger.fill(fill("T1", "1", venue="A"))
    ledger.fill(fill("T2", "1", venue="B"))
    with pytest.raises(UsageError, match="cannot hold another"):
        ledger.fill(fill("T3", "1", venue="C"))
    assert len(ledger.parked()) == 2


def test_closed_orders_are_forgotten_at_the_bound_and_open_ones_never() -> None:
    ledger = OrderLedger(closed_max=2)
    ledger.submit("OPEN", D(1))
    for i in range(4):
        ledger.submit(f"C{i}", D(1))
        ledger.refused(f"C{i}", "x", "y")
    assert ledger.find(client_id="OPEN") is not None
    assert ledger.find(client_id="C0") is None
    assert ledger.find(client_id="C3") is not None


@settings(max_examples=400, deadline=None)
@given(
    sizes=st.lists(st.integers(1, 50), min_size=0, max_size=5),
    rest=st.integers(0, 50),
    shuffle=st.randoms(use_true_random=False),
    with_ids=st.lists(st.booleans(), min_size=5, max_size=5),
    copies=st.integers(1, 3),
)
def test_any_delivery_order_ends_at_the_same_truth(
    sizes: list[int], rest: int, shuffle: random.Random, with_ids: list[bool], copies: int
) -> None:
    """Answer, fills and the end arrive in any order, any number of times."""
    total = D(sum(sizes) + rest) or D(1)
    done = D(sum(sizes))
    ledger = OrderLedger()
    ledger.submit("C1", total)
    phase = Phase.FILLED if done == total else Phase.CANCELED
    news = [lambda: ledger.acknowledged("C1", "V1"), lambda: ledger.closed("C1", phase, done)]
    for i, size in enumerate(sizes):
        item = fill(f"T{i}", str(size), client="C1" if with_ids[i] else "")
        news.append(lambda item=item: ledger.fill(item))
    news = news * copies
    shuffle.shuffle(news)
    effects = [effect for step in news for effect in step()]
    effects += ledger.acknowledged("C1", "V1")  # whoever else is asked at the end
    booked = [e.fill.trade_id for e in effects if isinstance(e, Book)]
    assert sorted(booked) == sorted(f"T{i}" for i in range(len(sizes)))
    order = ledger.find(client_id="C1")
    assert order.filled == done
    assert order.phase is phase
    closes = [i for i, e in enumerate(effects) if isinstance(e, Close)]
    assert len(closes) == (1 if phase is Phase.CANCELED else 0)
    if closes:
        last_book = max((i for i, e in enumerate(effects) if isinstance(e, Book)), default=-1)
        assert closes[0] > last_book, "no end before its fills"
    accepts = [i for i, e in enumerate(effects) if isinstance(e, Accept)]
    assert len(accepts) == 1 or (not accepts and phase is Phase.CANCELED and not sizes)
