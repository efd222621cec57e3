"""Ask the venue what is true: after a reconnect, every minute, and whenever something is unknown.

Reads only (and one cancel that makes an absence certain). What it learns becomes effects for the
shell. Orders are read before trades, so the trades are at least as new: a trade read begun after an
order ended is complete for that order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Final

from adapters.common.errors import ProtocolError
from adapters.common.ledger import Phase
from adapters.common.outcome import Accepted, Rejected
from adapters.polymarket.constants import AssetType, ProtocolVersion
from adapters.polymarket.fills import Fill, TradeStatus
from adapters.polymarket.http import ClobClient
from adapters.polymarket.markets import Market
from adapters.polymarket.positions import Rebased
from adapters.polymarket.schemas.wire import decimal
from adapters.polymarket.schemas.ws import UserFrame
from adapters.polymarket.tracker import Effect, OrderTracker, Tracked
from adapters.polymarket.user import OrderRecord, order_record, trade_record

_NS: Final = 1_000_000_000
_OVERLAP_S: Final = 120
_BEFORE_SENT_S: Final = 5
_ABSENCES: Final = 3
_STABLE_TRIES: Final = 5


class Reconciler:
    """Compares our books with the venue's.

    Parameters
    ----------
    lookback_s : int
        How far back the first read of trades goes.
    absence_grace_ns : int
        How long after sending an order must stay unknown before absence counts as proof.
    emit : callable
        Takes effects, in order.
    on_garbled : callable
        Told about records that cannot be read; they are skipped, the rest counts.
    """

    def __init__(
        self,
        *,
        clob: ClobClient,
        tracker: OrderTracker,
        market_of: Callable[[str], Market | None],
        clock_ns: Callable[[], int],
        lookback_s: int,
        absence_grace_ns: int,
        emit: Callable[[list[Effect]], None],
        on_garbled: Callable[[str], None],
    ) -> None:
        self._clob = clob
        self._tracker = tracker
        self._market_of = market_of
        self._clock_ns = clock_ns
        self.lookback_s = lookback_s
        self._absence_grace_ns = absence_grace_ns
        self._emit = emit
        self._on_garbled = on_garbled
        self._read_from_s: int | None = None
        self.rounds = 0

    # -- the whole account ------------------------------------------------------------------------

    async def everything(self) -> dict[str, OrderRecord]:
        """Read open orders and trades, apply them, and check orders that are open only for us.

        Returns
        -------
        dict
            The venue's open orders by id.

        Raises
        ------
        AdapterError
            When any page cannot be read: a partial answer is no answer.
        """
        started_ns = self._clock_ns()
        open_records = self.order_records(await self._clob.open_orders())
        await self.read_trades()
        self._read_from_s = started_ns // _NS - _OVERLAP_S
        listed = {record.order_id.lower(): record for record in open_records}
        for record in open_records:
            self._emit(self._tracker.order(record))
        for order in self._tracker.open_or_doubted():
            if order.order_id not in listed and order.sent_ns < started_ns:
                await self.check(order)
        self.rounds += 1
        return listed

    async def read_trades(self) -> None:
        """Read and apply trades since the last round, or since the oldest unconfirmed one."""
        now_s = self._clock_ns() // _NS
        after_s = self._read_from_s or now_s - self.lookback_s
        oldest = min((f.matched_ns for f in self._tracker.fills.unconfirmed()), default=None)
        if oldest is not None:
            after_s = min(after_s, oldest // _NS - _OVERLAP_S)
        self._apply_trades(await self._clob.trades(after_s=max(0, after_s)))

    async def standing_fills(self, after_s: int) -> list[Fill]:
        """Return our fills since a time that have not failed, oldest first."""
        now_ns = self._clock_ns()
        found: list[Fill] = []
        for row in await self._clob.trades(after_s=max(0, after_s)):
            record = trade_record(row, now_ns)
            mine = self._tracker.own_fills(record)
            self._emit(self._tracker.trade(record))
            status = self._tracker.fills.status_of
            found += [f for f in mine if status(f.trade_id, f.order_id) is not TradeStatus.FAILED]
        return sorted(found, key=lambda f: f.matched_ns)

    def order_records(self, rows: Iterable[UserFrame]) -> list[OrderRecord]:
        """Read order rows.

        Raises
        ------
        ProtocolError
            For a row without identity or numbers: the list would be incomplete.
        """
        now_ns = self._clock_ns()
        return [order_record(row, now_ns) for row in rows]

    def _apply_trades(self, rows: Iterable[UserFrame]) -> None:
        now_ns = self._clock_ns()
        for row in rows:
            try:
                record = trade_record(row, now_ns)
            except ProtocolError as exc:
                self._on_garbled(str(exc))
                continue
            self._emit(self._tracker.trade(record))

    # -- one order --------------------------------------------------------------------------------

    async def check(self, order: Tracked) -> None:
        """Ask about one order and its trades, and draw the conclusions."""
        row = await self._clob.order(order.order_id)
        after_s = max(0, order.sent_ns // _NS - _BEFORE_SENT_S)
        trades = await self._clob.trades(market=order.market, after_s=after_s)
        filled_before = self._tracker.filled(order.client_id)
        self._apply_trades(trades)
        now_ns = self._clock_ns()
        if row is not None:
            record = order_record(row, now_ns)
            self._emit(self._tracker.order(record))
            self._emit(self._tracker.trades_read(order, record.size_matched, now_ns))
            return
        if self._tracker.filled(order.client_id) > filled_before:
            order.absences = 0
        if self._is_doubted(order):
            await self._absent(order)
            return
        # The venue knew the order and does not list it any more: it ended.
        self._emit(self._tracker.canceled(order.order_id, now_ns))
        self._emit(self._tracker.trades_read(order, None, self._clock_ns()))

    def _is_doubted(self, order: Tracked) -> bool:
        phase = self._tracker.phase(order.client_id)
        return phase in (Phase.SENT, Phase.REJECTED)

    async def _absent(self, order: Tracked) -> None:
        """Count an absence; after enough of them make it certain with a cancel of the id.

        Waiting proves nothing, so the order must be unknown to three complete reads, the last of
        them well after it was sent, and to a cancel as well.
        """
        order.absences += 1
        old = self._clock_ns() - order.sent_ns >= self._absence_grace_ns
        if order.absences < _ABSENCES or not old:
            return
        outcome = (await self._clob.cancel_orders([order.order_id]))[order.order_id]
        now_ns = self._clock_ns()
        if isinstance(outcome, Accepted):
            self._emit(self._tracker.canceled(order.order_id, now_ns))
        elif isinstance(outcome, Rejected):
            self._emit(
                self._tracker.absent(
                    order, "ABSENT", "the venue knows neither the order nor a trade of it"
                )
            )

    # -- balances ---------------------------------------------------------------------------------

    async def open_holdings(self, asset_ids: Iterable[str]) -> None:
        """Start assets from their balances, with trades and balances read at one moment."""
        for asset_id in asset_ids:
            for _ in range(_STABLE_TRIES):
                before = self._tracker.unconfirmed(asset_id)
                balance = await self.shares(asset_id)
                await self.read_trades()
                if self._tracker.unconfirmed(asset_id) == before:
                    break
            self._tracker.holdings.open(asset_id, balance, self._tracker.unconfirmed(asset_id))

    async def check_holding(self, asset_id: str) -> Rebased | None:
        """Compare one asset with its balance."""
        balance = await self.shares(asset_id)
        unconfirmed = self._tracker.unconfirmed(asset_id)
        return self._tracker.holdings.check(asset_id, balance, unconfirmed)

    async def shares(self, asset_id: str) -> Decimal:
        """Return the venue's balance of an asset in shares."""
        market = self._market_of(asset_id)
        v2 = market is not None and market.version is ProtocolVersion.V2
        kind = AssetType.CONDITIONAL_V2 if v2 else AssetType.CONDITIONAL
        reply = await self._clob.balance(kind, asset_id)
        return decimal("balance", reply.balance).scaleb(-6)

    async def collateral(self) -> Decimal:
        """Return the venue's balance of pUSD."""
        reply = await self._clob.balance(AssetType.COLLATERAL)
        return decimal("balance", reply.balance).scaleb(-6)
