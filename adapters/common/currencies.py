"""Currencies at the precision the venues book in.

Nautilus knows USD with 2 decimals; Kalshi books prices of $0.0001 and fees of $0.0001, so a
2-decimal account loses money silently. Nautilus keeps currencies per process: every process that
reads a catalog or builds an instrument calls :func:`register_currencies` first.

``pUSD``, Polymarket's collateral since April 2026, is built into Nautilus with 6 decimals.
"""

from __future__ import annotations

from nautilus_trader.core import nautilus_pyo3 as rust
from nautilus_trader.model.enums import CurrencyType
from nautilus_trader.model.objects import Currency

#: ISO 4217 number of the United States dollar.
_USD_ISO = 840
USD_PRECISION = 6


def register_currencies() -> None:
    """Register USD with 6 decimals in this process; calling it again changes nothing."""
    if Currency.from_str("USD").precision != USD_PRECISION:
        usd = Currency("USD", USD_PRECISION, _USD_ISO, "United States dollar", CurrencyType.FIAT)
        Currency.register(usd, overwrite=True)
    # A live engine passes start-up reports through Rust, which keeps a table of its own and would
    # round every fee to whole cents.
    if rust.Currency.from_str("USD").precision != USD_PRECISION:
        fiat = rust.CurrencyType.FIAT
        usd_rust = rust.Currency("USD", USD_PRECISION, _USD_ISO, "United States dollar", fiat)
        rust.Currency.register(usd_rust, overwrite=True)


def usd() -> Currency:
    """Return USD with 6 decimals; never import Nautilus's own module constant ``USD``."""
    register_currencies()
    return Currency.from_str("USD")


def pusd() -> Currency:
    """Return pUSD (6 decimals), the collateral of Polymarket's international exchange."""
    return Currency.from_str("pUSD")
