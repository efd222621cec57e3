"""BinaryOptions for the markets of a pairs file: YES and NO of every leg and route."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from nautilus_trader.model.enums import AssetClass
from nautilus_trader.model.identifiers import InstrumentId, Symbol
from nautilus_trader.model.instruments import BinaryOption
from nautilus_trader.model.objects import Currency, Price, Quantity

from adapters.common.currencies import register_currencies
from backtests.data.deltas import PRICE_PRECISION, SIZE_PRECISION
from backtests.data.errors import DataError
from core.fees.kalshi import datetime_ns
from core.pairs import Pair, PairMarket

INFO_SCHEMA = 1
_NAME = re.compile(r"[A-Za-z0-9_^:][A-Za-z0-9_^:.-]*")
#: The finest size the catalog stores.
_LOT = Decimal("0.01")


class Book(NamedTuple):
    """One venue market whose YES book a dataset stores.

    ``role`` is ``leg`` or ``route``; ``pair_ids`` are all pairs the market serves.
    """

    venue: str
    market: str
    yes: str
    no: str
    role: str
    pair_ids: tuple[str, ...]
    terms: PairMarket
    pair: Pair

    @property
    def yes_id(self) -> str:
        """Nautilus id of the YES instrument."""
        return f"{self.yes}.{self.venue}"

    @property
    def no_id(self) -> str:
        """Nautilus id of the NO instrument."""
        return f"{self.no}.{self.venue}"


def books_of(pairs: Iterable[Pair]) -> dict[str, Book]:
    """Return every market of the pairs by YES instrument id, legs before routes.

    A market that is a leg of one session's pair and a route of another's is a leg.

    Raises
    ------
    DataError
        If a name cannot be a folder of the catalog and a table of its queries.
    """
    pairs = tuple(pairs)
    found: dict[str, Book] = {}

    def add(pair: Pair, market: PairMarket, name: str, yes: str, no: str, role: str) -> None:
        book = Book(market.venue.value, name, yes, no, role, (pair.pair_id,), market, pair)
        known = found.setdefault(book.yes_id, book)
        if pair.pair_id not in known.pair_ids:
            found[book.yes_id] = known._replace(pair_ids=(*known.pair_ids, pair.pair_id))

    for pair in pairs:
        for market in pair.markets:
            add(pair, market, market.market, market.yes, market.no, "leg")
    for pair in pairs:
        for market in pair.markets:
            for route in market.routes:
                add(pair, market, route.market, route.yes, route.no, "route")
    _check_names(found)
    return found


def _check_names(books: Mapping[str, Book]) -> None:
    """Refuse names that would leave the catalog's folder or collide in its queries.

    Nautilus names a SQL table after the instrument, in small letters, with ``. - space ^ :`` as
    underscores, and quotes nothing.
    """
    tables: dict[str, str] = {}
    for name in books:
        if _NAME.fullmatch(name) is None:
            raise DataError("pairs.json", repr(name), "letters, digits, . - _ : ^", field="market")
        table = re.sub(r"[.\-^:]", "_", name).lower()
        other = tables.setdefault(table, name)
        if other != name:
            allowed = "names that differ in more than case and . - _ : ^"
            raise DataError("pairs.json", f"{name} beside {other}", allowed, field="market")


def binary_options(book: Book, ts_ns: int, *, synthetic: bool) -> tuple[BinaryOption, BinaryOption]:
    """Build the YES and the NO instrument of a market.

    Parameters
    ----------
    book : Book
        The market.
    ts_ns : int
        ``ts_event`` and ``ts_init`` of the definitions (ns UTC).
    synthetic : bool
        Marks the instruments of a generated session in ``info`` and description.
    """
    register_currencies()
    return (
        _option(book, "YES", book.yes, book.no, ts_ns, synthetic=synthetic),
        _option(book, "NO", book.no, book.yes, ts_ns, synthetic=synthetic),
    )


def _option(
    book: Book, outcome: str, symbol: str, complement: str, ts_ns: int, *, synthetic: bool
) -> BinaryOption:
    terms = book.terms.terms
    tick = min(band.step for band in terms.ticks)
    expiry = book.terms.close_time or book.pair.expected_settlement
    label = "synthetic " if synthetic else ""
    return BinaryOption(
        instrument_id=InstrumentId.from_str(f"{symbol}.{book.venue}"),
        raw_symbol=Symbol(book.market),
        asset_class=AssetClass.ALTERNATIVE,
        currency=Currency.from_str(terms.currency),
        price_precision=PRICE_PRECISION,
        size_precision=SIZE_PRECISION,
        price_increment=Price.from_str(f"{tick:.{PRICE_PRECISION}f}"),
        size_increment=Quantity.from_str(f"{max(terms.lot, _LOT):.{SIZE_PRECISION}f}"),
        activation_ns=0,
        expiration_ns=_ns(expiry),
        ts_event=ts_ns,
        ts_init=ts_ns,
        outcome=outcome.title(),
        description=f"{label}{book.market} {outcome}",
        info=_info(book, outcome, complement, synthetic=synthetic),
    )


def _info(book: Book, outcome: str, complement: str, *, synthetic: bool) -> dict[str, Any]:
    market = book.terms
    return {
        "schema": INFO_SCHEMA,
        "market": book.market,
        "outcome": outcome,
        "complement": f"{complement}.{book.venue}",
        "role": book.role,
        "pair_ids": list(book.pair_ids),
        "terms": msgspec.to_builtins(market.terms),
        "fees": msgspec.to_builtins(market.fees),
        "rules_sha256": market.rules_sha256,
        "close_time": market.close_time.isoformat() if market.close_time else None,
        "shard": market.shard,
        "synthetic": synthetic,
    }


def _ns(value: datetime | None) -> int:
    return 0 if value is None else datetime_ns(value)
