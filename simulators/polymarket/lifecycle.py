"""The life of a trade: MATCHED, MINED, CONFIRMED, or RETRYING and then MINED or FAILED.

Cash and tokens are reserved at MATCHED and move only at MINED.
"""

from __future__ import annotations

from simulators.polymarket.fees import taker_fee
from simulators.polymarket.matching import Plan
from simulators.polymarket.model import (
    BUY,
    OPEN,
    Fill,
    Order,
    OrderStatus,
    Refusal,
    Trade,
    TradeStatus,
)
from simulators.polymarket.records import order_event, order_notice, taker_fill_price, trade_event
from simulators.polymarket.units import ONE
from simulators.polymarket.world import HOUSE, NS_PER_MS, NS_PER_S, World
from simulators.seeds import draw

_FINAL = (TradeStatus.CONFIRMED, TradeStatus.FAILED)
_NEXT = {
    TradeStatus.MATCHED: (TradeStatus.MINED, TradeStatus.RETRYING, TradeStatus.FAILED),
    TradeStatus.RETRYING: (TradeStatus.MINED, TradeStatus.FAILED),
    TradeStatus.MINED: (TradeStatus.CONFIRMED,),
}


def plan_fee(world: World, taker: Order, fills: tuple[Fill, ...]) -> int:
    """Return the taker fee of some fills."""
    rounding = str(world.switches["fee_rounding"])
    terms = taker.market.fees
    if world.switches["fee_unit"] == "trade" and fills:
        shares = sum(fill.shares for fill in fills)
        cash = sum(fill.taker_cash for fill in fills)
        return taker_fee(terms, cash * ONE // shares, shares, rounding)
    return sum(taker_fee(terms, taker_fill_price(taker, f), f.shares, rounding) for f in fills)


def execute(world: World, taker: Order, plan: Plan) -> list[Trade]:
    """Carry a plan out: move sizes in the book, reserve funds, create the trades, tell everyone.

    `taker` must not be committed yet: what it gives is reserved by its trades.
    """
    trades: list[Trade] = []
    batch = max(1, world.switches.number("makers_per_trade"))
    for bucket, start in enumerate(range(0, len(plan.fills), batch)):
        trades.append(_trade(world, taker, plan.fills[start : start + batch], bucket))
    for trade in trades:
        for fill in trade.fills:
            _fill_maker(world, trade, fill)
        taker.matched += trade.shares
        taker.given += trade.cash if taker.side == BUY else trade.shares
        taker.fees += trade.fee
        taker.trades.append(trade.id)
        world.trades[trade.id] = trade
        world.ledger.hold(trade)
        _mark_prices(world, trade)
        _schedule(world, trade)
    return trades


def _trade(world: World, taker: Order, fills: tuple[Fill, ...], bucket: int) -> Trade:
    ordinal = world.next_trade()
    shares = sum(fill.shares for fill in fills)
    cash = sum(fill.taker_cash for fill in fills)
    trade = Trade(
        id=world.uuid("trade", taker.id, bucket),
        ordinal=ordinal,
        taker=taker,
        fills=fills,
        shares=shares,
        cash=cash,
        fee=plan_fee(world, taker, fills),
        price=(2 * cash * ONE + shares) // (2 * shares),
        bucket=bucket,
        match_ns=world.now_ns,
        update_ns=world.now_ns,
        held=bool(world.switches["hold_trades"]),
    )
    lot = draw(world.seed, "polymarket", "fate", ordinal) % 1000
    fails, retries = (
        world.switches.number("fail_per_mille"),
        world.switches.number("retry_per_mille"),
    )
    if lot < fails:
        trade.plan = ("RETRYING", "FAILED")
    elif lot < fails + retries:
        trade.plan = ("RETRYING", "MINED", "CONFIRMED")
    else:
        trade.plan = ("MINED", "CONFIRMED")
    return trade


def _fill_maker(world: World, trade: Trade, fill: Fill) -> None:
    maker = fill.maker
    world.ledger.commit(maker, -1)
    maker.matched += fill.shares
    maker.given += fill.maker_cash if maker.side == BUY else fill.shares
    maker.trades.append(trade.id)
    if maker.left == 0:
        maker.market.book.remove(maker)
        maker.status = OrderStatus.MATCHED
    else:
        world.ledger.commit(maker)
    if maker.wallet.house:
        return
    event = order_event(maker, "UPDATE", world.now_ns, world.switches)
    world.tell_user(maker.by, maker.market.condition_id, event)
    world.notify(maker.by, 2, order_notice(maker, trade))


def _mark_prices(world: World, trade: Trade) -> None:
    taker, market = trade.taker, trade.taker.market
    last = taker_fill_price(taker, trade.fills[-1])
    choice = world.switches["hash_last_price"]
    by_choice = {"maker": trade.fills[-1].maker.price, "complement": ONE - last, "token": last}
    market.last_hash_price = by_choice[str(choice)]
    for outcome, price in ((taker.outcome, last), (1 - taker.outcome, ONE - last)):
        market.last_price[outcome] = price
        market.last_side[outcome] = taker.side
    market.volume += trade.shares
    market.history.append((world.now_ns // NS_PER_S, market.last_price[0]))
    world.printed(trade, market, last)


def announce(world: World, trade: Trade) -> None:
    """Send the trade's state to its parties, once per signer."""
    owners = {trade.taker.by: None, **{fill.maker.by: None for fill in trade.fills}}
    owners.pop(HOUSE, None)
    for owner in owners:
        event = trade_event(trade, owner, world.now_ns, world.switches)
        world.tell_user(owner, trade.taker.market.condition_id, event)


def _schedule(world: World, trade: Trade) -> None:
    if trade.held or trade.step >= len(trade.plan):
        return
    switches = world.switches
    if trade.status == TradeStatus.MINED:
        wait_ms = switches.number("confirmed_ms")
    else:
        low, high = switches.number("mined_ms_min"), switches.number("mined_ms_max")
        wait_ms = world.between(low, high, "mined", trade.ordinal, trade.step)
    step = trade.step

    def fire() -> None:
        if not trade.held and trade.step == step and trade.status not in _FINAL:
            _next_step(world, trade)

    world.at(world.now_ns + wait_ms * NS_PER_MS, fire)


def _next_step(world: World, trade: Trade) -> None:
    target = TradeStatus(trade.plan[trade.step])
    trade.step += 1
    change(world, trade, target)
    _schedule(world, trade)


def change(world: World, trade: Trade, target: TradeStatus) -> None:
    """Move a trade to its next state and tell everyone.

    Raises
    ------
    Refusal
        409 when the state machine has no such step.
    """
    if target not in _NEXT.get(trade.status, ()):
        raise Refusal(409, f"trade {trade.id} is {trade.status}: it cannot become {target}")
    if target == TradeStatus.MINED and not _mine(world, trade):
        target = TradeStatus.FAILED
    if target == TradeStatus.FAILED:
        world.ledger.hold(trade, -1)
        world.notify(trade.taker.by, 8, order_notice(trade.taker, trade))
        trade.tx_hash = ""
    trade.status = target
    trade.update_ns = world.now_ns
    announce(world, trade)
    if target in _FINAL:
        _forget_house(world, trade)


def _forget_house(world: World, trade: Trade) -> None:
    """Drop a finished trade nobody but the background market took part in: memory is bounded."""
    orders = [trade.taker, *(fill.maker for fill in trade.fills)]
    if not all(order.wallet.house for order in orders):
        return
    world.trades.pop(trade.id, None)
    for order in orders:
        done = order.status not in OPEN
        if done and not any(other in world.trades for other in order.trades):
            world.orders.pop(order.id, None)


def _mine(world: World, trade: Trade) -> bool:
    if not world.ledger.settle(trade):
        return False
    world.ledger.hold(trade, -1)
    trade.tx_hash = world.tx_hash(trade.id)
    for order, shares, cash in (
        (trade.taker, trade.shares, trade.cash),
        *((fill.maker, fill.shares, fill.maker_cash) for fill in trade.fills),
    ):
        if order.wallet.house:
            continue
        world.activity.append(
            {
                "type": "TRADE",
                "wallet": order.wallet.address,
                "market": order.market.condition_id,
                "outcome": order.outcome,
                "side": order.side,
                "shares": shares,
                "cash": cash,
                "fee": trade.fee if order is trade.taker else 0,
                "taker": order is trade.taker,
                "tx": trade.tx_hash,
                "ns": world.now_ns,
            }
        )
    return True


def steer(world: World, trade: Trade, action: str) -> None:
    """Do what an operator asks: hold, release, mine, confirm, retry or fail.

    Raises
    ------
    Refusal
        400 for an unknown action, 409 when the trade is past that state.
    """
    targets = {
        "mine": TradeStatus.MINED,
        "confirm": TradeStatus.CONFIRMED,
        "retry": TradeStatus.RETRYING,
        "fail": TradeStatus.FAILED,
    }
    if action == "hold":
        trade.held = True
        return
    if action == "release":
        trade.held = False
        trade.plan = {
            TradeStatus.MATCHED: ("MINED", "CONFIRMED"),
            TradeStatus.RETRYING: ("MINED", "CONFIRMED"),
            TradeStatus.MINED: ("CONFIRMED",),
        }.get(trade.status, ())
        trade.step = 0
        _schedule(world, trade)
        return
    if action not in targets:
        raise Refusal(400, f"action {action!r} is not one of {['hold', 'release', *targets]}")
    trade.held = True
    change(world, trade, targets[action])
