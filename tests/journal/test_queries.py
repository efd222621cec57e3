"""What can be asked of a journal, and a backtest taken into one."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from core.decisions import DecisionDigest, decode
from journal import queries
from journal.errors import JournalContradiction, JournalImportError, JournalSchemaError
from journal.importer import import_run
from journal.records import Amount, IntentEvent, OrderEvent
from journal.store import Journal
from tests.journal import build
from tests.report import scenarios

D = Decimal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "j.db"


def test_what_a_restart_must_finish(path: Path) -> None:
    with Journal(path, build.run()) as journal:
        for n in (1, 2):
            journal.write_intent(build.intent(n))
            journal.write_order(build.order(n))
        journal.add_intent_event(IntentEvent("I-1", 9, "HEDGED", ends=True))
        journal.commit()
        with queries.reading(path) as connection:  # beside the running writer
            found = queries.open_intents(connection, "sim")
            assert queries.open_intents(connection, "other") == []
    assert [i.intent_id for i in found] == ["I-2"]
    assert found[0].orders == ("O-2-1",)
    assert found[0].quantity == D(7)
    assert [leg["price"] for leg in found[0].legs] == [D("0.49"), D("0.46")]
    assert found[0].legs[1]["client_order_id"] == "O-2-2"


def test_reading_cannot_write(path: Path) -> None:
    Journal(path, build.run()).abandon()
    with (
        queries.reading(path) as connection,
        pytest.raises(sa.exc.OperationalError, match="readonly"),
    ):
        connection.execute(sa.text("INSERT INTO beliefs VALUES (1,'run-1',1,'K','cash','USD',1)"))


def test_holdings_fees_and_beliefs(path: Path) -> None:
    with Journal(path, build.run()) as journal:
        journal.add_fill(build.fill(1, fee_expected=D("0.08"), fee_charged=D("0.08")))
        journal.add_fill(build.fill(2, fee_expected=D("0.08"), fee_charged=D("0.0801")))
        journal.add_fill(build.fill(3))
        journal.add_fill(build.fill(3, "reverted"))
        journal.add_fill(build.fill(4, side="SELL", quantity=D(2)))
        right = journal.add_belief(Amount(1, "KALSHI", "cash", "USD", D("10.5")))
        wrong = journal.add_belief(Amount(2, "KALSHI", "position", build.K, D(7)))
        journal.add_position(Amount(3, "KALSHI", "cash", "USD", D("10.5")), right)
        journal.add_position(Amount(4, "KALSHI", "position", build.K, D(0)), wrong)
        journal.commit()
    with queries.reading(path) as connection:
        assert queries.holdings(connection, "sim") == {("POLYMARKET", build.P): D(12)}
        assert [(m.trade_id, m.difference) for m in queries.fee_misses(connection, "sim")] == [
            ("T-2", D("0.0001"))
        ]
        misses = queries.belief_misses(connection, "run-1")
        assert [(m.subject, m.believed, m.true, m.believed_ns) for m in misses] == [
            (build.K, D(7), D(0), 2)
        ]


def test_one_event_tells_its_story(path: Path) -> None:
    with Journal(path, build.run()) as journal:
        journal.add_decision(build.decision(1))
        journal.write_intent(build.intent(1))
        journal.write_order(build.order(1))
        journal.add_order_event(OrderEvent("O-1-1", build.START + 2, "accepted"))
        journal.add_fill(build.fill(1, ts_ns=build.START + 3))
        journal.commit()
    with queries.reading(path) as connection:
        told = queries.story(connection, "D-1")
        assert queries.story(connection, "D-none") == []
    assert [h.what for h in told] == ["decision", "intent", "order", "accepted", "fill provisional"]


@pytest.mark.parametrize("make", [scenarios.every_kind, scenarios.nothing_seen])
def test_import_of_a_backtest(tmp_path: Path, path: Path, make) -> None:
    folder = make(tmp_path / "a run")
    run = import_run(folder, path)
    summary = json.loads((folder / "summary.json").read_text())
    with queries.reading(path) as connection:
        (info,) = queries.list_runs(connection)
        digest = DecisionDigest()
        for payload in queries.decision_payloads(connection, run.run_id):
            digest.add(decode(payload))
        held = queries.holdings(connection, run.scope)
        books = connection.scalar(sa.text("SELECT COUNT(*) FROM books"))
    assert run.run_id == f"a run-{summary['config_hash'][:8]}"
    assert (info.decisions, info.taken) == (
        summary["decisions"]["evaluated"],
        summary["decisions"]["taken"],
    )
    assert info.end_state == "clean"
    # the journal's records give the digest that the run itself stated
    assert digest.hexdigest() == summary["decision_digest"]
    assert books == 2 * info.decisions
    fills = pq.read_table(folder / "fills.parquet").to_pylist()
    bought: dict = {}
    for f in fills:
        key = f["venue"], f["instrument"]
        sign = 1 if f["side"] == "BUY" else -1
        bought[key] = bought.get(key, D(0)) + sign * f["quantity"]
    assert held == {k: v for k, v in bought.items() if v}


def test_the_same_run_is_imported_once_and_two_runs_live_side_by_side(
    tmp_path: Path, path: Path
) -> None:
    folder = scenarios.one_box(tmp_path / "run")
    import_run(folder, path)
    with pytest.raises(JournalContradiction, match=r"runs\.run_id"):
        import_run(folder, path)
    import_run(folder, path, run_id="again")
    with queries.reading(path) as connection:
        assert [r.run_id for r in queries.list_runs(connection)] == ["again", "run-c0ffeec0"]
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM fills")) == 8


def test_a_broken_folder_leaves_the_journal_as_it_was(tmp_path: Path, path: Path) -> None:
    good = scenarios.one_box(tmp_path / "good")
    import_run(good, path)
    bad = scenarios.every_kind(tmp_path / "bad")
    table = pq.read_table(bad / "fills.parquet")
    rows = table.to_pylist()
    rows[-1]["price"] = D("1.5")
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), bad / "fills.parquet")
    for target in (path, tmp_path / "new.db"):
        with pytest.raises(Exception, match="ck_fills_price"):
            import_run(bad, target)
    assert not (tmp_path / "new.db").exists()
    with queries.reading(path) as connection:
        assert [r.run_id for r in queries.list_runs(connection)] == ["good-c0ffeec0"]
        assert connection.scalar(sa.text("SELECT COUNT(*) FROM fills")) == 4


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "summary.json").unlink(), r"summary\.json: missing"),
        (lambda d: (d / "summary.json").write_text("{"), "cannot be read as JSON"),
        (lambda d: (d / "summary.json").write_text('{"schema_version": 9}'), "found 9, allowed 1"),
        (lambda d: (d / "summary.json").write_text('{"schema_version": 1}'), "config_hash|data"),
        (lambda d: (d / "orders.parquet").unlink(), r"orders\.parquet: missing"),
        (lambda d: (d / "fills.parquet").write_bytes(b"PAR1"), r"fills\.parquet: cannot be read"),
    ],
)
def test_a_folder_that_is_none(tmp_path: Path, path: Path, damage, message: str) -> None:
    folder = scenarios.one_box(tmp_path / "run")
    damage(folder)
    with pytest.raises(JournalImportError, match=message):
        import_run(folder, path)
    assert not path.exists()


def test_reading_something_else(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x" * 5_000)
    with (
        pytest.raises(JournalSchemaError, match="not a journal"),
        queries.reading(tmp_path / "x"),
    ):
        pass
