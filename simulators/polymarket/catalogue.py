"""The venue's own catalogue of a scenario's neutral events, and its test accounts.

A game is one market whose outcomes are the two sides; one of several winners is a neg-risk event
of Yes/No markets; a question is one Yes/No market. Ids are fixed by the event's key alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from coincurve import PrivateKey

from simulators.polymarket.keccak import keccak256, public_key_address
from simulators.polymarket.model import FeeTerms, Market
from simulators.polymarket.units import ONE
from simulators.polymarket.wallets import DEPOSIT, EOA, PROXY, SAFE, wallet_for
from simulators.polymarket.world import NS_PER_S, Event, World
from simulators.scenario import NeutralEvent, Outcome

FEES = {
    "sports": FeeTerms("sports_fees_v3", 50_000, 1, 150_000),
    "crypto": FeeTerms("crypto_fees_v2", 70_000, 1, 200_000),
    "politics": FeeTerms("politics_fees", 40_000),
    "economics": FeeTerms("economics_fees", 50_000),
    "entertainment": FeeTerms("culture_fees", 50_000),
    "climate": FeeTerms("weather_fees", 50_000),
}
TAGS = {
    "sports": ("1", "Sports", "sports"),
    "politics": ("2", "Politics", "politics"),
    "crypto": ("21", "Crypto", "crypto"),
    "economics": ("100328", "Economy", "economy"),
    "entertainment": ("596", "Culture", "pop-culture"),
    "climate": ("84", "Weather", "weather"),
}
LEAGUES = {
    "nba": ("745", "NBA", "nba", "10345"),
    "mlb": ("100381", "MLB", "mlb", "3"),
    "epl": ("82", "EPL", "epl", "10188"),
    "atp": ("864", "Tennis", "tennis", "10365"),
}

_FEELESS = frozenset({"ceasefire"})
_V2 = frozenset({"eth-5k"})
_FINE_TICK = frozenset({"oscar-pic"})
_LATE = {"ipo-q1": 120}
_DELAY_S = {"atp": 1}
_DAY_NS = 86_400 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Listed:
    """A market with what the background market needs to know."""

    market: Market
    outcome: str
    fair: Decimal


def build(world: World, events: tuple[NeutralEvent, ...]) -> list[Listed]:
    """List every event and return its markets."""
    listed: list[Listed] = []
    for number, neutral in enumerate(events, start=1):
        event = _event(neutral, number, world.now_ns)
        sides = neutral.outcomes[:1] if neutral.kind == "game" else neutral.outcomes
        for index, outcome in enumerate(sides):
            market = _market(world, neutral, event, outcome, number * 100 + index)
            world.add_market(event, market)
            listed.append(Listed(market, f"{neutral.key}/{outcome.key}", outcome.fair))
    return listed


def _event(neutral: NeutralEvent, number: int, now_ns: int) -> Event:
    tags = [TAGS.get(neutral.category, ("100", "All", "all"))]
    series = None
    if neutral.league in LEAGUES:
        tag, label, slug, series_id = LEAGUES[neutral.league]
        tags.append((tag, label, slug))
        series = (series_id, slug, label)
    game = neutral.kind == "game" or neutral.league != ""
    names = [outcome.name for outcome in neutral.outcomes]
    return Event(
        id=str(20_000 + number),
        slug=f"{neutral.key}-{_date(neutral.start_ns)}" if game else neutral.key,
        title=neutral.title,
        description=neutral.rule.format(name=names[0]),
        start_ns=now_ns - _DAY_NS,
        end_ns=neutral.close_ns,
        category=neutral.category,
        tags=tuple(tags),
        series=series,
        game_id=str(19_000_000 + number) if game else "",
        league=neutral.league,
        home=names[1] if game else "",
        away=names[0] if game else "",
        game_start_ns=neutral.start_ns if game else 0,
        neg_risk_id=_hex("neg-risk", neutral.key) if neutral.kind == "winner" else "",
    )


def _market(
    world: World, neutral: NeutralEvent, event: Event, outcome: Outcome, number: int
) -> Market:
    version = "v2" if neutral.key in _V2 else "v1"
    neg_risk = neutral.kind == "winner"
    game = neutral.kind == "game"
    name = f"{neutral.key}/{outcome.key}"
    labels = (outcome.name, neutral.outcomes[1].name) if game else ("Yes", "No")
    condition, tokens = _ids(name, version, neg_risk)
    late_ns = _LATE.get(neutral.key, 0) * NS_PER_S
    return Market(
        gamma_id=str(500_000 + number),
        condition_id=condition,
        question_id=_hex("question", name),
        tokens=tokens,
        outcomes=labels,
        question=neutral.title if not neg_risk else f"Will {outcome.name} win? {neutral.title}",
        slug=event.slug if not neg_risk else f"{event.slug}-{outcome.key.lower()}",
        description=_rules(neutral, outcome),
        event_id=event.id,
        start_ns=event.start_ns,
        end_ns=event.end_ns,
        version=version,
        neg_risk=neg_risk,
        tick=1_000 if neutral.key in _FINE_TICK else 10_000,
        min_size=5 * ONE,
        fees=None if neutral.key in _FEELESS else FEES.get(neutral.category),
        group_title=outcome.name if neg_risk else "",
        sports_type="moneyline" if event.game_id else "",
        game_id=event.game_id,
        game_start_ns=event.game_start_ns,
        seconds_delay=_DELAY_S.get(neutral.league),
        itode=neutral.category == "crypto",
        clear_book_on_start=bool(event.game_id),
        rules_source=neutral.source,
        listed_ns=world.now_ns + late_ns if late_ns else 0,
    )


def _rules(neutral: NeutralEvent, outcome: Outcome) -> str:
    text = neutral.rule.format(name=outcome.name)
    if neutral.kind == "game":
        text += (
            f" If {neutral.outcomes[1].name} wins, the market resolves to"
            f' "{neutral.outcomes[1].name}". If the game is canceled, it resolves 50-50.'
        )
    return f"{text} The resolution source is {neutral.source}."


def _ids(name: str, version: str, neg_risk: bool) -> tuple[str, tuple[str, str]]:
    """Return condition id (as the order book prints it) and asset ids."""
    digest = keccak256(f"polymarket:{name}".encode())
    if version == "v1":
        tokens = [str(int.from_bytes(keccak256(digest + bytes([side])), "big")) for side in (0, 1)]
        return "0x" + keccak256(digest).hex(), (tokens[0], tokens[1])
    module = b"\x02" if neg_risk else b"\x01"
    stem = module + digest[:18] + bytes(8) + (1).to_bytes(4, "big")
    ids = [str(int.from_bytes(stem + bytes([side]), "big")) for side in (0, 1)]
    return "0x" + stem.hex() + "00", (ids[0], ids[1])


def _hex(*parts: str) -> str:
    return "0x" + keccak256(":".join(parts).encode()).hex()


def _date(ns: int) -> str:
    days = ns // _DAY_NS + 719_468
    era, doe = divmod(days, 146_097)
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return f"{yoe + era * 400 + (month <= 2):04d}-{month:02d}-{doy - (153 * mp + 2) // 5 + 1:02d}"


@dataclass(frozen=True, slots=True)
class Account:
    """A funded test account: its key, and the address that holds the money."""

    private_key: str
    owner: str
    funder: str
    signature_type: int


KINDS = (EOA, DEPOSIT, SAFE, PROXY, EOA, DEPOSIT)


def open_accounts(world: World, cash: int, kinds: tuple[int, ...] = KINDS) -> list[Account]:
    """Create one funded, fully approved account for each signature type asked for."""
    return [
        open_account(world, kind, cash, approved=True, name=str(index))
        for index, kind in enumerate(kinds)
    ]


def open_account(
    world: World, signature_type: int, cash: int, *, approved: bool, name: str
) -> Account:
    """Create an account whose key is fixed by the seed and `name`."""
    secret = keccak256(f"polymarket-account:{world.seed}:{name}".encode())
    owner = public_key_address(PrivateKey(secret).public_key)
    funder = wallet_for(owner, signature_type)
    wallet = world.ledger.open(funder, owner, signature_type)
    wallet.usdce = cash
    world.ledger.fund(wallet, cash)
    if approved:
        world.ledger.approve_all(wallet)
    return Account("0x" + secret.hex(), owner, funder, signature_type)
