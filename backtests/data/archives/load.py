"""Archive hours in, dataset out.

For every pair the Kalshi ticker and the Polymarket YES token are replayed hour after hour, both
on the venues' own times (receive times of different exporters cannot be compared) plus a modelled
delay per venue. Hours before the window seed the books: Polymarket repeats a snapshot only now
and then. What happened to every file and market is written to ``coverage.json``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from backtests.data.archives.books import EMPTY_TOP, UNCHANGED, State
from backtests.data.archives.events import Event, Lost, Snapshot
from backtests.data.archives.files import (
    HOUR_FORMAT,
    Archive,
    hour_ns,
    hours,
    local_path,
    polymarket_archive,
)
from backtests.data.archives.health import Health, Verdict, examine
from backtests.data.archives.kalshi import read_kalshi
from backtests.data.archives.polymarket import read_polymarket
from backtests.data.archives.rebuild import MarketReplay, Message
from backtests.data.archives.settings import ArchiveSettings
from backtests.data.dataset import (
    CATALOG_DIR,
    DATASET_SCHEMA_VERSION,
    PAIRS_FILE,
    TOP_DIR,
    Dataset,
    Manifest,
    SessionInfo,
    Source,
    open_dataset,
    write_manifest,
)
from backtests.data.deltas import F_LAST, F_SNAPSHOT, DeltaColumns, DeltaWriter, TopWriter
from backtests.data.errors import DataError
from backtests.data.instruments import books_of
from backtests.data.load import BookStats, strictly_increasing, write_instruments
from backtests.data.quality import check_dataset
from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS
from backtests.data.store import new_folder, sha256
from core.contracts import Venue
from core.pairs import Pair, PairMarket, encode_pairs

COVERAGE_FILE = "coverage.json"
ATTRIBUTION = "pmxt, archive.pmxt.dev, CC BY 4.0"
#: Called with files done, files in total and the file's name.
Progress = Callable[[int, int, str], None]
_MS = 1_000_000


@dataclass(slots=True)
class _Market:
    """One venue market while its hours are read."""

    key: str
    venue: Venue
    stats: BookStats
    replay: MarketReplay
    pending: list[Event] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    emitted_ns: int = 0
    started: bool = False
    #: The last message written (None: no book to keep alive) and when it was seen.
    held: Message | None = None
    seen_ns: int = 0
    deltas: DeltaWriter | None = None
    top: TopWriter | None = None
    #: The NO token of a Polymarket market, where the pairs name it, and its own replay: a check.
    mirror_key: str | None = None
    mirror: MarketReplay = field(default_factory=MarketReplay)


def load_archives(
    mirror: Path,
    pairs: Sequence[Pair],
    dst: Path,
    settings: ArchiveSettings,
    *,
    progress: Progress | None = None,
    replace: bool = False,
) -> Dataset:
    """Rebuild the pairs' books from a mirror of the archives into a dataset.

    Parameters
    ----------
    mirror : Path
        Folder with ``kalshi/``, ``polymarket_v1/``, ``polymarket_v2/`` (twinbook data download).
    pairs : sequence of Pair
        Kalshi markets name the ticker; Polymarket's ``yes`` symbol is the YES token's id.
    dst : Path
        New folder; it appears complete or not at all.
    settings : ArchiveSettings
        Window, seeding, delays, what to do with degraded files.

    Raises
    ------
    DataError
        If the mirror is missing, a file has other columns, or no pair has both books.
    """
    if not Path(mirror).is_dir():
        raise DataError(mirror, "no such folder", "a mirror (twinbook data download)")
    if not pairs:
        raise DataError(PAIRS_FILE, "no pairs", "at least one pair")
    with new_folder(Path(dst), replace=replace) as work:
        loader = _ArchiveLoader(Path(mirror), tuple(pairs), work, settings)
        loader.run(progress)
        loader.finish()
        check_dataset(open_dataset(work))
    return open_dataset(dst)


class _ArchiveLoader:
    def __init__(
        self, mirror: Path, pairs: tuple[Pair, ...], work: Path, settings: ArchiveSettings
    ) -> None:
        self._mirror = mirror
        self._pairs = pairs
        self._work = work
        self._settings = settings
        self._start_ns = hour_ns(settings.first)
        self._end_ns = hour_ns(settings.last + timedelta(hours=1))
        self._health: list[tuple[Archive, datetime, Health]] = []
        self._sources: list[Source] = []
        self._last_ts = 0
        self._alive: dict[Venue, set[int]] = {}
        self._session = (
            f"PMXT-{settings.first.strftime(HOUR_FORMAT)}-{settings.last.strftime(HOUR_FORMAT)}"
        )
        books = books_of(pairs)
        self._markets: dict[str, _Market] = {}
        for pair in pairs:
            for market in pair.markets:
                key = market.market if market.venue is Venue.KALSHI else market.yes
                self._markets[market.yes_id] = _Market(
                    key,
                    market.venue,
                    BookStats(books[market.yes_id]),
                    MarketReplay(),
                    mirror_key=market.no if _is_token(market) else None,
                )

    # -- reading --

    def run(self, progress: Progress | None) -> None:
        """Read hour after hour; hand on what can no longer be changed by a later file."""
        settings = self._settings
        span = list(
            hours(
                settings.first - timedelta(hours=settings.seed_hours),
                settings.last + timedelta(hours=1),  # late rows lie in the next hour's file
            )
        )
        venues = sorted({m.venue for m in self._markets.values()})
        done = 0
        for hour in span:
            for venue in venues:
                archive = Archive.KALSHI if venue is Venue.KALSHI else polymarket_archive(hour)
                path = local_path(self._mirror, archive, hour)
                self._hour(archive, venue, hour, path)
                done += 1
                if progress:
                    progress(done, len(span) * len(venues), path.name)
            self._emit(hour_ns(hour))
        self._emit(2**62)

    def _hour(self, archive: Archive, venue: Venue, hour: datetime, path: Path) -> None:
        markets = [m for m in self._markets.values() if m.venue is venue]
        trailing = hour > self._settings.last
        health = examine(path, archive, self._alive.setdefault(venue, set()))
        if health.verdict is Verdict.DEGRADED and not self._settings.use_degraded:
            health = msgspec.structs.replace(health, why=f"{health.why}; skipped")
        self._health.append((archive, hour, health))
        usable = health.verdict is Verdict.ACCEPT or (
            health.verdict is Verdict.DEGRADED and self._settings.use_degraded
        )
        if not usable:
            if not trailing:  # the window ends here anyway
                for market in markets:
                    market.pending.append(Lost(hour_ns(hour), -1))
                    market.mirror.book.lose()
            return
        self._sources.append(
            Source(f"{archive.value}/{path.name}", path.stat().st_size, sha256(path))
        )
        keys = {m.key for m in markets}
        if archive is Archive.KALSHI:
            rows = read_kalshi(path, keys)
        else:
            keys |= {m.mirror_key for m in markets if m.mirror_key is not None}
            rows = read_polymarket(path, archive, keys)
        for market in markets:
            market.replay.reseed = health.verdict is Verdict.ACCEPT
            market.counts += rows.counts[market.key]
            self._take(market, rows.events[market.key])
            if market.mirror_key is not None:
                self._compare(market, rows.events[market.mirror_key])

    @staticmethod
    def _compare(market: _Market, events: list[Event]) -> None:
        """Replay the NO token and compare it with the YES book once an hour: they are mirrors."""
        yes = MarketReplay()
        yes.feed([*_last_book(market.replay), *market.pending])
        market.mirror.feed(events)
        no = market.mirror.book
        if yes.book.state is not State.LIVE or no.state is not State.LIVE:
            return
        same = (yes.book.best_bid, yes.book.best_ask) == (
            PRICE_UNITS - no.best_ask,
            PRICE_UNITS - no.best_bid,
        )
        market.counts["mirror_compared"] += 1
        market.counts["mirror_agreed"] += int(same)

    @staticmethod
    def _take(market: _Market, events: list[Event]) -> None:
        """Queue events; those older than what was handed on already come too late."""
        late = sum(e.ts_ns < market.emitted_ns for e in events)
        market.counts["late"] += late
        market.pending += [e for e in events if e.ts_ns >= market.emitted_ns]
        market.pending.sort(key=lambda e: e[:1])

    # -- writing --

    def _emit(self, until_ns: int) -> None:
        """Replay everything before a time and write what lies in the window."""
        batches: list[tuple[_Market, list[Message]]] = []
        for market in self._markets.values():
            cut = next(
                (i for i, e in enumerate(market.pending) if e.ts_ns >= until_ns),
                len(market.pending),
            )
            ready, market.pending = market.pending[:cut], market.pending[cut:]
            market.emitted_ns = until_ns
            found = list(self._window(market, ready))
            if self._settings.heartbeat_s:
                found = list(self._heartbeats(market, found, min(until_ns, self._end_ns)))
            batches.append((market, found))
        self._write(batches)

    def _heartbeats(
        self, market: _Market, found: list[Message], until_ns: int
    ) -> Iterator[Message]:
        """Put unchanged sights of the book between messages that lie far apart."""
        step_ns = self._settings.heartbeat_s * 1_000 * _MS
        delay_ns = self._settings.delay_ms.get(market.venue, 0) * _MS
        alive = self._alive.get(market.venue, set())
        for message in [*found, None]:
            next_ns = until_ns if message is None else max(message.ts_ns, message.seen_ns)
            while market.held is not None and market.seen_ns + step_ns < next_ns:
                market.seen_ns += step_ns
                if market.seen_ns // 1_000_000_000 in alive:
                    market.counts["heartbeats"] += 1
                    yield market.held._replace(
                        rows=[UNCHANGED], whole=False, seen_ns=market.seen_ns + delay_ns
                    )
            if message is not None:
                market.held = None if message.top == EMPTY_TOP else message
                market.seen_ns = next_ns
                yield message

    def _window(self, market: _Market, events: list[Event]) -> Iterator[Message]:
        """Yield messages of the window; in front of them the book as it stands at its start."""
        split = next((i for i, e in enumerate(events) if e.ts_ns >= self._start_ns), len(events))
        market.replay.feed(events[:split])
        rest = [e for e in events[split:] if e.ts_ns < self._end_ns]
        if not market.started and (rest or market.emitted_ns > self._start_ns):
            market.started = True
            seeded = market.replay.current(self._start_ns)
            if seeded is not None:
                yield seeded
        yield from market.replay.feed(rest)

    def _write(self, batches: list[tuple[_Market, list[Message]]]) -> None:
        batches = [(m, found) for m, found in batches if found]
        if not batches:
            return
        event_ns = np.array([x.ts_ns for _, found in batches for x in found], dtype=np.int64)
        delay = np.concatenate(
            [
                np.full(len(found), self._settings.delay_ms.get(m.venue, 0) * _MS, dtype=np.int64)
                for m, found in batches
            ]
        )
        seen = np.array([x.seen_ns for _, found in batches for x in found], dtype=np.int64)
        received = np.maximum(event_ns + delay, seen)
        order = np.argsort(received, kind="stable")
        ts_init = np.empty_like(received)
        ts_init[order] = strictly_increasing(received[order], self._last_ts)
        self._last_ts = int(ts_init[order[-1]])
        at = 0
        for market, found in batches:
            self._write_market(market, found, ts_init[at : at + len(found)])
            at += len(found)

    def _write_market(
        self, market: _Market, found: list[Message], ts_init: np.ndarray[Any, np.dtype[np.int64]]
    ) -> None:
        name = market.stats.book.yes_id
        if market.deltas is None or market.top is None:
            market.deltas = DeltaWriter(self._work / CATALOG_DIR, name)
            market.top = TopWriter(self._work / TOP_DIR, name)
        stats = market.stats
        columns = _columns(found, ts_init, stats.observations)
        market.deltas.append(columns)
        bid, ask, bid_size, ask_size = (
            np.array([m.top[i] for m in found], dtype=np.int64) for i in range(4)
        )
        market.top.append(ts_init, bid, ask, bid_size, ask_size)
        stats.first_ns = stats.first_ns or int(ts_init[0])
        stats.last_ns = int(ts_init[-1])
        stats.observations += len(found)
        stats.deltas += len(columns)
        stats.one_sided += int(np.count_nonzero((bid == NO_BID) | (ask == NO_ASK)))

    # -- the end --

    def finish(self) -> None:
        """Close the files; keep the pairs with both books; write coverage and manifest."""
        for market in self._markets.values():
            if market.deltas is not None and market.top is not None:
                market.deltas.close()
                market.top.close()
        kept, dropped = self._split_pairs()
        if not kept:
            reasons = "; ".join(f"{name}: {why}" for name, why in list(dropped.items())[:3])
            raise DataError(self._mirror, f"no pair with both books ({reasons})", "at least one")
        names = {m.yes_id for p in kept for m in p.markets}
        stats = [m.stats for n, m in sorted(self._markets.items()) if n in names]
        for name in set(self._markets) - names:
            self._discard(name)
        for entry in stats:
            entry.sessions.append(self._session)
        first = min(s.first_ns for s in stats)
        write_instruments(self._work, [s.book for s in stats], first)
        pairs = tuple(msgspec.structs.replace(p, session=self._session) for p in kept)
        (self._work / PAIRS_FILE).write_bytes(encode_pairs(pairs))
        coverage = self._coverage(dropped)
        (self._work / COVERAGE_FILE).write_bytes(
            msgspec.json.format(msgspec.json.encode(coverage, order="deterministic"), indent=1)
            + b"\n"
        )
        self._manifest(stats, pairs, coverage["totals"])

    def _split_pairs(self) -> tuple[list[Pair], dict[str, str]]:
        kept, dropped = [], {}
        for pair in self._pairs:
            why = next((w for m in pair.markets if (w := self._unusable(m.yes_id))), None)
            if why is None:
                kept.append(pair)
            else:
                dropped[pair.pair_id] = why
        return kept, dropped

    def _unusable(self, name: str) -> str | None:
        market = self._markets[name]
        if not market.stats.observations:
            return f"{name} has no book in the window"
        share = market.replay.reproduced_share
        if share is not None and share < self._settings.reproduced_min:
            return f"{name} reproduced {share:.0%} of its later snapshots"
        return None

    def _discard(self, name: str) -> None:
        """Remove the book of a pair that was left out."""
        market = self._markets[name]
        if market.deltas is not None and market.top is not None:
            market.deltas.path.unlink()
            market.deltas.path.parent.rmdir()
            market.top.path.unlink()

    def _coverage(self, dropped: dict[str, str]) -> dict[str, Any]:
        markets = {}
        totals: Counter[str] = Counter()
        for name, market in sorted(self._markets.items()):
            counts = market.counts + market.replay.counts
            totals += counts
            markets[name] = {
                "rows": dict(sorted(counts.items())),
                "observations": market.stats.observations,
                "snapshots_reproduced": market.replay.counts["snapshots_reproduced"],
                "snapshots_compared": market.replay.counts["snapshots_compared"],
                "reproduced_share": market.replay.reproduced_share,
            }
        verdicts = Counter(h.verdict.value for _, _, h in self._health)
        return {
            "schema_version": 1,
            "attribution": ATTRIBUTION,
            "requested": [self._settings.first.isoformat(), self._settings.last.isoformat()],
            "seed_hours": self._settings.seed_hours,
            "files_by_verdict": dict(sorted(verdicts.items())),
            "placeholders": sum("0 rows" in h.why for _, _, h in self._health),
            "files": [
                {"archive": a.value, "hour": h.strftime(HOUR_FORMAT)} | msgspec.to_builtins(x)
                for a, h, x in self._health
            ],
            "markets": markets,
            "pairs_dropped": dropped,
            "totals": dict(sorted(totals.items())),
        }

    def _manifest(
        self, stats: list[BookStats], pairs: tuple[Pair, ...], totals: Mapping[str, int]
    ) -> None:
        span = (min(s.first_ns for s in stats), max(s.last_ns for s in stats))
        session = SessionInfo(
            name=self._session,
            kind="archive",
            start_ns=span[0],
            end_ns=span[1],
            observations=sum(s.observations for s in stats),
            deltas=sum(s.deltas for s in stats),
            pair_ids=tuple(p.pair_id for p in pairs),
        )
        write_manifest(
            self._work,
            Manifest(
                schema_version=DATASET_SCHEMA_VERSION,
                name=self._session,
                synthetic=False,
                seed=None,
                span_ns=span,
                sessions=(session,),
                instruments=tuple(s.info() for s in stats),
                sources=tuple(self._sources),
                counts=dict(totals),
            ),
        )


def _is_token(market: PairMarket) -> bool:
    """Say whether a Polymarket market's NO symbol is a token id (some pairs do not know it)."""
    return market.venue is Venue.POLYMARKET and market.no.isdigit()


def _last_book(replay: MarketReplay) -> list[Event]:
    """Return the replay's book as a snapshot to start another replay from."""
    if replay.book.state is not State.LIVE:
        return []
    return [Snapshot(replay.last_ns, -1, dict(replay.book.bids), dict(replay.book.asks))]


def _columns(
    found: list[Message], ts_init: np.ndarray[Any, np.dtype[np.int64]], sequence: int
) -> DeltaColumns:
    """Lay messages out as rows; the last row of each carries F_LAST."""
    count = np.array([len(m.rows) for m in found], dtype=np.int64)
    of = np.repeat(np.arange(len(found)), count)
    table = np.array([row for m in found for row in m.rows], dtype=np.int64)
    whole = np.array([m.whole for m in found], dtype=bool)
    flags = np.where(whole[of], F_SNAPSHOT, 0).astype(np.uint8)
    flags[np.cumsum(count) - 1] |= F_LAST
    return DeltaColumns(
        action=table[:, 0].astype(np.uint8),
        side=table[:, 1].astype(np.uint8),
        price=table[:, 2].copy(),
        size=table[:, 3].copy(),
        flags=flags,
        sequence=sequence + of,
        ts_event=np.array([m.ts_ns for m in found], dtype=np.int64)[of],
        ts_init=ts_init[of],
    )
