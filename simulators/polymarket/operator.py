"""What the operator does, by route: books, others' orders, life cycle, ground truth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.polymarket import operations
from simulators.polymarket.auth import create_key
from simulators.polymarket.catalogue import Account, open_account
from simulators.polymarket.frames import new_market, rest_book, sports_frame
from simulators.polymarket.lifecycle import steer
from simulators.polymarket.model import Market, Trade, Wallet
from simulators.polymarket.orders import cancel_quietly, sweep
from simulators.polymarket.records import truth_order, truth_trade
from simulators.polymarket.units import ONE, TICKS, text, units
from simulators.polymarket.world import World
from simulators.seeds import pick
from simulators.wire import Json

_STATUS = {"requested", "proposed", "disputed", "resolved", "settled", ""}


class Operator:
    """What the operator can do to one venue's world; sockets are another matter."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._accounts = 100

    def table(self) -> tuple[tuple[str, str, Callable[..., Json]], ...]:
        """Return method, path and handler of every route."""
        return (
            ("GET", "/markets", self._markets),
            ("GET", "/book/{token}", self._book),
            ("POST", "/book", self._set_book),
            ("POST", "/orders", self._other_order),
            ("DELETE", "/orders/{id}", self._venue_cancel),
            ("POST", "/take", self._take),
            ("PATCH", "/markets/{condition}", self._edit_market),
            ("POST", "/markets/{condition}/start", self._start_game),
            ("POST", "/markets/{condition}/resolve", self._resolve),
            ("POST", "/markets/{condition}/announce", self._announce),
            ("PATCH", "/events/{id}", self._edit_event),
            ("POST", "/events/{id}/resolve", self._resolve_event),
            ("GET", "/trades", self._trades),
            ("POST", "/trades/{id}", self._steer),
            ("POST", "/mode", self._mode),
            ("POST", "/region", self._region),
            ("POST", "/accounts", self._add_account),
            ("GET", "/accounts", self._accounts_truth),
            ("GET", "/accounts/{address}", self._account_truth),
            ("PATCH", "/accounts/{address}", self._edit_account),
            ("POST", "/accounts/{address}/transfer", self._transfer),
            ("GET", "/truth", self._truth),
        )

    def apply(self, name: str, path: dict[str, str], body: dict[str, Any]) -> Json:
        """Run one route by its name, as the replay of a log does."""
        for method, pattern, handler in self.table():
            if name == f"{method} {pattern}":
                answer = handler(**path, **({"body": body} if body else {}))
                self.world.publish()
                return answer
        raise ValueError(f"admin route {name!r} is unknown")

    def _market(self, name: str) -> Market:
        market = self.world.markets.get(name.lower()) or self.world.by_token.get(name)
        if market is None:
            raise ValueError(f"market {name!r}: neither a condition id nor a token id here")
        return market

    def _wallet(self, address: str) -> Wallet:
        wallet = self.world.wallet(address)
        if wallet is None:
            raise ValueError(f"address {address!r} has no wallet here")
        return wallet

    def _markets(self) -> Json:
        return [
            {
                "condition_id": m.condition_id,
                "slug": m.slug,
                "question": m.question,
                "tokens": list(m.tokens),
                "outcomes": list(m.outcomes),
                "version": m.version,
                "neg_risk": m.neg_risk,
                "tick_size": text(m.tick),
                "seconds_delay": m.seconds_delay,
                "itode": m.itode,
                "clear_book_on_start": m.clear_book_on_start,
                "event_id": m.event_id,
                "accepting": m.accepting,
                "closed": m.closed,
                "payouts": None if m.payouts is None else [text(p) for p in m.payouts],
            }
            for m in self.world.markets.values()
        ]

    def _book(self, token: str) -> Json:
        market = self._market(token)
        return rest_book(market, market.index(token) if token in market.tokens else 0)

    def _set_book(self, body: dict[str, Any]) -> Json:
        """Make the crowd's levels equal ``bids`` and ``asks`` ([price, size]) of a token."""
        token = str(body["token"])
        market = self._market(token)
        bids, asks = _levels(body.get("bids", [])), _levels(body.get("asks", []))
        if token == market.tokens[1]:
            bids, asks = _mirror(asks), _mirror(bids)
        operations.quote(self.world, market, bids, asks)
        return rest_book(market, market.index(token) if token in market.tokens else 0)

    def _other_order(self, body: dict[str, Any]) -> Json:
        """Place one order of the crowd."""
        side, kind = str(body["side"]).upper(), str(body.get("order_type", "GTC")).upper()
        if side not in ("BUY", "SELL") or kind not in ("GTC", "FAK", "FOK"):
            raise ValueError(f"side {side!r} of BUY, SELL; order_type {kind!r} of GTC, FAK, FOK")
        order, trades = operations.submit_other(
            self.world,
            str(body["token"]),
            side,
            units(body["price"]),
            units(body["size"]),
            kind,
        )
        return {"order": truth_order(order), "trades": [truth_trade(trade) for trade in trades]}

    def _venue_cancel(self, id: str, body: dict[str, Any] | None = None) -> Json:
        """Cancel any order on the venue's account, with a status word and a free text."""
        order = self.world.orders.get(id.lower())
        if order is None:
            raise ValueError(f"order {id!r} is unknown")
        given = body or {}
        order.reason = str(given.get("text", "INVALID"))
        status = type(order.status)(str(given.get("status", "INVALID")))
        return {"canceled": cancel_quietly(self.world, [order], status)}

    def _take(self, body: dict[str, Any]) -> Json:
        """Let the crowd take: ``side`` buys or sells the first outcome up to ``price``."""
        market = self._market(str(body["token"]))
        buys = str(body["side"]).upper() == "BUY"
        trades = operations.take(
            self.world, market, buys, units(body["price"]), units(body["size"])
        )
        return [truth_trade(trade) for trade in trades]

    def _edit_market(self, condition: str, body: dict[str, Any]) -> Json:
        """Change tick_size, accepting, uma_status, seconds_delay, itode or listed."""
        market = self._market(condition)
        known = {"tick_size", "accepting", "uma_status", "seconds_delay", "itode", "listed"}
        if set(body) - known:
            raise ValueError(f"unknown key {sorted(set(body) - known)}, allowed {sorted(known)}")
        if "uma_status" in body and body["uma_status"] not in _STATUS:
            raise ValueError(f"uma_status is {body['uma_status']!r}, allowed {sorted(_STATUS)}")
        tick = units(body.get("tick_size", text(market.tick)))
        if tick not in TICKS:
            raise ValueError(f"tick_size is {text(tick)}, allowed {[text(t) for t in TICKS]}")
        if tick != market.tick:
            self.world.change_tick(market, tick)
        market.accepting = bool(body.get("accepting", market.accepting))
        market.uma_status = str(body.get("uma_status", market.uma_status))
        market.seconds_delay = body.get("seconds_delay", market.seconds_delay)
        market.itode = bool(body.get("itode", market.itode))
        if "listed" in body:
            market.listed_ns = 0 if body["listed"] else 1 << 62
        return {"condition_id": market.condition_id}

    def _start_game(self, condition: str) -> Json:
        return {"canceled": operations.start_game(self.world, self._market(condition))}

    def _resolve(self, condition: str, body: dict[str, Any]) -> Json:
        """Resolve: ``payouts`` is [1, 0], [0, 1] or [0.5, 0.5]."""
        pair = body.get("payouts")
        if not isinstance(pair, list) or len(pair) != 2:
            raise ValueError(f"payouts is {pair!r}, expected two numbers")
        market = self._market(condition)
        operations.resolve(self.world, market, (units(pair[0]), units(pair[1])))
        return {"condition_id": market.condition_id}

    def _announce(self, condition: str) -> Json:
        """Send new_market for a market to every socket with custom features."""
        market = self._market(condition)
        title = self.world.events[market.event_id].title
        frame = new_market(market, title, self.world.now_ns)
        self.world.tell_market((), frame, custom=True)
        return {"condition_id": market.condition_id}

    def _edit_event(self, id: str, body: dict[str, Any]) -> Json:
        """Move a game on: live, ended, score, period; the sports stream sends it."""
        event = self.world.events[id]
        for name in ("live", "ended", "score", "period"):
            if name in body:
                setattr(event, name, body[name])
        operations.tell_game(self.world, event)
        return sports_frame(event)

    def _resolve_event(self, id: str, body: dict[str, Any]) -> Json:
        """Resolve a neg-risk event: ``winner`` is the one market that is YES, the others are NO."""
        markets = self.world.events[id].markets
        winner = self._market(str(body["winner"]))
        if winner not in markets or any(market.payouts is not None for market in markets):
            raise ValueError(f"winner {body['winner']!r} is not an open market of event {id}")
        for market in markets:
            payouts = (ONE, 0) if market is winner else (0, ONE)
            operations.resolve(self.world, market, payouts)
        return {"resolved": [market.condition_id for market in markets]}

    def _trades(self) -> Json:
        return [truth_trade(trade) for trade in self.world.trades.values()]

    def _steer(self, id: str, body: dict[str, Any]) -> Json:
        """Steer one trade, or all that are not final (id ``all``)."""
        final = ("CONFIRMED", "FAILED")
        found = [t for t in self.world.trades.values() if t.status not in final]
        chosen: list[Trade] = found if id == "all" else [self.world.trades[id]]
        for trade in chosen:
            steer(self.world, trade, str(body.get("action")))
            for wallet in {trade.taker.wallet.address: trade.taker.wallet}.values():
                sweep(self.world, wallet)
        return [truth_trade(trade) for trade in chosen]

    def _mode(self, body: dict[str, Any]) -> Json:
        operations.set_mode(self.world, str(body.get("mode")))
        return {"mode": self.world.mode}

    def _region(self, body: dict[str, Any]) -> Json:
        """Block or unblock orders by region."""
        self.world.blocked_region = bool(body.get("blocked"))
        return {"blocked": self.world.blocked_region}

    def _add_account(self, body: dict[str, Any]) -> Json:
        """Open a further account: signature_type, cash, approved, with_key."""
        self._accounts += 1
        account = open_account(
            self.world,
            int(body.get("signature_type", 0)),
            units(body.get("cash", 1000)),
            approved=bool(body.get("approved", True)),
            name=str(self._accounts),
        )
        return account_json(self.world, account, with_key=bool(body.get("with_key", True)))

    def _edit_account(self, address: str, body: dict[str, Any]) -> Json:
        """Ban, set closed-only, approve or revoke all, add a session key, give cash."""
        wallet = self._wallet(address)
        wallet.banned = bool(body.get("banned", wallet.banned))
        wallet.closed_only = bool(body.get("closed_only", wallet.closed_only))
        if body.get("approved") is True:
            self.world.ledger.approve_all(wallet)
        elif body.get("approved") is False:
            wallet.allowances.clear()
            wallet.operators.clear()
        if "session_key" in body:
            wallet.session_keys.add(str(body["session_key"]).lower())
        if "add_cash" in body:
            self.world.ledger.fund(wallet, units(body["add_cash"]))
        return self._account_truth(address)

    def _transfer(self, address: str, body: dict[str, Any]) -> Json:
        """Move pUSD, or shares of ``token``, out of a wallet on chain."""
        target = self.world.ledger.open(str(body["to"]), str(body["to"]), 0)
        amount, token = units(body["amount"]), str(body.get("token", ""))
        operations.move(self.world, self._wallet(address), target, token, amount)
        return self._account_truth(address)

    def _accounts_truth(self) -> Json:
        return [self._account_truth(w.address) for w in self.world.ledger.wallets.values()]

    def _account_truth(self, address: str) -> Json:
        """Return what a wallet really has: cash, tokens, commitments, orders, trades."""
        wallet = self._wallet(address)
        orders = [o for o in self.world.orders.values() if o.wallet is wallet]
        trades = [
            t
            for t in self.world.trades.values()
            if t.taker.wallet is wallet or any(f.maker.wallet is wallet for f in t.fills)
        ]
        return {
            "address": wallet.address,
            "owner": wallet.owner,
            "signature_type": wallet.signature_type,
            "cash": text(wallet.cash),
            "usdce": text(wallet.usdce),
            "cash_in_open_orders": text(wallet.open_cash),
            "cash_in_unmined_trades": text(wallet.flight_cash),
            "tokens": {token: text(size) for token, size in wallet.tokens.items()},
            "tokens_in_open_orders": {t: text(s) for t, s in wallet.open_tokens.items()},
            "tokens_in_unmined_trades": {t: text(s) for t, s in wallet.flight_tokens.items()},
            "seen_cash": text(wallet.seen_cash),
            "banned": wallet.banned,
            "closed_only": wallet.closed_only,
            "orders": [truth_order(order) for order in orders],
            "trades": [truth_trade(trade) for trade in trades],
        }

    def _truth(self) -> Json:
        """Return the sums that must hold: money in the world, and tokens against collateral."""
        ledger = self.world.ledger
        return {
            "minted": text(ledger.minted),
            "total": text(ledger.total()),
            "fees": text(ledger.fees),
            "now_ns": self.world.now_ns,
            "markets": {
                m.condition_id: {
                    "collateral": text(ledger.collateral.get(m.condition_id, 0)),
                    "supply": [text(ledger.supply(token)) for token in m.tokens],
                    "payouts": None if m.payouts is None else [text(p) for p in m.payouts],
                }
                for m in self.world.markets.values()
            },
        }


def account_json(world: World, account: Account, *, with_key: bool = True) -> dict[str, Any]:
    """Return what a user of a test account needs, with an API key unless it must make its own."""
    body: dict[str, Any] = {
        "private_key": account.private_key,
        "address": account.owner,
        "funder": account.funder,
        "signature_type": account.signature_type,
    }
    if with_key:
        key = create_key(world, account.owner, 0)
        body |= {"api_key": key.key, "api_secret": key.secret, "api_passphrase": key.passphrase}
    return body


def noise(world: World) -> None:
    """Announce a market nobody asked for, as the real stream does all the time."""
    markets = list(world.markets.values())
    if world.switches["new_market_noise"] and markets:
        market = pick(markets, world.seed, "polymarket", "noise", world.next())
        title = world.events[market.event_id].title
        world.tell_market((), new_market(market, title, world.now_ns), custom=True)


def _levels(rows: Json) -> list[tuple[int, int]]:
    if not isinstance(rows, list):
        raise ValueError(f"levels are {rows!r}, expected a list of [price, size]")
    return [(units(price), units(size)) for price, size in rows]


def _mirror(levels: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return [(1_000_000 - price, size) for price, size in levels]
