"""The venue's whole state, its agenda and its outbox. Time comes in as an argument."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from simulators.polymarket import frames
from simulators.polymarket.choices import SWITCHES
from simulators.polymarket.ledger import Ledger
from simulators.polymarket.model import Emission, Market, Order, Trade, Wallet
from simulators.polymarket.units import ONE, units
from simulators.scenario import Hazards
from simulators.seeds import between, uuid_of
from simulators.switches import Switches

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
POLYGON = 137
FINE_TICK = 1_000
_NOTICES = 5_000
HOUSE = "house"
"""Signer of the background market's orders: nobody listens on its user channel."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    """L2 credentials and the address that owns them."""

    key: str
    secret: str
    passphrase: str
    address: str
    nonce: int
    readonly: bool = False


@dataclass(slots=True)
class Event:
    """A Gamma event: what several markets have in common."""

    id: str
    slug: str
    title: str
    description: str
    start_ns: int
    end_ns: int
    category: str
    tags: tuple[tuple[str, str, str], ...] = ()
    series: tuple[str, str, str] | None = None
    game_id: str = ""
    league: str = ""
    home: str = ""
    away: str = ""
    game_start_ns: int = 0
    neg_risk_id: str = ""
    live: bool = False
    ended: bool = False
    score: str = ""
    period: str = ""
    markets: list[Market] = field(default_factory=list)


class World:
    """Everything the venue knows.

    Parameters
    ----------
    seed
        Fixes every id and every draw.
    now_ns
        Start of time.
    switches
        Settings that differ from the defaults.
    trusting
        Take orders without their signature: the log that a replay reads has none.
    """

    def __init__(
        self,
        seed: int,
        now_ns: int,
        switches: dict[str, Any] | None = None,
        *,
        trusting: bool = False,
    ) -> None:
        self.trusting = trusting
        self.seed = seed
        self.now_ns = now_ns
        self.chain_id = POLYGON
        self.switches = Switches(SWITCHES, switches)
        self.ledger = Ledger()
        self.events: dict[str, Event] = {}
        self.markets: dict[str, Market] = {}
        self.by_token: dict[str, Market] = {}
        self.orders: dict[str, Order] = {}
        self.trades: dict[str, Trade] = {}
        self.keys: dict[str, ApiKey] = {}
        self.builder_keys: dict[str, str] = {}
        self.mode = "open"
        self.blocked_region = False
        self.outbox: list[Emission] = []
        self.activity: list[dict[str, Any]] = []
        self.notices: list[dict[str, Any]] = []
        self.beats: dict[str, tuple[str, int]] = {}
        self.hazards = Hazards()
        self.ahead_ns = 0
        self._agenda: list[tuple[int, int, Callable[[], object]]] = []
        self._sequence = 0
        self._trade_count = 0
        self._touched: dict[str, list[tuple[int, bool]]] = {}
        self._traded: list[tuple[Market, int, str, int, int, str]] = []
        self._bests: dict[tuple[str, int], tuple[int | None, int | None]] = {}

    def next(self) -> int:
        """Return 1, 2, 3 …: the ordinal from which ids are made."""
        self._sequence += 1
        return self._sequence

    def next_trade(self) -> int:
        """Return 1, 2, 3 … over all trades: their fate is drawn from it."""
        self._trade_count += 1
        return self._trade_count

    def uuid(self, *key: object) -> str:
        """Return a UUID fixed by the seed and `key`."""
        return uuid_of(self.seed, "polymarket", *key)

    def between(self, low: int, high: int, *key: object) -> int:
        """Draw an integer fixed by the seed and `key`."""
        return between(low, max(low, high), self.seed, "polymarket", *key)

    def at(self, due_ns: int, action: Callable[[], object]) -> None:
        """Put an action on the agenda."""
        heapq.heappush(self._agenda, (due_ns, self.next(), action))

    def client_ns(self) -> int:
        """Return the time of day that clients live in: the exchange may have been moved ahead."""
        return self.now_ns - self.ahead_ns

    def game_shift_ns(self) -> int:
        """Return by how much games start later here than the catalogue says."""
        return self.switches.number("game_start_shift_s") * NS_PER_S

    def due_ns(self) -> int | None:
        """Return when the next action is due, None when there is none."""
        return self._agenda[0][0] if self._agenda else None

    def run(self, now_ns: int) -> None:
        """Move time to `now_ns`, doing what falls due on the way, in order."""
        while self._agenda and self._agenda[0][0] <= now_ns:
            due, _, action = heapq.heappop(self._agenda)
            self.now_ns = max(self.now_ns, due)
            action()
            self.publish()
        self.now_ns = max(self.now_ns, now_ns)

    def add_market(self, event: Event, market: Market) -> None:
        """List a market under its event."""
        market.initial_tick = market.tick
        market.changed_ns = self.now_ns
        self.events.setdefault(event.id, event)
        event.markets.append(market)
        self.markets[market.condition_id] = market
        for token in market.tokens:
            self.by_token[token] = market

    def market_of(self, token: str) -> Market | None:
        """Return the market of a token, None when unknown or not yet on the order book."""
        market = self.by_token.get(token)
        return market if market is not None and self.on_clob(market) else None

    def on_clob(self, market: Market) -> bool:
        """Return whether the order book knows the market yet (it lags the catalogue)."""
        if market.version == "v2" and self.switches["protocol_v2"] == "absent":
            return False
        return market.listed_ns <= self.now_ns

    def wallet(self, address: str) -> Wallet | None:
        """Return a wallet by address in any spelling."""
        return self.ledger.find(address)

    def tell_user(self, owner: str, market: str, payload: dict[str, Any]) -> None:
        """Queue an event for the sockets of a signer's API keys."""
        if owner != HOUSE:
            self.outbox.append(Emission("user", (owner.lower(),), market, payload))

    def tell_market(
        self, tokens: tuple[str, ...], payload: dict[str, Any], *, custom: bool = False
    ) -> None:
        """Queue a frame for the sockets subscribed to one of some tokens (none: to anything)."""
        self.outbox.append(Emission("market", tokens, payload.get("market", ""), payload, custom))

    def notify(self, owner: str, kind: int, payload: dict[str, Any]) -> None:
        """Add an entry to ``/notifications``."""
        if owner == HOUSE:
            return
        del self.notices[: max(0, len(self.notices) - _NOTICES)]
        self.notices.append(
            {
                "id": self.next(),
                "owner": owner.lower(),
                "type": kind,
                "timestamp": self.now_ns // NS_PER_S,
                "payload": payload,
            }
        )

    def touch(self, market: Market, yes_price: int, yes_bid: bool) -> None:
        """Remember that a level changed; `publish` tells about it."""
        levels = self._touched.setdefault(market.condition_id, [])
        if (yes_price, yes_bid) not in levels:
            levels.append((yes_price, yes_bid))

    def printed(self, trade: Trade, market: Market, price: int) -> None:
        """Remember a trade's print; `publish` sends the books first."""
        taker = trade.taker
        self._traded.append((market, taker.outcome, taker.side, price, trade.shares, trade.id))

    def publish(self) -> None:
        """Tell the market stream what the last command or agenda item changed.

        After trades come both full books, then the remaining level changes; all frames of one
        command carry the timestamp and hash of the state after the last of them. The trade print
        follows later.
        """
        traded, self._traded = self._traded, []
        touched, self._touched = self._touched, {}
        printed = {market.condition_id: market for market, *_ in traded}
        empty = str(self.switches["empty_best"])
        for condition in [*printed, *(c for c in touched if c not in printed)]:
            market = self.markets[condition]
            market.changed_ns = self.now_ns
            if condition in printed:
                for outcome in (0, 1):
                    frame = frames.trade_book(market, outcome)
                    self.tell_market((market.tokens[outcome],), frame)
            if condition in touched:
                hashes = [frames.rest_book(market, outcome)["hash"] for outcome in (0, 1)]
                for yes_price, yes_bid in touched[condition]:
                    frame = frames.price_change(market, yes_price, yes_bid, hashes, empty)
                    self.tell_market(market.tokens, frame)
            self._publish_bests(market)
        for market, outcome, side, price, shares, trade_id in traded:
            self._print_later(market, outcome, side, price, shares, trade_id)
        for condition in {*printed, *touched}:
            self._switch_tick(self.markets[condition])

    def _publish_bests(self, market: Market) -> None:
        for outcome in (0, 1):
            best = market.book.best(outcome)
            if self._bests.get((market.condition_id, outcome)) != best:
                self._bests[market.condition_id, outcome] = best
                frame = frames.best_bid_ask(market, outcome, str(self.switches["empty_best"]))
                self.tell_market((market.tokens[outcome],), frame, custom=True)

    def _print_later(
        self, market: Market, outcome: int, side: str, price: int, shares: int, trade_id: str
    ) -> None:
        tx_hash = self.tx_hash(trade_id)

        def send() -> None:
            frame = frames.last_trade(market, outcome, side, price, shares, tx_hash, self.now_ns)
            self.tell_market((market.tokens[outcome],), frame)

        delay_ns = self.switches.number("last_trade_delay_ms") * NS_PER_MS
        if delay_ns:
            self.at(self.now_ns + delay_ns, send)
        else:
            send()

    def _switch_tick(self, market: Market) -> None:
        limit = str(self.switches["tick_switch"])
        if limit == "off":
            return
        high = units(limit)
        bid, ask = market.book.best(0)
        extreme = (bid is not None and bid >= high) or (ask is not None and ask <= ONE - high)
        if extreme and market.tick == 10 * FINE_TICK:
            self.change_tick(market, FINE_TICK)
        elif not extreme and self.switches["tick_returns"] and market.tick < market.initial_tick:
            prices = (*market.book.bids.prices, *market.book.asks.prices)
            if all(price % market.initial_tick == 0 for price in prices):
                self.change_tick(market, market.initial_tick)

    def change_tick(self, market: Market, tick: int) -> None:
        """Change a market's tick and tell both tokens' subscribers."""
        old, market.tick = market.tick, tick
        market.changed_ns = self.now_ns
        for outcome in (0, 1):
            frame = frames.tick_change(market, outcome, old, self.now_ns)
            self.tell_market((market.tokens[outcome],), frame)

    def tx_hash(self, *key: object) -> str:
        """Return a 32-byte transaction hash fixed by the seed and `key`."""
        text = "\x1f".join(["tx", str(self.seed), *(str(part) for part in key)])
        return "0x" + hashlib.sha256(text.encode()).hexdigest()

    def drain(self) -> list[Emission]:
        """Take everything out of the outbox."""
        out, self.outbox = self.outbox, []
        return out

    def orders_of(self, keep: Callable[[Order], bool]) -> list[Order]:
        """Return the orders that `keep` accepts, oldest first."""
        return [order for order in self.orders.values() if keep(order)]
