"""Settings of the Kalshi clients: plain data, checked before anything is opened."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import urlsplit

from nautilus_trader.config import (
    InstrumentProviderConfig,
    LiveDataClientConfig,
    LiveExecClientConfig,
)

from adapters.common.errors import ConfigError
from adapters.kalshi.constants import ENVIRONMENTS, PLAY_MONEY_HOSTS, STP_TYPES, Environment

__all__ = [
    "InstrumentProviderConfig",
    "KalshiDataClientConfig",
    "KalshiExecClientConfig",
    "environment",
    "trading_environment",
]


class KalshiDataClientConfig(LiveDataClientConfig, frozen=True):
    """Settings of the market-data client.

    Attributes
    ----------
    environment : str
        ``demo`` or ``production``.
    key_id, private_key_path : str, optional
        API key id and PEM file; without them the environment variables of
        :mod:`adapters.kalshi.credentials` are read. The WebSocket needs a key even for public
        data.
    rest_url, ws_url : str, optional
        Replace the environment's addresses (a simulator, a relay).
    proxy_url : str, optional
        HTTP proxy for all traffic of this client.
    timeout_s : float
        Longest wait for one REST answer, in seconds.
    idle_timeout_s : float
        Silence, the venue's ten-second pings included, after which the socket is replaced.
    resync_timeout_s : float
        Longest wait for a snapshot that repairs a book, in seconds.
    refresh_interval_s : float
        Seconds between reloads of market metadata; 0 switches them off.
    tap_path : str, optional
        File to which every received frame is recorded (zstd JSON lines).
    """

    environment: str = "demo"
    key_id: str | None = None
    private_key_path: str | None = None
    rest_url: str | None = None
    ws_url: str | None = None
    proxy_url: str | None = None
    timeout_s: float = 10.0
    idle_timeout_s: float = 25.0
    resync_timeout_s: float = 5.0
    refresh_interval_s: float = 300.0
    tap_path: str | None = None


class KalshiExecClientConfig(LiveExecClientConfig, frozen=True):
    """Settings of the execution client.

    Attributes
    ----------
    environment, key_id, private_key_path, rest_url, ws_url, proxy_url, timeout_s, idle_timeout_s
        As in :class:`KalshiDataClientConfig`.
    armed : bool
        The arm gate of production. This version refuses production orders whatever it says.
    subaccount : int
        Subaccount 0 to 63 that trades; 0 is the primary one.
    stp_type : str
        ``taker_at_cross`` (the incoming order is cancelled when it would meet our own) or
        ``maker`` (the resting one is).
    cancel_on_pause : bool
        Ask the venue to cancel resting orders when trading or the exchange pauses.
    reconcile_interval_s : float
        Seconds between comparisons with the venue over REST. Private streams carry no sequence
        number, so this is part of normal operation.
    resolve_interval_s : float
        Seconds between questions about an order whose outcome is unknown.
    absence_grace_s : float
        An order that the venue does not list is believed absent only when the venue's read model
        has passed its submission by this much, in seconds.
    lookback_hours : float
        How far back fills and closed orders are read at start-up, in hours.
    """

    environment: str = "demo"
    key_id: str | None = None
    private_key_path: str | None = None
    rest_url: str | None = None
    ws_url: str | None = None
    proxy_url: str | None = None
    timeout_s: float = 10.0
    idle_timeout_s: float = 25.0
    armed: bool = False
    subaccount: int = 0
    stp_type: str = "taker_at_cross"
    cancel_on_pause: bool = False
    reconcile_interval_s: float = 30.0
    resolve_interval_s: float = 1.0
    absence_grace_s: float = 2.0
    lookback_hours: float = 24.0


def environment(
    name: str, *, rest_url: str | None = None, ws_url: str | None = None
) -> Environment:
    """Return the named environment with replaced addresses.

    Raises
    ------
    ConfigError
        The name is not an environment.
    """
    found = ENVIRONMENTS.get(name)
    if found is None:
        raise ConfigError("environment", name, " or ".join(ENVIRONMENTS))
    rest, ws = (rest_url or found.rest_url).rstrip("/"), ws_url or found.ws_url
    return Environment(
        name=found.name,
        rest_url=rest,
        ws_url=ws,
        real_money=found.real_money or not (_is_play_money(rest) and _is_play_money(ws)),
    )


def _is_play_money(url: str) -> bool:
    """Say whether an address is this machine or a demo host; the name of a setting proves nothing.

    A proxy on this machine could lead anywhere: it is the operator's own.
    """
    host = (urlsplit(url).hostname or "").rstrip(".")
    return host in PLAY_MONEY_HOSTS or host == "localhost" or _is_loopback(host)


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def trading_environment(config: KalshiExecClientConfig) -> Environment:
    """Return the environment orders may go to, after checking every exec setting.

    Raises
    ------
    ConfigError
        A setting is wrong, or the environment trades real money.
    """
    found = environment(config.environment, rest_url=config.rest_url, ws_url=config.ws_url)
    if config.stp_type not in STP_TYPES:
        raise ConfigError("stp_type", config.stp_type, " or ".join(STP_TYPES))
    if not 0 <= config.subaccount <= 63:
        raise ConfigError("subaccount", config.subaccount, "0 to 63")
    if config.reconcile_interval_s <= 0 or config.resolve_interval_s <= 0:
        raise ConfigError(
            "reconcile_interval_s, resolve_interval_s",
            (config.reconcile_interval_s, config.resolve_interval_s),
            "more than 0 seconds",
        )
    if found.real_money:
        raise ConfigError(
            "environment",
            f"{config.environment} at {found.rest_url} and {found.ws_url}",
            "demo, at a demo host or on this machine. This version sends no order to "
            "production: the arm gate that live trading "
            f"needs is not part of it (armed={config.armed} changes nothing)",
        )
    return found
