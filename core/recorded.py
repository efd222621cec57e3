"""Pairs of the paired-quotes recordings: their own ``pairs.json`` becomes schema 1.

The recordings' file is a list of objects with ``session``, ``pair_id``, ``kalshi_ticker``,
``polymarket_token_yes`` or ``polymarket_slug``, ``fees_assumed``, ``terms`` and ``settlement``.
Nobody approved these pairs; a backtest may accept them by configuration.

``relation`` states the orientation: ``YES=YES``, or ``YES=NO`` where the pair's YES (Kalshi's) is
the NO of the Polymarket market. ``settlement`` is always that of the market's own YES.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from core.contracts import Venue
from core.fees import FeeTerms, KalshiFees, PolymarketFees, PolymarketUSFees
from core.fees.kalshi import REGIMES, Regime
from core.money import dec
from core.pairs import (
    Approval,
    Clause,
    MarketTerms,
    Pair,
    PairMarket,
    PairsError,
    Route,
    Settlement,
    encode_pairs,
    parse_pairs,
    uniform_ticks,
)

_VENUES = {
    "polymarket_international_clob": (Venue.POLYMARKET, "polymarket"),
    "polymarket_us": (Venue.POLYMARKET_US, "polymarket_us"),
}
_INVERSE_OF = {
    "YES=YES": False,
    "long side of slug = kalshi_ticker YES; -inverse = opposite": False,
    "YES=NO": True,
}
"""relation -> whether the pair's YES is the NO of the Polymarket market."""
_NAMES = {
    "pair_id": False,
    "session": True,
    "kalshi_ticker": False,
    "kalshi_ticker_opposite": True,
    "polymarket_venue": False,
    "polymarket_token_yes": False,
    "polymarket_slug": False,
}
"""Field with a name -> whether null may stand there (a pair of every session has no name)."""
_NAME_LENGTH_MAX = 200
_CURRENCIES: tuple[Literal["USD", "pUSD"], ...] = ("USD", "pUSD")
_REGIMES: tuple[Regime | None, ...] = (*(name for _, name in REGIMES), None)
_TERMS_KEYS = frozenset({"tick", "lot", "min_size", "currency"})
_VENUE_KEYS = frozenset({"kalshi", "polymarket", "polymarket_us"})
_KEYS = {
    "": frozenset(_NAMES)
    | {
        "relation",
        "settlement_note",
        "mapping_source",
        "fees_note",
        "fees_assumed",
        "settlement",
        "settled_at",
        "expected_settlement",
        "terms",
    },
    "fees_assumed": frozenset({"kalshi", "polymarket"}),
    "fees_assumed.kalshi": frozenset({"type", "multiplier", "regime", "member_precision"}),
    "fees_assumed.polymarket": frozenset({"venue", "rate", "exponent", "rounding"}),
    "settlement": _VENUE_KEYS,
    "terms": _VENUE_KEYS,
    "terms.kalshi": _TERMS_KEYS,
    "terms.polymarket": _TERMS_KEYS,
    "terms.polymarket_us": _TERMS_KEYS,
}
"""Object of a pair, by path -> the keys it may have."""
_SAME_ORACLE_ERROR = Clause(
    name="oracle error", q=Decimal("0.0005"), yes_no=Decimal(0), no_yes=Decimal(0)
)
"""Prior of METHODS 2.3 for sports with equal rules: both legs lose."""


def parse_recorded(
    data: bytes | str, *, accept: bool, source: str = "pairs.json"
) -> tuple[Pair, ...]:
    """Convert the recordings' pairs to schema 1.

    Parameters
    ----------
    accept
        True adds an approval of kind ``recorded``, which only backtests honour; False leaves the
        pairs unapproved: they are watched, not traded.

    Raises
    ------
    PairsError
        Names the file, the pair and the field that is missing or wrong.
    """
    try:
        rows = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise PairsError(f"{source}: no JSON: {error}") from None
    if not isinstance(rows, list):
        allowed = 'a list of pairs or {"schema": 1, ...}'
        raise PairsError(f"{source}: found {type(rows).__name__}, allowed {allowed}")
    pairs = tuple(_pair(row, i, source, accept=accept) for i, row in enumerate(rows))
    # whoever reads the converted file would blame that file for what is wrong in this one
    return parse_pairs(encode_pairs(pairs), source)


def is_recorded(data: bytes | str) -> bool:
    """Say whether these bytes are a recording's list, or at least no object as schema 1 is."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    return not text.lstrip().startswith("{")


def _pair(row: object, position: int, source: str, *, accept: bool) -> Pair:
    if not isinstance(row, dict):
        raise PairsError(f"{source}: pairs[{position}]: found {row!r}, allowed an object")
    label = row.get("pair_id", "?")
    try:
        return _convert(row, accept=accept)
    except KeyError as error:
        raise PairsError(
            f"{source}: pairs[{position}] ({label}): field {error} is missing"
        ) from None
    except (ValueError, TypeError, AttributeError) as error:
        raise PairsError(f"{source}: pairs[{position}] ({label}): {error}") from None


def _convert(row: dict[str, Any], *, accept: bool) -> Pair:
    _check_keys(row)
    _check_names(row)
    if row["polymarket_venue"] not in _VENUES:
        raise ValueError(
            f"polymarket_venue: found {row['polymarket_venue']!r}, allowed {sorted(_VENUES)}"
        )
    venue, key = _VENUES[row["polymarket_venue"]]
    is_inverse = _is_inverse(row.get("relation"))
    settled_at = _instant(row, "settled_at")
    return Pair(
        pair_id=row["pair_id"],
        session=row["session"],
        markets=(
            _kalshi(row, settled_at),
            _polymarket(row, venue, key, settled_at, is_inverse=is_inverse),
        ),
        relation="equivalent",
        grade="A",
        family=f"{row['kalshi_ticker'].split('-')[0]} x {key}",
        approval=(
            Approval(by="recording", at=datetime(1970, 1, 1, tzinfo=UTC), kind="recorded")
            if accept
            else None
        ),
        expected_settlement=_instant(row, "expected_settlement"),
        divergence=(_SAME_ORACLE_ERROR,),
        note=row.get("fees_note", ""),
    )


def _check_keys(row: dict[str, Any], path: str = "") -> None:
    """Refuse keys that nobody reads: a misspelt term would be a term that does not count."""
    for key, value in row.items():
        place = f"{path}.{key}" if path else key
        if key not in _KEYS[path]:
            allowed = sorted(_KEYS[path])
            close = difflib.get_close_matches(key, allowed, n=1)
            hint = f" (did you mean {close[0]!r}?)" if close else ""
            raise ValueError(f"found field {place!r}{hint}, allowed {', '.join(allowed)}")
        if place in _KEYS:
            if not isinstance(value, dict):
                raise ValueError(f"{place}: found {value!r}, allowed an object")
            _check_keys(value, place)


def _check_names(row: dict[str, Any]) -> None:
    """Refuse names that are no text: everything after looks books up by them."""
    for field, is_optional in _NAMES.items():
        value = row.get(field)
        if value is None and (is_optional or field not in row):
            continue  # a missing name is reported by who needs it
        if not isinstance(value, str) or not 0 < len(value) <= _NAME_LENGTH_MAX:
            allowed = f"text of 1 to {_NAME_LENGTH_MAX} characters"
            raise ValueError(
                f"{field}: found {value!r}, allowed {allowed}{' or null' * is_optional}"
            )
    note = row.get("fees_note", "")
    if not isinstance(note, str):
        raise ValueError(f"fees_note: found {note!r}, allowed text")


def _is_inverse(relation: object) -> bool:
    """Read the orientation; guessing it would turn a hedge into a doubled bet."""
    if not isinstance(relation, str) or relation not in _INVERSE_OF:
        allowed = ", ".join(repr(name) for name in _INVERSE_OF)
        raise ValueError(f"relation: found {relation!r}, allowed {allowed}")
    return _INVERSE_OF[relation]


def _kalshi(row: dict[str, Any], settled_at: datetime | None) -> PairMarket:
    ticker = row["kalshi_ticker"]
    fees = row["fees_assumed"]["kalshi"]
    opposite = row.get("kalshi_ticker_opposite")
    return PairMarket(
        venue=Venue.KALSHI,
        market=ticker,
        yes=f"{ticker}-YES",
        no=f"{ticker}-NO",
        terms=_terms(row["terms"], "kalshi"),
        fees=KalshiFees(
            fees["type"],
            dec(fees["multiplier"], "fees_assumed.kalshi.multiplier"),
            dec(fees["member_precision"], "fees_assumed.kalshi.member_precision"),
            _one_of(fees["regime"], "fees_assumed.kalshi.regime", _REGIMES),
        ),
        settlement=_settlement(row["settlement"]["kalshi"], settled_at),
        routes=(
            (Route(market=opposite, yes=f"{opposite}-YES", no=f"{opposite}-NO", inverse=True),)
            if opposite
            else ()
        ),
    )


def _polymarket(
    row: dict[str, Any],
    venue: Venue,
    key: str,
    settled_at: datetime | None,
    *,
    is_inverse: bool,
) -> PairMarket:
    fees = row["fees_assumed"]["polymarket"]
    rate = dec(fees["rate"], "fees_assumed.polymarket.rate")
    terms: FeeTerms
    if venue is Venue.POLYMARKET:
        token = row["polymarket_token_yes"]
        market, yes, no = token, token, f"{token}-NO"
        terms = PolymarketFees(rate, dec(fees["exponent"], "fees_assumed.polymarket.exponent"))
        notional_min = Decimal(1)  # marketable BUYs of less are refused
    else:
        market = row["polymarket_slug"]
        yes, no = f"{market}-YES", f"{market}-NO"
        terms, notional_min = PolymarketUSFees(rate), Decimal(0)
    return PairMarket(
        venue=venue,
        market=market,
        yes=yes,
        no=no,
        terms=_terms(row["terms"], key, notional_min),
        fees=terms,
        inverse=is_inverse,
        settlement=_settlement(row["settlement"][key], settled_at),
    )


def _terms(terms: dict[str, Any], key: str, notional_min: Decimal = Decimal(0)) -> MarketTerms:
    row, place = terms[key], f"terms.{key}"
    return MarketTerms(
        ticks=uniform_ticks(dec(row["tick"], f"{place}.tick")),
        lot=dec(row["lot"], f"{place}.lot"),
        size_min=dec(row["min_size"], f"{place}.min_size"),
        notional_min=notional_min,
        currency=_one_of(row["currency"], f"{place}.currency", _CURRENCIES),
    )


def _settlement(value: str | None, settled_at: datetime | None) -> Settlement:
    if value is None:
        return Settlement()
    return Settlement(value=dec(value, "settlement"), settled_at=settled_at)


def _instant(row: dict[str, Any], field: str) -> datetime | None:
    value = row[field]
    if value is None:
        return None
    try:
        instant = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        instant = None
    if instant is None or instant.tzinfo is None:
        # a time without zone would be read as the local time of whoever runs the backtest
        raise ValueError(f"{field}: found {value!r}, allowed 2026-07-20T00:00:00Z or null")
    return instant


def _one_of[T: str | None](value: object, field: str, allowed: Collection[T]) -> T:
    for name in allowed:
        if value == name:
            return name
    names = ", ".join("null" if name is None else str(name) for name in allowed)
    raise ValueError(f"{field}: found {value!r}, allowed {names}")
