"""The generator: true L2 books, deterministic, labelled, settled."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np
import pytest
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import BookType, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId

from backtests.data import DataError, open_dataset
from backtests.data.synthetic import GeneratorSettings, generate_dataset
from backtests.data.top import read_top

SMALL = GeneratorSettings(seed=3, pairs=4, minutes=12, rate=4.0)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return generate_dataset(tmp_path_factory.mktemp("syn") / "d", SMALL)


def _replay(dataset, info):
    """Apply every delta to a Nautilus book; yield ``ts_init`` and the book per message."""
    book = OrderBook(InstrumentId.from_str(info.instrument_id), BookType.L2_MBP)
    group = []
    for delta in dataset.catalog().query(OrderBookDelta, identifiers=[info.instrument_id]):
        group.append(delta)
        if delta.flags & RecordFlag.F_LAST:
            book.apply_deltas(OrderBookDeltas(book.instrument_id, group))
            group = []
            yield delta.ts_init, book
    assert not group, "the last message is complete"


def test_books_rebuild_to_the_sidecar(dataset):
    for info in dataset.instruments:
        top = read_top(dataset.top_path(info.instrument_id))
        seen = 0
        for row, (ts, book) in enumerate(_replay(dataset, info)):
            assert ts == top.ts_ns[row]
            assert book.best_bid_price().as_decimal() == Decimal(int(top.bid[row])) / 10_000
            assert book.best_ask_price().as_decimal() == Decimal(int(top.ask[row])) / 10_000
            if top.bid[row]:
                assert book.best_bid_size().as_decimal() == Decimal(int(top.bid_size[row])) / 100
            if top.ask[row] != 10_000:
                assert book.best_ask_size().as_decimal() == Decimal(int(top.ask_size[row])) / 100
            assert len(book.bids()) <= SMALL.levels + 1
            seen += 1
        assert seen == len(top) == info.observations


def test_several_chunks_carry_the_book_over(tmp_path, monkeypatch):
    monkeypatch.setattr("backtests.data.synthetic.session._CHUNK_MESSAGES", 300)
    settings = GeneratorSettings(seed=5, pairs=1, minutes=20, rate=3.0, style="game")
    made = generate_dataset(tmp_path / "d", settings)
    info = max(made.instruments, key=lambda i: i.observations)
    top = read_top(made.top_path(info.instrument_id))
    rows = list(_replay(made, info))
    assert len(rows) == len(top)
    deltas = made.catalog().query(OrderBookDelta, identifiers=[info.instrument_id])
    frames = [d.sequence for d in deltas if d.flags & RecordFlag.F_SNAPSHOT and d.is_clear]
    assert len(frames) >= 5, "several chunks"
    assert {d.sequence for d in deltas} == set(range(len(top)))


def test_times_are_strictly_increasing_over_all_instruments(dataset):
    ts = np.concatenate(
        [read_top(dataset.top_path(i.instrument_id)).ts_ns for i in dataset.instruments]
    )
    ts.sort()
    assert (np.diff(ts) > 0).all()
    assert (int(ts[0]), int(ts[-1])) == dataset.span_ns
    start, end = SMALL.start_ns, SMALL.start_ns + SMALL.duration_ns
    assert start <= ts[0]
    assert ts[-1] <= end


def test_never_crossed(dataset):
    for info in dataset.instruments:
        top = read_top(dataset.top_path(info.instrument_id))
        assert (top.bid < top.ask).all()


def _digest(root: Path) -> dict[str, str]:
    return {
        str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(root.rglob("*"))
        if p.is_file()
    }


def test_same_settings_same_bytes_other_seed_other_bytes(dataset, tmp_path):
    again = generate_dataset(tmp_path / "again", SMALL)
    assert _digest(again.path) == _digest(dataset.path)
    other = generate_dataset(tmp_path / "other", msgspec.structs.replace(SMALL, seed=4))
    assert _digest(other.path)["pairs.json"] != _digest(dataset.path)["pairs.json"]


def test_says_synthetic_everywhere(dataset):
    assert dataset.synthetic
    assert dataset.manifest.seed == 3
    assert dataset.sessions[0].kind == "synthetic"
    assert dataset.quality()["synthetic"] is True
    for pair in dataset.pairs():
        assert pair.pair_id.startswith("SYN-")
        assert pair.synthetic
    instruments = dataset.catalog().instruments()
    assert len(instruments) == 2 * len(dataset.instruments)
    for instrument in instruments:
        assert instrument.info["synthetic"] is True
        assert "synthetic" in instrument.description
        assert instrument.id.value.startswith("SYN-")
        assert instrument.quote_currency.precision == 6
        assert (instrument.price_precision, instrument.size_precision) == (4, 2)


def test_settlements_hold_a_void_and_a_scalar(dataset):
    ends = [tuple(m.settlement.value for m in p.markets) for p in dataset.pairs()]
    plain, scalar, void = ends[:-2], ends[-2], ends[-1]
    assert all(a == b and a in (0, 1) for a, b in plain)
    assert scalar[0] == scalar[1]
    assert 0 < scalar[0] < 1
    assert void[1] == Decimal("0.5")
    assert 0 < void[0] < 1
    assert all(p.settled_state is not None for p in dataset.pairs())


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"pairs": 0}, "pairs: found 0; allowed: 1 to 5000"),
        ({"minutes": 0.0}, "minutes: found 0.0"),
        ({"levels": 99}, "levels: found 99"),
        ({"seed": -1}, "seed: found -1"),
    ],
)
def test_settings_say_their_bounds(change, text):
    with pytest.raises(ValueError, match=text):
        GeneratorSettings(**change)


def test_an_occupied_folder_is_left_alone(dataset, tmp_path):
    target = tmp_path / "mine"
    target.mkdir()
    (target / "note.txt").write_text("keep")
    with pytest.raises(DataError, match="exists already"):
        generate_dataset(target, SMALL)
    assert [p.name for p in tmp_path.iterdir()] == ["mine"]
    assert (target / "note.txt").read_text() == "keep"


def test_a_failure_half_way_leaves_nothing(tmp_path):
    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_dataset(tmp_path / "d", SMALL, progress=stop)
    assert list(tmp_path.iterdir()) == []


def test_open_dataset_reads_back_what_was_generated(dataset):
    assert open_dataset(dataset.path).manifest == dataset.manifest
