"""kill -9 between any two statements: what was announced as durable is there, and nothing half."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from journal.migrate import create
from journal.store import Journal
from tests.journal import build

ROOT = Path(__file__).resolve().parent.parent.parent


def _child(path: Path, mode: str, n: int, synchronous: str = "NORMAL") -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.journal.child", str(path), mode, str(n), synchronous],
        cwd=ROOT, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


def _rows(path: Path, sql: str) -> list[tuple]:
    db = sqlite3.connect(path)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return db.execute(sql).fetchall()
    finally:
        db.close()


def _check(path: Path, announced: list[str]) -> None:
    intents = {i for (i,) in _rows(path, "SELECT intent_id FROM intents")}
    orders = {o for (o,) in _rows(path, "SELECT client_order_id FROM orders")}
    assert {a for a in announced if a.startswith("I-")} <= intents
    assert {a for a in announced if a.startswith("O-")} <= orders
    legs = _rows(path, "SELECT intent_id, COUNT(*) FROM intent_legs GROUP BY intent_id")
    assert {i: 2 for i in intents} == dict(legs)
    # what was written before a durable intent is durable with it
    decided = {d for (d,) in _rows(path, "SELECT decision_id FROM decisions")}
    assert {"D" + i[1:] for i in intents} <= decided
    books = dict(_rows(path, "SELECT decision_id, COUNT(*) FROM books GROUP BY decision_id"))
    assert books == dict.fromkeys(decided, 2)


def test_kill_before_every_statement(tmp_path: Path) -> None:
    template = tmp_path / "template.db"
    create(template)
    died_at = 0
    while True:
        path = tmp_path / f"{died_at}.db"
        path.write_bytes(template.read_bytes())
        child = _child(path, "statement", died_at)
        out, _ = child.communicate(timeout=60)
        _check(path, out.decode().split())
        if child.returncode == 0:
            break
        assert child.returncode == -signal.SIGKILL
        # the lock died with its holder, and the next run carries on in the same file
        if died_at % 7 == 0:
            with Journal(path, build.run("after")) as journal:
                journal.add_decision(build.decision(99))
                journal.write_intent(build.intent(99))
            _check(path, ["I-99"])
        died_at += 1
    assert died_at > 20, "the child has more statements than this"


@pytest.mark.parametrize("synchronous", ["NORMAL", "FULL"])
def test_kill_from_outside(tmp_path: Path, synchronous: str) -> None:
    path = tmp_path / "j.db"
    create(path)
    child = _child(path, "endless", 0, synchronous)
    assert child.stdout is not None
    announced = [child.stdout.readline().decode().strip() for _ in range(200)]
    child.kill()
    announced += child.stdout.read().decode().split()
    child.wait(timeout=60)
    child.stdout.close()
    _check(path, announced)


@pytest.mark.parametrize("cut", [1, 100, 2_000, 4_096])
def test_torn_end_of_log(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path, build.run())
    for n in range(1, 21):
        journal.write_intent(build.intent(n))
    wal = path.with_name(path.name + "-wal")
    state = path.read_bytes(), wal.read_bytes()
    journal.abandon()
    torn = tmp_path / "torn.db"
    torn.write_bytes(state[0])
    torn.with_name("torn.db-wal").write_bytes(state[1][:-cut])
    found = [i for (i,) in _rows(torn, "SELECT intent_id FROM intents ORDER BY seq")]
    # a prefix of whole transactions: at most the last one is gone
    assert found == [f"I-{n}" for n in range(1, len(found) + 1)]
    assert len(found) >= 19
    with Journal(torn, build.run("next")) as again:
        again.write_intent(build.intent(50))
    assert [i for (i,) in _rows(torn, "SELECT intent_id FROM intents ORDER BY seq")][-1] == "I-50"


def test_garbage_at_the_end_of_the_log_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path, build.run())
    journal.write_intent(build.intent(1))
    state = path.read_bytes(), path.with_name("j.db-wal").read_bytes()
    journal.abandon()
    torn = tmp_path / "torn.db"
    torn.write_bytes(state[0])
    torn.with_name("torn.db-wal").write_bytes(state[1] + os.urandom(5_000))
    assert _rows(torn, "SELECT intent_id FROM intents") == [("I-1",)]
