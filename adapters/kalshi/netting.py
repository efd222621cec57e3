"""One signed venue position behind two instruments (pure).

The venue holds one signed number ``n`` per market: + is YES, − is NO. Here a market is two
instruments that can only be long: ``y`` YES and ``o`` NO.

1. Invariant: ``y − o = n``.
2. While it holds, ``y`` and ``o`` are reported as they are held here ("virtual gross"): a YES and
   a NO together are one dollar that the venue has paid out already. When it does not hold, the
   venue is right: ``(max(n, 0), max(−n, 0))``.
3. A BUY of one side while long the other is refused: selling what is held does the same, and
   keeps both books of account simple.
4. A SELL beyond what is held, less what other SELLs already offer, is refused: it would open the
   other side.
5. A fill read without knowing our order's instrument is told by the position before it: an ``ask``
   against a long YES closes it, otherwise it opens NO; a ``bid`` against a NO closes that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from adapters.kalshi.symbols import Leg


class Gross(NamedTuple):
    """Contracts held on each leg, in units; both at least 0."""

    yes: int
    no: int

    @property
    def net(self) -> int:
        """The venue's signed position."""
        return self.yes - self.no


def gross(net_u: int, held: Gross) -> Gross:
    """Return what to report for a venue position, given what is held here (rules 1, 2)."""
    if held.yes >= 0 and held.no >= 0 and held.net == net_u:
        return held
    return Gross(max(net_u, 0), max(-net_u, 0))


def refuse_buy(leg: Leg, held: Gross) -> str | None:
    """Return why a BUY of ``leg`` is refused, None if it is not (rule 3)."""
    other_u = held.no if leg is Leg.YES else held.yes
    if other_u > 0:
        return f"long {leg.other.upper()} of this market: sell it instead of buying {leg.upper()}"
    return None


def sellable(leg: Leg, held: Gross, offered_u: int) -> int:
    """Return how many units of ``leg`` can still be sold (rule 4), at least 0."""
    held_u = held.yes if leg is Leg.YES else held.no
    return max(0, held_u - offered_u)


def is_bid(leg: Leg, *, buy: bool) -> bool:
    """Return whether the venue's order is a bid on the YES book: YES bought or NO sold."""
    return buy == (leg is Leg.YES)


def leg_price(leg: Leg, yes_price_u: int) -> int:
    """Return a YES price in the price of ``leg``; the same function leads back."""
    return yes_price_u if leg is Leg.YES else 1_000_000 - yes_price_u


class Trade(NamedTuple):
    """A fill as the venue tells it: book side and size in units."""

    bid: bool
    size_u: int


class Attribution(NamedTuple):
    """The instrument and side a fill belongs to."""

    leg: Leg
    buy: bool


def attribute(trades: Sequence[Trade], net_after_u: int) -> list[Attribution]:
    """Return the instrument of each fill of one market (rule 5).

    Parameters
    ----------
    trades : sequence of Trade
        In the order in which they happened; nothing missing at the end.
    net_after_u : int
        The venue's position after the last of them.
    """
    net_u = net_after_u - sum(t.size_u if t.bid else -t.size_u for t in trades)
    told: list[Attribution] = []
    for trade in trades:
        told.append(attribution(trade.bid, net_u))
        net_u += trade.size_u if trade.bid else -trade.size_u
    return told


def attribution(bid: bool, net_before_u: int) -> Attribution:
    """Return the instrument of a fill, given the position before it (rule 5)."""
    if bid:
        return Attribution(Leg.NO, False) if net_before_u < 0 else Attribution(Leg.YES, True)
    return Attribution(Leg.YES, False) if net_before_u > 0 else Attribution(Leg.NO, True)


class Holdings:
    """What is held of every market, kept in step with every fill that is booked.

    The framework's positions follow its event queue; two SELLs decided in one turn of the loop
    would both see the same contracts. This book changes at once.
    """

    def __init__(self) -> None:
        self._held: dict[str, Gross] = {}

    def of(self, ticker: str) -> Gross:
        """Return what is held of a market."""
        return self._held.get(ticker, Gross(0, 0))

    def book(self, ticker: str, leg: Leg, *, buy: bool, size_u: int) -> None:
        """Add a fill."""
        held = self.of(ticker)
        signed_u = size_u if buy else -size_u
        self._held[ticker] = (
            Gross(held.yes + signed_u, held.no)
            if leg is Leg.YES
            else Gross(held.yes, held.no + signed_u)
        )

    def adopt(self, ticker: str, held: Gross) -> None:
        """Take over what a comparison with the venue found."""
        self._held[ticker] = held

    def tickers(self) -> list[str]:
        """Return the markets of which something is held."""
        return [ticker for ticker, held in self._held.items() if held != (0, 0)]
