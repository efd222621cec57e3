"""What others do: the background market, the operator, the oracle and the chain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from simulators.polymarket import frames
from simulators.polymarket.ledger import AUTO_REDEEMER, operator_key, shares_contract
from simulators.polymarket.model import (
    BUY,
    OPEN,
    SELL,
    Emission,
    Market,
    Order,
    OrderStatus,
    Refusal,
    Trade,
    Wallet,
)
from simulators.polymarket.orders import cancel_quietly, end, enter, sweep
from simulators.polymarket.units import ONE, text
from simulators.polymarket.world import HOUSE, NS_PER_MS, NS_PER_S, Event, World

HOUSE_ADDRESS = "0x00000000000000000000000000000000000A05E1"
_HOUSE_KEY = "00000000-0000-4000-8000-00000000a05e"
HOUSE_SHARES = 1_000_000 * ONE

type Levels = Sequence[tuple[int, int]]


def house(world: World, name: str = HOUSE) -> Wallet:
    """Return the wallet of the crowd (or of a named other trader), rich and approved."""
    known = world.wallet(HOUSE_ADDRESS)
    if known is not None:
        return known
    wallet = world.ledger.open(HOUSE_ADDRESS, name, 0)
    wallet.house = True
    world.ledger.fund(wallet, 1_000_000_000 * ONE)
    world.ledger.approve_all(wallet)
    return wallet


def submit_other(
    world: World,
    token: str,
    side: str,
    price: int,
    size: int,
    order_type: str = "GTC",
) -> tuple[Order, list[Trade]]:
    """Place an order of the crowd; a SELL gets its tokens by a split.

    Raises
    ------
    Refusal
        400 when the token is unknown, the price is off the tick or a FAK/FOK finds nothing.
    """
    market = world.market_of(token)
    if market is None or market.closed:
        raise Refusal(400, f"the orderbook {token} does not exist")
    _check_level(market, price, max(size, 1))
    if size <= 0:
        raise Refusal(400, f"size {text(size)} is not above 0")
    wallet = house(world)
    _stock(world, wallet, market, token, size)
    number = world.next()
    order = Order(
        id=world.tx_hash("house-order", number),
        wallet=wallet,
        owner_key=_HOUSE_KEY,
        market=market,
        outcome=market.index(token),
        side=side,
        price=price,
        size=size,
        budget=-(-size * price // ONE) if side == BUY else size,
        order_type=order_type,
        created_ns=world.now_ns,
        by=HOUSE,
    )
    return order, enter(world, order)


def _check_level(market: Market, price: int, size: int) -> None:
    if price % market.tick or not 0 < price < ONE or size < 0:
        raise Refusal(
            400,
            f"level {text(price)} x {text(size)} is off: prices are multiples of"
            f" {text(market.tick)} between 0 and 1, sizes are not negative",
        )


def _stock(world: World, wallet: Wallet, market: Market, token: str, size: int) -> None:
    """Keep both tokens in the crowd's hands, so that it can sell."""
    committed = wallet.open_tokens.get(token, 0) + wallet.flight_tokens.get(token, 0)
    if wallet.tokens.get(token, 0) - committed < size:
        world.ledger.split(wallet, market, HOUSE_SHARES + size)
        world.ledger.refresh(wallet)


def quote(world: World, market: Market, bids: Levels, asks: Levels) -> None:
    """Make the crowd's resting orders equal these levels of the first outcome's book.

    Levels that stay as they are keep their place in the queue. New levels that cross a user's
    order trade with it. Every second level stands as the complement's order (a NO bid for a YES
    ask), so that matches are complementary, mints and merges in turn.

    Raises
    ------
    Refusal
        400 when a level is off; nothing has changed then.
    """
    if market.closed or not market.accepting:
        return
    for price, size in (*bids, *asks):
        _check_level(market, price, size)
    wanted = {True: dict(bids), False: dict(asks)}
    for yes_bid, levels in wanted.items():
        side = market.book.bids if yes_bid else market.book.asks
        for price in list(side.prices):
            mine = [o for o in side.queues[price].values() if o.wallet.house]
            if mine and sum(o.left for o in mine) == levels.get(price):
                del levels[price]
                continue
            for order in mine:
                end(world, order, OrderStatus.CANCELED)
    for yes_bid, levels in wanted.items():
        for price, size in levels.items():
            if size:
                _quote_level(world, market, yes_bid, price, size)
    world.publish()


def _quote_level(world: World, market: Market, yes_bid: bool, price: int, size: int) -> None:
    direct = price // market.tick % 2 == 0
    outcome = 0 if direct else 1
    side = BUY if yes_bid == direct else SELL
    submit_other(world, market.tokens[outcome], side, price if direct else ONE - price, size)


def take(world: World, market: Market, yes_buy: bool, price: int, size: int) -> list[Trade]:
    """Send an immediate order of the crowd against the book; nothing happens without a match."""
    if market.closed or not market.accepting:
        return []
    try:
        side = BUY if yes_buy else SELL
        return submit_other(world, market.tokens[0], side, price, size, "FAK")[1]
    except Refusal:
        return []
    finally:
        world.publish()


def start_game(world: World, market: Market) -> int:
    """Begin the game: wipe the book if the market says so; trading goes on. Return the count."""
    if market.started:
        return 0
    market.started = True
    event = world.events[market.event_id]
    event.live = True
    tell_game(world, event)
    count = 0
    if market.clear_book_on_start:
        resting = [o for o in market.book.orders() if o.status in OPEN]
        count = cancel_quietly(world, resting, OrderStatus.CANCELED)
    world.publish()
    return count


def tell_game(world: World, event: Event) -> None:
    """Send a game's state on the sports stream."""
    world.outbox.append(Emission("sports", (), "", frames.sports_frame(event)))


def repeat_games(world: World) -> None:
    """Send every live game again, changed or not, as the real stream does."""
    for event in world.events.values():
        if event.live and not event.ended:
            tell_game(world, event)


def schedule_games(world: World) -> None:
    """Put every game's official start on the agenda; the operator may start it earlier."""
    for market in world.markets.values():
        if market.game_start_ns:
            due_ns = market.game_start_ns + world.game_shift_ns()
            world.at(due_ns, partial(start_game, world, market))


def stop_trading(world: World, market: Market, *, accepting: bool) -> None:
    """Stop (or resume) accepting orders; resting ones stay."""
    market.accepting = accepting
    world.publish()


def resolve(world: World, market: Market, payouts: tuple[int, int]) -> None:
    """Resolve a market: end its orders, fix the payouts, tell the streams and the catalogue.

    Raises
    ------
    Refusal
        400 when the payouts are not 1/0, 0/1 or 0.5/0.5; 409 when the market has a result.
    """
    if payouts not in ((ONE, 0), (0, ONE), (ONE // 2, ONE // 2)):
        raise Refusal(400, f"payouts are {payouts}, allowed: 1/0, 0/1, 0.5/0.5")
    if market.payouts is not None:
        raise Refusal(409, f"market {market.condition_id} is resolved")
    mine = world.orders_of(lambda o: o.market is market and o.status in OPEN)
    market.closed, market.accepting = True, False
    market.closed_ns = world.now_ns
    market.uma_status = "resolved"
    cancel_quietly(world, mine, OrderStatus.CANCELED_MARKET_RESOLVED)
    world.publish()
    choice = str(world.switches["resolved_fifty"])
    market.payouts = payouts
    silent = payouts[0] == payouts[1] and choice == "not_sent"
    silent = silent or (market.version == "v2" and world.switches["resolved_v2"] == "not_sent")
    if not silent:
        frame = frames.market_resolved(market, choice, world.now_ns)
        world.tell_market(market.tokens, frame, custom=True)
    for wallet in world.ledger.wallets.values():
        if any(wallet.tokens.get(token) for token in market.tokens):
            world.notify(wallet.owner, 4, {"condition_id": market.condition_id})
    wait_ms = world.switches.number("auto_redeem_ms")
    if wait_ms:
        world.at(world.now_ns + wait_ms * NS_PER_MS, lambda: _auto_redeem(world, market))


def _auto_redeem(world: World, market: Market) -> None:
    """Pay the wallets that let the AutoRedeemer do it, with a notification."""
    key = operator_key(shares_contract(market), AUTO_REDEEMER)
    for wallet in list(world.ledger.wallets.values()):
        held = any(wallet.tokens.get(token) for token in market.tokens)
        if not held or wallet.house or key not in wallet.operators:
            continue
        row = on_chain(world, wallet, "redeem", market)
        payload = {
            "proxyWallet": wallet.address,
            "amount": text(row["cash"]),
            "conditionId": market.condition_id,
            "question": market.question,
            "image": "",
            "slug": market.slug,
            "negRisk": market.neg_risk,
            "txnHash": row["tx"],
        }
        world.notify(wallet.owner, 9, payload)


def redeemable(world: World, market: Market) -> bool:
    """Return whether a resolved market pays out yet."""
    delay_ns = world.switches.number("redeem_delay_ms") * NS_PER_MS
    return market.payouts is not None and world.now_ns >= market.closed_ns + delay_ns


def on_chain(
    world: World,
    wallet: Wallet,
    kind: str,
    market: Market | None,
    amount: int = 0,
    only: tuple[int, int] | None = None,
) -> dict[str, Any]:
    """Do what a wallet asks of the chain: split, merge, redeem (`only` a part) or wrap.

    Raises
    ------
    ValueError
        The chain reverts; the message is the revert reason.
    """
    row: dict[str, Any] = {
        "type": kind.upper(),
        "wallet": wallet.address,
        "tx": "",
        "ns": world.now_ns,
    }
    row["tx"] = world.tx_hash("chain", world.next())
    if kind == "wrap":
        if not 0 < amount <= wallet.usdce:
            raise ValueError("transfer amount exceeds balance")
        wallet.usdce -= amount
        world.ledger.fund(wallet, amount)
        row.update(type="DEPOSIT", cash=amount)
    elif market is None:
        raise ValueError("unknown condition")
    else:
        row["market"] = market.condition_id
        if kind == "redeem":
            if not redeemable(world, market):
                raise ValueError("condition is not resolved")
            row["cash"], burnt = world.ledger.redeem(wallet, market, only)
            row["burnt"] = burnt
            row["shares"] = sum(burnt.values())
        elif kind in ("split", "merge"):
            action = world.ledger.split if kind == "split" else world.ledger.merge
            action(wallet, market, amount)
            row.update(cash=amount, shares=amount)
        else:
            raise ValueError(f"unknown action {kind!r}")
    world.activity.append(row)
    settle_cache(world, wallet)
    return row


def move(world: World, source: Wallet, target: Wallet, token: str, amount: int) -> str:
    """Transfer pUSD (`token` empty) or shares on chain and return the transaction hash.

    Raises
    ------
    ValueError
        The source has less than `amount`.
    """
    world.ledger.transfer(source, target, token, amount)
    tx_hash = world.tx_hash("chain", world.next())
    market = world.by_token.get(token)
    if market is not None:
        for wallet, side in ((source, SELL), (target, BUY)):
            row: dict[str, Any] = {
                "type": "TRANSFER",
                "wallet": wallet.address,
                "tx": tx_hash,
                "side": side,
            }
            row |= {"market": market.condition_id, "outcome": market.index(token)}
            world.activity.append({**row, "shares": amount, "cash": 0, "ns": world.now_ns})
    for wallet in (source, target):
        settle_cache(world, wallet)
    return tx_hash


def settle_cache(world: World, wallet: Wallet) -> None:
    """After a move on chain: refresh the order book's view if it is not lazy, and drop orders."""
    if world.switches["balance_cache"] == "fresh":
        world.ledger.refresh(wallet)
    sweep(world, wallet)


def set_mode(world: World, mode: str) -> None:
    """Set the engine's mode; a restart becomes post-only and then open by itself.

    Raises
    ------
    Refusal
        400 for an unknown mode.
    """
    modes = ("open", "restarting", "post_only", "cancel_only", "disabled")
    if mode not in modes:
        raise Refusal(400, f"mode is {mode!r}, allowed: {list(modes)}")
    world.mode = mode
    after = {"restarting": ("post_only", "restart_s"), "post_only": ("open", "post_only_s")}
    if mode in after:
        follower, length = after[mode]
        due = world.now_ns + world.switches.number(length) * NS_PER_S

        def move_on() -> None:
            if world.mode == mode:
                set_mode(world, follower)

        world.at(due, move_on)


def beat(world: World, scope: str, given: str) -> str:
    """Take a heartbeat of a scope (API key or signer) and return the next id to send.

    Raises
    ------
    Refusal
        400 with the expected id when `given` is not it; the deadline is not refreshed then.
    """
    known = world.beats.get(scope)
    if known is not None and given != known[0]:
        key = str(world.switches["heartbeat_error_key"])
        body = {key: "Invalid Heartbeat ID", "heartbeat_id": known[0]}
        raise Refusal(400, "Invalid Heartbeat ID", body=body)
    fresh = world.uuid("heartbeat", scope, world.next())
    limit = world.switches.number("heartbeat_s")
    world.beats[scope] = (fresh, world.now_ns + limit * NS_PER_S)
    if known is None:
        _sweep_beats_later(world, scope)
    return fresh


def _sweep_beats_later(world: World, scope: str) -> None:
    every_ns = max(1, world.switches.number("heartbeat_sweep_s")) * NS_PER_S

    def look() -> None:
        if scope not in world.beats:
            return
        if world.now_ns >= world.beats[scope][1]:
            _silence(world, scope)
        world.at(world.now_ns + every_ns, look)

    world.at(world.now_ns + every_ns, look)


def _silence(world: World, scope: str) -> None:
    """Cancel everything of a scope whose heart stopped; it stays armed."""
    mine = world.orders_of(lambda o: o.status == OrderStatus.LIVE and scope in (o.owner_key, o.by))
    cancel_quietly(world, mine, OrderStatus.CANCELED)
