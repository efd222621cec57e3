"""Same requests, same replies: a log plays again on a fresh venue without a difference."""

from __future__ import annotations

import json

import pytest

from simulators.kalshi.replay import replay
from simulators.log import REDACTED, read_log
from simulators.market import BackgroundMarket
from simulators.seeds import between, pick
from tests.simulators.kalshi.support import BTC, GAME, ORDERS, OTHER, SHARD0, make_venue

FAULTS = [
    {"kind": "reject", "scope": "POST /portfolio/events/orders", "every": 7},
    {"kind": "accept_then_5xx", "scope": "POST /portfolio/events/orders", "probability": 0.1},
    {"kind": "seq_gap", "scope": "ws:orderbook_delta", "probability": 0.02},
    {"kind": "drop", "scope": "ws:fill", "probability": 0.2},
    {"kind": "delayed_visibility", "scope": "DELETE *", "every": 3, "params": {"requests": 2}},
    {"kind": "pause", "scope": "GET /portfolio/balance", "at": [3]},
]


class Port:
    """The background market's way into a venue of the tests."""

    def __init__(self, venue):
        self.venue = venue

    def markets(self):
        return self.venue.app.port.markets()

    def quote(self, key, bids, asks, now_ns):
        self.venue.app.quote(key, bids, asks, now_ns)
        self.venue.collect()

    def take(self, key, side, price, size, now_ns):
        self.venue.app.take(key, side, price, size, now_ns)
        self.venue.collect()


def session(venue, seed: int, steps: int):
    market = BackgroundMarket(seed, {"kalshi": Port(venue)})
    socket = venue.connect()
    venue.subscribe(socket, "orderbook_delta", market_tickers=[GAME, SHARD0], use_yes_price=True)
    venue.subscribe(socket, "ticker", "trade", "fill", "user_orders", "market_positions")
    mine: list[str] = []
    for step in range(steps):
        venue.after(ms=between(1, 400, seed, "wait", step))
        market.step(venue.now_ns)
        ticker = pick([GAME, OTHER, SHARD0, BTC], seed, "ticker", step)
        who = pick(["alice", "bob", "carol"], seed, "who", step)
        choice = between(0, 5, seed, "choice", step)
        if choice < 3:
            output = venue.order(
                who,
                ticker,
                pick(["bid", "ask"], seed, "side", step),
                count=str(between(1, 90, seed, "count", step)),
                price=f"0.{between(20, 80, seed, 'price', step)}",
                time_in_force=pick(
                    ["good_till_canceled", "immediate_or_cancel", "fill_or_kill"], seed, "tif", step
                ),
            )
            if output.status == 201:
                mine.append(output.body["order_id"])
        elif choice == 3 and mine:
            order_id = pick(mine, seed, "cancel", step)
            query = {"market_ticker": ticker}
            venue.send("DELETE", f"{ORDERS}/{order_id}", who, query=query)
        elif choice == 4:
            venue.get("/portfolio/balance", who)
            venue.send("GET", "/portfolio/orders", who)
            venue.send("GET", "/portfolio/fills", who)
        elif step % 11 == 0:
            venue.operate("deactivate", ticker=OTHER)
            venue.operate("activate", ticker=OTHER)
    venue.operate("settle", ticker=GAME, result="yes")
    venue.app.log.close()


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.full)])
def test_a_session_with_faults_replays_without_a_difference(tmp_path, seed):
    path = tmp_path / "kalshi.jsonl"
    venue = make_venue(seed, log_path=path, scenario="default", faults=FAULTS, read_lag_ms_max=300)
    session(venue, seed, 45)
    found = replay(path)
    assert found.entries > 200
    assert found.frames > 100
    assert found.differences == []
    assert venue.gap() == 0


def test_two_runs_of_a_seed_give_the_same_log(tmp_path):
    logs = []
    for name in ("a", "b"):
        venue = make_venue(5, log_path=tmp_path / name, scenario="default", faults=FAULTS)
        session(venue, 5, 30)
        logs.append((tmp_path / name).read_text())
    assert logs[0] == logs[1]


def test_another_seed_gives_another_session(tmp_path):
    logs = []
    for seed in (5, 6):
        venue = make_venue(seed, log_path=tmp_path / str(seed), scenario="default")
        session(venue, 5, 10)
        logs.append((tmp_path / str(seed)).read_text().splitlines()[1:])
    assert logs[0] != logs[1]


def test_a_changed_answer_is_found(tmp_path):
    path = tmp_path / "kalshi.jsonl"
    venue = make_venue(log_path=path)
    venue.placed()
    venue.app.log.close()
    header, rows = read_log(path)
    rows[-1]["reply"]["fill_count"] = "9.00"
    path.write_text("\n".join(json.dumps(row) for row in [header, *rows]))
    assert [ordinal for ordinal, _, _ in replay(path).differences] == [rows[-1]["ordinal"]]


def test_no_secret_reaches_the_log(tmp_path):
    path = tmp_path / "kalshi.jsonl"
    venue = make_venue(log_path=path)
    secrets = {"api_secret": "hunter2", "deep": [{"secret": "s3"}]}
    venue.app.log.append(now_ns=1, kind="rest", route="x", request=secrets)
    venue.app.log.close()
    text = path.read_text()
    assert "hunter2" not in text
    assert "s3" not in text
    assert REDACTED in text


@pytest.mark.parametrize("text", ["", "{}", '{"log": 1}\n{', '{"log":1,"venue":"polymarket"}'])
def test_a_file_that_is_no_log_is_refused(tmp_path, text):
    path = tmp_path / "x.jsonl"
    path.write_text(text)
    with pytest.raises(ValueError, match=str(path)):
        replay(path)
