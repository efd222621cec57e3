"""The data command: what a person types, sees and finds on the disk."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from backtests.data import open_dataset
from tests.data import support
from tests.data.test_archives import PAIR, _mirror
from twinbook.commands.data import EXIT_BAD_DATA, app

runner = CliRunner()


def _run(*args: object) -> str:
    result = runner.invoke(app, [str(a) for a in args], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def _fails(*args: object) -> str:
    result = runner.invoke(app, [str(a) for a in args], catch_exceptions=False)
    assert result.exit_code == EXIT_BAD_DATA
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    return line


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    root = tmp_path_factory.mktemp("cli")
    src = support.both(root / "src")
    _run("load", src, "-o", root / "d")
    return root / "d"


def test_load_says_what_it_loaded(tmp_path):
    src = support.both(tmp_path / "src")
    shown = _run("load", src, "--output", tmp_path / "d", "--session", "S2")
    assert "S2" in shown
    assert "inverse_repeats 6" in shown
    assert f"wrote {tmp_path / 'd'}" in shown
    assert [s.name for s in open_dataset(tmp_path / "d").sessions] == ["S2"]
    _run("load", src, "--output", tmp_path / "d", "--replace", "--no-accept-recorded")
    assert {p.approval for p in open_dataset(tmp_path / "d").pairs()} == {None}


def test_check_prints_every_book_and_pair(loaded):
    shown = _run("check", loaded)
    for info in open_dataset(loaded).instruments:
        assert info.instrument_id[:20] in shown
    assert "route" in shown
    assert "1 issues: one_sided 1" in shown
    assert (loaded / "quality.json").is_file()


def test_scan_writes_windows_and_the_cut(loaded, tmp_path):
    shown = _run("scan", loaded, "--cut", tmp_path / "cut", "--gap", "60")
    assert "observations" in shown
    windows = json.loads((loaded / "windows.json").read_text())
    assert 0 < windows["rows"] <= 37
    assert open_dataset(tmp_path / "cut").manifest.name.endswith("-windows")


def test_stats_prints_numbers(loaded):
    shown = _run("stats", loaded)
    assert "spread_median" in shown
    assert "life_median_s" in shown


def test_generate_is_labelled(tmp_path):
    shown = _run("generate", "-o", tmp_path / "d", "--pairs", 2, "--minutes", 2, "--seed", 5)
    assert "synthetic dataset SYN-seed5-2x2min" in shown
    assert "(synthetic)" in _run("check", tmp_path / "d")


def test_archive_reports_what_it_could_not_use(tmp_path):
    from core.pairs import encode_pairs

    mirror = _mirror(tmp_path / "m", skip={(1, "p")})
    pairs = tmp_path / "pairs.json"
    pairs.write_bytes(encode_pairs(PAIR))
    hour = "2026-06-01T12"
    options = ("--pairs", pairs, "--from", hour, "--to", hour, "--seed-hours", 1)
    shown = _run("archive", mirror, *options, "-o", tmp_path / "d")
    assert "1 of 1" in shown
    assert "polymarket_orderbook_2026-06-01T13.parquet: missing: missing" in shown
    assert "no such folder" in _fails("archive", tmp_path / "x", *options, "-o", tmp_path / "e")


@pytest.mark.parametrize(
    ("args", "text"),
    [
        (("check", "nowhere"), "nowhere: found no such folder"),
        (("scan", "nowhere"), "nowhere: found no such folder"),
        (("stats", "nowhere"), "nowhere: found no such folder"),
        (("load", "nowhere", "-o", "x"), "nowhere: found no such folder"),
        (("generate", "-o", "x", "--style", "odd"), "--style: found 'odd'; allowed: mixed"),
        (("generate", "-o", "x", "--minutes", "0"), "minutes: found 0.0"),
        (("download", "m", "--from", "soon", "--to", "later"), "hour: found 'soon'"),
        (
            ("download", "m", "--from", "2026-06-01T12", "--to", "2026-06-01T11"),
            "--to: found 2026-06-01T11; allowed: an hour from 2026-06-01T12 on",
        ),
        (
            ("download", "m", "--from", "2026-09-01T00", "--to", "2026-09-01T00"),
            "kalshi: hour: found 2026-09-01T00; allowed: 2026-05-14T14 to 2026-06-11T03",
        ),
        (
            ("download", "m", "--from", "2026-06-01T00", "--to", "2026-06-01T00", "--venue", "x"),
            "--venue: found 'x'; allowed: kalshi or polymarket",
        ),
    ],
)
def test_bad_arguments_are_one_line(tmp_path, monkeypatch, args, text):
    monkeypatch.chdir(tmp_path)
    assert text in _fails(*args)
    assert list(tmp_path.iterdir()) == []
