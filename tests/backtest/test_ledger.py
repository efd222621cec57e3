"""The consumption ledger alone: what was taken stays taken until the book shows otherwise."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backtests.models.ledger import BookSide, ConsumptionLedger

ASK, BID = BookSide.ASK, BookSide.BID


@pytest.fixture
def ledger() -> ConsumptionLedger:
    ledger = ConsumptionLedger()
    ledger.take("M", "M-YES", ASK, 46, 60, displayed=100)
    return ledger


@pytest.mark.parametrize(
    ("displayed", "available"),
    [(100, 40), (99, 39), (61, 1), (60, 0), (1, 0), (101, 41), (160, 100), (161, 161)],
)
def test_a_level_offers_what_it_displays_less_what_was_taken_until_it_grew_by_more(
    ledger: ConsumptionLedger, displayed: int, available: int
) -> None:
    assert ledger.available("M", ASK, 46, displayed) == available


def test_other_levels_sides_and_pools_are_untouched(ledger: ConsumptionLedger) -> None:
    assert ledger.available("M", ASK, 47, 100) == 100
    assert ledger.available("M", BID, 46, 100) == 100
    assert ledger.available("N", ASK, 46, 100) == 100


def test_a_level_that_disappeared_and_came_back_is_new(ledger: ConsumptionLedger) -> None:
    ledger.observe("M", ASK, 46, 0)
    assert ledger.available("M", ASK, 46, 100) == 100
    assert not ledger.levels("M", "M-YES")


@pytest.mark.parametrize("displayed", [100, 99, 1, 160])
def test_re_snapshots_and_small_changes_give_nothing_back(
    ledger: ConsumptionLedger, displayed: int
) -> None:
    ledger.observe("M", ASK, 46, displayed)
    assert ledger.available("M", ASK, 46, 100) == 40


def test_growth_that_was_seen_once_counts_even_if_the_level_shrinks_again(
    ledger: ConsumptionLedger,
) -> None:
    ledger.observe("M", ASK, 46, 161)
    assert ledger.available("M", ASK, 46, 100) == 100


def test_a_second_take_adds_up(ledger: ConsumptionLedger) -> None:
    ledger.take("M", "M-YES", ASK, 46, 40, displayed=100)
    assert ledger.available("M", ASK, 46, 100) == 0
    assert ledger.available("M", ASK, 46, 200) == 100
    assert ledger.available("M", ASK, 46, 201) == 201


def test_a_take_after_growth_starts_anew(ledger: ConsumptionLedger) -> None:
    ledger.take("M", "M-YES", ASK, 46, 10, displayed=200)
    assert ledger.available("M", ASK, 46, 200) == 190


def test_only_the_book_that_was_taken_from_gives_back(ledger: ConsumptionLedger) -> None:
    assert ledger.levels("M", "M-YES") == ((ASK, 46),)
    assert ledger.levels("M", "ROUTE-YES") == ()


@pytest.mark.parametrize("size", [0, -1, 41])
def test_taking_more_than_there_is_is_a_bug(ledger: ConsumptionLedger, size: int) -> None:
    with pytest.raises(ValueError, match="available"):
        ledger.take("M", "M-YES", ASK, 46, size, displayed=100)


@given(st.lists(st.tuples(st.integers(0, 300), st.integers(1, 300)), max_size=30))
def test_never_more_is_taken_than_was_displayed_since_the_level_was_last_new(
    steps: list[tuple[int, int]],
) -> None:
    """Between two refills the sum of takes never exceeds the largest display."""
    ledger, taken, largest = ConsumptionLedger(), 0, 0
    at_take = None
    for displayed, wanted in steps:
        ledger.observe("M", ASK, 46, displayed)
        if displayed == 0 or (at_take is not None and displayed - at_take > taken):
            taken, largest, at_take = 0, 0, None
        largest = max(largest, displayed)
        size = min(wanted, ledger.available("M", ASK, 46, displayed))
        if size:
            ledger.take("M", "M-YES", ASK, 46, size, displayed)
            taken, at_take = taken + size, displayed
        assert taken <= largest
