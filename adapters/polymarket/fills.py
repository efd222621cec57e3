"""Provisional fills: what a trade means before the chain has agreed. Pure.

A trade at Polymarket is matched off-chain and settles seconds later, or fails. This ledger turns
trade records, in any order and any number of copies, into three actions: book, finalise, revert.

Rules, numbered; the code cites them:

1. A fill is keyed by (trade id, order id): big takers are split into several trades.
2. Taker: the fill is (taker_order_id, asset_id, side). Maker: only the `maker_orders` entries that
   are ours by owner (API key) or maker address (funder), each with *its own* asset, side and price;
   taker and maker may hold different outcomes of the market (mint, merge). The venue does not stop
   self-trades: one record can be ours on both sides.
3. A taker crossing several levels is booked level by level from `maker_orders`: the same asset at
   the maker's price, the other outcome at 1 - price. Only if the matched amounts add up to the
   trade's size; else at the trade's own price.
4. MATCHED is booked at once but provisional: its shares must not be sold.
5. Statuses move MATCHED → MINED → CONFIRMED, with RETRYING in between; CONFIRMED and FAILED end.
   MINED is not final. A status may arrive first, twice, or late.
6. FAILED reverses what was booked, exactly; a FAILED seen before anything was booked books nothing,
   ever.
7. A contradiction (FAILED after CONFIRMED, or the reverse) is reported, never applied: the venue's
   balances decide.

References
----------
docs.polymarket.com "Realtime order updates", "Order lifecycle"; py-clob-client-v2 issues 34, 103;
nautilus_trader issues 3126, 4876. Read 2026-11-21.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from adapters.common.errors import ProtocolError

_PREFIX: Final = "TRADE_STATUS_"
_ONE: Final = Decimal(1)


class TradeStatus(StrEnum):
    """Settlement status of a trade, after the prefix of some endpoints is removed."""

    MATCHED = "MATCHED"
    MINED = "MINED"
    RETRYING = "RETRYING"
    CONFIRMED = "CONFIRMED"
    FAILED = "FAILED"


class UnknownTradeStatus(ProtocolError):
    """A status word the venue has not documented: ask again, change nothing."""


def parse_status(text: str) -> TradeStatus:
    """Return the status of a trade record.

    >>> parse_status("TRADE_STATUS_MATCHED_NOT_BROADCASTED")
    <TradeStatus.MATCHED: 'MATCHED'>

    Raises
    ------
    UnknownTradeStatus
        For any other word.
    """
    word = text.upper().removeprefix(_PREFIX)
    if word == "MATCHED_NOT_BROADCASTED":
        return TradeStatus.MATCHED
    try:
        return TradeStatus(word)
    except ValueError:
        raise UnknownTradeStatus(f"trade status: found {text!r}") from None


class MakerLeg(NamedTuple):
    """One entry of a trade's `maker_orders`."""

    order_id: str
    owner: str
    maker_address: str
    asset_id: str
    side: str
    price: Decimal
    size: Decimal


class TradeRecord(NamedTuple):
    """A trade of the user channel or of `GET /data/trades`, numbers parsed."""

    trade_id: str
    status: TradeStatus
    trader_side: str
    taker_order_id: str
    market: str
    asset_id: str
    side: str
    price: Decimal
    size: Decimal
    owner: str
    maker_address: str
    matched_ns: int
    maker_legs: tuple[MakerLeg, ...]


class Fill(msgspec.Struct, frozen=True):
    """One booked execution of one of our orders."""

    fill_id: str
    """At most 36 characters, a pure function of trade, order and level."""
    trade_id: str
    order_id: str
    market: str
    asset_id: str
    side: str
    price: Decimal
    size: Decimal
    is_taker: bool
    matched_ns: int

    @property
    def signed_size(self) -> Decimal:
        """Shares gained (positive) or given (negative)."""
        return self.size if self.side == "BUY" else -self.size


def fill_id(trade_id: str, order_id: str, level: int) -> str:
    """Return a readable, unique id of at most 36 characters.

    >>> fill_id("28c4d2eb-1111-2222-3333-444444444444", "0xff35", 0)
    '28c4d2eb111122223333-5d78535548fa602'
    """
    tail = hashlib.sha256(f"{trade_id}|{order_id}|{level}".encode()).hexdigest()[:15]
    head = "".join(c for c in trade_id if c.isalnum())[:20]
    return f"{head}-{tail}"


def own_fills(
    trade: TradeRecord,
    *,
    api_key: str,
    funder: str,
    placed: Callable[[str], bool] = lambda _: False,
) -> tuple[Fill, ...]:
    """Return our executions in a trade (rules 2 and 3); empty when none of it is ours.

    `placed` tells whether an order id is one of our own orders: a trade shown to us as its maker
    can have been taken by us as well.
    """
    taken = trade.trader_side != "MAKER" or placed(trade.taker_order_id)
    fills = list(_taker_fills(trade)) if taken else []
    seen: dict[str, int] = {}
    for leg in trade.maker_legs:
        if not _is_ours(leg, api_key, funder):
            continue
        level = seen.get(leg.order_id, 0)
        seen[leg.order_id] = level + 1
        fills.append(
            _fill(trade, leg.order_id, leg.asset_id, leg.side, leg.price, leg.size, level, False)
        )
    return tuple(fills)


def _is_ours(leg: MakerLeg, api_key: str, funder: str) -> bool:
    return leg.owner == api_key or (
        bool(leg.maker_address) and leg.maker_address.lower() == funder.lower()
    )


def _taker_fills(trade: TradeRecord) -> tuple[Fill, ...]:
    levels: dict[Decimal, Decimal] = {}
    for leg in trade.maker_legs:
        price = leg.price if leg.asset_id == trade.asset_id else _ONE - leg.price
        levels[price] = levels.get(price, Decimal(0)) + leg.size
    if not levels or sum(levels.values()) != trade.size:
        levels = {trade.price: trade.size}
    return tuple(
        _fill(trade, trade.taker_order_id, trade.asset_id, trade.side, price, size, n, True)
        for n, (price, size) in enumerate(levels.items())
    )


def _fill(
    trade: TradeRecord,
    order_id: str,
    asset_id: str,
    side: str,
    price: Decimal,
    size: Decimal,
    level: int,
    is_taker: bool,
) -> Fill:
    return Fill(
        fill_id=fill_id(trade.trade_id, order_id, level),
        trade_id=trade.trade_id,
        order_id=order_id,
        market=trade.market,
        asset_id=asset_id,
        side=side,
        price=price,
        size=size,
        is_taker=is_taker,
        matched_ns=trade.matched_ns,
    )


class Book(NamedTuple):
    """Book this execution now, provisionally."""

    fill: Fill


class Finalise(NamedTuple):
    """The chain confirmed this booked execution."""

    fill: Fill


class Revert(NamedTuple):
    """The chain refused this booked execution: reverse it, the hedge is gone."""

    fill: Fill


class Void(NamedTuple):
    """An execution failed before it was ever booked: nothing to undo."""

    fill: Fill


class Contradiction(NamedTuple):
    """Two endings for one fill: the venue's balances decide, a human must look."""

    fill: Fill
    was: TradeStatus
    now: TradeStatus


Action = Book | Finalise | Revert | Void | Contradiction

_ENDINGS: Final = frozenset({TradeStatus.CONFIRMED, TradeStatus.FAILED})


class _Entry(msgspec.Struct):
    fills: tuple[Fill, ...]
    status: TradeStatus
    booked: bool


class ProvisionalFills:
    """The ledger of own fills and their settlement.

    Parameters
    ----------
    final_max : int
        Finished entries remembered for de-duplication; the oldest is forgotten beyond it.
        Unfinished entries are never forgotten.
    """

    def __init__(self, final_max: int = 50_000) -> None:
        if final_max < 1:
            raise ValueError(f"final_max: found {final_max}, expected at least 1")
        self._open: dict[tuple[str, str], _Entry] = {}
        self._final: OrderedDict[tuple[str, str], _Entry] = OrderedDict()
        self._final_max = final_max
        self._booked: dict[str, Decimal] = {}
        self._void: dict[str, Decimal] = {}
        self.reverted_count = 0

    def apply(self, fills: Iterable[Fill], status: TradeStatus) -> list[Action]:
        """Apply one trade record's fills at a status and return what to do, in order."""
        by_order: dict[tuple[str, str], list[Fill]] = {}
        for fill in fills:
            by_order.setdefault((fill.trade_id, fill.order_id), []).append(fill)
        actions: list[Action] = []
        for key, group in by_order.items():
            actions.extend(self._apply_one(key, tuple(group), status))
        return actions

    def _apply_one(
        self, key: tuple[str, str], fills: tuple[Fill, ...], status: TradeStatus
    ) -> list[Action]:
        ended = self._final.get(key)
        if ended is not None:
            if status in _ENDINGS and status is not ended.status:  # rule 7
                return [Contradiction(f, ended.status, status) for f in ended.fills]
            return []
        entry = self._open.get(key)
        if entry is None:
            if status is TradeStatus.FAILED:  # rule 6: never booked, never will be
                self._end(key, _Entry(fills, status, booked=False))
                failed = sum((f.size for f in fills), Decimal(0))
                self._void[key[1]] = self._void.get(key[1], Decimal(0)) + failed
                return [Void(f) for f in fills]
            entry = self._open[key] = _Entry(fills, status, booked=True)
            self._add(key[1], entry, 1)
            actions: list[Action] = [Book(f) for f in fills]
        else:
            actions = []
            if status is not TradeStatus.MATCHED:  # rule 5: a late MATCHED changes nothing
                entry.status = status
        if status in _ENDINGS:
            del self._open[key]
            self._end(key, entry)
            if status is TradeStatus.FAILED:
                self.reverted_count += len(entry.fills)
                self._add(key[1], entry, -1)
                actions += [Revert(f) for f in entry.fills]
            else:
                actions += [Finalise(f) for f in entry.fills]
        return actions

    def _end(self, key: tuple[str, str], entry: _Entry) -> None:
        self._final[key] = entry
        while len(self._final) > self._final_max:
            self._final.popitem(last=False)

    def unmined_fills(self) -> list[Fill]:
        """Return booked fills whose cash and shares have not moved as far as we were told."""
        return [
            f
            for entry in self._open.values()
            if entry.status in (TradeStatus.MATCHED, TradeStatus.RETRYING)
            for f in entry.fills
        ]

    def unconfirmed(self) -> list[Fill]:
        """Return every booked fill the chain has not confirmed."""
        return [f for entry in self._open.values() for f in entry.fills]

    def unconfirmed_trades(self) -> set[str]:
        """Return the ids of trades without an ending, for the query that asks about them."""
        return {trade_id for trade_id, _ in self._open}

    def unconfirmed_bought(self, asset_id: str) -> Decimal:
        """Return shares of an asset bought but not confirmed: they must not be sold (rule 4)."""
        return self._sum(asset_id, "BUY")

    def unconfirmed_sold(self, asset_id: str) -> Decimal:
        """Return shares sold but not confirmed: the venue's balance may still show them."""
        return self._sum(asset_id, "SELL")

    def unconfirmed_assets(self) -> set[str]:
        """Return assets with any unconfirmed fill."""
        return {f.asset_id for entry in self._open.values() for f in entry.fills}

    def booked_size(self, order_id: str) -> Decimal:
        """Return the shares booked for an order, reverted ones excluded."""
        return self._booked.get(order_id, Decimal(0))

    def average_price(self, order_id: str) -> Decimal | None:
        """Return the mean price of an order's fills that stand, or None without one."""
        cash = shares = Decimal(0)
        for store in (self._open, self._final):
            for (_, owner), entry in store.items():
                if owner == order_id and entry.booked and entry.status is not TradeStatus.FAILED:
                    cash += sum((f.price * f.size for f in entry.fills), Decimal(0))
                    shares += sum((f.size for f in entry.fills), Decimal(0))
        return cash / shares if shares else None

    def void_size(self, order_id: str) -> Decimal:
        """Return the shares of an order's trades that failed before they were booked.

        The venue goes on counting them as matched.
        """
        return self._void.get(order_id, Decimal(0))

    def unmined(self, asset_id: str) -> Decimal:
        """Return the net shares of trades the chain has not mined as far as we were told."""
        unmined = self.unmined_fills()
        return sum((f.signed_size for f in unmined if f.asset_id == asset_id), Decimal(0))

    def status_of(self, trade_id: str, order_id: str) -> TradeStatus | None:
        """Return the last status of a fill, or None when the trade was never seen."""
        entry = self._open.get((trade_id, order_id)) or self._final.get((trade_id, order_id))
        return entry.status if entry else None

    def _add(self, order_id: str, entry: _Entry, sign: int) -> None:
        total = sum((f.size for f in entry.fills), Decimal(0))
        self._booked[order_id] = self._booked.get(order_id, Decimal(0)) + sign * total

    def _sum(self, asset_id: str, side: str) -> Decimal:
        return sum(
            (
                f.size
                for entry in self._open.values()
                for f in entry.fills
                if f.asset_id == asset_id and f.side == side
            ),
            Decimal(0),
        )
