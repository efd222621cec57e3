"""The life of a market, from creation to payout (KALSHI, lifecycle).

Opening at ``open_time`` and closing at ``close_time`` are silent: no message goes out. Cash moves
at ``finalized`` only; a determined market can still be disputed and amended.
"""

from __future__ import annotations

from simulators.kalshi.events import EventCreated, EventFeesChanged
from simulators.kalshi.grid import STRUCTURES
from simulators.kalshi.matching import cancel_resting
from simulators.kalshi.model import Event, FeeChange, Market, Settlement
from simulators.kalshi.netting import refresh_netting
from simulators.kalshi.state import State
from simulators.kalshi.units import CENT, DOLLAR_PX, NS_PER_MS, NS_PER_S, price, seconds
from simulators.kalshi.wiretypes import number

VALUES = {"yes": DOLLAR_PX, "no": 0}


def create_event(state: State, event: Event) -> None:
    """List a new event and say so."""
    state.add_event(event)
    state.emit(EventCreated(event.ticker))


def create_market(state: State, market: Market) -> None:
    """List a new market, say so, and set its timers."""
    state.add_market(market)
    state.market_event(market, "created")
    schedule(state, market)


def schedule(state: State, market: Market) -> None:
    """Set the timers of opening and closing."""
    state.at(market.open_ns, "open", market.ticker)
    state.at(market.close_ns, "close", market.ticker)


def open_if_due(state: State, market: Market) -> None:
    """Open a market whose time has come, silently."""
    if market.status == "initialized" and market.open_ns <= state.now_ns < market.close_ns:
        market.status = "inactive" if market.deactivated else "active"


def close_if_due(state: State, market: Market) -> None:
    """Close a market whose time has passed, silently; its orders go a little later."""
    if market.status in ("initialized", "active", "inactive") and market.close_ns <= state.now_ns:
        market.status = "closed"
        wait_ns = state.switches.number("close_cancel_ms") * NS_PER_MS
        state.at(state.now_ns + wait_ns, "close_cancel", market.ticker)


def cancel_after_close(state: State, market: Market) -> None:
    """Cancel what still rests on a market that is no longer open."""
    if market.status not in ("active", "inactive", "initialized"):
        cancel_book(state, market, "CloseCancel")


def cancel_book(state: State, market: Market, reason: str) -> None:
    """Cancel every resting order of a market."""
    book = state.books[market.ticker]
    for order in [*book.bids.orders(), *book.asks.orders()]:
        cancel_resting(state, order, reason)


def deactivate(state: State, market: Market) -> None:
    """Stop trading on a market; resting orders stay until it is activated again."""
    _require(market, "active")
    market.status, market.deactivated = "inactive", True
    state.market_event(market, "deactivated", is_deactivated=True)


def activate(state: State, market: Market) -> None:
    """Start trading again; every resting order is canceled."""
    _require(market, "inactive")
    market.status, market.deactivated = "active", False
    state.market_event(market, "activated", is_deactivated=False)
    cancel_book(state, market, "HaltCancel")


def move_close(state: State, market: Market, close_ns: int) -> None:
    """Move the end of trading; into the past closes at once, into the future may reopen."""
    _require(market, "initialized", "active", "inactive", "closed")
    market.close_ns = close_ns
    market.latest_ns = max(market.latest_ns, close_ns)
    state.market_event(market, "close_date_updated", close_ts=seconds(close_ns))
    if close_ns <= state.now_ns:
        close_if_due(state, market)
        return
    state.at(close_ns, "close", market.ticker)
    if market.status == "closed":
        market.status, market.deactivated = "active", False
        cancel_book(state, market, "CloseCancel")
        state.market_event(market, "activated", is_deactivated=False)


def determine(state: State, market: Market, result: str, value: int | None = None) -> None:
    """Set the result; ``value`` ($0.0001 per YES) is needed for ``scalar`` only.

    Raises
    ------
    ValueError
        The result or value is not possible, or the market is in no state for it.

    """
    _require(market, "active", "inactive", "closed")
    market.value = _payout(result, value)
    market.result, market.status = result, "determined"
    market.close_ns = min(market.close_ns, state.now_ns)
    cancel_book(state, market, "CloseCancel")
    _announce_result(state, market)
    _start_timer(state, market)


def dispute(state: State, market: Market) -> None:
    """Challenge a result; nothing is paid until it is amended."""
    _require(market, "determined")
    market.status, market.settle_due_ns = "disputed", 0
    market.updated_ns = state.now_ns


def amend_result(state: State, market: Market, result: str, value: int | None = None) -> None:
    """Determine a disputed market again; the timer starts over."""
    _require(market, "disputed")
    market.value = _payout(result, value)
    market.result, market.status = result, "amended"
    market.updated_ns = state.now_ns
    if state.switches["dispute_messages"] == "determined_again":
        _announce_result(state, market)
    _start_timer(state, market)


def settle_if_due(state: State, market: Market) -> None:
    """Pay out a market whose settlement timer has run off."""
    ready = market.status in ("determined", "amended")
    if ready and market.settle_due_ns and market.settle_due_ns <= state.now_ns:
        finalize(state, market)


def finalize(state: State, market: Market) -> None:
    """Pay every position and say ``settled``."""
    _require(market, "determined", "amended")
    assert market.value is not None
    market.status, market.settled_ns = "finalized", state.now_ns
    for key in [k for k in state.ledger.positions if k[2] == market.ticker]:
        _pay(state, market, key)
    market.open_interest = 0
    state.market_event(market, "settled", settled_ts=seconds(state.now_ns))


def set_structure(state: State, market: Market, structure: str) -> None:
    """Change the price grid of a live market; resting orders stay."""
    if structure not in STRUCTURES:
        raise ValueError(f"structure is {structure!r}, allowed {sorted(STRUCTURES)}")
    market.structure = structure
    state.market_event(
        market,
        "price_level_structure_updated",
        price_level_structure=structure,
        price_ranges=[band.to_json() for band in market.bands],
    )


def update_strikes(
    state: State, market: Market, strike_type: str, floor: float | None, cap: float | None
) -> None:
    """Change the strikes of a market and say so."""
    market.strike_type, market.floor_strike, market.cap_strike = strike_type, floor, cap
    fields: dict[str, object] = {"strike_type": strike_type}
    if floor is not None:
        fields["floor_strike"] = floor
    if cap is not None:
        fields["cap_strike"] = cap
    state.market_event(market, "metadata_updated", **fields)


def apply_fee_change(state: State, change: FeeChange) -> None:
    """Put a scheduled fee change in force: a series' own fees, or an event's override."""
    if change.ticker in state.events:
        event = state.events[change.ticker]
        event.fee_type_override = change.fee_type
        event.fee_multiplier_override = change.multiplier
        event.updated_ns = state.now_ns
        multiplier = None if change.multiplier is None else number(change.multiplier)
        state.emit(EventFeesChanged(event.ticker, change.fee_type, multiplier))
        return
    series = state.series[change.ticker]
    if change.fee_type is not None and change.multiplier is not None:
        series.fee_type, series.fee_multiplier = change.fee_type, change.multiplier
        series.updated_ns = state.now_ns


def _payout(result: str, value: int | None) -> int:
    if result in VALUES:
        return VALUES[result]
    if result != "scalar":
        raise ValueError(f"result is {result!r}, allowed yes, no, scalar")
    if value is None or not 0 <= value <= DOLLAR_PX:
        raise ValueError(f"a scalar result needs a value from 0 to 1 dollar, found {value!r}")
    return value


def _require(market: Market, *allowed: str) -> None:
    if market.status not in allowed:
        raise ValueError(f"{market.ticker} is {market.status}, expected {' or '.join(allowed)}")


def _announce_result(state: State, market: Market) -> None:
    assert market.value is not None
    market.determined_ns = state.now_ns
    state.market_event(
        market,
        "determined",
        result=market.result,
        settlement_value=price(market.value),
        determination_ts=seconds(state.now_ns),
    )


def _start_timer(state: State, market: Market) -> None:
    market.settle_due_ns = state.now_ns + market.settlement_timer_s * NS_PER_S
    state.at(market.settle_due_ns, "settle", market.ticker)


def _pay(state: State, market: Market, key: tuple[str, int, str]) -> None:
    user_id, subaccount, ticker = key
    account = state.accounts[user_id]
    position = state.ledger.positions[key]
    held, cost = position.qty, position.cost
    if not held:
        position.settled = True
        return
    assert market.value is not None
    revenue, fee = state.ledger.pay(key, market.value, state.precision(account), state.now_ns)
    refresh_netting(state, user_id, subaccount, market)
    if account.house:
        return
    row = Settlement(
        user_id=user_id,
        subaccount=subaccount,
        ticker=ticker,
        event_ticker=market.event_ticker,
        exchange_index=market.exchange_index,
        result=market.result,
        value=market.value,
        yes_qty=max(held, 0),
        no_qty=max(-held, 0),
        yes_cost=cost if held > 0 else 0,
        no_cost=cost if held < 0 else 0,
        revenue=revenue,
        fee=fee,
        ts_ns=state.now_ns,
    )
    state.settlements.append(row)
    state.read.settlement(row, state.now_ns, state.lag_ns())
    state.show_cash(user_id, subaccount, market.exchange_index)
    state.show_position(user_id, subaccount, ticker)


def revenue_cents(row: Settlement) -> int:
    """Return ``revenue`` of a settlement record: whole cents, cut."""
    return row.revenue // CENT
