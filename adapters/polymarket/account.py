"""The account's collateral as Nautilus shows it: total, locked, free, in pUSD."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from nautilus_trader.model.objects import AccountBalance

from adapters.polymarket import parsing
from adapters.polymarket.fees import buy_reserve
from adapters.polymarket.fills import Fill
from adapters.polymarket.markets import Market
from adapters.polymarket.tracker import OrderTracker

_ZERO: Final = Decimal(0)


class AccountView:
    """Derives the account's balance from the venue's and from what is on its way."""

    def __init__(
        self,
        *,
        tracker: OrderTracker,
        market_of: Callable[[str], Market | None],
        fee: Callable[[Fill], Decimal],
    ) -> None:
        self._tracker = tracker
        self._market_of = market_of
        self._fee = fee

    def balance(self, collateral: Decimal) -> AccountBalance:
        """Return total, locked and free.

        The venue's balance moves when a trade is mined, our books when it is matched: what was
        bought and is not mined is taken off; proceeds of sales count only once they are there.
        """
        unpaid = _ZERO
        for fill in self._tracker.fills.unmined_fills():
            if fill.side == "BUY":
                unpaid += fill.price * fill.size + self._fee(fill)
        total = parsing.money(max(_ZERO, collateral - unpaid))
        locked = min(total, parsing.money(self.locked()))
        return AccountBalance(total, locked, total - locked)

    def locked(self) -> Decimal:
        """Return what open BUY orders may still cost, fees included."""
        locked = _ZERO
        for order in self._tracker.open():
            market = self._market_of(order.asset_id)
            if order.side != "BUY" or order.ending is not None or market is None:
                continue
            leaves = max(_ZERO, order.shares - self._tracker.filled(order.client_id))
            locked += order.price * leaves
            if market.fees is not None:
                locked += buy_reserve(market, order.price, leaves, dollars=order.dollars)
        return locked
