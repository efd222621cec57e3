"""Read an account so that its parts fit together.

Orders, fills and positions are three reads of a model that lags behind the engine and moves
between them. A list that is missing a fill would make Nautilus invent one, so a snapshot is
repeated until every order's fills add up to what the order says, or the reading fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from adapters.common.errors import ProtocolError
from adapters.kalshi import fills as executions
from adapters.kalshi.fills import Execution
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.netting import Attribution, Placed, Trade, attribute
from adapters.kalshi.numbers import decimal, units
from adapters.kalshi.schemas import rest

_ATTEMPTS = 6


@dataclass(slots=True)
class AccountSnapshot:
    """Orders, fills and positions that agree with one another.

    Attributes
    ----------
    fills : dict of str to list of Execution
        By order id, oldest first.
    net_u : dict of str to int
        Signed position by ticker, in units.
    cost : dict of str to Decimal
        What the position cost, in dollars, by ticker.
    """

    orders: dict[str, rest.Order] = field(default_factory=dict)
    fills: dict[str, list[Execution]] = field(default_factory=dict)
    net_u: dict[str, int] = field(default_factory=dict)
    cost: dict[str, Decimal] = field(default_factory=dict)
    settled: dict[str, rest.Settlement] = field(default_factory=dict)

    def tickers(self) -> set[str]:
        """Return every market the snapshot names."""
        return {order.ticker for order in self.orders.values()} | {
            ticker for ticker, net_u in self.net_u.items() if net_u
        }

    def disagreements(self) -> list[str]:
        """Return the ids of orders whose fills do not add up."""
        return [
            order_id
            for order_id, order in self.orders.items()
            if sum(f.size_u for f in self.fills.get(order_id, ())) != units(order.fill_count_fp)
        ]

    def attributions(self, known: Mapping[str, Attribution]) -> dict[str, Attribution]:
        """Return the instrument each order means, remembered or told by the record itself."""
        told: dict[str, Attribution] = {}
        for ticker in {order.ticker for order in self.orders.values()}:
            told |= self._attributions_of(ticker, known)
        return told

    def _attributions_of(
        self, ticker: str, known: Mapping[str, Attribution]
    ) -> dict[str, Attribution]:
        records = [order for order in self.orders.values() if order.ticker == ticker]
        fills = [fill for order in records for fill in self.fills.get(order.order_id, ())]
        fills.sort(key=lambda f: (f.ts_ns, f.trade_id))
        signed = sum(fill.size_u if fill.bid else -fill.size_u for fill in fills)
        # A settled market's position is gone: begin from nothing instead of ending at it.
        after_u = signed if ticker in self.settled else self.net_u.get(ticker, 0)
        placed = [Placed(o.order_id, o.book_side == "bid", _need(o)) for o in records]
        trades = [Trade(fill.order_id, fill.size_u) for fill in fills]
        return attribute(placed, trades, after_u, known)


def _need(order: rest.Order) -> int:
    filled_u = units(order.fill_count_fp)
    return filled_u + (units(order.remaining_count_fp) if order.status == "resting" else 0)


class AccountReader:
    """Read snapshots of one account.

    Parameters
    ----------
    subaccount : int
        The subaccount that trades here.
    """

    def __init__(
        self,
        http: KalshiHttp,
        *,
        subaccount: int,
        clock_ns: Callable[[], int],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._http = http
        self._subaccount = subaccount
        self._clock_ns = clock_ns
        self._sleep = sleep

    async def snapshot(self, *, since_s: int) -> AccountSnapshot:
        """Return resting orders, whatever changed or filled since ``since_s``, and positions.

        Raises
        ------
        ProtocolError
            The parts still contradict each other after several readings.
        AdapterError
            Any read failed: a partial snapshot is never returned.
        """
        wrong: list[str] = []
        for attempt in range(_ATTEMPTS):
            found = await self._read(since_s)
            wrong = await self._complete(found)
            if not wrong:
                return found
            await self._sleep(0.25 * (attempt + 1))
        raise ProtocolError(f"fills and orders disagree for {len(wrong)} orders, e.g. {wrong[0]}")

    async def fills_since(self, since_s: int) -> list[Execution]:
        """Return fills since a second, oldest first."""
        records = await self._http.fills(min_ts=since_s, subaccount=self._subaccount)
        return self._sorted(records)

    async def fills_of(self, order_id: str) -> list[Execution]:
        """Return all fills of one order, oldest first."""
        return self._sorted(await self._http.fills(order_id=order_id))

    async def net(self) -> dict[str, int]:
        """Return the signed position by ticker, in units."""
        records = await self._http.positions(subaccount=self._subaccount)
        return {record.ticker: units(record.position_fp) for record in records}

    async def resting(self) -> dict[str, rest.Order]:
        """Return the resting orders by order id."""
        records = await self._http.orders(status="resting", subaccount=self._subaccount)
        return {record.order_id: record for record in records}

    async def find(self, client_id: str, ticker: str, since_s: int) -> rest.Order | None:
        """Return the order with a client id, None if the list does not show it.

        There is no look-up by client id: the list of the market is searched.
        """
        records = await self._http.orders(
            ticker=ticker, min_ts=since_s, subaccount=self._subaccount
        )
        return next((r for r in records if r.client_order_id == client_id), None)

    async def settlements(self, since_s: int) -> dict[str, rest.Settlement]:
        """Return settled markets by ticker since a second."""
        records = await self._http.settlements(min_ts=since_s, subaccount=self._subaccount)
        return {record.ticker: record for record in records}

    async def _read(self, since_s: int) -> AccountSnapshot:
        fills = await self.fills_since(since_s)
        orders = await self.resting()
        changed = await self._http.orders(min_ts=since_s, subaccount=self._subaccount)
        for record in changed:
            orders[record.order_id] = record
        found = AccountSnapshot(orders=orders)
        for record in await self._http.positions(subaccount=self._subaccount):
            found.net_u[record.ticker] = units(record.position_fp)
            if record.market_exposure_dollars:
                found.cost[record.ticker] = decimal(record.market_exposure_dollars)
        found.settled = await self.settlements(since_s)
        for fill in fills:
            found.fills.setdefault(fill.order_id, []).append(fill)
        return found

    async def _complete(self, found: AccountSnapshot) -> list[str]:
        """Fetch what the window cut off; return the orders that still disagree."""
        for order_id in found.fills.keys() - found.orders.keys():
            found.orders[order_id] = await self._http.order(order_id)
        for order_id in found.disagreements():
            found.fills[order_id] = await self.fills_of(order_id)
            found.orders[order_id] = await self._http.order(order_id)
        return found.disagreements()

    def _sorted(self, records: list[rest.Fill]) -> list[Execution]:
        now_ns = self._clock_ns()
        own = [r for r in records if r.subaccount_number in (None, self._subaccount)]
        made = [executions.from_rest(record, now_ns) for record in own]
        return sorted(made, key=lambda f: (f.ts_ns, f.trade_id))
