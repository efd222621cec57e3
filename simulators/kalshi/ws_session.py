"""One WebSocket connection: its subscriptions, their sequence numbers, what it is told.

Rules (KALSHI, sid and seq)
---------------------------
1. ``seq`` counts per sid over all markets and messages; ``ok`` and ``unsubscribed`` use numbers.
2. ticker, fill, market_position and user_order carry no ``seq``.
3. The ack comes before the data; each added market gets a snapshot.
4. A get_snapshot reply is an ordinary snapshot and does not change the subscription.
5. After error 25 a subscription is dead: nothing more comes on it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from simulators.faults import Fault, FaultPlan, add_unknown_fields, find
from simulators.kalshi import ws_messages
from simulators.kalshi.auth import ApiKey
from simulators.kalshi.events import (
    BookDelta,
    EventCreated,
    EventFeesChanged,
    Filled,
    GroupChanged,
    MarketEvent,
    OrderChanged,
    PositionChanged,
    Traded,
    VenueEvent,
)
from simulators.kalshi.state import State
from simulators.kalshi.units import millis
from simulators.kalshi.ws_errors import MESSAGES, CommandError
from simulators.seeds import draw

MARKET_CHANNELS = frozenset(
    {"orderbook_delta", "ticker", "trade", "fill", "user_orders", "market_positions"}
)
SEQUENCED = frozenset(
    {
        "orderbook_delta",
        "trade",
        "market_lifecycle_v2",
        "multivariate_market_lifecycle",
        "communications",
        "order_group_updates",
        "cfbenchmarks_value",
        "cfbenchmarks_value_5hz",
        "pyth_value",
    }
)
CHANNELS = MARKET_CHANNELS | SEQUENCED
_NEEDS = {"cfbenchmarks_value": 24, "cfbenchmarks_value_5hz": 24, "pyth_value": 28}


@dataclass(slots=True)
class Subscription:
    """One sid, on some markets or (where the channel allows it) on all of them."""

    sid: int
    channel: str
    tickers: dict[str, None] = field(default_factory=dict)
    all_markets: bool = False
    use_yes_price: bool = False
    seq: int = 0
    dead: bool = False

    def wants(self, ticker: str) -> bool:
        """Return whether messages of a market go to this subscription."""
        return self.all_markets or ticker in self.tickers


@dataclass(frozen=True, slots=True)
class Frame:
    """A message on its way out, with the faults that hit it."""

    channel: str
    body: dict[str, Any]
    faults: tuple[Fault, ...] = ()


class WsSession:
    """The protocol of one connection, without a socket."""

    def __init__(self, state: State, key: ApiKey, connection: int, faults: FaultPlan) -> None:
        self.state = state
        self.key = key
        self.connection = connection
        self._faults = faults
        self._subscriptions: dict[int, Subscription] = {}
        self._last_seq: dict[str, int] = {}
        self._next_sid = 1
        self._dirty: dict[str, None] = {}
        self._tops: dict[str, dict[str, Any]] = {}
        self._out: list[Frame] = []

    def take(self) -> list[Frame]:
        """Return what is to be sent, ticker messages last, and forget it."""
        self._flush_tickers()
        out, self._out = self._out, []
        return out

    def receive(self, text: str) -> None:
        """Handle one message of the client."""
        command_id: int | None = None
        try:
            row = _decoded(text)
            given = row.get("id")
            command_id = given if isinstance(given, int) and given else None
            self._run(row, command_id)
        except CommandError as error:
            self._error(command_id, error.code)

    def on_event(self, event: VenueEvent) -> None:
        """Turn something that happened into messages for whoever subscribed to it."""
        match event:
            case BookDelta():
                self._on_delta(event)
                self._dirty[event.ticker] = None
            case Traded():
                row = event.trade
                self._tell("trade", "trade", row.ticker, ws_messages.trade(self.state, row))
                self._dirty[row.ticker] = None
            case Filled():
                if self._mine(event.fill.user_id, event.fill.subaccount):
                    self._on_fill(event)
            case OrderChanged():
                order = event.order
                if self._mine(order.user_id, order.subaccount):
                    body = ws_messages.user_order(self.state, event)
                    self._tell("user_orders", "user_order", order.ticker, body)
            case PositionChanged():
                if self._mine(event.user_id, event.subaccount):
                    body = ws_messages.market_position(event)
                    ticker = event.position.ticker
                    self._tell("market_positions", "market_position", ticker, body)
            case _:
                self._on_lifecycle(event)

    def _on_fill(self, event: Filled) -> None:
        if not self.state.switches["missing_fills"]:
            body = ws_messages.fill(self.state, event.fill)
            self._tell("fill", "fill", event.fill.ticker, body)

    def _on_lifecycle(self, event: VenueEvent) -> None:
        channel = "market_lifecycle_v2"
        match event:
            case MarketEvent():
                combo = event.ticker.startswith("KXMVE")
                kind = "multivariate_market_lifecycle" if combo else channel
                self._tell(kind, kind, "", ws_messages.market_lifecycle(self.state, event))
            case EventCreated():
                body = ws_messages.event_lifecycle(self.state, event.event_ticker)
                self._tell(channel, "event_lifecycle", "", body)
            case EventFeesChanged():
                self._tell(channel, "event_fee_update", "", ws_messages.event_fees(event))
            case GroupChanged():
                if self._mine(event.group.user_id, event.group.subaccount):
                    body = ws_messages.order_group(event)
                    self._tell("order_group_updates", "order_group_updates", "", body)

    def _on_delta(self, event: BookDelta) -> None:
        own = self._mine(event.user_id, event.subaccount)
        for sub in self._of("orderbook_delta", event.ticker):
            body = ws_messages.delta(self.state, event, use_yes_price=sub.use_yes_price, own=own)
            self._send(sub, "orderbook_delta", body)

    def _mine(self, user_id: str, subaccount: int) -> bool:
        return user_id == self.key.user_id and self.key.subaccount in (None, subaccount)

    def _of(self, channel: str, ticker: str) -> Iterable[Subscription]:
        return [
            sub
            for sub in self._subscriptions.values()
            if sub.channel == channel and (not ticker or sub.wants(ticker))
        ]

    def _tell(self, channel: str, kind: str, ticker: str, body: dict[str, Any]) -> None:
        for sub in self._of(channel, ticker):
            self._send(sub, kind, dict(body))

    def _flush_tickers(self) -> None:
        """Send one ticker message for each market whose top or last trade changed."""
        dirty, self._dirty = self._dirty, {}
        for ticker in dirty:
            subs = list(self._of("ticker", ticker))
            if not subs:
                continue
            body = ws_messages.ticker(self.state, self.state.markets[ticker], self.state.now_ns)
            top = {k: v for k, v in body.items() if k not in ("ts", "ts_ms", "time")}
            if self._tops.get(ticker) == top:
                continue
            self._tops[ticker] = top
            share = self.state.switches.number("missing_ticker_ts_permille")
            nth = self.state.ordinal("ticker")
            if share and draw(self.state.seed, "ticker ts", nth) % 1000 < share:
                del body["ts_ms"]
            for sub in subs:
                self._send(sub, "ticker", dict(body))

    # commands

    def _run(self, row: Mapping[str, Any], command_id: int | None) -> None:
        name = row.get("cmd")
        params = row.get("params")
        if name == "list_subscriptions":
            subs = [{"channel": s.channel, "sid": s.sid} for s in self._subscriptions.values()]
            self._push("ok", {"type": "ok", "id": command_id, "msg": subs})
            return
        if name not in ("subscribe", "unsubscribe", "update_subscription"):
            raise CommandError(5)
        if not isinstance(params, dict):
            raise CommandError(2)
        if name == "subscribe":
            self._subscribe(params, command_id)
        elif name == "unsubscribe":
            self._unsubscribe(params, command_id)
        else:
            self._update(params, command_id)

    def _subscribe(self, params: Mapping[str, Any], command_id: int | None) -> None:
        channels = params.get("channels")
        if not isinstance(channels, list) or not channels:
            raise CommandError(3)
        if any(not isinstance(name, str) or name not in CHANNELS for name in channels):
            raise CommandError(8)
        tickers = _tickers(params)
        for channel in channels:
            self._check_needs(channel, tickers, params)
        started = [self._start(channel, tickers, params) for channel in dict.fromkeys(channels)]
        for sub, _ in started:
            ack = {"channel": sub.channel, "sid": sub.sid}
            if not (sub.channel == "ticker" and params.get("skip_ticker_ack")):
                self._push("subscribed", {"type": "subscribed", "id": command_id, "msg": ack})
        for sub, fresh in started:
            if sub.channel == "orderbook_delta":
                self._snapshots(sub, fresh)
            elif sub.channel == "ticker" and params.get("send_initial_snapshot"):
                self._initial_tickers(sub)

    def _check_needs(self, channel: str, tickers: list[str], params: Mapping[str, Any]) -> None:
        if channel == "orderbook_delta" and not tickers:
            raise CommandError(14)
        key = "underlying_tickers" if channel == "pyth_value" else "index_ids"
        if channel in _NEEDS and not params.get(key):
            raise CommandError(_NEEDS[channel])
        most = self.state.switches.number("subscription_markets_max")
        if most and len(tickers) > most:
            raise CommandError(26)
        if self.state.switches["subscribe_again"] == "error_6" and self._live(channel):
            raise CommandError(6)

    def _live(self, channel: str) -> list[Subscription]:
        return [s for s in self._subscriptions.values() if s.channel == channel and not s.dead]

    def _start(
        self, channel: str, tickers: list[str], params: Mapping[str, Any]
    ) -> tuple[Subscription, list[str]]:
        wanted = tickers if channel in MARKET_CHANNELS else []
        again = self._live(channel)
        choice = self.state.switches["subscribe_again"]
        if again and choice == "merge":
            sub = again[0]
            fresh = [ticker for ticker in wanted if ticker not in sub.tickers]
            sub.all_markets = sub.all_markets or not wanted
            sub.tickers.update(dict.fromkeys(fresh))
            return sub, fresh
        flag = params.get("use_yes_price", self.state.switches["use_yes_price_default"])
        seq = 0
        if self.state.switches["resubscribe_seq"] == "continue":
            seq = self._last_seq.get(channel, 0)
        sub = Subscription(
            self._next_sid, channel, dict.fromkeys(wanted), not wanted, bool(flag), seq
        )
        self._next_sid += 1
        self._subscriptions[sub.sid] = sub
        return sub, wanted

    def _unsubscribe(self, params: Mapping[str, Any], command_id: int | None) -> None:
        sids = params.get("sids")
        if not isinstance(sids, list) or not sids:
            raise CommandError(4)
        if any(not isinstance(sid, int) or sid not in self._subscriptions for sid in sids):
            raise CommandError(7)
        for sid in dict.fromkeys(sids):
            sub = self._subscriptions.pop(sid)
            reply = {"id": command_id, "sid": sid, "type": "unsubscribed"}
            self._push("unsubscribed", reply | self._numbered(sub))
            self._last_seq[sub.channel] = sub.seq

    def _update(self, params: Mapping[str, Any], command_id: int | None) -> None:
        sub = self._one_sid(params)
        action = params.get("action")
        if not action:
            raise CommandError(15)
        if not isinstance(action, str) or action not in (
            "add_markets",
            "delete_markets",
            "get_snapshot",
        ):
            raise CommandError(13)
        tickers = _tickers(params)
        if not tickers:
            raise CommandError(14)
        if action == "get_snapshot":
            if sub.channel != "orderbook_delta":
                raise CommandError(13)
            self._get_snapshot(sub, tickers, command_id)
            return
        self._change_markets(sub, action, tickers, command_id)

    def _change_markets(
        self, sub: Subscription, action: str, tickers: list[str], command_id: int | None
    ) -> None:
        fresh = [ticker for ticker in tickers if ticker not in sub.tickers]
        if action == "add_markets":
            most = self.state.switches.number("subscription_markets_max")
            if most and len(sub.tickers) + len(fresh) > most:
                raise CommandError(26)
            sub.tickers.update(dict.fromkeys(fresh))
        else:
            for ticker in tickers:
                sub.tickers.pop(ticker, None)
        reply = {"id": command_id, "sid": sub.sid} | self._numbered(sub) | {"type": "ok"}
        self._push("ok", reply | {"msg": {"market_tickers": list(sub.tickers)}})
        if action == "add_markets" and sub.channel == "orderbook_delta":
            self._snapshots(sub, fresh)

    def _one_sid(self, params: Mapping[str, Any]) -> Subscription:
        sids = params.get("sids", [params["sid"]] if "sid" in params else [])
        if not isinstance(sids, list) or len(sids) != 1:
            raise CommandError(12)
        if not isinstance(sids[0], int) or sids[0] not in self._subscriptions:
            raise CommandError(7)
        return self._subscriptions[sids[0]]

    def _snapshots(self, sub: Subscription, tickers: Iterable[str]) -> None:
        for ticker in tickers:
            if ticker in self.state.markets:
                body = ws_messages.snapshot(self.state, ticker, use_yes_price=sub.use_yes_price)
                self._send(sub, "orderbook_snapshot", body)

    def _get_snapshot(self, sub: Subscription, tickers: list[str], command_id: int | None) -> None:
        numbered = self.state.switches["get_snapshot_seq"] == "next"
        echo = self.state.switches["get_snapshot_id"] and command_id is not None
        extra = {"id": command_id} if echo else {}
        for ticker in tickers:
            if ticker in self.state.markets:
                body = ws_messages.snapshot(self.state, ticker, use_yes_price=sub.use_yes_price)
                self._send(sub, "orderbook_snapshot", body, extra=extra, numbered=numbered)

    def _initial_tickers(self, sub: Subscription) -> None:
        for ticker in list(self.state.markets) if sub.all_markets else sub.tickers:
            if ticker in self.state.markets:
                market = self.state.markets[ticker]
                body = ws_messages.ticker(self.state, market, self.state.now_ns)
                self._send(sub, "ticker", body)

    # output

    def _numbered(self, sub: Subscription) -> dict[str, int]:
        if sub.channel not in SEQUENCED:
            return {}
        sub.seq += 1
        return {"seq": sub.seq}

    def _send(
        self,
        sub: Subscription,
        kind: str,
        body: dict[str, Any],
        *,
        extra: Mapping[str, Any] | None = None,
        numbered: bool = True,
    ) -> None:
        if sub.dead:
            return
        faults = self._faults.hit(
            f"ws:{kind if kind == 'orderbook_snapshot' else sub.channel}", self.key.key_id
        )
        if find(faults, "overflow"):
            sub.dead = True
            error = {"code": 25, "msg": MESSAGES[25]}
            self._push("error", {"type": "error", "sid": sub.sid, "msg": error})
            return
        gap = find(faults, "seq_gap")
        if gap is not None:
            sub.seq += gap.number("by", 1)
        missing = find(faults, "missing_field")
        if missing is not None:
            body.pop(missing.text("field", "ts_ms"), None)
        head: dict[str, Any] = {"type": kind, **(extra or {}), "sid": sub.sid}
        if numbered:
            head |= self._numbered(sub)
        self._queue(sub.channel, head | {"msg": body}, faults)

    def _push(self, kind: str, body: dict[str, Any]) -> None:
        if body.get("id") is None:
            body.pop("id", None)
        self._queue(kind, body, self._faults.hit(f"ws:{kind}", self.key.key_id))

    def _error(self, command_id: int | None, code: int) -> None:
        body: dict[str, Any] = {
            "type": "error",
            "id": command_id,
            "msg": {"code": code, "msg": MESSAGES[code]},
        }
        self._push("error", body)

    def _queue(self, channel: str, body: dict[str, Any], faults: tuple[Fault, ...]) -> None:
        if self.state.switches["sending_ts"]:
            body["sending_ts_ms"] = millis(self.state.now_ns)
        extra = find(faults, "unknown_fields")
        if extra is not None or self.state.switches["unknown_fields"]:
            body = add_unknown_fields(body, extra.ordinal if extra is not None else 0)
        self._out.append(Frame(channel, body, faults))


def _decoded(text: str) -> Mapping[str, Any]:
    try:
        row = json.loads(text)
    except ValueError as error:
        raise CommandError(1) from error
    if not isinstance(row, dict):
        raise CommandError(1)
    return row


def _tickers(params: Mapping[str, Any]) -> list[str]:
    one, many = params.get("market_ticker"), params.get("market_tickers")
    if one is not None and many is not None:
        raise CommandError(11)
    found = [one] if one is not None else (many or [])
    if not isinstance(found, list) or not all(isinstance(ticker, str) for ticker in found):
        raise CommandError(11)
    return list(dict.fromkeys(found))
