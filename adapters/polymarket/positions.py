"""Shares held, by our books and by the venue's balances. Pure.

The chain moves shares somewhere between MATCHED and CONFIRMED and does not say when, so a balance
and our books may differ without either being wrong. Rules:

1. At the start an asset's position is the balance plus what is matched and not yet mined.
2. From then on every booked fill adds, every reverted one subtracts.
3. A balance in [held - bought, held + sold], with bought and sold the unconfirmed shares, agrees.
4. Outside it once proves nothing (a fill may be on its way to us); outside it twice in a row, with
   the same books, the balance wins: shares were redeemed, split, merged or moved by somebody else.
"""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

_ZERO = Decimal(0)


class Unconfirmed(NamedTuple):
    """Shares of one asset in trades the chain has not confirmed."""

    bought: Decimal = _ZERO
    sold: Decimal = _ZERO
    unmined: Decimal = _ZERO
    """Net shares of trades not yet reported as mined: not in the balance as far as we know."""


class _Holding(msgspec.Struct):
    shares: Decimal
    balance: Decimal
    disagreed: tuple[Decimal, Decimal] | None = None


class Rebased(NamedTuple):
    """A holding the balance overruled (rule 4)."""

    asset_id: str
    was: Decimal
    now: Decimal


class Holdings:
    """Shares by asset."""

    def __init__(self) -> None:
        self._by_asset: dict[str, _Holding] = {}

    def assets(self) -> set[str]:
        """Return every asset ever held or asked about."""
        return set(self._by_asset)

    def known(self, asset_id: str) -> bool:
        """Tell whether a balance of the asset was ever read."""
        return asset_id in self._by_asset

    def shares(self, asset_id: str) -> Decimal:
        """Return the shares we hold, provisional ones included."""
        holding = self._by_asset.get(asset_id)
        return holding.shares if holding else _ZERO

    def open(self, asset_id: str, balance: Decimal, unconfirmed: Unconfirmed) -> Decimal:
        """Start an asset from its first balance (rule 1) and return the shares held."""
        shares = max(_ZERO, balance + unconfirmed.unmined)
        self._by_asset[asset_id] = _Holding(shares, balance)
        return shares

    def add(self, asset_id: str, signed_shares: Decimal) -> None:
        """Apply a booked fill, or its reversal with the sign turned (rule 2)."""
        holding = self._by_asset.get(asset_id)
        if holding is None:
            holding = self._by_asset[asset_id] = _Holding(_ZERO, _ZERO)
        holding.shares += signed_shares

    def sellable(self, asset_id: str, unconfirmed: Unconfirmed, open_sells: Decimal) -> Decimal:
        """Return the shares that may be sold now: held, confirmed, not already offered."""
        return max(_ZERO, self.shares(asset_id) - unconfirmed.bought - open_sells)

    def check(self, asset_id: str, balance: Decimal, unconfirmed: Unconfirmed) -> Rebased | None:
        """Compare with a fresh balance; return what changed if the balance overrules (rules 3, 4).

        >>> held = Holdings()
        >>> held.open("a", Decimal(10), Unconfirmed())
        Decimal('10')
        >>> held.check("a", Decimal(4), Unconfirmed()) is None
        True
        >>> held.check("a", Decimal(4), Unconfirmed())
        Rebased(asset_id='a', was=Decimal('10'), now=Decimal('4'))
        """
        holding = self._by_asset.get(asset_id)
        if holding is None:
            self.open(asset_id, balance, unconfirmed)
            return None
        holding.balance = balance
        low, high = holding.shares - unconfirmed.bought, holding.shares + unconfirmed.sold
        if low <= balance <= high:
            holding.disagreed = None
            return None
        evidence = (holding.shares, balance)
        if holding.disagreed != evidence:
            holding.disagreed = evidence
            return None
        was = holding.shares
        return Rebased(asset_id, was, self.open(asset_id, balance, unconfirmed))
