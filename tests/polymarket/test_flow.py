"""A trading node against the local venue with every fault, killed in the middle, belief = truth.

The node is a process of its own; it writes down what it believes before anybody reads the venue's
truth. The venue fails trades on chain, loses answers, loses, repeats and reorders messages, closes
sockets; the node is killed without warning and started again from its order log alone.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.polymarket.support.simulator import ROOT, Simulator

D = Decimal


def rule(kind: str, scope: str, every: int) -> dict[str, Any]:
    return {"kind": kind, "scope": scope, "every": every}


FAULTS = [
    rule("accept_then_timeout", "POST /order", 23),
    rule("accept_then_5xx", "POST /order", 17),
    rule("timeout_before_accept", "POST /order", 29),
    rule("error_before_accept", "POST /order", 19),
    rule("rate_limit", "POST /order", 37),
    rule("reset", "POST /order", 31),
    rule("late_reply", "POST /order", 7),
    rule("accept_then_5xx", "POST /orders", 3),
    rule("accept_then_timeout", "POST /orders", 5),
    rule("accept_then_5xx", "DELETE *", 7),
    rule("accept_then_timeout", "DELETE *", 13),
    rule("error_before_accept", "DELETE *", 11),
    rule("error_before_accept", "GET *", 29),
    rule("rate_limit", "GET *", 43),
    rule("reset", "GET *", 37),
    rule("late_reply", "GET *", 31),
    rule("drop", "ws:price_change", 61),
    rule("duplicate", "ws:price_change", 31),
    rule("late", "ws:price_change", 47),
    rule("reorder", "ws:price_change", 53),
    rule("missing_field", "ws:price_change", 307),
    rule("unknown_fields", "ws:price_change", 41),
    rule("close", "ws:price_change", 1997),
    rule("drop", "ws:book", 31),
    rule("duplicate", "ws:book", 17),
    rule("late", "ws:book", 23),
    rule("missing_field", "ws:book", 101),
    rule("drop", "ws:last_trade_price", 7),
    *(
        rule(kind, scope, every)
        for scope in ("ws:order", "ws:trade")
        for kind, every in (
            ("drop", 7),
            ("duplicate", 5),
            ("late", 11),
            ("reorder", 9),
            ("missing_field", 23),
            ("unknown_fields", 13),
            ("close", 67),
        )
    ),
    {"kind": "half_open", "scope": "ws:trade", "at": [60]},
]

CHAIN = {"mined_ms_min": 500, "mined_ms_max": 1900, "confirmed_ms": 700, "retry_per_mille": 150}
OTHER_SWITCHES = {
    "trade_status_prefix": "prefixed",
    "not_broadcasted_ms": 200,
    "taker_price": "limit",
    "price_change_entries": "subscribed",
    "taker_order_events": "full",
    "user_timestamp": "s",
    "created_at": "ms",
    "trade_fields": "sparse",
    "empty_strings": True,
    "cancel_event": "free_text",
    "cancelled_order_query": "null",
    "batch_error_success": False,
    "fak_shares": "floor_minus_one",
    "cap_marketable": True,
    "hash_last_price": "complement",
    "balance_text": "plain",
    "unmatched": "failed",
    "new_market_noise": True,
    "gamma_v2_tokens": "position_ids",
}


class Flow:
    """Runs nodes against one simulator and compares belief with truth."""

    def __init__(self, simulator: Simulator, folder: Path, account: int) -> None:
        self.simulator = simulator
        self.folder = folder
        self.account = account

    def start(self, tag: str, seed: int, seconds: float) -> subprocess.Popen[bytes]:
        folder = self.folder
        venue = self.simulator.venue
        settings = {
            "venue": {k: venue[k] for k in ("clob", "gamma", "data", "ws_market", "geoblock")},
            "account": venue["accounts"][self.account],
            "tokens": venue["tokens"][:8],
            "admin": self.simulator.admin,
            "order_log": str(folder / "orders.jsonl"),
            "journal": str(folder / f"journal-{tag}.jsonl"),
            "belief": str(folder / f"belief-{tag}.json"),
            "log_level": "WARNING",
            "quiet_s": 40.0,
            "seconds": seconds,
            "seed": seed,
            "tag": tag,
        }
        path = folder / f"settings-{tag}.json"
        path.write_text(json.dumps(settings))
        with (folder / f"node-{tag}.log").open("w") as log:
            return subprocess.Popen(
                [sys.executable, "-m", "tests.polymarket.flow_node", str(path)],
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def wait_for_orders(self, tag: str, seconds: float) -> None:
        """Wait until a node has traded for a while."""
        journal = self.folder / f"journal-{tag}.jsonl"
        deadline = time.monotonic() + 40
        while not journal.exists():
            assert time.monotonic() < deadline, self.log(tag)
            time.sleep(0.1)
        time.sleep(seconds)

    def log(self, tag: str) -> str:
        return (self.folder / f"node-{tag}.log").read_text()[-3000:]

    def journal(self, tag: str) -> list[dict[str, str]]:
        lines = (self.folder / f"journal-{tag}.jsonl").read_text().splitlines()
        return [json.loads(line) for line in lines if line.endswith("}")]

    def finish(self, process: subprocess.Popen[bytes], tag: str, seconds: float) -> dict[str, Any]:
        """Wait for a node's end and check what it believed against the truth read after."""
        try:
            process.wait(timeout=seconds + 120)
        finally:
            process.kill()
        path = self.folder / f"belief-{tag}.json"
        assert path.exists(), self.log(tag)
        belief = json.loads(path.read_text())
        self.compare(belief, self.simulator.account(self.account))
        return belief

    def compare(self, belief: dict[str, Any], truth: dict[str, Any]) -> None:
        def shares(found: dict[str, str]) -> dict[str, Decimal]:
            return {token: D(text) for token, text in found.items() if D(text)}

        assert belief["stuck"] == []
        assert belief["open"] == belief["inflight"] == belief["unconfirmed"] == []
        assert [o["id"] for o in truth["orders"] if o["open"]] == []
        assert shares(belief["positions"]) == shares(truth["tokens"])
        assert shares(belief["holdings"]) == shares(truth["tokens"])
        assert [D(b) for b in belief["balance"]] == [D(truth["cash"])]
        assert [D(b) for b in belief["locked"]] == [0]
        logged = {
            json.loads(line)["order_id"]
            for line in (self.folder / "orders.jsonl").read_text().splitlines()
        }
        assert {o["id"] for o in truth["orders"]} <= logged, "sent before it was written down"


def booked_and_reverted(journal: list[dict[str, str]]) -> tuple[list[str], list[str]]:
    fills = [e["trade_id"] for e in journal if e["kind"] == "OrderFilled"]
    return fills, [e["trade_id"] for e in journal if e["kind"] == "reverted"]


def check_run(flow: Flow, belief: dict[str, Any], tags: tuple[str, ...]) -> None:
    truth = flow.simulator.account(flow.account)
    for tag in tags:
        fills, reverted = booked_and_reverted(flow.journal(tag))
        assert len(fills) == len(set(fills)), "no fill is booked twice"
        assert len(reverted) == len(set(reverted))
    assert belief["feed"]["verified"] > 50
    assert belief["books"]["different"] == 0
    assert belief["books"]["equal"] >= 8
    failed = [t for t in truth["trades"] if t["status"] == "FAILED"]
    assert failed, "the venue failed trades on chain"
    assert any(booked_and_reverted(flow.journal(tag))[1] for tag in tags)
    assert sum(belief["events"].values()) > 50


def run_with_restart(folder: Path, *, before_s: float, after_s: float, seed: int) -> None:
    switches = {**CHAIN, "fail_per_mille": 150}
    with Simulator(folder, seed=seed, switches=switches, faults=FAULTS) as simulator:
        flow = Flow(simulator, folder, account=1)
        first = flow.start("001", seed, seconds=3600)
        flow.wait_for_orders("001", before_s)
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = flow.start("002", seed + 1, seconds=after_s)
        flow.wait_for_orders("002", after_s - 2)
        hits = {(r["kind"], r["scope"]): r["hits"] for r in simulator.get("/faults")["polymarket"]}
        belief = flow.finish(second, "002", after_s)
        assert sum(1 for n in hits.values() if n) >= 30, f"faults that never struck: {hits}"
        check_run(flow, belief, ("001", "002"))


@pytest.mark.full  # about one run in a few still believes an ended order open at the end
def test_flow_with_every_fault_and_a_kill_in_the_middle(tmp_path: Path) -> None:
    run_with_restart(tmp_path, before_s=22, after_s=30, seed=11)


def test_flow_with_the_other_reading_of_every_uncertain_rule(tmp_path: Path) -> None:
    switches = {**CHAIN, **OTHER_SWITCHES, "fail_per_mille": 400}
    with Simulator(tmp_path, seed=5, switches=switches) as simulator:
        flow = Flow(simulator, tmp_path, account=2)
        belief = flow.finish(flow.start("001", 5, seconds=12), "001", 12)
        check_run(flow, belief, ("001",))


@pytest.mark.full
@pytest.mark.parametrize("seed", [21, 22])
def test_long_flow(tmp_path: Path, seed: int) -> None:
    run_with_restart(tmp_path, before_s=280, after_s=300, seed=seed)


@pytest.mark.full
@pytest.mark.parametrize("account", range(4))
def test_every_wallet_type(tmp_path: Path, account: int) -> None:
    with Simulator(tmp_path, seed=9, switches={**CHAIN, "fail_per_mille": 300}) as simulator:
        flow = Flow(simulator, tmp_path, account=account)
        belief = flow.finish(flow.start("001", account, seconds=12), "001", 12)
        check_run(flow, belief, ("001",))
