"""The stream of a replay: rows of a catalog become atomic book updates and settlements, in order.

* Rows come in time order over all books, some thousands at a time (``backtests.reader``): memory
  does not grow with the length of the data.
* Rows of one venue message are handed over as one ``OrderBookDeltas`` (``F_LAST`` ends it), so
  that nobody ever sees or fills against half a snapshot. A message may span two chunks.
* Settlements are merged in by time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from nautilus_trader.model.data import InstrumentClose, OrderBookDelta, OrderBookDeltas
from nautilus_trader.model.enums import InstrumentCloseType, RecordFlag
from nautilus_trader.model.identifiers import InstrumentId
from nautilus_trader.model.objects import Price

from backtests.errors import ReplayError
from backtests.reader import DeltaReader

if TYPE_CHECKING:
    from nautilus_trader.persistence.catalog import ParquetDataCatalog

_LAST = int(RecordFlag.F_LAST)

Event = OrderBookDelta | OrderBookDeltas | InstrumentClose


class ReplayCounts(msgspec.Struct):
    """What has been handed over so far."""

    deltas: int = 0
    messages: int = 0
    closes: int = 0
    last_ns: int = 0
    is_done: bool = False


class Settle(msgspec.Struct, frozen=True):
    """The settlement of one instrument: when (ns UTC) and at what value per contract."""

    ts_ns: int
    instrument: str
    value: str
    precision: int

    def event(self) -> InstrumentClose:
        """Make the close that the venue acts on and strategies see."""
        price = Price.from_str(self.value)
        if price.precision > self.precision:
            allowed = f"at most {self.precision} decimals"
            raise ReplayError(f"settlement of {self.instrument}", self.value, allowed)
        return InstrumentClose(
            InstrumentId.from_str(self.instrument),
            Price(price, self.precision),
            InstrumentCloseType.CONTRACT_EXPIRED,
            self.ts_ns,
            self.ts_ns,
        )


class MessageJoiner:
    """Joins the rows of one venue message; an incomplete message waits for the next chunk."""

    def __init__(self) -> None:
        self._waiting: dict[InstrumentId, list[OrderBookDelta]] = {}

    def join(self, rows: Iterable[OrderBookDelta]) -> list[Event]:
        """Return the messages that are complete with these rows."""
        out: list[Event] = []
        waiting = self._waiting
        for row in rows:
            is_last = row.flags & _LAST
            instrument = row.instrument_id
            rows_of = waiting.get(instrument)
            if rows_of is None:
                if is_last:
                    out.append(row)  # one row is atomic as it is
                    continue
                rows_of = waiting[instrument] = []
            rows_of.append(row)
            if is_last:
                out.append(OrderBookDeltas(instrument, rows_of))
                del waiting[instrument]
        return out

    @property
    def waiting(self) -> Sequence[InstrumentId]:
        """Instruments whose last message is not complete."""
        return tuple(self._waiting)


def stream(
    catalog: ParquetDataCatalog,
    instruments: Sequence[str],
    settlements: Sequence[InstrumentClose],
    *,
    chunk_rows: int,
    on_chunk: Callable[[ReplayCounts], None] | None = None,
    counts: ReplayCounts | None = None,
) -> Iterator[list[Event]]:
    """Yield the events of a replay in lists, strictly ordered by ``ts_init``.

    Parameters
    ----------
    catalog : ParquetDataCatalog
        The catalog with the YES books.
    instruments : Sequence[str]
        YES instrument ids to replay.
    settlements : Sequence[InstrumentClose]
        Settlements; those after the last row come last.
    chunk_rows : int
        Rows read at a time; 0 reads everything at once.
    on_chunk : Callable, optional
        Called after each chunk with the counts so far.
    counts : ReplayCounts, optional
        Counts to keep; the caller reads them when the run is over.

    Raises
    ------
    ReplayError
        If times are out of order, or the last message of an instrument is incomplete.
    """
    tally = counts if counts is not None else ReplayCounts()
    joiner = MessageJoiner()
    closes = sorted(settlements, key=lambda close: close.ts_init)
    for rows in _chunks(catalog, instruments, chunk_rows):
        events = joiner.join(rows)
        tally.deltas += len(rows)
        tally.messages += len(events)
        if events:
            _check_order(events, tally.last_ns)
            tally.last_ns = events[-1].ts_init
            due = _pop_due(closes, tally.last_ns)
            tally.closes += len(due)
            yield _merge(events, due) if due else events
        if on_chunk is not None:
            on_chunk(tally)
    if joiner.waiting:
        names = ", ".join(str(name) for name in joiner.waiting[:3])
        raise ReplayError(f"last message of {names}", "no row with F_LAST", "complete messages")
    tally.closes += len(closes)
    tally.is_done = True
    if closes:
        yield list(closes)


def _chunks(
    catalog: ParquetDataCatalog, instruments: Sequence[str], chunk_rows: int
) -> Iterator[list[OrderBookDelta]]:
    """Yield rows in time order, ``chunk_rows`` at a time; 0 yields all in one list."""
    reader = DeltaReader(catalog, instruments)
    rows: list[OrderBookDelta] = []
    for piece in reader.slices():
        rows += reader.deltas(piece)
        start = 0
        while chunk_rows and len(rows) - start >= chunk_rows:
            yield rows[start : start + chunk_rows]
            start += chunk_rows
        del rows[:start]
    if rows:
        yield rows


def _check_order(events: Sequence[Event], last_ns: int) -> None:
    for event in events:
        ts_ns = event.ts_init
        if ts_ns <= last_ns:
            found = f"{ts_ns} after {last_ns}"
            raise ReplayError("ts_init of the catalog", found, "strictly increasing times")
        last_ns = ts_ns


def _pop_due(closes: list[InstrumentClose], until_ns: int) -> list[InstrumentClose]:
    count = sum(1 for close in closes if close.ts_init <= until_ns)
    due, closes[:] = closes[:count], closes[count:]
    return due


def _merge(events: list[Event], closes: list[InstrumentClose]) -> list[Event]:
    return sorted([*events, *closes], key=lambda event: event.ts_init)
