"""Market data in and out: recordings, archives and generated sessions become datasets.

The stable interface for the backtest engine:

``open_dataset(path)``
    Open a dataset folder (``Dataset``: paths, pairs, instruments, sessions, span, quality).
``build_dataset(src, dst, *, accept_recorded, sessions=None, progress=None)``
    Make a dataset from a folder of recordings (docs/data.md, "Recording schema").
``is_dataset(path)``
    Say which of the two a folder is.
``generate_dataset(dst, GeneratorSettings(...))``
    Make a synthetic dataset from a seed.
``check_dataset(dataset)``
    Fill ``quality.json``.
``scan_dataset(dataset, ...)`` and ``cut_windows(dataset, scan, dst)``
    Find windows with a net edge before any replay; make the smaller dataset with those alone.

Every error about the data is a ``DataError`` with one line that names the place.
"""

from __future__ import annotations

from backtests.data.dataset import (
    Dataset,
    InstrumentInfo,
    Manifest,
    SessionInfo,
    Source,
    is_dataset,
    open_dataset,
)
from backtests.data.errors import DataError
from backtests.data.load import build_dataset
from backtests.data.quality import QualityLimits, check_dataset
from backtests.data.scan import Scan, Window, scan_dataset
from backtests.data.synthetic import GeneratorSettings, generate_dataset
from backtests.data.windows import cut_windows

__all__ = [
    "DataError",
    "Dataset",
    "GeneratorSettings",
    "InstrumentInfo",
    "Manifest",
    "QualityLimits",
    "Scan",
    "SessionInfo",
    "Source",
    "Window",
    "build_dataset",
    "check_dataset",
    "cut_windows",
    "generate_dataset",
    "is_dataset",
    "open_dataset",
    "scan_dataset",
]
