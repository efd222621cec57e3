"""What became of a command: Accepted, Rejected on positive evidence, or Unknown.

One function, :func:`classify`, decides it for one order and for a batch alike, so the two
paths cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.common.errors import AdapterError, ProtocolError, TransportError, UsageError
from adapters.common.transport import HttpResponse


@dataclass(frozen=True, slots=True)
class Accepted[T]:
    """The venue took the command; ``value`` is what it said."""

    value: T


@dataclass(frozen=True, slots=True)
class Rejected:
    """The venue, or our own machine before sending, proves that nothing happened.

    Attributes
    ----------
    code : str
        Machine-readable code; ``NOT_SENT`` when nothing left this machine.
    reason : str
        One sentence for people.
    """

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say yet: ask the venue, never wait it into one of the other two."""

    reason: str


type Outcome[T] = Accepted[T] | Rejected | Unknown
type Attempt = HttpResponse | AdapterError

#: Code of a :class:`Rejected` that never left this machine.
NOT_SENT = "NOT_SENT"


def classify[T](
    n: int,
    attempt: Attempt,
    *,
    read: Callable[[HttpResponse], Sequence[T | Rejected | None]],
    refused: Callable[[HttpResponse], Rejected | None],
) -> tuple[Outcome[T], ...]:
    """Return the outcome of each of the ``n`` items of one request.

    Parameters
    ----------
    n : int
        How many commands the request carried, at least 1.
    attempt : HttpResponse or AdapterError
        The answer, or what was raised instead of one.
    read : callable
        Reads a 2xx answer into one entry per item, in the order of the request: the venue's
        record, a ``Rejected`` for an item it refused, or None for an item it did not mention.
        Raises ``ProtocolError`` for bytes that make no sense.
    refused : callable
        Reads any other answer: a ``Rejected`` if it is positive evidence that nothing was
        applied, None if it is not (5xx, a body nobody can read).

    Notes
    -----
    1. An exception before sending is positive evidence: Rejected.
    2. An exception after sending proves nothing: Unknown.
    3. A 2xx that cannot be read, or that omits an item, proves nothing: Unknown.
    4. Any other status is what ``refused`` says; None means Unknown.
    """
    if n < 1:
        raise UsageError(f"classify() needs at least one command, found {n}")
    if isinstance(attempt, UsageError):
        return (Rejected(NOT_SENT, str(attempt)),) * n
    if isinstance(attempt, TransportError):
        if not attempt.sent:
            return (Rejected(NOT_SENT, str(attempt)),) * n
        return (Unknown(str(attempt)),) * n
    if isinstance(attempt, AdapterError):
        return (Unknown(str(attempt)),) * n
    if 200 <= attempt.status < 300:
        return _read_items(n, attempt, read)
    refusal = refused(attempt)
    if refusal is None:
        return (Unknown(f"HTTP {attempt.status} after sending"),) * n
    return (refusal,) * n


def _read_items[T](
    n: int,
    response: HttpResponse,
    read: Callable[[HttpResponse], Sequence[T | Rejected | None]],
) -> tuple[Outcome[T], ...]:
    try:
        items = read(response)
    except ProtocolError as exc:
        return (Unknown(f"HTTP {response.status}, but {exc}"),) * n
    if len(items) > n:
        return (Unknown(f"{len(items)} results for {n} commands"),) * n
    outcomes: list[Outcome[T]] = []
    for item in items:
        if item is None:
            outcomes.append(Unknown("the answer does not mention this command"))
        elif isinstance(item, Rejected):
            outcomes.append(item)
        else:
            outcomes.append(Accepted(item))
    missing = n - len(outcomes)
    outcomes.extend([Unknown("the answer does not mention this command")] * missing)
    return tuple(outcomes)
