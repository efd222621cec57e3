"""``--online`` against a local server; an unreachable venue is a warning."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate

import pytest
from aiohttp import web

from twinbook.health.online import examine_online


class Server:
    """A venue on loopback that answers with a status and a date of the test's choice."""

    def __init__(self) -> None:
        self.status = 200
        self.date: str | None = None
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._start())
        self._ready.set()
        self._loop.run_forever()
        self._loop.run_until_complete(self._runner.cleanup())
        self._loop.close()

    async def _start(self) -> None:
        async def answer(_request: web.Request) -> web.Response:
            headers = {} if self.date is None else {"Date": self.date}
            return web.Response(status=self.status, text="{}", headers=headers)

        app = web.Application()
        app.router.add_get("/time", answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/time"

    def stop(self) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    running = Server()
    yield running
    running.stop()


@pytest.mark.parametrize(
    ("status", "seconds", "expected", "said"),
    [
        (200, 0, "ok", "clocks differ by 0.0 s"),
        (503, 0, "ok", "answered 503"),
        (200, -10, "warn", "clocks differ by"),
        (200, 600, "fail", "signatures will be refused"),
        (451, 0, "warn", "answered 451"),
    ],
)
def test_answers(server: Server, status: int, seconds: int, expected: str, said: str) -> None:
    server.status, server.date = status, formatdate(time.time() + seconds, usegmt=True)
    (finding,) = examine_online([("venue", server.url)])
    assert finding.status == expected
    assert said in finding.found


def test_a_date_that_is_none(server: Server) -> None:
    server.date = "yesterday"
    (finding,) = examine_online([("venue", server.url)])
    assert (finding.status, "no time" in finding.found) == ("ok", True)


def test_unreachable(server: Server) -> None:
    server.stop()
    (finding,) = examine_online([("venue", server.url)])
    assert finding.status == "warn"
    assert "ClientConnector" in finding.found
