"""The way of messages to one connection, with loss, doubling, reordering and lateness."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from simulators.faults import Fault

_ENDINGS = frozenset({"half_open", "reset", "close"})


@dataclass(slots=True)
class Delivery[T]:
    """What one push lets through.

    Attributes
    ----------
    messages
        To be sent now, in this order.
    ending
        ``half_open``, ``reset`` or ``close`` when the connection ends after them, else ``""``.
    code
        Close code where ``ending`` is ``close``.

    """

    messages: list[T] = field(default_factory=list)
    ending: str = ""
    code: int = 1000


class MessagePipe[T]:
    """Holds back, loses and doubles messages of one connection, counted by message.

    Pure: faults come in with each message. A message that is held back leaves once the stated
    number of later messages has gone out; `flush` lets the rest go.
    """

    def __init__(self) -> None:
        self._held: list[tuple[int, T]] = []
        self._ended = False

    def push(self, message: T, faults: Iterable[Fault] = ()) -> Delivery[T]:
        """Put one message in and return what leaves."""
        delivery: Delivery[T] = Delivery()
        if self._ended:
            return delivery
        copies, hold = 1, 0
        for fault in faults:
            if fault.kind == "drop":
                copies = 0
            elif fault.kind == "duplicate":
                copies = 2 if copies else 0
            elif fault.kind == "reorder":
                hold = max(hold, fault.number("span", 1))
            elif fault.kind == "late":
                hold = max(hold, fault.number("messages", 3))
            elif fault.kind in _ENDINGS:
                delivery.ending = fault.kind
                delivery.code = fault.number("code", 1001)
        if hold:
            self._held.extend([(hold, message)] * copies)
        else:
            delivery.messages.extend([message] * copies)
            for _ in range(copies):
                self._release(delivery)
        self._ended = bool(delivery.ending)
        return delivery

    def flush(self) -> list[T]:
        """Let every message go that is still held back."""
        rest = [message for _, message in self._held]
        self._held.clear()
        return rest

    def _release(self, delivery: Delivery[T]) -> None:
        waiting: list[tuple[int, T]] = []
        for left, message in self._held:
            if left <= 1:
                delivery.messages.append(message)
            else:
                waiting.append((left - 1, message))
        self._held = waiting
