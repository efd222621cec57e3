"""The journal as the strategy sees it: ``core.intents.IntentSink`` over the writer.

The strategy sends nothing before ``save`` returned True. A box may save several intents: the two
legs it opens with, then each later order that completes, unwinds or closes it. All of them end
when the box comes to rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import sqlalchemy as sa

from core.intents import Intent as CoreIntent
from core.intents import decode, encode
from journal.errors import JournalError
from journal.queries import open_intents
from journal.records import Intent, IntentEvent, IntentLeg
from journal.store import Journal

__all__ = ["JournalSink", "unfinished"]


class JournalSink:
    """Write intents ahead of orders.

    Parameters
    ----------
    journal : Journal
        The open writer; its owner closes it.
    failed : callable
        Called with the error when an intent could not be made durable: the node's halt.
    """

    def __init__(self, journal: Journal, failed: Callable[[JournalError], None]) -> None:
        self._journal = journal
        self._failed = failed
        self._open: dict[str, list[str]] = {}

    def save(self, intent: CoreIntent) -> bool:
        """Make an intent durable; False: it is not, and nothing of it may be sent."""
        run = self._journal.run.run_id
        name = f"{run}/{intent.box_id}/{intent.legs[0].client_order_id}"
        try:
            self._journal.write_intent(_record(name, intent))
        except JournalError as error:
            self._failed(error)
            return False
        self._open.setdefault(intent.box_id, []).append(name)
        return True

    def close(self, box_id: str, phase: str, ts_ns: int) -> None:
        """Write that a box came to rest: all its intents end, durably.

        A box that rests twice (a late fill woke it) ends what it saved in between; one that saved
        nothing is no error.
        """
        names = self._open.pop(box_id, [])
        try:
            for name in names:
                self._journal.add_intent_event(IntentEvent(name, ts_ns, phase, ends=True))
            self._journal.commit()
        except JournalError as error:
            # an end that is not written leaves the intent open: a restart asks the venues again
            self._failed(error)


def unfinished(connection: sa.Connection, scope: str) -> Iterator[tuple[str, CoreIntent]]:
    """Yield (intent id, intent) of what a restart must finish; feed it to ``core.intents.recover``.

    Raises
    ------
    msgspec.ValidationError
        An intent in the journal is not of this version.
    """
    for row in open_intents(connection, scope):
        yield row.intent_id, decode(row.payload.encode())


def _record(name: str, intent: CoreIntent) -> Intent:
    return Intent(
        intent_id=name,
        ts_ns=intent.ts_ns,
        pair_id=intent.pair_id,
        box_id=intent.box_id,
        direction=intent.direction.value,
        plan=" ".join(dict.fromkeys(leg.role for leg in intent.legs)),
        quantity=max(leg.size for leg in intent.legs),
        legs=tuple(
            IntentLeg(
                leg=1 if leg.leg == 0 else 2,
                venue=leg.venue.value,
                instrument=leg.instrument,
                side=leg.side.value,
                price=leg.limit_price,
                quantity=leg.size,
                time_in_force="IOC",
                client_order_id=leg.client_order_id,
            )
            for leg in intent.legs
        ),
        decision_id=intent.decision_id,
        payload=encode(intent).decode(),
    )
