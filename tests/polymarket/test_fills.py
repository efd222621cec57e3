"""The provisional-fill ledger: every order of the same facts ends in the same place."""

from __future__ import annotations

from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.polymarket.fills import (
    Book,
    Contradiction,
    Finalise,
    MakerLeg,
    ProvisionalFills,
    Revert,
    TradeRecord,
    TradeStatus,
    UnknownTradeStatus,
    Void,
    fill_id,
    own_fills,
    parse_status,
)
from adapters.polymarket.positions import Holdings, Rebased, Unconfirmed

D = Decimal
S = TradeStatus
KEY, FUNDER = "11111111-aaaa", "0x" + "AB" * 20
YES, NO = "111", "222"


def leg(order="0xm1", asset=NO, side="BUY", price="0.4", size="10", owner="x", maker="0x9"):  # type: ignore[no-untyped-def]
    return MakerLeg(order, owner, maker, asset, side, D(price), D(size))


def trade(status=S.MATCHED, *, role="TAKER", size="10", price="0.6", legs=(), trade_id="t-1"):  # type: ignore[no-untyped-def]
    return TradeRecord(
        trade_id,
        status,
        role,
        "0xtaker",
        "0xc",
        YES,
        "BUY",
        D(price),
        D(size),
        KEY,
        FUNDER,
        5,
        legs,
    )


def mine(record: TradeRecord):  # type: ignore[no-untyped-def]
    return own_fills(record, api_key=KEY, funder=FUNDER)


# -- whose fill, at which price -------------------------------------------------------------------


def test_taker_is_booked_level_by_level() -> None:
    record = trade(
        size="12",
        legs=(
            leg(asset=YES, side="SELL", price="0.58", size="4"),
            leg(asset=NO, side="BUY", price="0.4", size="5"),  # mint: costs 0.6
            leg(asset=YES, side="SELL", price="0.58", size="3"),
        ),
    )
    fills = mine(record)
    assert [(f.price, f.size) for f in fills] == [(D("0.58"), D(7)), (D("0.6"), D(5))]
    assert {(f.order_id, f.asset_id, f.side, f.is_taker) for f in fills} == {
        ("0xtaker", YES, "BUY", True)
    }
    assert len({f.fill_id for f in fills}) == 2


def test_taker_with_legs_that_do_not_add_up_uses_the_trade() -> None:
    assert [(f.price, f.size) for f in mine(trade(legs=(leg(size="3"),)))] == [(D("0.6"), D(10))]
    assert [(f.price, f.size) for f in mine(trade(legs=()))] == [(D("0.6"), D(10))]


def test_maker_takes_only_its_own_entries_with_their_own_side() -> None:
    record = trade(
        role="MAKER",
        legs=(
            leg(order="0xa", owner=KEY, asset=NO, side="BUY", price="0.4", size="3"),
            leg(order="0xb", owner="stranger"),
            leg(order="0xc", owner="", maker=FUNDER.lower(), asset=YES, side="SELL", size="2"),
        ),
    )
    found = [(f.order_id, f.asset_id, f.side, f.price, f.size, f.is_taker) for f in mine(record)]
    assert found == [
        ("0xa", NO, "BUY", D("0.4"), D(3), False),
        ("0xc", YES, "SELL", D("0.4"), D(2), False),
    ]


def test_a_maker_trade_of_strangers_is_not_ours() -> None:
    assert mine(trade(role="MAKER", legs=(leg(),))) == ()


@given(st.text(max_size=60), st.text(max_size=80), st.integers(0, 50))
def test_fill_ids_fit_nautilus(trade_id: str, order_id: str, level: int) -> None:
    assert 1 <= len(fill_id(trade_id, order_id, level)) <= 36
    assert fill_id(trade_id, order_id, level) != fill_id(trade_id, order_id, level + 1)


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("MATCHED", S.MATCHED),
        ("TRADE_STATUS_MATCHED", S.MATCHED),
        ("MATCHED_NOT_BROADCASTED", S.MATCHED),
        ("TRADE_STATUS_FAILED", S.FAILED),
        ("confirmed", S.CONFIRMED),
    ],
)
def test_status_words(text: str, status: TradeStatus) -> None:
    assert parse_status(text) is status


def test_an_unknown_status_is_loud() -> None:
    with pytest.raises(UnknownTradeStatus, match="SETTLING"):
        parse_status("SETTLING")


# -- the ledger -----------------------------------------------------------------------------------


def run(*statuses: TradeStatus):  # type: ignore[no-untyped-def]
    ledger = ProvisionalFills()
    fills = mine(trade())
    kinds = [type(a) for s in statuses for a in ledger.apply(fills, s)]
    return ledger, kinds


@pytest.mark.parametrize(
    ("statuses", "kinds"),
    [
        ((S.MATCHED,), [Book]),
        ((S.MATCHED, S.MATCHED), [Book]),
        ((S.MATCHED, S.MINED, S.CONFIRMED), [Book, Finalise]),
        ((S.CONFIRMED, S.MATCHED, S.MINED), [Book, Finalise]),
        ((S.MINED, S.MATCHED, S.CONFIRMED), [Book, Finalise]),
        ((S.MATCHED, S.RETRYING, S.MINED, S.CONFIRMED), [Book, Finalise]),
        ((S.MATCHED, S.RETRYING, S.FAILED), [Book, Revert]),
        ((S.MATCHED, S.FAILED, S.MATCHED), [Book, Revert]),
        ((S.FAILED, S.MATCHED, S.MINED), [Void]),
        ((S.FAILED, S.FAILED), [Void]),
        ((S.CONFIRMED, S.FAILED), [Book, Finalise, Contradiction]),
        ((S.MATCHED, S.FAILED, S.CONFIRMED), [Book, Revert, Contradiction]),
    ],
)
def test_status_sequences(statuses, kinds) -> None:  # type: ignore[no-untyped-def]
    assert run(*statuses)[1] == kinds


def test_unconfirmed_shares_are_locked_until_confirmed() -> None:
    ledger = ProvisionalFills()
    fills = mine(trade())
    ledger.apply(fills, S.MATCHED)
    assert (ledger.unconfirmed_bought(YES), ledger.unmined(YES)) == (10, 10)
    ledger.apply(fills, S.MINED)
    assert (ledger.unconfirmed_bought(YES), ledger.unmined(YES)) == (10, 0)
    ledger.apply(fills, S.CONFIRMED)
    assert (ledger.unconfirmed_bought(YES), ledger.booked_size("0xtaker")) == (0, 10)


def test_a_reverted_fill_leaves_nothing_behind() -> None:
    ledger, _ = run(S.MATCHED, S.FAILED)
    assert ledger.booked_size("0xtaker") == 0
    assert ledger.unconfirmed() == []
    assert ledger.reverted_count == 1


def test_unfinished_entries_survive_a_full_memory() -> None:
    ledger = ProvisionalFills(final_max=3)
    ledger.apply(mine(trade(trade_id="keep")), S.MATCHED)
    for n in range(20):
        ledger.apply(mine(trade(trade_id=f"t{n}")), S.CONFIRMED)
    assert ledger.unconfirmed_trades() == {"keep"}
    assert ledger.status_of("t19", "0xtaker") is S.CONFIRMED
    assert ledger.status_of("t0", "0xtaker") is None


@given(st.lists(st.sampled_from([S.MATCHED, S.MINED, S.RETRYING]), max_size=6), st.booleans())
def test_any_order_of_the_same_facts_ends_alike(middle, fails: bool) -> None:  # type: ignore[no-untyped-def]
    ending = S.FAILED if fails else S.CONFIRMED
    ends = set()
    for order in set(permutations([*middle[:4], ending])):
        ledger, kinds = run(*order)
        booked = kinds.count(Book) - kinds.count(Revert)
        assert kinds.count(Book) <= 1
        assert kinds.count(Revert) <= kinds.count(Book)
        assert Contradiction not in kinds
        assert ledger.unconfirmed() == []
        ends.add((booked, ledger.booked_size("0xtaker"), ledger.status_of("t-1", "0xtaker")))
    assert ends == {(0 if fails else 1, D(0) if fails else D(10), ending)}


# -- holdings -------------------------------------------------------------------------------------


def test_a_restart_counts_matched_but_unmined_shares_once() -> None:
    ledger = ProvisionalFills()
    ledger.apply(mine(trade()), S.MATCHED)
    held = Holdings()
    view = Unconfirmed(D(10), D(0), ledger.unmined(YES))
    assert held.open(YES, D(3), view) == 13
    assert held.sellable(YES, view, D(0)) == 3
    assert held.check(YES, D(3), view) is None
    assert held.check(YES, D(13), view) is None
    assert held.shares(YES) == 13


@pytest.mark.parametrize("balance", ["0", "4", "10"])
def test_any_balance_between_matched_and_mined_agrees(balance: str) -> None:
    held = Holdings()
    held.open(YES, D(0), Unconfirmed())
    held.add(YES, D(10))
    for _ in range(3):
        assert held.check(YES, D(balance), Unconfirmed(D(10), D(0), D(10))) is None
    assert held.shares(YES) == 10


def test_one_odd_balance_proves_nothing_two_do() -> None:
    held = Holdings()
    held.open(YES, D(10), Unconfirmed())
    assert held.check(YES, D(0), Unconfirmed()) is None
    held.add(YES, D(1))  # our books moved: the evidence starts again
    assert held.check(YES, D(0), Unconfirmed()) is None
    assert held.check(YES, D(0), Unconfirmed()) == Rebased(YES, D(11), D(0))
    assert held.shares(YES) == 0


def test_open_sells_and_unconfirmed_buys_are_not_sellable() -> None:
    held = Holdings()
    held.open(YES, D(10), Unconfirmed())
    held.add(YES, D(5))
    assert held.sellable(YES, Unconfirmed(bought=D(5)), D(4)) == 6
    assert held.sellable(YES, Unconfirmed(bought=D(5)), D(40)) == 0
    assert held.sellable("never seen", Unconfirmed(), D(0)) == 0
