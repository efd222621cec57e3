"""Repeat reads, and only reads: a command is repeated by nobody but its own state machine.

``stamina`` runs the attempts; the waits are ours, because they must honour ``Retry-After`` and
draw their jitter from an injected source.
"""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import stamina

from adapters.common.errors import RateLimited, TransportError, VenueUnavailable


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential waits with full jitter.

    Attributes
    ----------
    first_s, most_s : float
        Ceiling of the first wait, and of any wait, in seconds.
    factor : float
        Growth of the ceiling per attempt.
    """

    first_s: float = 0.2
    most_s: float = 10.0
    factor: float = 2.0

    def delay_s(self, attempt: int, draw: float) -> float:
        """Return the wait after failed attempt number ``attempt`` (1 = the first).

        ``draw`` in [0, 1) is the jitter: the wait lies between half of the ceiling and all of it,
        so that two clients that failed together do not return together.
        """
        ceiling_s = min(self.most_s, self.first_s * self.factor ** min(attempt - 1, 32))
        return ceiling_s * (0.5 + 0.5 * draw)


def jitter() -> float:
    """Return a number in [0, 1) for waits; nothing secret hangs on it."""
    return random.random()  # noqa: S311 - spreads reconnects, protects nothing


class ReadRetry:
    """Policy for idempotent reads.

    Parameters
    ----------
    attempts : int, default 4
        Tries in all.
    backoff : Backoff
        Waits between them.
    draw : callable
        Source of jitter, injected in tests.
    """

    def __init__(
        self,
        *,
        attempts: int = 4,
        backoff: Backoff | None = None,
        draw: Callable[[], float] = jitter,
    ) -> None:
        self._attempts = attempts
        self._backoff = backoff or Backoff()
        self._draw = draw

    def wait_s(self, exc: Exception, attempt: int) -> float | None:
        """Return the wait before the next try, None if ``exc`` must not be retried."""
        if isinstance(exc, RateLimited) and exc.retry_after_s is not None:
            return exc.retry_after_s
        if isinstance(exc, (TransportError, RateLimited, VenueUnavailable)):
            return self._backoff.delay_s(attempt, self._draw())
        return None

    async def run[T](self, read: Callable[[], Awaitable[T]]) -> T:
        """Await ``read()`` until it answers; the last failure is raised as it is."""
        failures = 0

        def hook(exc: Exception) -> bool | float:
            nonlocal failures
            failures += 1
            wait_s = self.wait_s(exc, failures)
            return False if wait_s is None else wait_s

        async for attempt in stamina.retry_context(on=hook, attempts=self._attempts, timeout=None):
            with attempt:
                return await read()
        raise AssertionError("stamina ends with a result or the last exception")
