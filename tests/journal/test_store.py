"""The writer: what it takes, what it refuses, and what it never changes."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from journal import schema, store
from journal.errors import (
    JournalContradiction,
    JournalLocked,
    JournalSchemaError,
    JournalWriteError,
)
from journal.migrate import create, upgrade, version_of
from journal.migrations.versions import v0001_first_tables as first
from journal.records import Amount, Incident, IntentEvent, OrderEvent
from journal.store import Journal
from tests.journal import build


@pytest.fixture
def journal(tmp_path: Path):
    with Journal(tmp_path / "j.db", build.run()) as open_journal:
        yield open_journal


def rows(journal: Journal, sql: str) -> list[tuple]:
    db = sqlite3.connect(f"file:{journal.path}?mode=ro", uri=True)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def test_intent_is_durable_on_return_with_all_before_it(journal: Journal) -> None:
    journal.add_decision(build.decision())
    assert rows(journal, "SELECT COUNT(*) FROM decisions") == [(0,)]
    journal.write_intent(build.intent())
    assert journal.pending == 0
    assert rows(journal, "SELECT decision_id, net_edge_e6, quantity_e6 FROM decisions") == [
        ("D-1", 20_116, 7_000_000)
    ]
    assert rows(journal, "SELECT leg, venue, price_e6, deadline_ns FROM intent_legs") == [
        (1, "POLYMARKET", 490_000, None),
        (2, "KALSHI", 460_000, build.START + 5),
    ]
    assert rows(journal, "SELECT bids, asks FROM books WHERE venue = 'KALSHI'") == [
        ('[["0.45","120"]]', '[["0.46","120"],["0.47","200.5"]]')
    ]


def test_refused_intent_leaves_nothing_and_keeps_what_was_before(journal: Journal) -> None:
    journal.write_intent(build.intent(1))
    journal.add_decision(build.decision(2))
    with pytest.raises(JournalContradiction, match="already written"):
        journal.write_intent(build.intent(1))
    journal.commit()
    assert rows(journal, "SELECT COUNT(*) FROM intents") == [(1,)]
    assert rows(journal, "SELECT COUNT(*) FROM intent_legs") == [(2,)]
    assert rows(journal, "SELECT decision_id FROM decisions") == [("D-2",)]


def test_intent_whose_second_leg_breaks_a_rule_is_not_half_written(journal: Journal) -> None:
    good = build.intent(1)
    bad_leg = msgspec.structs.replace(good.legs[1], price=Decimal("1.00"))
    with pytest.raises(JournalWriteError, match="ck_intent_legs_price"):
        journal.write_intent(msgspec.structs.replace(good, legs=(good.legs[0], bad_leg)))
    journal.commit()
    assert rows(journal, "SELECT COUNT(*) FROM intents") == [(0,)]
    assert rows(journal, "SELECT COUNT(*) FROM intent_legs") == [(0,)]


def test_facts_cannot_be_changed_or_deleted(journal: Journal) -> None:
    journal.add_decision(build.decision())
    journal.write_intent(build.intent())
    journal.add_intent_event(IntentEvent("I-1", build.START, "WORKING"))
    journal.write_order(build.order())
    journal.add_order_event(OrderEvent("O-1-1", build.START, "submitted"))
    journal.add_fill(build.fill(fee_expected=Decimal("0.01")))
    row = journal.add_belief(Amount(1, "KALSHI", "position", build.K, Decimal(7)))
    journal.add_position(Amount(2, "KALSHI", "position", build.K, Decimal(7)), row)
    journal.add_incident(Incident(3, "warning", "stale", "book is old"))
    journal.commit()
    db = sqlite3.connect(journal.path)
    try:
        for table in schema.APPEND_ONLY:
            assert db.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0] > 0, table
            column = db.execute(f"PRAGMA table_info({table})").fetchall()[-1][1]
            for sql in (f"UPDATE {table} SET {column} = {column}", f"DELETE FROM {table}"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    db.execute(sql)
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            db.execute("DELETE FROM runs")
        with pytest.raises(sqlite3.IntegrityError, match="written once"):
            db.execute("UPDATE runs SET config_hash = 'other'")
    finally:
        db.close()


def test_a_run_ends_once(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    Journal(path, build.run()).close(build.START + 9)
    with pytest.raises(JournalContradiction, match=r"runs\.run_id"):
        Journal(path, build.run())
    with Journal(path, build.run("run-2")) as journal:
        assert rows(journal, "SELECT run_id, ended_ns, end_state FROM runs ORDER BY run_id") == [
            ("run-1", build.START + 9, "clean"),
            ("run-2", None, None),
        ]
        db = sqlite3.connect(path)
        with pytest.raises(sqlite3.IntegrityError, match="ended once"):
            db.execute("UPDATE runs SET ended_ns = 1 WHERE run_id = 'run-1'")
        db.close()


def test_fill_standings_and_repeats(journal: Journal) -> None:
    assert journal.add_fill(build.fill(1, fee_expected=Decimal("0.08746"))) is True
    assert journal.add_fill(build.fill(1, fee_expected=Decimal("0.08746"))) is False
    assert journal.add_fill(build.fill(1, "final", fee_charged=Decimal("0.08747"))) is True
    assert journal.add_fill(build.fill(2)) is True
    assert journal.add_fill(build.fill(2, "reverted")) is True
    journal.commit()
    assert rows(journal, "SELECT trade_id, status FROM fills_current ORDER BY trade_id") == [
        ("T-1", "final"),
        ("T-2", "reverted"),
    ]
    assert rows(journal, "SELECT venue, quantity_e6 FROM holdings") == [("POLYMARKET", 7_000_000)]
    assert rows(journal, "SELECT expected_e6, charged_e6, difference_e6 FROM fee_check") == [
        (87_460, 87_470, 10)
    ]


@pytest.mark.parametrize("late", ["provisional", "final", "reverted"])
@pytest.mark.parametrize("early", ["provisional", "final", "reverted"])
def test_standing_does_not_depend_on_the_order_of_reports(
    journal: Journal, early: str, late: str
) -> None:
    journal.add_fill(build.fill(1, early))
    journal.add_fill(build.fill(1, late))
    journal.commit()
    strongest = max(early, late, key=["provisional", "final", "reverted"].index)
    assert rows(journal, "SELECT status FROM fills_current") == [(strongest,)]


@pytest.mark.parametrize(
    "change",
    [
        {"price": Decimal("0.48")},
        {"quantity": Decimal("7.01")},
        {"side": "SELL"},
        {"instrument": build.K},
    ],
)
def test_a_trade_that_changes_is_a_contradiction(journal: Journal, change: dict) -> None:
    journal.add_fill(build.fill())
    with pytest.raises(JournalContradiction, match="now reported"):
        journal.add_fill(build.fill(1, "final", **change))
    journal.commit()
    assert rows(journal, "SELECT status FROM fills") == [("provisional",)]


def test_a_fee_that_changes_is_a_contradiction_and_writes_nothing(journal: Journal) -> None:
    journal.add_fill(build.fill(fee_charged=Decimal("0.08")))
    with pytest.raises(JournalContradiction, match=r"charged fee was 0\.08, now 0\.09"):
        journal.add_fill(build.fill(1, "final", fee_charged=Decimal("0.09")))
    journal.commit()
    assert rows(journal, "SELECT status FROM fills") == [("provisional",)]


def test_a_fill_reported_again_after_a_restart_is_known(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    first_run = Journal(path, build.run("one"))
    first_run.add_fill(build.fill())
    first_run.close(build.START)
    with Journal(path, build.run("two")) as journal:
        assert journal.add_fill(build.fill()) is False
        assert journal.add_fill(build.fill(1, "final")) is True
    with Journal(path, build.run("three", scope="other accounts")) as journal:
        assert journal.add_fill(build.fill()) is True


def test_belief_is_durable_before_the_truth_is_asked(journal: Journal) -> None:
    row = journal.add_belief(Amount(1, "KALSHI", "position", build.K, Decimal(7)))
    assert rows(journal, "SELECT amount_e6 FROM beliefs") == [(7_000_000,)]
    journal.add_position(Amount(2, "KALSHI", "position", build.K, Decimal(5)), row)
    journal.commit()
    assert rows(journal, "SELECT believed_e6, true_e6, difference_e6 FROM belief_check") == [
        (7_000_000, 5_000_000, -2_000_000)
    ]


def test_open_intents(journal: Journal) -> None:
    for n in (1, 2, 3):
        journal.write_intent(build.intent(n))
    journal.add_intent_event(IntentEvent("I-1", 5, "WORKING"))
    journal.add_intent_event(IntentEvent("I-1", 6, "FLAT", ends=True))
    journal.add_intent_event(IntentEvent("I-2", 6, "FROZEN", reason="submit timed out"))
    journal.commit()
    assert rows(journal, "SELECT intent_id FROM intents_open ORDER BY seq") == [("I-2",), ("I-3",)]


def test_event_of_an_order_never_written_is_refused(journal: Journal) -> None:
    with pytest.raises(JournalWriteError, match="FOREIGN KEY"):
        journal.add_order_event(OrderEvent("O-none", build.START, "accepted"))


def test_rows_wait_only_up_to_the_bound(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.db", build.run(), pending_max=7) as journal:
        for n in range(1, 4):
            journal.add_decision(build.decision(n))  # three rows each, never split
        assert rows(journal, "SELECT COUNT(*) FROM decisions") == [(3,)]
        assert rows(journal, "SELECT COUNT(*) FROM books") == [(6,)]
        assert journal.pending == 0


@pytest.mark.parametrize(
    ("price", "error"),
    [
        (0.46, "float"),
        (Decimal("0.4600001"), "6 decimal places"),
        (Decimal("NaN"), "finite"),
        (Decimal("Infinity"), "finite"),
    ],
)
def test_money_that_is_not_exact_is_refused(journal: Journal, price: object, error: str) -> None:
    with pytest.raises((TypeError, ValueError), match=error):
        journal.add_fill(build.fill(price=price))
    journal.commit()
    assert rows(journal, "SELECT COUNT(*) FROM fills") == [(0,)]


def test_second_writer_is_refused_and_told_who_holds_it(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with (
        Journal(path, build.run("first")),
        pytest.raises(JournalLocked, match=r"run first, pid \d+"),
    ):
        Journal(path, build.run("second"))
    Journal(path, build.run("third")).abandon()


def test_not_a_journal(tmp_path: Path) -> None:
    text = tmp_path / "notes.txt"
    text.write_text("not a database, but long enough to be read as a header " * 40)
    before = text.read_bytes()
    other = tmp_path / "other.db"
    db = sqlite3.connect(other)
    db.execute("CREATE TABLE t (x)")
    db.commit()
    db.close()
    for path in (text, other):
        with pytest.raises(JournalSchemaError, match="not a journal"):
            Journal(path, build.run())
        with pytest.raises(JournalSchemaError, match="not a journal"):
            version_of(path)
    assert text.read_bytes() == before
    with pytest.raises(JournalSchemaError, match="does not exist"):
        Journal(tmp_path / "missing" / "j.db", build.run())
    with pytest.raises(JournalSchemaError, match="no such journal"):
        version_of(tmp_path / "none.db")


@pytest.mark.parametrize(
    ("version", "advice"), [(0, "journal upgrade"), (2, "upgrade this program")]
)
def test_other_schema_version_is_refused(tmp_path: Path, version: int, advice: str) -> None:
    path = tmp_path / "j.db"
    create(path)
    db = sqlite3.connect(path)
    db.execute(f"PRAGMA user_version = {version}")
    db.close()
    with pytest.raises(JournalSchemaError, match=advice):
        Journal(path, build.run())


def test_upgrade_of_a_current_journal_does_nothing(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    create(path)
    before = path.read_bytes()
    assert upgrade(path) == (1, 1, None)
    assert path.read_bytes() == before
    assert not list(tmp_path.glob("*.v*"))


def test_create_never_overwrites(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    path.write_text("mine")
    with pytest.raises(JournalSchemaError, match="already exists"):
        create(path)
    assert path.read_text() == "mine"


def test_disk_full_is_an_error_and_the_journal_stays_whole(journal: Journal) -> None:
    journal.write_intent(build.intent(1))
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages + 1}")

    def fill_up() -> None:
        for n in range(2, 500):
            journal.write_intent(build.intent(n))

    with pytest.raises(JournalWriteError, match="full"):
        fill_up()
    journal._db.execute("PRAGMA max_page_count = 100000")
    found = rows(journal, "SELECT COUNT(*) FROM intents")[0][0]
    journal.write_intent(build.intent(1_000))
    assert rows(journal, "SELECT COUNT(*) FROM intents") == [(found + 1,)]
    assert rows(journal, "SELECT COUNT(*) FROM intent_legs") == [(2 * (found + 1),)]


def test_readers_do_not_block_the_writer(journal: Journal) -> None:
    journal.write_intent(build.intent(1))
    reader = sqlite3.connect(journal.path)
    reader.execute("BEGIN")
    assert reader.execute("SELECT COUNT(*) FROM intents").fetchone() == (1,)
    journal.write_intent(build.intent(2))
    assert journal.checkpoint() >= 0
    assert reader.execute("SELECT COUNT(*) FROM intents").fetchone() == (1,)
    reader.close()
    assert journal.checkpoint() == 0


def test_versions_agree() -> None:
    assert store.SCHEMA_VERSION == schema.SCHEMA_VERSION
    assert store._APPLICATION_ID == schema.APPLICATION_ID
    assert set(first._APPEND_ONLY) == set(schema.APPEND_ONLY)
    squeezed = {name: " ".join(sql.split()) for name, sql in schema.VIEWS.items()}
    assert {name: " ".join(sql.split()) for name, sql in first._VIEWS.items()} == squeezed


def test_migrations_build_what_is_declared(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    create(path)
    engine = sa.create_engine(f"sqlite:///{path}", poolclass=sa.NullPool)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, schema.metadata) == []
        views = set(sa.inspect(connection).get_view_names())
        checks = {
            c["name"]
            for table in schema.metadata.tables
            for c in sa.inspect(connection).get_check_constraints(table)
        }
    assert views == set(schema.VIEWS)
    declared = {
        f"{c.name}"
        for table in schema.metadata.tables.values()
        for c in table.constraints
        if isinstance(c, sa.CheckConstraint)
    }
    assert checks == declared
    engine.dispose()


def test_tables_fit_postgresql() -> None:
    for table in schema.metadata.sorted_tables:
        sql = str(CreateTable(table).compile(dialect=postgresql.dialect()))
        assert "BIGSERIAL" in sql or table.name in {"runs", "intent_legs"}
        for index in table.indexes:
            CreateIndex(index).compile(dialect=postgresql.dialect())
            assert len(str(index.name)) <= 63
