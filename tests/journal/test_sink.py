"""The strategy's intents in the journal: saved before anything is sent, found after a crash."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from core.contracts import Direction, Outcome, Side, Venue
from core.intents import Intent, IntentLeg, IntentSink, Known, recover
from journal.errors import JournalError, JournalWriteError
from journal.queries import open_intents, reading
from journal.sink import JournalSink, unfinished
from journal.store import Journal
from tests.journal import build

D = Decimal


def leg(n: int, order_id: str, role: str = "open", side: Side = Side.BUY) -> IntentLeg:
    return IntentLeg(
        leg=n, venue=(Venue.KALSHI, Venue.POLYMARKET)[n], instrument=(build.K, build.P)[n],
        outcome=(Outcome.YES, Outcome.NO)[n], side=side, size=D(7),
        limit_price=(D("0.46"), D("0.49"))[n], role=role, client_order_id=order_id,
    )  # fmt: skip


def intent(box: str, *legs: IntentLeg) -> Intent:
    return Intent(
        box_id=box, pair_id="KXMENWORLDCUP-26-GB", decision_id=f"{box}#1", strategy="ARB-001",
        direction=Direction.YES_NO, ts_ns=build.START, legs=legs,
    )  # fmt: skip


def sink_of(journal: Journal) -> tuple[IntentSink, list[JournalError]]:
    failures: list[JournalError] = []
    return JournalSink(journal, failures.append), failures


def test_what_was_saved_is_found_after_a_crash_until_the_box_rests(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    journal = Journal(path, build.run("one"))
    sink, _ = sink_of(journal)
    first = intent("B.1", leg(0, "O-1"), leg(1, "O-2"))
    later = intent("B.1", leg(1, "O-3", "unwind", Side.SELL))
    other = intent("B.2", leg(0, "O-4"), leg(1, "O-5"))
    assert sink.save(first)
    assert sink.save(later)
    assert sink.save(other)
    journal.abandon()  # no commit of its own, no close

    with reading(path) as connection:
        found = dict(unfinished(connection, "sim"))
    assert list(found.values()) == [first, later, other]
    answers = {"O-1": (Known.FILLED, D(7)), "O-3": (Known.OPEN, D(0))}
    assert [(r.client_order_id, r.action) for r in recover(found.values(), answers)] == [
        ("O-1", "account"), ("O-2", "ask"), ("O-3", "cancel"), ("O-4", "ask"), ("O-5", "ask"),
    ]  # fmt: skip


def test_a_box_at_rest_ends_all_its_intents(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    with Journal(path, build.run()) as journal:
        sink, failures = sink_of(journal)
        sink.save(intent("B.1", leg(0, "O-1"), leg(1, "O-2")))
        sink.save(intent("B.1", leg(1, "O-3", "unwind", Side.SELL)))
        sink.save(intent("B.2", leg(0, "O-4"), leg(1, "O-5")))
        sink.close("B.1", "flat", build.START + 9)
        with reading(path) as connection:
            assert [i.box_id for i in open_intents(connection, "sim")] == ["B.2"]
        # a late fill wakes the box: what it saves then is open until it rests again
        sink.save(intent("B.1", leg(1, "O-6", "unwind", Side.SELL)))
        with reading(path) as connection:
            assert [i.box_id for i in open_intents(connection, "sim")] == ["B.2", "B.1"]
        sink.close("B.1", "flat", build.START + 10)
        sink.close("B.none", "flat", build.START + 10)
        with reading(path) as connection:
            assert [i.box_id for i in open_intents(connection, "sim")] == ["B.2"]
        assert failures == []


def test_the_same_box_in_two_runs(tmp_path: Path) -> None:
    path = tmp_path / "j.db"
    for run in ("one", "two"):
        with Journal(path, build.run(run)) as journal:
            assert sink_of(journal)[0].save(intent("B.1", leg(0, "O-1"), leg(1, "O-2")))
    with reading(path) as connection:
        assert [i.run_id for i in open_intents(connection, "sim")] == ["one", "two"]


@pytest.mark.parametrize("failure", ["full disk", "written twice", "broken rule"])
def test_what_is_not_durable_is_not_sent(tmp_path: Path, failure: str) -> None:
    with Journal(tmp_path / "j.db", build.run()) as journal:
        sink, failures = sink_of(journal)
        asked = intent("B.1", leg(0, "O-1"), leg(1, "O-2"))
        if failure == "full disk":
            pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
            journal._db.execute(f"PRAGMA max_page_count = {pages}")
            saved = all(
                sink.save(intent(f"B.{n}", leg(0, f"O-{n}a"), leg(1, f"O-{n}b")))
                for n in range(500)
            )
        elif failure == "written twice":
            assert sink.save(asked)
            saved = sink.save(asked)
        else:
            bad = msgspec.structs.replace(asked.legs[1], limit_price=D(1))
            saved = sink.save(msgspec.structs.replace(asked, legs=(asked.legs[0], bad)))
        assert saved is False
        assert len(failures) == 1
        assert isinstance(failures[0], JournalWriteError) or failure == "written twice"
