"""Token buckets: wait for our own turn instead of being told off.

A bucket may run into debt: each caller reserves its tokens at once and then waits until the
refill has covered them. Callers are therefore served in the order in which they asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from adapters.common.errors import UsageError

_NS = 1_000_000_000


@dataclass(slots=True)
class TokenBucket:
    """One continuously refilled bucket (pure: time is an argument).

    Attributes
    ----------
    refill_rate : float
        Tokens per second.
    capacity : float
        Most tokens the bucket holds; no single cost may exceed it.
    """

    refill_rate: float
    capacity: float
    _tokens: float = -1.0
    _at_ns: int = -1

    def __post_init__(self) -> None:
        if self.refill_rate <= 0 or self.capacity <= 0:
            raise UsageError(
                f"a bucket needs a positive rate and capacity, found "
                f"{self.refill_rate!r} and {self.capacity!r}"
            )
        if self._tokens < 0:
            self._tokens = self.capacity

    def level(self, now_ns: int) -> float:
        """Return the tokens at ``now_ns``; negative while earlier callers still wait."""
        if self._at_ns < 0:
            self._at_ns = now_ns
        elapsed_s = max(0, now_ns - self._at_ns) / _NS
        self._at_ns = max(self._at_ns, now_ns)
        self._tokens = min(self.capacity, self._tokens + elapsed_s * self.refill_rate)
        return self._tokens

    def reserve(self, cost: float, now_ns: int) -> float:
        """Take ``cost`` tokens and return the seconds to wait before using them.

        Raises
        ------
        UsageError
            ``cost`` exceeds the capacity: the venue would refuse it at any time.
        """
        if cost > self.capacity:
            raise UsageError(f"one call costs {cost:g} tokens, the bucket holds {self.capacity:g}")
        level = self.level(now_ns)
        self._tokens = level - cost
        return max(0.0, -self._tokens / self.refill_rate)

    def drain(self, now_ns: int) -> None:
        """Empty the bucket: the venue says that it is (another process spends from it too)."""
        self._tokens = min(self.level(now_ns), 0.0)

    def resize(self, refill_rate: float, capacity: float, now_ns: int) -> None:
        """Adopt the figures the venue gave; a debt stays a debt."""
        level = self.level(now_ns)
        self.refill_rate = refill_rate
        self.capacity = capacity
        self._tokens = min(level, capacity)


class Limiter:
    """Buckets by scope, shared by everything that talks to one venue account.

    Parameters
    ----------
    buckets : mapping of str to TokenBucket
        One per scope the venue keeps.
    clock_ns : callable
        Monotonic or wall clock in nanoseconds.
    sleep : callable, default asyncio.sleep
        Injected for tests.
    """

    def __init__(
        self,
        buckets: Mapping[str, TokenBucket],
        *,
        clock_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._buckets = dict(buckets)
        self._clock_ns = clock_ns
        self._sleep = sleep

    async def acquire(self, scope: str, cost: float = 1.0) -> None:
        """Wait until ``cost`` tokens of ``scope`` are ours."""
        wait_s = self.bucket(scope).reserve(cost, self._clock_ns())
        if wait_s > 0:
            await self._sleep(wait_s)

    def bucket(self, scope: str) -> TokenBucket:
        """Return the bucket of ``scope``; raise ``UsageError`` if there is none."""
        try:
            return self._buckets[scope]
        except KeyError:
            names = ", ".join(sorted(self._buckets))
            raise UsageError(f"no rate-limit scope {scope!r}; there are: {names}") from None

    def ensure(self, scope: str, refill_rate: float, capacity: float) -> None:
        """Create ``scope``, or adopt new figures for it."""
        bucket = self._buckets.get(scope)
        if bucket is None:
            self._buckets[scope] = TokenBucket(refill_rate, capacity)
        else:
            bucket.resize(refill_rate, capacity, self._clock_ns())

    def drain(self, scope: str) -> None:
        """Empty ``scope`` after the venue answered that we are too fast."""
        self.bucket(scope).drain(self._clock_ns())

    def levels(self) -> dict[str, float]:
        """Return the tokens left by scope."""
        now_ns = self._clock_ns()
        return {name: bucket.level(now_ns) for name, bucket in self._buckets.items()}
