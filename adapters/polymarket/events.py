"""Effects of the tracker → Nautilus order events, in an order the engine accepts.

Notes on the engine (1.231): a fill beyond an order's quantity is dropped unless `allow_overfills`,
so the quantity is raised first while the order is open; a FILLED order takes no further fill, so
what comes after is booked by an order of our own under the same strategy, tagged. There is no event
that takes a fill back: a reverted fill is booked the other way round in the same manner.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.live.execution_client import LiveExecutionClient
from nautilus_trader.model.data import CustomData
from nautilus_trader.model.enums import LiquiditySide, OrderSide, OrderStatus, TimeInForce
from nautilus_trader.model.identifiers import ClientOrderId, StrategyId, TradeId, VenueOrderId
from nautilus_trader.model.objects import Price
from nautilus_trader.model.orders import LimitOrder, MarketOrder, Order

from adapters.common.currencies import pusd
from adapters.polymarket import parsing
from adapters.polymarket.fees import commission
from adapters.polymarket.fills import Fill
from adapters.polymarket.markets import Market
from messages.fills import FILL_REVERTED, FILL_REVERTED_TAG, FillReverted

OVERFILL_TAG: Final = "OVERFILL"
SETTLEMENT_TAG: Final = "SETTLEMENT"
_EXTERNAL: Final = StrategyId("EXTERNAL")
_ZERO: Final = Decimal(0)


class OrderEvents:
    """Emits order events for one execution client.

    Parameters
    ----------
    client : LiveExecutionClient
        Whose `generate_*` methods are used.
    market_of : callable
        Finds a token's market, for fees.
    """

    def __init__(
        self,
        client: LiveExecutionClient,
        *,
        market_of: Callable[[str], Market | None],
        now_ns: Callable[[], int],
        cache: Any,  # noqa: ANN401 - Nautilus's Cython classes have no stubs
        msgbus: Any,  # noqa: ANN401
        log: Any,  # noqa: ANN401
        trader_id: Any,  # noqa: ANN401
    ) -> None:
        self._client = client
        self._market_of = market_of
        self._now_ns = now_ns
        self._cache = cache
        self._msgbus = msgbus
        self._log = log
        self._trader_id = trader_id

    def order(self, client_id: str) -> Order | None:
        """Return an order of the cache."""
        return self._cache.order(ClientOrderId(client_id)) if client_id else None

    # -- life of an order -------------------------------------------------------------------------

    def denied(self, order: Order, reason: str) -> None:
        """Deny an order: nothing was sent."""
        self._client.generate_order_denied(
            order.strategy_id, order.instrument_id, order.client_order_id, reason, self._now_ns()
        )

    def submitted(self, order: Order) -> None:
        """Say that an order is about to be sent."""
        self._client.generate_order_submitted(
            order.strategy_id, order.instrument_id, order.client_order_id, self._now_ns()
        )

    def rejected(self, order: Order, reason: str, *, post_only: bool = False) -> None:
        """Say that the venue proved it did not take an order."""
        if order.status in (OrderStatus.REJECTED, OrderStatus.DENIED):
            return  # the engine gave up before us
        self._client.generate_order_rejected(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            reason,
            self._now_ns(),
            post_only,
        )

    def accepted(self, order: Order, order_id: str) -> None:
        """Say that the venue has an order."""
        if order.status not in (OrderStatus.SUBMITTED, OrderStatus.INITIALIZED):
            return
        self._client.generate_order_accepted(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(order_id),
            self._now_ns(),
        )

    def closed(self, order: Order, order_id: str, *, expired: bool) -> None:
        """Say that an order ended without filling."""
        if order.is_closed:
            return
        emit = self._client.generate_order_expired if expired else None
        emit = emit or self._client.generate_order_canceled
        emit(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(order_id),
            self._now_ns(),
        )

    def cancel_rejected(self, order: Order, reason: str) -> None:
        """Say that a cancel did nothing."""
        self._client.generate_order_cancel_rejected(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            order.venue_order_id,
            reason,
            self._now_ns(),
        )

    # -- fills ------------------------------------------------------------------------------------

    def fee(self, fill: Fill) -> Decimal:
        """Return a fill's fee; unknown terms cost nothing here and are logged."""
        market = self._market_of(fill.asset_id)
        if market is None or market.fees is None:
            if fill.is_taker:
                self._log.error(f"Fee of {fill.fill_id} unknown: terms of {fill.market} unreadable")
            return _ZERO
        return commission(market, fill)

    def filled(self, order: Order, fill: Fill) -> None:
        """Book a fill, whatever state the engine has the order in."""
        quantity = parsing.quantity(fill.size)
        if TradeId(fill.fill_id) in order.trade_ids:
            return
        if order.status == OrderStatus.FILLED:
            self._log.warning(f"{order.client_order_id} returned {fill.size} shares more")
            self.book_aside(order, fill, OVERFILL_TAG, fee=self.fee(fill))
            return
        total = order.filled_qty.as_decimal() + fill.size
        if total > order.quantity.as_decimal() and not order.is_closed:
            self._client.generate_order_updated(
                order.strategy_id,
                order.instrument_id,
                order.client_order_id,
                VenueOrderId(fill.order_id),
                parsing.quantity(total),
                order.price if order.has_price else None,
                None,
                self._now_ns(),
            )
        self._client.generate_order_filled(
            order.strategy_id,
            order.instrument_id,
            order.client_order_id,
            VenueOrderId(fill.order_id),
            None,
            TradeId(fill.fill_id),
            order.side,
            order.order_type,
            quantity,
            parsing.fill_price(fill.price),
            pusd(),
            parsing.money(self.fee(fill)),
            LiquiditySide.TAKER if fill.is_taker else LiquiditySide.MAKER,
            self._now_ns(),
        )

    def reverted(self, order: Order, fill: Fill, reason: str) -> None:
        """Tell the strategy that a fill is gone, then turn the books back (NAUTILUS 11.2)."""
        fee = self.fee(fill)
        now_ns = self._now_ns()
        message = FillReverted(
            venue=parsing.VENUE.value,
            instrument=order.instrument_id.value,
            strategy_id=order.strategy_id.value,
            client_order_id=order.client_order_id.value,
            venue_order_id=fill.order_id,
            trade_id=fill.fill_id,
            venue_trade_id=fill.trade_id,
            side=fill.side,
            quantity=str(fill.size),
            price=str(fill.price),
            commission=str(fee),
            tags=tuple(order.tags or ()),
            reason=reason,
            ts_event=now_ns,
            ts_init=now_ns,
        )
        self._log.error(f"Fill taken back by the venue: {message}")
        self._msgbus.send(endpoint="DataEngine.process", msg=CustomData(FILL_REVERTED, message))
        self.book_aside(order, fill, FILL_REVERTED_TAG, fee=-fee, opposite=True)

    def book_aside(
        self, order: Order, fill: Fill, tag: str, *, fee: Decimal, opposite: bool = False
    ) -> None:
        """Book a fill by an order of our own under the owner's strategy, marked by a tag."""
        buy = (fill.side == "BUY") is not opposite
        self.book_own(
            key=f"{tag}|{fill.fill_id}",
            strategy_id=order.strategy_id,
            asset_id=fill.asset_id,
            buy=buy,
            shares=fill.size,
            price=parsing.fill_price(fill.price),
            fee=fee,
            tags=[tag, f"original:{order.client_order_id.value}", *(order.tags or ())],
        )

    def book_own(
        self,
        *,
        key: str,
        strategy_id: StrategyId,
        asset_id: str,
        buy: bool,
        shares: Decimal,
        price: Price,
        fee: Decimal,
        tags: list[str],
    ) -> None:
        """Create, submit, accept and fill a local order; `key` makes it happen once only."""
        digest = hashlib.sha256(key.encode()).hexdigest()
        client_order_id = ClientOrderId(f"{tags[0]}-{digest[:20]}")
        if self._cache.order(client_order_id) is not None:
            return
        now_ns = self._now_ns()
        instrument_id = parsing.instrument_id(asset_id)
        side = OrderSide.BUY if buy else OrderSide.SELL
        quantity = parsing.quantity(shares)
        common = {
            "trader_id": self._trader_id,
            "strategy_id": strategy_id,
            "instrument_id": instrument_id,
            "client_order_id": client_order_id,
            "order_side": side,
            "quantity": quantity,
            "init_id": UUID4(),
            "ts_init": now_ns,
            "time_in_force": TimeInForce.IOC,
            "reduce_only": False,
            "tags": tags,
        }
        priced = price.as_decimal() > 0
        order = LimitOrder(price=price, **common) if priced else MarketOrder(**common)
        self._cache.add_order(order)
        order_id = VenueOrderId(f"{tags[0]}-{digest[:32]}")
        self.submitted(order)
        self._client.generate_order_accepted(
            strategy_id, instrument_id, client_order_id, order_id, now_ns
        )
        self._client.generate_order_filled(
            strategy_id,
            instrument_id,
            client_order_id,
            order_id,
            None,
            TradeId(digest[:36]),
            side,
            order.order_type,
            quantity,
            price,
            pusd(),
            parsing.money(fee),
            LiquiditySide.NO_LIQUIDITY_SIDE,
            now_ns,
        )

    def settle(self, asset_id: str, value: Decimal) -> None:
        """Close every open position of an outcome at what a share pays (NAUTILUS 11.1)."""
        instrument_id = parsing.instrument_id(asset_id)
        for position in self._cache.positions_open(instrument_id=instrument_id):
            shares = position.quantity.as_decimal()
            self.book_own(
                key=f"{SETTLEMENT_TAG}|{position.id.value}|{position.event_count}|{shares}",
                strategy_id=position.strategy_id,
                asset_id=asset_id,
                buy=not position.is_long,
                shares=shares,
                price=parsing.fill_price(value),
                fee=_ZERO,
                tags=[SETTLEMENT_TAG],
            )
