"""The command line against the simulated venue, and on bad input."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.kalshi import shapes
from backtests.data import check_dataset, open_dataset
from tests.kalshi.support.venue import SimVenue
from twinbook.commands import account, record, venue

RUN = CliRunner()


@pytest.fixture(scope="module")
def sim(tmp_path_factory: pytest.TempPathFactory):
    with SimVenue(tmp_path_factory.mktemp("venue"), seed=3) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("KEY_ID", "PRIVATE_KEY_PATH", "PRIVATE_KEY"):
        monkeypatch.delenv(f"KALSHI_DEMO_{name}", raising=False)
        monkeypatch.delenv(f"KALSHI_{name}", raising=False)
    monkeypatch.setenv("COLUMNS", "200")


def key(sim: SimVenue) -> list[str]:
    account_1 = sim.kalshi["accounts"][1]
    return [
        "--rest-url",
        sim.kalshi["rest"],
        "--key-id",
        account_1["key_id"],
        "--key-file",
        account_1["private_key_path"],
    ]


def test_check_finds_everything_in_order_and_the_same_shapes(sim: SimVenue) -> None:
    result = RUN.invoke(venue.app, ["kalshi", "check", *key(sim), "--against", sim.kalshi["rest"]])
    assert result.exit_code == 0, result.output
    for word in ("ed25519", "tier", "shard 3", "shapes"):
        assert word in result.output
    assert "FAILED" not in result.output


def test_check_fails_when_the_exchange_pauses(sim: SimVenue) -> None:
    sim.do("pause", scope="trading")
    try:
        result = RUN.invoke(venue.app, ["kalshi", "check", *key(sim)])
    finally:
        sim.do("resume", scope="trading")
    assert result.exit_code == 1
    assert "FAILED" in result.output


def test_list_and_show_need_no_key(sim: SimVenue) -> None:
    url = ["--rest-url", sim.kalshi["rest"]]
    listed = RUN.invoke(venue.app, ["kalshi", "list", *url, "--limit", "3"])
    assert listed.exit_code == 0, listed.output
    assert "3 of " in listed.output
    shown = RUN.invoke(venue.app, ["kalshi", "show", sim.tickers[0], *url])
    assert shown.exit_code == 0, shown.output
    assert "rules SHA-256" in shown.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "--env", "prod"], "environment: found 'prod', allowed: demo or production"),
        (["check"], "key_id: found nothing, set it or KALSHI_DEMO_KEY_ID"),
        (["check", "--key-id", "k", "--key-file", "/nowhere"], "cannot read /nowhere"),
        (["list", "--status", "active"], "filters.status: found 'active'"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], says: str) -> None:
    result = RUN.invoke(venue.app, ["kalshi", *arguments])
    assert result.exit_code == 3
    assert says in result.output
    assert len(result.output.strip().splitlines()) == 1


def test_an_unknown_ticker_is_one_line(sim: SimVenue) -> None:
    result = RUN.invoke(venue.app, ["kalshi", "show", "NOPE", "--rest-url", sim.kalshi["rest"]])
    assert (result.exit_code, len(result.output.strip().splitlines())) == (3, 1)
    assert "unknown to the venue" in result.output


def test_cash_moves_only_with_yes_and_exactly(sim: SimVenue) -> None:
    before = sim.truth()["cash"]
    arguments = ["kalshi", "move", "25.5001", "--from", "0", "--to", "3", *key(sim)]
    dry = RUN.invoke(account.app, arguments)
    assert "nothing was sent" in dry.output
    assert sim.truth()["cash"] == before
    done = RUN.invoke(account.app, [*arguments, "--yes"])
    assert "complete" in done.output, done.output
    from decimal import Decimal

    after = sim.truth()["cash"]
    assert Decimal(after["0/3"]) - Decimal(before["0/3"]) == Decimal("25.5001")
    assert Decimal(before["0/0"]) - Decimal(after["0/0"]) == Decimal("25.5001")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["move", "1.00005", "--from", "0", "--to", "3"], "AMOUNT"),
        (["move", "0", "--from", "0", "--to", "3"], "AMOUNT"),
        (["move", "nan", "--from", "0", "--to", "3"], "AMOUNT"),
        (["move", "1", "--from", "0", "--to", "0"], "--to"),
        (["move", "1", "--from", "0", "--to", "9"], "--to: found 9"),
        (["move", "99999999", "--from", "0", "--to", "3"], "at most the"),
        (["allocate", "0=50", "3=49"], "a sum of 99"),
        (["allocate", "0=100", "0=0"], "each shard once"),
        (["allocate", "x"], "SHARD=PERCENT"),
    ],
)
def test_wrong_transfers_are_refused_before_anything_is_sent(
    sim: SimVenue, arguments: list[str], says: str
) -> None:
    before = sim.truth()["cash"]
    result = RUN.invoke(account.app, ["kalshi", *arguments, *key(sim), "--yes"])
    assert result.exit_code == 3
    assert says in result.output
    assert sim.truth()["cash"] == before


def test_production_cash_is_never_moved() -> None:
    from adapters.common.errors import UsageError
    from adapters.kalshi.constants import ENVIRONMENTS
    from twinbook.commands.account_kalshi import _go

    class Session:
        environment = ENVIRONMENTS["production"]

    with pytest.raises(UsageError, match="moves no real cash"):
        _go(Session(), yes=True)


@pytest.mark.parametrize("keyed", [True, False], ids=["stream", "poll"])
def test_a_recording_is_a_dataset_without_faults(
    sim: SimVenue, tmp_path: Path, keyed: bool
) -> None:
    target = tmp_path / "rec"
    where = (
        [*key(sim), "--ws-url", sim.kalshi["ws"]]
        if keyed
        else ["--rest-url", sim.kalshi["rest"], "--interval", "0.3"]
    )
    result = RUN.invoke(
        record.app,
        ["kalshi", "start", *sim.tickers[:2], "-o", str(target), "--seconds", "3", *where],
    )
    assert result.exit_code == 0, result.output
    dataset = open_dataset(target)
    assert len(dataset.instruments) == 2
    assert dataset.sessions[0].kind == ("message" if keyed else "polled")
    check_dataset(dataset)
    quality = json.loads((target / "quality.json").read_text())
    assert quality["issues"] == []
    stamps = [d.ts_init for d in dataset.catalog().order_book_deltas()]
    assert stamps == sorted(stamps)


def test_a_failed_recording_leaves_nothing(sim: SimVenue, tmp_path: Path) -> None:
    target = tmp_path / "rec"
    result = RUN.invoke(
        record.app,
        [
            "kalshi",
            "start",
            "NOPE",
            "-o",
            str(target),
            "--seconds",
            "1",
            "--rest-url",
            sim.kalshi["rest"],
        ],
    )
    assert result.exit_code == 3
    assert list(tmp_path.iterdir()) == []


def test_shapes_tell_what_differs_and_forgive_what_is_empty() -> None:
    mine = shapes.shape({"a": 1, "b": [{"c": "x"}], "d": None, "e": []})
    assert shapes.differences(mine, shapes.shape({"a": 2, "b": [], "d": "x", "e": [1]})) == []
    assert shapes.differences(
        mine, shapes.shape({"a": "1", "b": [{"c": 1}], "d": 1, "e": [], "f": 1})
    ) == [
        ".a is number here, string there",
        ".b[].c is string here, number there",
        ".f only there",
    ]
