"""The reader hands over exactly what is stored, in time order, over files and batches."""

from __future__ import annotations

from pathlib import Path

import pytest
from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from backtests.data import GeneratorSettings, generate_dataset
from backtests.errors import ReplayError
from backtests.reader import BATCH_ROWS, DeltaReader
from backtests.replay import MessageJoiner, stream
from tests.backtest.world import K_YES, P_YES, World


def read(catalog: ParquetDataCatalog, books: list[str]) -> list[OrderBookDelta]:
    reader = DeltaReader(catalog, books)
    return [delta for piece in reader.slices() for delta in reader.deltas(piece)]


def test_the_reader_agrees_with_nautilus_row_by_row(tmp_path: Path) -> None:
    dataset = generate_dataset(tmp_path / "d", GeneratorSettings(pairs=3, minutes=240))
    catalog = dataset.catalog()
    books = [info.instrument_id for info in dataset.instruments]
    assert max(info.deltas for info in dataset.instruments) > 2 * BATCH_ROWS
    stored = catalog.query(OrderBookDelta, identifiers=books)
    stored.sort(key=lambda delta: delta.ts_init)
    found = read(catalog, books)
    assert len(found) == len(stored) == sum(info.deltas for info in dataset.instruments)
    assert list(map(repr, found)) == list(map(repr, stored))
    pairs = zip(found, stored, strict=True)
    assert all(a.order == b.order for a, b in pairs if not a.is_clear)


def test_large_sizes_and_fine_prices_survive(tmp_path: Path) -> None:
    """Sizes above 1,844 contracts need more than 64 bits."""
    world = World(tmp_path, tick="0.0001")
    world.market()
    sizes = ["0.01", "1844.67", "1844.68", "222900.79", "9999999.99"]
    for at_s, size in enumerate(sizes):
        world.book(at_s, K_YES, [("0.0001", size)], [("0.9999", size)])
    catalog = ParquetDataCatalog(world.write())
    found = [d for d in read(catalog, [K_YES]) if not d.is_clear]
    assert [str(d.order.size) for d in found] == [size for size in sizes for _ in range(2)]
    assert {str(d.order.price) for d in found} == {"0.0001", "0.9999"}


@pytest.mark.parametrize("cut", [1, 2, 5])
def test_a_book_in_several_files_is_one_book(tmp_path: Path, cut: int) -> None:
    world = World(tmp_path)
    world.pair()
    for at_s in range(12):
        world.book(at_s, K_YES, [("0.44", "9")], [("0.46", "9")])
        world.book(at_s + 0.5, P_YES, [("0.44", "9")], [("0.46", "9")])
    catalog = ParquetDataCatalog(str(tmp_path / "c"))
    catalog.write_data(world.instruments())
    for book in (K_YES, P_YES):
        rows = [row for row in world.rows if str(row.instrument_id) == book]
        for part in range(cut):
            catalog.write_data(rows[part * 36 // cut // 3 * 3 : (part + 1) * 36 // cut // 3 * 3])
    assert read(catalog, [K_YES, P_YES]) == world.rows


def test_a_message_longer_than_a_batch_stays_whole(tmp_path: Path) -> None:
    world = World(tmp_path, tick="0.0001")
    world.market()
    many = [(f"{price / 10_000:.4f}", "5") for price in range(1, 4_000)]
    for at_s in range(3):
        world.book(at_s, K_YES, many[::-1], [("0.5", "5")])
    catalog = ParquetDataCatalog(world.write())
    events = [e for chunk in stream(catalog, [K_YES], [], chunk_rows=500) for e in chunk]
    assert [type(event) for event in events] == [OrderBookDeltas] * 3
    assert [len(event.deltas) for event in events] == [4_001] * 3


def test_a_missing_book_is_named(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.pair()
    world.book(0, K_YES, [("0.44", "9")], [("0.46", "9")])
    with pytest.raises(ReplayError, match=f"no order-book rows of {P_YES}"):
        DeltaReader(ParquetDataCatalog(world.write()), [K_YES, P_YES])


def test_an_incomplete_last_message_is_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.market()
    world.book(0, K_YES, [("0.44", "9")], [("0.46", "9")])
    world.rows.pop()
    catalog = ParquetDataCatalog(world.write())
    with pytest.raises(ReplayError, match="no row with F_LAST"):
        list(stream(catalog, [K_YES], [], chunk_rows=0))


def test_equal_times_on_two_books_are_refused(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.pair()
    for at_s in range(3):
        world.book(at_s, K_YES, [("0.44", "9")], [("0.46", "9")])
        world.book(at_s, P_YES, [("0.44", "9")], [("0.46", "9")])
    catalog = ParquetDataCatalog(world.write())
    with pytest.raises(ReplayError, match="strictly increasing times"):
        list(stream(catalog, [K_YES, P_YES], [], chunk_rows=0))


def test_joining_is_by_the_last_row_of_each_book() -> None:
    world = World(Path("unused"))
    world.pair()
    world.book(0, K_YES, [("0.44", "9")], [("0.46", "9")])
    world.book(1, P_YES, [("0.44", "9")], [("0.46", "9")])
    k, p = world.rows[:3], world.rows[3:]
    joiner = MessageJoiner()
    assert joiner.join([k[0], p[0], k[1]]) == []
    assert len(joiner.waiting) == 2
    done = joiner.join([p[1], k[2], p[2]])
    assert [str(event.instrument_id) for event in done] == [K_YES, P_YES]
    assert joiner.waiting == ()
