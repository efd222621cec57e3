"""Ledger effects to Nautilus events, in the order in which the ledger decided them.

Two recipes go beyond a plain event, because Nautilus gives up on its own:

* An order that the framework rejected (reason ``UNKNOWN``) and that turns out to live gets a
  successor: an order under the same strategy, tagged ``RECOVERED``, that carries the fills. A
  rejected order can hold none.
* A market that settles closes each position with an order under its owner, tagged ``SETTLEMENT``,
  filled at the settled value. Nothing else closes a position in a live node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.model.enums import LiquiditySide, OrderSide, OrderStatus, TimeInForce
from nautilus_trader.model.identifiers import (
    ClientOrderId,
    InstrumentId,
    StrategyId,
    TradeId,
    VenueOrderId,
)
from nautilus_trader.model.objects import Money
from nautilus_trader.model.orders import LimitOrder, Order

from adapters.common.currencies import usd
from adapters.common.ledger import (
    Accept,
    Book,
    Close,
    Effect,
    NeedFills,
    OrderLedger,
    Park,
    Phase,
    Reject,
    Resize,
    Revived,
)
from adapters.kalshi import parsing, reports
from adapters.kalshi.fills import Execution
from adapters.kalshi.netting import Attribution, Gross, Holdings, leg_price
from adapters.kalshi.symbols import Leg

if TYPE_CHECKING:
    from adapters.kalshi.execution import KalshiExecutionClient

SETTLEMENT_TAG = "SETTLEMENT"
RECOVERED_TAG = "RECOVERED"


class OrderEvents:
    """Emit what the ledger decided.

    Parameters
    ----------
    client : KalshiExecutionClient
        Whose ``generate_*`` methods carry the events.
    on_need : callable
        Told the client id of an order whose fills must be fetched.
    on_park : callable
        Told the venue id of an order that nobody here knows.
    on_revived : callable
        Told the client id of an order that lives although it was given up.
    """

    def __init__(
        self,
        client: KalshiExecutionClient,
        ledger: OrderLedger,
        holdings: Holdings,
        *,
        on_need: Callable[[str], None],
        on_park: Callable[[str], None],
        on_revived: Callable[[str], None],
    ) -> None:
        self._client = client
        self._ledger = ledger
        self._holdings = holdings
        self._on_need = on_need
        self._on_park = on_park
        self._on_revived = on_revived
        self._successor: dict[str, ClientOrderId] = {}
        self._origin: dict[str, str] = {}
        self._external: dict[str, Attribution] = {}
        self._settled: set[str] = set()
        self.fills_booked = 0

    # -- identity

    def origin(self, client_order_id: ClientOrderId) -> str:
        """Return the client id the venue knows: a recovered order goes by its first id."""
        return self._origin.get(client_order_id.value, client_order_id.value)

    def order(self, client_id: str) -> Order | None:
        """Return the order that stands for ``client_id`` in the cache."""
        successor = self._successor.get(client_id)
        return self._client.cached_order(successor or ClientOrderId(client_id))

    def meaning(self, client_id: str) -> Attribution | None:
        """Return the instrument and side of a known order."""
        order = self.order(client_id)
        if order is None:
            return self._external.get(client_id)
        _, leg = parsing.market_leg(order.instrument_id)
        return Attribution(leg, order.side == OrderSide.BUY)

    def remember(self, client_id: str, told: Attribution) -> None:
        """Note what an order means that is not, or not yet, in the cache."""
        self._external[client_id] = told

    # -- effects

    def apply(self, effects: Iterable[Effect], ts_ns: int) -> None:
        """Emit each effect."""
        for effect in effects:
            if isinstance(effect, Accept):
                self._accept(effect, ts_ns)
            elif isinstance(effect, Book):
                self._book(effect)
            elif isinstance(effect, Close):
                self._close(effect, ts_ns)
            elif isinstance(effect, Resize):
                self._client.resize(effect.client_id, effect.quantity, ts_ns)
            elif isinstance(effect, Reject):
                self._reject(effect, ts_ns)
            elif isinstance(effect, NeedFills):
                self._on_need(effect.client_id)
            elif isinstance(effect, Park):
                self._on_park(effect.fill.venue_id)
            elif isinstance(effect, Revived):
                self._on_revived(effect.client_id)

    def _accept(self, effect: Accept, ts_ns: int) -> None:
        order = self.order(effect.client_id)
        if order is not None:
            self._client.generate_order_accepted(
                order.strategy_id,
                order.instrument_id,
                order.client_order_id,
                VenueOrderId(effect.venue_id),
                ts_ns,
            )

    def _reject(self, effect: Reject, ts_ns: int) -> None:
        order = self.order(effect.client_id)
        if order is None:
            return
        reason = f"{effect.code}: {effect.reason}"
        self._client.generate_order_rejected(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            reason,
            ts_ns,
            bool(order.is_post_only and effect.code == "invalid_order"),
        )

    def _close(self, effect: Close, ts_ns: int) -> None:
        order = self.order(effect.client_id)
        if order is None or order.is_closed:
            return
        emit = (
            self._client.generate_order_expired
            if effect.phase is Phase.EXPIRED
            else self._client.generate_order_canceled
        )
        tracked = self._ledger.find(client_id=effect.client_id)
        venue_id = VenueOrderId(tracked.venue_id) if tracked and tracked.venue_id else None
        emit(order.strategy_id, order.instrument_id, order.client_order_id, venue_id, ts_ns)

    def _book(self, effect: Book) -> None:
        execution = effect.fill.record
        assert isinstance(execution, Execution), "every fill of this venue carries its execution"
        order = self.order(effect.client_id)
        if order is not None and order.status == OrderStatus.REJECTED:
            order = self.succeed(effect.client_id, execution.order_id, execution.ts_ns)
        told = self.meaning(effect.client_id)
        if told is None:
            return
        self._holdings.book(execution.ticker, told.leg, buy=told.buy, size_u=execution.size_u)
        self.fills_booked += 1
        if order is None:
            self._client.send_fill_report(
                reports.fill_report(
                    execution,
                    told,
                    account_id=self._client.account_id,
                    ts_init=self._client.now_ns(),
                    client_id=effect.client_id,
                )
            )
            return
        self._client.generate_order_filled(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(execution.order_id),
            None,
            TradeId(execution.trade_id),
            order.side,
            order.order_type,
            parsing.quantity(execution.size_u),
            parsing.price(leg_price(told.leg, execution.yes_price_u)),
            usd(),
            Money(execution.fee, usd()),
            reports.liquidity(execution),
            execution.ts_ns,
        )

    # -- recipes

    def succeed(self, client_id: str, venue_id: str, ts_ns: int) -> Order | None:
        """Give an order that the framework gave up a successor that can carry its fills."""
        first = self._client.cached_order(ClientOrderId(client_id))
        if first is None or client_id in self._successor:
            return self.order(client_id)
        order = self._make(
            first.strategy_id,
            first.instrument_id,
            ClientOrderId(f"{client_id}-R"),
            first.side,
            first.quantity.as_decimal(),
            first.price.as_decimal(),
            [*(first.tags or []), RECOVERED_TAG, f"recovers:{client_id}"],
        )
        self._successor[client_id] = order.client_order_id
        self._origin[order.client_order_id.value] = client_id
        self._start(order, venue_id, ts_ns)
        return order

    def settle(
        self, ticker: str, yes_value: Decimal, fee: Decimal, ts_ns: int
    ) -> list[InstrumentId]:
        """Close every position in a settled market at its value; return the instruments closed.

        Calling it again for the same market closes only what is still open and was not closed
        before.
        """
        closed: list[InstrumentId] = []
        for leg in Leg:
            instrument_id = parsing.instrument_id(ticker, leg)
            value = yes_value if leg is Leg.YES else 1 - yes_value
            for position in self._client.open_positions(instrument_id):
                key = f"S-{ticker}-{leg.upper()}-{position.strategy_id.value}"
                if key in self._settled or not position.is_long:
                    continue
                self._settled.add(key)
                order = self._make(
                    position.strategy_id,
                    instrument_id,
                    self._free_id(key),
                    OrderSide.SELL,
                    position.quantity.as_decimal(),
                    value.quantize(Decimal("0.0001"), ROUND_FLOOR),
                    [SETTLEMENT_TAG],
                )
                self._start(order, key, ts_ns)
                self._fill_settlement(order, key, value, fee, ts_ns)
                fee = Decimal(0)  # one net position was paid; its fee is charged once
                closed.append(instrument_id)
        if closed:
            self._holdings.adopt(ticker, Gross(0, 0))
        return closed

    def _free_id(self, key: str) -> ClientOrderId:
        """A position may open again under an id that a former settlement used."""
        candidate, number = ClientOrderId(key), 1
        while self._client.cached_order(candidate) is not None:
            number += 1
            candidate = ClientOrderId(f"{key}-{number}")
        return candidate

    def _fill_settlement(
        self, order: Order, key: str, value: Decimal, fee: Decimal, ts_ns: int
    ) -> None:
        # A scalar value may be finer than a price can be; the rest is paid as a negative cost.
        finer = (value - order.price.as_decimal()) * order.quantity.as_decimal()
        self._client.generate_order_filled(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(key),
            None,
            TradeId(str(uuid5(NAMESPACE_URL, order.client_order_id.value))),
            order.side,
            order.order_type,
            order.quantity,
            order.price,
            usd(),
            Money(fee - finer, usd()),
            LiquiditySide.NO_LIQUIDITY_SIDE,
            ts_ns,
        )

    def _make(
        self,
        strategy_id: StrategyId,
        instrument_id: InstrumentId,
        client_order_id: ClientOrderId,
        side: OrderSide,
        size: Decimal,
        value: Decimal,
        tags: list[str],
    ) -> Order:
        order = LimitOrder(
            self._client.trader_id,
            strategy_id,
            instrument_id,
            client_order_id,
            side,
            parsing.quantity(int(size.scaleb(6))),
            parsing.price(int(value.scaleb(6))),
            UUID4(),
            self._client.now_ns(),
            time_in_force=TimeInForce.GTC,
            reduce_only=side == OrderSide.SELL,
            tags=tags,
        )
        self._client.add_order(order)
        return order

    def _start(self, order: Order, venue_id: str, ts_ns: int) -> None:
        identity = (order.strategy_id, order.instrument_id, order.client_order_id)
        self._client.generate_order_submitted(*identity, ts_ns)
        self._client.generate_order_accepted(*identity, VenueOrderId(venue_id), ts_ns)
