"""The execution conformance suite: each race in both orders, each unknown resolved by asking.

A venue binds it by subclassing :class:`ExecutionConformance` in its own tests and giving it a
``script`` fixture (an open :class:`tests.conformance.script.VenueScript`).
"""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.conformance.script import Answer, VenueScript

FILLS = {"PartiallyFilled", "Filled"}


def booked(order) -> Decimal:
    return order.filled_qty.as_decimal()


class ExecutionConformance:
    """Bind me: give a fixture ``script``."""

    # -- the plain paths

    @pytest.mark.asyncio
    async def test_an_order_is_submitted_then_accepted(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        await script.until(lambda: order.is_open)
        assert script.story(order) == ["Submitted", "Accepted"]

    @pytest.mark.asyncio
    async def test_a_refusal_is_one_rejection_with_the_reason(self, script: VenueScript) -> None:
        script.answer_create(Answer.REFUSED)
        order = script.new_order()
        await script.submit(order)
        await script.until(lambda: order.is_closed)
        assert script.story(order) == ["Submitted", "Rejected"]
        assert order.last_event.reason
        assert not script.is_known(order)

    @pytest.mark.asyncio
    async def test_acceptance_said_twice_is_one_event(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        script.announce_order(order)
        script.announce_order(order)
        await script.quiet()
        assert script.story(order) == ["Submitted", "Accepted"]

    # -- fill and acknowledgement, both orders

    @pytest.mark.asyncio
    async def test_fill_after_the_answer(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        script.announce_fill(order, script.fill(order, "10"))
        await script.until(lambda: order.is_closed)
        assert script.story(order) == ["Submitted", "Accepted", "Filled"]
        assert script.position() == 10

    @pytest.mark.asyncio
    async def test_fill_before_the_answer(self, script: VenueScript) -> None:
        script.answer_create(Answer.HELD)
        order = script.new_order()
        task = script.submit_soon(order)
        await script.until(lambda: script.is_known(order))
        script.announce_fill(order, script.fill(order, "10"))
        await script.until(lambda: booked(order) == 10)
        script.release()
        await task
        await script.quiet()
        assert script.story(order).count("Filled") == 1
        assert order.is_closed
        assert script.position() == 10

    @pytest.mark.asyncio
    async def test_part_before_and_part_after_the_answer(self, script: VenueScript) -> None:
        script.answer_create(Answer.HELD)
        order = script.new_order()
        task = script.submit_soon(order)
        await script.until(lambda: script.is_known(order))
        first = script.fill(order, "4")
        script.announce_fill(order, first)
        await script.until(lambda: booked(order) == 4)
        script.release()
        await task
        script.announce_fill(order, script.fill(order, "6"))
        await script.until(lambda: order.is_closed)
        assert booked(order) == 10
        assert len(order.trade_ids) == 2

    # -- duplicates

    @pytest.mark.asyncio
    async def test_a_fill_said_three_times_is_booked_once(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        trade = script.fill(order, "4")
        for _ in range(3):
            script.announce_fill(order, trade)
        await script.until(lambda: booked(order) == 4)
        await script.quiet()
        assert booked(order) == 4
        assert script.position() == 4

    @pytest.mark.asyncio
    async def test_a_late_repetition_after_the_end_changes_nothing(
        self, script: VenueScript
    ) -> None:
        order = script.new_order()
        await script.submit(order)
        trade = script.fill(order, "10")
        script.announce_fill(order, trade)
        await script.until(lambda: order.is_closed)
        before = script.story(order)
        script.announce_fill(order, trade)
        script.announce_order(order)
        await script.quiet()
        assert script.story(order) == before
        assert script.position() == 10

    @pytest.mark.asyncio
    @pytest.mark.parametrize("swapped", [False, True])
    async def test_two_fills_in_either_order(self, script: VenueScript, swapped: bool) -> None:
        order = script.new_order()
        await script.submit(order)
        trades = [script.fill(order, "4"), script.fill(order, "6")]
        for trade in reversed(trades) if swapped else trades:
            script.announce_fill(order, trade)
        await script.until(lambda: order.is_closed)
        assert booked(order) == 10
        assert {t.value for t in order.trade_ids} == set(trades)

    # -- cancel and fill, both orders

    @pytest.mark.asyncio
    async def test_cancel(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        await script.cancel(order)
        await script.until(lambda: order.is_closed)
        assert script.story(order)[-1] == "Canceled"
        assert booked(order) == 0

    @pytest.mark.asyncio
    async def test_fill_said_then_the_cancel_of_the_rest(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        trade = script.fill(order, "4")
        script.cancel_at_venue(order)
        script.announce_fill(order, trade)
        script.announce_order(order)
        await script.until(lambda: order.is_closed)
        assert script.story(order)[-2:] == ["Filled", "Canceled"]
        assert booked(order) == 4

    @pytest.mark.asyncio
    async def test_cancel_of_the_rest_said_before_the_fill(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        trade = script.fill(order, "4")
        script.cancel_at_venue(order)
        script.announce_order(order)
        script.announce_fill(order, trade)
        await script.until(lambda: order.is_closed)
        assert script.story(order)[-2:] == ["Filled", "Canceled"], "no end before its fills"
        assert booked(order) == 4

    @pytest.mark.asyncio
    async def test_cancel_of_the_rest_said_and_the_fill_never(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        script.fill(order, "4")
        script.cancel_at_venue(order)
        script.announce_order(order)
        await script.until(lambda: order.is_closed)
        assert script.story(order)[-2:] == ["Filled", "Canceled"]
        assert booked(order) == 4

    @pytest.mark.asyncio
    async def test_fill_wins_against_our_cancel_and_is_said_first(
        self, script: VenueScript
    ) -> None:
        order = script.new_order()
        await script.submit(order)
        trade = script.fill(order, "10")
        script.announce_fill(order, trade)
        await script.until(lambda: order.is_closed)
        await script.cancel(order)
        await script.quiet()
        assert order.status_string() == "FILLED"
        assert script.position() == 10

    @pytest.mark.asyncio
    async def test_fill_wins_against_our_cancel_and_is_never_said(
        self, script: VenueScript
    ) -> None:
        order = script.new_order()
        await script.submit(order)
        script.fill(order, "10")
        await script.cancel(order)
        await script.until(lambda: order.is_closed)
        assert order.status_string() == "FILLED", "an order that is not there may have filled"
        assert script.position() == 10

    @pytest.mark.asyncio
    async def test_part_fills_before_our_cancel_lands(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        script.fill(order, "3")
        await script.cancel(order)
        await script.until(lambda: order.is_closed)
        assert order.status_string() == "CANCELED"
        assert booked(order) == 3

    # -- unknown outcomes

    @pytest.mark.asyncio
    @pytest.mark.parametrize("answer", [Answer.APPLIED_LOST, Answer.APPLIED_SILENT])
    async def test_a_lost_answer_of_a_live_order(self, script: VenueScript, answer: Answer) -> None:
        script.answer_create(answer)
        order = script.new_order()
        await script.submit(order)
        await script.until(lambda: order.is_open)
        assert script.story(order) == ["Submitted", "Accepted"]
        assert script.is_resting(order)

    @pytest.mark.asyncio
    async def test_a_lost_answer_of_an_order_that_filled(self, script: VenueScript) -> None:
        script.answer_create(Answer.APPLIED_LOST)
        order = script.new_order()
        task = script.submit_soon(order)
        await script.until(lambda: script.is_known(order))
        script.fill(order, "10")
        await task
        await script.until(lambda: order.is_closed)
        assert order.status_string() == "FILLED"
        assert script.position() == 10

    @pytest.mark.asyncio
    async def test_an_order_that_never_landed_is_rejected_only_after_asking(
        self, script: VenueScript
    ) -> None:
        script.answer_create(Answer.UNAPPLIED_LOST)
        order = script.new_order()
        await script.submit(order)
        await script.quiet(10)
        assert script.story(order) == ["Submitted"], "nothing is known yet"
        await script.until(lambda: order.is_closed, 20)
        assert script.story(order) == ["Submitted", "Rejected"]

    @pytest.mark.asyncio
    @pytest.mark.parametrize("answer", [Answer.APPLIED_LOST, Answer.APPLIED_SILENT])
    async def test_a_lost_answer_of_a_cancel(self, script: VenueScript, answer: Answer) -> None:
        order = script.new_order()
        await script.submit(order)
        script.answer_cancel(answer)
        await script.cancel(order)
        await script.until(lambda: order.is_closed)
        assert order.status_string() == "CANCELED"

    @pytest.mark.asyncio
    async def test_a_cancel_that_never_landed(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        script.answer_cancel(Answer.UNAPPLIED_LOST)
        await script.cancel(order)
        await script.until(lambda: "CancelRejected" in script.story(order), 20)
        assert order.is_open
        assert script.is_resting(order)

    @pytest.mark.asyncio
    async def test_the_engine_gave_up_an_order_that_lives(self, script: VenueScript) -> None:
        script.answer_create(Answer.HELD)
        order = script.new_order()
        task = script.submit_soon(order)
        await script.until(lambda: script.is_known(order))
        trade = script.fill(order, "4")
        script.engine_gives_up(order)
        await script.until(lambda: order.is_closed)
        script.release()
        await task
        script.announce_fill(order, trade)
        await script.until(lambda: script.position() == 4)
        await script.until(lambda: not script.is_resting(order))
        await script.quiet()
        assert script.position() == 4, "the contract is held by the strategy, once"

    # -- the stream breaks

    @pytest.mark.asyncio
    async def test_reconnect_between_answer_and_fill(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        script.drop_stream()
        script.fill(order, "10")
        await script.until(lambda: order.is_closed, 20)
        assert order.status_string() == "FILLED"
        assert script.position() == 10

    @pytest.mark.asyncio
    async def test_reconnect_after_the_fill_was_said(self, script: VenueScript) -> None:
        order = script.new_order()
        await script.submit(order)
        script.announce_fill(order, script.fill(order, "4"))
        await script.until(lambda: booked(order) == 4)
        script.drop_stream()
        script.cancel_at_venue(order)
        await script.until(lambda: order.is_closed, 20)
        assert booked(order) == 4
        assert script.position() == 4

    # -- modify

    @pytest.mark.asyncio
    async def test_modify(self, script: VenueScript) -> None:
        if not self.can_modify:
            pytest.skip("the venue cannot change orders")
        order = script.new_order()
        await script.submit(order)
        await script.modify(order, price="0.41")
        await script.until(lambda: str(order.price) == "0.4100")
        assert order.is_open

    @pytest.mark.asyncio
    @pytest.mark.parametrize("fill_first", [True, False])
    async def test_a_fill_crosses_a_modify(self, script: VenueScript, fill_first: bool) -> None:
        if not self.can_modify:
            pytest.skip("the venue cannot change orders")
        order = script.new_order()
        await script.submit(order)
        trade = script.fill(order, "4")
        if fill_first:
            script.announce_fill(order, trade)
            await script.until(lambda: booked(order) == 4)
        await script.modify(order, size="8")
        if not fill_first:
            script.announce_fill(order, trade)
        await script.until(lambda: booked(order) == 4)
        await script.until(lambda: order.quantity.as_decimal() == 8)
        script.announce_fill(order, script.fill(order, "4"))
        await script.until(lambda: order.is_closed)
        assert order.status_string() == "FILLED"
        assert script.position() == 8

    @pytest.mark.asyncio
    @pytest.mark.parametrize("answer", [Answer.APPLIED_LOST, Answer.UNAPPLIED_LOST])
    async def test_a_lost_answer_of_a_modify(self, script: VenueScript, answer: Answer) -> None:
        if not self.can_modify:
            pytest.skip("the venue cannot change orders")
        order = script.new_order()
        await script.submit(order)
        script.answer_modify(answer)
        await script.modify(order, price="0.41")
        word = "Updated" if answer is Answer.APPLIED_LOST else "ModifyRejected"
        await script.until(lambda: word in script.story(order), 20)
        assert str(order.price) == ("0.4100" if answer is Answer.APPLIED_LOST else "0.4000")

    # -- batch = n singles

    @pytest.mark.asyncio
    async def test_a_batch_tells_the_story_of_its_singles(self, script: VenueScript) -> None:
        answers = (Answer.OK, Answer.REFUSED, Answer.OK)
        script.answer_create(*answers)
        singles = [script.new_order() for _ in answers]
        for order in singles:
            await script.submit(order)
        script.answer_create(*answers)
        batch = [script.new_order() for _ in answers]
        await script.submit(*batch)
        await script.quiet()
        assert [script.story(o) for o in batch] == [script.story(o) for o in singles]

    @pytest.mark.asyncio
    async def test_a_lost_answer_of_a_batch_is_asked_for_each(self, script: VenueScript) -> None:
        script.answer_create(Answer.APPLIED_LOST, Answer.APPLIED_LOST)
        batch = [script.new_order(), script.new_order()]
        await script.submit(*batch)
        await script.until(lambda: all(o.is_open for o in batch))
        assert all(script.story(o) == ["Submitted", "Accepted"] for o in batch)

    #: Whether the venue can change an order in place.
    can_modify = True
