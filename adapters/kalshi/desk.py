"""What the parts of the execution client share about one account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from nautilus_trader.cache.cache import Cache
from nautilus_trader.common.component import Logger
from nautilus_trader.model.identifiers import ClientOrderId, InstrumentId, VenueOrderId

from adapters.common.ledger import OrderLedger
from adapters.kalshi import parsing
from adapters.kalshi.commands import Commands
from adapters.kalshi.config import KalshiExecClientConfig
from adapters.kalshi.doubts import Doubts
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.netting import Attribution, Gross, Holdings, attribution
from adapters.kalshi.numbers import units
from adapters.kalshi.order_events import OrderEvents
from adapters.kalshi.providers import KalshiInstrumentProvider
from adapters.kalshi.reading import AccountReader
from adapters.kalshi.schemas import rest
from adapters.kalshi.symbols import Leg

if TYPE_CHECKING:
    from adapters.kalshi.execution import KalshiExecutionClient


@dataclass(slots=True)
class Desk:
    """Shared state and collaborators of one execution client.

    Attributes
    ----------
    inflight : set of str
        Client ids whose create request has not been answered: it can still land.
    targets : dict of str to (price, total)
        What a modify in progress asked for, in units, by client id.
    reconciled : bool
        Whether the start-up comparison has been handed to the engine.
    """

    client: KalshiExecutionClient
    config: KalshiExecClientConfig
    cache: Cache
    log: Logger
    now_ns: Callable[[], int]
    http: KalshiHttp
    provider: KalshiInstrumentProvider
    reader: AccountReader
    commands: Commands
    ledger: OrderLedger
    holdings: Holdings
    events: OrderEvents
    doubts: Doubts
    inflight: set[str] = field(default_factory=set)
    targets: dict[str, tuple[int, int]] = field(default_factory=dict)
    reconciled: bool = False

    def meaning_of(self, record: rest.Order) -> Attribution:
        """Return instrument and side of a venue order: remembered, cached, or told by holdings."""
        return self.known_meaning(record) or attribution(
            bid=record.book_side == "bid",
            size_u=units(record.fill_count_fp) + units(record.remaining_count_fp),
            held=self.holdings.of(record.ticker),
        )

    def known_meaning(self, record: rest.Order) -> Attribution | None:
        """Return instrument and side of a venue order if anybody here remembers it."""
        return self.events.meaning(self.client_id_of(record))

    def client_id_of(self, record: rest.Order) -> str:
        """Return the client id under which a venue order goes here."""
        tracked = self.ledger.find(venue_id=record.order_id)
        if tracked is not None:
            return tracked.client_id
        cached = self.cache.client_order_id(VenueOrderId(record.order_id))
        if cached is not None:
            return self.events.origin(cached)
        return record.client_order_id or f"V-{record.order_id}"

    def cached_holdings(self, ticker: str) -> Gross:
        """Return what the framework's positions hold of a market, in units."""
        held = {leg: 0 for leg in Leg}
        for leg in Leg:
            for position in self.cache.positions_open(None, parsing.instrument_id(ticker, leg)):
                signed_u = parsing.quantity_u(position.quantity)
                held[leg] += signed_u if position.is_long else -signed_u
        return Gross(held[Leg.YES], held[Leg.NO])

    def offered_u(self, ticker: str, leg: Leg, *, without: str = "") -> int:
        """Return the units of a leg that open SELL orders offer."""
        wanted = parsing.instrument_id(ticker, leg)
        total_u = 0
        for tracked in self.ledger.open_orders():
            if tracked.client_id == without:
                continue
            order = self.events.order(tracked.client_id)
            if order is not None and order.instrument_id == wanted and order.is_sell:
                total_u += int((tracked.quantity - tracked.filled).scaleb(6))
        return total_u

    async def ensure_instruments(self, tickers: set[str]) -> None:
        """Load markets that are not loaded yet and put their instruments into the cache."""
        missing = {t for t in tickers if t not in self.provider.markets}
        if missing:
            await self.provider.load_tickers(sorted(missing))
        for ticker in tickers:
            self.publish_instruments(ticker)

    def publish_instruments(self, ticker: str) -> None:
        """Put a loaded market's instruments into the cache."""
        for leg in Leg:
            instrument_id: InstrumentId = parsing.instrument_id(ticker, leg)
            instrument = self.provider.find(instrument_id)
            if instrument is not None and self.cache.instrument(instrument_id) is None:
                self.cache.add_instrument(instrument)

    def cached_order_id(self, client_id: str) -> ClientOrderId:
        """Return the id of the order that stands for ``client_id`` in the cache."""
        order = self.events.order(client_id)
        return order.client_order_id if order is not None else ClientOrderId(client_id)
