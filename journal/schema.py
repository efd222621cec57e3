"""The journal's tables as SQLAlchemy declares them.

This module is the one description of the tables. The migrations build them, ``tests/journal``
compares what they built with what is declared here, and queries are written against it. The order
path does not import it: ``journal.store`` speaks SQL to ``sqlite3`` directly.

Types are portable: text, 64-bit integers, no SQLite affinity tricks. Amounts are integers of
millionths (``_e6``), times are nanoseconds UTC (``_ns``), structured payloads are canonical JSON
text.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

#: Version of these tables; equals ``PRAGMA user_version`` of a journal.
SCHEMA_VERSION: Final = 1
#: ``PRAGMA application_id`` of a journal: "twin" in ASCII.
APPLICATION_ID: Final = 0x7477696E

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_ROWID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _seq() -> sa.Column[int]:
    """Order of writing: SQLite's rowid, PostgreSQL's identity."""
    return sa.Column("seq", _ROWID, primary_key=True, autoincrement=True)


def _run() -> sa.Column[str]:
    return sa.Column("run_id", sa.Text, sa.ForeignKey("runs.run_id"), nullable=False)


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=null)


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=null)


def _one_of(name: str, column: str, *values: str) -> sa.CheckConstraint:
    listed = ", ".join(f"'{v}'" for v in values)
    return sa.CheckConstraint(f"{column} IN ({listed})", name=name)


RUN_KINDS: Final = ("backtest", "sim", "paper", "observe", "live")
FILL_STATUSES: Final = ("provisional", "final", "reverted")

runs = sa.Table(
    "runs",
    metadata,
    sa.Column("run_id", sa.Text, primary_key=True),
    _text("scope"),
    _text("kind"),
    _int("started_ns"),
    _text("config_hash"),
    _text("config"),
    _text("code_version"),
    _int("ended_ns", null=True),
    _text("end_state", null=True),
    _one_of("kind", "kind", *RUN_KINDS),
    sa.CheckConstraint("(ended_ns IS NULL) = (end_state IS NULL)", name="end"),
)

intents = sa.Table(
    "intents",
    metadata,
    _seq(),
    sa.Column("intent_id", sa.Text, nullable=False, unique=True),
    _run(),
    _text("scope"),
    _int("ts_ns"),
    _text("pair_id"),
    _text("box_id"),
    _text("direction"),
    _text("plan"),
    _int("quantity_e6"),
    _text("decision_id", null=True),
    _text("payload"),
    sa.CheckConstraint("quantity_e6 > 0", name="quantity"),
)

intent_legs = sa.Table(
    "intent_legs",
    metadata,
    sa.Column("intent_id", sa.Text, sa.ForeignKey("intents.intent_id"), primary_key=True),
    sa.Column("leg", sa.BigInteger, primary_key=True, autoincrement=False),
    _text("venue"),
    _text("instrument"),
    _text("side"),
    _int("price_e6"),
    _int("quantity_e6"),
    _text("time_in_force"),
    _text("client_order_id", null=True),
    _int("deadline_ns", null=True),
    sa.CheckConstraint("leg IN (1, 2)", name="leg"),
    _one_of("side", "side", "BUY", "SELL"),
    sa.CheckConstraint("price_e6 > 0 AND price_e6 < 1000000", name="price"),
    sa.CheckConstraint("quantity_e6 > 0", name="quantity"),
)

intent_events = sa.Table(
    "intent_events",
    metadata,
    _seq(),
    sa.Column("intent_id", sa.Text, sa.ForeignKey("intents.intent_id"), nullable=False, index=True),
    _run(),
    _int("ts_ns"),
    _text("state"),
    sa.Column("ends", sa.BigInteger, nullable=False),
    _text("reason", null=True),
    _text("detail", null=True),
    sa.CheckConstraint("ends IN (0, 1)", name="ends"),
)

decisions = sa.Table(
    "decisions",
    metadata,
    _seq(),
    _run(),
    _text("decision_id"),
    _int("ts_ns"),
    _text("pair_id"),
    _text("kind"),
    _text("direction"),
    _text("outcome"),
    _text("reason"),
    _int("gross_edge_e6", null=True),
    _int("net_edge_e6", null=True),
    _int("required_edge_e6", null=True),
    _int("quantity_e6", null=True),
    _text("payload"),
    sa.UniqueConstraint("run_id", "decision_id"),
    sa.Index(None, "run_id", "outcome", "reason"),
    _one_of("kind", "kind", "open", "close"),
    _one_of("outcome", "outcome", "taken", "refused"),
)

books = sa.Table(
    "books",
    metadata,
    _seq(),
    _run(),
    _text("decision_id"),
    _text("venue"),
    _text("instrument"),
    _int("ts_event_ns"),
    _int("ts_init_ns"),
    _text("bids"),
    _text("asks"),
    sa.UniqueConstraint("run_id", "decision_id", "instrument"),
)

orders = sa.Table(
    "orders",
    metadata,
    _seq(),
    _text("scope"),
    _text("client_order_id"),
    _run(),
    _int("ts_ns"),
    _text("venue"),
    _text("instrument"),
    _text("side"),
    _text("time_in_force"),
    _int("price_e6", null=True),
    _int("quantity_e6"),
    sa.Column("reduce_only", sa.BigInteger, nullable=False),
    _text("pair_id", null=True),
    _text("box_id", null=True),
    sa.Column("leg", sa.BigInteger, nullable=True),
    _text("role", null=True),
    _text("intent_id", null=True),
    _text("decision_id", null=True),
    sa.UniqueConstraint("scope", "client_order_id"),
    sa.Index(None, "intent_id"),
    _one_of("side", "side", "BUY", "SELL"),
    sa.CheckConstraint("reduce_only IN (0, 1)", name="reduce_only"),
    sa.CheckConstraint("quantity_e6 > 0", name="quantity"),
)

order_events = sa.Table(
    "order_events",
    metadata,
    _seq(),
    _text("scope"),
    _text("client_order_id"),
    _run(),
    _int("ts_ns"),
    _int("ts_venue_ns", null=True),
    _text("kind"),
    _text("venue_order_id", null=True),
    _text("reason", null=True),
    _text("detail", null=True),
    sa.ForeignKeyConstraint(
        ["scope", "client_order_id"], ["orders.scope", "orders.client_order_id"]
    ),
    sa.Index(None, "scope", "client_order_id"),
)

fills = sa.Table(
    "fills",
    metadata,
    _seq(),
    _text("scope"),
    _run(),
    _int("ts_ns"),
    _int("ts_venue_ns", null=True),
    _text("venue"),
    _text("instrument"),
    _text("trade_id"),
    _text("client_order_id"),
    _text("side"),
    _int("price_e6"),
    _int("quantity_e6"),
    _text("liquidity"),
    _text("currency"),
    _text("status"),
    sa.UniqueConstraint("scope", "venue", "trade_id", "client_order_id", "status"),
    _one_of("side", "side", "BUY", "SELL"),
    _one_of("status", "status", *FILL_STATUSES),
    sa.CheckConstraint("price_e6 >= 0 AND price_e6 <= 1000000", name="price"),
    sa.CheckConstraint("quantity_e6 > 0", name="quantity"),
)

fees = sa.Table(
    "fees",
    metadata,
    _seq(),
    _text("scope"),
    _run(),
    _int("ts_ns"),
    _text("venue"),
    _text("trade_id"),
    _text("client_order_id"),
    _text("kind"),
    _int("amount_e6"),
    _text("currency"),
    sa.UniqueConstraint("scope", "venue", "trade_id", "client_order_id", "kind"),
    _one_of("kind", "kind", "expected", "charged"),
)

beliefs = sa.Table(
    "beliefs",
    metadata,
    _seq(),
    _run(),
    _int("ts_ns"),
    _text("venue"),
    _text("kind"),
    _text("subject"),
    _int("amount_e6"),
    sa.Index(None, "run_id", "ts_ns"),
    _one_of("kind", "kind", "position", "cash"),
)

positions = sa.Table(
    "positions",
    metadata,
    _seq(),
    _run(),
    _int("ts_ns"),
    _text("venue"),
    _text("kind"),
    _text("subject"),
    _int("amount_e6"),
    sa.Column("belief_seq", sa.BigInteger, sa.ForeignKey("beliefs.seq"), nullable=True),
    sa.Index(None, "run_id", "ts_ns"),
    _one_of("kind", "kind", "position", "cash"),
)

incidents = sa.Table(
    "incidents",
    metadata,
    _seq(),
    _run(),
    _int("ts_ns"),
    _text("severity"),
    _text("code"),
    _text("message"),
    _text("event_id", null=True),
    _text("detail", null=True),
    _one_of("severity", "severity", "info", "warning", "error", "critical"),
)

#: Tables whose rows are facts: triggers refuse UPDATE and DELETE. ``runs`` may only be ended once.
APPEND_ONLY: Final = tuple(t.name for t in metadata.sorted_tables if t.name != "runs")

#: Views: name -> SELECT, in SQL that SQLite and PostgreSQL both read.
VIEWS: Final[dict[str, str]] = {
    # A trade's standing is its strongest status: a reversal beats all, a confirmation a match.
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
