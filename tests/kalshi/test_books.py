"""Books: right or marked bad, through every fault of the stream, for both legs at once."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from pathlib import Path

import pytest
from nautilus_trader.model.book import OrderBook
from nautilus_trader.model.enums import BookType

from adapters.common.retry import Backoff
from adapters.common.transport import AiohttpTransport
from adapters.kalshi import parsing
from adapters.kalshi.books import BookFault, YesBook
from adapters.kalshi.credentials import load_credential
from adapters.kalshi.http import KalshiHttp
from adapters.kalshi.protocol import BookBad, BookChange, BookReset, Channel, Event
from adapters.kalshi.symbols import Leg
from adapters.kalshi.websocket import KalshiStream
from tests.kalshi.support.venue import SimVenue

FAULTS = (
    ("drop", {"every": 700}),
    ("seq_gap", {"every": 1100}),
    ("reorder", {"every": 900}),
    ("duplicate", {"every": 60}),
    ("late", {"every": 1300}),
    ("reset", {"every": 1700}),
    ("overflow", {"every": 2100}),
    ("half_open", {"at": [2600]}),
)


class Watcher:
    """Nautilus books fed by the adapter's deltas, and what they showed when."""

    def __init__(self, tickers: list[str]) -> None:
        self.books = {
            (t, leg): OrderBook(parsing.instrument_id(t, leg), BookType.L2_MBP)
            for t in tickers
            for leg in Leg
        }
        self.shown: dict[str, deque] = {t: deque(maxlen=4000) for t in tickers}
        self.bad_at: dict[str, list[float]] = {t: [] for t in tickers}
        self.bad: set[str] = set(tickers)
        self.crossed: list[str] = []
        self.resets = 0

    def on_event(self, event: Event, now_ns: int) -> None:
        if not isinstance(event, (BookChange, BookReset, BookBad)):
            return
        ticker = event.ticker
        for leg in Leg:
            book = self.books[(ticker, leg)]
            if isinstance(event, BookChange):
                deltas = parsing.change_deltas(event, leg, now_ns, now_ns)
            elif isinstance(event, BookReset):
                deltas = parsing.book_deltas(event, leg, now_ns, now_ns)
            else:
                deltas = parsing.clear_deltas(ticker, leg, now_ns, now_ns)
            book.apply_deltas(deltas)
            bid, ask = book.best_bid_price(), book.best_ask_price()
            if bid is not None and ask is not None and bid >= ask:
                self.crossed.append(f"{ticker} {leg}")
        if isinstance(event, BookBad):
            self.bad.add(ticker)
        else:
            self.bad.discard(ticker)
            self.resets += isinstance(event, BookReset)
        self.shown[ticker].append((time.monotonic(), self.picture(ticker)))

    def picture(self, ticker: str):
        """None while bad, else the YES book as prices and sizes, read from both legs."""
        if ticker in self.bad:
            return None
        yes, no = self.books[(ticker, Leg.YES)], self.books[(ticker, Leg.NO)]
        seen = frozenset(
            (side, level.price.as_decimal(), level.size())
            for side, levels in (("bid", yes.bids()), ("ask", yes.asks()))
            for level in levels
        )
        mirrored = frozenset(
            (side, 1 - level.price.as_decimal(), level.size())
            for side, levels in (("ask", no.bids()), ("bid", no.asks()))
            for level in levels
        )
        assert seen == mirrored, "the NO book mirrors the YES book"
        return seen

    def between(self, ticker: str, start: float, end: float) -> list:
        """Every picture that was current at some moment of an interval."""
        history = list(self.shown[ticker])
        current = [p for at, p in history if at < start][-1:]
        return current + [p for at, p in history if start <= at <= end]


def truth(levels) -> frozenset:
    book = YesBook()
    book.load(levels.yes_dollars or (), levels.no_dollars or (), yes_price=False)
    sides = (("bid", book.bids), ("ask", book.asks))
    from core.money import from_units

    return frozenset(
        (side, from_units(p), float(from_units(s))) for side, rows in sides for p, s in rows.items()
    )


@pytest.mark.asyncio
async def test_every_book_is_right_or_marked_bad_at_random_instants(tmp_path: Path) -> None:
    draw = random.Random(5)
    with SimVenue(tmp_path, seed=5) as venue:
        for kind, when in FAULTS:
            venue.fault(kind, "ws:orderbook_delta", **when)
        tickers = venue.tickers[:8]
        account = venue.kalshi["accounts"][1]
        credential = load_credential(
            "demo", key_id=account["key_id"], private_key_path=account["private_key_path"], env={}
        )
        transport, watcher = AiohttpTransport(), Watcher(tickers)
        http = KalshiHttp(
            rest_url=venue.kalshi["rest"],
            transport=transport,
            clock_ns=time.time_ns,
            credential=credential,
        )
        stream = KalshiStream(
            name="books",
            url=venue.kalshi["ws"],
            credential=credential,
            transport=transport,
            clock_ns=time.time_ns,
            on_event=watcher.on_event,
            on_state=lambda _: None,
            idle_timeout_s=2.0,
            resync_timeout_s=0.5,
        )
        stream._stream._backoff = Backoff(first_s=0.05, most_s=0.2)
        stream.protocol.want(Channel.BOOK, tickers)
        task = asyncio.create_task(stream.run())
        compared, wrong = 0, []
        end = time.monotonic() + 12
        while time.monotonic() < end:
            await asyncio.sleep(draw.random() * 0.1)
            ticker = draw.choice(tickers)
            start = time.monotonic()
            real = truth(await http.orderbook(ticker))
            # What the venue had while it answered must have been shown around then, or the book
            # marked bad: frames are on the wire for a moment, and a late one for longer.
            await asyncio.sleep(0.35)
            pictures = watcher.between(ticker, start - 0.35, time.monotonic())
            # A socket that died without a word is told by the age of the last frame alone.
            silent = time.time_ns() - stream.health.ts_last_frame_ns > 300_000_000
            if real not in pictures and None not in pictures and not silent:
                wrong.append(ticker)
            compared += None not in pictures
        venue.heal()
        assert wrong == []
        assert compared > 10
        assert watcher.crossed == []
        assert watcher.resets > len(tickers), "gaps were repaired"

        def repaired() -> bool:
            return all(stream.protocol.good(t) for t in tickers)

        for _ in range(200):
            if repaired():
                break
            await asyncio.sleep(0.05)
        assert repaired(), "healed, every book comes back"
        await stream.close()
        await task
        await transport.close()


def test_a_book_refuses_what_cannot_be() -> None:
    book = YesBook()
    with pytest.raises(BookFault, match="crossed"):
        book.load([("0.60", "1")], [("0.60", "1")], yes_price=True)
    with pytest.raises(BookFault, match="level"):
        book.load([("0.40", "1"), ("0.4000", "2")], [], yes_price=True)
    book.load([("0.0000", "5"), ("0.40", "1"), ("0.3", "0")], [("1.0000", "2")], yes_price=True)
    assert (book.bids, book.asks) == ({400_000: 1_000_000}, {})
    with pytest.raises(BookFault, match="would hold"):
        book.change(bid=True, price_u=400_000, delta_u=-1_000_001)


def test_the_best_levels_follow_removals() -> None:
    book = YesBook()
    book.load([("0.40", "1"), ("0.39", "2")], [("0.41", "1"), ("0.43", "2")], yes_price=True)
    book.change(bid=True, price_u=400_000, delta_u=-1_000_000)
    book.change(bid=False, price_u=410_000, delta_u=-1_000_000)
    assert (book.best_bid, book.best_ask) == (390_000, 430_000)
