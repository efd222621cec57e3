"""The downloader against a local host that interrupts, truncates, changes and lies."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from aiohttp import web

from backtests.data import DataError
from backtests.data.archives.download import (
    USER_AGENT,
    DownloadSettings,
    Result,
    download,
    read_manifest,
)
from backtests.data.archives.files import Archive, file_name, local_path
from tests.data import archive_support as a
from tests.data.archive_support import HOUR, T

KEY = f"kalshi/{file_name(Archive.KALSHI, HOUR)}"
NOW = datetime(2026, 11, 1, tzinfo=UTC)
Answer = Callable[["Host", web.Request], Awaitable[web.StreamResponse]]


@pytest.fixture(scope="module")
def body(tmp_path_factory) -> bytes:
    path = a.kalshi_hour(tmp_path_factory.mktemp("origin"), HOUR, a.quiet_kalshi(T))
    return path.read_bytes()


@pytest.fixture(scope="module")
def other(tmp_path_factory) -> bytes:
    rows = [*a.quiet_kalshi(T), a.k_delta(T + 7, "yes", "0.3", "9")]
    return a.kalshi_hour(tmp_path_factory.mktemp("other"), HOUR, rows).read_bytes()


class Host:
    """An object host; ``script`` holds one answer per request for the hour, the last repeats."""

    def __init__(self) -> None:
        self.files: dict[str, tuple[bytes, str]] = {}
        self.script: list[Answer] = [honest]
        self.control: Answer = honest
        self.requests: list[dict[str, str]] = []
        self.url = ""

    async def serve(self, request: web.Request) -> web.StreamResponse:
        name = request.path.lstrip("/")
        if "1999" in name:
            return await self.control(self, request)
        headers = {k: request.headers.get(k, "") for k in ("Range", "If-Range", "User-Agent")}
        self.requests.append(headers)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return await answer(self, request)


async def honest(host: Host, request: web.Request) -> web.StreamResponse:
    """Range, If-Range, ETag, 404 and 416 as an object store does."""
    if request.headers["User-Agent"].startswith("Python"):
        return web.Response(status=403)
    found = host.files.get(request.path.lstrip("/"))
    if found is None:
        return web.Response(status=404)
    data, etag = found
    start = int(request.headers["Range"].removeprefix("bytes=").split("-")[0])
    if request.headers.get("If-Range", etag) != etag:
        start = 0
    if start >= len(data):
        headers = {"Content-Range": f"bytes */{len(data)}", "ETag": etag}
        return web.Response(status=416, headers=headers)
    headers = {"ETag": etag, "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"}
    return web.Response(status=206, body=data[start:], headers=headers)


def cut_after(count: int) -> Answer:
    """Send some bytes of what is due, then drop the connection."""

    async def answer(host: Host, request: web.Request) -> web.StreamResponse:
        data, etag = host.files[request.path.lstrip("/")]
        start = int(request.headers["Range"].removeprefix("bytes=").split("-")[0])
        response = web.StreamResponse(
            status=206,
            headers={
                "ETag": etag,
                "Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}",
                "Content-Length": str(len(data) - start),
            },
        )
        await response.prepare(request)
        await response.write(data[start : start + count])
        assert request.transport is not None
        request.transport.close()
        return response

    return answer


def plain(data: bytes, status: int = 200, **headers: str) -> Answer:
    """Ignore the range and send these bytes."""

    async def answer(host: Host, request: web.Request) -> web.StreamResponse:
        named = {k.replace("_", "-"): v for k, v in headers.items()}
        return web.Response(status=status, body=data, headers=named)

    return answer


@pytest_asyncio.fixture
async def host(body):
    served = Host()
    served.files[file_name(Archive.KALSHI, HOUR)] = (body, '"v1"')
    app = web.Application()
    app.router.add_get("/{name}", served.serve)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    served.url = f"http://127.0.0.1:{port}"
    yield served
    await runner.cleanup()


async def _get(host: Host, mirror, hour=HOUR, **more):
    settings = DownloadSettings(
        hosts=dict.fromkeys(("kalshi", "polymarket_v2"), host.url), pause_s=0.0, **more
    )
    (outcome,) = await download(mirror, [(Archive.KALSHI, hour)], settings, now=lambda: NOW)
    return outcome


def _files(mirror) -> list[str]:
    return sorted(str(p.relative_to(mirror)) for p in mirror.rglob("*") if p.is_file())


@pytest.mark.asyncio
async def test_a_file_arrives_whole_with_its_manifest(host, tmp_path, body):
    seen = []
    settings = DownloadSettings(hosts={"kalshi": host.url})
    (outcome,) = await download(
        tmp_path,
        [(Archive.KALSHI, HOUR)],
        settings,
        progress=lambda name, done, total: seen.append((name, done, total)),
        now=lambda: NOW,
    )
    assert (outcome.result, outcome.bytes) == (Result.DOWNLOADED, len(body))
    assert local_path(tmp_path, Archive.KALSHI, HOUR).read_bytes() == body
    entry = read_manifest(tmp_path)[KEY]
    assert (entry.etag, entry.bytes, entry.fetched_at) == ('"v1"', len(body), NOW.isoformat())
    assert len(entry.sha256) == 64
    assert seen[-1] == (file_name(Archive.KALSHI, HOUR), len(body), len(body))
    assert host.requests[0]["User-Agent"] == USER_AGENT
    assert _files(tmp_path) == [KEY, "manifest.json"]


@pytest.mark.asyncio
async def test_what_is_there_and_sound_is_not_asked_for_again(host, tmp_path, body):
    await _get(host, tmp_path)
    assert (await _get(host, tmp_path)).result is Result.PRESENT
    assert len(host.requests) == 1
    path = local_path(tmp_path, Archive.KALSHI, HOUR)
    path.write_bytes(body[:-1] + b"X")
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert path.read_bytes() == body


@pytest.mark.asyncio
async def test_an_interrupted_file_is_resumed_where_it_stopped(host, tmp_path, body):
    host.script = [cut_after(1000), cut_after(500), honest]
    outcome = await _get(host, tmp_path)
    assert outcome.result is Result.DOWNLOADED
    assert [r["Range"] for r in host.requests] == ["bytes=0-", "bytes=1000-", "bytes=1500-"]
    assert [r["If-Range"] for r in host.requests] == ["", '"v1"', '"v1"']
    assert local_path(tmp_path, Archive.KALSHI, HOUR).read_bytes() == body


@pytest.mark.asyncio
async def test_a_later_run_resumes_too(host, tmp_path, body):
    host.script = [cut_after(1000)]
    outcome = await _get(host, tmp_path, attempts=1)
    assert outcome.result is Result.FAILED
    assert "1 tries" in outcome.why
    assert not local_path(tmp_path, Archive.KALSHI, HOUR).exists()
    host.script = [honest]
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert host.requests[-1]["Range"] == "bytes=1000-"
    assert local_path(tmp_path, Archive.KALSHI, HOUR).read_bytes() == body


@pytest.mark.asyncio
async def test_a_complete_part_needs_nothing_more(host, tmp_path, body):
    path = local_path(tmp_path, Archive.KALSHI, HOUR)
    path.parent.mkdir(parents=True)
    path.with_name(f".{path.name}.part").write_bytes(body)
    path.with_name(f".{path.name}.etag").write_text('"v1"')
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert path.read_bytes() == body
    assert _files(tmp_path) == [KEY, "manifest.json"]


@pytest.mark.asyncio
async def test_a_file_that_changed_between_two_tries_is_begun_anew(host, tmp_path, other):
    async def replace_then_cut(served, request):
        answer = await cut_after(1000)(served, request)
        served.files[file_name(Archive.KALSHI, HOUR)] = (other, '"v2"')
        return answer

    host.script = [replace_then_cut, honest]
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert local_path(tmp_path, Archive.KALSHI, HOUR).read_bytes() == other
    assert read_manifest(tmp_path)[KEY].etag == '"v2"'


@pytest.mark.asyncio
async def test_a_host_that_resumes_another_file_is_not_believed(host, tmp_path, body, other):
    async def liar(served, request):
        start = int(request.headers["Range"].removeprefix("bytes=").split("-")[0])
        headers = {"ETag": '"v2"', "Content-Range": f"bytes {start}-{len(other) - 1}/{len(other)}"}
        return web.Response(status=206, body=other[start:], headers=headers)

    host.script = [cut_after(1000), liar, honest]
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert [r["Range"] for r in host.requests] == ["bytes=0-", "bytes=1000-", "bytes=0-"]
    assert local_path(tmp_path, Archive.KALSHI, HOUR).read_bytes() == body


@pytest.mark.asyncio
async def test_a_host_that_ignores_the_range_is_taken_from_the_start(host, tmp_path, body):
    host.script = [cut_after(1000), plain(body, ETag='"v1"')]
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert local_path(tmp_path, Archive.KALSHI, HOUR).read_bytes() == body


@pytest.mark.asyncio
async def test_a_truncated_file_with_a_lying_length_is_never_accepted(host, tmp_path, body):
    host.script = [plain(body[:-50], ETag='"v1"')]
    outcome = await _get(host, tmp_path, attempts=3)
    assert outcome.result is Result.FAILED
    assert "does not end with PAR1" in outcome.why
    assert _files(tmp_path) == []


@pytest.mark.asyncio
async def test_a_web_page_is_not_an_hour(host, tmp_path):
    host.script = [plain(b"<!doctype html><html>app</html>", Content_Type="text/html")]
    outcome = await _get(host, tmp_path)
    assert outcome.result is Result.FAILED
    assert outcome.why == "no Parquet file but text/html"
    assert len(host.requests) == 1
    assert _files(tmp_path) == []


@pytest.mark.asyncio
async def test_missing_refused_and_placeholder_are_three_things(host, tmp_path):
    missing = await _get(host, tmp_path, hour=HOUR + timedelta(hours=1))
    assert (missing.result, missing.why[:8]) == (Result.MISSING, "HTTP 404")
    host.script = [plain(b"no", status=403)]
    refused = await _get(host, tmp_path)
    assert refused.result is Result.FAILED
    assert "does not say that it is missing" in refused.why
    stub = tmp_path / "stub.parquet"
    import pyarrow.parquet as pq

    pq.write_table(a.KALSHI.empty_table(), stub)
    host.script = [plain(stub.read_bytes(), ETag='"v1"')]
    placeholder = await _get(host, tmp_path)
    assert placeholder.result is Result.PLACEHOLDER
    assert "0 rows" in placeholder.why
    stub.unlink()
    assert _files(tmp_path) == []


@pytest.mark.asyncio
async def test_busy_hosts_are_asked_again(host, tmp_path):
    host.script = [plain(b"", status=503, Retry_After="0"), plain(b"", status=429), honest]
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert len(host.requests) == 3


@pytest.mark.asyncio
async def test_a_host_that_serves_impossible_hours_is_refused(host, tmp_path, body):
    host.control = plain(body)
    with pytest.raises(DataError, match="404 for a false hour"):
        await _get(host, tmp_path)
    assert host.requests == []


@pytest.mark.asyncio
async def test_one_bad_hour_does_not_stop_the_others(host, tmp_path):
    hours = [(Archive.KALSHI, HOUR + timedelta(hours=i)) for i in (1, 0)]
    settings = DownloadSettings(hosts={"kalshi": host.url}, pause_s=0.0)
    outcomes = await download(tmp_path, hours, settings)
    assert [o.result for o in outcomes] == [Result.MISSING, Result.DOWNLOADED]


@pytest.mark.asyncio
async def test_a_cancelled_download_keeps_its_part(host, tmp_path, body):
    stopped = asyncio.Event()

    async def hang(served, request):
        data, etag = served.files[request.path.lstrip("/")]
        response = web.StreamResponse(
            status=206,
            headers={"ETag": etag, "Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"},
        )
        await response.prepare(request)
        await response.write(data[:700])
        await stopped.wait()
        return response

    host.script = [hang, honest]
    arrived = asyncio.Event()
    settings = DownloadSettings(hosts={"kalshi": host.url})
    task = asyncio.create_task(
        download(
            tmp_path,
            [(Archive.KALSHI, HOUR)],
            settings,
            progress=lambda name, done, total: arrived.set(),
        )
    )
    await arrived.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    stopped.set()
    assert (await _get(host, tmp_path)).result is Result.DOWNLOADED
    assert host.requests[-1]["Range"] == "bytes=700-"
    assert local_path(tmp_path, Archive.KALSHI, HOUR).read_bytes() == body


def test_a_damaged_manifest_is_named(tmp_path):
    (tmp_path / "manifest.json").write_text(json.dumps({"x": 1}))
    with pytest.raises(DataError, match=r"manifest\.json"):
        read_manifest(tmp_path)
