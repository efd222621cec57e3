"""Which archive file holds which hour, where it lies, and whether it is a file at all."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from backtests.data.errors import DataError

HOUR_FORMAT = "%Y-%m-%dT%H"
HOUR_NS = 3_600_000_000_000
#: A Parquet file begins and ends with these bytes; an error page does not.
MAGIC = b"PAR1"
#: Placeholders hold a schema and no rows and are about 214 bytes long.
STUB_BYTES = 1_024


class Archive(StrEnum):
    """The three archives; the value is the folder of a mirror."""

    KALSHI = "kalshi"
    POLYMARKET_V1 = "polymarket_v1"
    POLYMARKET_V2 = "polymarket_v2"

    @property
    def host(self) -> str:
        """Object host (archive.pmxt.dev listing, read 2026-11)."""
        return _HOSTS[self]

    @property
    def first(self) -> datetime:
        """First hour that was ever published."""
        return _SPANS[self][0]

    @property
    def last(self) -> datetime:
        """Last hour that was ever published."""
        return _SPANS[self][1]


_HOSTS = {
    Archive.KALSHI: "https://r2kalshi.pmxt.dev",
    Archive.POLYMARKET_V1: "https://r2.pmxt.dev",
    Archive.POLYMARKET_V2: "https://r2v2.pmxt.dev",
}


def parse_hour(text: str) -> datetime:
    """Read an hour such as ``2026-06-01T12`` (UTC).

    Raises
    ------
    DataError
        If the text is no such hour.
    """
    try:
        return datetime.strptime(text, HOUR_FORMAT).replace(tzinfo=UTC)
    except ValueError:
        raise DataError("hour", repr(text), "a UTC hour such as 2026-06-01T12") from None


_SPANS = {
    Archive.KALSHI: (parse_hour("2026-05-14T14"), parse_hour("2026-06-11T03")),
    Archive.POLYMARKET_V1: (parse_hour("2026-02-21T16"), parse_hour("2026-04-15T08")),
    Archive.POLYMARKET_V2: (parse_hour("2026-04-13T19"), parse_hour("2026-08-10T00")),
}


def polymarket_archive(hour: datetime) -> Archive:
    """Return which Polymarket archive to read for an hour: v2 from its first hour on."""
    v2 = hour >= Archive.POLYMARKET_V2.first
    return Archive.POLYMARKET_V2 if v2 else Archive.POLYMARKET_V1


def file_name(archive: Archive, hour: datetime) -> str:
    """Return the object's name; v1 and v2 share theirs, so a mirror keeps them apart."""
    venue = "kalshi" if archive is Archive.KALSHI else "polymarket"
    return f"{venue}_orderbook_{hour.strftime(HOUR_FORMAT)}.parquet"


def local_path(mirror: Path, archive: Archive, hour: datetime) -> Path:
    """Return where a mirror keeps an hour."""
    return mirror / archive.value / file_name(archive, hour)


def hours(first: datetime, last: datetime) -> Iterator[datetime]:
    """Yield every hour from ``first`` to ``last``, both included."""
    at = first
    while at <= last:
        yield at
        at += timedelta(hours=1)


def hour_ns(hour: datetime) -> int:
    """Return the start of an hour in ns UTC."""
    return int(hour.timestamp()) * 1_000_000_000


def defect(path: Path) -> str | None:
    """Say why a file cannot be an archive hour, or None: missing, page, truncated, placeholder."""
    if not path.is_file():
        return "missing"
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(4)
        file.seek(max(0, size - 4))
        tail = file.read(4)
    if head != MAGIC:
        return f"no Parquet file (begins with {head!r}): an error page?"
    if size < 12 or tail != MAGIC:
        return f"truncated at {size} bytes (does not end with PAR1)"
    try:
        rows = pq.ParquetFile(path).metadata.num_rows
    except (pa.ArrowInvalid, OSError) as error:
        return f"unreadable ({error})"
    return "placeholder with 0 rows" if rows == 0 else None
