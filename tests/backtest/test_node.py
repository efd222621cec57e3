"""The command: what a user types, what lands in the folder, and every way to get it wrong."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtests.errors import RunFailedError
from backtests.results import tables
from backtests.results.write import check_reconciled
from nodes.backtest_node import main
from tests.data.support import POLL_NS, T0, TICKER, TOKEN, pair_entry, row, write

D = Decimal
BASE = """
[data]
accept_recorded = true
[fills]
model = "pure"
"""
FILES = {
    "boxes.parquet",
    "config.toml",
    "decisions.parquet",
    "equity.parquet",
    "fills.parquet",
    "orders.parquet",
    "pairs.json",
    "positions.parquet",
    "quality.json",
    "report.html",
    "settlements.parquet",
    "summary.json",
}


def edge_rows(polls: int = 8, size: str = "100") -> list[dict]:
    """Kalshi bids 0.50, Polymarket asks 0.45: NO on Kalshi and YES on Polymarket cost 0.95."""
    rows = []
    for poll in range(polls):
        ts = T0 + poll * POLL_NS
        rows.append(row(ts, "kalshi", TICKER, ("0.500", size, "0.510", "100")))
        rows.append(row(ts + 148_000_000, "polymarket", TOKEN, ("0.440", "100", "0.450", size)))
    return rows


def recordings(folder: Path, rows: list[dict] | None = None, **pair) -> Path:
    return write(folder, {"S1": rows or edge_rows()}, [pair_entry(**pair)])


def run(tmp_path: Path, data: Path, config: str = BASE, name: str = "out") -> Path:
    settings = tmp_path / f"{name}.toml"
    settings.write_text(config)
    output = tmp_path / name
    code = main(["--config", str(settings), "--data", str(data), "--output", str(output)])
    assert code == 0
    return output


def summary(output: Path) -> dict:
    return json.loads((output / "summary.json").read_text())


def test_a_box_from_recording_to_settled_cash_to_the_cent(tmp_path: Path, capsys) -> None:
    """100 NO on Kalshi at .50 cost 50 and 1.75, 100 YES on Polymarket 45; NO pays 100."""
    output = run(tmp_path, recordings(tmp_path / "rec"))
    result = summary(output)
    assert {path.name for path in output.iterdir()} == FILES
    assert result["capital"]["start"] == {"KALSHI": "10000", "POLYMARKET": "10000"}
    assert result["capital"]["end"] == {"KALSHI": "10048.25", "POLYMARKET": "9955"}
    assert result["pnl"] == {
        "total": "3.25",
        "locked": "3.25",
        "closed": "0",
        "unwind": "0",
        "unhedged": "0",
        "settlement": "0",
        "fees": {"KALSHI": "1.75", "POLYMARKET": "0"},
        "slippage": "0",
    }
    assert [s["amount"] for s in result["waterfall"]] == ["5", "0", "0", "-1.75", *["0"] * 4]
    boxes = result["boxes"]
    assert (boxes["opened"], boxes["contracts"], boxes["settled"]) == (1, "100", 1)
    assert boxes["return_on_capital"] == "0.033592"  # 3.25 / 96.75
    assert boxes["annualised"] is not None
    assert result["reconciliation"]["cash_difference"] == "0"
    assert result["decisions"]["taken"] == 1
    assert capsys.readouterr().out.strip() == str(output / "report.html")


def test_tables_have_the_documented_columns_and_exact_types(tmp_path: Path) -> None:
    output = run(tmp_path, recordings(tmp_path / "rec"))
    for name in ("decisions", "orders", "fills", "settlements", "boxes", "positions", "equity"):
        schema = pq.read_schema(output / f"{name}.parquet")
        assert schema.equals(getattr(tables, name.upper())), name
        for column in schema:
            assert not pa.types.is_floating(column.type), (name, column.name)
            if column.name.endswith("_ns"):
                assert column.type == pa.int64()
    fills = pq.read_table(output / "fills.parquet").to_pylist()
    assert [(f["venue"], f["side"], f["price"], f["quantity"], f["fee"]) for f in fills] == [
        ("POLYMARKET", "BUY", D("0.45"), D(100), D(0)),
        ("KALSHI", "BUY", D("0.50"), D(100), D("1.75")),
    ]
    assert {f["box_id"] for f in fills} == {f["decision_id"].replace("#", ".") for f in fills}
    paid = pq.read_table(output / "settlements.parquet").to_pylist()
    assert sorted((s["instrument"][-9:], s["price"], s["cash"]) for s in paid) == [
        ("NO.KALSHI", D(1), D(100)),
        ("OLYMARKET", D(0), D(0)),
    ]


def test_the_same_data_and_settings_give_the_same_bytes(tmp_path: Path) -> None:
    data = recordings(tmp_path / "rec")
    hazard = BASE.replace("pure", "hazard")
    for config in (BASE, hazard):
        first, second = run(tmp_path, data, config, "one"), run(tmp_path, data, config, "two")
        for name in sorted(FILES):
            assert (first / name).read_bytes() == (second / name).read_bytes(), name


def test_nothing_of_this_machine_is_written(tmp_path: Path) -> None:
    output = run(tmp_path, recordings(tmp_path / "rec"))
    for name in FILES:
        assert str(tmp_path).encode() not in (output / name).read_bytes(), name


@pytest.mark.parametrize("chunk", [0, 3, 17])
def test_the_chunk_size_changes_nothing_but_the_settings(tmp_path: Path, chunk: int) -> None:
    data = recordings(tmp_path / "rec")
    whole = summary(run(tmp_path, data))
    parts = summary(run(tmp_path, data, f"{BASE}[replay]\nchunk_rows = {chunk}\n", "parts"))
    assert parts["config_hash"] != whole["config_hash"]
    assert parts | {"config_hash": ""} == whole | {"config_hash": ""}


def test_windows_only_takes_the_same_decisions(tmp_path: Path) -> None:
    quiet = [
        r | {"ask_px": "0.55" if r["venue"] == "polymarket" else r["ask_px"], "ts_recv_ns": t}
        for t, r in ((r["ts_recv_ns"] + 3600 * 10**9, r) for r in edge_rows(40))
    ]
    data = recordings(tmp_path / "rec", edge_rows() + quiet)
    whole = summary(run(tmp_path, data))
    window = summary(run(tmp_path, data, f"{BASE}[replay]\nwindows_only = true\n", "win"))
    assert window["data"]["messages"] < whole["data"]["messages"]
    assert window["decision_digest"] == whole["decision_digest"]
    assert window["decisions"]["taken"] == 1
    for key in ("capital", "pnl", "boxes", "orders", "waterfall"):
        assert window[key] == whole[key]


def test_a_lasting_edge_is_loaded_once(tmp_path: Path) -> None:
    result = summary(run(tmp_path, recordings(tmp_path / "rec", edge_rows(60))))
    assert result["boxes"]["contracts"] == "100"


def test_an_unknown_settlement_leaves_boxes_open_at_their_worst_state(tmp_path: Path) -> None:
    data = recordings(
        tmp_path / "rec",
        settlement={"kalshi": None, "polymarket": None},
        settled_at=None,
        expected_settlement=None,
    )
    result = summary(run(tmp_path, data, BASE + "[strategy]\nnet_edge_min = 0\n"))
    assert result["boxes"]["open"] == 1
    assert result["boxes"]["annualised"] is None
    assert result["capital"]["end"] == {"KALSHI": "9948.25", "POLYMARKET": "9955"}
    assert result["capital"]["open_worst"] == "50"
    assert result["pnl"]["total"] == "-46.75"
    assert result["boxes"]["worst_state_loss"] == "46.75"
    assert result["boxes"]["divergence_loss"] == "96.75"


def test_fees_can_be_overridden_to_ask_what_todays_rate_would_give(tmp_path: Path) -> None:
    """.05 x 100 x .45 x .55 = 1.2375 more, so 2.0125 is left of 3.25."""
    data = recordings(tmp_path / "rec")
    result = summary(run(tmp_path, data, BASE + '[fees]\npolymarket_rate = "0.05"\n'))
    assert result["pnl"]["fees"] == {"KALSHI": "1.75", "POLYMARKET": "1.2375"}
    assert result["pnl"]["total"] == "2.0125"


def test_the_hazard_is_reported_beside_the_perfect_world(tmp_path: Path) -> None:
    hazard = BASE.replace("pure", "hazard")
    result = summary(run(tmp_path, recordings(tmp_path / "rec", edge_rows(30)), hazard))
    assert result["models"]["fills"] == "hazard"
    assert result["without_hazard"]["pnl"]["total"] == "3.25"
    assert result["hazard"]["first"]["attempts"] >= 1
    alone = summary(run(tmp_path, tmp_path / "rec", f"{hazard}compare = false\n", "alone"))
    assert "without_hazard" not in alone


def test_no_edge_no_trade_and_still_a_report(tmp_path: Path) -> None:
    rows = [r | {"bid_px": "0.440", "ask_px": "0.450"} for r in edge_rows()]
    output = run(tmp_path, recordings(tmp_path / "rec", rows))
    assert summary(output)["decisions"] == {
        "evaluated": 0,
        "taken": 0,
        "refused": {},
        "gate_updates": 16,
        "gate_misses": 16,
    }
    assert pq.read_table(output / "fills.parquet").num_rows == 0


def test_the_demo_runs_without_data(tmp_path: Path) -> None:
    config = "[data]\naccept_recorded = true\n[data.synthetic]\nseed = 3\npairs = 2\nminutes = 4\n"
    settings = tmp_path / "demo.toml"
    settings.write_text(config)
    assert main(["--config", str(settings), "--output", str(tmp_path / "out")]) == 0
    assert summary(tmp_path / "out")["synthetic"] is True


# -- what can be wrong ------------------------------------------------------------------------


def spoil_price(rows: list[dict]) -> list[dict]:
    return [r | {"ask_px": "1.20"} if i == 5 else r for i, r in enumerate(rows)]


def spoil_time(rows: list[dict]) -> list[dict]:
    return [*rows[1:], rows[0]]


BAD_DATA = {
    "price": (lambda f: recordings(f, spoil_price(edge_rows())), ["ask_px", "1.2"]),
    "time": (lambda f: recordings(f, spoil_time(edge_rows())), ["ts_recv_ns"]),
    "empty": (lambda f: write(f, {"S1": []}, [pair_entry()]), ["S1"]),
    "pair": (lambda f: recordings(f, kalshi_ticker="KXOTHER"), ["KX"]),
    "no pairs": (lambda f: (recordings(f) / "pairs.json").unlink() or f, ["pairs.json"]),
    "no folder": (lambda f: f, ["no such folder"]),
    "approval": (lambda f: (recordings(f) / "pairs.json").write_text("{") and f, ["pairs.json"]),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_data_is_one_line_and_nothing_is_left(tmp_path: Path, capsys, name: str) -> None:
    make, words = BAD_DATA[name]
    data = make(tmp_path / "rec")
    check_refused(tmp_path, capsys, BASE, ["--data", str(data)], words)


BAD_CONFIG = {
    "[strategy]\nsise_min = 3": ["strategy", "sise_min", "size_min"],
    "[strategy]\nsize_min = 0": ["strategy.size_min", "found 0", "more than 0"],
    "[fills]\nmodel = 'perfect'": ["fills.model", "perfect", "hazard, pure"],
    "[latency_ms]\nKALSHI = 88": ["latency_ms.KALSHI", "88", "hazard"],
    "[capital]\nKALSHI = -1": ["capital.KALSHI", "-1"],
    "[replay]\nchunk_rows = 'many'": ["replay.chunk_rows", "many"],
    "[data]\nsessions = ['S9']": ["data.sessions", "no session 'S9'", "allowed: S1"],
    "[data": ["no TOML"],
}


@pytest.mark.parametrize("text", BAD_CONFIG)
def test_bad_settings_are_one_line_and_nothing_is_left(tmp_path: Path, capsys, text: str) -> None:
    data = recordings(tmp_path / "rec")
    check_refused(tmp_path, capsys, text, ["--data", str(data)], BAD_CONFIG[text])


def check_refused(tmp_path: Path, capsys, config: str, more: list[str], words: list[str]) -> None:
    settings = tmp_path / "bad.toml"
    settings.write_text(config)
    before = sorted(tmp_path.rglob("*"))
    output = tmp_path / "runs" / "bad"
    assert main(["--config", str(settings), *more, "--output", str(output)]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("backtest: ")
    for word in words:
        assert word in lines[0]
    left = [path for path in sorted(tmp_path.rglob("*")) if path not in before]
    assert [path for path in left if path.is_file()] == []
    assert not output.exists()


@pytest.mark.parametrize("accept", [False, True])
def test_unapproved_pairs_come_with_a_hint(tmp_path: Path, capsys, *, accept: bool) -> None:
    config = BASE.replace("true", str(accept).lower())
    result = summary(run(tmp_path, recordings(tmp_path / "rec"), config))
    hints = [x for x in capsys.readouterr().err.splitlines() if x.startswith("hint: ")]
    assert (list(result["decisions"]["refused"]) == ["not_approved"]) is not accept
    assert len(hints) == (0 if accept else 1)
    assert all("set data.accept_recorded = true" in hint for hint in hints)


def test_a_missing_settings_file_is_named(tmp_path: Path, capsys) -> None:
    assert main(["--config", str(tmp_path / "none.toml"), "--output", str(tmp_path / "o")]) == 2
    assert "none.toml: no such file" in capsys.readouterr().err


def test_no_data_at_all_says_how_to_give_it(tmp_path: Path, capsys) -> None:
    check_refused(tmp_path, capsys, "", [], ["--data", "[data.synthetic]"])


def test_a_folder_of_the_users_is_never_overwritten(tmp_path: Path, capsys) -> None:
    data = recordings(tmp_path / "rec")
    settings = tmp_path / "c.toml"
    settings.write_text(BASE)
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("all I have")
    args = ["--config", str(settings), "--data", str(data), "--output"]
    assert main([*args, str(precious)]) == 2
    assert "thesis.txt" in [path.name for path in precious.iterdir()]
    assert "allowed a new or empty folder" in capsys.readouterr().err


@pytest.mark.parametrize("below", ["out", "deep/out"])
def test_an_output_that_cannot_be_made_is_one_line(tmp_path: Path, capsys, below: str) -> None:
    """A file in the way stops root too, unlike a folder without write permission."""
    settings = tmp_path / "c.toml"
    settings.write_text(BASE)
    (tmp_path / "file").write_text("mine")
    data, output = recordings(tmp_path / "rec"), tmp_path / "file" / below
    assert main(["--config", str(settings), "--data", str(data), "--output", str(output)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"backtest: --output {output}: cannot create: ")
    assert len(error.splitlines()) == 1
    assert (tmp_path / "file").read_text() == "mine"
    assert {path.name for path in tmp_path.iterdir()} == {"c.toml", "file", "rec"}


def test_a_failed_run_leaves_the_earlier_result_alone(tmp_path: Path) -> None:
    output = run(tmp_path, recordings(tmp_path / "rec"))
    before = (output / "summary.json").read_bytes()
    settings = tmp_path / "out.toml"
    bad = recordings(tmp_path / "rec2", spoil_price(edge_rows()))
    assert main(["--config", str(settings), "--data", str(bad), "--output", str(output)]) == 2
    assert (output / "summary.json").read_bytes() == before


def test_too_little_cash_is_a_refusal_not_an_abort(tmp_path: Path) -> None:
    data = recordings(tmp_path / "rec")
    result = summary(run(tmp_path, data, BASE + "[capital]\nKALSHI = 2\nPOLYMARKET = 2\n"))
    assert result["boxes"]["opened"] == 0
    assert set(result["decisions"]["refused"]) & {"no_cash", "below_min_size", "below_hurdle"}


def test_a_result_that_does_not_balance_is_refused() -> None:
    good = {"cash_difference": "0", "positions_difference": "0", "pnl_difference": "0.00"}
    check_reconciled({"reconciliation": good})
    for key in good:
        with pytest.raises(RunFailedError, match=rf"{key}: found 0\.000001, allowed 0"):
            check_reconciled({"reconciliation": good | {key: "0.000001"}})


def test_a_result_is_replaced_whole(tmp_path: Path) -> None:
    data = recordings(tmp_path / "rec")
    output = run(tmp_path, data)
    (output / "old.txt").write_text("of the earlier run")
    run(tmp_path, data)
    assert {path.name for path in output.iterdir()} == FILES
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []


def test_the_settings_can_be_shown(tmp_path: Path, capsys) -> None:
    settings = tmp_path / "c.toml"
    settings.write_text(BASE)
    assert main(["--config", str(settings), "--show-config"]) == 0
    assert "[strategy.limits]" in capsys.readouterr().out
