"""Whether orders cost money is decided by the host they go to, never by a setting's name."""

from __future__ import annotations

import pytest

from adapters.common.errors import ConfigError
from adapters.kalshi.config import KalshiExecClientConfig, environment, trading_environment

PRODUCTION = [
    "https://external-api.kalshi.com/trade-api/v2",
    "https://api.elections.kalshi.com/trade-api/v2",
    "https://API.Elections.Kalshi.com/trade-api/v2",
    "https://external-api.kalshi.com./trade-api/v2",
    "https://example.org/trade-api/v2",
    "nonsense",
]


@pytest.mark.parametrize("rest_url", PRODUCTION)
def test_a_production_host_is_real_money_whatever_the_environment_is_called(rest_url: str) -> None:
    config = KalshiExecClientConfig(environment="demo", rest_url=rest_url)
    with pytest.raises(ConfigError, match="sends no order to production"):
        trading_environment(config)


def test_a_production_socket_is_real_money_too() -> None:
    config = KalshiExecClientConfig(
        environment="demo", ws_url="wss://external-api-ws.kalshi.com/trade-api/ws/v2"
    )
    with pytest.raises(ConfigError, match="sends no order to production"):
        trading_environment(config)


@pytest.mark.parametrize(
    ("rest_url", "ws_url"),
    [
        (None, None),
        ("https://demo-api.kalshi.co/trade-api/v2", "wss://demo-api.kalshi.co/trade-api/ws/v2"),
        ("http://127.0.0.1:8080/trade-api/v2", "ws://localhost:8081/trade-api/ws/v2"),
        ("http://[::1]:8080/trade-api/v2", "ws://[::1]:8081/trade-api/ws/v2"),
    ],
)
def test_demo_and_this_machine_cost_nothing(rest_url: str | None, ws_url: str | None) -> None:
    assert not environment("demo", rest_url=rest_url, ws_url=ws_url).real_money
