"""The first tables of the journal.

Revision ID: 0001
Revises:
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_APPEND_ONLY = (
    "beliefs",
    "books",
    "decisions",
    "fees",
    "fills",
    "incidents",
    "intents",
    "orders",
    "intent_events",
    "intent_legs",
    "order_events",
    "positions",
)

_VIEWS = {
    "fills_current": """
        SELECT f.* FROM fills AS f
        WHERE NOT EXISTS (
          SELECT 1 FROM fills AS g
          WHERE g.scope = f.scope AND g.venue = f.venue AND g.trade_id = f.trade_id
            AND g.client_order_id = f.client_order_id
            AND (CASE g.status WHEN 'reverted' THEN 3 WHEN 'final' THEN 2 ELSE 1 END)
              > (CASE f.status WHEN 'reverted' THEN 3 WHEN 'final' THEN 2 ELSE 1 END)
        )""",
    "holdings": """
        SELECT scope, venue, instrument,
               SUM(CASE side WHEN 'BUY' THEN quantity_e6 ELSE -quantity_e6 END) AS quantity_e6
        FROM fills_current WHERE status <> 'reverted'
        GROUP BY scope, venue, instrument""",
    "fee_check": """
        SELECT e.scope, e.venue, e.trade_id, e.client_order_id, e.currency,
               e.amount_e6 AS expected_e6, c.amount_e6 AS charged_e6,
               c.amount_e6 - e.amount_e6 AS difference_e6
        FROM fees AS e JOIN fees AS c
          ON c.scope = e.scope AND c.venue = e.venue AND c.trade_id = e.trade_id
         AND c.client_order_id = e.client_order_id
        WHERE e.kind = 'expected' AND c.kind = 'charged'""",
    "belief_check": """
        SELECT b.run_id, b.venue, b.kind, b.subject, b.ts_ns AS believed_ns, p.ts_ns AS read_ns,
               b.amount_e6 AS believed_e6, p.amount_e6 AS true_e6,
               p.amount_e6 - b.amount_e6 AS difference_e6
        FROM positions AS p JOIN beliefs AS b ON b.seq = p.belief_seq""",
    "intents_open": """
        SELECT i.* FROM intents AS i
        WHERE NOT EXISTS (
          SELECT 1 FROM intent_events AS e WHERE e.intent_id = i.intent_id AND e.ends = 1
        )""",
}


def upgrade() -> None:
    """Build every table, then the views, then the guards that keep facts as they were written."""
    _runs_and_intents()
    _intent_parts()
    _decisions()
    _orders()
    _fills()
    _beliefs()
    for name, select in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {select}")
    if op.get_bind().dialect.name == "sqlite":
        _guards()
        op.execute("PRAGMA application_id = 0x7477696E")
        op.execute("PRAGMA user_version = 1")


def downgrade() -> None:
    """Refuse: a journal is never taken back to a schema that would lose rows."""
    raise NotImplementedError("journals are not downgraded; restore the copy made before upgrading")


def _guards() -> None:
    for table in _APPEND_ONLY:
        for verb in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{verb.lower()} BEFORE {verb} ON {table} BEGIN"
                f" SELECT RAISE(ABORT, '{table} is append-only'); END"
            )
    op.execute(
        "CREATE TRIGGER runs_no_delete BEFORE DELETE ON runs BEGIN"
        " SELECT RAISE(ABORT, 'runs is append-only'); END"
    )
    op.execute(
        "CREATE TRIGGER runs_end_once BEFORE UPDATE ON runs"
        " WHEN OLD.ended_ns IS NOT NULL OR NEW.run_id <> OLD.run_id OR NEW.scope <> OLD.scope"
        " OR NEW.kind <> OLD.kind OR NEW.started_ns <> OLD.started_ns"
        " OR NEW.config_hash <> OLD.config_hash OR NEW.config <> OLD.config"
        " OR NEW.code_version <> OLD.code_version BEGIN"
        " SELECT RAISE(ABORT, 'a run is written once and ended once'); END"
    )


def _runs_and_intents() -> None:
    """Runs, intents and what became of them."""
    op.create_table(
        "runs",
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("config_hash", sa.Text(), nullable=False),
        sa.Column("config", sa.Text(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("end_state", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "kind IN ('backtest', 'sim', 'paper', 'observe', 'live')", name=op.f("ck_runs_kind")
        ),
        sa.CheckConstraint("(ended_ns IS NULL) = (end_state IS NULL)", name=op.f("ck_runs_end")),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_runs")),
    )
    op.create_table(
        "intents",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("intent_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("box_id", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("plan", sa.Text(), nullable=False),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.CheckConstraint("quantity_e6 > 0", name=op.f("ck_intents_quantity")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_intents_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_intents")),
        sa.UniqueConstraint("intent_id", name=op.f("uq_intents_intent_id")),
    )


def _intent_parts() -> None:
    """Build the legs of an intent and what became of it."""
    op.create_table(
        "intent_legs",
        sa.Column("intent_id", sa.Text(), nullable=False),
        sa.Column("leg", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("price_e6", sa.BigInteger(), nullable=False),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=True),
        sa.Column("deadline_ns", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("side IN ('BUY', 'SELL')", name=op.f("ck_intent_legs_side")),
        sa.CheckConstraint("leg IN (1, 2)", name=op.f("ck_intent_legs_leg")),
        sa.CheckConstraint(
            "price_e6 > 0 AND price_e6 < 1000000", name=op.f("ck_intent_legs_price")
        ),
        sa.CheckConstraint("quantity_e6 > 0", name=op.f("ck_intent_legs_quantity")),
        sa.ForeignKeyConstraint(
            ["intent_id"], ["intents.intent_id"], name=op.f("fk_intent_legs_intent_id_intents")
        ),
        sa.PrimaryKeyConstraint("intent_id", "leg", name=op.f("pk_intent_legs")),
    )
    op.create_table(
        "intent_events",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("intent_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("ends", sa.BigInteger(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint("ends IN (0, 1)", name=op.f("ck_intent_events_ends")),
        sa.ForeignKeyConstraint(
            ["intent_id"], ["intents.intent_id"], name=op.f("fk_intent_events_intent_id_intents")
        ),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_intent_events_run_id_runs")
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_intent_events")),
    )
    op.create_index(
        op.f("ix_intent_events_intent_id"), "intent_events", ["intent_id"], unique=False
    )


def _decisions() -> None:
    """Decisions and the books they saw."""
    op.create_table(
        "decisions",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("gross_edge_e6", sa.BigInteger(), nullable=True),
        sa.Column("net_edge_e6", sa.BigInteger(), nullable=True),
        sa.Column("required_edge_e6", sa.BigInteger(), nullable=True),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=True),
        sa.Column("payload", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('open', 'close')", name=op.f("ck_decisions_kind")),
        sa.CheckConstraint("outcome IN ('taken', 'refused')", name=op.f("ck_decisions_outcome")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_decisions_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_decisions")),
        sa.UniqueConstraint("run_id", "decision_id", name=op.f("uq_decisions_run_id_decision_id")),
    )
    op.create_index(
        op.f("ix_decisions_run_id_outcome_reason"),
        "decisions",
        ["run_id", "outcome", "reason"],
        unique=False,
    )
    op.create_table(
        "books",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Text(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("ts_event_ns", sa.BigInteger(), nullable=False),
        sa.Column("ts_init_ns", sa.BigInteger(), nullable=False),
        sa.Column("bids", sa.Text(), nullable=False),
        sa.Column("asks", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_books_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_books")),
        sa.UniqueConstraint(
            "run_id",
            "decision_id",
            "instrument",
            name=op.f("uq_books_run_id_decision_id_instrument"),
        ),
    )


def _orders() -> None:
    """Orders and what happened to them."""
    op.create_table(
        "orders",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("time_in_force", sa.Text(), nullable=False),
        sa.Column("price_e6", sa.BigInteger(), nullable=True),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=False),
        sa.Column("reduce_only", sa.BigInteger(), nullable=False),
        sa.Column("pair_id", sa.Text(), nullable=True),
        sa.Column("box_id", sa.Text(), nullable=True),
        sa.Column("leg", sa.BigInteger(), nullable=True),
        sa.Column("role", sa.Text(), nullable=True),
        sa.Column("intent_id", sa.Text(), nullable=True),
        sa.Column("decision_id", sa.Text(), nullable=True),
        sa.CheckConstraint("side IN ('BUY', 'SELL')", name=op.f("ck_orders_side")),
        sa.CheckConstraint("quantity_e6 > 0", name=op.f("ck_orders_quantity")),
        sa.CheckConstraint("reduce_only IN (0, 1)", name=op.f("ck_orders_reduce_only")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_orders_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_orders")),
        sa.UniqueConstraint(
            "scope", "client_order_id", name=op.f("uq_orders_scope_client_order_id")
        ),
    )
    op.create_index(op.f("ix_orders_intent_id"), "orders", ["intent_id"], unique=False)
    op.create_table(
        "order_events",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("ts_venue_ns", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("venue_order_id", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"], ["runs.run_id"], name=op.f("fk_order_events_run_id_runs")
        ),
        sa.ForeignKeyConstraint(
            ["scope", "client_order_id"],
            ["orders.scope", "orders.client_order_id"],
            name=op.f("fk_order_events_scope_client_order_id_orders"),
        ),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_order_events")),
    )
    op.create_index(
        op.f("ix_order_events_scope_client_order_id"),
        "order_events",
        ["scope", "client_order_id"],
        unique=False,
    )


def _fills() -> None:
    """Fills and their fees."""
    op.create_table(
        "fills",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("ts_venue_ns", sa.BigInteger(), nullable=True),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("instrument", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("side", sa.Text(), nullable=False),
        sa.Column("price_e6", sa.BigInteger(), nullable=False),
        sa.Column("quantity_e6", sa.BigInteger(), nullable=False),
        sa.Column("liquidity", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.CheckConstraint("side IN ('BUY', 'SELL')", name=op.f("ck_fills_side")),
        sa.CheckConstraint(
            "status IN ('provisional', 'final', 'reverted')", name=op.f("ck_fills_status")
        ),
        sa.CheckConstraint("price_e6 >= 0 AND price_e6 <= 1000000", name=op.f("ck_fills_price")),
        sa.CheckConstraint("quantity_e6 > 0", name=op.f("ck_fills_quantity")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_fills_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_fills")),
        sa.UniqueConstraint(
            "scope",
            "venue",
            "trade_id",
            "client_order_id",
            "status",
            name=op.f("uq_fills_scope_venue_trade_id_client_order_id_status"),
        ),
    )
    op.create_table(
        "fees",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("trade_id", sa.Text(), nullable=False),
        sa.Column("client_order_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("amount_e6", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('expected', 'charged')", name=op.f("ck_fees_kind")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_fees_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_fees")),
        sa.UniqueConstraint(
            "scope",
            "venue",
            "trade_id",
            "client_order_id",
            "kind",
            name=op.f("uq_fees_scope_venue_trade_id_client_order_id_kind"),
        ),
    )


def _beliefs() -> None:
    """What was believed, what was true, what went wrong."""
    op.create_table(
        "beliefs",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("amount_e6", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("kind IN ('position', 'cash')", name=op.f("ck_beliefs_kind")),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_beliefs_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_beliefs")),
    )
    op.create_index(op.f("ix_beliefs_run_id_ts_ns"), "beliefs", ["run_id", "ts_ns"], unique=False)
    op.create_table(
        "positions",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("venue", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("amount_e6", sa.BigInteger(), nullable=False),
        sa.Column("belief_seq", sa.BigInteger(), nullable=True),
        sa.CheckConstraint("kind IN ('position', 'cash')", name=op.f("ck_positions_kind")),
        sa.ForeignKeyConstraint(
            ["belief_seq"], ["beliefs.seq"], name=op.f("fk_positions_belief_seq_beliefs")
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_positions_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_positions")),
    )
    op.create_index(
        op.f("ix_positions_run_id_ts_ns"), "positions", ["run_id", "ts_ns"], unique=False
    )
    op.create_table(
        "incidents",
        sa.Column("seq", _ROWID, autoincrement=True, nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("ts_ns", sa.BigInteger(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("event_id", sa.Text(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "severity IN ('info', 'warning', 'error', 'critical')",
            name=op.f("ck_incidents_severity"),
        ),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name=op.f("fk_incidents_run_id_runs")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_incidents")),
    )
