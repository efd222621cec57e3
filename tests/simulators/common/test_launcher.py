"""The command: ready file, clean stop, refusals; the admin interface."""

from __future__ import annotations

import asyncio
import json
import select
import signal
import stat
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from simulators.__main__ import config_of, main, parser
from simulators.launcher import LaunchConfig, Launcher, discover, write_ready

ROOT = Path(__file__).resolve().parents[3]
READY_KALSHI = {"rest", "ws", "accounts", "tickers"}
READY_POLYMARKET = {
    "clob", "gamma", "data", "ws_market", "ws_user", "chain_id", "accounts", "tokens",
}  # fmt: skip


def started(tmp_path, *args):
    ready = tmp_path / "ready.json"
    command = [sys.executable, "-m", "simulators", *args, "--ready", str(ready)]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not ready.exists():
        if process.poll() is not None:
            raise AssertionError(process.stderr.read())
        # Its stderr becomes readable when it ends: the only other thing to wait for.
        select.select([process.stderr], [], [], 0.05)
    return process, json.loads(ready.read_text())


def test_command_writes_the_ready_file_and_stops_on_sigterm(tmp_path):
    state = tmp_path / "state"
    process, ready = started(tmp_path, "kalshi", "--seed", "7", "--state", str(state))
    try:
        assert set(ready) == {"admin", "kalshi"}
        assert set(ready["kalshi"]) == READY_KALSHI
        assert len(ready["kalshi"]["tickers"]) >= 20
        kinds = {a["key_type"] for a in ready["kalshi"]["accounts"]}
        assert kinds == {"rsa", "ed25519"}
        for account in ready["kalshi"]["accounts"]:
            assert set(account) == {"key_id", "private_key_path", "key_type"}
            path = Path(account["private_key_path"])
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert ready["kalshi"]["rest"].endswith("/trade-api/v2")
        assert ready["kalshi"]["ws"].endswith("/trade-api/ws/v2")
    finally:
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=20)
    assert (process.returncode, out, err) == (0, "", "")
    assert [p.name for p in tmp_path.iterdir() if "ready" in p.name] == ["ready.json"]


def test_all_venues_that_exist_start_together(tmp_path):
    process, ready = started(tmp_path, "--seed", "7")
    try:
        assert ready["admin"].startswith("http://127.0.0.1:")
        assert set(ready) == {"admin", *(name for name, _ in discover())}
        if "polymarket" in ready:
            assert set(ready["polymarket"]) >= READY_POLYMARKET
            assert len(ready["polymarket"]["tokens"]) >= 20
    finally:
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=20)
    assert (process.returncode, err) == (0, "")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["binance"], "binance"),
        (["kalshi", "--switch", "kalshi.colour=red"], "unknown switch 'colour'"),
        (["kalshi", "--switch", "kalshi.fok_failure=maybe"], "fok_failure"),
        (["kalshi", "--switch", "colour"], "VENUE.NAME=VALUE"),
        (["kalshi", "--kalshi-tier", "gold"], "gold"),
        (["kalshi", "--faults", "/no/such/file"], "/no/such/file"),
        (["kalshi", "--host", "0.0.0.0"], "loopback"),
    ],
)
def test_bad_arguments_are_one_clear_line_and_exit_2(args, message, tmp_path, capsys):
    ready = tmp_path / "ready.json"
    assert main([*args, "--ready", str(ready)]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert not ready.exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"kalshi": 1}', '{"kalshi": [{"kind": "x"}]}'])
def test_a_bad_fault_file_is_refused(content, tmp_path, capsys):
    path = tmp_path / "faults.json"
    path.write_text(content)
    assert main(["kalshi", "--faults", str(path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_help_names_everything(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    text = capsys.readouterr().out
    for word in ("--seed", "--ready", "--scenario", "calibrated", "--faults", "--switch", "kalshi"):
        assert word in text


def test_options_reach_their_venue():
    args = ["kalshi", "--option", "kalshi.dollars=50", "--switch", "kalshi.weekly_pause=true"]
    config = config_of(parser().parse_args(args))
    assert config.options["kalshi"]["dollars"] == 50
    assert config.switches == {"kalshi": {"weekly_pause": True}}
    assert config.virtual_start_ns == 0


def test_ready_file_is_replaced_whole(tmp_path):
    path = tmp_path / "deep" / "ready.json"
    write_ready(path, {"a": 1})
    write_ready(path, {"a": 2})
    assert json.loads(path.read_text()) == {"a": 2}
    assert list(path.parent.iterdir()) == [path]


def config(**changes):
    base = {"venues": ("kalshi",), "scenario": "quiet", "virtual_start_ns": 1_795_248_000 * 10**9}
    return LaunchConfig(**(base | changes))


@pytest.mark.asyncio
async def test_a_run_leaves_no_task_and_no_key_behind():
    before = asyncio.all_tasks()
    async with Launcher(config(virtual_start_ns=0, scenario="default")) as run:
        paths = [Path(a["private_key_path"]) for a in run.ready["kalshi"]["accounts"]]
        assert all(path.exists() for path in paths)
    assert asyncio.all_tasks() == before
    assert not any(path.exists() for path in paths)


@pytest.mark.asyncio
async def test_a_start_that_fails_leaves_nothing_behind(tmp_path):
    bad = config(switches={"kalshi": {"colour": "red"}}, ready=tmp_path / "ready.json")
    before = asyncio.all_tasks()
    with pytest.raises(ValueError, match="colour"):
        async with Launcher(bad):
            pass
    assert asyncio.all_tasks() == before
    assert list(tmp_path.iterdir()) == []


class Broken:
    """A venue whose time cannot pass."""

    def __init__(self, venue):
        self.venue = venue

    def __getattr__(self, name):
        return getattr(self.venue, name)

    def tick(self, now_ns):
        raise RuntimeError("the clock fell down")


@pytest.mark.asyncio
async def test_a_failure_of_time_ends_the_run_and_is_not_hidden():
    before = asyncio.all_tasks()

    async def broken_run():
        async with Launcher(config(virtual_start_ns=0)) as run:
            run.venues["kalshi"] = Broken(run.venues["kalshi"])
            await run.until(asyncio.Event())

    with pytest.raises(RuntimeError, match="fell down"):
        await broken_run()
    assert asyncio.all_tasks() == before


@pytest.mark.asyncio
async def test_admin_interface():
    async with Launcher(config()) as run, aiohttp.ClientSession(run.ready["admin"]) as http:

        async def call(method, path, body=None, status=200):
            async with http.request(method, path, json=body) as response:
                found = await response.json()
                assert response.status == status, found
                return found

        assert (await call("GET", "/health"))["venues"] == ["kalshi"]
        start = (await call("GET", "/clock"))["now_ns"]
        moved = await call("POST", "/clock/advance", {"seconds": 5})
        assert moved["now_ns"] == start + 5 * 10**9
        skewed = await call("POST", "/clock/skew", {"ms": 7000})
        assert skewed["skew_ms"] == 7000
        rules = [{"kind": "reject", "scope": "POST *", "at": [1]}]
        await call("POST", "/faults", {"venue": "kalshi", "rules": rules})
        assert (await call("GET", "/faults"))["kalshi"][0]["scope"] == "POST *"
        assert (await call("DELETE", "/faults"))["kalshi"] == []
        await call("PATCH", "/switches", {"kalshi": {"fok_failure": "canceled_201"}})
        table = {row["name"]: row for row in (await call("GET", "/switches"))["kalshi"]}
        assert table["fok_failure"]["value"] == "canceled_201"
        assert table["fok_failure"]["default"] == "error_409"
        assert (await call("POST", "/market", {"steps": 3}))["steps"] == 3
        kinds = {row["kind"] for row in (await call("GET", "/log"))["kalshi"]}
        assert kinds == {"plan", "tick"}
        actions = (await call("GET", "/kalshi/"))["actions"]
        assert {"truth", "book", "settle", "pause"} <= set(actions)
        truth = await call("GET", "/kalshi/truth")
        assert (len(truth["accounts"]), truth["gap"]) == (4, 0)
        ticker = run.ready["kalshi"]["tickers"][0]
        await call("POST", "/kalshi/book", {"ticker": ticker, "bids": [["0.40", "5"]]})
        markets = (await call("GET", "/kalshi/markets"))["markets"]
        assert markets[0]["bid"] == "0.4000"
        for method, path, body in (
            ("POST", "/faults", {"venue": "x", "rules": []}),
            ("POST", "/faults", {"venue": "kalshi", "rules": [{"kind": "x"}]}),
            ("POST", "/faults", []),
            ("PATCH", "/switches", {"kalshi": {"colour": 1}}),
            ("PATCH", "/switches", {"kalshi": 1}),
            ("PATCH", "/switches", {"kalshi": {"fok_failure": "error_400"}, "x": {}}),
            ("POST", "/clock/advance", {"hours": 1}),
            ("POST", "/clock/advance", {"seconds": -1}),
            ("POST", "/market", {"steps": -1}),
            ("POST", "/market/playback", {"venue": "kalshi", "path": "/no/file"}),
            ("POST", "/kalshi/settle", {"ticker": "KXNONE", "result": "yes"}),
            ("POST", "/kalshi/explode", {}),
            ("GET", "/kalshi/settle", None),
            ("POST", "/kalshi/book", {"ticker": ticker, "bids": [["0.405", "5"]]}),
            ("POST", "/kalshi/book", {"ticker": ticker, "bids": [["0.40", "0"]]}),
            (
                "POST",
                "/kalshi/book",
                {"ticker": ticker, "bids": [["0.5", "1"]], "asks": [["0.5", "1"]]},
            ),
            ("POST", "/kalshi/cutoff", {"orders_s": []}),
            ("POST", "/kalshi/book", {"ticker": ticker, "bids": "x"}),
            ("POST", "/kalshi/deposit", {"user": "alice", "dollars": "x"}),
        ):
            found = await call(method, path, body, status=400)
            assert found["error"]
        table = {row["name"]: row for row in (await call("GET", "/switches"))["kalshi"]}
        assert table["fok_failure"]["value"] == "canceled_201"


@pytest.mark.asyncio
async def test_playback_through_the_admin(tmp_path):
    async with Launcher(config()) as run, aiohttp.ClientSession(run.ready["admin"]) as http:
        ticker = run.ready["kalshi"]["tickers"][0]
        row = {"ts_ns": 1, "market": ticker, "bids": [["0.41", "5"]], "asks": []}
        path = tmp_path / "s.jsonl"
        path.write_text(json.dumps(row) + "\n")
        body = {"venue": "kalshi", "path": str(path)}
        async with http.post("/market/playback", json=body) as response:
            assert response.status == 200
        async with http.post("/clock/advance", json={"seconds": 1}) as response:
            assert response.status == 200
        async with http.get("/kalshi/markets") as response:
            assert (await response.json())["markets"][0]["bid"] == "0.4100"
