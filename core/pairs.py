"""Pairs: which market of one venue equals which market of another, and on what terms.

``pairs.json``, schema 1, is documented field by field in ``docs/pairs.md``. Everything here works
on bytes and values; reading files is the caller's work.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import Annotated, Literal

import msgspec

from core.contracts import Direction, Outcome, State, Venue
from core.fees import FeeTerms
from core.fees.kalshi import datetime_ns
from core.money import PriceGrid, TickBand
from core.reasons import Reason

SCHEMA = 1

Sha256 = Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Instant = Annotated[datetime, msgspec.Meta(tz=True)]
Grade = Literal["A", "B", "C", "D"]
Relation = Literal["equivalent", "subset", "superset", "related", "unrelated"]


class PairsError(ValueError):
    """A pairs file is wrong: names the file, the pair, the field, what was found and allowed."""


class MarketTerms(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Trading terms of one market.

    Attributes
    ----------
    ticks
        Price bands in dollars, as Kalshi's ``price_ranges``; one band elsewhere.
    lot
        Size step, contracts.
    size_min
        Smallest order, contracts.
    notional_min
        Smallest marketable BUY, dollars (Polymarket: 1).
    currency
        ``USD`` or ``pUSD``.
    buy_amount_step
        Dollars: when set, price times size of an IOC BUY must be a multiple (Polymarket amount
        orders: 0.01); null where the venue takes share sizes.
    """

    ticks: tuple[TickBand, ...]
    lot: Decimal
    size_min: Decimal
    currency: Literal["USD", "pUSD"]
    notional_min: Decimal = Decimal(0)
    buy_amount_step: Decimal | None = None

    def __post_init__(self) -> None:
        PriceGrid(self.ticks)
        if self.lot <= 0 or self.lot % Decimal("0.000001"):
            raise ValueError(f"lot: found {self.lot}, allowed a positive multiple of 0.000001")
        for field in ("size_min", "notional_min"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}: found {getattr(self, field)}, allowed 0 or more")


class Settlement(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How the venue settled this market's own YES: "1", "0", a scalar, or null while unknown."""

    value: Decimal | None = None
    settled_at: Instant | None = None

    def __post_init__(self) -> None:
        if self.value is not None and not 0 <= self.value <= 1:
            raise ValueError(f"value: found {self.value}, allowed 0 to 1 or null")


class Route(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A second way to the same bet on the same venue; never additional liquidity.

    ``inverse``: the pair's YES equals this market's NO (the NO of the other team's market).
    """

    market: Name
    yes: Name
    no: Name
    inverse: bool


class PairMarket(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One venue's market in a pair.

    ``yes`` and ``no`` are Nautilus symbols of the market's own outcomes; ``inverse`` says that the
    pair's YES is this market's NO.
    """

    venue: Venue
    market: Name
    yes: Name
    no: Name
    terms: MarketTerms
    fees: FeeTerms
    inverse: bool = False
    rules_sha256: Sha256 | None = None
    settlement: Settlement = Settlement()
    close_time: Instant | None = None
    shard: int = 0
    routes: tuple[Route, ...] = ()

    @property
    def yes_id(self) -> str:
        """Nautilus instrument id of the market's own YES."""
        return f"{self.yes}.{self.venue.value}"

    @property
    def no_id(self) -> str:
        """Nautilus instrument id of the market's own NO."""
        return f"{self.no}.{self.venue.value}"

    def instrument(self, outcome: Outcome) -> str:
        """Return the instrument id of an outcome in the pair's frame."""
        return self.yes_id if (outcome is Outcome.YES) != self.inverse else self.no_id

    @property
    def pair_yes_value(self) -> Decimal | None:
        """Settlement value of the pair's YES on this venue, or None while unknown."""
        value = self.settlement.value
        if value is None:
            return None
        return 1 - value if self.inverse else value


class Approval(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who let the pair be traded and when; ``recorded`` counts in backtests alone."""

    by: Name
    at: Instant
    kind: Literal["person", "recorded"] = "person"


class Clause(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A way in which the venues can settle apart: its probability and what each box then pays."""

    name: Name
    q: Decimal
    yes_no: Decimal
    no_yes: Decimal

    def __post_init__(self) -> None:
        if not 0 <= self.q <= 1:
            raise ValueError(f"q: found {self.q}, allowed 0 to 1")
        for field in ("yes_no", "no_yes"):
            if not 0 <= getattr(self, field) <= 2:
                raise ValueError(f"{field}: found {getattr(self, field)}, allowed 0 to 2")

    def payoff(self, direction: Direction) -> Decimal:
        """Return what one box of a direction pays in this state, dollars."""
        return self.yes_no if direction is Direction.YES_NO else self.no_yes


class Pair(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True, dict=True):
    """One event on two books. Market A is the first, B the second; see ``docs/pairs.md``."""

    pair_id: Name
    markets: tuple[PairMarket, PairMarket]
    relation: Relation
    grade: Grade
    family: Name
    approval: Approval | None = None
    observed_since: Instant | None = None
    expected_settlement: Instant | None = None
    lockup_days: Decimal | None = None
    divergence: tuple[Clause, ...] = ()
    session: str | None = None
    synthetic: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        a, b = self.markets
        if a.venue is b.venue:
            raise ValueError(f"markets: found {a.venue} twice, allowed two different venues")
        for market in self.markets:
            if market.yes == market.no:
                raise ValueError(f"markets: {market.venue} yes and no are both {market.yes!r}")

    @property
    def a(self) -> PairMarket:
        """The first market."""
        return self.markets[0]

    @property
    def b(self) -> PairMarket:
        """The second market."""
        return self.markets[1]

    def instruments(self, direction: Direction) -> tuple[str, str]:
        """Return the instrument ids that a box of this direction buys, A first."""
        return (
            self.a.instrument(direction.outcome(0)),
            self.b.instrument(direction.outcome(1)),
        )

    @cached_property
    def settled_state(self) -> State | None:
        """The state both venues settled at, or None while one is unknown."""
        value_a, value_b = self.a.pair_yes_value, self.b.pair_yes_value
        if value_a is None or value_b is None:
            return None
        return State("settled", value_a, value_b)


class PairsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file: schema number and pairs."""

    schema: int
    pairs: tuple[Pair, ...]


def tradeable(
    pair: Pair,
    now_ns: int,
    *,
    rules_today: Mapping[str, str] | None = None,
    observe_ns_min: int = 0,
    allow_recorded: bool = False,
    grades: Collection[str] = ("A", "B"),
) -> tuple[Reason, str] | None:
    """Say why a pair may not be traded now, or None when it may.

    Parameters
    ----------
    now_ns
        Time of the decision.
    rules_today
        Rule-text SHA-256 by market name as read today; None leaves the check to the caller who
        has no texts (backtests).
    observe_ns_min
        How long a pair must have been observed before it trades.
    allow_recorded
        Accept approvals of kind ``recorded`` (backtests).
    grades
        Grades that may trade.
    """
    checks = (
        _approval_refusal(pair, now_ns, allow_recorded=allow_recorded, grades=grades),
        _rules_refusal(pair, rules_today),
        _time_refusal(pair, now_ns, observe_ns_min),
    )
    return next((refusal for refusal in checks if refusal), None)


def _approval_refusal(
    pair: Pair, now_ns: int, *, allow_recorded: bool, grades: Collection[str]
) -> tuple[Reason, str] | None:
    if pair.relation != "equivalent":
        return Reason.RELATION, f"relation is {pair.relation}, allowed equivalent"
    if pair.grade not in grades:
        return Reason.GRADE, f"grade is {pair.grade}, allowed {', '.join(sorted(grades))}"
    if pair.approval is None:
        return Reason.NOT_APPROVED, "no approval"
    if datetime_ns(pair.approval.at) > now_ns:
        return Reason.NOT_APPROVED, f"approved from {pair.approval.at.isoformat()} on"
    if pair.approval.kind == "recorded" and not allow_recorded:
        return Reason.NOT_APPROVED, "approval of a recording counts in backtests alone"
    return None


def _rules_refusal(pair: Pair, rules_today: Mapping[str, str] | None) -> tuple[Reason, str] | None:
    if pair.approval is not None and pair.approval.kind == "recorded":
        return None
    for market in pair.markets:
        if market.rules_sha256 is None:
            return Reason.RULE_CHANGED, f"{market.venue}: no rules hash was approved"
        if rules_today is not None and rules_today.get(market.market) != market.rules_sha256:
            return Reason.RULE_CHANGED, f"{market.venue}: rules differ from the approved text"
    return None


def _time_refusal(pair: Pair, now_ns: int, observe_ns_min: int) -> tuple[Reason, str] | None:
    if observe_ns_min > 0:
        since = pair.observed_since
        if since is None or now_ns - datetime_ns(since) < observe_ns_min:
            return Reason.NOT_OBSERVED_LONG_ENOUGH, f"observed since {since}"
    for market in pair.markets:
        if market.close_time is not None and now_ns >= datetime_ns(market.close_time):
            return Reason.MARKET_CLOSED, f"{market.venue} closed at {market.close_time.isoformat()}"
    return None


class _BinaryNumber:
    """A JSON number with a fraction: money must be text, so no field accepts it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"number {self.text} (write decimals as text)"


_JSON = msgspec.json.Decoder(float_hook=_BinaryNumber)
_PATH = re.compile(r" - at `\$(.*)`$")
_STEP = re.compile(r"\.([^.\[]+)|\[(\d+)\]")


_ALLOWED = {
    "grade": "A, B, C, D",
    "relation": "equivalent, subset, superset, related, unrelated",
    "venue": ", ".join(v.value for v in Venue),
    "currency": "USD, pUSD",
    "kind": "kalshi, polymarket, polymarket_us (fees); person, recorded (approval)",
    "regime": "legacy, 2026q2, 2026q3, null",
    "asset": "collateral, shares",
    "form": "symmetric, price_weighted",
    "rounding": "up, nearest",
    "rules_sha256": "64 hex digits in lower case, or null",
}


def _found(raw: object, path: str) -> object:
    for name, index in _STEP.findall(path):
        try:
            raw = raw[int(index)] if index else raw[name]  # type: ignore[index]  # a miss is caught
        except (KeyError, IndexError, TypeError):
            return "nothing"
    return raw


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _convert(raw: object, position: int, source: str) -> Pair:
    label = raw.get("pair_id", "?") if isinstance(raw, dict) else "?"
    try:
        return msgspec.convert(raw, Pair)
    except msgspec.ValidationError as error:
        message = str(error)
        match = _PATH.search(message)
        path = match.group(1) if match else ""
        reason = message[: match.start()] if match else message
        allowed = _ALLOWED.get(path.rpartition(".")[2])
        raise PairsError(
            f"{source}: pairs[{position}] ({label}){path or ''}: found "
            f"{_short(_found(raw, path))}: {reason}" + (f", allowed {allowed}" if allowed else "")
        ) from None


def parse_pairs(data: bytes | str, source: str = "pairs.json") -> tuple[Pair, ...]:
    """Read a pairs file of schema 1.

    Parameters
    ----------
    data
        JSON bytes or text.
    source
        File name for errors.

    Raises
    ------
    PairsError
        Names file, pair, field, what was found and what is allowed. Nothing is accepted in part.
    """
    try:
        raw = _JSON.decode(data)
    except msgspec.DecodeError as error:
        raise PairsError(f"{source}: no JSON: {error}") from None
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else type(raw).__name__
        raise PairsError(f"{source}: schema: found {_short(found)}, allowed {SCHEMA}")
    unknown = sorted(set(raw) - {"schema", "pairs"})
    if unknown:
        raise PairsError(f"{source}: found field {unknown[0]!r}, allowed schema and pairs")
    rows = raw.get("pairs")
    if not isinstance(rows, list):
        raise PairsError(f"{source}: pairs: found {_short(rows)}, allowed a list")
    pairs = tuple(_convert(row, i, source) for i, row in enumerate(rows))
    _check_unique(pairs, source)
    return pairs


def _check_unique(pairs: tuple[Pair, ...], source: str) -> None:
    seen: set[tuple[str, str | None]] = set()
    owner: dict[tuple[str, str | None], str] = {}
    for pair in pairs:
        key = (pair.pair_id, pair.session)
        if key in seen:
            raise PairsError(f"{source}: pair_id {pair.pair_id!r} appears twice in one session")
        seen.add(key)
        for market in pair.markets:
            names = [(market.yes_id, pair.session), (market.no_id, pair.session)]
            names += [(f"{r.yes}.{market.venue.value}", pair.session) for r in market.routes]
            for name in names:
                if owner.setdefault(name, pair.pair_id) != pair.pair_id:
                    # one market in two pairs would count its liquidity twice
                    raise PairsError(
                        f"{source}: instrument {name[0]} is in pair {owner[name]!r} and in "
                        f"{pair.pair_id!r}, allowed in one"
                    )


def _encode_hook(value: object) -> object:
    raise TypeError(f"pairs: cannot encode {type(value).__name__}")


_ENCODER = msgspec.json.Encoder(decimal_format="string", enc_hook=_encode_hook)


def encode_pairs(pairs: Collection[Pair]) -> bytes:
    """Write pairs as canonical ``pairs.json`` bytes; ``parse_pairs`` reads them back equal."""
    body = _ENCODER.encode(PairsFile(SCHEMA, tuple(pairs)))
    return msgspec.json.format(body, indent=1) + b"\n"


def blind(pairs: Collection[Pair]) -> tuple[Pair, ...]:
    """Return the pairs without settlement values: what a strategy may know before the end."""
    return tuple(
        msgspec.structs.replace(
            pair,
            markets=tuple(
                msgspec.structs.replace(market, settlement=Settlement()) for market in pair.markets
            ),
        )
        for pair in pairs
    )


def uniform_ticks(step: Decimal | str) -> tuple[TickBand, ...]:
    """Return the bands of a market with one tick size."""
    return (TickBand(Decimal(0), Decimal(1), Decimal(step)),)
