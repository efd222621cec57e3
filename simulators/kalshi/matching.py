"""Price-time matching of one incoming order against one book, with cash and fees.

Rules (KALSHI, matching semantics)
----------------------------------
1. The trade price is the resting order's; the taker gets the improvement.
2. One trade for each resting order that is hit.
3. An own resting order met by ``taker_at_cross`` ends the incoming order; earlier fills stand.
4. An own resting order met by ``maker`` is canceled (`SelfTradeCancel`), the incoming goes on.
5. Everything is funded when it matches; an order that cannot be is removed (`MarginCancel`).
"""

from __future__ import annotations

from dataclasses import replace

from simulators.kalshi.events import BookDelta, Filled, Traded
from simulators.kalshi.fees import FeeAccumulator, charge
from simulators.kalshi.groups import note_fill
from simulators.kalshi.model import Fill, Market, Order, Trade
from simulators.kalshi.netting import refresh_netting
from simulators.kalshi.state import State
from simulators.kalshi.units import DOLLAR_PX
from simulators.seeds import chance


def sweep(state: State, order: Order) -> None:
    """Match ``order`` as far as its price allows. It may end up canceled; it is not rested."""
    market = state.markets[order.ticker]
    book = state.books[order.ticker]
    against = book.opposite(order.side)
    while order.remaining and order.status == "resting" and book.crosses(order.side, order.px):
        best = against.best()
        assert best is not None
        maker = against.first(best)
        if maker.user_id == order.user_id and maker.subaccount == order.subaccount:
            if order.stp == "taker_at_cross":
                end(state, order, "SelfTradeCancel")
            else:
                cancel_resting(state, maker, "SelfTradeCancel")
            continue
        qty = min(order.remaining, maker.remaining)
        if not _can_fund(state, market, maker, qty, best, is_taker=False):
            cancel_resting(state, maker, "MarginCancel")
            continue
        if not _can_fund(state, market, order, qty, best, is_taker=True):
            end(state, order, "MarginCancel")
            continue
        _execute(state, market, order, maker, qty)


def rest(state: State, order: Order) -> None:
    """Put what remains of an order into the book."""
    order.rested = True
    order.priority = state.ordinal("priority")
    state.put_in(order)
    book_delta(state, order, order.remaining)


def end(state: State, order: Order, reason: str) -> None:
    """Cancel an order that is not in the book."""
    order.remaining = 0
    order.status = "canceled"
    order.reason = reason
    order.updated_ns = state.now_ns


def cancel_resting(state: State, order: Order, reason: str) -> int:
    """Take an order out of the book and return the quantity that was left."""
    left = order.remaining
    state.take_out(order)
    book_delta(state, order, -left)
    end(state, order, reason)
    state.show_order(order, reason)
    return left


def book_delta(state: State, order: Order, change: int) -> None:
    """Announce a change of resting quantity caused by the order's owner."""
    state.emit(
        BookDelta(
            order.ticker,
            order.side,
            order.px,
            change,
            state.now_ns,
            order.user_id,
            order.client_order_id,
            order.subaccount,
        )
    )


def worst_fee(state: State, market: Market, qty: int, px: int) -> int:
    """Return the largest taker fee that an order of this size and limit can cost."""
    rate = state.fee_terms(market).rate(is_taker=True)
    return charge(state.fee_regime(), rate, qty, px, 0, 100, FeeAccumulator()).net


def _can_fund(
    state: State, market: Market, order: Order, qty: int, px: int, *, is_taker: bool
) -> bool:
    account = state.accounts[order.user_id]
    if account.house:
        return True
    held = state.ledger.quantity(order.user_id, order.subaccount, order.ticker)
    effect = state.ledger.cash_effect(held, order.side, qty, px)
    rate = state.fee_terms(market).rate(is_taker)
    trial = replace(order.fees)
    fee = charge(state.fee_regime(), rate, qty, px, effect, state.precision(account), trial).net
    key = (order.user_id, order.subaccount, order.exchange_index)
    repay = 0
    if order.is_bid and held < 0:
        # Closing a NO may call back what event netting paid out early for it.
        returned = state.ledger.returned.get((order.user_id, order.subaccount, market.event_ticker))
        repay = min(qty, -held) * DOLLAR_PX if returned else 0
    return state.ledger.balance(key) + effect - fee - repay >= 0


def fundable(state: State, ticker: str, side: str, px: int, wanted: int) -> int:
    """Return how much of ``wanted`` an order finds up to ``px`` that its makers can pay for.

    Makers are charged one after the other as the sweep would charge them, on copies: an account
    with two orders and the cash for one counts once.
    """
    market, book = state.markets[ticker], state.books[ticker]
    cash: dict[tuple[str, int], int] = {}
    held: dict[tuple[str, int], int] = {}
    found = 0
    for level in book.opposite(side).from_best():
        if found >= wanted or ((level > px) if side == "bid" else (level < px)):
            break
        for maker in book.opposite(side).queue(level):
            qty = min(maker.remaining, wanted - found)
            if qty and _pays(state, market, maker, qty, cash, held):
                found += qty
    return found


def _pays(
    state: State,
    market: Market,
    maker: Order,
    qty: int,
    cash: dict[tuple[str, int], int],
    held: dict[tuple[str, int], int],
) -> bool:
    account, owner = state.accounts[maker.user_id], (maker.user_id, maker.subaccount)
    if account.house:
        return True
    ledger = state.ledger
    before = cash.setdefault(owner, ledger.balance((*owner, market.exchange_index)))
    position = held.setdefault(owner, ledger.quantity(*owner, market.ticker))
    effect = ledger.cash_effect(position, maker.side, qty, maker.px)
    rate = state.fee_terms(market).rate(is_taker=False)
    regime, step = state.fee_regime(), state.precision(account)
    fee = charge(regime, rate, qty, maker.px, effect, step, replace(maker.fees)).net
    if before + effect - fee < 0:
        return False
    cash[owner] = before + effect - fee
    held[owner] = position + (qty if maker.is_bid else -qty)
    return True


def _execute(state: State, market: Market, taker: Order, maker: Order, qty: int) -> None:
    px = maker.px
    trade_id = state.new_id("trade")
    if maker.remaining == qty:
        state.take_out(maker)
    fills = [
        _book_side(state, market, maker, qty, px, trade_id, is_taker=False),
        _book_side(state, market, taker, qty, px, trade_id, is_taker=True),
    ]
    longs = sum(
        p.qty
        for (_, _, ticker), p in state.ledger.positions.items()
        if ticker == market.ticker and p.qty > 0
    )
    market.open_interest = longs
    market.last_px, market.last_qty = px, qty
    market.volume += qty
    trade = Trade(trade_id, market.ticker, px, qty, taker.side, state.now_ns, open_interest=longs)
    state.trades.append(trade)
    book_delta(state, maker, -qty)
    _announce(state, trade, fills, (maker, taker))
    for order in (maker, taker):
        if order.group_id:
            note_fill(state, order.group_id, qty, cancel_resting)


def _book_side(
    state: State,
    market: Market,
    order: Order,
    qty: int,
    px: int,
    trade_id: str,
    *,
    is_taker: bool,
) -> Fill:
    account = state.accounts[order.user_id]
    held = state.ledger.quantity(order.user_id, order.subaccount, order.ticker)
    effect = state.ledger.cash_effect(held, order.side, qty, px)
    rate = state.fee_terms(market).rate(is_taker)
    fee = charge(state.fee_regime(), rate, qty, px, effect, state.precision(account), order.fees)
    key = (order.user_id, order.subaccount, order.ticker)
    position = state.ledger.apply(
        key, market.exchange_index, order.side, qty, px, fee.net, state.now_ns
    )
    refresh_netting(state, order.user_id, order.subaccount, market)
    _count_fill(state, order, qty, px, fee.net, is_taker=is_taker)
    shown = fee.net if state.switches["fee_cost"] == "net" else fee.trade + fee.rounding
    return Fill(
        trade_id,
        order.order_id,
        order.client_order_id,
        order.user_id,
        order.subaccount,
        order.ticker,
        market.exchange_index,
        order.side,
        px,
        qty,
        is_taker,
        shown,
        position.qty,
        state.now_ns,
    )


def _count_fill(state: State, order: Order, qty: int, px: int, fee: int, *, is_taker: bool) -> None:
    leg_px = px
    if state.switches["ask_cost_leg"] == "no" and not order.is_bid:
        leg_px = DOLLAR_PX - px
    order.filled += qty
    order.remaining -= qty
    order.fill_value += qty * px
    order.updated_ns = state.now_ns
    order.reason = "Trade"
    if is_taker:
        order.taker_cost += qty * leg_px
        order.taker_fees += fee
    else:
        order.maker_cost += qty * leg_px
        order.maker_fees += fee
    if not order.remaining:
        order.status = "executed"


def _announce(state: State, trade: Trade, fills: list[Fill], orders: tuple[Order, Order]) -> None:
    """Publish one execution. Private fill and public trade come in no fixed order."""
    choice = state.switches["fill_and_trade"]
    trade_first = choice == "trade_first" or (
        choice == "seeded" and chance(0.5, state.seed, "trade first", trade.trade_id)
    )
    if trade_first:
        state.emit(Traded(trade))
    for fill, order in zip(fills, orders, strict=True):
        _show_fill(state, fill, order)
    if not trade_first:
        state.emit(Traded(trade))


def _show_fill(state: State, fill: Fill, order: Order) -> None:
    if state.accounts[fill.user_id].house:
        state.show_order(order, "Trade")
        return
    state.fills.append(fill)
    state.read.fill(fill, state.now_ns, state.lag_ns())
    state.show_cash(fill.user_id, fill.subaccount, fill.exchange_index)
    order_first = state.switches["user_order_and_fill"] == "order_first"
    # An order that has not rested yet is announced by whoever entered it, once it is known
    # whether it rests.
    if order_first:
        state.show_order(order, "Trade", announce=order.rested)
    state.emit(Filled(fill))
    if not order_first:
        state.show_order(order, "Trade", announce=order.rested)
    state.show_position(fill.user_id, fill.subaccount, fill.ticker)
