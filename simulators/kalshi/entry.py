"""Order entry: create, with every check of the venue in its order."""

from __future__ import annotations

import re
from copy import copy
from decimal import Decimal

from simulators.kalshi.errors import flat, insufficient_balance, market_not_found, nested
from simulators.kalshi.events import OrderChanged, VenueEvent
from simulators.kalshi.grid import orderable
from simulators.kalshi.groups import admit
from simulators.kalshi.matching import end, fundable, rest, sweep, worst_fee
from simulators.kalshi.model import Account, Market, Order
from simulators.kalshi.state import State
from simulators.kalshi.tickets import CreateTicket
from simulators.kalshi.units import DOLLAR_PX, NS_PER_S, parse_count, parse_price
from simulators.seeds import draw

RESTING_MAX = 200_000
_CLIENT_ID = re.compile(r"[A-Za-z0-9_:-]{1,64}\Z", re.ASCII)
_ATTESTED = ("Sports", "Elections", "Entertainment")


def create_order(state: State, account: Account, ticket: CreateTicket) -> Order:
    """Accept an order, match it and rest what remains.

    Raises
    ------
    RefusalError
        The venue does not accept it; no order exists then.

    """
    market = routed_market(state, ticket.ticker, ticket.exchange_index)
    check_trading(state, market)
    _check_account(state, account, market, ticket.subaccount)
    qty = checked_count(ticket.count)
    px = checked_price(state, market, ticket.price)
    _check_client_id(state, account, ticket.client_order_id)
    expiry_ns = _checked_expiry(state, ticket)
    if ticket.reduce_only and ticket.tif != "immediate_or_cancel":
        raise nested(400, "invalid_order", details="reduce_only requires immediate_or_cancel")
    if ticket.group_id:
        admit(state, account.user_id, ticket.group_id, market.exchange_index)
    _check_post_only(state, market, ticket, px)
    wanted = qty
    if ticket.reduce_only:
        wanted = min(qty, _reducible(state, account, ticket))
    check_funds(state, account, market, ticket.side, wanted, px, ticket.subaccount)
    found = 0 if _stale(state, account, ticket, px, qty) else qty
    if found and ticket.tif == "fill_or_kill":
        found = fundable(state, market.ticker, ticket.side, px, qty)
    _check_fok(state, ticket, found, qty)
    order = _new_order(state, account, market, ticket, px, qty, expiry_ns)
    _run(state, account, order, wanted, found)
    return order


def routed_market(state: State, ticker: str, exchange_index: int | None) -> Market:
    """Return the market an order names; on another shard it does not exist."""
    market = state.markets.get(ticker)
    if market is None:
        raise market_not_found(_status(state, "market_not_found_status"))
    if exchange_index is not None and exchange_index not in (-1, market.exchange_index):
        raise market_not_found(_status(state, "market_not_found_status"))
    return market


def check_trading(state: State, market: Market, *, cancel: bool = False) -> None:
    """Refuse while the exchange, trading or the market is paused or closed."""
    shard = market.exchange_index
    if state.exchange_paused.get(shard, 0):
        raise nested(409, "exchange_is_paused")
    if state.trading_paused.get(shard, 0) and not cancel:
        raise nested(409, "trading_is_paused")
    if market.halted:
        code = str(state.switches["halt_code"])
        if not (cancel and code == "trading_is_paused"):
            status = _status(state, "market_inactive_status") if code == "MARKET_INACTIVE" else 409
            raise nested(status, code, code.replace("_", " ").lower())
    if market.status != "active":
        raise nested(_status(state, "market_inactive_status"), "MARKET_INACTIVE", "market inactive")


def checked_count(text: str) -> int:
    """Return a positive quantity in 0.01 contract, or refuse."""
    qty = parse_count(text)
    if not qty:
        raise nested(400, "invalid_order_size")
    return qty


def checked_price(state: State, market: Market, text: str) -> int:
    """Return a price on the market's grid in $0.0001, or refuse."""
    px = parse_price(text)
    if px is None or not orderable(market.bands, px):
        raise nested(400, "invalid_price")
    if state.switches["price_limits"] == "whole_cent" and not 100 <= px <= DOLLAR_PX - 100:
        raise nested(400, "invalid_price")
    return px


def check_funds(
    state: State,
    account: Account,
    market: Market,
    side: str,
    qty: int,
    px: int,
    subaccount: int,
    besides: str = "",
) -> None:
    """Refuse an order whose worst cost exceeds the shard's cash.

    ``besides`` names a resting order that does not count as reserved (the one being amended).
    """
    if account.house or not qty:
        return
    held = state.ledger.quantity(account.user_id, subaccount, market.ticker)
    effect = state.ledger.cash_effect(held, side, qty, px)
    if effect >= 0:
        return
    free = free_cash(state, account, subaccount, market.exchange_index, besides)
    if free + effect - worst_fee(state, market, qty, px) < 0:
        raise insufficient_balance()


def free_cash(
    state: State, account: Account, subaccount: int, shard: int, besides: str = ""
) -> int:
    """Return the cash of a shard that orders may use, in $0.000001."""
    cash = state.ledger.balance((account.user_id, subaccount, shard))
    if state.switches["resting_collateral"] == "at_match":
        return cash
    return cash - reserved(state, account.user_id, subaccount, shard, besides)


def reserved(state: State, user_id: str, subaccount: int, shard: int, besides: str = "") -> int:
    """Return what the resting orders of a shard would cost, each on its own."""
    total = 0
    for order in state.resting(user_id, shard):
        if order.subaccount == subaccount and order.order_id != besides:
            held = state.ledger.quantity(user_id, subaccount, order.ticker)
            total += max(0, -state.ledger.cash_effect(held, order.side, order.remaining, order.px))
    return total


def check_client_id_text(state: State, client_order_id: str) -> None:
    """Refuse characters that the venue does not take (a dot, for one)."""
    if state.switches["client_order_id_chars"] == "word" and not _CLIENT_ID.match(client_order_id):
        raise nested(400, "invalid_parameters", details="client_order_id")


def client_id_taken(state: State, user_id: str, client_order_id: str) -> bool:
    """Return whether an account has used this id."""
    order_id = state.client_ids.get((user_id, client_order_id))
    if order_id is None:
        return False
    if state.switches["client_order_id_reuse"] == "after_archive":
        order = state.orders.get(order_id)
        return order is not None and not is_archived(state, order)
    return True


def is_archived(state: State, order: Order) -> bool:
    """Return whether a finished order only shows under /historical (two weeks)."""
    return order.status != "resting" and order.updated_ns < state.orders_cutoff_ns()


def _status(state: State, switch: str) -> int:
    return int(str(state.switches[switch]))


def _check_account(state: State, account: Account, market: Market, subaccount: int) -> None:
    if subaccount not in account.subaccounts:
        raise nested(404, "customer_account_not_found")
    if not account.attestation_lapsed:
        return
    category = state.events[market.event_ticker].category
    if category in _ATTESTED:
        details = "location attestation required"
        if state.switches["attestation_body"] == "flat":
            raise flat(details, "forbidden", 403)
        raise nested(403, "forbidden", details=details)


def _check_client_id(state: State, account: Account, client_order_id: str) -> None:
    if not client_order_id:
        return
    check_client_id_text(state, client_order_id)
    if client_id_taken(state, account.user_id, client_order_id):
        raise nested(409, "order_already_exists")


def _checked_expiry(state: State, ticket: CreateTicket) -> int:
    if not ticket.expiration_s:
        return 0
    if ticket.tif != "good_till_canceled":
        raise nested(
            400,
            "invalid_parameters",
            details="Cannot specify both immediate_or_cancel and expiration_ts",
        )
    return checked_expiry(state, ticket.expiration_s)


def checked_expiry(state: State, expiration_s: int) -> int:
    """Return a future expiry in ns, or refuse."""
    expiry_ns = expiration_s * NS_PER_S
    if expiry_ns <= state.now_ns:
        raise nested(
            400, "invalid_parameters", details="Expiration timestamp must be in the future"
        )
    return expiry_ns


def _check_post_only(state: State, market: Market, ticket: CreateTicket, px: int) -> None:
    if not ticket.post_only or state.switches["post_only_cross"] != "reject_400":
        return
    if state.books[market.ticker].crosses(ticket.side, px):
        raise nested(400, "invalid_order", details="post only cross")


def _check_fok(state: State, ticket: CreateTicket, found: int, qty: int) -> None:
    choice = str(state.switches["fok_failure"])
    if ticket.tif == "fill_or_kill" and choice != "canceled_201" and found < qty:
        raise nested(409 if choice == "error_409" else 400, str(state.switches["fok_code"]))


def _stale(state: State, account: Account, ticket: CreateTicket, px: int, qty: int) -> bool:
    """Return whether the quote is gone and an immediate order finds nothing (hazards only).

    The chance is drawn by the order's own id, so it does not depend on other traffic.
    """
    table = state.hazards.second_leg_fill
    if not table or account.house or ticket.tif == "good_till_canceled":
        return False
    ratio = Decimal(state.books[ticket.ticker].available(ticket.side, px)) / qty
    percent = state.hazards.chance_percent(table, ratio)
    name = ticket.client_order_id or f"order {account.orders_created}"
    return draw(state.seed, "hazard", account.user_id, name) % 100 >= percent


def _reducible(state: State, account: Account, ticket: CreateTicket) -> int:
    held = state.ledger.quantity(account.user_id, ticket.subaccount, ticket.ticker)
    return max(0, held if ticket.side == "ask" else -held)


def _new_order(
    state: State,
    account: Account,
    market: Market,
    ticket: CreateTicket,
    px: int,
    qty: int,
    expiry_ns: int,
) -> Order:
    if not account.house and len(state.resting_of[account.user_id]) >= RESTING_MAX:
        raise nested(400, "invalid_order", details="too many resting orders")
    order = Order(
        order_id=state.new_id("order"),
        client_order_id=ticket.client_order_id or state.new_id("client"),
        user_id=account.user_id,
        subaccount=ticket.subaccount,
        ticker=market.ticker,
        side=ticket.side,
        px=px,
        initial=qty,
        remaining=qty,
        tif=ticket.tif,
        stp=ticket.stp,
        created_ns=state.now_ns,
        updated_ns=state.now_ns,
        exchange_index=market.exchange_index,
        expiry_ns=expiry_ns,
        post_only=ticket.post_only,
        reduce_only=ticket.reduce_only,
        cancel_on_pause=ticket.cancel_on_pause,
        group_id=ticket.group_id,
    )
    state.orders[order.order_id] = order
    if not account.house:
        state.client_ids[(account.user_id, order.client_order_id)] = order.order_id
        account.orders_created += 1
    return order


def _run(state: State, account: Account, order: Order, wanted: int, found: int) -> None:
    """Match an accepted order and announce it once it is known whether it rests."""
    with state.held_back() as events:
        _match(state, order, wanted, found)
    if account.house:
        announcements: list[VenueEvent] = []
    else:
        announcements = _announcements(state, order)
    before = order.status != "resting" and (state.switches["user_order_and_fill"] == "order_first")
    for event in [*announcements, *events] if before else [*events, *announcements]:
        state.emit(event)
    state.show_order(order, order.reason, announce=False)
    if order.status == "resting" and order.expiry_ns:
        state.at(order.expiry_ns, "expire", order.order_id)
    if state.now_ns < state.cancel_all_until.get(account.user_id, 0):
        # The venue warns that cancel-all may reach orders of the next minute.
        state.at(state.now_ns, "tail", order.order_id)


def _match(state: State, order: Order, wanted: int, found: int) -> None:
    if order.post_only and state.books[order.ticker].crosses(order.side, order.px):
        end(state, order, "PostOnlyCrossCancel")
        return
    needed = {"fill_or_kill": order.remaining, "immediate_or_cancel": 1}.get(order.tif, 0)
    if found < needed:
        end(state, order, "")
        return
    excess = order.remaining - wanted
    order.remaining = wanted
    sweep(state, order)
    if (order.status == "executed" and excess) or (
        order.status == "resting" and not order.remaining
    ):
        end(state, order, "ReduceOnlyCancel")
    elif order.status == "resting" and order.tif != "good_till_canceled":
        end(state, order, "")
    elif order.status == "resting":
        rest(state, order)


def _announcements(state: State, order: Order) -> list[VenueEvent]:
    if order.rested:
        return [OrderChanged(copy(order), "" if not order.filled else "Trade")]
    choice = state.switches["never_resting_user_order"]
    if choice == "none":
        return []
    final = OrderChanged(copy(order), order.reason)
    if choice == "final":
        return [final]
    fresh = copy(order)
    fresh.status, fresh.filled, fresh.remaining = "resting", 0, order.initial
    fresh.taker_cost = fresh.taker_fees = 0
    return [OrderChanged(fresh, ""), final]
