"""Scenario, background market, playback, log."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from simulators.log import REDACTED, RequestLog, read_log, redact
from simulators.market import BackgroundMarket, Playback
from simulators.scenario import CALIBRATED, SCENARIOS, Hazards, load_scenario
from simulators.venue import MarketRef

NOW_NS = 1_795_248_000_000_000_000


class RecordingPort:
    def __init__(self, *keys):
        self.refs = [
            MarketRef(key, f"event/{n}", Decimal("0.40"), Decimal("0.01"))
            for n, key in enumerate(keys)
        ]
        self.calls = []

    def markets(self):
        return self.refs

    def quote(self, key, bids, asks, now_ns):
        self.calls.append(("quote", key, tuple(bids), tuple(asks)))

    def take(self, key, side, price, size, now_ns):
        self.calls.append(("take", key, side, price, size))


def test_default_scenario_has_enough_markets_and_pairs():
    scenario = load_scenario("default", NOW_NS)
    assert len({event.key for event in scenario.events}) == len(scenario.events)
    both = [e for e in scenario.events if e.venues == {"kalshi", "polymarket"}]
    assert len(both) >= 8
    for event in scenario.events:
        assert event.start_ns > NOW_NS
        assert event.close_ns > event.start_ns
        fair = sum(outcome.fair for outcome in event.outcomes)
        assert event.kind == "question" or fair == 1
    markets = sum(len(e.outcomes) for e in scenario.on("kalshi"))
    assert markets >= 20


def test_scenarios_by_name():
    assert load_scenario("quiet", NOW_NS).options["flow"] is False
    assert load_scenario("calibrated", NOW_NS).hazards == CALIBRATED
    assert load_scenario("default", NOW_NS).hazards == Hazards()
    with pytest.raises(ValueError, match=SCENARIOS[0]):
        load_scenario("storm", NOW_NS)


def test_hazard_tables_step_by_threshold():
    table = CALIBRATED.second_leg_fill
    found = [Hazards.chance_percent(table, Decimal(x)) for x in ("1.5", "4", "19", "20", "99")]
    assert found == [54, 65, 65, 80, 80]
    assert Hazards.chance_percent((), Decimal(1)) == 100


def test_the_market_is_fixed_by_its_seed():
    runs = []
    for seed in (1, 1, 2):
        port = RecordingPort("A", "B")
        market = BackgroundMarket(seed, {"kalshi": port})
        for _ in range(30):
            market.step(NOW_NS)
        runs.append(port.calls)
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_quotes_never_cross_and_stay_inside_the_dollar():
    port = RecordingPort("A", "B", "C")
    market = BackgroundMarket(3, {"kalshi": port})
    for _ in range(300):
        market.step(NOW_NS)
    kinds = Counter(call[0] for call in port.calls)
    assert kinds["quote"] == 900
    assert kinds["take"] > 50
    for call in port.calls:
        if call[0] == "quote":
            bids, asks = call[2], call[3]
            assert not bids or not asks or max(bids)[0] < min(asks)[0]
            assert all(0 < price < 1 and size > 0 for price, size in (*bids, *asks))
        else:
            assert 0 < call[3] < 1


def test_the_same_outcome_moves_together_on_two_venues():
    one, two = RecordingPort("K"), RecordingPort("P")
    market = BackgroundMarket(5, {"kalshi": one, "polymarket": two})
    for _ in range(400):
        market.step(NOW_NS)
    mids = [[max(c[2])[0] for c in port.calls if c[0] == "quote" and c[2]] for port in (one, two)]
    assert max(mids[0]) - min(mids[0]) >= Decimal("0.05")
    assert all(abs(a - b) <= Decimal("0.08") for a, b in zip(*mids, strict=True))


def session(tmp_path, *rows):
    path = tmp_path / "session.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return path


def row(ts, market="A", bids=(("0.47", "3"),), asks=(("0.52", "1"),)):
    return {"ts_ns": ts, "market": market, "bids": list(bids), "asks": list(asks)}


def test_playback_plays_what_is_due(tmp_path):
    port = RecordingPort("A")
    path = session(tmp_path, row(1000), row(1500), row(3000))
    playback = Playback(port, path, start_ns=NOW_NS)
    assert [playback.advance(NOW_NS + t) for t in (0, 499, 500, 5000)] == [1, 0, 1, 1]
    assert playback.finished
    assert port.calls[0] == (
        "quote", "A", ((Decimal("0.47"), Decimal(3)),), ((Decimal("0.52"), Decimal(1)),),
    )  # fmt: skip


def test_playback_speed(tmp_path):
    port = RecordingPort("A")
    playback = Playback(port, session(tmp_path, row(0), row(1000)), NOW_NS, speed=10)
    assert playback.advance(NOW_NS + 99) == 1
    assert playback.advance(NOW_NS + 100) == 1
    with pytest.raises(ValueError, match="speed"):
        Playback(port, session(tmp_path, row(0)), NOW_NS, speed=0)


@pytest.mark.parametrize(
    "bad", ["{", '{"ts_ns": 1}', '{"ts_ns":1,"market":"A","bids":[["x","1"]],"asks":[]}',
            '{"ts_ns":1,"market":"A","bids":[["1"]],"asks":[]}']
)  # fmt: skip
def test_a_bad_session_names_file_and_line(tmp_path, bad):
    path = tmp_path / "bad.jsonl"
    path.write_text(json.dumps(row(0)) + "\n" + bad + "\n")
    playback = Playback(RecordingPort("A"), path, NOW_NS)
    with pytest.raises(ValueError, match="line 2"):
        playback.advance(NOW_NS)


def test_a_session_that_goes_back_is_refused(tmp_path):
    playback = Playback(RecordingPort("A"), session(tmp_path, row(5), row(4)), NOW_NS)
    with pytest.raises(ValueError, match="goes back"):
        playback.advance(NOW_NS)


QUOTES = {
    "ts_recv_ns": [10, 20, 30, 40],
    "venue": ["kalshi", "polymarket", "kalshi", "kalshi"],
    "instrument": ["K1", "P1", "K1", "K1"],
    "inverse": [False, False, True, False],
    "bid_px": ["0.47", "0.40", "0.10", None],
    "bid_sz": ["3", "1", "1", None],
    "ask_px": ["0.52", "0.41", "0.11", "0.53"],
    "ask_sz": ["1.5", "1", "1", "2"],
}


def test_playback_of_recorded_quotes(tmp_path):
    path = tmp_path / "quotes.parquet"
    pq.write_table(pa.table(QUOTES), path)
    port = RecordingPort("A")
    playback = Playback(port, path, NOW_NS, venue="kalshi", markets={"K1": "A"})
    assert playback.advance(NOW_NS + 10**9) == 2
    assert port.calls == [
        ("quote", "A", ((Decimal("0.47"), Decimal(3)),), ((Decimal("0.52"), Decimal("1.5")),)),
        ("quote", "A", (), ((Decimal("0.53"), Decimal(2)),)),
    ]


def test_quotes_without_a_column_are_refused(tmp_path):
    path = tmp_path / "quotes.parquet"
    pq.write_table(pa.table({"ts_recv_ns": [1]}), path)
    with pytest.raises(ValueError, match="ask_px is missing"):
        Playback(RecordingPort("A"), path, NOW_NS)


@pytest.mark.data
def test_a_real_recording_plays(recordings):
    path = recordings / "public" / "quotes" / "NBA-20260221-pregame.parquet"
    port = RecordingPort()
    playback = Playback(port, path, NOW_NS, venue="kalshi")
    assert playback.advance(NOW_NS + 60 * 10**9) > 100
    assert not playback.finished


def test_log_keeps_the_newest_and_writes_all(tmp_path):
    log = RequestLog("x", tmp_path / "l.jsonl", keep=3)
    log.header(seed=1, api_secret="s")
    for n in range(5):
        log.append(now_ns=n, kind="rest" if n % 2 else "tick", route="r", request={"n": n})
    assert [entry.ordinal for entry in log.entries()] == [3, 4, 5]
    assert [entry.ordinal for entry in log.entries(after=4)] == [5]
    assert [entry.ordinal for entry in log.entries(kind="rest")] == [4]
    assert log.last.request == {"n": 4}
    log.close()
    header, rows = read_log(tmp_path / "l.jsonl")
    assert (header["seed"], header["api_secret"]) == (1, REDACTED)
    assert [r["request"]["n"] for r in rows] == [0, 1, 2, 3, 4]


def test_redaction_is_by_name_at_any_depth():
    value = {"a": [{"Private_Key": "x", "n": 1}], "signature": "", "PASSPHRASE": "p"}
    assert redact(value) == {
        "a": [{"Private_Key": REDACTED, "n": 1}], "signature": "", "PASSPHRASE": REDACTED,
    }  # fmt: skip
