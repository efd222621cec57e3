"""The market and user channels without any I/O: bytes and time in, events and frames out.

Rules of the market channel, numbered; the code cites them:

1. A frame is an object, an array of objects (the first dump), or plain text (`PONG`,
   `INVALID OPERATION`, `NO NEW ASSETS`). Text and unknown events are no errors.
2. A `book` replaces the whole book of its asset; empty sides are valid and mean an empty book.
3. A `price_change` sets levels absolutely; "0" removes. Entries of other assets than the
   subscribed ones are ignored (each action comes for both outcomes).
4. Frames of one client batch share timestamp and hash; hash and best bid/ask describe the book
   after the last of them. A group is checked when the next one begins, or when it has been quiet.
5. After a trade the last price inside the hash is unknown until `last_trade_price` comes; until
   then the hash proves nothing, best bid and ask still do.
6. A tick size change invalidates the book: it is asked for again.
7. There are no sequence numbers and no replay: after a reconnect only a new snapshot counts.

A book that contradicts itself (crossed), or whose best bid or ask differ from what the venue says,
is withdrawn at once (`BookLost`) and asked for again; a book whose hash alone differs is asked for
again but stays. Both are counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from adapters.common.errors import ProtocolError
from adapters.polymarket.book import AssetBook, LevelChange, Mismatch
from adapters.polymarket.book_hash import BookTerms, Level
from adapters.polymarket.schemas.clob import Book
from adapters.polymarket.schemas.wire import (
    decode,
    price,
    price_text,
    size,
    size_text,
    time_ns,
)
from adapters.polymarket.schemas.ws import MarketFrame, PriceChange, WireLevel

PING: Final = "PING"
PONG: Final = "PONG"
_QUIET_NS: Final = 250_000_000
_LAST_PRICE_WAIT_NS: Final = 3_000_000_000
_SIDES: Final = {"BUY": True, "SELL": False}

_frames: Final = msgspec.json.Decoder(MarketFrame | list[MarketFrame])
_encode: Final = msgspec.json.Encoder().encode


class BookSnapshot(NamedTuple):
    """The whole book of an asset; `bids` and `asks` with the best last."""

    asset_id: str
    bids: tuple[Level, ...]
    asks: tuple[Level, ...]
    ts_event_ns: int


class BookChange(NamedTuple):
    """Levels of one asset set by one frame."""

    asset_id: str
    changes: tuple[LevelChange, ...]
    ts_event_ns: int


class BookLost(NamedTuple):
    """The book must not be traded on until a snapshot follows."""

    asset_id: str
    reason: str
    ts_event_ns: int


class Refetch(NamedTuple):
    """Ask `GET /book` for this asset."""

    asset_id: str
    reason: str


class PublicTrade(NamedTuple):
    """A trade print; `side` is the taker's."""

    asset_id: str
    price: Decimal
    size: Decimal
    side: str
    trade_id: str
    ts_event_ns: int


class TickChange(NamedTuple):
    """The market's tick size changed."""

    asset_id: str
    old: str
    new: Decimal
    ts_event_ns: int


class Resolved(NamedTuple):
    """A market resolved; no winner means 50/50 or not said."""

    market: str
    asset_ids: tuple[str, ...]
    winning_asset_id: str
    ts_event_ns: int


class NewMarket(NamedTuple):
    """A market of the whole venue appeared."""

    market: str
    slug: str
    question: str
    asset_ids: tuple[str, ...]


class Text(NamedTuple):
    """A plain-text frame."""

    text: str


Event = (
    BookSnapshot
    | BookChange
    | BookLost
    | Refetch
    | PublicTrade
    | TickChange
    | Resolved
    | NewMarket
    | Text
)


def is_text(frame: bytes) -> bool:
    """Tell whether a frame is plain text rather than JSON (rule 1)."""
    return frame.lstrip()[:1] not in (b"{", b"[")


def _seen_type(frame: MarketFrame) -> str:
    """Return the event type, read from the fields where the venue left it out."""
    if frame.event_type:
        return frame.event_type
    if frame.price_changes is not None or frame.changes is not None:
        return "price_change"
    if frame.bids is not None or frame.asks is not None:
        return "book"
    if frame.new_tick_size is not None:
        return "tick_size_change"
    if frame.price is not None and frame.size is not None:
        return "last_trade_price"
    return ""


class MarketProtocol:
    """Books of the assets of one market socket.

    Attributes
    ----------
    counts : Counter
        What was seen and what was wrong, by name.
    hash_check : bool
        Whether a hash that does not agree makes a book be asked for again.
    """

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.hash_check = True
        self._books: dict[str, AssetBook] = {}
        self._by_market: dict[str, set[str]] = {}
        self._dispatch = {
            "book": self._on_book,
            "price_change": self._on_price_change,
            "last_trade_price": self._on_last_trade,
            "tick_size_change": self._on_tick_change,
            "best_bid_ask": self._on_best_bid_ask,
            "market_resolved": self._on_resolved,
            "new_market": self._on_new_market,
        }

    # -- subscriptions ----------------------------------------------------------------------------

    @property
    def assets(self) -> tuple[str, ...]:
        """Assets wanted."""
        return tuple(self._books)

    def subscribe(self, asset_id: str, terms: BookTerms) -> str:
        """Want an asset; return the frame for an open socket (rule 7: also send on reconnect)."""
        if asset_id not in self._books:
            self._books[asset_id] = AssetBook(asset_id, terms)
            self._by_market.setdefault(terms.market, set()).add(asset_id)
        return _operation("subscribe", (asset_id,))

    def unsubscribe(self, asset_id: str) -> str:
        """Stop wanting an asset; return the frame for an open socket."""
        book = self._books.pop(asset_id, None)
        if book is not None:
            self._by_market.get(book.terms.market, set()).discard(asset_id)
        return _operation("unsubscribe", (asset_id,))

    def opening_frame(self) -> str:
        """Return the first frame of a new socket: every asset wanted."""
        frame = {
            "type": "market",
            "assets_ids": list(self._books),
            "custom_feature_enabled": True,
        }
        return _encode(frame).decode()

    def on_disconnect(self) -> list[Event]:
        """Withdraw every book (rule 7)."""
        events: list[Event] = []
        for book in self._books.values():
            if book.is_live:
                events.append(BookLost(book.asset_id, "disconnected", book.ts_event_ns))
            book.reset(disconnected=True)
        return events

    def update_terms(self, asset_id: str, terms: BookTerms) -> None:
        """Adopt metadata read later than the subscription."""
        book = self._books.get(asset_id)
        if book is not None:
            book.terms = terms

    def book(self, asset_id: str) -> AssetBook | None:
        """Return the book of an asset, or None when it is not wanted."""
        return self._books.get(asset_id)

    # -- input ------------------------------------------------------------------------------------

    def receive(self, frame: bytes, ts_ns: int) -> list[Event]:
        """Take one frame and return what it means.

        Raises
        ------
        ProtocolError
            When the bytes contradict the venue's documents. State is unchanged by the bad event.
        """
        if is_text(frame):
            return [Text(frame.strip()[:200].decode("utf-8", "replace"))]
        found = self._decode(frame)
        events: list[Event] = []
        for item in found if isinstance(found, list) else (found,):
            handler = self._dispatch.get(_seen_type(item))
            if handler is None:
                self.counts["unknown_event"] += 1
            else:
                handler(item, ts_ns, events)
        return events

    def _decode(self, frame: bytes) -> MarketFrame | list[MarketFrame]:
        try:
            found: MarketFrame | list[MarketFrame] = decode(_frames, frame, "market channel")
        except ProtocolError:
            if _has_only_unknown_events(frame, self._dispatch):
                self.counts["unknown_event"] += 1
                return []
            raise
        return found

    def load(self, book: Book, ts_ns: int) -> list[Event]:
        """Take a book read by REST; changes heard since it was made are applied on top."""
        state = self._books.get(book.asset_id)
        if state is None:
            return []
        book = _checked_book(book)
        ts_event_ns = _time(book.timestamp, ts_ns)
        if state.is_older(ts_event_ns):
            self.counts["rest_book_older"] += 1
            return []
        later = state.load(book, ts_event_ns)
        events: list[Event] = [self._snapshot(state, book)]
        if later:
            events.append(BookChange(book.asset_id, later, state.ts_event_ns))
        events.extend(self._sanity(state))
        return events

    def check_quiet(self, ts_ns: int) -> list[Event]:
        """Check groups that ended by silence, and books still waiting for a last price (rule 5)."""
        events: list[Event] = []
        for state in self._books.values():
            if state.group is not None and ts_ns - state.ts_init_ns >= _QUIET_NS:
                self._end_group(state, events)
            waiting_ns = ts_ns - state.last_unknown_since_ns
            if state.last_unknown_since_ns and waiting_ns >= _LAST_PRICE_WAIT_NS:
                state.last_unknown_since_ns = 0
                self.counts["last_price_missing"] += 1
                events.append(Refetch(state.asset_id, "last price missing"))
        return events

    def quiet_assets(self, ts_ns: int, quiet_ns: int) -> list[str]:
        """Return assets nothing was heard of for `quiet_ns`: compare them with REST."""
        return [
            state.asset_id
            for state in self._books.values()
            if ts_ns - max(state.ts_init_ns, state.compared_ns) >= quiet_ns
        ]

    def compare(self, book: Book, ts_ns: int) -> list[Event]:
        """Compare a REST book with ours: a difference that is not news is a frozen stream."""
        state = self._books.get(book.asset_id)
        if state is None:
            return []
        state.compared_ns = ts_ns
        _checked_book(book)
        if not state.is_live:
            return self.load(book, ts_ns)
        if _time(book.timestamp, ts_ns) <= state.ts_event_ns or state.same_levels(book):
            return []
        self.counts["frozen"] += 1
        lost = BookLost(book.asset_id, "stream frozen", state.ts_event_ns)
        return [lost, *self.load(book, ts_ns)]

    # -- events -----------------------------------------------------------------------------------

    def _on_book(self, frame: MarketFrame, ts_ns: int, events: list[Event]) -> None:
        state = self._books.get(frame.asset_id)
        if state is None:
            self.counts["unwanted_asset"] += 1
            return
        book = _checked_book(
            Book(
                market=frame.market,
                asset_id=frame.asset_id,
                timestamp=str(frame.timestamp),
                bids=frame.bids or [],
                asks=frame.asks or [],
                hash=frame.hash,
                last_trade_price=frame.last_trade_price or "",
            )
        )
        ts_event_ns = _time(frame.timestamp, ts_ns)
        state.replace(book, ts_event_ns, ts_ns, printed=frame.last_trade_price is not None)
        self.counts["book"] += 1
        events.append(self._snapshot(state, book))
        events.extend(self._sanity(state))

    def _on_price_change(self, frame: MarketFrame, ts_ns: int, events: list[Event]) -> None:
        entries = _entries(frame)
        by_asset: dict[str, list[PriceChange]] = {}
        for entry in entries:
            if entry.asset_id in self._books:
                by_asset.setdefault(entry.asset_id, []).append(entry)
            else:
                self.counts["unwanted_asset"] += 1
        checked = {asset: tuple(_checked_change(e) for e in es) for asset, es in by_asset.items()}
        ts_event_ns = _time(frame.timestamp, ts_ns)
        for asset_id, changes in checked.items():
            state = self._books[asset_id]
            last = by_asset[asset_id][-1]
            group = (last.hash, str(frame.timestamp))
            if state.group is not None and state.group[:2] != group:
                self._end_group(state, events)  # rule 4
            self.counts["price_change"] += 1
            live = state.apply(changes, ts_event_ns, ts_ns)
            state.group = (*group, last.best_bid, last.best_ask)
            if live:
                events.append(BookChange(asset_id, changes, ts_event_ns))
            else:
                self.counts["change_before_book"] += 1

    def _on_last_trade(self, frame: MarketFrame, ts_ns: int, events: list[Event]) -> None:
        if frame.asset_id not in self._books:
            self.counts["unwanted_asset"] += 1
            return
        traded = price("last_trade_price.price", frame.price)
        shares = size("last_trade_price.size", frame.size)
        ts_event_ns = _time(frame.timestamp, ts_ns)
        side = frame.side or ""
        if side not in _SIDES:
            raise ProtocolError(f"last_trade_price.side: found {side!r}, expected BUY or SELL")
        for asset_id in self._by_market.get(self._books[frame.asset_id].terms.market, ()):
            self._books[asset_id].set_last_price(traded)
        events.append(
            PublicTrade(
                frame.asset_id,
                traded,
                shares,
                side,
                f"{frame.transaction_hash or ''}",
                ts_event_ns,
            )
        )

    def _on_tick_change(self, frame: MarketFrame, ts_ns: int, events: list[Event]) -> None:
        state = self._books.get(frame.asset_id)
        if state is None:
            self.counts["unwanted_asset"] += 1
            return
        new = price("tick_size_change.new_tick_size", frame.new_tick_size)
        state.terms = state.terms._replace(tick_size=str(frame.new_tick_size))
        state.group = None
        self.counts["tick_change"] += 1
        old = frame.old_tick_size or ""
        events.append(TickChange(frame.asset_id, old, new, _time(frame.timestamp, ts_ns)))
        events.append(Refetch(frame.asset_id, "tick size changed"))  # rule 6

    def _on_best_bid_ask(self, frame: MarketFrame, _ts_ns: int, events: list[Event]) -> None:
        state = self._books.get(frame.asset_id)
        if state is None or not state.is_live:
            return
        for best in (frame.best_bid, frame.best_ask):
            if best:
                price_text(best)
        ts_event_ns = _time(frame.timestamp, 0)
        if state.group is not None or ts_event_ns != state.ts_event_ns:
            return  # describes another moment than the book we hold
        problem = state.best_mismatch(frame.best_bid, frame.best_ask)
        if problem is not None:
            self._lose(state, problem, events)

    def _on_resolved(self, frame: MarketFrame, ts_ns: int, events: list[Event]) -> None:
        assets = tuple(frame.assets_ids or ())
        if not any(asset in self._books for asset in assets):
            return
        winner = frame.winning_asset_id or ""
        events.append(Resolved(frame.market, assets, winner, _time(frame.timestamp, ts_ns)))

    def _on_new_market(self, frame: MarketFrame, _ts_ns: int, events: list[Event]) -> None:
        self.counts["new_market"] += 1
        assets = tuple(frame.assets_ids or ())
        events.append(NewMarket(frame.market, frame.slug or "", frame.question or "", assets))

    # -- checks -----------------------------------------------------------------------------------

    def _snapshot(self, state: AssetBook, book: Book) -> BookSnapshot:
        bids = tuple(Level(level.price, level.size) for level in book.bids)
        asks = tuple(Level(level.price, level.size) for level in book.asks)
        return BookSnapshot(state.asset_id, bids, asks, state.ts_event_ns)

    def _sanity(self, state: AssetBook) -> list[Event]:
        events: list[Event] = []
        if state.is_crossed():
            self._lose(state, Mismatch.CROSSED, events)
        return events

    def _end_group(self, state: AssetBook, events: list[Event]) -> None:
        problem = state.check_group()
        if problem is None:
            self.counts["verified"] += 1
            return
        if problem is Mismatch.HASH:
            self.counts["hash_mismatch"] += 1
            if self.hash_check:
                events.append(Refetch(state.asset_id, "hash mismatch"))
        elif problem is Mismatch.UNVERIFIABLE:
            self.counts["hash_unverifiable"] += 1
        else:
            self._lose(state, problem, events)

    def _lose(self, state: AssetBook, problem: Mismatch, events: list[Event]) -> None:
        self.counts[problem.value] += 1
        events.append(BookLost(state.asset_id, problem.value, state.ts_event_ns))
        events.append(Refetch(state.asset_id, problem.value))
        state.reset()


def _operation(operation: str, asset_ids: Iterable[str]) -> str:
    frame = {
        "operation": operation,
        "assets_ids": list(asset_ids),
        "custom_feature_enabled": True,
    }
    return _encode(frame).decode()


def _has_only_unknown_events(frame: bytes, known: Iterable[str]) -> bool:
    class Head(msgspec.Struct):
        event_type: str

    try:
        head = msgspec.json.decode(frame, type=Head)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return False
    return bool(head.event_type) and head.event_type not in set(known)


def _entries(frame: MarketFrame) -> list[PriceChange]:
    if frame.price_changes is not None:
        return frame.price_changes
    return [
        PriceChange(
            price=c.price, size=c.size, side=c.side, asset_id=frame.asset_id, hash=frame.hash
        )
        for c in frame.changes or ()
    ]


def _checked_change(entry: PriceChange) -> LevelChange:
    is_bid = _SIDES.get(entry.side)
    if is_bid is None:
        raise ProtocolError(f"price_change.side: found {entry.side!r}, expected BUY or SELL")
    price_text(entry.price)
    if entry.best_bid:
        price_text(entry.best_bid)
    if entry.best_ask:
        price_text(entry.best_ask)
    return LevelChange(is_bid, entry.price, entry.size, not size_text(entry.size))


def _checked_book(book: Book) -> Book:
    """Return the book with the best level last on both sides, every number checked."""

    def ordered(name: str, levels: list[WireLevel], *, descending: bool) -> list[WireLevel]:
        for level in levels:
            size_text(level.size)
        prices = [price_text(level.price) for level in levels]
        if len(set(prices)) != len(prices):
            raise ProtocolError(f"book.{name}: a price appears twice")
        pairs = sorted(zip(prices, levels, strict=True), key=lambda p: p[0], reverse=descending)
        return [level for _, level in pairs]

    return msgspec.structs.replace(
        book,
        bids=ordered("bids", book.bids, descending=False),
        asks=ordered("asks", book.asks, descending=True),
    )


def _time(value: str | int, default_ns: int) -> int:
    return time_ns("timestamp", value, default_ns)
