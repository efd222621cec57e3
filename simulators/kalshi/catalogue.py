"""The venue's own listing of the neutral events: series, events, markets, milestones."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from simulators.kalshi.model import Event, Market, Series
from simulators.kalshi.state import State
from simulators.kalshi.units import NS_PER_S, rfc3339
from simulators.scenario import NeutralEvent, Outcome, Scenario
from simulators.seeds import uuid_of

_DAY_NS = 86_400 * NS_PER_S
_HOUR_NS = 3600 * NS_PER_S

# prefix of the event key: series ticker, title, category, tags, shard, fee type, multiplier,
# settlement timer in seconds, price structure
type _Plan = tuple[str, str, str, tuple[str, ...], int, str, str, int, str]
_MAKER = "quadratic_with_maker_fees"
_PLANS: dict[str, _Plan] = {
    "nba": ("KXNBAGAME", "Professional Basketball Game", "Sports", ("Basketball",), 3,
            _MAKER, "1", 300, "linear_cent"),
    "mlb": ("KXMLBGAME", "Professional Baseball Game", "Sports", ("Baseball",), 3,
            _MAKER, "0.5", 300, "linear_cent"),
    "nfl": ("KXNFLGAME", "Professional Football Game", "Sports", ("Football",), 0,
            _MAKER, "1", 300, "tapered_deci_cent"),
    "epl": ("KXEPLGAME", "English Premier League Game", "Sports", ("Soccer",), 0,
            _MAKER, "1", 300, "linear_cent"),
    "atp": ("KXATPMATCH", "ATP Tennis Match", "Sports", ("Tennis",), 3,
            _MAKER, "1", 60, "linear_cent"),
    "fed": ("KXFEDDECISION", "Fed meeting", "Economics", ("Fed",), 0,
            "quadratic", "1", 1800, "deci_cent"),
    "btc": ("KXBTCD", "Bitcoin price", "Crypto", ("BTC",), 2,
            "quadratic", "1", 1800, "center_half_edge_deci_cent"),
    "cpi": ("KXCPIYOY", "CPI year over year", "Economics", ("Inflation",), 0,
            "quadratic", "1", 1800, "tapered_deci_cent"),
    "shutdown": ("KXGOVSHUT", "Government shutdown", "Politics", ("Congress",), 0,
                 "quadratic", "1", 1800, "linear_cent"),
    "mayor": ("KXMAYOR", "Mayoral election", "Elections", ("Local",), 0,
              "quadratic", "1", 1800, "linear_cent"),
    "high": ("KXHIGHNY", "Highest temperature in NYC", "Climate and Weather", ("Daily",), 0,
             "quadratic", "1", 3600, "linear_cent"),
    "quick": ("KXQUICKSETTLE", "Quick settle", "Education", ("Test",), 0,
              "quadratic", "1", 5, "linear_cent"),
}  # fmt: skip
_FALLBACK: _Plan = ("KXEVENT", "Event", "World", (), 0, "quadratic", "1", 60, "linear_cent")


def list_scenario(state: State, scenario: Scenario) -> dict[str, tuple[str, Decimal]]:
    """List every event of the scenario and return ticker → (outcome, fair price)."""
    fair: dict[str, tuple[str, Decimal]] = {}
    for neutral in scenario.on("kalshi"):
        plan = _PLANS.get(neutral.key.split("-")[0], _FALLBACK)
        _list_series(state, plan, neutral)
        event = _list_event(state, plan, neutral)
        for outcome in neutral.outcomes:
            market = _list_market(state, plan, neutral, event, outcome)
            fair[market.ticker] = (market.outcome, outcome.fair)
        if neutral.category == "sports":
            state.milestones.append(_milestone(state, neutral, event))
    return fair


def _list_series(state: State, plan: _Plan, neutral: NeutralEvent) -> None:
    ticker, title, category, tags, shard, fee_type, multiplier, _, _ = plan
    if ticker in state.series:
        return
    state.add_series(
        Series(
            ticker=ticker,
            title=title,
            category=category,
            tags=tags,
            fee_type=fee_type,
            fee_multiplier=Fraction(multiplier),
            exchange_index=shard,
            sources=({"name": neutral.source, "url": "https://example.invalid/source"},),
            updated_ns=state.now_ns,
        )
    )


def _list_event(state: State, plan: _Plan, neutral: NeutralEvent) -> Event:
    code = "".join(outcome.key for outcome in neutral.outcomes[:2] if neutral.kind == "game")
    if neutral.league == "epl":
        code = "".join(outcome.key for outcome in neutral.outcomes[:2])
    ticker = f"{plan[0]}-{_date(neutral.start_ns)}{code}"
    if ticker in state.events:
        ticker = f"{ticker}{len(state.events)}"
    title = neutral.title.replace(" vs. ", " at " if neutral.kind == "game" else " vs ")
    event = Event(
        ticker=ticker,
        series_ticker=plan[0],
        title=title,
        sub_title=f"{neutral.title} ({_day(neutral.start_ns)})",
        category=plan[2],
        mutually_exclusive=neutral.kind in ("game", "winner"),
        exchange_index=plan[4],
        strike_ns=neutral.start_ns,
        updated_ns=state.now_ns,
    )
    if neutral.league:
        event.metadata = {"competition": plan[1], "competition_scope": "Game"}
    state.add_event(event)
    return event


def _list_market(
    state: State, plan: _Plan, neutral: NeutralEvent, event: Event, outcome: Outcome
) -> Market:
    suffix = f"T{neutral.strike}" if neutral.strike else outcome.key
    single = neutral.kind == "question" and not neutral.strike
    ticker = event.ticker if single else f"{event.ticker}-{suffix}"
    strike = float(neutral.strike) if neutral.strike else None
    market = Market(
        ticker=ticker,
        event_ticker=event.ticker,
        market_id=uuid_of(state.seed, "market", ticker),
        title=_question(neutral, outcome),
        yes_sub_title=outcome.name,
        no_sub_title=outcome.name,
        rules_primary=neutral.rule.replace("{name}", outcome.name),
        rules_secondary=f"The outcome is verified from {neutral.source}. If the event does not "
        "take place, the market resolves to a fair price.",
        exchange_index=event.exchange_index,
        created_ns=state.now_ns - 2 * _DAY_NS,
        open_ns=state.now_ns - _DAY_NS,
        # Sports markets stay open long after the expected end and close early.
        close_ns=neutral.close_ns + (14 * _DAY_NS if neutral.league else 0),
        expected_ns=neutral.close_ns,
        latest_ns=neutral.close_ns + 14 * _DAY_NS,
        structure=plan[8],
        settlement_timer_s=plan[7],
        strike_type="structured" if neutral.league else ("greater" if strike else "custom"),
        floor_strike=strike,
        early_close_condition="This market will close and expire after the event occurs.",
        occurrence_ns=neutral.close_ns,
        outcome=f"{neutral.key}/{outcome.key}",
        status="active",
        updated_ns=state.now_ns,
    )
    if neutral.league:
        market.custom_strike = {f"{neutral.league}_team": uuid_of(state.seed, "team", outcome.name)}
    state.add_market(market)
    state.at(market.close_ns, "close", ticker)
    return market


def _question(neutral: NeutralEvent, outcome: Outcome) -> str:
    if neutral.kind == "question":
        return f"{neutral.title}?"
    if neutral.kind == "game":
        return f"Will {outcome.name} win the {neutral.title.replace(' vs. ', ' vs ')} game?"
    return f"{neutral.title.rstrip('?')}: {outcome.name}?"


def _milestone(state: State, neutral: NeutralEvent, event: Event) -> dict[str, Any]:
    return {
        "id": uuid_of(state.seed, "milestone", neutral.key),
        "category": "Sports",
        "type": f"{neutral.league}_game",
        "start_date": rfc3339(neutral.start_ns),
        "end_date": rfc3339(neutral.start_ns + 3 * _HOUR_NS),
        "related_event_tickers": [event.ticker],
        "primary_event_tickers": [event.ticker],
        "title": neutral.title,
        "notification_message": f"{neutral.title} is about to start",
        "source_ids": {},
        "details": {"league": neutral.league},
        "last_updated_ts": rfc3339(state.now_ns),
    }


def _date(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%y%b%d").upper()


def _day(ns: int) -> str:
    return datetime.fromtimestamp(ns // NS_PER_S, UTC).strftime("%b %d")
