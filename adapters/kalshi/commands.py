"""Send commands and say what became of them; n ≥ 1 orders take one path.

No Nautilus object passes here: requests go out, outcomes come back, and every uncertainty stays
one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import msgspec

from adapters.common.outcome import Accepted, Outcome, Rejected, Unknown, classify
from adapters.common.transport import HttpResponse
from adapters.kalshi import replies
from adapters.kalshi.http import KalshiHttp, encode
from adapters.kalshi.schemas import rest

_BATCH_MAX = 20
_TIRED_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class CancelWish:
    """One order to cancel."""

    order_id: str
    ticker: str
    shard: int | None


class Commands:
    """The order commands of one account.

    Parameters
    ----------
    subaccount : int
        The subaccount that trades.
    """

    def __init__(
        self,
        http: KalshiHttp,
        *,
        subaccount: int,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._subaccount = subaccount
        self._sleep = sleep

    async def create(self, requests: Sequence[dict[str, object]]) -> list[Outcome[rest.OrderAck]]:
        """Send orders; one outcome each, in order.

        A 429 is positive evidence that nothing was applied: the order is rejected, because its
        price may be stale by the time there is budget again.
        """
        outcomes: list[Outcome[rest.OrderAck]] = []
        size = self._batch_size(cost=10)
        for start in range(0, len(requests), size):
            outcomes.extend(await self._create(requests[start : start + size]))
        return outcomes

    async def _create(
        self, requests: Sequence[dict[str, object]]
    ) -> tuple[Outcome[rest.OrderAck], ...]:
        ids = [str(request["client_order_id"]) for request in requests]
        if len(requests) == 1:
            shard = requests[0].get("exchange_index")
            attempt = await self._http.create_order(
                encode(requests[0]), shard=shard if isinstance(shard, int) else None
            )
            read: Callable[[HttpResponse], Sequence] = replies.read_create
        else:
            body = msgspec.json.encode({"orders": list(requests)})
            attempt = await self._http.create_orders(body, count=len(requests))
            read = partial(replies.read_batch_create, client_ids=ids)
        found = classify(len(requests), attempt, read=read, refused=replies.create_refused)
        return tuple(_own(ids[i], outcome) for i, outcome in enumerate(found))

    async def cancel(self, wishes: Sequence[CancelWish]) -> list[Outcome[rest.CancelAck]]:
        """Cancel orders; one outcome each, in order. A 429 is tried again: cancels matter most."""
        outcomes: list[Outcome[rest.CancelAck]] = []
        size = self._batch_size(cost=2)
        for start in range(0, len(wishes), size):
            chunk = wishes[start : start + size]
            found: tuple[Outcome[rest.CancelAck], ...] = ()
            for attempt in range(_TIRED_ATTEMPTS):
                found = await self._cancel(chunk)
                if not any(isinstance(o, Rejected) and _tired(o) for o in found):
                    break
                await self._sleep(0.2 * 2**attempt)
            outcomes.extend(found)
        return outcomes

    async def _cancel(self, wishes: Sequence[CancelWish]) -> tuple[Outcome[rest.CancelAck], ...]:
        ids = [wish.order_id for wish in wishes]
        if len(wishes) == 1:
            wish = wishes[0]
            attempt = await self._http.cancel_order(
                wish.order_id,
                ticker=wish.ticker,
                shard=wish.shard,
                subaccount=self._subaccount,
            )
            read: Callable[[HttpResponse], Sequence] = replies.read_cancel
        else:
            rows = [
                {
                    "order_id": wish.order_id,
                    "market_ticker": wish.ticker,
                    "subaccount": self._subaccount,
                    **({} if wish.shard is None else {"exchange_index": wish.shard}),
                }
                for wish in wishes
            ]
            body = msgspec.json.encode({"orders": rows})
            attempt = await self._http.cancel_orders(body, count=len(wishes))
            read = partial(replies.read_batch_cancel, order_ids=ids)
        found = classify(len(wishes), attempt, read=read, refused=replies.cancel_refused)
        return tuple(_echoed(ids[i], outcome) for i, outcome in enumerate(found))

    async def amend(
        self, order_id: str, request: dict[str, object], *, shard: int | None
    ) -> Outcome[rest.OrderAck]:
        """Change price or total quantity."""
        attempt = await self._http.amend_order(
            order_id, encode(request), shard=shard, subaccount=self._subaccount
        )
        (found,) = classify(1, attempt, read=replies.read_create, refused=replies.amend_refused)
        return _echoed(order_id, found)

    async def decrease(
        self, order_id: str, request: dict[str, object], *, shard: int | None
    ) -> Outcome[rest.OrderAck]:
        """Take contracts off an order."""
        attempt = await self._http.decrease_order(
            order_id, encode(request), shard=shard, subaccount=self._subaccount
        )
        (found,) = classify(1, attempt, read=replies.read_create, refused=replies.amend_refused)
        return _echoed(order_id, found)

    def _batch_size(self, cost: int) -> int:
        """A batch is admitted only as a whole, so it must fit the bucket."""
        return max(1, min(_BATCH_MAX, int(self._http.limiter.bucket("write").capacity // cost)))


def _tired(outcome: Rejected) -> bool:
    return outcome.code in {"too_many_requests", "http_429"}


def _own(client_id: str, outcome: Outcome[rest.OrderAck]) -> Outcome[rest.OrderAck]:
    """An answer about another client id proves nothing about ours."""
    if isinstance(outcome, Accepted) and outcome.value.client_order_id not in (None, client_id):
        return Unknown("the answer names another client order id")
    return outcome


def _echoed[T: (rest.OrderAck, rest.CancelAck)](order_id: str, outcome: Outcome[T]) -> Outcome[T]:
    """The venue has once described another order in its answer (changelog 2026-05-21)."""
    if isinstance(outcome, Accepted) and outcome.value.order_id != order_id:
        return Unknown("the answer names another order id")
    return outcome
