"""The background market: seeded makers and takers on every book, and playback of a session.

Counted in steps, never in seconds: step n of a seed moves the same books by the same orders in
every run. Fair prices belong to scenario outcomes, so the same outcome moves together on every
venue, while each venue's makers lag and lean in their own way; that is where edges come from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from pyarrow.parquet import ParquetFile

from simulators.seeds import between, chance, draw
from simulators.venue import Levels, MarketPort, MarketRef
from simulators.wire import Json

_CENT = Decimal("0.01")
_LOT = Decimal("0.01")


@dataclass(frozen=True, slots=True)
class FlowSettings:
    """How lively the background market is.

    Attributes
    ----------
    levels
        Price levels the house keeps on each side.
    move_permille, lag_permille, take_permille
        Chances a step, in thousandths: that a fair price moves by a step, that a venue's makers
        miss a move, that a taker comes.
    lean_cents
        Largest lasting difference between a venue's view and the fair price.

    """

    levels: int = 5
    move_permille: int = 300
    lag_permille: int = 250
    take_permille: int = 200
    lean_cents: int = 1


class BackgroundMarket:
    """Moves the books of one or several venues, step by step."""

    def __init__(
        self,
        seed: int,
        ports: Mapping[str, MarketPort],
        settings: FlowSettings | None = None,
    ) -> None:
        self.running = True
        self.steps = 0
        self._seed = seed
        self._ports = dict(ports)
        self._settings = settings or FlowSettings()
        self._drift: dict[str, int] = {}
        self._seen: dict[tuple[str, str], int] = {}

    def step(self, now_ns: int) -> int:
        """Move every market of every venue once and return the number of this step."""
        self.steps += 1
        self._move_fair_prices()
        for venue, port in self._ports.items():
            for ref in port.markets():
                self._quote(venue, port, ref, now_ns)
                self._maybe_take(venue, port, ref, now_ns)
        return self.steps

    def _move_fair_prices(self) -> None:
        outcomes = {ref.outcome for port in self._ports.values() for ref in port.markets()}
        for outcome in sorted(outcomes):
            roll = draw(self._seed, "fair", outcome, self.steps) % 2000
            if roll < self._settings.move_permille:
                self._drift[outcome] = self._drift.get(outcome, 0) + 1
            elif roll >= 2000 - self._settings.move_permille:
                self._drift[outcome] = self._drift.get(outcome, 0) - 1

    def _mid(self, venue: str, ref: MarketRef) -> Decimal:
        """Return where this venue's makers believe the price to be."""
        key = (venue, ref.key)
        late = between(0, 999, self._seed, "lag", venue, ref.key, self.steps)
        if key not in self._seen or late >= self._settings.lag_permille:
            self._seen[key] = self._drift.get(ref.outcome, 0)
        lean = between(
            -self._settings.lean_cents, self._settings.lean_cents, self._seed, "lean", *key
        )
        mid = ref.fair + (self._seen[key] + lean) * _CENT
        return min(max(mid, Decimal("0.03")), Decimal("0.97"))

    def _quote(self, venue: str, port: MarketPort, ref: MarketRef, now_ns: int) -> None:
        mid = self._mid(venue, ref)
        half = _CENT * between(1, 2, self._seed, "spread", venue, ref.key, self.steps // 8)
        bids: list[tuple[Decimal, Decimal]] = []
        asks: list[tuple[Decimal, Decimal]] = []
        for level in range(self._settings.levels):
            away = half + level * max(ref.step, _CENT)
            # Sizes change now and then, not every step: a book is mostly still.
            size = (
                Decimal(
                    between(100, 40_000, self._seed, "size", venue, ref.key, level, self.steps // 5)
                )
                * _LOT
            )
            bid, ask = _on_step(mid - away, ref.step), _on_step(mid + away, ref.step)
            if bid >= _CENT:
                bids.append((bid, size))
            if ask <= 1 - _CENT:
                asks.append((ask, size))
        port.quote(ref.key, bids, asks, now_ns)

    def _maybe_take(self, venue: str, port: MarketPort, ref: MarketRef, now_ns: int) -> None:
        if not chance(
            self._settings.take_permille / 1000, self._seed, "take", venue, ref.key, self.steps
        ):
            return
        buys = chance(0.5, self._seed, "buys", venue, ref.key, self.steps)
        size = Decimal(between(100, 5_000, self._seed, "taken", venue, ref.key, self.steps)) * _LOT
        reach = _CENT * 3
        mid = self._mid(venue, ref)
        price = _on_step(mid + reach if buys else mid - reach, ref.step)
        price = min(max(price, _CENT), 1 - _CENT)
        port.take(ref.key, "bid" if buys else "ask", price, size, now_ns)


class Playback:
    """Plays a session into one venue's books: each row sets the ladder of one market.

    A session is JSON lines: ``{"ts_ns": 1781159387354000000, "market": "KXA-1",
    "bids": [["0.47", "3.00"]], "asks": [["0.52", "1.00"]]}``, ordered by ``ts_ns``; or a Parquet
    file of quotes (``ts_recv_ns, venue, instrument, inverse, bid_px, bid_sz, ask_px, ask_sz``, one
    observation a row). Rows become due by the time passed since the start of the playback, times
    ``speed``. ``markets`` renames the session's markets to the venue's; others keep their names,
    and a market that the venue does not list is passed over.
    """

    def __init__(
        self,
        port: MarketPort,
        path: Path,
        start_ns: int,
        speed: int = 1,
        venue: str = "",
        markets: Mapping[str, str] | None = None,
    ) -> None:
        if speed < 1:
            raise ValueError(f"playback: speed is {speed}, allowed is >= 1")
        self._port = port
        self._markets = dict(markets or {})
        self._rows = _read_quotes(path, venue) if path.suffix == ".parquet" else _read_session(path)
        self._start_ns = start_ns
        self._speed = speed
        self._next = next(self._rows, None)
        self._first_ns = self._next[0] if self._next is not None else 0
        self.played = 0
        self.error = ""

    @property
    def finished(self) -> bool:
        """Whether every row was played."""
        return self._next is None

    def fail(self, error: str) -> None:
        """End the playback for a reason, kept in ``error``."""
        self.error, self._next = error, None

    def advance(self, now_ns: int) -> int:
        """Play every row that is due at ``now_ns`` and return how many there were."""
        due_ns = self._first_ns + (now_ns - self._start_ns) * self._speed
        count = 0
        while self._next is not None and self._next[0] <= due_ns:
            _, market, bids, asks = self._next
            self._port.quote(self._markets.get(market, market), bids, asks, now_ns)
            self._next = next(self._rows, None)
            count += 1
        self.played += count
        return count


def _on_step(price: Decimal, step: Decimal) -> Decimal:
    return (price // step) * step


def _read_session(path: Path) -> Iterator[tuple[int, str, Levels, Levels]]:
    last_ns = 0
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            row = _row(path, number, line)
            if row[0] < last_ns:
                raise ValueError(f"{path}, line {number}: ts_ns goes back")
            last_ns = row[0]
            yield row


def _read_quotes(path: Path, venue: str) -> Iterator[tuple[int, str, Levels, Levels]]:
    columns = ["ts_recv_ns", "venue", "instrument", "inverse"]
    columns += ["bid_px", "bid_sz", "ask_px", "ask_sz"]
    file = ParquetFile(path)
    missing = sorted(set(columns) - set(file.schema_arrow.names))
    if missing:
        raise ValueError(f"{path}: the column {missing[0]} is missing")
    for batch in file.iter_batches(batch_size=4096, columns=columns):
        for row in batch.to_pylist():
            # Inverse rows show the same bet from the other side: no liquidity of their own.
            if row["inverse"] or (venue and row["venue"] != venue):
                continue
            bids = _best(row["bid_px"], row["bid_sz"])
            asks = _best(row["ask_px"], row["ask_sz"])
            yield int(row["ts_recv_ns"]), str(row["instrument"]), bids, asks


def _best(price: str | None, size: str | None) -> Levels:
    return [] if price is None or size is None else [(Decimal(price), Decimal(size))]


def _row(path: Path, number: int, line: str) -> tuple[int, str, Levels, Levels]:
    try:
        row: dict[str, Any] = json.loads(line)
        return int(row["ts_ns"]), str(row["market"]), _ladder(row["bids"]), _ladder(row["asks"])
    except (json.JSONDecodeError, KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"{path}, line {number}: expected ts_ns, market, bids and asks ({error!r})"
        ) from error


def _ladder(rows: Json) -> Levels:
    return [(Decimal(str(price)), Decimal(str(size))) for price, size in rows]
