"""What GET requests see: the venue's own state, some time later.

Seen on the wire (demo, 2026-06-11): a GET 360 ms after an acknowledged cancel still said
``resting``. Changes are applied in order; ``as_of_ns`` says up to when reads are complete, which
is what ``/exchange/user_data_timestamp`` answers.
"""

from __future__ import annotations

from collections import deque
from copy import copy
from dataclasses import dataclass

from simulators.kalshi.ledger import CashKey, PositionKey
from simulators.kalshi.model import Fill, Order, Position, Settlement


@dataclass(frozen=True, slots=True)
class _PositionSeen:
    key: PositionKey
    position: Position


@dataclass(frozen=True, slots=True)
class _CashSeen:
    key: CashKey
    micro: int


type Change = Order | Fill | Settlement | _PositionSeen | _CashSeen


class ReadModel:
    """Orders, fills, positions, cash and settlements as reads see them."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Order]] = {}
        self.fills: dict[str, list[Fill]] = {}
        self.positions: dict[PositionKey, Position] = {}
        self.cash: dict[CashKey, int] = {}
        self.settlements: dict[str, list[Settlement]] = {}
        self._queue: deque[tuple[int, int, Change]] = deque()
        self._due_ns = 0
        self._held_reads = 0

    def order(self, order: Order, now_ns: int, lag_ns: int) -> None:
        """Show an order as it is now, after ``lag_ns``."""
        self._put(now_ns, lag_ns, copy(order))

    def fill(self, fill: Fill, now_ns: int, lag_ns: int) -> None:
        """Show a fill after ``lag_ns``."""
        self._put(now_ns, lag_ns, fill)

    def position(self, key: PositionKey, position: Position, now_ns: int, lag_ns: int) -> None:
        """Show a position as it is now, after ``lag_ns``."""
        self._put(now_ns, lag_ns, _PositionSeen(key, copy(position)))

    def balance(self, key: CashKey, micro: int, now_ns: int, lag_ns: int) -> None:
        """Show a balance as it is now, after ``lag_ns``."""
        self._put(now_ns, lag_ns, _CashSeen(key, micro))

    def settlement(self, settlement: Settlement, now_ns: int, lag_ns: int) -> None:
        """Show a settlement after ``lag_ns``."""
        self._put(now_ns, lag_ns, settlement)

    def hold(self, reads: int) -> None:
        """Show nothing new for the next ``reads`` reads."""
        self._held_reads = max(self._held_reads, reads)

    def read(self, now_ns: int) -> None:
        """Apply what is due; called once at the start of each read."""
        if self._held_reads:
            self._held_reads -= 1
            return
        self.advance(now_ns)

    def advance(self, now_ns: int) -> None:
        """Apply what is due, unless visibility is held back."""
        while self._queue and not self._held_reads and self._queue[0][0] <= now_ns:
            self._apply(self._queue.popleft()[2])

    def reveal(self) -> None:
        """Apply everything at once."""
        self._held_reads = 0
        while self._queue:
            self._apply(self._queue.popleft()[2])

    def as_of_ns(self, now_ns: int) -> int:
        """Return the time up to which reads are complete."""
        return self._queue[0][1] - 1 if self._queue else now_ns

    def _put(self, now_ns: int, lag_ns: int, change: Change) -> None:
        if not self._queue and not lag_ns and not self._held_reads:
            self._apply(change)
            return
        # A later change never overtakes an earlier one.
        self._due_ns = max(self._due_ns, now_ns + lag_ns)
        self._queue.append((self._due_ns, now_ns, change))

    def _apply(self, change: Change) -> None:
        match change:
            case Order():
                self.orders.setdefault(change.user_id, {})[change.order_id] = change
            case Fill():
                self.fills.setdefault(change.user_id, []).append(change)
            case _PositionSeen():
                self.positions[change.key] = change.position
            case _CashSeen():
                self.cash[change.key] = change.micro
            case Settlement():
                self.settlements.setdefault(change.user_id, []).append(change)
