"""Neutral events that both venues list, each in its own words and with its own ids.

An event knows nothing of a venue: names, fair prices, times and the plain rule. Each venue makes
its catalogue of it (`simulators.kalshi.catalogue`, the Polymarket simulator's own), so an event
listed on both is the same event by construction, and its ``key`` is the ground truth of pairing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from simulators.clock import NS_PER_S

BOTH = frozenset({"kalshi", "polymarket"})
KALSHI = frozenset({"kalshi"})
POLYMARKET = frozenset({"polymarket"})
_HOUR_NS = 3600 * NS_PER_S


@dataclass(frozen=True, slots=True)
class Outcome:
    """One way an event can end: short code, name, fair price of YES in dollars."""

    key: str
    name: str
    fair: Decimal


@dataclass(frozen=True, slots=True)
class NeutralEvent:
    """One real-world event.

    Attributes
    ----------
    key
        Unique, venue-free: ``"nba-bos-nyk"``.
    kind
        ``game`` (outcomes are the sides), ``winner`` (one of several), ``question`` (yes or no;
        a single outcome).
    category, league
        ``sports``/``politics``/``economics``/``crypto``/``climate``; league code or ``""``.
    title
        Neutral title; venues may reword it.
    outcomes
        For ``game`` the first one is the away side. Fair prices sum to 1 unless a question.
    rule
        The rule in one sentence, with ``{name}`` where the outcome goes.
    source
        Who decides.
    start_ns, close_ns
        When the event begins and when trading ends.
    venues
        Where it is listed.
    strike
        Threshold of a numeric question (a BTC price, a temperature), or "".

    """

    key: str
    kind: str
    category: str
    league: str
    title: str
    outcomes: tuple[Outcome, ...]
    rule: str
    source: str
    start_ns: int
    close_ns: int
    venues: frozenset[str] = BOTH
    strike: str = ""


@dataclass(frozen=True, slots=True)
class Hazards:
    """Chances that make fills as bad as they were in real two-leg trading (0 = pure matching).

    Marginals of the one public two-leg ledger (BTC 15-minute markets, 2026-02-08 to 10: 1,939
    attempts): they already contain staleness and latency, so add no latency on top.

    Attributes
    ----------
    first_leg_fill
        (size ratio from, chance in percent): displayed size over ours → chance that an
        immediate order on Polymarket finds anything.
    second_leg_fill
        The same for a fill-or-kill order on Kalshi.
    edge_fill
        (net edge from, in cents; chance in percent): the fatter the edge, the staler the quote.

    """

    first_leg_fill: tuple[tuple[Decimal, int], ...] = ()
    second_leg_fill: tuple[tuple[Decimal, int], ...] = ()
    edge_fill: tuple[tuple[Decimal, int], ...] = ()

    @staticmethod
    def chance_percent(table: tuple[tuple[Decimal, int], ...], value: Decimal) -> int:
        """Return the chance of the last row whose threshold ``value`` reaches; 100 if no table."""
        found = 100 if not table else table[0][1]
        for threshold, percent in table:
            if value >= threshold:
                found = percent
        return found


CALIBRATED = Hazards(
    first_leg_fill=((Decimal("0"), 29), (Decimal("4"), 40), (Decimal("20"), 48)),
    second_leg_fill=((Decimal("0"), 54), (Decimal("4"), 65), (Decimal("20"), 80)),
    edge_fill=((Decimal("3"), 48), (Decimal("5"), 40), (Decimal("10"), 33), (Decimal("15"), 27)),
)


@dataclass(frozen=True, slots=True)
class Scenario:
    """What a run starts with: a name, the events, the hazards and free options by venue."""

    name: str
    start_ns: int
    events: tuple[NeutralEvent, ...]
    hazards: Hazards = field(default_factory=Hazards)
    options: dict[str, Any] = field(default_factory=dict)

    def on(self, venue: str) -> tuple[NeutralEvent, ...]:
        """Return the events that ``venue`` lists."""
        return tuple(event for event in self.events if venue in event.venues)


SCENARIOS = ("default", "calibrated", "quiet")


def load_scenario(name: str, start_ns: int) -> Scenario:
    """Return a scenario by name.

    ``default`` is pure matching with a moving market, ``calibrated`` the same with the hazards of
    real two-leg trading, ``quiet`` the same events with empty books and no flow.

    Raises
    ------
    ValueError
        Unknown name; the message lists the known ones.

    """
    if name not in SCENARIOS:
        raise ValueError(f"scenario {name!r} is unknown: choose one of {', '.join(SCENARIOS)}")
    events = tuple(_event(row, start_ns) for row in _EVENTS)
    hazards = CALIBRATED if name == "calibrated" else Hazards()
    return Scenario(name, start_ns, events, hazards, {"flow": name != "quiet"})


type _Row = tuple[str, str, str, str, str, str, str, str, int, int, frozenset[str], str]

_GAME = "If {name} wins the game, the market resolves to Yes."
_MATCH = "If {name} wins the match after a ball has been played, the market resolves to Yes."
_NBA, _MLB, _EPL = "National Basketball Association", "Major League Baseball", "Premier League"

# key, kind, category, league, title, outcomes "code|name|fair;…", rule, source,
# hours to the start, hours from start to close, venues, strike
_EVENTS: tuple[_Row, ...] = (
    ("nba-bos-nyk", "game", "sports", "nba", "Boston Celtics vs. New York Knicks",
     "BOS|Boston Celtics|0.55;NYK|New York Knicks|0.45", _GAME, _NBA, 30, 4, BOTH, ""),
    ("nba-lal-den", "game", "sports", "nba", "Los Angeles Lakers vs. Denver Nuggets",
     "LAL|Los Angeles Lakers|0.42;DEN|Denver Nuggets|0.58", _GAME, _NBA, 32, 4, BOTH, ""),
    ("nba-mil-phi", "game", "sports", "nba", "Milwaukee Bucks vs. Philadelphia 76ers",
     "MIL|Milwaukee Bucks|0.51;PHI|Philadelphia 76ers|0.49", _GAME, _NBA, 54, 4, BOTH, ""),
    ("mlb-nyy-tor", "game", "sports", "mlb", "New York Yankees vs. Toronto Blue Jays",
     "NYY|New York Yankees|0.53;TOR|Toronto Blue Jays|0.47", _GAME, _MLB, 28, 5, BOTH, ""),
    ("mlb-lad-sd", "game", "sports", "mlb", "Los Angeles Dodgers vs. San Diego Padres",
     "LAD|Los Angeles Dodgers|0.61;SD|San Diego Padres|0.39", _GAME, _MLB, 29, 5, BOTH, ""),
    ("epl-ars-che", "winner", "sports", "epl", "Arsenal vs. Chelsea",
     "ARS|Arsenal|0.48;CHE|Chelsea|0.25;TIE|Draw|0.27",
     "If {name} is the result after 90 minutes and stoppage time, the market resolves to Yes.",
     _EPL, 50, 3, BOTH, ""),
    ("atp-alc-sin", "game", "sports", "atp", "Carlos Alcaraz vs. Jannik Sinner",
     "ALC|Carlos Alcaraz|0.52;SIN|Jannik Sinner|0.48", _MATCH, "ATP Tour", 26, 6, BOTH, ""),
    ("fed-next", "winner", "economics", "", "Fed decision at the next meeting",
     "H0|No change|0.62;C25|25 bps decrease|0.31;C26|50+ bps decrease|0.04;"
     "H25|25+ bps increase|0.03",
     "If the outcome of the next scheduled FOMC meeting is {name}, the market resolves to Yes.",
     "Federal Reserve", 400, 12, BOTH, ""),
    ("btc-100k", "question", "crypto", "", "Bitcoin above $100,000 at the end of the week",
     "YES|Above $100,000|0.37",
     "If the price of Bitcoin is above $100,000 at the stated time, the market resolves to Yes.",
     "CF Benchmarks", 90, 1, BOTH, "100000"),
    ("cpi-3", "question", "economics", "", "CPI above 3.0% year over year",
     "YES|Above 3.0%|0.44",
     "If the year-over-year change of the Consumer Price Index is above 3.0%, the market resolves "
     "to Yes.", "Bureau of Labor Statistics", 300, 2, BOTH, "3.0"),
    ("shutdown", "question", "politics", "", "Government shutdown before the end of the year",
     "YES|Shutdown|0.18",
     "If a lapse in appropriations begins before the end of the year, the market resolves to Yes.",
     "Office of Personnel Management", 600, 24, BOTH, ""),
    ("mayor-2026", "winner", "politics", "", "Who will win the mayoral election?",
     "RIV|Ana Rivera|0.57;OKA|Peter Okafor|0.33;LIN|Mei Lin|0.10",
     "If {name} wins the election, the market resolves to Yes.",
     "City Board of Elections", 500, 24, BOTH, ""),
    ("high-nyc", "winner", "climate", "", "Highest temperature in New York City",
     "B48|48° or below|0.22;B49.5|49° to 50°|0.31;B51.5|51° to 52°|0.28;T53|53° or above|0.19",
     "If the highest temperature recorded in Central Park is {name}, the market resolves to Yes.",
     "National Weather Service", 20, 10, KALSHI, ""),
    ("quick-settle", "question", "politics", "", "1+1 = 2",
     "YES|2|0.97", "If 1+1 equals 2 at the scheduled time, the market resolves to Yes.",
     "Arithmetic", 6, 1, KALSHI, ""),
    ("nfl-kc-buf", "game", "sports", "nfl", "Kansas City Chiefs vs. Buffalo Bills",
     "KC|Kansas City Chiefs|0.50;BUF|Buffalo Bills|0.50", _GAME,
     "National Football League", 70, 5, KALSHI, ""),
    ("album-jan", "question", "entertainment", "", "New album announced before February",
     "YES|Announced|0.29", "If the album is officially announced before February 1, Yes.",
     "Official announcement", 700, 24, POLYMARKET, ""),
    ("eth-5k", "question", "crypto", "", "Ethereum above $5,000 at the end of the month",
     "YES|Above $5,000|0.24", "If the price of Ethereum is above $5,000 at the stated time, Yes.",
     "Binance", 200, 1, POLYMARKET, "5000"),
    ("ceasefire", "question", "politics", "", "Ceasefire agreement signed by the end of the year",
     "YES|Signed|0.15", "If a ceasefire agreement is signed before the end of the year, Yes.",
     "Consensus of credible reporting", 650, 24, POLYMARKET, ""),
    ("ipo-q1", "question", "economics", "", "IPO completed by the end of the quarter",
     "YES|Completed|0.41", "If shares begin trading before the end of the quarter, Yes.",
     "Exchange notice", 800, 24, POLYMARKET, ""),
    ("oscar-pic", "winner", "entertainment", "", "Best picture",
     "HAM|Hamnet|0.36;ONE|One Battle After Another|0.52;SEN|Sentimental Value|0.12",
     "If {name} wins best picture, the market resolves to Yes.",
     "Academy of Motion Picture Arts and Sciences", 900, 24, POLYMARKET, ""),
)  # fmt: skip


def _event(row: _Row, start_ns: int) -> NeutralEvent:
    key, kind, category, league, title, sides, rule, source, begin, last, venues, strike = row
    outcomes = tuple(
        Outcome(code, name, Decimal(fair))
        for code, name, fair in (side.split("|") for side in sides.split(";"))
    )
    # Whole hours, so that dates in tickers and slugs do not depend on the second of the launch.
    hour = start_ns - start_ns % _HOUR_NS
    begins = hour + begin * _HOUR_NS
    return NeutralEvent(
        key, kind, category, league, title, outcomes, rule, source,
        begins, begins + last * _HOUR_NS, venues, strike,
    )  # fmt: skip
