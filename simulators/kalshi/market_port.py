"""How the background market reaches the books: two accounts without limits or history.

`KalshiApp` adds the time and the log.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from simulators.kalshi.changes import amend_order
from simulators.kalshi.entry import create_order
from simulators.kalshi.errors import RefusalError
from simulators.kalshi.grid import coarsest_step
from simulators.kalshi.matching import cancel_resting
from simulators.kalshi.model import Account, Market, Order
from simulators.kalshi.state import State
from simulators.kalshi.tickets import AmendTicket, CreateTicket
from simulators.kalshi.units import CONTRACT, DOLLAR_PX, count, price
from simulators.venue import Levels, MarketRef

HOUSE, CROWD = "house", "crowd"


class KalshiMarketPort:
    """Quotes of the house and orders of the crowd."""

    def __init__(self, state: State) -> None:
        self._state = state
        self.fair: dict[str, tuple[str, Decimal]] = {}

    def markets(self) -> Sequence[MarketRef]:
        """Return the markets of the scenario that trade now."""
        refs: list[MarketRef] = []
        for ticker, (outcome, fair) in self.fair.items():
            market = self._state.markets[ticker]
            if market.status == "active" and not market.halted:
                step = Decimal(coarsest_step(market.bands)) / DOLLAR_PX
                refs.append(MarketRef(ticker, outcome, fair, step))
        return refs

    def quote(self, key: str, bids: Levels, asks: Levels) -> bool:
        """Make the house's resting orders equal these levels; return whether anything changed."""
        market = self._state.markets.get(key)
        if market is None or market.status != "active" or self._blocked(market):
            return False
        wanted = {("bid", _px(p)): _qty(q) for p, q in bids}
        wanted |= {("ask", _px(p)): _qty(q) for p, q in asks}
        book = self._state.books[key]
        mine: dict[tuple[str, int], Order] = {}
        changed = False
        for order in [*book.bids.orders(), *book.asks.orders()]:
            if order.user_id == HOUSE:
                if wanted.get((order.side, order.px), 0) and (order.side, order.px) not in mine:
                    mine[(order.side, order.px)] = order
                else:
                    cancel_resting(self._state, order, "")
                    changed = True
        for (side, px), qty in wanted.items():
            kept = mine.get((side, px))
            if kept is None:
                self._place(key, side, px, qty)
                changed = True
            elif kept.remaining != qty:
                self._resize(kept, qty)
                changed = True
        return changed

    def take(self, key: str, side: str, price_: Decimal, size: Decimal) -> None:
        """Send one immediate-or-cancel order of the crowd."""
        market = self._state.markets.get(key)
        if market is None or market.status != "active" or self._blocked(market):
            return
        self._send(CROWD, key, side, _px(price_), _qty(size), "immediate_or_cancel")

    def _blocked(self, market: Market) -> bool:
        shard = market.exchange_index
        state = self._state
        return bool(
            market.halted
            or state.exchange_paused.get(shard, 0)
            or state.trading_paused.get(shard, 0)
        )

    def _place(self, key: str, side: str, px: int, qty: int) -> None:
        self._send(HOUSE, key, side, px, qty, "good_till_canceled")

    def _send(self, user: str, key: str, side: str, px: int, qty: int, tif: str) -> None:
        ticket = CreateTicket(key, side, count(qty), price(px), tif, "maker")
        try:
            create_order(self._state, self._account(user), ticket)
        except RefusalError:
            return  # an off-grid row of a recorded session has no place in this book

    def _resize(self, order: Order, qty: int) -> None:
        total = order.filled + qty
        ticket = AmendTicket(order.ticker, order.side, price(order.px), count(total))
        try:
            amend_order(self._state, self._account(HOUSE), order, ticket)
        except RefusalError:
            # The grid became coarser under the order.
            cancel_resting(self._state, order, "")

    def _account(self, user: str) -> Account:
        return self._state.accounts[user]


def add_crowd(state: State) -> None:
    """Admit the house and the crowd. They trade on credit: their cash may go below zero."""
    for user in (HOUSE, CROWD):
        state.add_account(Account(user, user, tier="prestige", house=True))


def _px(value: Decimal) -> int:
    return int(value * DOLLAR_PX)


def _qty(value: Decimal) -> int:
    return int(value * CONTRACT)
