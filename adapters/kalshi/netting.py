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
5. An order read without knowing its instrument is told by what was held when it first filled: an
   ``ask`` that the YES then held could serve in full (less what other such orders still need) sold
   YES, otherwise it bought NO; a ``bid`` likewise. So no leg is ever short and the net is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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


class Attribution(NamedTuple):
    """The instrument and side an order or fill belongs to."""

    leg: Leg
    buy: bool


class Trade(NamedTuple):
    """A fill as the venue tells it: its order and size in units."""

    order_id: str
    size_u: int


class Placed(NamedTuple):
    """An order as the venue tells it.

    ``need_u`` is what the order filled in all, plus what it can still fill while it rests.
    """

    order_id: str
    bid: bool
    need_u: int


def attribute(
    orders: Sequence[Placed],
    trades: Sequence[Trade],
    net_after_u: int,
    known: Mapping[str, Attribution],
) -> dict[str, Attribution]:
    """Return the instrument of each order of one market (rule 5).

    Parameters
    ----------
    orders : sequence of Placed
        Every order that the trades name, and the resting ones.
    trades : sequence of Trade
        In the order in which they happened; nothing missing at the end.
    net_after_u : int
        The venue's position after the last of them.
    known : mapping
        What orders mean that somebody remembers.
    """
    placed = {order.order_id: order for order in orders}
    signs = {order.order_id: 1 if order.bid else -1 for order in orders}
    net_u = net_after_u - sum(signs[t.order_id] * t.size_u for t in trades)
    free = {Leg.YES: max(net_u, 0), Leg.NO: max(-net_u, 0)}
    told: dict[str, Attribution] = {}
    for trade in trades:
        order = placed[trade.order_id]
        if order.order_id not in told:
            told[order.order_id] = _tell(order, free, known)
        meaning = told[order.order_id]
        if meaning.buy:
            free[meaning.leg] += trade.size_u
    for order in orders:
        if order.order_id not in told:
            told[order.order_id] = _tell(order, free, known)
    return told


def _tell(order: Placed, free: dict[Leg, int], known: Mapping[str, Attribution]) -> Attribution:
    """Decide one order's meaning and reserve what its selling needs."""
    closes = Leg.NO if order.bid else Leg.YES
    meaning = known.get(order.order_id)
    if meaning is None:
        sells = 0 < order.need_u <= free[closes]
        meaning = Attribution(closes, False) if sells else Attribution(closes.other, True)
    if not meaning.buy:
        free[meaning.leg] -= order.need_u
    return meaning


def attribution(*, bid: bool, size_u: int, held: Gross) -> Attribution:
    """Return the instrument of one strange order, given what is held now (rule 5)."""
    return _tell(Placed("", bid, size_u), {Leg.YES: held.yes, Leg.NO: held.no}, {})


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
