"""Kalshi: Trade API v2 with the V2 order endpoints.

Pure leaves (no Nautilus, no I/O, no clock): ``constants``, ``signing``, ``schemas``, ``symbols``,
``numbers``, ``protocol``, ``netting``, ``orders``, ``replies``. Shells: ``credentials``, ``http``,
``websocket``. At the framework's edge: ``config``, ``parsing``, ``fees``, ``providers``, ``data``,
``execution``, ``factories``.
"""

from __future__ import annotations

from nautilus_trader.core import nautilus_pyo3 as rust

from adapters.common.currencies import USD_PRECISION, register_currencies

register_currencies()
# At start-up the engine passes reports through Rust, which keeps a currency table of its own and
# would round every fee to whole cents.
rust.Currency.register(
    rust.Currency("USD", USD_PRECISION, 840, "United States dollar", rust.CurrencyType.FIAT),
    overwrite=True,
)
