"""The simulated venue as a process, and its admin interface over HTTP."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any


class SimVenue:
    """``python -m simulators kalshi`` until the ``with`` block ends."""

    def __init__(self, folder: Path, *, seed: int = 7, args: tuple[str, ...] = ()) -> None:
        self.ready_path = folder / "ready.json"
        self._log = (folder / "simulator.log").open("ab")
        self._command = [
            sys.executable,
            "-m",
            "simulators",
            "kalshi",
            "--seed",
            str(seed),
            "--ready",
            str(self.ready_path),
            *args,
        ]

    def __enter__(self) -> SimVenue:
        self._process = subprocess.Popen(self._command, stdout=self._log, stderr=self._log)
        deadline = time.monotonic() + 60
        while not self.ready_path.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the simulator did not start: {self._log.name}")
            time.sleep(0.05)
        self.ready = json.loads(self.ready_path.read_text())
        self.kalshi = self.ready["kalshi"]
        self.tickers: list[str] = self.kalshi["tickers"]
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    def admin(self, method: str, path: str, body: object | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.ready["admin"] + path,
            data=data,
            method=method,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as exc:
            raise RuntimeError(f"{method} {path}: {exc.read().decode()}") from exc

    def do(self, action: str, **body: object) -> Any:
        return self.admin("POST", f"/kalshi/{action}", body)

    def fault(self, kind: str, scope: str, **when: object) -> None:
        name = f"{kind} {scope} {when}"
        rule = {"id": name, "kind": kind, "scope": scope, **when}
        self.admin("POST", "/faults", {"venue": "kalshi", "rules": [rule]})

    def heal(self) -> None:
        self.admin("DELETE", "/faults")

    def hits(self) -> dict[str, int]:
        rules = self.admin("GET", "/faults")["kalshi"]
        return {rule["id"]: rule["hits"] for rule in rules}

    def switch(self, **values: object) -> None:
        self.admin("PATCH", "/switches", {"kalshi": values})

    def truth(self, account: int = 1) -> dict[str, Any]:
        key_id = self.kalshi["accounts"][account]["key_id"]
        accounts = self.admin("GET", "/kalshi/truth")["accounts"].values()
        return next(a for a in accounts if key_id in a["key_ids"])


def run_node(venue: SimVenue, folder: Path, name: str, *args: str, timeout: float) -> list[dict]:
    """Run the node application to its end; return its journalled beliefs."""
    belief = folder / f"{name}.jsonl"
    log = folder / f"{name}.log"
    command = [
        sys.executable,
        "-m",
        "tests.kalshi.support.node_app",
        "--ready",
        str(venue.ready_path),
        "--belief",
        str(belief),
        *args,
    ]
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ.copy())
        try:
            code = process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise RuntimeError(f"the node did not stop: {log}") from None
    if code != 0:
        raise RuntimeError(f"the node ended with {code}: {log.read_text()[-3000:]}")
    return [json.loads(line) for line in belief.read_text().splitlines()]
