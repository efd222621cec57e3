"""A booked fill that the venue took back: the hedge is gone and the strategy must know at once."""

from __future__ import annotations

from nautilus_trader.core.data import Data
from nautilus_trader.model.data import DataType


class FillReverted(Data):
    """One execution that settlement refused after it had been booked.

    The books are corrected by an opposite order of the same strategy, tagged
    ``FILL_REVERTED``, with the same price and quantity and the commission given back; this message
    precedes it, so that whoever manages the other leg can act on it first. Subscribe with
    ``self.subscribe_data(FILL_REVERTED, client_id=ClientId("POLYMARKET"))``.

    Parameters
    ----------
    venue, instrument, strategy_id, client_order_id, venue_order_id : str
        Whose fill it was; ``instrument`` is the instrument id as text (an attribute called
        ``instrument_id`` would make the data engine route the message per instrument).
    trade_id : str
        The Nautilus trade id under which the fill was booked.
    venue_trade_id : str
        The venue's own id of the trade.
    side : str
        ``BUY`` or ``SELL``, as booked.
    quantity, price, commission : str
        Decimal text, as booked; commission in the account's currency.
    tags : tuple of str
        Tags of the order (``pair:…``, ``box:…``, ``leg:…``).
    reason : str
        Why, for people.
    ts_event, ts_init : int
        When the venue said so, and when this message was made (ns UTC).
    """

    def __init__(
        self,
        *,
        venue: str,
        instrument: str,
        strategy_id: str,
        client_order_id: str,
        venue_order_id: str,
        trade_id: str,
        venue_trade_id: str,
        side: str,
        quantity: str,
        price: str,
        commission: str,
        tags: tuple[str, ...] = (),
        reason: str = "",
        ts_event: int = 0,
        ts_init: int = 0,
    ) -> None:
        self.venue = venue
        self.instrument = instrument
        self.strategy_id = strategy_id
        self.client_order_id = client_order_id
        self.venue_order_id = venue_order_id
        self.trade_id = trade_id
        self.venue_trade_id = venue_trade_id
        self.side = side
        self.quantity = quantity
        self.price = price
        self.commission = commission
        self.tags = tags
        self.reason = reason
        self._ts_event = ts_event
        self._ts_init = ts_init

    @property
    def ts_event(self) -> int:
        """When the venue took the fill back, ns UTC."""
        return self._ts_event

    @property
    def ts_init(self) -> int:
        """When this message was made, ns UTC."""
        return self._ts_init

    def __repr__(self) -> str:
        return (
            f"FillReverted({self.client_order_id}: {self.side} {self.quantity} "
            f"{self.instrument} @ {self.price}, {self.reason})"
        )


FILL_REVERTED = DataType(FillReverted)
"""What a strategy subscribes to."""

FILL_REVERTED_TAG = "FILL_REVERTED"
"""Tag of the order that reverses the books."""
