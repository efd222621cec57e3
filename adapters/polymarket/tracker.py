"""Our orders, fills and holdings together: evidence in, effects out. Pure.

It joins the venue-neutral order ledger with what Polymarket adds: ids known before sending, fills
that can be reverted, orders that end without saying how much they matched. Rules:

1. Any record of an order proves that it exists; a record never proves less than what is booked.
2. An order that ended is closed only when every trade it names, or a complete read of its market's
   trades made after the end, has been booked: nobody hedges a quantity that still grows.
3. The totals in answers and order records are hints: they ask for trades, they never become fills.
   They may differ from the trades in the last printed digit (`_DUST`).
4. A reverted fill stays in the order's filled quantity, as it does in Nautilus; the position is
   corrected by an opposite order.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from adapters.common import ledger as common
from adapters.common.ledger import Accept, Close, OrderLedger, Park, Phase, Reject, Revived
from adapters.polymarket.fills import (
    Action,
    Book,
    Contradiction,
    Fill,
    Finalise,
    ProvisionalFills,
    TradeRecord,
    Void,
    own_fills,
)
from adapters.polymarket.positions import Holdings, Unconfirmed
from adapters.polymarket.schemas.clob import OrderReply
from adapters.polymarket.schemas.wire import decimal_or_none
from adapters.polymarket.user import OrderRecord, OrderState

_DUST: Final = Decimal("0.0001")
_ZERO: Final = Decimal(0)


class Tracked(msgspec.Struct):
    """What we know of one of our orders beyond the ledger. Times in ns UTC."""

    order_id: str
    client_id: str
    asset_id: str
    market: str
    side: str
    price: Decimal
    shares: Decimal
    """Shares signed for; the Nautilus quantity can be larger."""
    order_type: str
    cancel_rest: bool
    sent_ns: int
    dollars: bool = False
    delayed: bool = False
    cancel_unknown: bool = False
    """A cancel was sent on the strategy's word and its outcome is not known."""
    absences: int = 0
    """Consecutive complete answers of the venue that it does not know the order."""
    ending: Phase | None = None
    expected: Decimal | None = None
    """Shares the venue says matched, once it ended; None while it has not said."""
    ended_ns: int = 0
    trade_ids: tuple[str, ...] = ()


class Booked(NamedTuple):
    """Effect: book this fill under our order."""

    client_id: str
    fill: Fill


class Finalised(NamedTuple):
    """Effect: the chain confirmed this fill."""

    fill: Fill


class Reverted(NamedTuple):
    """Effect: reverse this fill; `client_id` is empty for an order we do not know."""

    client_id: str
    fill: Fill


class Contradicted(NamedTuple):
    """Effect: the venue said two endings of one fill."""

    what: Contradiction


class NeedTrades(NamedTuple):
    """Effect: read the trades of this order's market, and the order."""

    order_id: str


class Foreign(NamedTuple):
    """Effect: an order that is not ours, or not any more."""

    record: OrderRecord


class Parked(NamedTuple):
    """Effect: a fill of an order that is not known (yet)."""

    fill: Fill


Effect = (
    Accept
    | Booked
    | Finalised
    | Reverted
    | Contradicted
    | NeedTrades
    | Foreign
    | Parked
    | Close
    | Reject
    | Revived
)


class OrderTracker:
    """Every order, fill and holding of one account.

    Parameters
    ----------
    api_key, funder : str
        How our entries in other people's trades are recognised.
    """

    def __init__(self, *, api_key: str, funder: str) -> None:
        self.api_key = api_key
        self.funder = funder
        self.ledger = OrderLedger()
        self.fills = ProvisionalFills()
        self.holdings = Holdings()
        self._by_id: dict[str, Tracked] = {}
        self._by_client: dict[str, str] = {}
        self._dead: set[str] = set()

    # -- identity ---------------------------------------------------------------------------------

    def register(self, order: Tracked, quantity: Decimal) -> None:
        """Track an order that is about to be sent; its venue id is known already.

        Raises
        ------
        UsageError
            When the client id was used before.
        """
        self.ledger.submit(order.client_id, quantity)
        self._remember(order)

    def adopt(self, order: Tracked, quantity: Decimal, booked: dict[str, Decimal]) -> list[Effect]:
        """Track an order of an earlier process; `booked` are fills Nautilus already has."""
        self._remember(order)
        found = self.ledger.adopt(order.client_id, quantity, order.order_id, trades=booked)
        return self._translate(found)

    def _remember(self, order: Tracked) -> None:
        self._by_id[order.order_id] = order
        self._by_client[order.client_id] = order.order_id

    def forget_unsent(self, client_id: str) -> None:
        """Note that an order was never sent."""
        self.ledger.refused(client_id, "NOT_SENT", "")

    def ledger_refused(self, client_id: str, code: str, reason: str) -> list[Effect]:
        """Take the venue's proof that it did not take an order."""
        return self._translate(self.ledger.refused(client_id, code, reason))

    def parked(self) -> list[Fill]:
        """Return the fills whose order is not known."""
        return [f.record for f in self.ledger.parked() if isinstance(f.record, Fill)]

    def disown(self, order_id: str) -> None:
        """Stop holding the fills of an order that will never be ours."""
        self.ledger.disown(order_id)

    def by_id(self, order_id: str) -> Tracked | None:
        """Return an order by the venue's id."""
        return self._by_id.get(order_id.lower())

    def by_client(self, client_id: str) -> Tracked | None:
        """Return an order by our id."""
        return self._by_id.get(self._by_client.get(client_id, ""))

    def phase(self, client_id: str) -> Phase | None:
        """Return where an order stands, or None when it is unknown."""
        found = self.ledger.find(client_id=client_id)
        return found.phase if found else None

    def filled(self, client_id: str) -> Decimal:
        """Return the shares booked for an order, reverted ones included (rule 4)."""
        found = self.ledger.find(client_id=client_id)
        return found.filled if found else _ZERO

    def open(self) -> list[Tracked]:
        """Return the orders that are not closed."""
        ids = (o.client_id for o in self.ledger.open_orders())
        return [t for client_id in ids if (t := self.by_client(client_id)) is not None]

    def in_doubt(self) -> list[Tracked]:
        """Return the orders about which the venue must be asked."""
        doubted = {o.client_id for o in self.ledger.in_doubt()}
        return [t for t in self.open_or_doubted() if t.client_id in doubted]

    def open_or_doubted(self) -> list[Tracked]:
        """Return the open orders and those given up by the framework but not by us."""
        ids = {o.client_id for o in (*self.ledger.open_orders(), *self.ledger.in_doubt())}
        return [t for client_id in ids if (t := self.by_client(client_id)) is not None]

    def ending(self) -> list[Tracked]:
        """Return the orders that ended at the venue and wait for their trades."""
        return [t for t in self.open() if t.ending is not None]

    # -- shares -----------------------------------------------------------------------------------

    def unconfirmed(self, asset_id: str) -> Unconfirmed:
        """Return the unconfirmed shares of an asset."""
        fills = self.fills
        return Unconfirmed(
            fills.unconfirmed_bought(asset_id),
            fills.unconfirmed_sold(asset_id),
            fills.unmined(asset_id),
        )

    def open_sells(self, asset_id: str) -> Decimal:
        """Return shares offered by our open orders."""
        total = _ZERO
        for order in self.open():
            if order.asset_id == asset_id and order.side == "SELL":
                total += max(_ZERO, order.shares - self.filled(order.client_id))
        return total

    def sellable(self, asset_id: str) -> Decimal:
        """Return the shares that may be sold now."""
        unconfirmed = self.unconfirmed(asset_id)
        return self.holdings.sellable(asset_id, unconfirmed, self.open_sells(asset_id))

    # -- evidence ---------------------------------------------------------------------------------

    def trade(self, record: TradeRecord) -> list[Effect]:
        """Take a trade from the stream or from REST, any number of times, in any order."""
        effects: list[Effect] = []
        found = self.own_fills(record)
        for action in self.fills.apply(found, record.status):
            effects += self._settle(action)
        return effects

    def own_fills(self, record: TradeRecord) -> tuple[Fill, ...]:
        """Return our executions in a trade."""
        return own_fills(
            record,
            api_key=self.api_key,
            funder=self.funder,
            placed=lambda order_id: order_id.lower() in self._by_id,
        )

    def _settle(self, action: Action) -> list[Effect]:
        fill = action.fill
        order = self.by_id(fill.order_id)
        if isinstance(action, Book):
            self.holdings.add(fill.asset_id, fill.signed_size)
            return self._book(fill)
        if isinstance(action, Finalise):
            return [Finalised(fill)]
        if isinstance(action, Contradiction):
            return [Contradicted(action)]
        if isinstance(action, Void):
            return self._try_close(order) if order is not None else []
        self.holdings.add(fill.asset_id, -fill.signed_size)
        if order is None:
            self._dead.add(fill.fill_id)  # parked, perhaps: it must not be booked on adoption
        return [Reverted(order.client_id if order is not None else "", fill)]

    def _book(self, fill: Fill) -> list[Effect]:
        order = self.by_id(fill.order_id)
        client_id = order.client_id if order is not None else ""
        found = self.ledger.fill(
            common.Fill(fill.fill_id, fill.order_id, fill.size, client_id, record=fill)
        )
        effects = self._translate(found)
        if order is not None:
            effects += self._try_close(order)
        return effects

    def order(self, record: OrderRecord) -> list[Effect]:
        """Take an order record from the stream or from REST."""
        order = self.by_id(record.order_id)
        if order is None:
            return [Foreign(record)]
        effects = self._exists(order)
        if record.state is OrderState.DELAYED:
            order.delayed = True
            return effects
        if record.state is OrderState.UNKNOWN:
            return [*effects, NeedTrades(order.order_id)]
        order.delayed = False
        matched = record.size_matched
        if record.state is OrderState.LIVE:
            return effects + self._more_matched(order, matched or _ZERO)
        phase = Phase.EXPIRED if record.state is OrderState.EXPIRED else Phase.CANCELED
        if record.state is OrderState.MATCHED and matched is None:
            matched = order.shares
        if matched is None and record.order_type == "FOK" and phase is Phase.CANCELED:
            matched = _ZERO  # killed whole: the venue prints "" for its matched size
        return effects + self._ends(order, phase, matched, record.ts_event_ns)

    def reply(self, client_id: str, reply: OrderReply, now_ns: int) -> list[Effect]:
        """Take the venue's positive answer to a POST."""
        order = self.by_client(client_id)
        assert order is not None, "replies belong to registered orders"
        effects = self._exists(order)
        status = (reply.status or "").lower()
        order.delayed = status == "delayed"
        order.trade_ids = tuple(reply.tradeIDs or ())
        shares = reply.takingAmount if order.side == "BUY" else reply.makingAmount
        matched = decimal_or_none("order reply amount", shares)
        if status != "matched":
            return effects
        if order.order_type in ("FAK", "FOK"):
            # What is not matched is dead; the answer comes before the trades do.
            return effects + self._ends(order, Phase.CANCELED, matched, now_ns)
        return effects + self._more_matched(order, matched or _ZERO)

    def killed(self, client_id: str, now_ns: int) -> list[Effect]:
        """Take the answer that a FAK or FOK found nothing: it existed and is over."""
        order = self.by_client(client_id)
        assert order is not None, "answers belong to registered orders"
        return self._exists(order) + self._ends(order, Phase.CANCELED, _ZERO, now_ns)

    def canceled(self, order_id: str, now_ns: int) -> list[Effect]:
        """Take the venue's word that a cancel was done; how much matched it does not say."""
        order = self.by_id(order_id)
        if order is None:
            return []
        return self._exists(order) + self._ends(order, Phase.CANCELED, None, now_ns)

    def absent(self, order: Tracked, code: str, reason: str) -> list[Effect]:
        """Take proof that an order of unknown outcome never was."""
        return self._translate(self.ledger.refused(order.client_id, code, reason))

    def trades_read(self, order: Tracked, matched: Decimal | None, now_ns: int) -> list[Effect]:
        """Note a complete read of the market's trades, begun after the order had ended.

        Closes the order if the trades explain what the venue says matched; else the order waits
        for the next read (rule 2).
        """
        if order.ending is None:
            return []
        if matched is not None:
            order.expected = max(matched, order.expected or _ZERO)
        if order.expected is None and now_ns >= order.ended_ns:
            order.expected = self.filled(order.client_id)
        return self._try_close(order)

    # -- inside -----------------------------------------------------------------------------------

    def _exists(self, order: Tracked) -> list[Effect]:
        order.absences = 0
        if self.ledger.find(client_id=order.client_id) is None:
            return []
        return self._translate(self.ledger.acknowledged(order.client_id, order.order_id))

    def _more_matched(self, order: Tracked, matched: Decimal) -> list[Effect]:
        accounted = self.filled(order.client_id) + self.fills.void_size(order.order_id)
        if matched > accounted + _DUST:
            return [NeedTrades(order.order_id)]
        return []

    def _ends(
        self, order: Tracked, phase: Phase, matched: Decimal | None, ts_ns: int
    ) -> list[Effect]:
        tracked = self.ledger.find(client_id=order.client_id)
        if tracked is None or tracked.is_closed:
            return []
        order.ending = phase
        order.ended_ns = order.ended_ns or ts_ns
        if matched is not None:
            order.expected = max(matched, order.expected or _ZERO)
        closed = self._try_close(order)
        return closed or [NeedTrades(order.order_id)]

    def _try_close(self, order: Tracked) -> list[Effect]:
        tracked = self.ledger.find(client_id=order.client_id)
        if tracked is None or tracked.is_closed or order.ending is None or order.expected is None:
            return []
        accounted = tracked.filled + self.fills.void_size(order.order_id)
        if accounted + _DUST < order.expected or not self._trades_seen(order):
            return []
        return self._translate(self.ledger.closed(order.client_id, order.ending, tracked.filled))

    def _trades_seen(self, order: Tracked) -> bool:
        status = self.fills.status_of
        return all(status(trade_id, order.order_id) is not None for trade_id in order.trade_ids)

    def _translate(self, effects: list[common.Effect]) -> list[Effect]:
        found: list[Effect] = []
        for effect in effects:
            if isinstance(effect, common.Book):
                assert isinstance(effect.fill.record, Fill)
                if effect.fill.trade_id not in self._dead:
                    found.append(Booked(effect.client_id, effect.fill.record))
            elif isinstance(effect, common.NeedFills):
                found.append(NeedTrades(effect.venue_id))
            elif isinstance(effect, Park):
                assert isinstance(effect.fill.record, Fill)
                found.append(Parked(effect.fill.record))
            elif not isinstance(effect, common.Resize):  # orders never shrink at this venue
                found.append(effect)
        return found
