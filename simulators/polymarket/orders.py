"""Orders after they are checked: matching, resting, delay, expiry and every way to cancel."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from functools import partial
from typing import Any

from simulators.polymarket import entry as rules
from simulators.polymarket.lifecycle import announce, execute
from simulators.polymarket.matching import Plan, plan_match
from simulators.polymarket.model import (
    BUY,
    OPEN,
    TAKING_TYPES,
    Market,
    Order,
    OrderStatus,
    Refusal,
    Trade,
    Wallet,
)
from simulators.polymarket.records import order_event, order_notice, placed
from simulators.polymarket.world import NS_PER_MS, NS_PER_S, ApiKey, World
from simulators.seeds import chance
from simulators.wire import Json

MAX_BATCH = 15
FOK_KILLED = "order couldn't be fully filled. FOK orders are fully filled or killed."
FAK_KILLED = (
    "no orders found to match with FAK order. FAK orders are partially filled or killed if no"
    " match is found."
)
_BALANCE = "not enough balance / allowance"


def post_order(world: World, key: ApiKey, body: Json) -> dict[str, Any]:
    """Place one order and publish what it changed.

    Raises
    ------
    Refusal
        With the venue's status and text.
    """
    try:
        return _place(world, key, body)
    finally:
        world.publish()


def post_orders(world: World, key: ApiKey, body: Json) -> list[dict[str, Any]]:
    """Place 1 to 15 orders; a refused one gets an entry of its own, the others go on.

    Raises
    ------
    Refusal
        400 when the array itself is wrong, 425 or 503 when the engine takes nothing at all.
    """
    if not isinstance(body, list) or not body:
        raise Refusal(400, "Invalid order payload")
    if len(body) > MAX_BATCH:
        raise Refusal(400, f"Too many orders in payload: {len(body)}, max allowed: {MAX_BATCH}")
    if world.mode in ("restarting", "disabled", "cancel_only"):
        rules.check_mode(world)
    answers = []
    for item in body:
        try:
            answers.append(_place(world, key, item))
        except Refusal as refusal:
            answers.append(_refused(world, refusal))
    world.publish()
    return answers


def _refused(world: World, refusal: Refusal) -> dict[str, Any]:
    return {
        "success": world.switches["batch_error_success"],
        "errorMsg": refusal.message,
        "orderID": "",
        "status": "",
        "makingAmount": "",
        "takingAmount": "",
        "transactionsHashes": [],
        "tradeIDs": [],
    }


def _place(world: World, key: ApiKey, body: Json) -> dict[str, Any]:
    entry = rules.parse(world, key, body)
    order = rules.build(world, key, entry)
    delay_ns = taker_delay_ns(world, order.market)
    if delay_ns and rules.is_marketable(order):
        _delay(world, order, delay_ns)
        return placed(order, [], str(world.switches["delayed_reply"]))
    trades = enter(world, order)
    answer = placed(order, trades)
    if entry.defer:
        answer["makingAmount"] = answer["takingAmount"] = ""
        answer["tradeIDs"] = []
    return answer


def taker_delay_ns(world: World, market: Market) -> int:
    """Return how long a marketable order waits on a market."""
    if market.seconds_delay:
        return market.seconds_delay * NS_PER_S
    return world.switches.number("itode_delay_ms") * NS_PER_MS if market.itode else 0


def enter(world: World, order: Order) -> list[Trade]:
    """Match an order now and rest or kill what is left; it must not be committed.

    Raises
    ------
    Refusal
        400 when a FOK cannot fill or a FAK finds nothing; the order then never existed, save for
        the CANCELLATION that its owner may see.
    """
    plan = plan_match(
        order,
        skip_own=world.switches["self_trade"] == "skip",
        minus_one=world.switches["fak_shares"] == "floor_minus_one",
    )
    if order.order_type in TAKING_TYPES and _stale(world, order, plan):
        plan = Plan((), 0, 0, complete=False)
    if order.order_type == "FOK" and not plan.complete:
        _kill(world, order, FOK_KILLED)
    if order.order_type == "FAK" and not plan.fills:
        _kill(world, order, FAK_KILLED)
    taking = order.order_type in TAKING_TYPES
    events = "full" if not taking else str(world.switches["taker_order_events"])
    order.seq = world.next()
    world.orders[order.id] = order
    if events == "full":
        tell(world, order, "PLACEMENT")
    trades = execute(world, order, plan)
    _after_match(world, order, events, taking=taking)
    for trade in trades:
        announce(world, trade)
    if trades and not order.wallet.house:
        world.notify(order.by, 2, order_notice(order, trades[0]))
    return trades


def _stale(world: World, order: Order, plan: Plan) -> bool:
    """Return whether the calibrated hazard says that what was displayed is gone already."""
    table = world.hazards.first_leg_fill
    if not table or order.wallet.house or not plan.fills:
        return False
    shown = sum(fill.maker.left for fill in plan.fills)
    percent = world.hazards.chance_percent(table, Decimal(shown) / max(1, plan.shares))
    return not chance(percent / 100, world.seed, "polymarket", "hazard", order.id)


def _after_match(world: World, order: Order, events: str, *, taking: bool) -> None:
    if order.left <= 0 or taking:
        full = order.left <= 0 or (order.side == BUY and taking and _spent(order))
        order.status = OrderStatus.MATCHED if full else OrderStatus.CANCELED
        if not full and events != "none":
            tell(world, order, "CANCELLATION")
        elif events == "full":
            tell(world, order, "UPDATE")
        return
    if order.matched:
        tell(world, order, "UPDATE")
    if rules.is_marketable(order):
        # Only own orders are left in the way (self_trade = skip): resting would cross the book.
        order.status = OrderStatus.CANCELED
        tell(world, order, "CANCELLATION")
        return
    _rest(world, order)


def _spent(order: Order) -> bool:
    """A dollar order is done when what is left would not buy one more base unit."""
    return order.budget - order.given <= 1


def _rest(world: World, order: Order) -> None:
    order.market.book.add(order)
    world.ledger.commit(order)
    world.touch(order.market, order.yes_price, order.yes_buy)
    if order.order_type == "GTD":
        due_ns = (order.expiration_s - 60) * NS_PER_S + world.ahead_ns
        world.at(due_ns, lambda: _expire(world, order))


def _expire(world: World, order: Order) -> None:
    if order.status == OrderStatus.LIVE:
        end(world, order, OrderStatus.CANCELED_EXPIRED_ORDER)


def _kill(world: World, order: Order, message: str) -> None:
    if world.switches["kill_event"] == "sent":
        order.reason = "CANCELED_" + message
        event = order_event(order, "CANCELLATION", world.now_ns, world.switches)
        event.update(size_matched="", created_at="", outcome="", associate_trades=[])
        world.tell_user(order.by, order.market.condition_id, event)
    raise Refusal(400, message)


def _delay(world: World, order: Order, delay_ns: int) -> None:
    """Keep a marketable order out of the book for its window; its funds are reserved."""
    order.status = OrderStatus.DELAYED
    order.seq = world.next()
    world.orders[order.id] = order
    world.ledger.commit(order)
    world.at(world.now_ns + delay_ns, lambda: _release(world, order))


def _release(world: World, order: Order) -> None:
    """After the window: check again, then match, book or kill."""
    if order.status != OrderStatus.DELAYED:
        return
    world.ledger.commit(order, -1)
    order.status = OrderStatus.LIVE
    market = order.market
    if market.closed or not market.accepting:
        _drop(world, order, OrderStatus.CANCELED_MARKET_RESOLVED)
        return
    if order.price % market.tick:
        order.reason = "CANCELED_Price breaks minimum tick size rule"
        _drop(world, order, OrderStatus.CANCELED)
        return
    try:
        world.ledger.check(order, rules.needed(world, order), detailed=False)
    except Refusal:
        _drop(world, order, OrderStatus.CANCELED_NOT_ENOUGH_BALANCE)
        return
    rests = order.order_type not in TAKING_TYPES and not rules.is_marketable(order)
    if rests and world.switches["unmatched"] == "failed":
        order.reason = "UNMATCHED"
        _drop(world, order, OrderStatus.CANCELED)
        return
    try:
        enter(world, order)
    except Refusal as refusal:
        order.status, order.reason = OrderStatus.CANCELED, "CANCELED_" + refusal.message
        if world.switches["kill_event"] != "sent":
            tell(world, order, "CANCELLATION")


def _drop(world: World, order: Order, status: OrderStatus) -> None:
    order.status = status
    tell(world, order, "CANCELLATION")


def tell(world: World, order: Order, kind: str) -> None:
    """Send an order event to the owner; nobody listens for the crowd."""
    if order.wallet.house:
        return
    event = order_event(order, kind, world.now_ns, world.switches)
    world.tell_user(order.by, order.market.condition_id, event)


def end(world: World, order: Order, status: OrderStatus, reason: str = "") -> None:
    """Take an open order out of the book and tell its owner why."""
    if order.status == OrderStatus.LIVE:
        order.market.book.remove(order)
        world.touch(order.market, order.yes_price, order.yes_buy)
    world.ledger.commit(order, -1)
    order.status, order.reason = status, reason
    tell(world, order, "CANCELLATION")
    if not order.wallet.house:
        world.notify(order.by, 1, order_notice(order))
    if order.wallet.house and not order.trades:
        del world.orders[order.id]


def cancel(world: World, key: ApiKey, ids: Iterable[str]) -> dict[str, Any]:
    """Cancel orders by id; the answer says for each whether it happened, and the reason if not.

    Raises
    ------
    Refusal
        425 or 503 when the engine takes no cancels.
    """
    rules.check_mode(world, cancel=True)
    canceled: list[str] = []
    refused: dict[str, str] = {}
    for order_id in ids:
        order = world.orders.get(order_id.lower())
        if order is None or order.by != key.address.lower():
            refused[order_id] = "Order not found or already canceled"
        elif order.status == OrderStatus.DELAYED:
            refused[order_id] = "order is delayed and can't be canceled yet"
        elif order.status == OrderStatus.MATCHED:
            exact = world.switches["cancel_reason"] == "exact"
            refused[order_id] = "Order already matched" if exact else "already canceled or matched"
        elif order.status not in OPEN:
            refused[order_id] = "Order not found or already canceled"
        else:
            end(world, order, OrderStatus.CANCELED)
            canceled.append(order_id)
    world.publish()
    return {"canceled": canceled, "not_canceled": refused}


def cancel_where(world: World, key: ApiKey, keep: Callable[[Order], bool]) -> dict[str, Any]:
    """Cancel the API key's open orders that `keep` accepts."""
    mine = world.orders_of(
        lambda o: o.by == key.address.lower() and o.status == OrderStatus.LIVE and keep(o)
    )
    return cancel(world, key, [order.id for order in mine])


def cancel_quietly(world: World, orders: Iterable[Order], status: OrderStatus) -> int:
    """End open orders on the venue's own account (heartbeat, game start, resolution)."""
    count = 0
    for order in orders:
        if order.status in OPEN:
            end(world, order, status)
            count += 1
    return count


def sweep(world: World, wallet: Wallet) -> None:
    """Cancel the orders that a wallet can no longer cover, newest first."""
    for short in world.ledger.covered(wallet):
        mine = world.orders_of(partial(_gives, wallet, short))
        for order in sorted(mine, key=lambda o: -o.seq):
            if short not in world.ledger.covered(wallet):
                break
            end(world, order, OrderStatus.CANCELED_NOT_ENOUGH_BALANCE)
    world.publish()


def _gives(wallet: Wallet, short: str, order: Order) -> bool:
    """Return whether a live order of the wallet would give cash, or the token that is short."""
    if order.wallet is not wallet or order.status != OrderStatus.LIVE:
        return False
    return order.side == BUY if short == "cash" else order.side != BUY and order.token == short
