"""The orders we sent and what became of them, whatever order the news arrives in.

Pure: evidence goes in, effects come out, and a shell turns effects into the framework's events.
The laws, cited below by number:

1. An order is accepted once, by whichever evidence comes first: answer, stream or read.
2. A trade is booked once per order and trade id, whichever of stream and read brings it, and
   however often.
3. A fill may outrun the answer that tells us the venue's id: it is parked and booked when the
   id is known. Nothing parked is ever dropped silently.
4. A close (cancelled, expired) names how much had filled. It is held back until that much is
   booked, so nobody hedges a quantity that is still to grow.
5. Evidence that knows less than we have booked is stale and changes nothing.
6. A rejection of an order that shows a sign of life is contradicted: the shell is told
   (``Revived``), because the framework may have given the order up on its own.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from adapters.common.errors import UsageError


class Phase(StrEnum):
    """Where an order stands."""

    SENT = "sent"
    WORKING = "working"
    FILLED = "filled"
    CANCELED = "canceled"
    EXPIRED = "expired"
    REJECTED = "rejected"


#: Phases from which nothing further is expected.
CLOSED = frozenset({Phase.FILLED, Phase.CANCELED, Phase.EXPIRED, Phase.REJECTED})


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of one order.

    Attributes
    ----------
    quantity : Decimal
        Contracts of this execution alone, not cumulative.
    record : object
        The venue's record, carried through untouched for the shell.
    """

    trade_id: str
    venue_id: str
    quantity: Decimal
    client_id: str = ""
    record: object = None


@dataclass(frozen=True, slots=True)
class Accept:
    """Effect: the order is live at the venue under ``venue_id``."""

    client_id: str
    venue_id: str


@dataclass(frozen=True, slots=True)
class Book:
    """Effect: book this fill now."""

    client_id: str
    fill: Fill


@dataclass(frozen=True, slots=True)
class Close:
    """Effect: the order ended without filling completely."""

    client_id: str
    phase: Phase


@dataclass(frozen=True, slots=True)
class Resize:
    """Effect: the order's total became ``quantity`` without our having been told."""

    client_id: str
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Reject:
    """Effect: the venue refused the order."""

    client_id: str
    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class NeedFills:
    """Effect: ``missing`` contracts are known to have filled but their trades are not here."""

    client_id: str
    venue_id: str
    missing: Decimal


@dataclass(frozen=True, slots=True)
class Park:
    """Effect: this fill names an order we do not know (yet): ask the venue whose it is."""

    fill: Fill


@dataclass(frozen=True, slots=True)
class Revived:
    """Effect: a rejected order turned out to live, law 6."""

    client_id: str
    venue_id: str


type Effect = Accept | Book | Close | Resize | Reject | NeedFills | Park | Revived


@dataclass(slots=True)
class TrackedOrder:
    """One order.

    Attributes
    ----------
    quantity, filled, seen : Decimal
        Contracts ordered in total, booked so far, and known to have filled.
    doubt : bool
        True while a command's outcome is unknown and the venue must be asked.
    """

    client_id: str
    quantity: Decimal
    venue_id: str = ""
    filled: Decimal = Decimal(0)
    seen: Decimal = Decimal(0)
    phase: Phase = Phase.SENT
    doubt: bool = False
    trades: set[str] = field(default_factory=set)
    closing: tuple[Phase, Decimal] | None = None

    @property
    def is_complete(self) -> bool:
        """Whether every fill we have heard of is booked."""
        return self.filled >= self.seen

    @property
    def is_closed(self) -> bool:
        """Whether nothing further is expected."""
        return self.phase in CLOSED


class OrderLedger:
    """All orders of one account.

    Parameters
    ----------
    closed_max : int, default 20000
        Closed orders remembered; beyond it the oldest is forgotten, together with its trade ids.
    parked_max : int, default 2000
        Fills of unknown orders held; at the bound ``UsageError`` is raised rather than one lost.
    """

    def __init__(self, *, closed_max: int = 20_000, parked_max: int = 2_000) -> None:
        self._orders: dict[str, TrackedOrder] = {}
        self._by_venue: dict[str, str] = {}
        self._closed: OrderedDict[str, None] = OrderedDict()
        self._parked: dict[str, dict[str, Fill]] = {}
        self._foreign: OrderedDict[tuple[str, str], None] = OrderedDict()
        self._closed_max = closed_max
        self._parked_max = parked_max

    def find(self, *, client_id: str = "", venue_id: str = "") -> TrackedOrder | None:
        """Return the order under either id; the client's id wins."""
        order = self._orders.get(client_id) if client_id else None
        if order is None and venue_id:
            order = self._orders.get(self._by_venue.get(venue_id, ""))
        return order

    def open_orders(self) -> list[TrackedOrder]:
        """Return every order that is not closed, oldest first."""
        return [order for order in self._orders.values() if not order.is_closed]

    def in_doubt(self) -> list[TrackedOrder]:
        """Return the orders about which the venue must be asked."""
        return [o for o in self._orders.values() if o.doubt or o.closing is not None]

    def parked(self) -> list[Fill]:
        """Return the fills whose order is not known."""
        return [fill for fills in self._parked.values() for fill in fills.values()]

    def submit(self, client_id: str, quantity: Decimal) -> TrackedOrder:
        """Track an order that is about to be sent.

        Raises
        ------
        UsageError
            The id is tracked already: ids are used once, for ever.
        """
        if client_id in self._orders:
            raise UsageError(f"client order id {client_id!r} was used before")
        order = TrackedOrder(client_id, quantity)
        self._orders[client_id] = order
        return order

    def adopt(
        self,
        client_id: str,
        quantity: Decimal,
        venue_id: str,
        *,
        trades: dict[str, Decimal],
        phase: Phase = Phase.WORKING,
    ) -> list[Effect]:
        """Track an order that was placed before this process, or by somebody else.

        ``trades`` are those already booked elsewhere; parked fills of the order are released.
        """
        order = self._orders.get(client_id)
        if order is None:
            order = TrackedOrder(client_id, quantity, phase=phase)
            self._orders[client_id] = order
        for trade_id, contracts in trades.items():
            if trade_id not in order.trades:
                order.trades.add(trade_id)
                order.filled += contracts
        if order.phase is Phase.SENT or (phase in CLOSED and not order.is_closed):
            order.phase = phase
        self._bind(order, venue_id)
        if order.is_closed:
            order.closing, order.doubt = None, False
            self._remember_closed(order)
        return self._release(order)

    def acknowledged(self, client_id: str, venue_id: str) -> list[Effect]:
        """Take positive evidence that the order exists at the venue (laws 1, 3, 6)."""
        order = self._required(client_id)
        effects: list[Effect] = []
        self._bind(order, venue_id)
        order.doubt = False
        if order.phase is Phase.SENT:
            order.phase = Phase.WORKING
            effects.append(Accept(client_id, venue_id))
        elif order.phase is Phase.REJECTED:
            order.phase = Phase.WORKING
            effects.append(Revived(client_id, venue_id))
        effects.extend(self._release(order))
        return effects

    def refused(self, client_id: str, code: str, reason: str) -> list[Effect]:
        """Take positive evidence that the order was never taken.

        A refusal of an order that is known to live is a contradiction and changes nothing.
        """
        order = self._required(client_id)
        order.doubt = False
        if order.phase is not Phase.SENT:
            return []
        self._end(order, Phase.REJECTED)
        return [Reject(client_id, code, reason)]

    def doubted(self, client_id: str) -> None:
        """Note that the outcome of a command on this order is unknown."""
        order = self._required(client_id)
        order.doubt = not order.is_closed

    def settled_doubt(self, client_id: str) -> None:
        """Note that the venue has been asked and has answered about this order."""
        self._required(client_id).doubt = False

    def given_up(self, client_id: str) -> None:
        """Note that the framework rejected the order by itself: no evidence, only impatience."""
        order = self._orders.get(client_id)
        if order is not None and not order.is_closed:
            order.phase = Phase.REJECTED
            order.doubt = True

    def fill(self, fill: Fill) -> list[Effect]:
        """Take one execution, from any source, any number of times (laws 2, 3, 6)."""
        order = self.find(client_id=fill.client_id, venue_id=fill.venue_id)
        if order is None:
            return self._park(fill)
        if fill.trade_id in order.trades:
            return []
        effects: list[Effect] = []
        if order.phase in {Phase.SENT, Phase.REJECTED} or not order.venue_id:
            effects.extend(self.acknowledged(order.client_id, fill.venue_id))
            if fill.trade_id in order.trades:
                return effects
        return effects + self._book(order, fill)

    def closed(self, client_id: str, phase: Phase, filled: Decimal) -> list[Effect]:
        """Take evidence that the order ended with ``filled`` contracts done in all (laws 4, 5)."""
        order = self._required(client_id)
        order.doubt = False
        if order.is_closed or filled < order.filled:
            return []
        order.seen = max(order.seen, filled)
        if filled > order.filled:
            order.closing = (phase, filled)
            need = NeedFills(client_id, order.venue_id, filled - order.filled)
            if phase is Phase.FILLED and filled < order.quantity:
                # A decrease whose answer was lost: filled to the end of a smaller order.
                order.quantity = filled
                return [Resize(client_id, filled), need]
            return [need]
        self._end(order, phase)
        return [Close(client_id, phase)]

    def observed(self, client_id: str, filled: Decimal) -> list[Effect]:
        """Take evidence that a working order has ``filled`` contracts done in all (law 5)."""
        order = self._required(client_id)
        order.seen = max(order.seen, filled)
        if filled <= order.filled:
            return []
        return [NeedFills(client_id, order.venue_id, filled - order.filled)]

    def resized(self, client_id: str, quantity: Decimal) -> list[Effect]:
        """Adopt the total quantity the venue confirmed after an amend or decrease."""
        order = self._required(client_id)
        order.quantity = quantity
        if order.is_closed or not 0 < quantity <= order.filled:
            return []
        self._end(order, Phase.FILLED)
        return [Close(client_id, Phase.FILLED)]

    def disown(self, venue_id: str) -> list[Fill]:
        """Give back the parked fills of an order that is not ours, and stop parking them."""
        fills = list(self._parked.pop(venue_id, {}).values())
        for fill in fills:
            self._foreign[(venue_id, fill.trade_id)] = None
        while len(self._foreign) > self._closed_max:
            self._foreign.popitem(last=False)
        return fills

    def _required(self, client_id: str) -> TrackedOrder:
        try:
            return self._orders[client_id]
        except KeyError:
            raise UsageError(f"client order id {client_id!r} is not tracked") from None

    def _bind(self, order: TrackedOrder, venue_id: str) -> None:
        if venue_id:
            order.venue_id = venue_id
            self._by_venue[venue_id] = order.client_id

    def _park(self, fill: Fill) -> list[Effect]:
        if (fill.venue_id, fill.trade_id) in self._foreign:
            return []
        fills = self._parked.setdefault(fill.venue_id, {})
        if fill.trade_id in fills:
            return []
        if sum(map(len, self._parked.values())) >= self._parked_max:
            raise UsageError(f"{self._parked_max} fills of unknown orders: cannot hold another")
        fills[fill.trade_id] = fill
        return [Park(fill)]

    def _release(self, order: TrackedOrder) -> list[Effect]:
        effects: list[Effect] = []
        for fill in self._parked.pop(order.venue_id, {}).values():
            if fill.trade_id not in order.trades:
                effects.extend(self._book(order, fill))
        return effects

    def _book(self, order: TrackedOrder, fill: Fill) -> list[Effect]:
        order.trades.add(fill.trade_id)
        order.filled += fill.quantity
        effects: list[Effect] = [Book(order.client_id, fill)]
        if order.closing is not None and order.filled >= order.closing[1]:
            phase, _ = order.closing
            order.closing = None
            if order.filled < order.quantity:
                self._end(order, phase)
                effects.append(Close(order.client_id, phase))
        if not order.is_closed and order.filled >= order.quantity:
            self._end(order, Phase.FILLED)
        return effects

    def _end(self, order: TrackedOrder, phase: Phase) -> None:
        order.phase = phase
        order.closing = None
        order.doubt = False
        self._remember_closed(order)

    def _remember_closed(self, order: TrackedOrder) -> None:
        self._closed[order.client_id] = None
        self._closed.move_to_end(order.client_id)
        while len(self._closed) > self._closed_max:
            client_id, _ = self._closed.popitem(last=False)
            gone = self._orders.get(client_id)
            if gone is not None and gone.is_closed:
                del self._orders[client_id]
                self._by_venue.pop(gone.venue_id, None)
