"""Rate limits: token buckets of each signer for orders and cancels, and windows of each route.

Source: docs.polymarket.com, rate-limits and trading-rate-limits, as of 2026-09-30.
"""

from __future__ import annotations

from dataclasses import dataclass

from simulators.polymarket.model import Refusal
from simulators.polymarket.world import NS_PER_S

TIERS = {
    "Standard": (40, 60, 80, 120),
    "Copper": (60, 90, 120, 180),
    "Bronze": (80, 120, 160, 240),
    "Silver": (200, 300, 400, 600),
    "Gold": (400, 600, 800, 1200),
    "Platinum": (450, 675, 900, 1350),
    "Diamond": (525, 787, 1050, 1575),
    "Elite": (600, 900, 1200, 1800),
}
"""Orders per second, their burst, cancels per second, their burst."""

WINDOWS = {
    "GET /ok": 100,
    "GET /book": 1500,
    "GET /price": 1500,
    "GET /midpoint": 1500,
    "POST /books": 500,
    "POST /prices": 500,
    "POST /midpoints": 500,
    "GET /prices-history": 1000,
    "GET /tick-size": 200,
    "GET /data/orders": 500,
    "GET /data/trades": 500,
    "GET /notifications": 125,
    "GET /balance-allowance": 200,
    "GET /balance-allowance/update": 50,
    "POST /auth/api-key": 100,
    "GET /auth/derive-api-key": 100,
    "POST /order": 5000,
    "DELETE /order": 5000,
    "POST /orders": 2000,
    "DELETE /orders": 2000,
    "DELETE /cancel-all": 250,
    "DELETE /cancel-market-orders": 1500,
    "GET gamma/events": 500,
    "GET gamma/markets": 300,
    "GET gamma/public-search": 350,
    "GET data/v2/trades": 300,
    "GET data/v2/positions": 200,
    "GET data/v2/activity": 200,
}
"""Requests per 10 seconds."""

_WINDOW_NS = 10 * NS_PER_S


@dataclass(slots=True)
class Bucket:
    """A token bucket in tokens × ns, so that refilling is exact."""

    rate: int
    burst: int
    level: int
    at_ns: int

    def refill(self, now_ns: int) -> None:
        """Add what time brought."""
        gained = max(0, now_ns - self.at_ns) * self.rate
        self.level = min(self.burst * NS_PER_S, self.level + gained)
        self.at_ns = max(self.at_ns, now_ns)

    def take(self, cost: int) -> bool:
        """Take `cost` tokens, all or nothing."""
        if self.level < cost * NS_PER_S:
            return False
        self.level -= cost * NS_PER_S
        return True

    def wait_s(self, cost: int) -> int:
        """Return whole seconds until `cost` tokens are there, at least 1."""
        missing = cost * NS_PER_S - self.level
        return max(1, -(-missing // (self.rate * NS_PER_S)))


class Limits:
    """Every bucket and window of the venue."""

    def __init__(self) -> None:
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._windows: dict[str, tuple[int, int]] = {}

    def route(self, route: str, now_ns: int) -> None:
        """Count a request of a route.

        Raises
        ------
        Refusal
            429 with Retry-After when the window is full.
        """
        limit = WINDOWS.get(route)
        if limit is None:
            return
        start, count = self._windows.get(route, (now_ns, 0))
        if now_ns - start >= _WINDOW_NS:
            start, count = now_ns, 0
        self._windows[route] = (start, count + 1)
        if count >= limit:
            wait = -(-(start + _WINDOW_NS - now_ns) // NS_PER_S)
            raise Refusal(429, "Too Many Requests", retry_after=max(1, wait))

    def signer(
        self, address: str, kind: str, cost: int, now_ns: int, tier: str, policy: str
    ) -> dict[str, str]:
        """Charge a signer and return the headers of the answer.

        Parameters
        ----------
        kind
            ``orders`` or ``cancels``.
        cost
            A batch of n costs n, all or nothing.
        policy
            ``off``, ``warn`` or ``enforce``.

        Raises
        ------
        Refusal
            429 with Retry-After under ``enforce``.
        """
        if policy == "off":
            return {}
        rates = TIERS[tier]
        rate, burst = rates[:2] if kind == "orders" else rates[2:]
        bucket = self._buckets.get((address, kind))
        if bucket is None or bucket.rate != rate:
            bucket = Bucket(rate, burst, burst * NS_PER_S, now_ns)
            self._buckets[address, kind] = bucket
        bucket.refill(now_ns)
        fits = bucket.take(cost)
        wait = 0 if fits else bucket.wait_s(cost)
        headers = {
            "Poly-RateLimit-Remaining": str(bucket.level // NS_PER_S - (0 if fits else cost)),
            "Poly-RateLimit-Reset": str(now_ns // NS_PER_S + max(1, wait)),
            "Poly-RateLimit-Tier": tier,
        }
        if not fits and policy == "enforce":
            raise Refusal(429, "Too Many Requests", retry_after=wait, headers=headers)
        if not fits:
            headers["Poly-RateLimit-Warning"] = "true"
        return headers
