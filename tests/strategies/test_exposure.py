"""Running sums of what boxes tie up and lose."""

from __future__ import annotations

from decimal import Decimal

from strategies.exposure import BoxCost, ExposureBook

D = Decimal
U = 1_000_000
DAY = 86_400 * 10**9
VENUES = ("KALSHI", "POLYMARKET")


def now(book, at_ns=0, cash_u=0):
    return book.now("P", VENUES, "F", cash_u, at_ns)


def test_a_box_counts_from_its_start_to_its_end():
    book = ExposureBook()
    book.start("P.1", "P", BoxCost(VENUES, "F"))
    book.cash("P.1", 0, 45 * U)
    book.cash("P.1", 1, 50 * U)
    seen = now(book, cash_u=5 * U)
    assert (seen.pair_cost, seen.venue_cost, seen.total_cost) == (D(95), (D(45), D(50)), D(95))
    assert (seen.open_boxes, seen.equity, seen.family_loss, seen.day_loss) == (1, 100, 95, 95)
    book.rest("P.1", hedged=True, now_ns=0, floor_u=100 * U)
    seen = now(book)
    assert (seen.open_boxes, seen.pair_cost, seen.family_loss, seen.day_loss) == (1, 95, 0, 0)
    book.settle("P.1")
    assert now(book) == now(ExposureBook())


def test_a_box_that_ends_flat_leaves_its_loss_for_the_day():
    book = ExposureBook()
    book.start("P.1", "P", BoxCost(VENUES, "F"))
    book.cash("P.1", 0, 50 * U)
    book.cash("P.1", 0, -48 * U)
    book.rest("P.1", hedged=False, now_ns=DAY)
    assert now(book, DAY).day_loss == 2
    assert now(book, DAY).total_cost == 0
    assert now(book, 2 * DAY).day_loss == 0


def test_a_divergence_leaves_a_loss_in_a_hedged_box():
    book = ExposureBook()
    book.start("P.1", "P", BoxCost(VENUES, "F"))
    book.cash("P.1", 0, 95 * U)
    book.rest("P.1", hedged=True, now_ns=0, floor_u=70 * U)
    assert now(book).family_loss == 25


def test_orders_count_for_a_minute():
    book = ExposureBook()
    for second in (0, 30, 59):
        book.order(second * 10**9)
    assert now(book, 59 * 10**9).orders_last_minute == 3
    assert now(book, 60 * 10**9).orders_last_minute == 2
    assert now(book, 200 * 10**9).orders_last_minute == 0


def test_boxes_unknown_to_the_book_change_nothing():
    book = ExposureBook()
    book.cash("X", 0, 5)
    book.rest("X", hedged=True, now_ns=0)
    book.settle("X")
    assert book.paid_u("X") == (0, 0)
    assert now(book).total_cost == 0
