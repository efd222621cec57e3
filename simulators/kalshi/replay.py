"""Plays a log again on a fresh venue and reports every answer that differs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from simulators.kalshi.app import HttpInput, KalshiApp, Verdict
from simulators.kalshi.build import VenueSpec, build_app
from simulators.kalshi.errors import RefusalError
from simulators.log import read_log, redact


@dataclass(slots=True)
class ReplayResult:
    """How many entries were played and which answers differ (ordinal, logged, replayed)."""

    entries: int = 0
    frames: int = 0
    differences: list[tuple[int, Any, Any]] = field(default_factory=list)


def replay(path: Path) -> ReplayResult:
    """Play a log and compare every answer and every message.

    Raises
    ------
    ValueError
        The file is not a log of the Kalshi simulator.

    """
    header, rows = read_log(path)
    if header.get("venue") != "kalshi":
        raise ValueError(f"{path}: a log of {header.get('venue')!r}, expected 'kalshi'")
    spec = VenueSpec.from_json(header)
    # Signatures are not in the log; the verdict of each request is. Any key will do.
    stand_in = Ed25519PrivateKey.generate().public_key()
    app = build_app(spec, {account.name: stand_in for account in spec.accounts})
    result = ReplayResult()
    for row in rows:
        _play(app, row, result)
    return result


def _play(app: KalshiApp, row: Mapping[str, Any], result: ReplayResult) -> None:
    result.entries += 1
    kind, now_ns = row["kind"], row["now_ns"]
    request = row["request"]
    if kind == "rest":
        _play_request(app, row, result)
    elif kind == "tick" and row["route"] == "quote":
        app.quote(request[0], _levels(request[1]), _levels(request[2]), now_ns)
    elif kind == "tick":
        app.take(request[0], request[1], Decimal(request[2]), Decimal(request[3]), now_ns)
    elif kind == "admin":
        _compare(result, row, redact(app.operate(row["route"], request, now_ns)))
    elif kind == "ws_open":
        app.faults.hit("ws:connect", request["id"])
        app.open_socket(int(row["subject"]), _verdict(app, request, request["id"]), now_ns)
    elif kind == "ws_in":
        app.command(int(row["subject"]), request, now_ns)
    elif kind == "ws_close":
        app.close_socket(int(row["subject"]), now_ns)
    elif kind == "plan":
        _play_plan(app, row)
    elif kind == "ws_out":
        _play_frame(app, row, result)


def _play_request(app: KalshiApp, row: Mapping[str, Any], result: ReplayResult) -> None:
    asked = row["request"]
    request = HttpInput(
        asked["method"], asked["path"], asked["query"], {}, asked["raw"].encode("utf-8")
    )
    faults = app.faults.hit(row["route"], asked["id"])
    verdict = _verdict(app, asked, row["subject"])
    app.apply(request, row["now_ns"], verdict, faults)
    entry = app.log.last
    assert entry is not None
    if (entry.status, entry.reply) != (row["status"], row["reply"]):
        result.differences.append((row["ordinal"], row["reply"], entry.reply))


def _play_plan(app: KalshiApp, row: Mapping[str, Any]) -> None:
    request = row["request"]
    if row["route"] == "switches":
        app.state.switches.update(request)
    elif row["route"] == "add":
        app.faults.extend(request)
    elif row["route"] == "remove":
        app.faults.remove(request)
    else:
        app.faults.clear()


def _play_frame(app: KalshiApp, row: Mapping[str, Any], result: ReplayResult) -> None:
    number = int(row["subject"])
    connection = app.connections.get(number)
    if connection is None:
        return
    if not connection.frames:
        app.exchange.advance(row["now_ns"])
        connection.frames = connection.session.take()
    result.frames += 1
    body = redact(connection.frames.pop(0).body) if connection.frames else None
    if body != row["reply"]:
        result.differences.append((row["ordinal"], row["reply"], body))


def _verdict(app: KalshiApp, asked: Mapping[str, Any], key_id: str) -> Verdict:
    if asked["refused"] is not None:
        status, body = asked["refused"]
        return Verdict(refusal=RefusalError(status, body, ""))
    return Verdict(app.core.keys.keys.get(key_id))


def _compare(result: ReplayResult, row: Mapping[str, Any], reply: Any) -> None:  # noqa: ANN401 - JSON
    if reply != row["reply"]:
        result.differences.append((row["ordinal"], row["reply"], reply))


def _levels(rows: list[list[str]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(px), Decimal(size)) for px, size in rows]
