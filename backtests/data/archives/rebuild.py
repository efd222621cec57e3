"""Replay one market's archive events into messages for the catalog, and keep the accounts.

Pure: events in, messages out. What is kept beside the book is the evidence whether it can be
believed: later snapshots that were or were not reproduced, levels that fell below zero, crossed
states, losses.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from itertools import groupby
from typing import NamedTuple

from backtests.data.archives.books import EMPTY_BOOK, EMPTY_TOP, UNCHANGED, ArchiveBook, Row, State
from backtests.data.archives.events import Change, Event, Lost, Snapshot
from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS


class Message(NamedTuple):
    """One atomic update for the catalog: rows, whether they are a whole book, the top after it.

    ``seen_ns`` is the earliest time of receipt: the book that stands at the window's start was
    last changed before it, and is seen unchanged then.
    """

    ts_ns: int
    rows: list[Row]
    whole: bool
    top: tuple[int, int, int, int]
    seen_ns: int = 0


class MarketReplay:
    """The book of one market over any number of hours.

    Parameters
    ----------
    reseed : bool
        Take every snapshot (healthy files). False takes one only while the book is not live and
        compares it otherwise: in a degraded file a later snapshot is a probe, not a truth.
    """

    def __init__(self, *, reseed: bool = True) -> None:
        self.book = ArchiveBook()
        self.reseed = reseed
        self.counts: Counter[str] = Counter()
        self.last_ns = 0
        self._probed: dict[int, bool] = {}

    @property
    def reproduced_share(self) -> float | None:
        """Snapshots that the replay had reproduced before they came; None without any."""
        total = self.counts["snapshots_compared"]
        return None if not total else round(self.counts["snapshots_reproduced"] / total, 6)

    def feed(self, events: Iterable[Event]) -> list[Message]:
        """Apply events in order; those of one time and kind are one message.

        Several Polymarket changes of one batch share a time, and the best prices they state
        describe the book after the last of them, so they are applied and checked together.
        """
        out: list[Message] = []
        for (ts, kind), group in groupby(events, key=_batch):
            self.last_ns = max(self.last_ns, ts)
            message = self._apply(ts, kind, list(group))
            if message is not None:
                out.append(message)
        return out

    def current(self, seen_ns: int) -> Message | None:
        """Return the whole book as it is seen at a time, or None if it is not live."""
        if self.book.state is not State.LIVE:
            return None
        return Message(self.last_ns, self.book.snapshot(), True, self.book.top(), seen_ns)

    def _apply(self, ts: int, kind: str, group: list[Event]) -> Message | None:
        if kind == "lost":
            return self._lose(ts, "hours_lost")
        if kind == "snapshot":
            messages = [self._snapshot(e) for e in group if isinstance(e, Snapshot)]
            return next((m for m in reversed(messages) if m is not None), None)
        return self._changes(ts, [e for e in group if isinstance(e, Change)])

    def _lose(self, ts: int, why: str) -> Message | None:
        """Forget the book and say so: an empty book trades nothing."""
        was_live = self.book.state is State.LIVE
        if was_live:
            self.counts[why] += 1
        self.book.lose()
        return Message(ts, list(EMPTY_BOOK), True, EMPTY_TOP) if was_live else None

    def _snapshot(self, event: Snapshot) -> Message | None:
        live = self.book.state is State.LIVE
        same = live and self.book.matches(event.bids, event.asks)
        if event.probe:
            self._probed[event.row] = same
            return None
        if live:
            self.counts["snapshots_compared"] += 1
            self.counts["snapshots_reproduced"] += int(same or self._probed.get(event.row, False))
        self._probed.pop(event.row, None)
        if live and not self.reseed:
            return None
        self.counts["reseeds" if live else "seeds"] += 1
        rows = self.book.replace(event.bids, event.asks)
        if self.book.crossed:
            self.counts["crossed_snapshots"] += 1
            self.book.state = State.DIRTY
            return Message(event.ts_ns, list(EMPTY_BOOK), True, EMPTY_TOP)
        return Message(event.ts_ns, rows, True, self.book.top())

    def _changes(self, ts: int, changes: list[Change]) -> Message | None:
        if self.book.state is not State.LIVE:
            self.counts[f"ignored_{self.book.state.value}"] += len(changes)
            return None
        rows: list[Row] = []
        for change in changes:
            done = (
                self.book.add(change.side, change.price, change.size)
                if change.signed
                else self.book.put(change.side, change.price, change.size)
            )
            if done is None:
                self.counts["negative_levels"] += 1
                return self._dirty(ts)
            rows += done
        if self.book.crossed:
            self.counts["crossed_states"] += 1
            return self._dirty(ts)
        if not self._agrees(changes[-1]):
            self.counts["resyncs"] += 1
            return self._dirty(ts)
        real = [r for r in rows if r is not UNCHANGED]
        return Message(ts, real or [UNCHANGED], False, self.book.top())

    def _dirty(self, ts: int) -> Message:
        """A message was lost: no book until the next accepted snapshot."""
        self.book.lose()
        self.book.state = State.DIRTY
        return Message(ts, list(EMPTY_BOOK), True, EMPTY_TOP)

    def _agrees(self, change: Change) -> bool:
        """Compare with the best prices the venue states; 0 and 1 mean an empty side there."""
        bid = max(self.book.bids, default=NO_BID)
        ask = min(self.book.asks, default=NO_ASK)
        if change.best_bid >= 0 and change.best_bid % PRICE_UNITS != bid:
            return False
        return change.best_ask < 0 or (change.best_ask or NO_ASK) == ask


def _batch(event: Event) -> tuple[int, str]:
    if isinstance(event, Lost):
        return event.ts_ns, "lost"
    if isinstance(event, Snapshot):
        return event.ts_ns, "snapshot"
    # signed changes stand for themselves; absolute ones of one time are one venue message
    return event.ts_ns, f"signed {event.row}" if event.signed else "put"
