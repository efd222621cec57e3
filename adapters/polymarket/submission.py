"""From a Nautilus order to signed bytes that are written down: everything before sending."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal

import msgspec
from nautilus_trader.cache.cache import Cache
from nautilus_trader.model.enums import OrderSide
from nautilus_trader.model.events import OrderFilled
from nautilus_trader.model.identifiers import VenueOrderId
from nautilus_trader.model.orders import Order

from adapters.polymarket.config import PolymarketExecClientConfig
from adapters.polymarket.eligibility import Eligibility
from adapters.polymarket.http import order_body
from adapters.polymarket.hub import PolymarketHub
from adapters.polymarket.order_log import LoggedOrder, OrderLog
from adapters.polymarket.orders import (
    Denied,
    OrderContext,
    OrderPlan,
    build_order,
    protection_price,
)
from adapters.polymarket.parsing import TIF_TO_VENUE
from adapters.polymarket.signing import OrderSigner, SignedOrder
from adapters.polymarket.symbols import asset_id_of
from adapters.polymarket.tracker import OrderTracker, Tracked

_ZERO = Decimal(0)


class Prepared(msgspec.Struct, frozen=True):
    """An order ready to be sent."""

    order: Order
    plan: OrderPlan
    signed: SignedOrder
    body: dict[str, object]


class OrderDesk:
    """Checks, sizes, signs, registers and writes down orders.

    Parameters
    ----------
    eligibility : callable
        Says whether trading is allowed at the moment.
    """

    def __init__(
        self,
        *,
        hub: PolymarketHub,
        signer: OrderSigner,
        tracker: OrderTracker,
        order_log: OrderLog,
        cache: Cache,
        clock_ns: Callable[[], int],
        config: PolymarketExecClientConfig,
        eligibility: Callable[[], Eligibility],
    ) -> None:
        self._hub = hub
        self._signer = signer
        self._tracker = tracker
        self._order_log = order_log
        self._cache = cache
        self._clock_ns = clock_ns
        self._config = config
        self._eligibility = eligibility

    async def prepare(self, order: Order) -> Prepared:
        """Check, size and sign one order.

        Raises
        ------
        AdapterError
            The order must be denied.
        """
        side = "BUY" if order.side == OrderSide.BUY else "SELL"
        refusal = self._eligibility().refuses(side)
        if refusal is not None:
            raise Denied(refusal)
        asset_id = asset_id_of(order.instrument_id.value)
        market = self._hub.provider.market(asset_id)
        if market is None:
            raise Denied(f"{order.instrument_id} is not loaded")
        if market.closed or market.condition_id in self._hub.resolved:
            raise Denied(f"{market.slug} is closed")
        tick = await self._hub.confirm_tick(asset_id)
        context = OrderContext(
            market=market,
            asset_id=asset_id,
            tick_size=tick,
            now_ns=self._clock_ns(),
            exact_shares=self._config.exact_shares,
            builder_code=self._config.builder_code,
            protection_price=self._protection(order),
        )
        plan = build_order(order, context)
        if side == "SELL":
            self._check_sellable(asset_id, plan.amounts.shares)
            self._check_reduces(order)
        signed = self._signer.sign_order(plan.fields, market.exchange)
        body = order_body(
            signed,
            owner=self._tracker.api_key,
            order_type=plan.order_type,
            post_only=plan.post_only,
            expiration_s=plan.expiration_s,
        )
        self._register(order, plan, signed, market.condition_id)
        return Prepared(order, plan, signed, body)

    def _check_sellable(self, asset_id: str, shares: Decimal) -> None:
        sellable = self._tracker.sellable(asset_id)
        if shares > sellable:
            unconfirmed = self._tracker.unconfirmed(asset_id).bought
            raise Denied(
                f"SELL of {shares} shares: {sellable} can be sold now "
                f"(held {self._tracker.holdings.shares(asset_id)}, of which {unconfirmed} are not "
                f"confirmed on chain, {self._tracker.open_sells(asset_id)} offered already)"
            )

    def _check_reduces(self, order: Order) -> None:
        """Deny a reduce-only SELL beyond the strategy's own position.

        The wallet may hold more for another strategy, but the engine books a fill to the order's
        strategy and cannot open a position from a reduce-only order.
        """
        if not order.is_reduce_only:
            return
        held = sum(
            (
                position.quantity.as_decimal()
                for position in self._cache.positions_open(
                    instrument_id=order.instrument_id, strategy_id=order.strategy_id
                )
                if position.is_long
            ),
            _ZERO,
        )
        if order.quantity.as_decimal() > held:
            raise Denied(
                f"reduce-only SELL of {order.quantity} shares: strategy {order.strategy_id} "
                f"holds {held}"
            )

    def _protection(self, order: Order) -> Decimal | None:
        if order.has_price:
            return None
        book = self._cache.order_book(order.instrument_id)
        if book is None:
            return None
        levels = book.asks() if order.side == OrderSide.BUY else book.bids()
        ladder = [
            (level.price.as_decimal(), sum((o.size.as_decimal() for o in level.orders()), _ZERO))
            for level in levels
        ]
        return protection_price(
            ladder, order.quantity.as_decimal(), in_dollars=order.is_quote_quantity
        )

    def _register(
        self, order: Order, plan: OrderPlan, signed: SignedOrder, condition_id: str
    ) -> None:
        quantity = plan.amounts.shares if order.is_quote_quantity else order.quantity.as_decimal()
        tracked = Tracked(
            order_id=signed.order_hash,
            client_id=order.client_order_id.value,
            asset_id=plan.fields.token_id,
            market=condition_id,
            side=plan.side,
            price=plan.price,
            shares=plan.amounts.shares,
            order_type=plan.order_type,
            cancel_rest=plan.cancel_rest,
            sent_ns=self._clock_ns(),
            dollars=plan.amounts.can_overfill,
        )
        self._tracker.register(tracked, quantity)
        self._cache.add_venue_order_id(order.client_order_id, VenueOrderId(signed.order_hash))

    def write_down(self, batch: Sequence[Prepared]) -> None:
        """Write orders down; they must not be sent if this raises.

        Raises
        ------
        OSError
            The log cannot be written.
        """
        now_ns = self._clock_ns()
        self._order_log.write([_log_entry(item, now_ns) for item in batch])


def _log_entry(item: Prepared, ts_ns: int) -> LoggedOrder:
    order, plan = item.order, item.plan
    return LoggedOrder(
        order_id=item.signed.order_hash,
        client_order_id=order.client_order_id.value,
        strategy_id=order.strategy_id.value,
        instrument_id=order.instrument_id.value,
        market=item.signed.exchange_name,
        side=plan.side,
        price=str(plan.price),
        quantity=str(order.quantity),
        order_type=plan.order_type,
        ts_ns=ts_ns,
        body=msgspec.json.encode(item.body).decode(),
    )


def tracked_order(
    order: Order, order_id: str, condition_id: str
) -> tuple[Tracked, Decimal, dict[str, Decimal]]:
    """Return what to track of an order Nautilus remembers: order, quantity, fills booked."""
    quantity = order.quantity.as_decimal()
    tracked = Tracked(
        order_id=order_id.lower(),
        client_id=order.client_order_id.value,
        asset_id=order.instrument_id.symbol.value,
        market=condition_id,
        side="BUY" if order.side == OrderSide.BUY else "SELL",
        price=order.price.as_decimal() if order.has_price else Decimal(1),
        shares=quantity,
        order_type=TIF_TO_VENUE.get(order.time_in_force, "GTC"),
        cancel_rest=False,
        sent_ns=order.ts_init,
    )
    booked = {
        event.trade_id.value: event.last_qty.as_decimal()
        for event in order.events
        if isinstance(event, OrderFilled)
    }
    return tracked, quantity, booked
