"""What the operator can do, by name: JSON in, JSON out. The admin routes call these."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Any

from simulators.kalshi import lifecycle
from simulators.kalshi.changes import cancel_order
from simulators.kalshi.entry import create_order
from simulators.kalshi.errors import RefusalError
from simulators.kalshi.grid import orderable
from simulators.kalshi.limits import budget
from simulators.kalshi.market_port import CROWD, KalshiMarketPort
from simulators.kalshi.matching import cancel_resting
from simulators.kalshi.model import Account, Event, FeeChange, Market
from simulators.kalshi.render import Row, fill_row, order_row, position_row, settlement_row
from simulators.kalshi.rest import Core
from simulators.kalshi.tickets import parse_create
from simulators.kalshi.units import (
    CENTICENT,
    DOLLAR,
    NS_PER_S,
    count,
    money,
    parse_count,
    parse_price,
    price,
)
from simulators.wire import Json

type Args = Mapping[str, Any]


class Operator:
    """Named actions on the venue. Wrong arguments raise ValueError and change nothing."""

    READS = frozenset({"truth", "markets", "audit"})

    def __init__(self, core: Core) -> None:
        self._core = core
        self._state = core.state
        self._actions: dict[str, Callable[[Args], Json]] = {
            "truth": self.truth,
            "markets": self.markets,
            "audit": self.audit,
            "book": self.set_book,
            "order": self.order,
            "cancel": self.cancel,
            "open": self.open,
            "close": self.close,
            "deactivate": self.deactivate,
            "activate": self.activate,
            "halt": self.halt,
            "determine": self.determine,
            "dispute": self.dispute,
            "amend_result": self.amend_result,
            "settle": self.settle,
            "structure": self.structure,
            "strikes": self.strikes,
            "fees": self.fees,
            "waiver": self.waiver,
            "create_event": self.create_event,
            "create_market": self.create_market,
            "pause": self.pause,
            "resume": self.resume,
            "tier": self.tier,
            "deposit": self.deposit,
            "attestation": self.attestation,
            "cutoff": self.cutoff,
            "expose": self.expose,
        }

    def names(self) -> list[str]:
        """Return the actions."""
        return sorted(self._actions)

    def run(self, name: str, body: Args) -> Json:
        """Run an action by name."""
        if name not in self._actions:
            raise ValueError(f"action {name!r} is unknown: known are {self.names()}")
        return self._actions[name](body)

    # reading

    def truth(self, body: Args) -> Json:
        """Return the ground truth: cash, positions, orders, fills and settlements by account.

        ``user`` limits it to one account.
        """
        state = self._state
        chosen = self._account(body, "").user_id if "user" in body else ""
        accounts: dict[str, Row] = {
            account.user_id: {
                "name": account.name,
                "tier": account.tier,
                "key_ids": [k.key_id for k in self._core.keys.keys.values() if k.user_id == user],
                "cash": {},
                "positions": {},
                "orders": [],
                "fills": [],
                "settlements": [],
            }
            for user, account in state.accounts.items()
            if not account.house and (not chosen or user == chosen)
        }
        for (user, sub, shard), micro in state.ledger.cash.items():
            if user in accounts:
                accounts[user]["cash"][f"{sub}/{shard}"] = money(micro)
        for (user, sub, ticker), position in state.ledger.positions.items():
            if user in accounts:
                row = position_row(position) | {"settled": position.settled}
                accounts[user]["positions"][f"{sub}/{ticker}"] = row
        for order in state.orders.values():
            if order.user_id in accounts:
                accounts[order.user_id]["orders"].append(order_row(state, order))
        for fill in state.fills:
            if fill.user_id not in accounts:
                continue
            accounts[fill.user_id]["fills"].append(
                fill_row(state, fill) | {"client_order_id": fill.client_order_id}
            )
        for paid in [row for row in state.settlements if row.user_id in accounts]:
            accounts[paid.user_id]["settlements"].append(settlement_row(paid))
        return {
            "now_ns": state.now_ns,
            "accounts": accounts,
            "gap": self._core.exchange.money_gap(),
        }

    def markets(self, _: Args) -> Json:
        """Return every market with its status, scenario outcome and top of book."""
        rows: list[Row] = []
        for market in self._state.markets.values():
            book = self._state.books[market.ticker]
            bid, ask = book.bids.best(), book.asks.best()
            rows.append(
                {
                    "ticker": market.ticker,
                    "outcome": market.outcome,
                    "status": market.status,
                    "exchange_index": market.exchange_index,
                    "bid": None if bid is None else price(bid),
                    "ask": None if ask is None else price(ask),
                    "volume": count(market.volume),
                }
            )
        return {"markets": rows}

    def audit(self, _: Args) -> Json:
        """Return the terms of the conservation of money, in dollars; ``gap`` is always zero."""
        terms = self._state.ledger.audit()
        row = {n: money(getattr(terms, n)) for n in ("cash", "locked", "returned", "fees")}
        return row | {
            "deposits": money(terms.deposits),
            "gap": money(self._core.exchange.money_gap()),
        }

    # books and orders

    def set_book(self, body: Args) -> Json:
        """Make the house's ladder of a market equal ``bids`` and ``asks``."""
        market = self._market(body)
        bids, asks = _ladder(market, body, "bids"), _ladder(market, body, "asks")
        if bids and asks and max(bids)[0] >= min(asks)[0]:
            raise ValueError("the best bid must be below the best ask")
        if market.status != "active":
            raise ValueError(f"{market.ticker} is {market.status}, expected active")
        port = KalshiMarketPort(self._state)
        port.quote(market.ticker, bids, asks)
        return {"ticker": market.ticker}

    def order(self, body: Args) -> Json:
        """Send an order of ``user`` (the crowd by default) with the fields of a V2 create."""
        account = self._account(body, CROWD)
        fields = {key: value for key, value in body.items() if key != "user"}
        fields.setdefault("time_in_force", "immediate_or_cancel")
        fields.setdefault("self_trade_prevention_type", "taker_at_cross")
        try:
            order = create_order(self._state, account, parse_create(fields))
        except RefusalError as refusal:
            raise ValueError(f"refused: {refusal.status} {refusal.body}") from refusal
        return order_row(self._state, order)

    def cancel(self, body: Args) -> Json:
        """Cancel any account's resting order by ``order_id``."""
        order = self._state.orders.get(str(body.get("order_id")))
        if order is None or order.status != "resting":
            raise ValueError(f"order_id is {body.get('order_id')!r}: no such resting order")
        try:
            cancel_order(self._state, order)
        except RefusalError:
            cancel_resting(self._state, order, str(body.get("reason", "")))
        return order_row(self._state, order)

    # life of markets

    def open(self, body: Args) -> Json:
        """Open a market now, silently."""
        market = self._market(body)
        market.open_ns = min(market.open_ns, self._state.now_ns)
        lifecycle.open_if_due(self._state, market)
        return self._said(market)

    def close(self, body: Args) -> Json:
        """Move ``close_s`` (Unix seconds; now by default). With ``silent`` just reach the close."""
        market = self._market(body)
        if body.get("silent"):
            market.close_ns = self._state.now_ns
            lifecycle.close_if_due(self._state, market)
            return self._said(market)
        close_ns = int(body["close_s"]) * NS_PER_S if "close_s" in body else self._state.now_ns
        lifecycle.move_close(self._state, market, close_ns)
        return self._said(market)

    def deactivate(self, body: Args) -> Json:
        """Stop trading on a market."""
        market = self._market(body)
        lifecycle.deactivate(self._state, market)
        return self._said(market)

    def activate(self, body: Args) -> Json:
        """Start it again; its resting orders are canceled."""
        market = self._market(body)
        lifecycle.activate(self._state, market)
        return self._said(market)

    def halt(self, body: Args) -> Json:
        """Halt one market without a message (``on``: true or false)."""
        market = self._market(body)
        market.halted = bool(body.get("on", True))
        return self._said(market)

    def determine(self, body: Args) -> Json:
        """Set ``result`` (yes, no, scalar) and, for scalar, ``value`` in dollars."""
        market = self._market(body)
        result, value = self._result(body)
        lifecycle.determine(self._state, market, result, value)
        return self._said(market)

    def dispute(self, body: Args) -> Json:
        """Dispute a determined market."""
        market = self._market(body)
        lifecycle.dispute(self._state, market)
        return self._said(market)

    def amend_result(self, body: Args) -> Json:
        """Determine a disputed market again."""
        market = self._market(body)
        result, value = self._result(body)
        lifecycle.amend_result(self._state, market, result, value)
        return self._said(market)

    def settle(self, body: Args) -> Json:
        """Pay out now; with ``result`` an undetermined market is determined first."""
        market = self._market(body)
        if market.status in ("active", "inactive", "closed"):
            result, value = self._result(body)
            lifecycle.determine(self._state, market, result, value)
        lifecycle.finalize(self._state, market)
        return self._said(market)

    def structure(self, body: Args) -> Json:
        """Change the price grid to ``structure``."""
        market = self._market(body)
        lifecycle.set_structure(self._state, market, str(body.get("structure")))
        return self._said(market)

    def strikes(self, body: Args) -> Json:
        """Change ``strike_type``, ``floor_strike``, ``cap_strike``."""
        market = self._market(body)
        lifecycle.update_strikes(
            self._state,
            market,
            str(body.get("strike_type", "between")),
            body.get("floor_strike"),
            body.get("cap_strike"),
        )
        return self._said(market)

    def fees(self, body: Args) -> Json:
        """Change the fees of a series or event ``ticker`` at ``at_s``; null type clears."""
        ticker = str(body.get("ticker"))
        event = self._state.events.get(ticker)
        if event is None and ticker not in self._state.series:
            raise ValueError(f"ticker is {ticker!r}: no such series or event")
        multiplier = body.get("fee_multiplier")
        at_s = body.get("at_s")
        change = FeeChange(
            self._state.new_id("fee change"),
            ticker,
            event.series_ticker if event is not None else ticker,
            body.get("fee_type"),
            None if multiplier is None else Fraction(str(multiplier)),
            self._state.now_ns if at_s is None else int(at_s) * NS_PER_S,
        )
        self._core.exchange.schedule_fees(change)
        return {"id": change.change_id}

    def waiver(self, body: Args) -> Json:
        """Waive a market's fees until ``until_s``."""
        market = self._market(body)
        market.fee_waiver_ns = int(body["until_s"]) * NS_PER_S
        return self._said(market)

    def create_event(self, body: Args) -> Json:
        """List a new event of an existing series."""
        series = self._state.series.get(str(body.get("series_ticker")))
        if series is None:
            raise ValueError(f"series_ticker is {body.get('series_ticker')!r}: no such series")
        event = Event(
            ticker=str(body["event_ticker"]),
            series_ticker=series.ticker,
            title=str(body.get("title", "")),
            sub_title=str(body.get("sub_title", "")),
            category=series.category,
            mutually_exclusive=bool(body.get("mutually_exclusive", False)),
            exchange_index=series.exchange_index,
            strike_ns=self._state.now_ns,
            updated_ns=self._state.now_ns,
        )
        lifecycle.create_event(self._state, event)
        return {"event_ticker": event.ticker}

    def create_market(self, body: Args) -> Json:
        """List a new market of an existing event; it opens and closes by its times."""
        event = self._state.events.get(str(body.get("event_ticker")))
        ticker = str(body.get("ticker", ""))
        if event is None or not ticker or ticker in self._state.markets:
            raise ValueError("create_market needs an existing event_ticker and a new ticker")
        now_ns = self._state.now_ns
        market = Market(
            ticker=ticker,
            event_ticker=event.ticker,
            market_id=self._state.new_id("market"),
            title=str(body.get("title", ticker)),
            yes_sub_title=str(body.get("yes_sub_title", "Yes")),
            no_sub_title=str(body.get("no_sub_title", "No")),
            rules_primary=str(body.get("rules_primary", "")),
            rules_secondary="",
            exchange_index=event.exchange_index,
            created_ns=now_ns,
            open_ns=int(body.get("open_s", now_ns // NS_PER_S)) * NS_PER_S,
            close_ns=int(body.get("close_s", now_ns // NS_PER_S + 3600)) * NS_PER_S,
            expected_ns=now_ns,
            latest_ns=now_ns,
            structure=str(body.get("structure", "linear_cent")),
            settlement_timer_s=int(body.get("settlement_timer_s", 60)),
        )
        lifecycle.create_market(self._state, market)
        lifecycle.open_if_due(self._state, market)
        return self._said(market)

    # exchange and accounts

    def pause(self, body: Args) -> Json:
        """Pause ``scope`` (trading, exchange) on ``exchange_index`` or everywhere."""
        resume_s = body.get("resume_s", 0)
        self._core.exchange.pause(
            str(body.get("scope")), body.get("exchange_index"), int(resume_s) * NS_PER_S
        )
        return {"paused": body.get("scope")}

    def resume(self, body: Args) -> Json:
        """End a pause."""
        self._core.exchange.resume(str(body.get("scope")), body.get("exchange_index"))
        return {"resumed": body.get("scope")}

    def tier(self, body: Args) -> Json:
        """Put an account (``user``: user id, name or key id) on a rate tier."""
        account = self._account(body, "")
        budget(str(body.get("tier")), self._state.switches)
        account.tier = str(body["tier"])
        self._core.limits.set_tier(account.user_id)
        return {"user": account.user_id, "tier": account.tier}

    def deposit(self, body: Args) -> Json:
        """Add ``dollars`` (negative: take out) to ``exchange_index`` of an account."""
        account = self._account(body, "")
        try:
            micro = int(Decimal(str(body["dollars"])) * DOLLAR)
        except InvalidOperation as error:
            raise ValueError(f"dollars is {body['dollars']!r}, expected a number") from error
        if micro % CENTICENT:
            raise ValueError("dollars has more than 4 decimals")
        shard, sub = int(body.get("exchange_index", 0)), int(body.get("subaccount", 0))
        if self._state.ledger.balance((account.user_id, sub, shard)) + micro < 0:
            raise ValueError("not that much cash is there")
        self._state.deposit(account.user_id, shard, micro, sub)
        return {"cash": money(self._state.ledger.balance((account.user_id, sub, shard)))}

    def attestation(self, body: Args) -> Json:
        """Let the location attestation of an account lapse or hold (``lapsed``)."""
        account = self._account(body, "")
        account.attestation_lapsed = bool(body.get("lapsed", True))
        return {"user": account.user_id, "lapsed": account.attestation_lapsed}

    def cutoff(self, body: Args) -> Json:
        """Move the historical cutoff: ``orders_s``, ``markets_s`` (Unix seconds; 0 = default)."""
        if "orders_s" in body:
            self._state.orders_cutoff = int(body["orders_s"]) * NS_PER_S
        if "markets_s" in body:
            self._state.markets_cutoff = int(body["markets_s"]) * NS_PER_S
        return {
            "orders_s": self._state.orders_cutoff_ns() // NS_PER_S,
            "markets_s": self._state.markets_cutoff_ns() // NS_PER_S,
        }

    def expose(self, body: Args) -> Json:
        """Show everything to reads at once, whatever lag is under way."""
        self._state.read.reveal()
        return {"as_of_ns": self._state.read.as_of_ns(self._state.now_ns), **body}

    def _market(self, body: Args) -> Market:
        market = self._state.markets.get(str(body.get("ticker")))
        if market is None:
            raise ValueError(f"ticker is {body.get('ticker')!r}: no such market")
        return market

    def _account(self, body: Args, default: str) -> Account:
        name = str(body.get("user", default))
        key = self._core.keys.keys.get(name)
        if key is not None:
            name = key.user_id
        for account in self._state.accounts.values():
            if name in (account.user_id, account.name):
                return account
        raise ValueError(f"user is {name!r}: no such account, name or key id")

    def _result(self, body: Args) -> tuple[str, int | None]:
        value = parse_price(str(body["value"])) if "value" in body else None
        return str(body.get("result")), value

    def _said(self, market: Market) -> Json:
        return {"ticker": market.ticker, "status": market.status, "result": market.result}


def _ladder(market: Market, body: Args, name: str) -> list[tuple[Decimal, Decimal]]:
    rows = body.get(name, [])
    try:
        for px, size in rows:
            ticks = parse_price(str(px))
            if ticks is None or not orderable(market.bands, ticks) or not parse_count(str(size)):
                raise ValueError(f"[{px}, {size}] is off the grid of {market.ticker}")
        return [(Decimal(str(px)), Decimal(str(size))) for px, size in rows]
    except (InvalidOperation, TypeError, ValueError) as error:
        raise ValueError(
            f"{name} is {rows!r}, expected a list of [price, size]: {error}"
        ) from error
