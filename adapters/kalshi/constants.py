"""What Kalshi publishes about itself, each with its source and the date it was read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

VENUE_NAME: Final = "KALSHI"

#: Path prefixes; a signature covers the path from the root, without host, query and body.
#: Source: docs /getting_started/quick_start_authenticated_requests, 2026-08-22.
REST_PREFIX: Final = "/trade-api/v2"
WS_PATH: Final = "/trade-api/ws/v2"


@dataclass(frozen=True, slots=True)
class Environment:
    """Addresses of one environment.

    Attributes
    ----------
    real_money : bool
        Whether an order here costs money.
    """

    name: str
    rest_url: str
    ws_url: str
    real_money: bool


#: Dedicated API hosts of 2026-05-07. Source: docs /getting_started/api_environments, 2026-08-22.
ENVIRONMENTS: Final[dict[str, Environment]] = {
    "demo": Environment(
        "demo",
        "https://external-api.demo.kalshi.co/trade-api/v2",
        "wss://external-api-ws.demo.kalshi.co/trade-api/ws/v2",
        real_money=False,
    ),
    "production": Environment(
        "production",
        "https://external-api.kalshi.com/trade-api/v2",
        "wss://external-api-ws.kalshi.com/trade-api/ws/v2",
        real_money=True,
    ),
}

#: Hosts where orders cost nothing: the demo environment's dedicated and shared ones (same page).
PLAY_MONEY_HOSTS: Final = frozenset(
    {
        "external-api.demo.kalshi.co",
        "external-api-ws.demo.kalshi.co",
        "demo-api.kalshi.co",
    }
)

#: Decimal places no market of the venue exceeds in orders and books.
#: Source: docs /getting_started/fixed_point_migration, 2026-08-22.
PRICE_PRECISION: Final = 4
SIZE_PRECISION: Final = 2

#: Characters and length accepted in a client order id.
#: Source: docs /fix/order-entry (64 characters); a dot answers ``invalid_parameters`` (2026-08).
CLIENT_ID_MAX: Final = 64

#: Largest page by endpoint; above it the venue answers 400.
#: Source: docs /getting_started/pagination, 2026-08-22; SDK 3.34.0.
PAGE_MARKETS: Final = 1000
PAGE_EVENTS: Final = 200
PAGE_PORTFOLIO: Final = 1000
TICKERS_PER_CALL: Final = 100
CANDLES_PER_CALL: Final = 5000

#: Budget of the Basic tier, used until ``/account/limits`` has answered.
#: Source: docs /getting_started/rate_limits, 2026-08-22.
BASIC_READ: Final = (200.0, 200.0)
BASIC_WRITE: Final = (100.0, 100.0)
DEFAULT_COST: Final = 10

#: Costs that differ from the default, used until ``/account/endpoint_costs`` has answered.
#: Source: docs /getting_started/rate_limits, 2026-08-22; changelog 2026-09-03.
ENDPOINT_COSTS: Final[dict[tuple[str, str], int]] = {
    ("DELETE", "/portfolio/events/orders/:order_id"): 2,
    ("DELETE", "/portfolio/events/orders"): 2,
    ("DELETE", "/portfolio/events/orders/batched"): 2,
    ("GET", "/portfolio/orders/:order_id"): 2,
}

#: Seconds between the server's pings. Source: docs /websockets/connection-keep-alive, 2026-08-22.
SERVER_PING_S: Final = 10.0

#: Commands and markets a session may carry, far below the venue's published bounds (10,000
#: commands per second, 500,000 markets). Source: changelog 2026-06-18.
MARKETS_PER_COMMAND: Final = 400

#: Candle lengths the venue serves, in minutes. Source: SDK 3.34.0 ``get_market_candlesticks``.
CANDLE_MINUTES: Final = (1, 60, 1440)

#: A taker order that meets an own order: ``taker_at_cross`` cancels the newcomer, ``maker`` the
#: resting one. Source: SDK 3.34.0 ``SelfTradePreventionType``.
STP_TYPES: Final = ("taker_at_cross", "maker")

#: A clock further off than this is refused (``header_timestamp_expired``); 5 s were accepted and
#: 30 s refused on demo, 2026-06-11.
CLOCK_SKEW_SAFE_MS: Final = 5_000
