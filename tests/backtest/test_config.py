"""Settings: every mistake is named with its nearest fix; the same meaning has the same hash."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from configs.backtest import PLACES, BacktestConfig
from configs.loader import ConfigError, config_hash, load, parse, to_toml

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def read(text: str) -> BacktestConfig:
    return parse(text, BacktestConfig, "x.toml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("stratgy = 1", "x.toml: top level: found unknown key 'stratgy', did you mean 'strategy'?"),
        ("[strategy]\nspread_mx = 1", "strategy: found unknown key 'spread_mx', did you mean 'sp"),
        ("[strategy.limits]\nbox_max = 1", "strategy.limits: found unknown key 'box_max'"),
        ("[strategy.odds.KALSHI]\nfrst = 1", "strategy.odds.KALSHI: found unknown key 'frst'"),
        ("[fills.hazard]\nunwind = 1", "fills.hazard: found unknown key 'unwind', did you mean"),
        ("[fills]\nmodel = 'x'", "fills.model: found 'x': allowed hazard, pure"),
        ("[fills]\nseed = -1", "fills.seed: found -1: Expected `int` >= 0"),
        ("[fills]\nseed = 0.5", "fills.seed: found 0.5: Expected `int`"),
        ("[strategy]\nsize_min = true", "strategy.size_min: found True"),
        ("[strategy]\nchecks_off = ['x']", "strategy.checks_off.0: found 'x': allowed taken, "),
        ("[strategy]\nchecks_off = ['no_cash']", "strategy.checks_off: found 'no_cash', allowed"),
        ("[strategy.limits]\ncash_reserve = 1", "strategy.limits.cash_reserve: found 1, allowed"),
        ("[delay_ms]\nPOLYMARKET = 3000", "delay_ms.POLYMARKET: found 3000, allowed 0 with"),
        ("[fees]\npolymarket_rate = 2", "fees.polymarket_rate: found 2, allowed 0 to 1"),
        ("[fees]\nkalshi_regime = '2027'", "fees.kalshi_regime: found '2027': allowed 2026q2"),
        ("[fees]\nkalshi_member_precision = 1", "fees.kalshi_member_precision: found 1, allowed"),
        ("[data.synthetic]\npairs = 0", "data.synthetic.pairs: found 0; allowed: 1 to 5000"),
        ("[capital]\nKALSHI = 0.0000001", "capital.KALSHI: found 1E-7, allowed more than 0"),
        ("[execution]\nretry_ms = -1", "execution.retry_ms: found -1: Expected `int` >= 0"),
        ("a = ", "x.toml: no TOML: "),
    ],
)
def test_a_mistake_names_field_value_and_what_is_allowed(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(text)
    assert message in str(error.value)
    assert str(error.value).startswith("x.toml: ")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "number", ["nan", "inf", "-inf", "+nan", "'nan'", "'sNaN'", "'Infinity'", "'-inf'"]
)
@pytest.mark.parametrize(
    "field",
    [
        "strategy.spread_max",
        "strategy.edge_max",
        "strategy.limits.box_cost_max",
        "strategy.odds.KALSHI.first",
        "capital.KALSHI",
        "fees.polymarket_rate",
    ],
)
def test_a_number_that_is_not_finite_is_refused(field: str, number: str) -> None:
    *tables, key = field.split(".")
    with pytest.raises(ConfigError) as error:
        read(f"[{'.'.join(tables)}]\n{key} = {number}")
    message = str(error.value)
    assert message.startswith(f"x.toml: {field}: found ")
    assert number.strip("'+").lower() in message.lower()
    assert message.endswith(", allowed a finite number")
    assert "\n" not in message


def test_fractions_are_exact_with_and_without_quotes() -> None:
    config = read("[strategy]\nspread_max = 0.1\nedge_max = '0.1'")
    assert config.strategy.spread_max == config.strategy.edge_max == Decimal("0.1")


def test_latency_is_allowed_where_books_alone_decide() -> None:
    config = read("[fills]\nmodel = 'pure'\n[latency_ms]\nKALSHI = 243")
    assert config.latency_ms.KALSHI == 243


@pytest.mark.parametrize("name", ["backtest.toml", "demo.toml"])
def test_shipped_settings_load_and_survive_a_round_trip(name: str) -> None:
    config = load(CONFIGS / name, BacktestConfig)
    assert read(to_toml(config)) == config
    assert config.data.accept_recorded


def test_the_commented_settings_are_the_defaults() -> None:
    """backtest.toml shows defaults: it changes nothing but accept_recorded."""
    shown = load(CONFIGS / "backtest.toml", BacktestConfig)
    assert shown == read("[data]\naccept_recorded = true")


def test_the_hash_knows_meaning_not_spelling_nor_place() -> None:
    def digest(text: str) -> str:
        return config_hash(read(text), without=PLACES)

    assert digest("") == digest("[strategy]\nspread_max = 0.2\n[capital]\nKALSHI = '10000.00'")
    assert digest("[data]\ndir = '/here'") == digest("[data]\ndir = '/there'")
    assert digest("") != digest("[strategy]\nspread_max = 0.21")
    assert digest("") != digest("[fills]\nseed = 2")


def test_a_missing_file_and_an_unreadable_one_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: no such file"):
        load(tmp_path / "none.toml", BacktestConfig)
    binary = tmp_path / "binary.toml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match=r"binary\.toml: cannot be read"):
        load(binary, BacktestConfig)
