"""Generate a synthetic two-venue session and stream it to disk as a dataset.

Everything about it says synthetic: ``dataset.json``, the pairs (``SYN-...``, ``synthetic`` true),
the instruments' ``info`` and description.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import numpy as np

from backtests.data.dataset import (
    CATALOG_DIR,
    DATASET_SCHEMA_VERSION,
    PAIRS_FILE,
    TOP_DIR,
    Dataset,
    Manifest,
    SessionInfo,
    open_dataset,
    write_manifest,
)
from backtests.data.deltas import DeltaWriter, Ints, TopWriter
from backtests.data.instruments import books_of
from backtests.data.load import BookStats, strictly_increasing, write_instruments
from backtests.data.quality import check_dataset
from backtests.data.recording import NO_ASK, NO_BID, PRICE_UNITS
from backtests.data.store import new_folder
from backtests.data.synthetic.book import BookState, build_chunk
from backtests.data.synthetic.fair import FairPrice, Floats, rng
from backtests.data.synthetic.settings import GeneratorSettings, Style, VenueStyle
from core.contracts import Venue
from core.fees import KalshiFees, PolymarketFees
from core.money import dec
from core.pairs import (
    Approval,
    Clause,
    MarketTerms,
    Pair,
    PairMarket,
    Settlement,
    encode_pairs,
    uniform_ticks,
)

#: Called with (seconds done, seconds in total).
Progress = Callable[[int, int], None]

_NS = 1_000_000_000
_RATE, _TIMES, _SIZES, _END = range(10, 14)
#: Messages that follow a jump at once, seconds after the venue saw it.
_BURST_S = (0.0, 0.12, 0.6)
_SPREAD_BLOCK_S = 30.0
_CHUNK_S_MAX = 1800
_CHUNK_S_MIN = 20
#: Messages of one chunk aimed at over all books, and the most of one book: enough for numpy to
#: be fast, little to hold (some 200 bytes each while a book is made).
_CHUNK_MESSAGES = 500_000
_BOOK_MESSAGES = 60_000
#: Median network delay per venue and its log deviation.
_DELAY_S = ((0.02, 0.4), (0.045, 0.4))


@dataclass(slots=True)
class _Book:
    """One venue's book of one pair while it is being written."""

    venue: int
    style: VenueStyle
    rate: float
    stats: BookStats
    deltas: DeltaWriter
    top: TopWriter
    state: BookState
    last_event_ns: int = 0


@dataclass(slots=True)
class _Messages:
    """The messages of one book in one chunk."""

    ts_recv_ns: Ints
    requote: np.ndarray[tuple[int], np.dtype[np.bool_]]


def generate_dataset(
    dst: Path,
    settings: GeneratorSettings | None = None,
    *,
    progress: Progress | None = None,
    replace: bool = False,
) -> Dataset:
    """Generate a session into ``dst``; the same settings give the same bytes.

    Parameters
    ----------
    dst : Path
        New folder; it appears complete or not at all.
    settings : GeneratorSettings, optional
        Seed, number of pairs, length, rate, depth, style.
    progress : callable, optional
        Called with seconds of the session done and in total.
    replace : bool
        Replace an existing folder.

    Raises
    ------
    DataError
        If ``dst`` exists and may not be replaced.
    """
    settings = settings or GeneratorSettings()
    with new_folder(Path(dst), replace=replace) as work:
        session = _Session(work, settings)
        session.run(progress)
        session.finish()
        check_dataset(open_dataset(work))
    return open_dataset(dst)


class _Session:
    def __init__(self, work: Path, settings: GeneratorSettings) -> None:
        self._work = work
        self._settings = settings
        self._total_s = settings.duration_ns // _NS
        self._styles = [settings.style_of(i) for i in range(settings.pairs)]
        self._fair = [FairPrice(settings.seed, i, s) for i, s in enumerate(self._styles)]
        self._pairs = tuple(_pair(settings, i, s) for i, s in enumerate(self._styles))
        self._books: list[list[_Book]] = []
        self._last_ts = 0
        self._first_ts = 0
        books = books_of(self._pairs)
        for i, pair in enumerate(self._pairs):
            self._books.append([])
            for venue, market in enumerate(pair.markets):
                style = (self._styles[i].kalshi, self._styles[i].polymarket)[venue]
                factor = rng(settings.seed, _RATE, i, venue).standard_normal()
                self._books[i].append(
                    _Book(
                        venue=venue,
                        style=style,
                        rate=style.rate * float(np.exp(style.rate_sigma * factor)) * settings.rate,
                        stats=BookStats(books[market.yes_id], [_session_name(settings)]),
                        deltas=DeltaWriter(work / CATALOG_DIR, market.yes_id),
                        top=TopWriter(work / TOP_DIR, market.yes_id),
                        state=BookState(),
                    )
                )

    def run(self, progress: Progress | None) -> None:
        """Generate chunk after chunk; memory holds one chunk."""
        rates = [b.rate for pair in self._books for b in pair]
        wanted_s = 60 * min(_CHUNK_MESSAGES / sum(rates), _BOOK_MESSAGES / max(rates))
        chunk_s = int(min(_CHUNK_S_MAX, max(_CHUNK_S_MIN, wanted_s)))
        for chunk, start_s in enumerate(range(0, self._total_s, chunk_s)):
            end_s = min(start_s + chunk_s, self._total_s)
            self._chunk(chunk, start_s, end_s)
            if progress:
                progress(end_s, self._total_s)

    def _chunk(self, chunk: int, start_s: int, end_s: int) -> None:
        messages: list[_Messages] = []
        for i, pair in enumerate(self._books):
            self._fair[i].advance(chunk, start_s, end_s)
            messages += [self._messages(i, book, chunk, start_s, end_s) for book in pair]
        received = np.concatenate([m.ts_recv_ns for m in messages])
        order = np.argsort(received, kind="stable")
        ts_init = np.empty_like(received)
        ts_init[order] = strictly_increasing(received[order], self._last_ts)
        self._first_ts = self._first_ts or int(ts_init[order[0]])
        self._last_ts = int(ts_init[order[-1]])
        at = 0
        for i, pair in enumerate(self._books):
            for book in pair:
                mine = messages.pop(0)
                end = at + len(mine.ts_recv_ns)
                self._write(i, book, chunk, mine, ts_init[at:end])
                at = end

    def _messages(self, i: int, book: _Book, chunk: int, start_s: int, end_s: int) -> _Messages:
        draw = rng(self._settings.seed, _TIMES, i, book.venue, chunk)
        count = int(draw.poisson(book.rate * (end_s - start_s) / 60))
        # one microsecond before the end leaves room for the strict order of equal times
        plain = draw.uniform(start_s, end_s - 1e-6, count + 1)
        plain[0] = start_s + min(1.0, end_s - start_s) * draw.random()
        requote = draw.random(count + 1) < book.style.requote
        burst = self._fair[i].seen(book.venue, start_s, end_s)
        burst = (burst[:, None] + np.array(_BURST_S)).ravel()
        burst = burst[burst < end_s - 1e-6]
        times = np.concatenate((plain, burst))
        requote = np.concatenate((requote, np.ones(len(burst), dtype=bool)))
        order = np.argsort(times, kind="stable")
        requote = requote[order]
        requote[0] = True
        offset = np.rint(times[order] * 1e6).astype(np.int64) * 1000
        return _Messages(self._settings.start_ns + offset, requote)

    def _write(self, i: int, book: _Book, chunk: int, mine: _Messages, ts_init: Ints) -> None:
        draw = rng(self._settings.seed, _SIZES, i, book.venue, chunk)
        median, sigma = _DELAY_S[book.venue]
        delay = median * np.exp(sigma * draw.standard_normal(len(ts_init)))
        venue_ns = mine.ts_recv_ns - np.rint(delay * 1e6).astype(np.int64) * 1000
        venue_ns = np.maximum.accumulate(np.maximum(venue_ns, book.last_event_ns))
        book.last_event_ns = int(venue_ns[-1])
        seconds = (venue_ns - self._settings.start_ns) / _NS
        best = self._quotes(i, book, seconds, draw)
        held = np.maximum.accumulate(np.where(mine.requote, np.arange(len(seconds)), 0))
        made = build_chunk(
            book.state,
            (best[0][held], best[1][held]),
            venue_ns // 1_000_000 * 1_000_000,  # venues stamp milliseconds
            ts_init,
            book.style,
            self._settings.levels,
            draw,
        )
        book.deltas.append(made.deltas)
        book.top.append(ts_init, made.bid, made.ask, made.bid_size, made.ask_size)
        stats = book.stats
        stats.first_ns = stats.first_ns or int(ts_init[0])
        stats.last_ns = int(ts_init[-1])
        stats.observations += len(ts_init)
        stats.deltas += len(made.deltas)
        stats.one_sided += int(np.count_nonzero((made.bid == NO_BID) | (made.ask == NO_ASK)))

    def _quotes(
        self, i: int, book: _Book, seconds: Floats, draw: np.random.Generator
    ) -> tuple[Ints, Ints]:
        """Return best bid and ask as steps from their own end of the price range."""
        style = book.style
        centre = self._fair[i].venue_price(book.venue, seconds)
        block = (seconds // _SPREAD_BLOCK_S).astype(np.int64)
        block -= block[0]
        wide = np.exp(style.spread_sigma * draw.standard_normal(int(block.max()) + 1))[block]
        tick = style.tick / PRICE_UNITS
        half = np.maximum((style.spread * wide - tick) / 2, 1e-7)
        steps = PRICE_UNITS // style.tick
        bid = np.floor((centre - half) / tick).astype(np.int64)
        ask = np.ceil((centre + half) / tick).astype(np.int64)
        bid = np.clip(bid, 0, steps - 1)
        ask = np.clip(np.maximum(ask, bid + 1), 1, steps)
        return bid, steps - ask

    def finish(self) -> None:
        """Close the files; settle the pairs; write instruments, pairs and manifest."""
        books = sorted((b for pair in self._books for b in pair), key=lambda b: b.stats.book.yes_id)
        for book in books:
            book.deltas.close()
            book.top.close()
        settled = tuple(
            _settle(self._settings, i, pair, self._fair[i].fair(float(self._total_s)))
            for i, pair in enumerate(self._pairs)
        )
        stats = [b.stats for b in books]
        write_instruments(
            self._work, [s.book for s in stats], self._settings.start_ns, synthetic=True
        )
        (self._work / PAIRS_FILE).write_bytes(encode_pairs(settled))
        observations = sum(s.observations for s in stats)
        session = SessionInfo(
            name=_session_name(self._settings),
            kind="synthetic",
            start_ns=self._first_ts,
            end_ns=self._last_ts,
            observations=observations,
            deltas=sum(s.deltas for s in stats),
            pair_ids=tuple(p.pair_id for p in settled),
        )
        manifest = Manifest(
            schema_version=DATASET_SCHEMA_VERSION,
            name=_session_name(self._settings),
            synthetic=True,
            seed=self._settings.seed,
            span_ns=(self._first_ts, self._last_ts),
            sessions=(session,),
            instruments=tuple(s.info() for s in stats),
            sources=(),
            counts={"observations": observations},
            generator=msgspec.to_builtins(self._settings),
        )
        write_manifest(self._work, manifest)


def _session_name(settings: GeneratorSettings) -> str:
    return f"SYN-seed{settings.seed}-{settings.pairs}x{settings.minutes:g}min"


def _time(ns: int) -> datetime:
    return datetime.fromtimestamp(ns // _NS, UTC)


_ERROR = Clause(name="oracle error", q=Decimal("0.0005"), yes_no=Decimal(0), no_yes=Decimal(0))


def _pair(settings: GeneratorSettings, i: int, style: Style) -> Pair:
    number = f"{i + 1:04d}"
    end = _time(settings.start_ns + settings.duration_ns)
    close = end + timedelta(minutes=1)
    kalshi = PairMarket(
        venue=Venue.KALSHI,
        market=f"SYN-K-{number}",
        yes=f"SYN-K-{number}-YES",
        no=f"SYN-K-{number}-NO",
        terms=_terms(style.kalshi, "USD"),
        fees=KalshiFees("quadratic"),
        close_time=close,
    )
    polymarket = PairMarket(
        venue=Venue.POLYMARKET,
        market=f"SYN-P-{number}",
        yes=f"SYN-P-{number}",
        no=f"SYN-P-{number}-NO",
        terms=_terms(style.polymarket, "pUSD"),
        fees=PolymarketFees(dec(style.polymarket_rate)),
        close_time=close,
    )
    return Pair(
        pair_id=f"SYN-{number}",
        session=_session_name(settings),
        markets=(kalshi, polymarket),
        relation="equivalent",
        grade="A",
        family="synthetic",
        approval=Approval(by="generator", at=datetime(1970, 1, 1, tzinfo=UTC), kind="recorded"),
        observed_since=_time(settings.start_ns) - timedelta(days=1),
        expected_settlement=end + timedelta(hours=1),
        divergence=(_ERROR,),
        synthetic=True,
        note="synthetic: made by a generator, no such market exists",
    )


def _terms(style: VenueStyle, currency: str) -> MarketTerms:
    polymarket = currency == "pUSD"
    return MarketTerms(
        ticks=uniform_ticks(Decimal(style.tick) / PRICE_UNITS),
        lot=Decimal("0.01"),
        size_min=Decimal(5 if polymarket else "0.01"),
        notional_min=Decimal(1 if polymarket else 0),
        currency="pUSD" if polymarket else "USD",
    )


def _settle(settings: GeneratorSettings, i: int, pair: Pair, fair: float) -> Pair:
    """Draw the end: YES with the latent price's probability; one void and one scalar case.

    Void: Kalshi pays its fair value, Polymarket 0.50. Scalar: both pay the same fraction.
    """
    last = settings.pairs - 1
    cents = Decimal(max(1, min(99, round(fair * 100)))) / 100
    values = [Decimal(int(rng(settings.seed, _END, i).random() < fair))] * 2
    if settings.special_settlements and settings.pairs >= 3 and i == last:
        values = [cents, Decimal("0.5")]
    elif settings.special_settlements and settings.pairs >= 4 and i == last - 1:
        values = [cents, cents]
    settled_at = pair.expected_settlement
    markets = tuple(
        msgspec.structs.replace(m, settlement=Settlement(value=v, settled_at=settled_at))
        for m, v in zip(pair.markets, values, strict=True)
    )
    return msgspec.structs.replace(pair, markets=markets)
