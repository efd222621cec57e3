"""The exchange: runs timers, pauses trading, and answers for the conservation of money."""

from __future__ import annotations

from datetime import datetime, timedelta
from heapq import heappop
from zoneinfo import ZoneInfo

from simulators.kalshi import changes, lifecycle, transfers
from simulators.kalshi.matching import cancel_resting
from simulators.kalshi.model import FeeChange
from simulators.kalshi.state import SHARDS, State
from simulators.kalshi.units import NS_PER_S

EASTERN = ZoneInfo("America/New_York")
_THURSDAY = 3


class Exchange:
    """Time and pauses over a `State`. Every input first calls `advance`."""

    def __init__(self, state: State) -> None:
        self.state = state
        state.at(state.now_ns + transfers.ALLOCATION_EVERY_NS, "allocation", "")
        self._weekly = ""

    def advance(self, now_ns: int) -> None:
        """Let time pass to ``now_ns``: every timer that is due runs at its own time, in order."""
        state = self.state
        while state.timers and state.timers[0][0] <= now_ns:
            due_ns, _, kind, key = heappop(state.timers)
            state.now_ns = max(state.now_ns, due_ns)
            self._run(kind, key)
        state.now_ns = max(state.now_ns, now_ns)
        self._check_weekly_pause()
        state.read.advance(state.now_ns)

    def pause(self, scope: str, shard: int | None = None, resume_ns: int = 0) -> None:
        """Pause ``trading`` or the whole ``exchange`` on one shard or all, until resumed.

        ``resume_ns`` is the estimated end that ``/exchange/status`` shows (0 = unknown).
        """
        paused = self._paused(scope)
        for index in SHARDS if shard is None else (shard,):
            paused[index] = resume_ns or 1
            self._cancel_flagged(index)

    def resume(self, scope: str, shard: int | None = None) -> None:
        """End a pause."""
        paused = self._paused(scope)
        for index in list(SHARDS) if shard is None else [shard]:
            paused.pop(index, None)

    def schedule_fees(self, change: FeeChange) -> None:
        """Schedule a fee change of a series or an event; due ones apply at once."""
        state = self.state
        events = change.ticker in state.events
        rows = state.event_fee_changes if events else state.fee_changes
        rows.append(change)
        if change.at_ns <= state.now_ns:
            lifecycle.apply_fee_change(state, change)
        else:
            state.at(change.at_ns, "fees", change.change_id)

    def money_gap(self) -> int:
        """Return what is missing from the books in $0.000001; 0 always."""
        return self.state.ledger.audit().gap + transfers.in_flight(self.state)

    def _paused(self, scope: str) -> dict[int, int]:
        if scope == "trading":
            return self.state.trading_paused
        if scope == "exchange":
            return self.state.exchange_paused
        raise ValueError(f"pause scope is {scope!r}, allowed trading, exchange")

    def _cancel_flagged(self, shard: int) -> None:
        for order in list(self.state.orders.values()):
            flagged = order.cancel_on_pause and order.status == "resting"
            if flagged and order.exchange_index == shard:
                cancel_resting(self.state, order, "HaltCancel")

    def _check_weekly_pause(self) -> None:
        """Pause trading from Thursday 03:00 to 05:00 Eastern, if the switch says so."""
        state = self.state
        start = weekly_pause(state.now_ns) if state.switches["weekly_pause"] else None
        wanted = "" if start is None else start.isoformat()
        if wanted == self._weekly:
            return
        self._weekly = wanted
        if start is None:
            self.resume("trading")
        else:
            end = int((start + timedelta(hours=2)).timestamp()) * NS_PER_S
            self.pause("trading", resume_ns=end)

    def _run(self, kind: str, key: str) -> None:
        state = self.state
        if kind in _MARKET_TIMERS:
            if key in state.markets:
                _MARKET_TIMERS[kind](state, state.markets[key])
        elif kind in _ORDER_TIMERS:
            if key in state.orders:
                _ORDER_TIMERS[kind](state, state.orders[key])
        elif kind == "transfer":
            transfers.complete(state, state.transfers[key])
        elif kind == "allocation":
            transfers.rebalance(state)
        else:
            for change in [*state.fee_changes, *state.event_fee_changes]:
                if change.change_id == key:
                    lifecycle.apply_fee_change(state, change)


def weekly_pause(now_ns: int) -> datetime | None:
    """Return the start of the Thursday pause that ``now_ns`` lies in, Eastern time, or None."""
    here = datetime.fromtimestamp(now_ns // NS_PER_S, EASTERN)
    if here.weekday() == _THURSDAY and 3 <= here.hour < 5:
        return here.replace(hour=3, minute=0, second=0, microsecond=0)
    return None


_MARKET_TIMERS = {
    "open": lifecycle.open_if_due,
    "close": lifecycle.close_if_due,
    "close_cancel": lifecycle.cancel_after_close,
    "settle": lifecycle.settle_if_due,
}
_ORDER_TIMERS = {"expire": changes.expire, "tail": changes.cancel_tail}
