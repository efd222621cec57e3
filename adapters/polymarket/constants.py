"""Hosts, contracts, limits and precisions of Polymarket (CLOB V2, chain 137).

References
----------
docs.polymarket.com, pages "Contracts", "Rate limits", "Trading rate limits", "Geoblock", read as
stored copies of October 2026; `polymarket-client` 0.14.0 (`environments.py`); `py-clob-client-v2`
1.2.1 (`config.py`).
"""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import Final

VENUE_NAME: Final = "POLYMARKET"
CURRENCY_CODE: Final = "pUSD"

CHAIN_ID_POLYGON: Final = 137
CHAIN_ID_AMOY: Final = 80002

# -- hosts ----------------------------------------------------------------------------------------
CLOB_URL: Final = "https://clob.polymarket.com"
GAMMA_URL: Final = "https://gamma-api.polymarket.com"
DATA_API_URL: Final = "https://data-api.polymarket.com"
GEOBLOCK_URL: Final = "https://polymarket.com/api/geoblock"
WS_BASE_URL: Final = "wss://ws-subscriptions-clob.polymarket.com/ws"

# -- contracts (Polygon) --------------------------------------------------------------------------
PUSD: Final = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
USDC_E: Final = "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"
CONDITIONAL_TOKENS: Final = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
EXCHANGE_V2: Final = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE_V2: Final = "0xe2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3: Final = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"
EXCHANGE_V3_AMOY: Final = "0x9fE6e61422AdB6F610d8597F9684b16912D50C3D"
CTF_COLLATERAL_ADAPTER: Final = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_COLLATERAL_ADAPTER: Final = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
COLLATERAL_ONRAMP: Final = "0x93070a847efEf7F70739046A929D47a521F5B8ee"
COLLATERAL_OFFRAMP: Final = "0x2957922Eb93258b93368531d39fAcCA3B4dC5854"
POSITION_MANAGER: Final = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
ROUTER: Final = "0x12121212006e4CD160D18e3f00711DA5c3372600"
AUTO_REDEEMER: Final = "0xa1200000d0002264C9a1698e001292D00E1b00af"

ZERO_BYTES32: Final = "0x" + "00" * 32

# -- numbers --------------------------------------------------------------------------------------
BASE_UNITS: Final = 1_000_000
"""pUSD and outcome tokens both have 6 decimals."""

PRICE_PRECISION: Final = 4
"""Finest tick of the venue is 0.0001; a tick that gets finer in mid-life needs no new precision."""

SIZE_PRECISION: Final = 6
"""Fills come in millionths of a share; orders are limited to `ORDER_SIZE_STEP`."""

ORDER_SIZE_STEP: Final = Decimal("0.01")
MARKETABLE_BUY_NOTIONAL_MIN_USD: Final = Decimal(1)

TICK_SIZES: Final = frozenset(
    Decimal(text) for text in ("0.1", "0.01", "0.005", "0.0025", "0.001", "0.0001")
)

SALT_MAX: Final = 2**53 - 1
"""The salt travels as a JSON number: larger values lose digits in other parsers."""

# -- limits ---------------------------------------------------------------------------------------
POST_ORDERS_MAX: Final = 15
CANCEL_ORDERS_MAX: Final = 1000
BOOKS_MAX: Final = 500
MARKET_SOCKET_ASSETS_MAX: Final = 200
"""More than 500 assets on one socket yield no first snapshots (community); 200 is well inside."""
GAMMA_PAGE_MAX: Final = 100
DATA_API_CONDITIONS_MAX: Final = 20

GTD_LEAD_SECS: Final = 60
"""The venue kills a GTD order this long before the expiration it was sent."""
GTD_MIN_SECS: Final = 180

PING_INTERVAL_SECS: Final = 10.0
PONG_TIMEOUT_SECS: Final = 30.0
HEARTBEAT_INTERVAL_SECS: Final = 5.0

CURSOR_FIRST: Final = "MA=="
CURSOR_END: Final = "LTE="


class SignatureType(IntEnum):
    """How the maker's wallet authorises an order."""

    EOA = 0
    POLY_PROXY = 1
    GNOSIS_SAFE = 2
    DEPOSIT_WALLET = 3


class ProtocolVersion(StrEnum):
    """Which contracts a market trades on; decided by Gamma `version` or CLOB `v`, nothing else."""

    V1 = "v1"
    V2 = "v2"


class AssetType(StrEnum):
    """Values of `asset_type` in `GET /balance-allowance`."""

    COLLATERAL = "COLLATERAL"
    CONDITIONAL = "CONDITIONAL"
    CONDITIONAL_V2 = "CONDITIONAL-V2"
