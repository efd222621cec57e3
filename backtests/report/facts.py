"""What several sections need: names, intervals between looks, opportunities, waterfall steps."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from backtests.report.folder import Folder, decimal
from backtests.report.refusals import Refusals, by_reason
from backtests.report.stats import Episode, Survival, episodes, kaplan_meier
from backtests.report.text import NS

ZERO = Decimal(0)
VENUES = {"KALSHI": "Kalshi", "POLYMARKET": "Polymarket", "POLYMARKET_US": "Polymarket US"}
#: Where a session does not say how it was recorded: looks further apart than this are polls.
POLLED_NS = NS


@dataclass(frozen=True)
class Check:
    """Something the report verified for itself."""

    claim: str
    holds: bool
    numbers: str


@dataclass(frozen=True)
class Step:
    """A step of the waterfall."""

    key: str
    name: str
    amount: Decimal
    meaning: str


_STEPS = {
    "detected_edge": ("Edge detected", "what the decisions to trade promised, before fees"),
    "not_filled": ("Not filled", "promised contracts that never became a box"),
    "slippage": ("Slippage", "fills at worse prices than the decision saw"),
    "entry_fees": ("Entry fees", "fees of both legs of the boxes"),
    "closed": ("Closed early", "boxes sold back before settlement, against holding them"),
    "unwind": ("Unwinds", "first legs sold back because the second leg missed, fees included"),
    "unhedged": ("Single contracts", "contracts held without their other leg, to the end"),
    "settlement": ("Settlement", "boxes that paid more or less than $1; open ones at their worst"),
}


def venue(name: str) -> str:
    """Return a venue's name for people."""
    return VENUES.get(name, name)


def short(instrument: str) -> str:
    """Shorten Polymarket's 77-digit token ids: ``1155…7169-NO``."""
    name, _, _ = instrument.rpartition(".")
    name = name or instrument
    head, dash, tail = name.partition("-")
    return f"{head[:4]}…{head[-4:]}{dash}{tail}" if head.isdigit() and len(head) > 20 else name


class Facts:
    """One run's derived facts, each computed once."""

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self.summary = folder.summary

    @property
    def synthetic(self) -> bool:
        """Whether the data were generated."""
        return bool(self.summary.get("synthetic"))

    @property
    def venues(self) -> list[str]:
        """Venues with an account, in the summary's order."""
        return list(self.summary["capital"]["start"])

    @property
    def hazard(self) -> bool:
        """Whether fills ran through the hazard model."""
        return bool(self.summary.get("models", {}).get("fills") == "hazard")

    @property
    def evaluated(self) -> int:
        """Decisions made."""
        return int(self.summary["decisions"]["evaluated"])

    @property
    def taken(self) -> int:
        """Decisions that led to orders, to open a box or to close one."""
        return int(self.summary["decisions"]["taken"])

    @cached_property
    def attempts(self) -> int:
        """Boxes that were tried, completed or not."""
        return int(self.folder.table("boxes", ["box_id"]).num_rows)

    @property
    def opened(self) -> int:
        """Boxes opened."""
        return int(self.summary["boxes"]["opened"])

    @cached_property
    def total(self) -> Decimal:
        """Profit or loss, open boxes at their worst."""
        return self.folder.number("pnl", "total")

    @cached_property
    def start(self) -> Decimal:
        """Cash before the run, all venues."""
        return self._all("start")

    @cached_property
    def end(self) -> Decimal:
        """Cash after the run, all venues."""
        return self._all("end")

    def _all(self, key: str) -> Decimal:
        return sum((self.folder.number("capital", key, v) for v in self.venues), ZERO)

    @cached_property
    def fees(self) -> Decimal:
        """Fees charged, all venues."""
        return sum(
            (self.folder.number("pnl", "fees", v) for v in self.summary["pnl"]["fees"]), ZERO
        )

    @cached_property
    def waterfall(self) -> list[Step]:
        """The steps from detected edge to result."""
        found = []
        for row in self.summary.get("waterfall", []):
            key = str(row["step"])
            name, meaning = _STEPS.get(key, (key.replace("_", " ").capitalize(), ""))
            found.append(Step(key, name, decimal(row["amount"], f"waterfall.{key}"), meaning))
        return found

    @cached_property
    def refusals(self) -> list[Refusals]:
        """Refusals by reason."""
        return by_reason(self.folder.decisions)

    def looks_of(self, pair_id: str) -> int | None:
        """Longest usual time between two looks at the books of one pair (ns), None if unknown."""
        books = self.folder.quality.get("instruments")
        legs = [
            f"{m['yes']}.{m['venue']}"
            for p in self.folder.pairs
            if p.get("pair_id") == pair_id
            for m in p["markets"]
        ]
        if not isinstance(books, dict):
            return None
        found = [int(books[leg].get("gap_median_ns") or 0) for leg in legs if leg in books]
        return max(found) if found else None

    @cached_property
    def polled(self) -> dict[str, int]:
        """Sessions whose books were polled -> longest usual time between two looks (ns).

        A session says itself whether it was ``polled`` or has one row per ``message``; where it
        does not say, looks further apart than a second are taken for polls.
        """
        found: dict[str, int] = {}
        for entry in self.summary["data"]["sessions"]:
            name, kind = str(entry["session"]), entry.get("kind")
            looks = entry.get("poll_ns") or self._usual_look(name)
            if looks and (kind == "polled" or (kind is None and looks >= POLLED_NS)):
                found[name] = int(looks)
        return found

    def _usual_look(self, session: str) -> int:
        """Longest usual time between two looks at the books of the pairs seen in a session."""
        decisions = self.folder.decisions
        seen = {str(p) for p in decisions.pair_id[decisions.session == session]}
        looks = [
            self.looks_of(p["pair_id"]) or 0
            for p in self.folder.pairs
            if p.get("session") in {None, session} and (not seen or p["pair_id"] in seen)
        ]
        return max(looks, default=0)

    @cached_property
    def poll_ns(self) -> int:
        """Longest usual time between two polls, 0 where nothing was polled."""
        return max(self.polled.values(), default=0)

    def gap_of(self, pair_id: str) -> int:
        """Silence that ends an opportunity: three usual intervals, at least a second."""
        return max(3 * (self.looks_of(pair_id) or 0), NS)

    @cached_property
    def opportunities(self) -> list[Episode]:
        """Opportunities with an edge after fees."""
        ends = {s["session"]: int(s["end_ns"]) for s in self.summary["data"]["sessions"]}
        return episodes(self.folder.decisions, self.gap_of, ends)

    @cached_property
    def lives(self) -> Survival:
        """Survival of the opportunities."""
        found = self.opportunities
        return kaplan_meier([e.life_ns / NS for e in found], [e.censored for e in found])

    @cached_property
    def median_best_edge(self) -> Decimal | None:
        """Median over opportunities of the best net edge."""
        best = [e.best_u for e in self.opportunities]
        return Decimal(int(statistics.median_low(best))).scaleb(-6) if best else None

    def money(self, *keys: str) -> Decimal:
        """Return an amount of the summary."""
        return self.folder.number(*keys)

    @property
    def without_hazard(self) -> dict[str, Any] | None:
        """The same run with every shown quote still there, where the engine made it."""
        found = self.summary.get("without_hazard")
        return found if isinstance(found, dict) else None

    def session_of(self, name: str) -> dict[str, Any] | None:
        """Return a session's entry under ``data``."""
        for entry in self.summary["data"]["sessions"]:
            if entry["session"] == name:
                return dict(entry)
        return None
