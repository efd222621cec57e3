"""Settings of the Polymarket clients: plain data, checked before anything is opened."""

from __future__ import annotations

import ipaddress
from typing import NamedTuple
from urllib.parse import urlsplit

from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveDataClientConfig,
    LiveExecClientConfig,
)

from adapters.common.errors import ConfigError
from adapters.polymarket.constants import (
    CLOB_URL,
    DATA_API_URL,
    GAMMA_URL,
    GEOBLOCK_URL,
    WS_BASE_URL,
    SignatureType,
)

__all__ = [
    "Hosts",
    "InstrumentProviderConfig",
    "PolymarketDataClientConfig",
    "PolymarketExecClientConfig",
    "hosts",
    "trading_hosts",
]


class PolymarketDataClientConfig(LiveDataClientConfig, frozen=True):
    """Settings of the market-data client.

    Attributes
    ----------
    environment : str
        ``production``, or ``local`` with every ``*_url`` on this machine (a simulated venue).
    clob_url, gamma_url, data_api_url, ws_url, geoblock_url : str, optional
        Replace the addresses of the environment (a simulated venue, a relay). ``ws_url`` is the
        address in front of ``/market`` and ``/user``.
    proxy_url : str, optional
        HTTP proxy for all traffic of this client.
    timeout_s : float
        Longest wait for one REST answer, in seconds.
    quiet_check_s : float
        A book not heard of for this long is compared with REST: silence may be a frozen stream.
    hash_check : bool
        Verify each book by the venue's hash at the end of each batch.
    new_markets : bool
        Publish every new market of the venue as a log line and count; noisy.
    resolve_poll_s : float
        Seconds between questions whether subscribed markets resolved.
    refresh_interval_s : float
        Seconds between reloads of market metadata; 0 switches them off.
    tap_path : str, optional
        File to which every received frame is recorded (zstd JSON lines).
    """

    environment: str = "production"
    clob_url: str | None = None
    gamma_url: str | None = None
    data_api_url: str | None = None
    ws_url: str | None = None
    geoblock_url: str | None = None
    proxy_url: str | None = None
    timeout_s: float = 10.0
    quiet_check_s: float = 30.0
    hash_check: bool = True
    new_markets: bool = False
    resolve_poll_s: float = 30.0
    refresh_interval_s: float = 300.0
    tap_path: str | None = None


class PolymarketExecClientConfig(LiveExecClientConfig, frozen=True):
    """Settings of the execution client.

    Attributes
    ----------
    environment, clob_url, gamma_url, data_api_url, ws_url, geoblock_url, proxy_url, timeout_s
        As in :class:`PolymarketDataClientConfig`.
    armed : bool
        The arm gate of production. This version refuses production orders whatever it says.
    signature_type : int
        Wallet that holds the funds: 0 EOA, 1 proxy (e-mail), 2 safe (browser wallet), 3 deposit
        wallet (every account opened since May 2026).
    funder : str, optional
        Address of that wallet; not needed for type 0. Else ``POLYMARKET_FUNDER`` is read.
    exact_shares : bool
        How a marketable BUY (IOC) is sent. False: as FAK for dollars, which can return more shares
        than asked (set ``allow_overfills=True`` in the engine). True: as a marketable GTC whose
        rest is cancelled, which never does. An order tagged ``size:exact`` or ``size:dollars``
        decides for itself.
    reconcile_interval_s : float
        Seconds between comparisons with the venue over REST.
    resolve_interval_s : float
        Seconds between questions about an order whose outcome is unknown.
    absence_grace_s : float
        How long after sending an order must stay unknown to the venue, in seconds, before repeated
        answers "no such order" count as proof.
    fill_wait_s : float
        Silence of the user stream after a match before the trades are asked for, in seconds.
    heartbeat : bool
        Send the venue's dead-man heartbeat. Once started it cannot be stopped: if this process
        dies, ALL open orders of the API key are cancelled about 10 seconds later, also those of
        other processes. One process per key.
    lookback_hours : float
        How far back trades are read at start-up, in hours.
    order_log_path : str, optional
        Append-only file in which each signed order is written down before it is sent, so that
        after a crash it is recognised by its hash.
    builder_code : str
        32-byte hex code for builder attribution; zero for none.
    tap_path : str, optional
        File to which every received frame of the user stream is recorded.
    """

    environment: str = "production"
    clob_url: str | None = None
    gamma_url: str | None = None
    data_api_url: str | None = None
    ws_url: str | None = None
    geoblock_url: str | None = None
    proxy_url: str | None = None
    timeout_s: float = 10.0
    armed: bool = False
    signature_type: int = 0
    funder: str | None = None
    exact_shares: bool = False
    reconcile_interval_s: float = 60.0
    resolve_interval_s: float = 1.0
    absence_grace_s: float = 10.0
    fill_wait_s: float = 2.0
    heartbeat: bool = False
    lookback_hours: float = 24.0
    order_log_path: str | None = None
    builder_code: str = "0x" + "00" * 32
    tap_path: str | None = None


class Hosts(NamedTuple):
    """Where everything is."""

    clob: str
    gamma: str
    data_api: str
    ws: str
    geoblock: str
    real_money: bool


def hosts(config: PolymarketDataClientConfig | PolymarketExecClientConfig) -> Hosts:
    """Return the addresses of a configuration.

    Raises
    ------
    ConfigError
        The environment is unknown, or a local one names an address elsewhere.
    """
    given = {
        "clob_url": config.clob_url,
        "gamma_url": config.gamma_url,
        "data_api_url": config.data_api_url,
        "ws_url": config.ws_url,
        "geoblock_url": config.geoblock_url,
    }
    if config.environment == "production":
        defaults = (CLOB_URL, GAMMA_URL, DATA_API_URL, WS_BASE_URL, GEOBLOCK_URL)
        found = [value or default for value, default in zip(given.values(), defaults, strict=True)]
        return _hosts(found, real_money=True)
    if config.environment != "local":
        raise ConfigError("environment", config.environment, "production or local")
    for field, value in given.items():
        if not value or not is_loopback(value):
            raise ConfigError(field, value, "an address on this machine in the environment 'local'")
    return _hosts([str(value) for value in given.values()], real_money=False)


def _hosts(urls: list[str], *, real_money: bool) -> Hosts:
    clob, gamma, data_api, ws, geoblock = (url.rstrip("/") for url in urls)
    return Hosts(clob, gamma, data_api, ws, geoblock, real_money)


def trading_hosts(config: PolymarketExecClientConfig) -> Hosts:
    """Return the addresses orders may go to, after checking every exec setting.

    Raises
    ------
    ConfigError
        A setting is wrong, or the environment trades real money.
    """
    found = hosts(config)
    if config.signature_type not in set(SignatureType):
        raise ConfigError(
            "signature_type",
            config.signature_type,
            "0 (EOA), 1 (proxy), 2 (safe) or 3 (deposit wallet)",
        )
    for field in ("reconcile_interval_s", "resolve_interval_s", "absence_grace_s", "fill_wait_s"):
        value = getattr(config, field)
        if value <= 0:
            raise ConfigError(field, value, "more than 0 seconds")
    if found.real_money:
        raise ConfigError(
            "environment",
            config.environment,
            "local. This version sends no order to production: the arm gate that live trading "
            f"needs is not part of it (armed={config.armed} changes nothing)",
        )
    return found


def is_loopback(url: str) -> bool:
    """Tell whether an address is on this machine.

    >>> is_loopback("http://127.0.0.1:8080"), is_loopback("https://example.org")
    (True, False)
    """
    host = urlsplit(url).hostname or ""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
