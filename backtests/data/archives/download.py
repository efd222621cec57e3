"""Download archive hours into a mirror, resuming what was interrupted.

The hosts mislead (archive notes of 2026-11), so nothing is believed that was not checked:

1. A bare Python user agent is answered with 403, which looks like "missing": we name ourselves.
2. HEAD answers 200 for impossible keys: the first bytes are asked for with GET and ``Range``.
3. An impossible hour is probed as control: a host that serves it serves anything.
4. Wrong paths can return a web page with 200: a file must begin and end with ``PAR1`` and parse.
5. Placeholders (about 214 bytes, no rows) count as missing and are asked for again next time.
6. Hours are back-filled: ETag and size are kept beside the hash, and a file that changed on the
   host while we were resuming it is begun anew.
7. 404 cannot tell "no events", "outage" and "stopped" apart: it is reported as missing.

``manifest.json`` in the mirror keeps size, ETag, SHA-256 and time of every hour. A file gets its
final name when it is complete and sound.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from backtests.data.archives.files import (
    MAGIC,
    STUB_BYTES,
    Archive,
    defect,
    file_name,
    local_path,
)
from backtests.data.errors import DataError
from backtests.data.store import sha256, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping

USER_AGENT = "twinbook/0.1 (historical data reader)"
MANIFEST_FILE = "manifest.json"
#: An hour before anything was recorded: no honest host has it.
CONTROL_HOUR = datetime(1999, 1, 1, 0, tzinfo=UTC)

_CHUNK = 1 << 20
_ATTEMPTS = 5
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")
_RETRY_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_RETRY_AFTER_MAX_S = 60.0

#: Called with the object's name, bytes done and bytes in total.
Progress = Callable[[str, int, int], None]


class Result(StrEnum):
    """How an hour ended."""

    DOWNLOADED = "downloaded"
    PRESENT = "present"
    MISSING = "missing"
    PLACEHOLDER = "placeholder"
    FAILED = "failed"


class Outcome(msgspec.Struct, frozen=True):
    """One hour: how it ended and, if not well, why."""

    archive: str
    name: str
    result: Result
    why: str = ""
    bytes: int = 0


class Entry(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the manifest keeps of a file."""

    bytes: int
    sha256: str
    etag: str
    url: str
    fetched_at: str


class DownloadSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How to download.

    Parameters
    ----------
    hosts : mapping
        Replaces the hosts of :class:`Archive` (a mirror of your own, a test server).
    attempts : int
        Tries per hour before it counts as failed.
    pause_s : float
        First wait between tries; it doubles each time. ``Retry-After`` wins.
    read_timeout_s : float
        Longest silence on a connection.
    proxy : str, optional
        HTTP proxy.
    """

    hosts: dict[str, str] = {}
    attempts: int = _ATTEMPTS
    pause_s: float = 1.0
    read_timeout_s: float = 60.0
    proxy: str | None = None

    def host(self, archive: Archive) -> str:
        """Return the host to ask for an archive."""
        return self.hosts.get(archive.value, archive.host)


class _Retry(Exception):
    """A try failed in a way that another may not."""

    def __init__(self, why: str, after_s: float | None = None) -> None:
        super().__init__(why)
        self.after_s = after_s


class _Final(Exception):
    """Another try would end the same."""

    def __init__(self, result: Result, why: str) -> None:
        super().__init__(why)
        self.result = result


async def download(
    mirror: Path,
    wanted: Sequence[tuple[Archive, datetime]],
    settings: DownloadSettings | None = None,
    *,
    progress: Progress | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Outcome]:
    """Download hours one after another; what is there and sound is not asked for again.

    Parameters
    ----------
    mirror : Path
        Folder to fill; created if needed.
    wanted : sequence of (Archive, datetime)
        The hours.
    settings : DownloadSettings, optional
        Hosts, retries, timeouts.
    progress : callable, optional
        Called while a file arrives.
    now : callable
        Time for the manifest.

    Raises
    ------
    DataError
        If a host answers for an hour that cannot exist: nothing it says can be trusted.
    """
    settings = settings or DownloadSettings()
    mirror = Path(mirror)
    mirror.mkdir(parents=True, exist_ok=True)
    entries = read_manifest(mirror)
    timeout = aiohttp.ClientTimeout(total=None, sock_read=settings.read_timeout_s, sock_connect=30)
    outcomes: list[Outcome] = []
    async with aiohttp.ClientSession(
        timeout=timeout, headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"}
    ) as session:
        fetch = _Fetcher(session, settings, mirror, progress)
        for archive in dict.fromkeys(a for a, _ in wanted):
            await fetch.control(archive)
        for archive, hour in wanted:
            outcome, entry = await fetch.hour(archive, hour, entries, now)
            if entry is not None:
                entries[f"{archive.value}/{outcome.name}"] = entry
                _write_manifest(mirror, entries)
            outcomes.append(outcome)
    return outcomes


def read_manifest(mirror: Path) -> dict[str, Entry]:
    """Read the mirror's manifest; an empty one if there is none.

    Raises
    ------
    DataError
        If it is damaged.
    """
    path = mirror / MANIFEST_FILE
    if not path.is_file():
        return {}
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, Entry])
    except msgspec.DecodeError as error:
        raise DataError(path, str(error), "a manifest written by twinbook data download") from error


def _write_manifest(mirror: Path, entries: Mapping[str, Entry]) -> None:
    body = msgspec.json.encode(dict(sorted(entries.items())))
    write_whole(mirror / MANIFEST_FILE, msgspec.json.format(body, indent=1) + b"\n")


class _Fetcher:
    def __init__(
        self,
        session: aiohttp.ClientSession,
        settings: DownloadSettings,
        mirror: Path,
        progress: Progress | None,
    ) -> None:
        self._session = session
        self._settings = settings
        self._mirror = mirror
        self._progress = progress

    async def control(self, archive: Archive) -> None:
        """Ask for an hour that cannot exist (rule 3)."""
        url = self._url(archive, CONTROL_HOUR)
        headers = {"Range": "bytes=0-3"}
        try:
            async with self._get(url, headers) as response:
                body = await response.content.read(4)
                if response.status in (200, 206) and body == MAGIC:
                    found = f"HTTP {response.status} and a Parquet file for {url}"
                    raise DataError(self._settings.host(archive), found, "404 for a false hour")
        except aiohttp.ClientError:
            return  # the hours themselves will say what is wrong

    async def hour(
        self,
        archive: Archive,
        hour: datetime,
        entries: Mapping[str, Entry],
        now: Callable[[], datetime],
    ) -> tuple[Outcome, Entry | None]:
        """Fetch one hour; return how it ended and its manifest entry if it is new."""
        path = local_path(self._mirror, archive, hour)
        name = file_name(archive, hour)
        known = entries.get(f"{archive.value}/{name}")
        if known is not None and _is_kept(path, known):
            return Outcome(archive.value, name, Result.PRESENT, bytes=known.bytes), None
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            etag = await self._retrying(self._url(archive, hour), path)
        except _Final as end:
            return Outcome(archive.value, name, end.result, str(end)), None
        entry = Entry(
            bytes=path.stat().st_size,
            sha256=sha256(path),
            etag=etag,
            url=self._url(archive, hour),
            fetched_at=now().isoformat(),
        )
        return Outcome(archive.value, name, Result.DOWNLOADED, bytes=entry.bytes), entry

    def _url(self, archive: Archive, hour: datetime) -> str:
        return f"{self._settings.host(archive)}/{file_name(archive, hour)}"

    def _get(self, url: str, headers: dict[str, str]) -> aiohttp.client._RequestContextManager:
        return self._session.get(url, headers=headers, proxy=self._settings.proxy)

    async def _retrying(self, url: str, path: Path) -> str:
        """Try until the file is complete and sound, resuming from what is there."""
        pause = self._settings.pause_s
        why = ""
        for attempt in range(self._settings.attempts):
            try:
                return await self._once(url, path)
            except _Retry as again:
                why, after = str(again), again.after_s
            except (aiohttp.ClientError, TimeoutError) as error:
                why, after = f"{type(error).__name__}: {error}", None
            if attempt + 1 < self._settings.attempts:
                await asyncio.sleep(min(after if after is not None else pause, _RETRY_AFTER_MAX_S))
                pause *= 2
        raise _Final(Result.FAILED, f"{why} ({self._settings.attempts} tries)")

    async def _once(self, url: str, path: Path) -> str:
        part, etag_before = _resumable(path)
        have = part.stat().st_size if etag_before else 0
        headers = {"Range": f"bytes={have}-"} | ({"If-Range": etag_before} if have else {})
        async with self._get(url, headers) as response:
            _check_status(response, have)
            etag = response.headers.get("ETag", "")
            begin, total = _extent(response, have)
            if begin and etag != etag_before:
                _forget(path)  # rule 6: another file stands there now
                raise _Retry("the file changed on the host")
            if begin not in (0, have):
                _forget(path)
                raise _Retry(f"asked from byte {have}, was sent from {begin}")
            if response.status != 416:
                _tag(path).write_text(etag)
                await self._receive(response, path, begin, total)
        size = part.stat().st_size
        if total is not None and size != total:
            raise _Retry(f"{size} of {total} bytes")
        _accept(path)
        return etag

    async def _receive(
        self, response: aiohttp.ClientResponse, path: Path, begin: int, total: int | None
    ) -> None:
        """Write what arrives; what was written stays for the next try."""
        with _part(path).open("r+b" if begin else "wb") as out:
            out.seek(begin)
            out.truncate()
            async for chunk in response.content.iter_chunked(_CHUNK):
                if out.tell() == 0 and not MAGIC.startswith(chunk[:4]):
                    kind = response.headers.get("Content-Type", "no type")
                    _forget(path)
                    raise _Final(Result.FAILED, f"no Parquet file but {kind}")  # rule 4
                out.write(chunk)
                if self._progress:
                    self._progress(path.name, out.tell(), total or 0)


def _is_kept(path: Path, known: Entry) -> bool:
    """A file of the manifest's size and hash needs no second look at the host."""
    return path.is_file() and path.stat().st_size == known.bytes and sha256(path) == known.sha256


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.part")


def _tag(path: Path) -> Path:
    return path.with_name(f".{path.name}.etag")


def _resumable(path: Path) -> tuple[Path, str]:
    """Return the unfinished file and its ETag; without an ETag a rest cannot be trusted to fit."""
    part, tag = _part(path), _tag(path)
    etag = tag.read_text() if tag.is_file() and part.is_file() else ""
    return part, etag


def _forget(path: Path) -> None:
    _part(path).unlink(missing_ok=True)
    _tag(path).unlink(missing_ok=True)


def _check_status(response: aiohttp.ClientResponse, have: int) -> None:
    status = response.status
    if status in (200, 206) or (status == 416 and have):
        return
    if status == 404:
        raise _Final(Result.MISSING, "HTTP 404: no events, an outage, or never written (rule 7)")
    if status in _RETRY_STATUS:
        raise _Retry(f"HTTP {status}", _retry_after(response))
    raise _Final(Result.FAILED, f"HTTP {status}: refused, which does not say that it is missing")


def _retry_after(response: aiohttp.ClientResponse) -> float | None:
    value = response.headers.get("Retry-After", "")
    return float(value) if value.isdigit() else None


def _extent(response: aiohttp.ClientResponse, have: int) -> tuple[int, int | None]:
    """Return the first byte sent and the object's size, None where the host does not say.

    416 answers a request from the end of a file that is complete: nothing is left to send.
    """
    if response.status == 416:
        stated = response.headers.get("Content-Range", "").removeprefix("bytes */")
        return have, int(stated) if stated.isdigit() else -1
    if response.status == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None:
            raise _Retry("HTTP 206 without a usable Content-Range")
        return int(match.group(1)), int(match.group(3))
    return 0, response.content_length


def _accept(path: Path) -> None:
    """Check the complete file and give it its name (rules 4 and 5)."""
    part = _part(path)
    why = defect(part)
    if why is None:
        part.replace(path)
        _forget(path)
        return
    size = part.stat().st_size
    _forget(path)
    if "0 rows" in why or size < STUB_BYTES:
        raise _Final(Result.PLACEHOLDER, f"{why} ({size} bytes)")
    raise _Retry(why)
