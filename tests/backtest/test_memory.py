"""Memory does not grow with the length of the data."""

from __future__ import annotations

from pathlib import Path

import pytest

from backtests.data import GeneratorSettings, generate_dataset
from backtests.replay import ReplayCounts, stream
from benchmarks.bench_replay import in_child


def test_rows_are_read_a_chunk_at_a_time(tmp_path: Path) -> None:
    dataset = generate_dataset(tmp_path / "d", GeneratorSettings(pairs=2, minutes=20))
    books = [info.instrument_id for info in dataset.instruments]
    total = sum(info.deltas for info in dataset.instruments)
    counts = ReplayCounts()
    events = stream(dataset.catalog(), books, [], chunk_rows=100, counts=counts)
    next(events)
    assert counts.deltas <= 100 < total
    last_ns = 0
    for chunk in events:
        for event in chunk:
            assert event.ts_init > last_ns
            last_ns = event.ts_init
    assert counts.deltas == total
    assert counts.is_done


@pytest.mark.full
def test_five_times_the_data_needs_no_more_memory(tmp_path: Path) -> None:
    peaks = {}
    for minutes in (500, 2500):
        settings = GeneratorSettings(pairs=10, minutes=minutes)
        dataset = generate_dataset(tmp_path / str(minutes), settings)
        run = in_child(str(dataset.path), "watch", 20_000)
        peaks[run["rows"]] = run["peak_mb"]
    (rows, small), (more_rows, large) = sorted(peaks.items())
    assert more_rows > 4 * rows
    assert large < small * 1.2
