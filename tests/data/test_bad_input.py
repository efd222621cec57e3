"""Each kind of bad input: one line with file, field, value and what is allowed; nothing written."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from backtests.data import DataError, build_dataset, check_dataset, open_dataset
from backtests.data.recording import Recording
from tests.data import support
from tests.data.support import TICKER, TOKEN, pair_entry, polled, row, write


def _refused(tmp_path: Path, src: Path, *needles: str, sessions: list[str] | None = None) -> None:
    """The load fails with one line that holds every needle, and leaves nothing behind."""
    with pytest.raises(DataError) as error:
        build_dataset(src, tmp_path / "out", accept_recorded=True, sessions=sessions)
    message = str(error.value)
    assert "\n" not in message
    for needle in (*needles, "allowed: "):
        assert needle in message, message
    assert [p.name for p in tmp_path.iterdir() if p != src] == []


def _with(tmp_path: Path, **change: object) -> Path:
    rows = polled()
    rows[7] |= change
    return write(tmp_path / "src", {"S1": rows}, [pair_entry()])


@pytest.mark.parametrize(
    ("change", "needles"),
    [
        ({"bid_px": "1"}, ("S1.parquet: row 7: bid_px: found '1'", "0 < price < 1")),
        ({"bid_px": "0"}, ("row 7: bid_px: found '0'",)),
        ({"ask_px": "-0.2"}, ("row 7: ask_px: found '-0.2'",)),
        ({"ask_px": "1.01"}, ("row 7: ask_px: found '1.01'",)),
        ({"ask_px": "0.36455"}, ("row 7: ask_px: found '0.36455'", "at most 4 decimals")),
        ({"ask_px": "0.36455555555555"}, ("row 7: ask_px", "at most 10 decimals")),
        ({"ask_px": "cheap"}, ("row 7: ask_px: found 'cheap'", "a decimal number")),
        ({"ask_px": "nan"}, ("row 7: ask_px: found 'nan'; allowed: 0 < price < 1",)),
        ({"bid_px": "NaN"}, ("row 7: bid_px: found 'NaN'; allowed: 0 < price < 1",)),
        ({"bid_px": "-Infinity"}, ("row 7: bid_px: found '-Infinity'; allowed: 0 < price < 1",)),
        ({"ask_sz": "NaN"}, ("row 7: ask_sz: found 'NaN'; allowed: size > 0",)),
        ({"bid_sz": "0"}, ("row 7: bid_sz: found '0'", "size > 0")),
        ({"bid_sz": "-5"}, ("row 7: bid_sz: found '-5'",)),
        ({"bid_sz": "1000000000000"}, ("row 7: bid_sz", "less than 900 million")),
        ({"bid_sz": None}, ("row 7: bid_sz: found null", "or on neither")),
        ({"bid_px": None}, ("row 7: bid_px: found null",)),
        ({"ts_recv_ns": 1}, ("row 7: ts_recv_ns: found 1", "rows in order of receipt")),
        ({"venue": "betfair"}, ("row 7: venue: found 'betfair'", "kalshi, polymarket")),
        ({"venue": "polymarket_us"}, ("row 7: venue: found 'polymarket_us'", TICKER)),
        ({"pair_id": "NOPE"}, ("row 7: pair_id: found 'NOPE'", TICKER)),
        ({"instrument": "KXOTHER"}, ("row 7: instrument: found 'KXOTHER'",)),
        ({"session": "S9"}, ("row 7: session: found 'S9'", "one session per file")),
    ],
)
def test_a_wrong_value_is_named(tmp_path, change, needles):
    _refused(tmp_path, _with(tmp_path, **change), *needles)


def test_missing_folder_file_and_pairs(tmp_path):
    _refused(tmp_path, tmp_path / "nowhere", "nowhere: found no such folder")
    empty = tmp_path / "empty"
    empty.mkdir()
    _refused(tmp_path, empty, "no *.parquet file")
    empty.rmdir()
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry()])
    (src / "pairs.json").unlink()
    _refused(tmp_path, src, "pairs.json: found no such file")


def test_wrong_schema(tmp_path):
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry()])
    table = pq.read_table(src / "S1.parquet")
    pq.write_table(table.drop_columns(["ask_sz"]), src / "S1.parquet")
    _refused(tmp_path, src, "S1.parquet: ask_sz: found no such column", "ts_recv_ns")
    floats = pa.array([0.5] * table.num_rows)
    at = table.schema.get_field_index("ask_px")
    pq.write_table(table.set_column(at, "ask_px", floats), src / "S1.parquet")
    _refused(tmp_path, src, "S1.parquet: ask_px: found type double", "string")
    (src / "S1.parquet").write_bytes(b"<html>not found</html>")
    _refused(tmp_path, src, "S1.parquet: found not Parquet")
    pq.write_table(table.replace_schema_metadata({"twinbook.recording": "2"}), src / "S1.parquet")
    _refused(tmp_path, src, "metadata twinbook.recording: found 2")


def test_null_where_a_value_is_needed(tmp_path):
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry()])
    table = pq.read_table(src / "S1.parquet")
    venues = table["venue"].to_pylist()
    venues[3] = None
    at = table.schema.get_field_index("venue")
    pq.write_table(table.set_column(at, "venue", pa.array(venues)), src / "S1.parquet")
    _refused(tmp_path, src, "row 3: venue: found null")


@pytest.mark.parametrize("unit", [1_000, 1_000_000, 1_000_000_000])
def test_times_in_another_unit(tmp_path, unit):
    rows = [r | {"ts_recv_ns": r["ts_recv_ns"] // unit} for r in polled()]
    src = write(tmp_path / "src", {"S1": rows}, [pair_entry()])
    found = rows[0]["ts_recv_ns"]
    _refused(tmp_path, src, f"row 0: ts_recv_ns: found {found}", "ns UTC from 2010 to 2100")


def test_empty_session(tmp_path):
    src = write(tmp_path / "src", {"S1": []}, [pair_entry()])
    _refused(tmp_path, src, "S1.parquet: found 0 rows", "at least one observation")


def test_pair_pointing_to_an_instrument_that_is_not_in_the_data(tmp_path):
    rows = [r for r in polled() if r["venue"] == "kalshi"]
    src = write(tmp_path / "src", {"S1": rows}, [pair_entry()])
    _refused(tmp_path, src, "pairs.json: instrument", TOKEN, "has no row in S1.parquet")


def test_sessions_that_overlap_or_repeat_or_are_unknown(tmp_path):
    later = [r | {"session": "S2", "ts_recv_ns": r["ts_recv_ns"] + 5} for r in polled()]
    pairs = [pair_entry(), pair_entry(session="S2")]
    src = write(tmp_path / "src", {"S1": polled(), "S2": later}, pairs)
    _refused(tmp_path, src, "S2.parquet: ts_recv_ns", "before session 'S1' ends", "--session S2")
    write(src, {"S2": polled()}, pairs)
    _refused(tmp_path, src, "session 'S1', also in S1.parquet", "one file per session")
    (src / "S2.parquet").unlink()
    _refused(tmp_path, src, "of session 'S2', which no *.parquet file holds")
    _refused(tmp_path, src, "--session: found no session 'S3'", "S1", sessions=["S3"])


def test_a_session_without_pairs(tmp_path):
    src = write(tmp_path / "src", {"S1": polled()}, [])
    _refused(tmp_path, src, "no pair of session 'S1'")


@pytest.mark.parametrize("name", ["../../etc", "a/b", ".hidden", "KX B", "x;drop", "ü"])
def test_names_that_are_no_names_of_a_catalog(tmp_path, name):
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry(kalshi_ticker=name)])
    _refused(tmp_path, src, "pairs.json: market: found", name, "letters, digits")


def test_names_that_a_query_cannot_tell_apart(tmp_path):
    pairs = [pair_entry(), pair_entry(pair_id="P2", kalshi_ticker="KXtest.26.FR", session="S1")]
    pairs[1]["polymarket_token_yes"] = "77"
    src = write(tmp_path / "src", {"S1": polled()}, pairs)
    _refused(tmp_path, src, "KXtest.26.FR-YES.KALSHI beside KXTEST-26-FR-YES.KALSHI")


def test_broken_pairs(tmp_path):
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry(polymarket_venue="moon")])
    _refused(tmp_path, src, "pairs.json", "moon", "polymarket_international_clob")
    for text, found in (("3", "int"), ("null", "NoneType"), (' "x"', "str")):
        (src / "pairs.json").write_text(text)
        allowed = 'a list of pairs or {"schema": 1, ...}'
        _refused(tmp_path, src, f"src/pairs.json: found {found}, allowed {allowed}")
    (src / "pairs.json").write_text("[{")
    _refused(tmp_path, src, "pairs.json", "no JSON")


@pytest.mark.parametrize("field", ["pair_id", "session", "kalshi_ticker", "polymarket_token_yes"])
def test_a_name_that_is_a_number(tmp_path, field):
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry(**{field: 5})])
    _refused(tmp_path, src, "src/pairs.json", f"{field}: found 5, allowed text")


@pytest.mark.parametrize(
    ("pairs", "needle"),
    [
        ([pair_entry(), pair_entry()], f"pair_id {TICKER!r} appears twice"),
        ([pair_entry(), pair_entry(pair_id="P2")], "is in pair"),
        ([pair_entry(settled_at="2026-07-20T00:00:00")], "settled_at: found '2026-07-20T00:00:00'"),
    ],
)
def test_a_wrong_pair_is_found_in_the_users_file_before_any_row_is_read(tmp_path, pairs, needle):
    src = write(tmp_path / "src", {"S1": polled()}, pairs)
    with pytest.raises(DataError) as error:
        build_dataset(src, tmp_path / "out", accept_recorded=True, progress=_no_progress)
    assert str(error.value).startswith(f"{src / 'pairs.json'}: found ")
    assert needle in str(error.value)
    assert [p.name for p in tmp_path.iterdir()] == ["src"]


def _no_progress(done: int, total: int, session: str) -> None:
    raise AssertionError(f"{done} of {total} rows of {session} were read")


def test_an_existing_output_survives_a_failed_load(tmp_path):
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry()])
    made = build_dataset(src, tmp_path / "out", accept_recorded=True)
    before = made.manifest
    rows = [*polled(), row(1, "kalshi", TICKER, ("0.1", "1", "0.2", "1"))]
    write(src, {"S1": rows}, [pair_entry()])
    with pytest.raises(DataError, match="row 24: ts_recv_ns"):
        build_dataset(src, tmp_path / "out", accept_recorded=True, replace=True)
    assert open_dataset(tmp_path / "out").manifest == before
    with pytest.raises(DataError, match="exists already"):
        build_dataset(src, tmp_path / "out", accept_recorded=True)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "src"]


def test_opening_what_is_no_dataset(tmp_path):
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "x")
    with pytest.raises(DataError, match=r"no dataset\.json.*twinbook data load"):
        open_dataset(tmp_path)
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry()])
    made = build_dataset(src, tmp_path / "d", accept_recorded=True)
    manifest = json.loads((made.path / "dataset.json").read_text())
    (made.path / "dataset.json").write_text(json.dumps(manifest | {"schema_version": 9}))
    with pytest.raises(DataError, match=r"schema_version: found 9; allowed: 1"):
        open_dataset(made.path)
    (made.path / "dataset.json").write_text(json.dumps(manifest | {"extra": 9}))
    with pytest.raises(DataError, match="unknown field `extra`"):
        open_dataset(made.path)


def test_a_dataset_that_lost_a_part(tmp_path):
    src = write(tmp_path / "src", {"S1": polled()}, [pair_entry()])
    made = build_dataset(src, tmp_path / "d", accept_recorded=True)
    name = made.instruments[0].instrument_id
    top = made.top_path(name).read_bytes()
    made.top_path(name).unlink()
    with pytest.raises(DataError, match="no such file"):
        check_dataset(made)
    made.top_path(name).write_bytes(b"x")
    with pytest.raises(DataError, match="not Parquet"):
        check_dataset(made)
    made.top_path(name).write_bytes(top)
    next((made.catalog_path / "data/order_book_deltas" / name).glob("*.parquet")).unlink()
    with pytest.raises(DataError, match="no delta file"):
        check_dataset(made)
    (made.path / "pairs.json").unlink()
    with pytest.raises(DataError, match=r"no pairs\.json"):
        open_dataset(made.path)


def test_the_command_says_it_in_one_line_and_fails(tmp_path):
    src = _with(tmp_path, bid_px="1.2")
    code = "import sys; from twinbook.cli import main; sys.argv[0] = 'twinbook'; main()"
    command = [sys.executable, "-c", code, "data", "load", str(src), "-o", str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 3
    assert run.stdout == ""
    assert run.stderr.count("\n") == 1
    assert "row 7: bid_px: found '1.2'; allowed: 0 < price < 1" in run.stderr
    assert not (tmp_path / "out").exists()


texts = st.one_of(
    st.none(),
    st.decimals(allow_nan=True, allow_infinity=True).map(str),
    st.text(max_size=8),
    st.decimals(min_value=0, max_value=1, places=4).map(str),
)


@given(st.lists(st.tuples(texts, texts, texts, texts), min_size=1, max_size=6))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_exactly_or_refused(tmp_path_factory, tops):
    rows = [row(support.T0 + i, "kalshi", TICKER, top) for i, top in enumerate(tops)]
    src = write(tmp_path_factory.mktemp("fuzz"), {"S1": rows}, [])
    allowed = {(TICKER, "kalshi"): frozenset({TICKER})}
    try:
        (batch,) = Recording(src / "S1.parquet", allowed).batches()
    except DataError:
        return
    for i, (bid, bid_size, ask, ask_size) in enumerate(tops):
        if bid is None or Decimal(bid_size) < Decimal("0.01"):
            assert (bid is None) == (bid_size is None)
            assert (batch.bid[i], batch.bid_size[i]) == (0, 0)
        else:
            assert Decimal(int(batch.bid[i])) / 10_000 == Decimal(bid)
            assert Decimal(int(batch.bid_size[i])) / 100 <= Decimal(bid_size)
        if ask is None or Decimal(ask_size) < Decimal("0.01"):
            assert (batch.ask[i], batch.ask_size[i]) == (10_000, 0)
        else:
            assert Decimal(int(batch.ask[i])) / 10_000 == Decimal(ask)
            assert Decimal(int(batch.ask_size[i])) / 100 <= Decimal(ask_size)
