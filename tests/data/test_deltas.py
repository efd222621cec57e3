"""The direct Parquet path writes what Nautilus itself would have written."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nautilus_trader.model.data import BookOrder, OrderBookDelta
from nautilus_trader.model.enums import BookAction, OrderSide
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price, Quantity
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from backtests.data import deltas as d

IID = "KXTEST-26-YES.KALSHI"
T0 = 1_780_000_000_000_000_000


def _sample() -> d.DeltaColumns:
    n = 500
    rng = np.random.default_rng(1)
    ts = T0 + np.cumsum(rng.integers(1, 10**9, n)).astype(np.int64)
    bid = rng.integers(1, 5000, n)
    ask = rng.integers(5001, 10000, n)
    bid[::7] = 0
    ask[::11] = 10_000
    size = rng.integers(1, 5 * 10**9, n)  # up to 50 million contracts
    return d.snapshots(ts - 5, ts, bid, size, ask, size[::-1].copy(), first_sequence=3)


def _objects(columns: d.DeltaColumns) -> list[OrderBookDelta]:
    iid = InstrumentId.from_str(IID)
    out = []
    for i in range(len(columns)):
        order = None
        if columns.action[i] != d.ACTION_CLEAR:
            order = BookOrder(
                OrderSide(int(columns.side[i])),
                Price.from_str(f"{columns.price[i] / 10000:.4f}"),
                Quantity.from_str(f"{columns.size[i] // 100}.{columns.size[i] % 100:02d}"),
                0,
            )
        out.append(
            OrderBookDelta(
                iid,
                BookAction(int(columns.action[i])),
                order,
                flags=int(columns.flags[i]),
                sequence=int(columns.sequence[i]),
                ts_event=int(columns.ts_event[i]),
                ts_init=int(columns.ts_init[i]),
            )
        )
    return out


def test_same_table_and_file_name_as_the_catalog(tmp_path):
    columns = _sample()
    catalog = ParquetDataCatalog(str(tmp_path / "theirs"))
    catalog.write_data(_objects(columns))
    writer = d.DeltaWriter(tmp_path / "ours", IID)
    for start in range(0, len(columns), 300):
        writer.append(columns.take(slice(start, start + 300)))
    writer.close()
    theirs = next((tmp_path / "theirs").rglob("*.parquet"))
    ours = next((tmp_path / "ours").rglob("*.parquet"))
    assert ours.relative_to(tmp_path / "ours") == theirs.relative_to(tmp_path / "theirs")
    a, b = pq.read_table(ours), pq.read_table(theirs)
    assert a.schema.equals(b.schema, check_metadata=True)
    for name in a.column_names:
        assert a[name].combine_chunks().equals(b[name].combine_chunks()), name
    back = ParquetDataCatalog(str(tmp_path / "ours")).query(OrderBookDelta)
    expected = catalog.query(OrderBookDelta)
    assert [x.to_dict(x) for x in back] == [x.to_dict(x) for x in expected]


def test_row_groups_are_bounded_and_order_is_kept(tmp_path):
    n = 3 * d.ROW_GROUP_ROWS
    ts = T0 + np.arange(n, dtype=np.int64)
    ones = np.ones(n, dtype=np.int64)
    columns = d.snapshots(ts, ts, ones * 4000, ones, ones * 6000, ones, first_sequence=0)
    writer = d.DeltaWriter(tmp_path, IID)
    writer.append(columns.take(slice(0, 5000)))
    writer.append(columns.take(slice(5000, None)))
    writer.close()
    file = pq.ParquetFile(writer.path)
    groups = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
    assert max(groups) == d.ROW_GROUP_ROWS
    assert sum(groups) == 3 * n
    back = d.read_deltas(file.read())
    for name in d.DeltaColumns.__slots__:
        assert np.array_equal(getattr(back, name), getattr(columns, name)), name
    again = d.DeltaWriter(tmp_path / "b", IID)
    again.append(columns.take(slice(3000, 6000)))
    with pytest.raises(AssertionError, match="out of order"):
        again.append(columns.take(slice(0, 3000)))


@given(st.lists(st.integers(0, 10**13), min_size=1, max_size=50), st.sampled_from([10**12, 10**14]))
@settings(max_examples=200, deadline=None)
def test_128_bit_numbers_are_exact(values, factor):
    column = d.scaled_128(np.array(values, dtype=np.int64), factor)
    assert [int.from_bytes(x.as_py(), "little") for x in column] == [v * factor for v in values]
    assert d.unscaled_128(column, factor).tolist() == values
    assert d.unscaled_128(pa.chunked_array([column, column.slice(1)]), factor).tolist() == (
        values + values[1:]
    )


def test_finer_than_the_catalog_is_refused():
    column = pa.array([(10**12 + 1).to_bytes(16, "little")], pa.binary(16))
    with pytest.raises(ValueError, match="not a multiple"):
        d.unscaled_128(column, 10**12)
