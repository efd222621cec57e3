"""Start the local venue as a process and talk to its admin interface; nothing of it is imported."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[3]


class Simulator:
    """One running venue."""

    def __init__(
        self,
        folder: Path,
        *,
        seed: int = 7,
        switches: dict[str, object] | None = None,
        faults: list[dict[str, Any]] | None = None,
        more: tuple[str, ...] = (),
    ) -> None:
        self.folder = folder
        self.ready = folder / "ready.json"
        command = [sys.executable, "-m", "simulators", "polymarket", "--seed", str(seed)]
        command += ["--ready", str(self.ready), "--state", str(folder / "state"), *more]
        for name, value in (switches or {}).items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            command += ["--switch", f"polymarket.{name}={text}"]
        if faults:
            path = folder / "faults.json"
            path.write_text(json.dumps({"polymarket": faults}))
            command += ["--faults", str(path)]
        self._log = (folder / "simulator.log").open("w")
        self._process = subprocess.Popen(command, cwd=ROOT, stdout=self._log, stderr=self._log)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 30
        while not self.ready.exists():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.__exit__(None, None, None)
                raise AssertionError((self.folder / "simulator.log").read_text()[-2000:])
            time.sleep(0.05)
        found = json.loads(self.ready.read_text())
        self.admin: str = found["admin"]
        self.venue: dict[str, Any] = found["polymarket"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()

    @property
    def urls(self) -> dict[str, str]:
        """Settings of the adapter's configs."""
        return {
            "environment": "local",
            "clob_url": self.venue["clob"],
            "gamma_url": self.venue["gamma"],
            "data_api_url": self.venue["data"],
            "ws_url": self.venue["ws_market"].rsplit("/", 1)[0],
            "geoblock_url": self.venue["geoblock"],
        }

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.admin + path, timeout=10) as answer:
            return json.load(answer)

    def patch(self, path: str, body: object) -> Any:
        return self.post(path, body, method="PATCH")

    def post(self, path: str, body: object, method: str = "POST") -> Any:
        request = urllib.request.Request(
            self.admin + path,
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method,
        )
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def account(self, number: int) -> dict[str, Any]:
        """Return the venue's truth about an account."""
        return self.get(f"/polymarket/accounts/{self.venue['accounts'][number]['funder']}")
