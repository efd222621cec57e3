"""Cash by account, subaccount and shard; positions; fees. Nothing is ever created or lost.

Invariant (`Ledger.audit`): all cash + $1 for each contract in open positions − what event netting
has paid back early + fees taken = all deposits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from simulators.kalshi.model import Position
from simulators.kalshi.units import DOLLAR_PX

type CashKey = tuple[str, int, int]
type PositionKey = tuple[str, int, str]


@dataclass(frozen=True, slots=True)
class Audit:
    """The terms of the conservation law, in $0.000001."""

    cash: int
    locked: int
    returned: int
    fees: int
    deposits: int

    @property
    def gap(self) -> int:
        """Return what is missing; 0 in a correct ledger."""
        return self.cash + self.locked - self.returned + self.fees - self.deposits


class Ledger:
    """The venue's money."""

    def __init__(self) -> None:
        self.cash: dict[CashKey, int] = {}
        self.positions: dict[PositionKey, Position] = {}
        self.returned: dict[tuple[str, int, str], int] = {}
        self.fees = 0
        self.deposits = 0

    def deposit(self, key: CashKey, micro: int) -> None:
        """Add outside money (negative: take it out)."""
        self.add(key, micro)
        self.deposits += micro

    def add(self, key: CashKey, micro: int) -> int:
        """Move cash of one shard and return the new amount."""
        self.cash[key] = self.cash.get(key, 0) + micro
        return self.cash[key]

    def balance(self, key: CashKey) -> int:
        """Return the cash of one shard."""
        return self.cash.get(key, 0)

    def position(self, user_id: str, subaccount: int, ticker: str) -> Position | None:
        """Return a position, or None if there never was one."""
        return self.positions.get((user_id, subaccount, ticker))

    def quantity(self, user_id: str, subaccount: int, ticker: str) -> int:
        """Return the signed holding: + YES, − NO."""
        found = self.positions.get((user_id, subaccount, ticker))
        return found.qty if found is not None else 0

    def of_user(self, user_id: str) -> Iterator[tuple[int, Position]]:
        """Return (subaccount, position) of one account."""
        for (owner, subaccount, _), position in self.positions.items():
            if owner == user_id:
                yield subaccount, position

    def cash_effect(self, held: int, side: str, qty: int, px: int) -> int:
        """Return the cash of a fill before fees: closing releases, opening pays.

        Closing a NO against a bid at P gives back 1 − P; closing a YES against an ask gives P.
        """
        opposite = -held if side == "bid" else held
        closing = min(qty, max(opposite, 0))
        opening = qty - closing
        own = px if side == "bid" else DOLLAR_PX - px
        return closing * (DOLLAR_PX - own) - opening * own

    def apply(
        self,
        key: PositionKey,
        shard: int,
        side: str,
        qty: int,
        px: int,
        fee: int,
        now_ns: int,
    ) -> Position:
        """Book one side of a fill: cash, position, fee. Return the position."""
        user_id, subaccount, ticker = key
        position = self.positions.setdefault(key, Position(ticker, shard))
        change = self.cash_effect(position.qty, side, qty, px) - fee
        self.add((user_id, subaccount, shard), change)
        self.fees += fee
        self._move(position, side, qty, px, fee)
        position.updated_ns = now_ns
        return position

    def _move(self, position: Position, side: str, qty: int, px: int, fee: int) -> None:
        own = px if side == "bid" else DOLLAR_PX - px
        direction = 1 if side == "bid" else -1
        closing = min(qty, max(-direction * position.qty, 0))
        if closing:
            held = abs(position.qty)
            released = position.cost * closing // held
            released_fees = position.position_fees * closing // held
            position.realized += closing * (DOLLAR_PX - own) - released
            position.cost -= released
            position.position_fees -= released_fees
        opening = qty - closing
        position.cost += opening * own
        position.position_fees += fee * opening // qty
        position.qty += direction * qty
        position.traded += qty * own
        position.volume += qty
        position.fees += fee

    def pay(self, key: PositionKey, value: int, precision: int, now_ns: int) -> tuple[int, int]:
        """Settle one position at ``value`` ($0.0001 for a YES) and return (revenue, fee)."""
        position = self.positions[key]
        held = abs(position.qty)
        each = value if position.qty > 0 else DOLLAR_PX - value
        gross = held * each
        fee = gross % precision  # only a sub-cent scalar value leaves anything
        self.add((key[0], key[1], position.exchange_index), gross - fee)
        self.fees += fee
        position.realized += gross - position.cost
        position.fees += fee
        position.qty, position.cost, position.position_fees = 0, 0, 0
        position.updated_ns, position.settled = now_ns, True
        return gross, fee

    def set_returned(self, key: tuple[str, int, str], shard: int, amount: int) -> None:
        """Make the early payout of event netting equal ``amount`` for (user, subaccount, event)."""
        before = self.returned.get(key, 0)
        self.add((key[0], key[1], shard), amount - before)
        self.returned[key] = amount

    def audit(self) -> Audit:
        """Return the terms of the conservation law."""
        longs = sum(p.qty for p in self.positions.values() if p.qty > 0)
        return Audit(
            cash=sum(self.cash.values()),
            locked=longs * DOLLAR_PX,
            returned=sum(self.returned.values()),
            fees=self.fees,
            deposits=self.deposits,
        )
