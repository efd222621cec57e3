"""The WebSocket conversation without a socket: frames in, events and frames out.

Rules of the venue, cited below by number (docs /websockets/*, AsyncAPI 2.0.0, read 2026-08-22 and
2026-10; captured frames of 2026-06 to 2026-09):

1. A ``subscribe`` is answered by ``subscribed`` with a ``sid`` for each channel; everything else
   is keyed on that sid, and sids begin anew on every connection.
2. ``seq`` counts per sid over all markets and all messages of the sid: snapshots, deltas, ``ok``
   and ``unsubscribed`` consume numbers. Any first number is right; then each is one more.
3. A gap spoils every book of the sid. ``get_snapshot`` repairs; deltas of a market are dropped
   until its snapshot is here. A number already seen is a repetition and is dropped.
4. Private channels, and ``ticker``, carry no ``seq``: what they lose, only REST can tell.
5. Error 25 (overflow) and 10 (channel error) end a subscription; silence follows.
6. A ticker that does not exist is not reported as an error: its snapshot just never comes.
7. The price of a NO level is stated in YES prices when asked for; the default will change, so the
   request always says ``use_yes_price``.
8. Frames of unknown type, and unknown keys, are no error.

Whatever bytes come in, :meth:`StreamProtocol.receive` returns events or raises ``ProtocolError``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

import msgspec

from adapters.common.errors import ProtocolError
from adapters.kalshi.books import BookFault, YesBook
from adapters.kalshi.constants import MARKETS_PER_COMMAND
from adapters.kalshi.numbers import ONE, units
from adapters.kalshi.schemas import ws

_NS = 1_000_000_000
#: Repetitions in a row after which a sid's counter is believed to have started anew.
_STALE_RUN_MAX = 32
#: Requests for a snapshot that stay unanswered before the market, or the socket, is given up.
_SNAPSHOT_ATTEMPTS = 3
_TERMINAL = frozenset({10, 25})
_UNKNOWN_SID = 7


class Channel(StrEnum):
    """Channels that this adapter reads."""

    BOOK = "orderbook_delta"
    TICKER = "ticker"
    TRADE = "trade"
    LIFECYCLE = "market_lifecycle_v2"
    FILL = "fill"
    USER_ORDERS = "user_orders"
    POSITIONS = "market_positions"


#: Channels subscribed per market; the others give everything to everyone who asks.
BY_MARKET = frozenset({Channel.BOOK, Channel.TICKER, Channel.TRADE})


class BookReset(msgspec.Struct, frozen=True, gc=False):
    """A whole book that may be believed: levels as (price, size) in units, best first."""

    ticker: str
    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class BookChange(msgspec.Struct, frozen=True, gc=False):
    """One level's new size in units; 0 removes it. ``ts_ms`` is the venue's, None if absent."""

    ticker: str
    bid: bool
    price_u: int
    size_u: int
    ts_ms: int | None


class BookBad(msgspec.Struct, frozen=True, gc=False):
    """The book must not be believed until the next :class:`BookReset`."""

    ticker: str
    reason: str


class CommandFailed(msgspec.Struct, frozen=True):
    """The venue refused a command of ours."""

    command: str
    code: int
    text: str


class Redial(msgspec.Struct, frozen=True):
    """Nothing short of a new connection helps."""

    reason: str


type Event = (
    BookReset
    | BookChange
    | BookBad
    | CommandFailed
    | Redial
    | ws.TradeMsg
    | ws.TickerMsg
    | ws.LifecycleMsg
    | ws.EventLifecycleMsg
    | ws.EventFeeMsg
    | ws.FillMsg
    | ws.UserOrderMsg
    | ws.PositionMsg
)

#: Frames whose ``msg`` is an event as it stands.
_PLAIN = (
    ws.TradeFrame,
    ws.TickerFrame,
    ws.LifecycleFrame,
    ws.EventLifecycleFrame,
    ws.EventFeeFrame,
    ws.FillFrame,
    ws.UserOrderFrame,
    ws.PositionFrame,
)


@dataclass(slots=True)
class _Feed:
    """One channel: what we want of it and what the venue confirmed."""

    channel: Channel
    wanted: dict[str, None] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    sid: int | None = None
    subscribing: bool = False
    active: bool = False
    last_seq: int | None = None
    stale_run: int = 0

    def reset(self) -> None:
        self.sid = None
        self.subscribing = False
        self.asked.clear()
        self.last_seq = None
        self.stale_run = 0


@dataclass(slots=True)
class _Wait:
    """A book that waits for its snapshot."""

    since_ns: int | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class _Command:
    kind: str
    channel: Channel | None


class StreamProtocol:
    """One connection's conversation, surviving as many connections as needed.

    Parameters
    ----------
    use_yes_price : bool, default True
        Ask for NO levels in YES prices, and read them accordingly (rule 7).
    snapshot_timeout_ns : int, default 5 s
        Longest wait for a snapshot before asking (again).
    """

    def __init__(self, *, use_yes_price: bool = True, snapshot_timeout_ns: int = 5 * _NS) -> None:
        self._yes_price = use_yes_price
        self._timeout_ns = snapshot_timeout_ns
        self._decoder = msgspec.json.Decoder(ws.Frame)
        self._unlisted = msgspec.json.Decoder(ws.Unlisted)
        self._encoder = msgspec.json.Encoder()
        self._feeds: dict[Channel, _Feed] = {}
        self._by_sid: dict[int, _Feed] = {}
        self._books: dict[str, YesBook] = {}
        self._waiting: dict[str, _Wait] = {}
        self._commands: dict[int, _Command] = {}
        self._outbox: deque[str] = deque()
        self._next_id = 1
        self._open = False
        self._snapshots = 0
        self._snapshots_at_tick = 0
        self.repetitions = 0
        self.gaps = 0
        self.unlisted = 0

    # -- what we want

    def want(self, channel: Channel, tickers: Iterable[str] = ()) -> None:
        """Subscribe to a channel, for these markets where the channel goes by market."""
        feed = self._feeds.setdefault(channel, _Feed(channel))
        feed.active = True
        feed.wanted.update(dict.fromkeys(tickers))
        self._advance(feed)

    def unwant(self, channel: Channel, tickers: Iterable[str] = ()) -> None:
        """Stop a channel, or these markets of it."""
        feed = self._feeds.get(channel)
        if feed is None:
            return
        gone = [t for t in tickers if t in feed.wanted]
        for ticker in gone:
            del feed.wanted[ticker]
            if channel is Channel.BOOK:
                self._books.pop(ticker, None)
                self._waiting.pop(ticker, None)
        feed.active = bool(feed.wanted) if channel in BY_MARKET else False
        if feed.sid is None:
            return
        if not feed.active:
            self._command("unsubscribe", channel, {"sids": [feed.sid]})
            self._by_sid.pop(feed.sid, None)
            feed.reset()
            return
        asked = [t for t in gone if t in feed.asked]
        feed.asked.difference_update(asked)
        for chunk in _chunks(asked):
            self._update(feed, "delete_markets", chunk)

    def good(self, ticker: str) -> bool:
        """Whether the book of a market may be believed right now."""
        return self._open and ticker in self._books and ticker not in self._waiting

    def book(self, ticker: str) -> YesBook | None:
        """Return the book of a market if it may be believed."""
        return self._books.get(ticker) if self.good(ticker) else None

    # -- the connection

    def opened(self) -> None:
        """Start a conversation on a fresh socket (rule 1)."""
        self._open = True
        self._by_sid.clear()
        self._commands.clear()
        self._outbox.clear()
        for feed in self._feeds.values():
            feed.reset()
            self._advance(feed)

    def lost(self, reason: str) -> list[Event]:
        """Forget everything the socket told us; no book may be believed any more."""
        self._open = False
        bad: list[Event] = [
            BookBad(ticker, reason) for ticker in self._books if ticker not in self._waiting
        ]
        self._books.clear()
        self._waiting.clear()
        self._by_sid.clear()
        self._outbox.clear()
        for feed in self._feeds.values():
            feed.reset()
        return bad

    def frames_to_send(self) -> Iterator[str]:
        """Yield, and forget, the commands to send now."""
        while self._outbox:
            yield self._outbox.popleft()

    def receive(self, frame: bytes) -> list[Event]:
        """Take one frame and return what it means.

        Raises
        ------
        ProtocolError
            The bytes are no frame of this venue.
        """
        try:
            message = self._decoder.decode(frame)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
            return self._undecoded(frame, exc)
        if isinstance(message, (ws.Snapshot, ws.Delta)):
            return self._on_book(message)
        if isinstance(message, _PLAIN):
            verdict = self._sequence(message.sid, message.seq)
            if verdict is None:
                return []
            return [*verdict, message.msg]
        return self._on_reply(message)

    def resync(self, ticker: str, reason: str) -> list[Event]:
        """Distrust one book and ask for its snapshot."""
        feed = self._feeds.get(Channel.BOOK)
        if feed is None or ticker not in feed.wanted:
            return []
        events = self._spoil([ticker], reason)
        if feed.sid is not None:
            self._update(feed, "get_snapshot", [ticker])
        return events

    def tick(self, now_ns: int) -> list[Event]:
        """Ask again for what is overdue (rule 6); call about once a second."""
        feed = self._feeds.get(Channel.BOOK)
        if not self._open or feed is None:
            return []
        events: list[Event] = []
        overdue: list[str] = []
        for ticker, wait in self._waiting.items():
            if wait.since_ns is None:
                wait.since_ns = now_ns
            elif now_ns - wait.since_ns >= self._timeout_ns * max(1, wait.attempts):
                wait.attempts += 1
                wait.since_ns = now_ns
                overdue.append(ticker)
        progress = self._snapshots != self._snapshots_at_tick
        self._snapshots_at_tick = self._snapshots
        stuck = overdue and all(self._waiting[t].attempts > _SNAPSHOT_ATTEMPTS for t in overdue)
        if stuck and not progress and not self._any_good():
            return [Redial(f"{len(overdue)} books without a snapshot")]
        if feed.sid is None:
            if overdue:
                events.append(Redial("the book subscription is not acknowledged"))
            return events
        for chunk in _chunks(overdue):
            self._update(feed, "get_snapshot", chunk)
        return events

    # -- books

    def _on_book(self, message: ws.Snapshot | ws.Delta) -> list[Event]:
        feed = self._by_sid.get(message.sid) if message.sid is not None else None
        if feed is None or feed.channel is not Channel.BOOK:
            return []
        verdict = self._sequence(message.sid, message.seq)
        if verdict is None:
            return []
        ticker = message.msg.market_ticker
        if ticker not in feed.wanted:
            return verdict
        if isinstance(message, ws.Snapshot):
            return verdict + self._on_snapshot(message.msg)
        return verdict + self._on_delta(message.msg)

    def _on_snapshot(self, msg: ws.SnapshotMsg) -> list[Event]:
        ticker = msg.market_ticker
        book = YesBook()
        self._snapshots += 1
        try:
            book.load(msg.yes_dollars_fp, msg.no_dollars_fp, yes_price=self._yes_price)
        except BookFault as exc:
            # Left waiting: the next tick asks again, and nobody trades on it meanwhile.
            return self._spoil([ticker], f"snapshot {exc}")
        self._books[ticker] = book
        self._waiting.pop(ticker, None)
        bids = tuple(sorted(book.bids.items(), reverse=True))
        return [BookReset(ticker, bids, tuple(sorted(book.asks.items())))]

    def _on_delta(self, msg: ws.DeltaMsg) -> list[Event]:
        ticker = msg.market_ticker
        if ticker in self._waiting:
            return []
        book = self._books.get(ticker)
        if book is None:
            return self.resync(ticker, "delta before snapshot")
        bid = msg.side == "yes"
        price_u = units(msg.price_dollars)
        if not bid and not self._yes_price:
            price_u = ONE - price_u
        if not 0 < price_u < ONE:
            return self.resync(ticker, f"level at {msg.price_dollars}")
        try:
            size_u = book.change(bid=bid, price_u=price_u, delta_u=units(msg.delta_fp))
        except BookFault as exc:
            return self.resync(ticker, str(exc))
        return [BookChange(ticker, bid, price_u, size_u, msg.ts_ms)]

    def _spoil(self, tickers: Iterable[str], reason: str) -> list[Event]:
        events: list[Event] = []
        for ticker in tickers:
            if ticker not in self._waiting:
                events.append(BookBad(ticker, reason))
                self._waiting[ticker] = _Wait()
            self._books.pop(ticker, None)
        return events

    def _any_good(self) -> bool:
        return any(ticker not in self._waiting for ticker in self._books)

    # -- sequence (rules 2, 3)

    def _sequence(self, sid: int | None, seq: int | None) -> list[Event] | None:
        """Judge a sequence number: None drops the message, a list precedes its events."""
        feed = self._by_sid.get(sid) if sid is not None else None
        if feed is None or seq is None:
            return []
        last, feed.stale_run = feed.last_seq, feed.stale_run + 1
        if last is not None and seq <= last and feed.stale_run <= _STALE_RUN_MAX:
            self.repetitions += 1
            return None
        feed.stale_run = 0
        feed.last_seq = seq
        if last is None or seq == last + 1:
            return []
        self.gaps += 1
        if feed.channel is not Channel.BOOK:
            return []
        events = self._spoil(feed.asked, f"gap: {last} then {seq}")
        for chunk in _chunks(sorted(feed.asked)):
            self._update(feed, "get_snapshot", chunk)
        return events

    # -- replies

    def _on_reply(self, message: ws.Subscribed | ws.Unsubscribed | ws.Ok | ws.Error) -> list[Event]:
        if isinstance(message, ws.Subscribed):
            return self._on_subscribed(message)
        events = self._sequence(message.sid, message.seq) or []
        command = self._commands.pop(message.id, None) if message.id is not None else None
        if isinstance(message, ws.Error):
            return events + self._on_error(message, command)
        return events

    def _on_subscribed(self, message: ws.Subscribed) -> list[Event]:
        if message.id is not None:
            self._commands.pop(message.id, None)
        try:
            channel = Channel(message.msg.channel)
        except ValueError:
            return []
        feed = self._feeds.get(channel)
        if feed is None or not feed.active:
            self._command("unsubscribe", channel, {"sids": [message.msg.sid]})
            return []
        feed.sid = message.msg.sid
        feed.subscribing = False
        feed.last_seq = message.seq
        self._by_sid[feed.sid] = feed
        self._advance(feed)
        return []

    def _on_error(self, message: ws.Error, command: _Command | None) -> list[Event]:
        code = message.msg.code
        feed = self._by_sid.get(message.sid) if message.sid is not None else None
        if feed is None and command is not None and command.channel is not None:
            feed = self._feeds.get(command.channel)
        kind = command.kind if command is not None else "?"
        events: list[Event] = [CommandFailed(kind, code, message.msg.msg)]
        if code in _TERMINAL or (code == _UNKNOWN_SID and kind != "unsubscribe"):
            if feed is None:
                return [*events, Redial(f"error {code}: {message.msg.msg}")]
            return events + self._restart(feed, f"error {code}: {message.msg.msg}")
        if kind == "subscribe":
            return [*events, Redial(f"subscribe refused: error {code}")]
        return events

    def _restart(self, feed: _Feed, reason: str) -> list[Event]:
        """Subscribe again after the venue ended a subscription (rule 5)."""
        events = self._spoil(feed.asked, reason) if feed.channel is Channel.BOOK else []
        if feed.sid is not None:
            self._by_sid.pop(feed.sid, None)
        feed.reset()
        self._advance(feed)
        return events

    def _undecoded(self, frame: bytes, exc: Exception) -> list[Event]:
        """Pass over frames of unknown type (rule 8); anything else is no frame."""
        try:
            unlisted = self._unlisted.decode(frame)
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            unlisted = None
        if unlisted is None or unlisted.type in _LISTED:
            raise ProtocolError(f"not a frame of the stream: {exc}") from exc
        self.unlisted += 1
        return self._sequence(unlisted.sid, unlisted.seq) or []

    # -- commands

    def _advance(self, feed: _Feed) -> None:
        """Send what is missing between what we want and what we asked for."""
        if not self._open or not feed.active:
            return
        missing = [t for t in feed.wanted if t not in feed.asked]
        by_market = feed.channel in BY_MARKET
        if feed.sid is None:
            if feed.subscribing or (by_market and not missing):
                return
            feed.subscribing = True
            first, missing = missing[:MARKETS_PER_COMMAND], []
            params: dict[str, object] = {"channels": [feed.channel.value]}
            if by_market:
                params["market_tickers"] = first
            if feed.channel is Channel.BOOK:
                params["use_yes_price"] = self._yes_price
            if feed.channel is Channel.TICKER:
                params["send_initial_snapshot"] = True
            self._command("subscribe", feed.channel, params)
            self._note_asked(feed, first)
        for chunk in _chunks(missing if by_market else []):
            self._update(feed, "add_markets", chunk)
            self._note_asked(feed, chunk)

    def _note_asked(self, feed: _Feed, tickers: list[str]) -> None:
        feed.asked.update(tickers)
        if feed.channel is Channel.BOOK:
            for ticker in tickers:
                self._waiting.setdefault(ticker, _Wait())

    def _update(self, feed: _Feed, action: str, tickers: list[str]) -> None:
        params = {"sids": [feed.sid], "market_tickers": tickers, "action": action}
        self._command("update_subscription", feed.channel, params)

    def _command(self, cmd: str, channel: Channel | None, params: dict[str, object]) -> None:
        command_id, self._next_id = self._next_id, self._next_id + 1
        self._commands[command_id] = _Command(cmd, channel)
        if len(self._commands) > 10_000:
            del self._commands[next(iter(self._commands))]
        frame = {"id": command_id, "cmd": cmd, "params": params}
        self._outbox.append(self._encoder.encode(frame).decode())


_LISTED = frozenset(t.__struct_config__.tag for t in ws.Frame.__args__)


def _chunks(tickers: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(tickers), MARKETS_PER_COMMAND):
        yield tickers[start : start + MARKETS_PER_COMMAND]
