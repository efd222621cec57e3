"""Token buckets: what a request costs, and whether the account can pay (KALSHI, rate limits)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from simulators.kalshi.errors import too_many_requests
from simulators.kalshi.state import SHARDS
from simulators.kalshi.units import NS_PER_S
from simulators.switches import Switches

DEFAULT_COST = 10
CREATE, BATCH_CREATE = "POST /portfolio/events/orders", "POST /portfolio/events/orders/batched"
CANCEL, BATCH_CANCEL = (
    "DELETE /portfolio/events/orders/{order_id}",
    "DELETE /portfolio/events/orders/batched",
)
COSTS: dict[str, int] = {
    "POST /account/api_usage_level/upgrade": 30,
    "GET /cfbenchmarks": 50,
    "POST /communications/quotes": 2,
    "DELETE /communications/quotes/{quote_id}": 2,
    "GET /communications/quotes/{quote_id}": 2,
    "DELETE /portfolio/events/orders": 2,
    CANCEL: 2,
    BATCH_CANCEL: 2,
    "GET /portfolio/orders/{order_id}": 2,
}
_AUGUST: dict[str, tuple[int, int]] = {
    "basic": (200, 100),
    "advanced": (300, 300),
    "expert": (600, 600),
    "premier": (1000, 1000),
    "paragon": (2000, 2000),
    "prime": (4000, 4000),
    "prestige": (10_000, 8000),
}
_RAISED = ("premier", "paragon", "prime", "prestige")
TIERS = tuple(_AUGUST)


@dataclass(frozen=True, slots=True)
class Budget:
    """Tokens a second and the most that can be saved, for reads and for writes."""

    read_rate: int
    read_capacity: int
    write_rate: int
    write_capacity: int


def budget(tier: str, switches: Switches) -> Budget:
    """Return the budget of a tier by the figures in force."""
    if tier not in _AUGUST:
        raise ValueError(f"tier is {tier!r}, allowed {list(TIERS)}")
    read, write = _AUGUST[tier]
    if switches["tier_table"] == "sep2026" and tier in _RAISED:
        read, write = read * 6 // 5, write * 6 // 5
    read_capacity = 2 * read if tier in ("basic", "advanced") else read
    write_capacity = write if tier == "basic" else 2 * write
    return Budget(read, read_capacity, write, write_capacity)


class Bucket:
    """A token bucket in integers: tokens × 10⁹."""

    def __init__(self, rate: int, capacity: int, now_ns: int) -> None:
        self.rate = rate
        self.capacity = capacity
        self._scaled = capacity * NS_PER_S
        self._now_ns = now_ns

    def has(self, cost: int, now_ns: int) -> bool:
        """Refill to ``now_ns`` and return whether ``cost`` tokens are there."""
        if now_ns > self._now_ns:
            grown = self._scaled + (now_ns - self._now_ns) * self.rate
            self._scaled = min(self.capacity * NS_PER_S, grown)
            self._now_ns = now_ns
        return self._scaled >= cost * NS_PER_S

    def spend(self, cost: int) -> None:
        """Take ``cost`` tokens out."""
        self._scaled -= cost * NS_PER_S


class Limits:
    """The buckets of every account: read, write, and one write bucket a shard."""

    def __init__(self, switches: Switches) -> None:
        self._switches = switches
        self._buckets: dict[tuple[str, str], Bucket] = {}
        self._public: Bucket | None = None

    def set_tier(self, user_id: str) -> None:
        """Forget an account's buckets: the next request makes those of its present tier."""
        for key in [k for k in self._buckets if k[0] == user_id]:
            del self._buckets[key]

    def admit(
        self, user_id: str, tier: str, names: tuple[str, ...], cost: int, now_ns: int
    ) -> None:
        """Take ``cost`` from every named bucket, or from none and refuse with 429."""
        buckets = [self._bucket(user_id, tier, name, now_ns) for name in names]
        if not all(bucket.has(cost, now_ns) for bucket in buckets):
            raise too_many_requests()
        for bucket in buckets:
            bucket.spend(cost)

    def admit_public(self, now_ns: int) -> None:
        """Count an unauthenticated request, where the venue limits them."""
        rate = self._switches.number("public_requests_per_s")
        if not rate:
            return
        if self._public is None or self._public.rate != rate:
            self._public = Bucket(rate, rate, now_ns)
        if not self._public.has(1, now_ns):
            raise too_many_requests()
        self._public.spend(1)

    def _bucket(self, user_id: str, tier: str, name: str, now_ns: int) -> Bucket:
        key = (user_id, name)
        if key not in self._buckets:
            b = budget(tier, self._switches)
            rate = b.read_rate if name == "read" else b.write_rate
            capacity = b.read_capacity if name == "read" else b.write_capacity
            self._buckets[key] = Bucket(rate, capacity, now_ns)
        return self._buckets[key]


def write_buckets(exchange_index: int | None, batch: bool, switches: Switches) -> tuple[str, ...]:
    """Return the buckets a write is billed to.

    An explicit shard >= 1 has its own bucket; shard 0 and batches use the unscoped one. Auto-routed
    writes are unscoped, or billed to every shard, by switch.
    """
    if batch or exchange_index == 0:
        return ("write",)
    if exchange_index is not None and exchange_index > 0:
        return (f"write:{exchange_index}",)
    if switches["auto_route_billing"] == "every_shard":
        return ("write", *(f"write:{shard}" for shard in SHARDS if shard))
    return ("write",)


def cost_of(route: str, body: object) -> int:
    """Return the tokens of a request; a batch costs by its orders."""
    each = COSTS.get(route, DEFAULT_COST)
    if route in (BATCH_CREATE, BATCH_CANCEL) and isinstance(body, Mapping):
        orders = body.get("orders")
        return each * max(1, len(orders)) if isinstance(orders, list) else each
    return each


def published_costs() -> list[dict[str, object]]:
    """Return the answer of ``/account/endpoint_costs``: only what differs from the default."""
    rows: list[dict[str, object]] = []
    for route, cost in COSTS.items():
        method, _, path = route.partition(" ")
        shown = "/trade-api/v2" + path.replace("{", ":").replace("}", "")
        rows.append({"cost": cost, "method": method, "path": shown})
    return sorted(rows, key=lambda row: (str(row["path"]), str(row["method"])))
