"""Exact fees in the simulated venue: ``core.fees`` as a Nautilus ``FeeModel``.

The schedule is the one in force at an order's first fill; what the order accumulates (Kalshi's
rounding and rebates, Polymarket US's cumulative cents) is kept by order, so that two orders whose
fills interleave do not mix. Settlement costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from nautilus_trader.backtest.models import FeeModel
from nautilus_trader.model.enums import LiquiditySide, OrderSide
from nautilus_trader.model.objects import Money

from core.contracts import Liquidity, Side
from core.fees import NEW_ORDER, FeeSchedule, FeeState, FeeTerms

if TYPE_CHECKING:
    from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId
    from nautilus_trader.model.instruments import Instrument
    from nautilus_trader.model.objects import Price, Quantity
    from nautilus_trader.model.orders import Order

SETTLEMENT_PREFIX = "EXPIRATION-LEG-"


def is_settlement(order_id: ClientOrderId) -> bool:
    """Say whether an order is the venue's own, made to settle a position."""
    return bool(order_id.value.startswith(SETTLEMENT_PREFIX))


class ScheduleFeeModel(FeeModel):
    """Charges each fill by its market's own terms.

    Parameters
    ----------
    terms : Mapping[InstrumentId, FeeTerms]
        Fee terms by instrument (YES and NO of a market have the same).
    now_ns : Callable[[], int]
        The simulated venue's clock, ns UTC.
    """

    def __init__(self, terms: Mapping[InstrumentId, FeeTerms], now_ns: Callable[[], int]) -> None:
        super().__init__()
        self._terms = terms
        self._now_ns = now_ns
        self._orders: dict[ClientOrderId, tuple[FeeSchedule, FeeState]] = {}

    def get_commission(
        self, order: Order, fill_qty: Quantity, fill_px: Price, instrument: Instrument
    ) -> Money:
        """Charge one fill; Nautilus calls it once per fill, in order."""
        currency = instrument.quote_currency
        if is_settlement(order.client_order_id):
            return Money(0, currency)
        schedule, state = self._orders.get(order.client_order_id) or (
            self._terms[instrument.id].at(self._now_ns()),
            NEW_ORDER,
        )
        maker = order.liquidity_side == LiquiditySide.MAKER
        charge, after = schedule.charge(
            state,
            price=fill_px.as_decimal(),
            size=fill_qty.as_decimal(),
            side=Side.BUY if order.side == OrderSide.BUY else Side.SELL,
            liquidity=Liquidity.MAKER if maker else Liquidity.TAKER,
        )
        self._orders[order.client_order_id] = (schedule, after)
        return Money(charge.net, currency)

    def on_closed(self, order_id: ClientOrderId) -> None:
        """Forget an order that is done."""
        self._orders.pop(order_id, None)
