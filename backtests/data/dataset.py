"""A dataset: the folder a backtest runs on.

::

    DIR/
      dataset.json   what is in it, from where, synthetic or recorded (``Manifest``)
      pairs.json     the pairs, schema 1 (docs/pairs.md)
      catalog/       Nautilus ParquetDataCatalog: BinaryOption (YES and NO), OrderBookDelta (YES)
      top/           best bid and ask per observation, one Parquet file per YES instrument
      quality.json   what the check found
      windows.json   where a net edge was seen, written by the scan
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from backtests.data.errors import DataError
from core.pairs import Pair, parse_pairs

if TYPE_CHECKING:
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

DATASET_SCHEMA_VERSION = 1
DATASET_FILE = "dataset.json"
PAIRS_FILE = "pairs.json"
CATALOG_DIR = "catalog"
TOP_DIR = "top"
QUALITY_FILE = "quality.json"
WINDOWS_FILE = "windows.json"

#: How observations came to be. ``polled``: every row is one poll of the whole top of book;
#: ``message``: one row per venue message; ``archive``: rebuilt L2; ``synthetic``: generated.
SessionKind = Literal["polled", "message", "archive", "synthetic"]


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One input file: its name (never its place on the disk), size in bytes and SHA-256."""

    name: str
    bytes: int
    sha256: str


class SessionInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One uninterrupted stretch of recording, on one clock.

    ``start_ns`` and ``end_ns`` are the receive times of its first and last observation (ns UTC).
    ``poll_ns`` is the median time between two polls of a leg (null unless polled).
    """

    name: str
    kind: SessionKind
    start_ns: int
    end_ns: int
    observations: int
    deltas: int
    pair_ids: tuple[str, ...]
    poll_ns: int | None = None


class InstrumentInfo(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One YES book of the dataset and the instruments that trade on it.

    ``role`` is ``leg`` for a book that forms the pair and ``route`` for a second market with the
    same bet (a Kalshi opposite ticker): a route is another way in, never extra liquidity.
    ``one_sided`` counts observations that lack a bid or an ask.
    """

    instrument_id: str
    no_instrument_id: str
    venue: str
    venue_instrument: str
    pair_ids: tuple[str, ...]
    role: Literal["leg", "route"]
    currency: str
    sessions: tuple[str, ...]
    observations: int
    deltas: int
    first_ns: int
    last_ns: int
    one_sided: int = 0


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of ``dataset.json``.

    ``counts`` holds what the loader counted (rows read, floored sizes, mirrored rows, ...);
    ``generator`` holds the generator's settings where the data is synthetic, else null.
    """

    schema_version: int
    name: str
    synthetic: bool
    seed: int | None
    span_ns: tuple[int, int]
    sessions: tuple[SessionInfo, ...]
    instruments: tuple[InstrumentInfo, ...]
    sources: tuple[Source, ...]
    counts: dict[str, int]
    generator: dict[str, Any] | None = None


class Dataset(msgspec.Struct, frozen=True):
    """An opened dataset: the folder and its manifest; the rest is read when asked for."""

    path: Path
    manifest: Manifest

    @property
    def sessions(self) -> tuple[SessionInfo, ...]:
        """The sessions in time order; they never overlap."""
        return self.manifest.sessions

    @property
    def instruments(self) -> tuple[InstrumentInfo, ...]:
        """The YES books, sorted by instrument id."""
        return self.manifest.instruments

    @property
    def span_ns(self) -> tuple[int, int]:
        """Receive time of the first and the last observation (ns UTC)."""
        return self.manifest.span_ns

    @property
    def synthetic(self) -> bool:
        """True if a generator made the data: every report must say so."""
        return self.manifest.synthetic

    @property
    def catalog_path(self) -> Path:
        """Folder of the Nautilus catalog."""
        return self.path / CATALOG_DIR

    @property
    def pairs_path(self) -> Path:
        """The dataset's pairs (schema 1)."""
        return self.path / PAIRS_FILE

    def pairs(self) -> tuple[Pair, ...]:
        """Read the pairs.

        Raises
        ------
        core.pairs.PairsError
            If ``pairs.json`` is not valid.
        """
        return parse_pairs(self.pairs_path.read_bytes(), str(self.pairs_path))

    def catalog(self) -> ParquetDataCatalog:
        """Open the Nautilus catalog with USD registered at 6 decimals in this process."""
        from nautilus_trader.persistence.catalog import ParquetDataCatalog

        from adapters.common.currencies import register_currencies

        register_currencies()
        return ParquetDataCatalog(str(self.catalog_path))

    def instrument(self, instrument_id: str) -> InstrumentInfo:
        """Return the book with this YES (or NO) instrument id.

        Raises
        ------
        KeyError
            If the dataset has no such instrument.
        """
        for info in self.manifest.instruments:
            if instrument_id in (info.instrument_id, info.no_instrument_id):
                return info
        raise KeyError(instrument_id)

    def top_path(self, instrument_id: str) -> Path:
        """The top-of-book sidecar of one YES instrument."""
        return self.path / TOP_DIR / f"{instrument_id}.parquet"

    def quality(self) -> Mapping[str, Any] | None:
        """What the check wrote, or None if the check did not run yet."""
        return _read_json(self.path / QUALITY_FILE)

    def windows(self) -> Mapping[str, Any] | None:
        """What the scan wrote, or None if the scan did not run yet."""
        return _read_json(self.path / WINDOWS_FILE)


def _read_json(path: Path) -> Mapping[str, Any] | None:
    if not path.is_file():
        return None
    value: Mapping[str, Any] = json.loads(path.read_bytes())
    return value


def is_dataset(path: Path) -> bool:
    """Say whether ``path`` is a dataset folder (as opposed to a folder of recordings)."""
    return (path / DATASET_FILE).is_file()


def open_dataset(path: Path | str) -> Dataset:
    """Open a dataset folder.

    Parameters
    ----------
    path : Path or str
        A folder with ``dataset.json``, ``pairs.json`` and ``catalog/``.

    Raises
    ------
    DataError
        If the folder, one of its parts or a manifest field is missing or wrong.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(root, "no such folder", "a dataset folder (twinbook data load)")
    manifest_path = root / DATASET_FILE
    if not manifest_path.is_file():
        allowed = "a dataset folder; make one with: twinbook data load SRC --output DIR"
        raise DataError(root, f"no {DATASET_FILE}", allowed)
    try:
        manifest = msgspec.json.decode(manifest_path.read_bytes(), type=Manifest)
    except msgspec.DecodeError as error:
        raise DataError(manifest_path, str(error), "docs/data.md, dataset.json") from error
    if manifest.schema_version != DATASET_SCHEMA_VERSION:
        raise DataError(
            manifest_path,
            manifest.schema_version,
            f"{DATASET_SCHEMA_VERSION} (load the recordings again)",
            field="schema_version",
        )
    for name in (PAIRS_FILE, CATALOG_DIR):
        if not (root / name).exists():
            raise DataError(root, f"no {name}", "a complete dataset folder")
    return Dataset(root, manifest)


def write_manifest(root: Path, manifest: Manifest) -> None:
    """Write ``dataset.json``: indented, sorted keys, the same bytes for the same content."""
    write_json(root / DATASET_FILE, msgspec.to_builtins(manifest))


def write_json(path: Path, value: object) -> None:
    """Write JSON that a person can read and a digest can trust (sorted keys, one newline)."""
    path.write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n")
