"""Balance, positions, fills, settlements, subaccounts, transfers between shards."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from simulators.kalshi import transfers
from simulators.kalshi.entry import reserved
from simulators.kalshi.errors import bad_parameter, flat, nested
from simulators.kalshi.model import Fill, Position, Settlement
from simulators.kalshi.render import (
    event_position_row,
    fill_row,
    position_row,
    settlement_row,
    transfer_row,
)
from simulators.kalshi.rest import Core, Reply, Request, Route, ok, page
from simulators.kalshi.rest_orders import decoded
from simulators.kalshi.state import SHARDS
from simulators.kalshi.tickets import decode
from simulators.kalshi.units import CENT, DOLLAR_PX, money4, seconds

SUBACCOUNTS_MAX = 63
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_TRANSFER = {
    "source": str,
    "destination": str,
    "amount": int,
    "source_exchange_shard": int,
    "destination_exchange_shard": int,
    "source_subaccount": int,
    "destination_subaccount": int,
    "client_transfer_id": str,
}
_SUB_TRANSFER = {
    "client_transfer_id": str,
    "from_subaccount": int,
    "to_subaccount": int,
    "amount_cents": int,
    "exchange_index": int,
}


def get_balance(core: Core, request: Request) -> Reply:
    """Return cash (all shards unless one is asked for) and the value of positions."""
    core.state.read.read(core.state.now_ns)
    subaccount = request.subaccount(0)
    assert subaccount is not None
    shard = request.integer("exchange_index")
    shards = list(SHARDS) if shard is None or shard < 0 else [shard]
    cash = {index: _shown_cash(core, request, subaccount, index) for index in shards}
    total = sum(cash.values())
    body: dict[str, Any] = {
        "balance": total // CENT,
        "balance_dollars": money4(total),
        "portfolio_value": _portfolio_value(core, request, subaccount, shards) // CENT,
        "updated_ts": seconds(core.state.read.as_of_ns(core.state.now_ns)),
    }
    if request.key is None or request.key.subaccount is None:
        body["balance_breakdown"] = [
            {"exchange_index": index, "balance": money4(micro)} for index, micro in cash.items()
        ]
    return ok(body)


def get_positions(core: Core, request: Request) -> Reply:
    """Return market and event positions; only unsettled ones unless asked."""
    return _positions(core, request, historical=False)


def get_historical_positions(core: Core, request: Request) -> Reply:
    """Return positions of events that left the live window."""
    return _positions(core, request, historical=True)


def get_fills(core: Core, request: Request) -> Reply:
    """Return fills of the live window, newest first."""
    return _fills(core, request, historical=False)


def get_historical_fills(core: Core, request: Request) -> Reply:
    """Return fills older than the cutoff."""
    return _fills(core, request, historical=True)


def get_settlements(core: Core, request: Request) -> Reply:
    """Return settlements, newest first."""
    core.state.read.read(core.state.now_ns)
    limit = request.limit(100, 1000)
    ticker, event = request.text("ticker"), request.text("event_ticker")
    subaccount = request.subaccount(None)
    checks: list[Callable[[Settlement], bool]] = [
        lambda s: not ticker or s.ticker == ticker,
        lambda s: not event or s.event_ticker == event,
        lambda s: subaccount is None or s.subaccount == subaccount,
        _within(request),
    ]
    rows = core.state.read.settlements.get(request.member.user_id, [])
    chosen = _newest_first(rows, checks)
    found, cursor = page(chosen, limit, request.text("cursor"), request.operation)
    return ok({"settlements": [settlement_row(row) for row in found], "cursor": cursor})


def get_resting_value(core: Core, request: Request) -> Reply:
    """Return what the resting orders would cost."""
    sums = {s: reserved(core.state, request.member.user_id, 0, s) for s in SHARDS}
    breakdown = [{"exchange_index": s, "balance": money4(micro)} for s, micro in sums.items()]
    total = sum(sums.values()) // CENT
    return ok({"total_resting_order_value": total, "resting_order_value_breakdown": breakdown})


def get_movements(name: str) -> Callable[[Core, Request], Reply]:
    """Return the handler of deposits or withdrawals: none are made here by members."""

    def handler(_: Core, request: Request) -> Reply:
        request.limit(100, 500)
        return ok({name: [], "cursor": ""})

    return handler


def post_subaccount(_: Core, request: Request) -> Reply:
    """Open the next subaccount; it inherits the primary's netting setting."""
    account = request.member
    number = max(account.subaccounts) + 1
    if number > SUBACCOUNTS_MAX:
        raise nested(400, "invalid_parameters", details="no more subaccounts")
    account.subaccounts.add(number)
    account.netting[number] = account.netting.get(0, False)
    return Reply(201, {"subaccount_number": number})


def post_subaccount_transfer(core: Core, request: Request) -> Reply:
    """Move cash between two subaccounts; an id used before is refused with 409."""
    row = decode(decoded(request), "ApplySubaccountTransferRequest", _SUB_TRANSFER)
    for name in ("client_transfer_id", "from_subaccount", "to_subaccount", "amount_cents"):
        if name not in row:
            raise flat(f"{name} is required", "invalid_parameters")
    _check_uuid(row["client_transfer_id"])
    transfers.move_between_subaccounts(
        core.state,
        request.member,
        row["from_subaccount"],
        row["to_subaccount"],
        row["amount_cents"],
        row.get("exchange_index", 0),
        row["client_transfer_id"],
    )
    return ok({})


def get_subaccount_balances(core: Core, request: Request) -> Reply:
    """Return the cash of every subaccount and shard."""
    core.state.read.read(core.state.now_ns)
    user_id = request.member.user_id
    rows = [
        {
            "subaccount_number": number,
            "exchange_index": shard,
            "balance": money4(core.state.read.cash.get((user_id, number, shard), 0)),
            "updated_ts": seconds(core.state.now_ns),
        }
        for number in sorted(request.member.subaccounts)
        for shard in SHARDS
    ]
    return ok({"subaccount_balances": rows})


def get_subaccount_transfers(core: Core, request: Request) -> Reply:
    """Return transfers between subaccounts, newest first."""
    limit = request.limit(100, 500)
    mine = [
        (-number, {key: value for key, value in row.items() if key != "user_id"})
        for number, row in enumerate(core.state.subaccount_transfers)
        if row["user_id"] == request.member.user_id
    ]
    mine.reverse()
    rows, cursor = page(mine, limit, request.text("cursor"), request.operation)
    return ok({"transfers": rows, "cursor": cursor})


def get_netting(_: Core, request: Request) -> Reply:
    """Return the netting setting of every subaccount."""
    account = request.member
    rows = [
        {
            "subaccount_number": number,
            "enabled": account.netting.get(number, False),
            "exchange_index": 0,
        }
        for number in sorted(account.subaccounts)
    ]
    return ok({"netting_configs": rows})


def put_netting(_: Core, request: Request) -> Reply:
    """Turn event netting on or off for one subaccount."""
    names = {"subaccount_number": int, "enabled": bool}
    row = decode(decoded(request), "UpdateSubaccountNettingRequest", names)
    number = row.get("subaccount_number", 0)
    if number not in request.member.subaccounts:
        raise nested(404, "customer_account_not_found")
    request.member.netting[number] = row.get("enabled", False)
    return Reply(200)


def post_transfer(core: Core, request: Request) -> Reply:
    """Move cash between two shards."""
    row = decode(decoded(request), "IntraExchangeInstanceTransferRequest", _TRANSFER)
    for name in ("source", "destination"):
        if row.get(name) != "event_contract":
            raise flat(f"{name} must be event_contract", "invalid_parameters")
    if "client_transfer_id" in row:
        _check_uuid(row["client_transfer_id"])
    transfer = transfers.start_transfer(
        core.state,
        request.member,
        row.get("amount", 0),
        (row.get("source_subaccount", 0), row.get("source_exchange_shard", 0)),
        (row.get("destination_subaccount", 0), row.get("destination_exchange_shard", 0)),
        row.get("client_transfer_id", ""),
    )
    return ok({"transfer_id": transfer.transfer_id})


def get_transfer(core: Core, request: Request) -> Reply:
    """Return one transfer; just after creation it may answer 404."""
    transfer = transfers.owned_transfer(core.state, request.member, request.path["transfer_id"])
    return ok({"transfer": transfer_row(transfer)})


def get_transfers(core: Core, request: Request) -> Reply:
    """Return the account's transfers between shards, newest first."""
    limit = request.limit(100, 500)
    mine = [
        (-number, transfer)
        for number, transfer in enumerate(core.state.transfers.values())
        if transfer.user_id == request.member.user_id and transfer.visible_ns <= core.state.now_ns
    ]
    mine.reverse()
    rows, cursor = page(mine, limit, request.text("cursor"), request.operation)
    return ok({"transfers": [transfer_row(row) for row in rows], "cursor": cursor})


def get_allocation(_: Core, request: Request) -> Reply:
    """Return the target allocation."""
    account = request.member
    return ok(
        {
            "allocations": [dict(row) for row in account.allocation],
            "resting_margin_reservation": account.resting_margin_reservation,
        }
    )


def post_allocation(_: Core, request: Request) -> Reply:
    """Set the target allocation; an empty list turns it off."""
    body = decoded(request)
    row = _decode_allocation(body)
    rows = [
        decode(item, "TargetBalanceAllocationInput", {"exchange_index": int, "percent": int})
        for item in row.get("allocations", [])
    ]
    if any(set(item) != {"exchange_index", "percent"} for item in rows):
        raise flat("an allocation needs exchange_index and percent", "invalid_parameters")
    if any(not 0 <= item["percent"] <= 100 for item in rows):
        raise flat("percent must be between 0 and 100", "invalid_parameters")
    reservation = row.get("resting_margin_reservation", "sum")
    transfers.set_allocation(request.member, rows, reservation)
    return ok({})


def _decode_allocation(body: Any) -> dict[str, Any]:  # noqa: ANN401 - undecoded JSON
    if not isinstance(body, dict) or not isinstance(body.get("allocations"), list):
        raise flat("allocations is required", "invalid_parameters")
    names = ("allocations", "resting_margin_reservation")
    row = {name: body[name] for name in names if body.get(name) is not None}
    if not isinstance(row.get("resting_margin_reservation", ""), str):
        raise flat("resting_margin_reservation must be a string", "invalid_parameters")
    return row


def _check_uuid(text: str) -> None:
    if not _UUID.match(text):
        raise nested(400, "invalid_UUID", "invalid UUID")


def _shown_cash(core: Core, request: Request, subaccount: int, shard: int) -> int:
    user_id = request.member.user_id
    cash = core.state.read.cash.get((user_id, subaccount, shard), 0)
    if core.state.switches["resting_collateral"] == "reserved":
        cash -= reserved(core.state, user_id, subaccount, shard)
    return max(cash, 0)


def _portfolio_value(core: Core, request: Request, subaccount: int, shards: list[int]) -> int:
    """Return the value of positions at the last trade, in $0.000001."""
    total = 0
    for (user_id, sub, ticker), position in core.state.read.positions.items():
        if user_id != request.member.user_id or sub != subaccount:
            continue
        if position.exchange_index not in shards or not position.qty:
            continue
        last = core.state.markets[ticker].last_px
        each = last if position.qty > 0 else DOLLAR_PX - last
        total += abs(position.qty) * each
    return total


def _positions(core: Core, request: Request, *, historical: bool) -> Reply:
    core.state.read.read(core.state.now_ns)
    limit = request.limit(100, 1000)
    chosen = [
        (number, position)
        for number, position in enumerate(_own_positions(core, request), start=1)
        if _archived(core, position) == historical and _position_wanted(core, request, position)
    ]
    rows, cursor = page(chosen, limit, request.text("cursor"), request.operation)
    events: dict[str, list[Position]] = {}
    for position in rows:
        events.setdefault(core.state.markets[position.ticker].event_ticker, []).append(position)
    return ok(
        {
            "market_positions": [position_row(row) for row in rows],
            "event_positions": [event_position_row(t, found) for t, found in events.items()],
            "cursor": cursor,
        }
    )


def _own_positions(core: Core, request: Request) -> list[Position]:
    subaccount = request.subaccount(0)
    user_id = request.member.user_id
    return [
        position
        for (owner, sub, _), position in core.state.read.positions.items()
        if owner == user_id and sub == subaccount
    ]


def _position_wanted(core: Core, request: Request, position: Position) -> bool:
    status = request.one_of("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    ticker, event = request.text("ticker"), request.text("event_ticker")
    shard = request.integer("exchange_index")
    if status != "all" and position.settled != (status == "settled"):
        return False
    if ticker and position.ticker != ticker:
        return False
    if event and core.state.markets[position.ticker].event_ticker != event:
        return False
    if shard is not None and shard >= 0 and position.exchange_index != shard:
        return False
    return _counts(request, position)


def _counts(request: Request, position: Position) -> bool:
    """Apply ``count_filter``: the named counts must not be zero."""
    for name in request.listed("count_filter"):
        if name not in ("position", "total_traded"):
            raise bad_parameter(request.operation, "CountFilter", "oneof")
        if not (position.qty if name == "position" else position.traded):
            return False
    return True


def _archived(core: Core, position: Position) -> bool:
    """Return whether the whole event of a position left the live window."""
    event = core.state.markets[position.ticker].event_ticker
    cutoff = core.state.markets_cutoff_ns()
    markets = [core.state.markets[ticker] for ticker in core.state.markets_of[event]]
    return all(market.finished and market.settled_ns < cutoff for market in markets)


def _fills(core: Core, request: Request, *, historical: bool) -> Reply:
    core.state.read.read(core.state.now_ns)
    limit = request.limit(100, 1000)
    tickers, order_id = request.listed("ticker"), request.text("order_id")
    if len(tickers) > 100:
        raise bad_parameter(request.operation, "Ticker", "max")
    shard, subaccount = request.integer("exchange_index"), request.subaccount(None)
    cutoff = core.state.markets_cutoff_ns()
    checks: list[Callable[[Fill], bool]] = [
        lambda f: (f.ts_ns < cutoff) == historical,
        lambda f: not tickers or f.ticker in tickers,
        lambda f: not order_id or f.order_id == order_id,
        lambda f: shard is None or shard < 0 or f.exchange_index == shard,
        lambda f: subaccount is None or f.subaccount == subaccount,
        _within(request),
    ]
    chosen = _newest_first(core.state.read.fills.get(request.member.user_id, []), checks)
    rows, cursor = page(chosen, limit, request.text("cursor"), request.operation)
    return ok({"fills": [fill_row(core.state, row) for row in rows], "cursor": cursor})


def _within(request: Request) -> Callable[[Fill | Settlement], bool]:
    low, high = request.integer("min_ts"), request.integer("max_ts")

    def check(row: Fill | Settlement) -> bool:
        at_s = seconds(row.ts_ns)
        return (low is None or at_s >= low) and (high is None or at_s <= high)

    return check


def _newest_first(rows: Any, checks: Any) -> list[tuple[int, Any]]:  # noqa: ANN401 - rows of one kind
    found = [
        (-number, row)
        for number, row in enumerate(rows, start=1)
        if all(check(row) for check in checks)
    ]
    found.reverse()
    return found


def _read(path: str, operation: str, handler: Any) -> Route:  # noqa: ANN401 - a handler
    return Route("GET", "/portfolio" + path, operation, handler, auth=True)


def _change(method: str, path: str, operation: str, handler: Any) -> Route:  # noqa: ANN401 - a handler
    return Route(method, "/portfolio" + path, operation, handler, auth=True, scope="write")


_MOVE, _MOVES = "/intra_exchange_instance_transfer", "/intra_exchange_instance_transfers"
ROUTES = (
    _read("/balance", "GetBalance", get_balance),
    _read("/positions", "GetPositions", get_positions),
    _read("/fills", "GetFills", get_fills),
    _read("/settlements", "GetSettlements", get_settlements),
    _read("/summary/total_resting_order_value", "GetRestingValue", get_resting_value),
    _read("/deposits", "GetDeposits", get_movements("deposits")),
    _read("/withdrawals", "GetWithdrawals", get_movements("withdrawals")),
    _change("POST", "/subaccounts", "CreateSubaccount", post_subaccount),
    _change("POST", "/subaccounts/transfer", "SubaccountTransfer", post_subaccount_transfer),
    _read("/subaccounts/balances", "GetSubaccountBalances", get_subaccount_balances),
    _read("/subaccounts/transfers", "GetSubaccountTransfers", get_subaccount_transfers),
    _read("/subaccounts/netting", "GetSubaccountNetting", get_netting),
    _change("PUT", "/subaccounts/netting", "UpdateSubaccountNetting", put_netting),
    _change("POST", _MOVE, "IntraExchangeInstanceTransfer", post_transfer),
    _read(_MOVES, "GetIntraExchangeInstanceTransfers", get_transfers),
    _read(_MOVES + "/{transfer_id}", "GetIntraExchangeInstanceTransfer", get_transfer),
    _read("/target_balance_allocation", "GetTargetBalanceAllocation", get_allocation),
    _change("POST", "/target_balance_allocation", "SetTargetBalanceAllocation", post_allocation),
    Route("GET", "/historical/fills", "GetFillsHistorical", get_historical_fills, auth=True),
    Route(
        "GET",
        "/historical/positions",
        "GetHistoricalPositions",
        get_historical_positions,
        auth=True,
    ),
)
