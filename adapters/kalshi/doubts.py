"""Which orders the venue must be asked about, and when (pure).

A question stays open until the venue's answer settles it; time alone settles nothing. Absence is
believed only when the venue's own account of freshness has passed the moment after which the
request can no longer land.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

_NS = 1_000_000_000


class Question(StrEnum):
    """What is not known about an order."""

    SUBMIT = "submit"
    CANCEL = "cancel"
    MODIFY = "modify"
    FILLS = "fills"
    ABANDONED = "abandoned"


@dataclass(slots=True)
class Doubt:
    """The open questions about one order.

    Attributes
    ----------
    since_ns : int
        When the newest of them arose: reads older than this prove nothing.
    due_ns : int
        When to ask next.
    """

    since_ns: int
    due_ns: int
    questions: set[Question] = field(default_factory=set)
    attempts: int = 0


class Doubts:
    """Open questions by client order id.

    Parameters
    ----------
    interval_ns : int
        Wait between the first questions; it doubles up to ten times this.
    """

    def __init__(self, interval_ns: int) -> None:
        self._interval_ns = interval_ns
        self._open: dict[str, Doubt] = {}

    def __len__(self) -> int:
        return len(self._open)

    def raise_(self, client_id: str, question: Question, now_ns: int, *, wait_s: float) -> None:
        """Open a question, to be asked after ``wait_s`` seconds."""
        due_ns = now_ns + int(wait_s * _NS)
        doubt = self._open.get(client_id)
        if doubt is None:
            self._open[client_id] = Doubt(now_ns, due_ns, {question})
            return
        if question not in doubt.questions:
            doubt.questions.add(question)
            doubt.since_ns = max(doubt.since_ns, now_ns)
            doubt.attempts = 0
        doubt.due_ns = min(doubt.due_ns, due_ns)

    def of(self, client_id: str) -> Doubt | None:
        """Return the open questions about an order."""
        return self._open.get(client_id)

    def due(self, now_ns: int) -> list[str]:
        """Return the orders to ask about now."""
        return [client_id for client_id, doubt in self._open.items() if doubt.due_ns <= now_ns]

    def asked(self, client_id: str, now_ns: int) -> None:
        """Note an answer that settled nothing: ask again, later and later."""
        doubt = self._open.get(client_id)
        if doubt is not None:
            doubt.attempts += 1
            factor = min(10, 2 ** min(doubt.attempts - 1, 4))
            doubt.due_ns = now_ns + self._interval_ns * factor

    def answer(self, client_id: str, question: Question) -> None:
        """Close one question."""
        doubt = self._open.get(client_id)
        if doubt is not None:
            doubt.questions.discard(question)
            if not doubt.questions:
                del self._open[client_id]

    def close(self, client_id: str) -> None:
        """Close every question about an order that has ended."""
        self._open.pop(client_id, None)


def absent(as_of_ns: int, gave_up_ns: int, grace_ns: int) -> bool:
    """Whether an order that the venue does not list may be called absent.

    Parameters
    ----------
    as_of_ns : int
        How fresh the venue says its reads are, taken before the list was read.
    gave_up_ns : int
        When we stopped waiting for the answer to the request.
    grace_ns : int
        Allowance for skewed clocks and for a request that was still on its way.
    """
    return as_of_ns >= gave_up_ns + grace_ns
