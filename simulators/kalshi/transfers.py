"""Cash between shards and subaccounts, and the target allocation that moves it by itself."""

from __future__ import annotations

from simulators.kalshi.entry import reserved
from simulators.kalshi.errors import flat, insufficient_balance, nested, not_found
from simulators.kalshi.model import Account, Transfer
from simulators.kalshi.state import SHARDS, State
from simulators.kalshi.units import CENT, CENTICENT, NS_PER_MS, NS_PER_S, seconds

ALLOCATION_EVERY_NS = 10 * NS_PER_S


def start_transfer(
    state: State,
    account: Account,
    amount: int,
    source: tuple[int, int],
    destination: tuple[int, int],
    client_transfer_id: str = "",
) -> Transfer:
    """Move ``amount`` ($0.0001) between two (subaccount, shard) pairs of an account.

    The cash leaves at once and arrives when the transfer completes. A client id that was used
    on the same route is refused with 409.
    """
    _check_ends(account, amount, source, destination)
    route = (account.user_id, f"{client_transfer_id}:{source}:{destination}")
    if client_transfer_id and route in state.transfer_ids:
        raise nested(409, "transfer_already_exists")
    micro = amount * CENTICENT
    key = (account.user_id, *source)
    if state.ledger.balance(key) < micro:
        raise insufficient_balance()
    state.ledger.add(key, -micro)
    state.show_cash(*key)
    now_ns = state.now_ns
    transfer = Transfer(
        transfer_id=state.new_id("transfer"),
        user_id=account.user_id,
        source_shard=source[1],
        destination_shard=destination[1],
        source_subaccount=source[0],
        destination_subaccount=destination[0],
        amount=amount,
        created_ns=now_ns,
        visible_ns=now_ns + state.switches.number("transfer_404_ms") * NS_PER_MS,
        complete_ns=now_ns + state.switches.number("transfer_ms") * NS_PER_MS,
    )
    state.transfers[transfer.transfer_id] = transfer
    if client_transfer_id:
        state.transfer_ids[route] = transfer.transfer_id
    if transfer.complete_ns <= now_ns:
        complete(state, transfer)
    else:
        state.at(transfer.complete_ns, "transfer", transfer.transfer_id)
    return transfer


def complete(state: State, transfer: Transfer) -> None:
    """Let the cash of a transfer arrive."""
    if transfer.status == "complete":
        return
    transfer.status = "complete"
    key = (transfer.user_id, transfer.destination_subaccount, transfer.destination_shard)
    state.ledger.add(key, transfer.amount * CENTICENT)
    state.show_cash(*key)


def owned_transfer(state: State, account: Account, transfer_id: str) -> Transfer:
    """Return a transfer of the account; just after creation it may not be found yet."""
    transfer = state.transfers.get(transfer_id)
    if transfer is None or transfer.user_id != account.user_id:
        raise not_found()
    if transfer.visible_ns > state.now_ns:
        raise not_found()
    return transfer


def in_flight(state: State) -> int:
    """Return the cash that has left one shard and not reached the other, in $0.000001."""
    waiting = (t.amount for t in state.transfers.values() if t.status != "complete")
    return sum(waiting) * CENTICENT


def move_between_subaccounts(
    state: State, account: Account, source: int, destination: int, cents: int, shard: int, key: str
) -> str:
    """Move cash between two subaccounts of one shard and return the transfer's id."""
    for number in (source, destination):
        if number not in account.subaccounts:
            raise nested(404, "customer_account_not_found")
    if cents <= 0:
        raise flat("amount_cents must be positive", "invalid_parameters")
    if (account.user_id, key) in state.transfer_ids:
        raise nested(409, "transfer_already_exists")
    micro = cents * CENT
    if state.ledger.balance((account.user_id, source, shard)) < micro:
        raise insufficient_balance()
    state.ledger.add((account.user_id, source, shard), -micro)
    state.ledger.add((account.user_id, destination, shard), micro)
    state.show_cash(account.user_id, source, shard)
    state.show_cash(account.user_id, destination, shard)
    transfer_id = state.new_id("subaccount transfer")
    state.transfer_ids[(account.user_id, key)] = transfer_id
    state.subaccount_transfers.append(
        {
            "user_id": account.user_id,
            "transfer_id": transfer_id,
            "from_subaccount": source,
            "to_subaccount": destination,
            "amount_cents": cents,
            "created_ts": seconds(state.now_ns),
            "exchange_index": shard,
        }
    )
    return transfer_id


def set_allocation(account: Account, rows: list[dict[str, int]], reservation: str) -> None:
    """Set the target shares of cash by shard in percent; an empty list turns it off."""
    indices = [row["exchange_index"] for row in rows]
    if len(set(indices)) != len(indices) or any(index not in SHARDS for index in indices):
        raise flat("allocations must name distinct known exchange indices", "invalid_parameters")
    if rows and sum(row["percent"] for row in rows) != 100:
        raise flat("allocations must sum to 100 percent", "invalid_parameters")
    if reservation not in ("none", "max", "sum"):
        raise flat("resting_margin_reservation must be none, max or sum", "invalid_parameters")
    account.allocation = rows
    account.resting_margin_reservation = reservation


def rebalance(state: State) -> None:
    """Move cash of every account with a target allocation (the venue checks each 10 s)."""
    for account in state.accounts.values():
        if account.allocation:
            _rebalance(state, account)
    state.at(state.now_ns + ALLOCATION_EVERY_NS, "allocation", "")


def _rebalance(state: State, account: Account) -> None:
    free = {shard: _free(state, account, shard) for shard in SHARDS}
    total = sum(free.values())
    shares = {row["exchange_index"]: row["percent"] for row in account.allocation}
    want = {shard: total * shares.get(shard, 0) // 100 // CENTICENT * CENTICENT for shard in SHARDS}
    for shard in SHARDS:
        for other in SHARDS:
            give = min(free[shard] - want[shard], want[other] - free[other])
            give -= give % CENTICENT
            if give > 0:
                start_transfer(state, account, give // CENTICENT, (0, shard), (0, other))
                free[shard] -= give
                free[other] += give


def _free(state: State, account: Account, shard: int) -> int:
    cash = state.ledger.balance((account.user_id, 0, shard))
    if account.resting_margin_reservation == "none":
        return cash
    if account.resting_margin_reservation == "sum":
        return max(0, cash - reserved(state, account.user_id, 0, shard))
    costs = [
        order.remaining * order.cost_px(order.px)
        for order in state.resting(account.user_id, shard)
        if order.subaccount == 0
    ]
    return max(0, cash - max(costs, default=0))


def _check_ends(
    account: Account, amount: int, source: tuple[int, int], destination: tuple[int, int]
) -> None:
    if amount <= 0:
        raise flat("amount must be positive", "invalid_parameters")
    if source == destination:
        raise flat("source and destination must differ", "invalid_parameters")
    for subaccount, shard in (source, destination):
        if shard not in SHARDS:
            raise flat("unknown exchange shard", "invalid_parameters")
        if subaccount not in account.subaccounts:
            raise nested(404, "customer_account_not_found")
