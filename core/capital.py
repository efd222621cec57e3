"""The capital ledger: cash per account less what orders in flight may cost.

Nautilus's risk engine looks at one order at a time and forgets fees and orders that are still
unconfirmed; this ledger reserves the cost and the fees of each order from the moment it is
decided until it is closed. An account is a venue, or one of its shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from core.money import from_units, to_text

Account = tuple[str, int]
"""Venue and shard."""


class Reservation(NamedTuple):
    """Dollars (units) held back for one order."""

    account: Account
    amount_u: int


class CapitalError(ValueError):
    """A reservation would exceed the cash, or is made twice."""


class CapitalLedger:
    """Cash and reservations; the owner tells it balances as the venue reports them."""

    def __init__(self) -> None:
        self._cash: dict[Account, int] = {}
        self._held: dict[str, Reservation] = {}
        self._sums: dict[Account, int] = {}

    def set_cash(self, account: Account, amount_u: int) -> None:
        """Take over the free cash the venue reports (fills included, open orders not deducted)."""
        self._cash[account] = amount_u

    def cash_u(self, account: Account) -> int:
        """Return the cash the venue reports."""
        return self._cash.get(account, 0)

    def free_u(self, account: Account) -> int:
        """Return the cash that no order in flight may need, never below zero."""
        return max(0, self.cash_u(account) - self._sums.get(account, 0))

    def reserve(self, order_id: str, account: Account, amount_u: int) -> None:
        """Hold back cost and fees of an order.

        Raises
        ------
        CapitalError
            When the order already holds a reservation, the amount is negative, or it exceeds what
            is free. Nothing is changed then.
        """
        if order_id in self._held:
            raise CapitalError(f"order {order_id}: reserved twice")
        if amount_u < 0:
            raise CapitalError(f"order {order_id}: found {_dollars(amount_u)}, allowed 0 or more")
        if amount_u > self.free_u(account):
            raise CapitalError(
                f"order {order_id}: needs {_dollars(amount_u)} on {account[0]} shard {account[1]}, "
                f"free {_dollars(self.free_u(account))}"
            )
        self._held[order_id] = Reservation(account, amount_u)
        self._sums[account] = self._sums.get(account, 0) + amount_u

    def spend(self, order_id: str, amount_u: int) -> None:
        """Lower an order's reservation by what a fill took (the venue's cash falls with it)."""
        held = self._held.get(order_id)
        if held is None:
            return
        taken = min(amount_u, held.amount_u)
        self._held[order_id] = Reservation(held.account, held.amount_u - taken)
        self._sums[held.account] -= taken

    def release(self, order_id: str) -> None:
        """Free what an order still holds: it is closed. Unknown ids are already free."""
        held = self._held.pop(order_id, None)
        if held is not None:
            self._sums[held.account] -= held.amount_u

    def reservations(self) -> Mapping[str, Reservation]:
        """Return all reservations by order id."""
        return dict(self._held)


def _dollars(amount_u: int) -> str:
    return f"${to_text(from_units(amount_u))}"
