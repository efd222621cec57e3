"""A venue whose every answer and message a test decides; each venue's tests implement it.

The script holds the truth (orders, fills) and answers reads from it, so "asking the venue" works.
What it does not do by itself is announce anything: the test decides what the stream says, when, how
often and in which order.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from decimal import Decimal
from enum import Enum

from nautilus_trader.execution.messages import (
    CancelOrder,
    ModifyOrder,
    SubmitOrder,
    SubmitOrderList,
)
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.identifiers import StrategyId
from nautilus_trader.model.orders import Order


class Answer(Enum):
    """How the venue answers a command."""

    OK = "applied and answered"
    HELD = "applied; the answer waits for release()"
    REFUSED = "refused with a reason"
    APPLIED_LOST = "applied, then a server error"
    UNAPPLIED_LOST = "not applied, and a server error"
    APPLIED_SILENT = "applied, and no answer at all"


class VenueScript(ABC):
    """The scripted venue together with a real execution client that talks to it.

    Attributes
    ----------
    client : LiveExecutionClient
        The client under test, connected by :meth:`open`.
    """

    client: LiveExecutionClient
    strategy_id = StrategyId("TEST-001")

    # -- set-up

    @abstractmethod
    async def open(self) -> None:
        """Build engine and client, connect, and wait until the user stream is open."""

    @abstractmethod
    async def close(self) -> None:
        """Disconnect and stop everything."""

    @abstractmethod
    def new_order(self, *, size: str = "10", price: str = "0.40", tif: str = "GTC") -> Order:
        """Return a BUY of the first outcome, already in the cache, not yet submitted."""

    # -- what the venue does

    @abstractmethod
    def answer_create(self, *answers: Answer) -> None:
        """Decide how the next creates are answered; OK when nothing is decided."""

    @abstractmethod
    def answer_cancel(self, *answers: Answer) -> None:
        """Decide how the next cancels are answered."""

    @abstractmethod
    def answer_modify(self, *answers: Answer) -> None:
        """Decide how the next modifies are answered."""

    @abstractmethod
    def release(self) -> None:
        """Let every held answer go."""

    @abstractmethod
    def fill(self, order: Order, size: str) -> str:
        """Fill part of an order at the venue, silently; return the trade id."""

    @abstractmethod
    def cancel_at_venue(self, order: Order) -> None:
        """Cancel what remains of an order at the venue, silently."""

    @abstractmethod
    def is_known(self, order: Order) -> bool:
        """Whether the venue has taken the order."""

    @abstractmethod
    def is_resting(self, order: Order) -> bool:
        """Whether the order rests at the venue."""

    # -- what the venue says

    @abstractmethod
    def announce_fill(self, order: Order, trade_id: str) -> None:
        """Say one fill on the user stream."""

    @abstractmethod
    def announce_order(self, order: Order) -> None:
        """Say an order's present state on the user stream."""

    @abstractmethod
    def drop_stream(self) -> None:
        """Break the user stream; the client may reconnect at once."""

    # -- what the strategy does

    async def submit(self, *orders: Order) -> None:
        """Submit one order, or several as a list, and wait for the client to be done."""
        if len(orders) == 1:
            await self.client._submit_order(self.submit_command(orders[0]))
        else:
            await self.client._submit_order_list(self.submit_list_command(orders))

    def submit_soon(self, *orders: Order) -> asyncio.Task[None]:
        """Submit without waiting."""
        return asyncio.get_running_loop().create_task(self.submit(*orders))

    async def cancel(self, order: Order) -> None:
        """Cancel an order."""
        await self.client._cancel_order(self.cancel_command(order))

    async def modify(
        self, order: Order, *, size: str | None = None, price: str | None = None
    ) -> None:
        """Modify an order."""
        await self.client._modify_order(self.modify_command(order, size, price))

    @abstractmethod
    def submit_command(self, order: Order) -> SubmitOrder: ...

    @abstractmethod
    def submit_list_command(self, orders: tuple[Order, ...]) -> SubmitOrderList: ...

    @abstractmethod
    def cancel_command(self, order: Order) -> CancelOrder: ...

    @abstractmethod
    def modify_command(self, order: Order, size: str | None, price: str | None) -> ModifyOrder: ...

    @abstractmethod
    def engine_gives_up(self, order: Order) -> None:
        """Do what the engine does to an order in flight for too long: reject it as UNKNOWN."""

    @abstractmethod
    def position(self) -> Decimal:
        """What the framework holds of the first outcome."""

    # -- looking

    def story(self, order: Order) -> list[str]:
        """Return the order's events by name, without what the test itself began with."""
        return [type(e).__name__.removeprefix("Order") for e in order.events][1:]

    async def until(self, condition, seconds: float = 10.0) -> None:
        """Wait for a condition; fail with what it was when time is up."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"not so after {seconds} s: {condition.__name__}")
            await asyncio.sleep(0.01)

    async def quiet(self, turns: int = 25) -> None:
        """Give the client's tasks and the engine's queues a few turns of the loop."""
        for _ in range(turns):
            await asyncio.sleep(0.002)
