"""``twinbook why`` over a folder and over a journal; ``twinbook journal`` and ``report``."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from backtests.report.folder import Folder
from backtests.report.refusals import PLAIN, NearMiss, by_reason, change_needed
from core.reasons import Reason
from journal.records import IntentEvent
from journal.store import Journal
from tests.journal import build
from tests.report import scenarios
from twinbook.commands import journal as journal_command
from twinbook.commands import report as report_command
from twinbook.commands import why as why_command

RUNNER = CliRunner()
D = Decimal


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenarios.every_kind(tmp_path_factory.mktemp("why") / "run")


def ask(*args: object) -> dict:
    result = RUNNER.invoke(why_command.app, [*map(str, args), "--json"])
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_counts_shares_and_nearest_misses_against_the_file(run: Path) -> None:
    """Everything is recounted from decisions.parquet in another way."""
    said = ask(run)
    rows = [r for r in pq.read_table(run / "decisions.parquet").to_pylist()]
    refused = [r for r in rows if r["outcome"] == "refused"]
    assert said["evaluated"] == len(rows)
    assert said["taken"] == len(rows) - len(refused)
    assert sum(r["count"] for r in said["refused"]) == len(refused)
    assert [r["count"] for r in said["refused"]] == sorted(
        (r["count"] for r in said["refused"]), reverse=True
    )
    for entry in said["refused"]:
        mine = [r for r in refused if r["reason"] == entry["reason"]]
        assert entry["count"] == len(mine)
        assert abs(D(entry["share"]) - D(len(mine)) / len(refused)) <= D("0.0000005")
        best = max(mine, key=lambda r: r["net_edge"] - r["required_edge"])
        near = entry["nearest"]
        assert D(near["net_edge"]) == best["net_edge"]
        assert D(near["required_edge"]) == best["required_edge"]
        assert D(near["short_by"]) == best["required_edge"] - best["net_edge"]
        first = next(r for r in mine if r["net_edge"] - r["required_edge"]
                     == best["net_edge"] - best["required_edge"])  # fmt: skip
        assert (near["ts_ns"], near["pair_id"]) == (first["ts_ns"], first["pair_id"])
    for pair in said["pairs"]:
        mine = [r for r in rows if r["pair_id"] == pair["pair_id"]]
        assert pair["evaluated"] == len(mine)
        assert sum(r["count"] for r in pair["refused"]) + pair["taken"] == len(mine)
    assert sum(p["evaluated"] for p in said["pairs"]) == len(rows)


def test_the_journal_tells_the_same_story(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    result = RUNNER.invoke(journal_command.app, ["import", str(run), str(path), "--name", "a"])
    assert (result.exit_code, "a imported into" in result.output) == (0, True)
    folder, book = ask(run), ask(path)
    for said in (folder, book):
        for entry in [*said["refused"], *(r for p in said["pairs"] for r in p["refused"])]:
            entry["nearest"].pop("session")  # a journal keeps runs, not sessions
    for key in ("evaluated", "taken", "refused", "pairs"):
        assert folder[key] == book[key]


def test_text_for_people(run: Path) -> None:
    result = RUNNER.invoke(why_command.app, [str(run)])
    assert result.exit_code == 0
    said = result.output.replace("\u00a0", " ")
    assert "123 decisions: 7 led to orders (5.69 %)" in said
    assert "0 of them to sell a box back early, 116 refused." in said
    assert "the fast gate dismissed 2,277" in result.output
    assert "The two asks together had to be 1.1489 c cheaper." in result.output
    one = RUNNER.invoke(why_command.app, [str(run), "--pair", "KXMENWORLDCUP-26-BR"])
    assert "KXMENWORLDCUP-26-GB" not in one.output.replace(str(run), "")


def test_nothing_traded_and_nothing_seen(tmp_path: Path) -> None:
    crossed = RUNNER.invoke(why_command.app, [str(scenarios.nothing_taken(tmp_path / "a"))])
    assert "30 decisions: nothing was traded, 30 refused." in crossed.output
    assert "Crossed book" in crossed.output
    seen = RUNNER.invoke(why_command.app, [str(scenarios.nothing_seen(tmp_path / "b"))])
    assert "No decision was made: nothing came near an edge." in seen.output
    assert ask(tmp_path / "b")["refused"] == []


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["{tmp}/none"], "no such file or folder"),
        (["{tmp}"], "summary.json: missing"),
        (["{tmp}/x"], "not a journal"),
        (["{run}", "--pair", "NOPE"], "--pair: found 'NOPE', allowed KXMENWORLDCUP-26-BR"),
        (["{run}", "--run", "r"], "--run: only a journal holds several runs"),
        (["{journal}", "--run", "r"], "--run: found 'r', allowed run-1"),
    ],
)
def test_bad_input_is_one_line(run: Path, tmp_path: Path, args: list[str], message: str) -> None:
    (tmp_path / "x").write_text("text" * 2_000)
    Journal(tmp_path / "j.db", build.run()).close(build.START)
    filled = [a.format(tmp=tmp_path, run=run, journal=tmp_path / "j.db") for a in args]
    result = RUNNER.invoke(why_command.app, filled)
    assert result.exit_code == 3
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_every_reason_has_words() -> None:
    for reason in Reason:
        if reason is Reason.TAKEN:
            continue
        assert reason.value in PLAIN
        near = NearMiss(1, "", "p", "yes_no", None, D("0.01"), D("0.02"), "")
        assert "reason code" not in change_needed(reason.value, near), reason


@pytest.mark.parametrize(
    ("reason", "net", "required", "words"),
    [
        ("no_edge", "-0.011889", "0.0116", "The two asks together had to be 2.3489 c cheaper."),
        ("crossed", "0.05", "0.0116", "It needed a book whose bid is below its ask; the edge"),
        ("crossed", "0.01", "0.0116", "and asks 0.16 c cheaper together."),
        ("no_cash", None, None, "It needed more free cash on the venue that ran short."),
        ("below_hurdle", None, "0.01", "The two asks together had to be cheaper."),
        ("something_new", "0.1", "0.1", "It needed the condition named by its reason code"),
    ],
)
def test_what_had_to_be_different(
    reason: str, net: str | None, required: str | None, words: str
) -> None:
    near = NearMiss(
        1, "", "p", "yes_no", None,
        None if net is None else D(net), None if required is None else D(required), "",
    )  # fmt: skip
    assert words in change_needed(reason, near)


def test_a_refusal_without_numbers_has_no_nearest_miss(tmp_path: Path) -> None:
    folder = scenarios.nothing_taken(tmp_path / "run")
    path = folder / "decisions.parquet"
    table = pq.read_table(path)
    rows = [r | {"net_edge": None, "required_edge": None} for r in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), path)
    found = by_reason(Folder(folder).decisions)
    assert [r.nearest for r in found] == [None, None]
    assert [e["nearest"] for e in ask(folder)["refused"]] == [None, None]


def test_journal_command(run: Path, tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with Journal(path, build.run()) as journal:
        journal.add_decision(build.decision(1))
        journal.write_intent(build.intent(1))
        journal.write_order(build.order(1))
        journal.add_fill(build.fill(1, fee_expected=D("0.08"), fee_charged=D("0.09")))
        journal.commit()
    listed = RUNNER.invoke(journal_command.app, ["runs", str(path)])
    assert "not ended: running, or killed; 1 decision, 1 taken, 1 intent, 1 order" in listed.output
    told = RUNNER.invoke(journal_command.app, ["story", str(path), "D-1"])
    assert [line.split()[2] for line in told.output.splitlines()] == [
        "decision", "intent", "order", "fill",
    ]  # fmt: skip
    wrong = RUNNER.invoke(journal_command.app, ["check", str(path)])
    assert wrong.exit_code == 1
    assert "expected 0.08, charged 0.09" in wrong.output
    assert "intent I-1 of run run-1 has no end" in wrong.output
    same = RUNNER.invoke(journal_command.app, ["upgrade", str(path)])
    assert "schema version 1, nothing to do" in same.output
    none = RUNNER.invoke(journal_command.app, ["story", str(path), "D-9"])
    assert (none.exit_code, none.stderr.count("\n")) == (3, 1)

    clean = tmp_path / "clean.db"
    with Journal(clean, build.run()) as journal:
        journal.write_intent(build.intent(1))
        journal.add_intent_event(IntentEvent("I-1", 1, "HEDGED", ends=True))
        journal.commit()
    right = RUNNER.invoke(journal_command.app, ["check", str(clean)])
    assert (right.exit_code, "no intent is open" in right.output) == (0, True)


def test_report_command(tmp_path: Path) -> None:
    folder = scenarios.one_box(tmp_path / "run")
    result = RUNNER.invoke(report_command.app, [str(folder)])
    assert result.exit_code == 0
    assert Path(result.output.strip()) == folder / "report.html"
    missing = RUNNER.invoke(report_command.app, [str(tmp_path / "none")])
    assert missing.exit_code == 3
    assert missing.stderr.count("\n") == 1
