"""The shared plumbing: limiter, backoff, retries, frames, transport, stream, health."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from aiohttp import WSMsgType, web
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.errors import (
    ConfigError,
    ConnectFailed,
    ConnectionLost,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    UsageError,
    VenueRefusal,
    VenueUnavailable,
)
from adapters.common.frames import FrameTap, read_frames
from adapters.common.health import FeedMonitor, FeedState
from adapters.common.limiter import Limiter, TokenBucket
from adapters.common.retry import Backoff, ReadRetry
from adapters.common.stream import ReconnectingStream
from adapters.common.transport import AiohttpTransport, HttpRequest

S = 1_000_000_000


# -- limiter


def test_a_bucket_pays_until_empty_and_then_makes_wait() -> None:
    bucket = TokenBucket(10.0, 20.0)
    assert [bucket.reserve(10, 0) for _ in range(4)] == [0.0, 0.0, 1.0, 2.0]
    assert bucket.reserve(10, 3 * S) == 0.0


def test_a_cost_above_the_capacity_can_never_pass() -> None:
    with pytest.raises(UsageError, match="one call costs 25 tokens, the bucket holds 20"):
        TokenBucket(10.0, 20.0).reserve(25, 0)


def test_a_drained_bucket_refills_and_a_clock_that_goes_back_gives_nothing() -> None:
    bucket = TokenBucket(10.0, 20.0)
    bucket.drain(5 * S)
    assert bucket.level(4 * S) == 0.0
    assert bucket.level(6 * S) == 10.0


@given(
    costs=st.lists(st.integers(1, 20), min_size=1, max_size=60),
    gaps=st.lists(st.integers(0, 3 * S), min_size=60, max_size=60),
)
def test_never_more_passes_than_capacity_plus_refill(costs: list[int], gaps: list[int]) -> None:
    bucket, now, passed = TokenBucket(10.0, 20.0), 0, []
    for cost, gap in zip(costs, gaps, strict=False):
        now += gap
        passed.append((now + int(bucket.reserve(cost, now) * S), cost))
    for start in range(len(passed)):
        spent = 0.0
        for at, cost in passed[start:]:
            spent += cost
            window_s = (at - passed[start][0]) / S
            assert spent <= 20 + 10 * window_s + 1e-6


@pytest.mark.asyncio
async def test_a_limiter_serves_in_the_order_of_asking() -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(round(seconds, 6))

    limiter = Limiter({"write": TokenBucket(10.0, 10.0)}, clock_ns=lambda: 0, sleep=sleep)
    for _ in range(3):
        await limiter.acquire("write", 10)
    assert slept == [1.0, 2.0]
    with pytest.raises(UsageError, match="no rate-limit scope 'x'; there are: write"):
        await limiter.acquire("x")


# -- retry


@given(attempt=st.integers(1, 200), draw=st.floats(0, 0.999))
def test_waits_grow_to_a_bound_and_are_jittered(attempt: int, draw: float) -> None:
    backoff = Backoff(first_s=0.2, most_s=10.0)
    wait = backoff.delay_s(attempt, draw)
    assert 0.1 <= wait <= 10.0
    assert backoff.delay_s(attempt, 0.0) <= wait


@pytest.mark.asyncio
async def test_reads_are_repeated_and_refusals_are_not() -> None:
    retry = ReadRetry(attempts=3, backoff=Backoff(first_s=0.0001, most_s=0.0002), draw=lambda: 0.5)
    calls: list[int] = []

    async def flaky() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise VenueUnavailable(503, "x")
        return "ok"

    assert await retry.run(flaky) == "ok"
    assert len(calls) == 3
    calls.clear()

    async def refused() -> str:
        calls.append(1)
        raise VenueRefusal(404, "not_found")

    with pytest.raises(VenueRefusal):
        await retry.run(refused)
    assert len(calls) == 1
    calls.clear()

    async def down() -> str:
        calls.append(1)
        raise RequestTimeout("x")

    with pytest.raises(RequestTimeout):
        await retry.run(down)
    assert len(calls) == 3


def test_retry_after_is_honoured() -> None:
    retry = ReadRetry(draw=lambda: 0.0)
    assert retry.wait_s(RateLimited(429, "x", retry_after_s=7.0), 1) == 7.0
    assert retry.wait_s(RateLimited(429, "x"), 1) == 0.1
    assert retry.wait_s(ValueError(), 1) is None


# -- frames


def test_frames_come_back_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tap.zst"
    frames = [(1, "a", b'{"x": "\xc3\xa9"}'), (2, "b", b"\xff\x00"), (3, "a", b"")]
    for part in (frames[:2], frames[2:]):
        with FrameTap(path) as tap:
            for frame in part:
                tap.write(*frame)
    assert [tuple(frame) for frame in read_frames(path)] == frames


def test_a_tap_cut_off_by_a_crash_reads_to_its_last_block(tmp_path: Path) -> None:
    path = tmp_path / "tap.zst"
    tap = FrameTap(path, flush_bytes=1)
    for i in range(50):
        tap.write(i, "a", b"x" * 100)
    whole = path.read_bytes()
    tap.close()
    path.write_bytes(whole[:-7])
    read = list(read_frames(path))
    assert 40 <= len(read) <= 50
    assert read == sorted(read)


def test_a_foreign_line_names_file_and_line(tmp_path: Path) -> None:
    import zstandard

    path = tmp_path / "tap.zst"
    path.write_bytes(zstandard.compress(b'[1,"a","b"]\n{"no":1}\n'))
    with pytest.raises(ProtocolError, match=r"tap\.zst, line 2"):
        list(read_frames(path))


# -- health


def test_a_feed_is_good_only_when_open_and_whole() -> None:
    feed = FeedMonitor("market-data")
    assert feed.state is FeedState.DOWN
    feed.dialing()
    assert feed.state is FeedState.CONNECTING
    feed.opened(1)
    assert feed.state is FeedState.GOOD
    feed.spoiled("A", "gap")
    feed.spoiled("A", "gap")
    assert (feed.state, feed.gaps) == (FeedState.RECOVERING, 1)
    feed.repaired("A")
    assert feed.state is FeedState.GOOD
    feed.lost("reset")
    assert (feed.state, feed.reconnects) == (FeedState.DOWN, 1)


def test_errors_say_field_found_and_allowed() -> None:
    assert str(ConfigError("x", 3, "1 or 2")) == "x: found 3, allowed: 1 or 2"


# -- transport


class Server:
    """One loopback server whose behaviour a test sets."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.hang = asyncio.Event()
        self.ws_behaviour = "echo"

    async def __aenter__(self) -> Server:
        app = web.Application()
        app.router.add_route("*", "/rest/{tail:.*}", self._rest)
        app.router.add_get("/ws", self._ws)
        app.router.add_get("/refused", self._refused)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.http, self.ws = f"http://127.0.0.1:{port}", f"ws://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self.hang.set()
        await self._runner.cleanup()

    async def _refused(self, request: web.Request) -> web.StreamResponse:
        return web.Response(status=401)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        tail = request.match_info["tail"]
        if tail == "hang":
            await self.hang.wait()
        if tail == "break":
            request.transport.abort()
        if tail == "moved":
            raise web.HTTPMovedPermanently("/rest/other")
        return web.Response(status=429, body=await request.read(), headers={"Retry-After": "2"})

    async def _ws(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False, heartbeat=None)
        await socket.prepare(request)
        if self.ws_behaviour == "silent":
            await self.hang.wait()
            return socket
        await socket.send_str("hello")
        if self.ws_behaviour == "ping":
            await socket.ping(b"heartbeat")
            answer = await socket.receive()
            await socket.send_str(f"{answer.type.name} {bytes(answer.data).decode()}")
        if self.ws_behaviour == "close":
            await socket.close()
            return socket
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                await socket.send_str(message.data)
        return socket


@pytest.mark.asyncio
async def test_one_request_goes_out_as_given_and_one_answer_comes_back() -> None:
    async with Server() as server:
        transport = AiohttpTransport()
        url = f"{server.http}/rest/a%2Fb?x=1%2C2"
        answer = await transport.send(HttpRequest("DELETE", url, {"X-A": "1"}, b"body"))
        assert (answer.status, answer.body, answer.retry_after_s()) == (429, b"body", 2.0)
        assert server.seen[0].raw_path == "/rest/a%2Fb?x=1%2C2"
        assert server.seen[0].headers["X-A"] == "1"
        assert (await transport.send(HttpRequest("GET", f"{server.http}/rest/moved"))).status == 301
        await transport.close()


@pytest.mark.asyncio
async def test_failures_say_whether_anything_was_sent() -> None:
    async with Server() as server:
        transport = AiohttpTransport(connect_timeout_s=1.0)
        with pytest.raises(RequestTimeout) as late:
            await transport.send(HttpRequest("GET", f"{server.http}/rest/hang", timeout_s=0.05))
        with pytest.raises(ConnectionLost) as broken:
            await transport.send(HttpRequest("POST", f"{server.http}/rest/break", body=b"x"))
        assert late.value.sent
        assert broken.value.sent
        dead = server.http
    with pytest.raises(ConnectFailed) as never:
        await transport.send(HttpRequest("GET", f"{dead}/rest/x"))
    assert not never.value.sent
    await transport.close()


@pytest.mark.asyncio
async def test_a_socket_answers_pings_and_tells_its_end() -> None:
    async with Server() as server:
        transport = AiohttpTransport()
        server.ws_behaviour = "ping"
        socket = await transport.connect(f"{server.ws}/ws", {}, idle_timeout_s=5)
        assert await socket.receive() == b"hello"
        assert await socket.receive() == b"PONG heartbeat"
        await socket.close()
        server.ws_behaviour = "close"
        socket = await transport.connect(f"{server.ws}/ws", {}, idle_timeout_s=5)
        assert await socket.receive() == b"hello"
        with pytest.raises(ConnectionLost, match="closed by the other side"):
            await socket.receive()
        with pytest.raises(ConnectFailed, match="HTTP 401"):
            await transport.connect(f"{server.ws}/refused", {}, idle_timeout_s=5)
        await transport.close()


@pytest.mark.asyncio
async def test_a_silent_socket_counts_as_lost() -> None:
    async with Server() as server:
        transport = AiohttpTransport()
        server.ws_behaviour = "silent"
        socket = await transport.connect(f"{server.ws}/ws", {}, idle_timeout_s=0.2)
        with pytest.raises(ConnectionLost, match="silent"):
            await socket.receive()
        await socket.close()
        server.hang.set()
        await transport.close()


async def until(condition, turns: int = 2_000) -> None:
    for _ in range(turns):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never became so")


class Handler:
    def __init__(self) -> None:
        self.log: list[str] = []
        self.out: list[str] = []
        self.refuse = False

    def on_dial(self) -> None:
        self.log.append("dial")

    def on_open(self) -> None:
        self.log.append("open")
        self.out.append(json.dumps({"n": len(self.log)}))

    def on_frame(self, frame: bytes) -> None:
        self.log.append(frame.decode())
        if self.refuse:
            raise ProtocolError("not a frame")

    def on_tick(self) -> None:
        return

    def on_lost(self, reason: str) -> None:
        self.log.append(f"lost {reason.partition(':')[0]}")

    def frames_to_send(self):
        out, self.out = self.out, []
        return out


@pytest.mark.asyncio
async def test_a_stream_dials_again_with_headers_made_anew(tmp_path: Path) -> None:
    async with Server() as server:
        server.ws_behaviour = "close"
        handler, stamps = Handler(), iter(range(100))
        dialled: list[str] = []

        def headers() -> dict[str, str]:
            dialled.append(str(next(stamps)))
            return {"X-Time": dialled[-1]}

        tap = FrameTap(tmp_path / "tap.zst")
        transport = AiohttpTransport()
        stream = ReconnectingStream(
            name="s",
            transport=transport,
            url=f"{server.ws}/ws",
            headers=headers,
            handler=handler,
            clock_ns=lambda: 5,
            backoff=Backoff(first_s=0.001, most_s=0.002),
            tap=tap,
        )
        task = asyncio.create_task(stream.run())
        await until(lambda: handler.log.count("lost ConnectionLost") >= 3)
        handler.refuse = True
        await until(lambda: "lost ProtocolError" in handler.log)
        await stream.close()
        await asyncio.wait_for(task, 5)
        tap.close()
        assert dialled[:3] == ["0", "1", "2"]
        assert handler.log[:4] == ["dial", "open", "hello", "lost ConnectionLost"]
        assert next(iter(read_frames(tmp_path / "tap.zst"))) == (5, "s", b"hello")
        await transport.close()
