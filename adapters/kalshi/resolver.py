"""Ask the venue until nothing about our orders, fills, cash and settlements is open.

The loop asks about orders in doubt, finds the owners of fills that nobody knows, compares
everything over REST on a timer and after each reconnect, closes settled positions, and refreshes
cash. A failed question is asked again; nothing is settled by waiting.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine

from nautilus_trader.model.enums import TimeInForce

from adapters.common.errors import AdapterError, VenueRefusal
from adapters.common.ledger import Phase, TrackedOrder
from adapters.common.outcome import Accepted, Outcome, Rejected
from adapters.kalshi import parsing, reports, settling
from adapters.kalshi.commands import CancelWish
from adapters.kalshi.desk import Desk
from adapters.kalshi.doubts import Doubt, Question, absent
from adapters.kalshi.netting import Attribution, leg_price
from adapters.kalshi.numbers import units
from adapters.kalshi.schemas import rest
from core.money import from_units

_NS = 1_000_000_000
_TICK_S = 0.1
_AT_ONCE = 8
#: The framework's start-up comparison may be switched off; strangers' fills wait this long for it.
_STARTUP_NS = 60 * _NS
_SETTLE_EVERY_NS = 2 * _NS


class Resolver:
    """Keep one account's picture true."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._started_ns = desk.now_ns()
        self._fills_since_s = self._started_ns // _NS - int(desk.config.lookback_hours * 3600)
        self._parked: dict[str, int] = {}
        self._cash_due_ns = 0
        self._reconcile_due_ns = self._started_ns + int(desk.config.reconcile_interval_s * _NS)
        self._settle_due_ns = 0
        self._settling: set[str] = set()
        self.reconciliations = 0

    async def run(self) -> None:
        """Work for ever; a venue that does not answer delays work and loses none."""
        while True:
            await asyncio.sleep(_TICK_S)
            now_ns = self._desk.now_ns()
            due = self._desk.doubts.due(now_ns)[:_AT_ONCE]
            work: list[Coroutine[object, object, None]] = [self._ask(c) for c in due]
            work += [self._find_owner(v) for v in self._parked_due(now_ns)]
            if work:
                await asyncio.gather(*work)
            if self._reconcile_due_ns <= now_ns:
                await self._guarded(self.reconcile(), "reconciliation")
                every_ns = int(self._desk.config.reconcile_interval_s * _NS)
                self._reconcile_due_ns = self._desk.now_ns() + every_ns
            if self._settling and self._settle_due_ns <= now_ns:
                await self._guarded(self.settle(), "settlement")
                self._settle_due_ns = self._desk.now_ns() + _SETTLE_EVERY_NS
            if 0 < self._cash_due_ns <= now_ns:
                self._cash_due_ns = 0
                if not await self._guarded(self._desk.client.refresh_account(), "balance"):
                    self.want_cash(1.0)

    # -- wishes

    def want_cash(self, wait_s: float) -> None:
        """Refresh cash soon; several wishes become one read."""
        due_ns = self._desk.now_ns() + int(wait_s * _NS)
        self._cash_due_ns = min(self._cash_due_ns or due_ns, due_ns)

    def want_reconciliation(self) -> None:
        """Compare with the venue at the next turn."""
        self._reconcile_due_ns = 0

    def want_owner(self, venue_id: str) -> None:
        """Find out whose order this is; ours may be about to be acknowledged."""
        self._parked.setdefault(venue_id, self._desk.now_ns() + _NS // 2)

    def want_settlement(self, ticker: str) -> None:
        """Close the positions of a market that is being settled."""
        self._settling.add(ticker)

    def _parked_due(self, now_ns: int) -> list[str]:
        if not self._begun:
            return []
        known = {fill.venue_id for fill in self._desk.ledger.parked()}
        self._parked = {v: due for v, due in self._parked.items() if v in known}
        for venue_id in known:
            self._parked.setdefault(venue_id, now_ns)
        return [v for v, due_ns in self._parked.items() if due_ns <= now_ns][:_AT_ONCE]

    async def _guarded(self, work: Coroutine[object, object, None], name: str) -> bool:
        try:
            await work
        except AdapterError as exc:
            self._desk.log.warning(f"Kalshi {name} failed, will be repeated: {exc}")
            return False
        except Exception as exc:
            # Our own mistake must not end the only task that finds lost contracts again: what it
            # was about stays open and is asked again.
            self._desk.log.exception(f"Kalshi {name} failed by a fault of ours", exc)
            return False
        return True

    @property
    def _begun(self) -> bool:
        """Whether start-up is over: compared, or the engine was told not to compare."""
        waited_ns = self._desk.now_ns() - self._started_ns
        return self._desk.reconciled or waited_ns >= _STARTUP_NS

    # -- orders in doubt

    async def _ask(self, client_id: str) -> None:
        if not await self._guarded(self.resolve(client_id), f"question about {client_id}"):
            self._desk.doubts.asked(client_id, self._desk.now_ns())

    async def resolve(self, client_id: str) -> None:
        """Ask the venue about one order and act on the answer.

        Raises
        ------
        AdapterError
            The venue did not answer; every question stays open.
        """
        desk = self._desk
        tracked, doubt = desk.ledger.find(client_id=client_id), desk.doubts.of(client_id)
        if tracked is None or doubt is None:
            desk.doubts.close(client_id)
            return
        as_of_ns = await desk.http.user_data_ts_ns()
        record = await self.lookup(tracked)
        if record is None:
            self._on_absent(tracked, doubt, as_of_ns)
            return
        await self._on_found(tracked, doubt, record, as_of_ns)

    async def lookup(self, tracked: TrackedOrder) -> rest.Order | None:
        """Return the venue's record of an order, None if it shows none (yet)."""
        desk = self._desk
        if tracked.venue_id:
            try:
                return await desk.http.order(tracked.venue_id)
            except VenueRefusal as exc:
                if exc.status != 404:
                    raise
                return None
        order = desk.events.order(tracked.client_id)
        if order is None:
            return None
        ticker, _ = parsing.market_leg(order.instrument_id)
        since_s = order.ts_init // _NS - 60
        return await desk.reader.find(tracked.client_id, ticker, since_s)

    def _on_absent(self, tracked: TrackedOrder, doubt: Doubt, as_of_ns: int) -> None:
        desk, client_id = self._desk, tracked.client_id
        grace_ns = int(desk.config.absence_grace_s * _NS)
        landed = bool(tracked.venue_id) or client_id in desk.inflight
        if landed or not absent(as_of_ns, doubt.since_ns, grace_ns):
            desk.doubts.asked(client_id, desk.now_ns())
            return
        desk.doubts.close(client_id)
        if tracked.phase is Phase.REJECTED:
            desk.ledger.settled_doubt(client_id)
            return
        effects = desk.ledger.refused(
            client_id, "NOT_AT_VENUE", "the venue's order list does not hold it"
        )
        desk.events.apply(effects, desk.now_ns())

    async def _on_found(
        self, tracked: TrackedOrder, doubt: Doubt, record: rest.Order, as_of_ns: int
    ) -> None:
        desk, client_id = self._desk, tracked.client_id
        filled_u = units(record.fill_count_fp)
        if tracked.phase is Phase.REJECTED and record.status == "canceled" and not filled_u:
            # Given up by the framework, cancelled by the venue, nothing filled: all agree.
            desk.ledger.settled_doubt(client_id)
            desk.doubts.close(client_id)
            return
        ts_ns = desk.now_ns()
        desk.events.apply(desk.ledger.acknowledged(client_id, record.order_id), ts_ns)
        if from_units(filled_u) > tracked.filled:
            for execution in await desk.reader.fills_of(record.order_id):
                desk.events.apply(desk.ledger.fill(execution.as_fill()), ts_ns)
        if record.status != "resting":
            phase = self._ended_as(tracked, record)
            desk.events.apply(
                desk.ledger.closed(client_id, phase, from_units(filled_u)), desk.now_ns()
            )
            if tracked.is_closed:
                self._end_questions(client_id)
                return
            desk.doubts.asked(client_id, desk.now_ns())
            return
        await self._on_resting(tracked, doubt, record, as_of_ns)

    def _ended_as(self, tracked: TrackedOrder, record: rest.Order) -> Phase:
        if record.status == "executed":
            return Phase.FILLED
        order = self._desk.events.order(tracked.client_id)
        if (
            order is not None
            and order.time_in_force == TimeInForce.GTD
            and 0 < order.expire_time_ns <= self._desk.now_ns()
        ):
            return Phase.EXPIRED
        return Phase.CANCELED

    async def _on_resting(
        self, tracked: TrackedOrder, doubt: Doubt, record: rest.Order, as_of_ns: int
    ) -> None:
        """Answer what a resting order can answer; stale reads answer nothing."""
        desk, client_id = self._desk, tracked.client_id
        desk.doubts.answer(client_id, Question.SUBMIT)
        fresh = as_of_ns >= doubt.since_ns + int(desk.config.absence_grace_s * _NS)
        if tracked.is_complete and tracked.closing is None:
            desk.doubts.answer(client_id, Question.FILLS)
        if Question.ABANDONED in doubt.questions:
            await self.cancel_abandoned(tracked, record)
        if fresh and Question.CANCEL in doubt.questions:
            desk.doubts.answer(client_id, Question.CANCEL)
            desk.client.reject_cancel(client_id, "the venue shows the order resting")
        if fresh and Question.MODIFY in doubt.questions:
            self._answer_modify(tracked, record)
        if desk.doubts.of(client_id) is not None:
            desk.doubts.asked(client_id, desk.now_ns())

    def _answer_modify(self, tracked: TrackedOrder, record: rest.Order) -> None:
        desk, client_id = self._desk, tracked.client_id
        desk.doubts.answer(client_id, Question.MODIFY)
        told = desk.events.meaning(client_id)
        target = desk.targets.pop(client_id, None)
        if told is None or target is None:
            return
        price_u = leg_price(told.leg, units(record.yes_price_dollars))
        total_u = reports.total_units(record)
        if (price_u, total_u) == target:
            desk.client.confirm_modify(client_id, price_u, total_u)
        else:
            desk.client.reject_modify(client_id, "the venue shows the order unchanged")

    def _end_questions(self, client_id: str) -> None:
        self._desk.doubts.close(client_id)
        self._desk.targets.pop(client_id, None)

    async def cancel_abandoned(self, tracked: TrackedOrder, record: rest.Order) -> None:
        """Cancel an order that the framework has given up: nobody watches it any more."""
        desk = self._desk
        wish = CancelWish(record.order_id, record.ticker, record.exchange_index)
        (outcome,) = await desk.commands.cancel([wish])
        self.on_cancel(tracked.client_id, outcome, asked_by_user=False)

    def on_cancel(
        self, client_id: str, outcome: Outcome[rest.CancelAck], *, asked_by_user: bool = True
    ) -> None:
        """Act on the outcome of a cancel."""
        desk = self._desk
        tracked = desk.ledger.find(client_id=client_id)
        if tracked is None:
            return
        now_ns = desk.now_ns()
        if isinstance(outcome, Accepted):
            filled = tracked.quantity - from_units(units(outcome.value.reduced_by))
            ts_ns = (outcome.value.ts_ms or 0) * 1_000_000 or now_ns
            desk.events.apply(desk.ledger.closed(client_id, Phase.CANCELED, filled), ts_ns)
            if tracked.is_closed:
                self._end_questions(client_id)
            else:
                desk.doubts.raise_(client_id, Question.FILLS, now_ns, wait_s=0.3)
        elif isinstance(outcome, Rejected) and asked_by_user:
            desk.client.reject_cancel(client_id, f"{outcome.code}: {outcome.reason}")
        elif asked_by_user:
            # 404 is the same for cancelled, executed and unknown: only the order itself can tell.
            desk.doubts.raise_(client_id, Question.CANCEL, now_ns, wait_s=0.1)

    # -- fills of unknown orders

    async def _find_owner(self, venue_id: str) -> None:
        if not await self._guarded(self._own(venue_id), f"owner of order {venue_id}"):
            self._parked[venue_id] = self._desk.now_ns() + _NS

    async def _own(self, venue_id: str) -> None:
        desk = self._desk
        record = await desk.http.order(venue_id)
        tracked = desk.ledger.find(client_id=record.client_order_id or "")
        if tracked is not None:
            effects = desk.ledger.acknowledged(tracked.client_id, venue_id)
            desk.events.apply(effects, desk.now_ns())
        else:
            await self.adopt(record)
        self._parked.pop(venue_id, None)

    async def adopt(self, record: rest.Order) -> None:
        """Take in an order that was placed elsewhere: report it, then its fills."""
        desk = self._desk
        if desk.ledger.find(venue_id=record.order_id) is not None:
            return
        await desk.ensure_instruments({record.ticker})
        client_id = desk.client_id_of(record)
        told = desk.meaning_of(record)
        fills = await desk.reader.fills_of(record.order_id)
        desk.events.remember(client_id, told)
        known = desk.client.known_trades(client_id)
        desk.client.send_order_report(self._opening_report(record, client_id, told))
        desk.events.apply(
            desk.ledger.adopt(
                client_id,
                from_units(reports.total_units(record)),
                record.order_id,
                trades={f.trade_id: from_units(f.size_u) for f in fills if f.trade_id in known},
            ),
            desk.now_ns(),
        )
        for execution in fills:
            desk.events.apply(desk.ledger.fill(execution.as_fill()), desk.now_ns())
        if record.status != "resting":
            filled = from_units(units(record.fill_count_fp))
            phase = Phase.FILLED if record.status == "executed" else Phase.CANCELED
            desk.events.apply(desk.ledger.closed(client_id, phase, filled), desk.now_ns())

    def _opening_report(
        self, record: rest.Order, client_id: str, told: Attribution
    ) -> reports.OrderStatusReport:
        """Return the report of an order as if nothing had filled: its fills follow as events."""
        bare = rest.Order(
            order_id=record.order_id,
            ticker=record.ticker,
            book_side=record.book_side,
            status="resting",
            yes_price_dollars=record.yes_price_dollars,
            initial_count_fp=record.initial_count_fp,
            fill_count_fp="0",
            remaining_count_fp=str(from_units(reports.total_units(record))),
            client_order_id=client_id,
            created_time=record.created_time,
        )
        desk = self._desk
        return reports.order_report(
            bare, told, [], account_id=desk.client.account_id, ts_init=desk.now_ns()
        )

    # -- the timer

    async def reconcile(self) -> None:
        """Compare fills, orders, settlements and cash with the venue.

        Raises
        ------
        AdapterError
            A read failed; what was compared before it stands.
        """
        desk = self._desk
        await self.collect_fills()
        resting = await desk.reader.resting()
        now_ns = desk.now_ns()
        for tracked in desk.ledger.open_orders():
            record = resting.get(tracked.venue_id)
            if record is None:
                if tracked.client_id not in desk.inflight:
                    question = Question.FILLS if tracked.venue_id else Question.SUBMIT
                    desk.doubts.raise_(tracked.client_id, question, now_ns, wait_s=0.0)
                continue
            filled = from_units(units(record.fill_count_fp))
            desk.events.apply(desk.ledger.observed(tracked.client_id, filled), now_ns)
        if self._begun:
            for order_id, record in resting.items():
                ours = desk.ledger.find(venue_id=order_id, client_id=record.client_order_id or "")
                if ours is None:
                    await self.adopt(record)
            await self.settle()
        await desk.client.refresh_account()
        self.reconciliations += 1

    async def collect_fills(self) -> None:
        """Read fills since the last time, with an overlap for the read model's lag."""
        desk = self._desk
        started_s = desk.now_ns() // _NS
        for execution in await desk.reader.fills_since(max(0, self._fills_since_s)):
            await desk.ensure_instruments({execution.ticker})
            desk.events.apply(desk.ledger.fill(execution.as_fill()), desk.now_ns())
        self._fills_since_s = started_s - 120

    async def settle(self) -> None:
        """Close open positions of markets that the venue has settled, and book the cash."""
        desk = self._desk
        since_s = self._started_ns // _NS - int(desk.config.lookback_hours * 3600)
        records = await desk.reader.settlements(since_s)
        closed = False
        for ticker in desk.client.tickers_held() & records.keys():
            closed |= await self._settle_market(ticker, records[ticker])
        self._settling.difference_update(records.keys())
        self._settling.intersection_update(desk.client.tickers_held())
        if closed:
            await desk.client.refresh_account()

    async def _settle_market(self, ticker: str, record: rest.Settlement) -> bool:
        desk = self._desk
        await self.collect_fills()
        market = desk.provider.markets.get(ticker)
        value = settling.yes_value(record, market.settlement_value if market else None)
        if value is None:
            value = settling.yes_value(
                record, (await desk.provider.reload(ticker)).settlement_value
            )
        if value is None:
            desk.log.warning(f"{ticker} is settled as {record.market_result}, value not known yet")
            return False
        ts_ns = desk.now_ns()
        closed = desk.events.settle(ticker, value, settling.fee(record), ts_ns)
        for instrument_id in closed:
            desk.log.info(f"Settled {instrument_id}: one YES paid {value}")
        return bool(closed)
