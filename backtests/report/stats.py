"""Opportunities and their statistics: episodes, Kaplan–Meier survival, histograms, Wilson bounds.

An *opportunity* is a run of looks at one direction of one pair, in one session, whose net edge
(after fees, before the hurdle) was positive. Looks at books that cannot be believed (crossed, too
old, too good to be true, ...) are no looks here. It begins at the first such look. It ends when a
look finds no edge, or when none follows within the pair's gap; it is right-censored when we took
it (its natural end was not seen) or when the session ended first.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter

import numpy as np

from backtests.report.folder import Bools, Decisions, Ints
from backtests.report.refusals import UNBELIEVED


@dataclass(frozen=True)
class Episode:
    """One opportunity: first and last look with an edge, best edge (units), how it ended."""

    pair_id: str
    direction: str
    first_ns: int
    last_ns: int
    looks: int
    best_u: int
    taken: bool
    censored: bool

    @property
    def life_ns(self) -> int:
        """Time from the first to the last look with an edge: a lower bound of its life."""
        return self.last_ns - self.first_ns


@dataclass(frozen=True)
class Survival:
    """Kaplan–Meier estimate: at ``times`` (s) the share alive falls to ``alive``."""

    times: tuple[float, ...]
    alive: tuple[float, ...]
    at_risk: tuple[int, ...]
    n: int
    censored: int

    def share_after(self, seconds: float) -> float:
        """Return the share of opportunities still alive after a time."""
        share = 1.0
        for time, alive in zip(self.times, self.alive, strict=True):
            if time > seconds:
                break
            share = alive
        return share

    @property
    def median(self) -> float | None:
        """Median life in seconds, or None when fewer than half are known to have ended."""
        for time, alive in zip(self.times, self.alive, strict=True):
            if alive <= 0.5:
                return time
        return None


def believable(decisions: Decisions) -> Bools:
    """Say which looks for a box to open saw books that can be believed."""
    unbelieved = np.isin(decisions.reason.astype(str), sorted(UNBELIEVED))
    return np.asarray(~unbelieved & (decisions.kind == "open"), dtype=np.bool_)


def episodes(
    decisions: Decisions, gap_of: Callable[[str], int], session_ends: dict[str, int]
) -> list[Episode]:
    """Cut the looks of each pair and direction into opportunities."""
    keys: dict[tuple[str, str, str], list[int]] = {}
    columns = (decisions.session, decisions.pair_id, decisions.direction)
    believed = believable(decisions) & decisions.net.present
    for row, key in enumerate(zip(*columns, strict=True)):
        if believed[row]:
            keys.setdefault((str(key[0]), str(key[1]), str(key[2])), []).append(row)
    found: list[Episode] = []
    for (session, pair_id, direction), rows in keys.items():
        gap_ns = gap_of(pair_id)
        for run in _runs(decisions, np.asarray(rows), gap_ns):
            last = int(decisions.ts_ns[run[-1]])
            taken = bool((decisions.outcome[run] == "taken").any())
            end = session_ends.get(session)
            found.append(
                Episode(
                    pair_id,
                    direction,
                    int(decisions.ts_ns[run[0]]),
                    last,
                    len(run),
                    int(decisions.net.values[run].max()),
                    taken,
                    taken or (end is not None and end - last <= gap_ns),
                )
            )
    return sorted(found, key=lambda e: (e.first_ns, e.pair_id, e.direction))


def _runs(decisions: Decisions, rows: Ints, gap_ns: int) -> list[Ints]:
    """Split rows of one direction where the edge was gone or too much time passed."""
    edge = decisions.net.values[rows] > 0
    if not edge.any():
        return []
    late = np.diff(decisions.ts_ns[rows]) > gap_ns
    cut = np.flatnonzero(late | (edge[1:] != edge[:-1])) + 1
    return [run for run in np.split(rows, cut) if decisions.net.values[run[0]] > 0]


def kaplan_meier(lives_s: list[float], censored: list[bool]) -> Survival:
    """Estimate the survival of opportunities from lives and censoring flags.

    Notes
    -----
    Product-limit estimator (Kaplan & Meier 1958): at each time with d ends among r at risk the
    share alive is multiplied by 1 - d/r. At equal times ends come before censorings.
    """
    order = sorted(zip(lives_s, censored, strict=True))
    times: list[float] = []
    alive: list[float] = []
    risk: list[int] = []
    share, at_risk = 1.0, len(order)
    for time, group in groupby(order, key=itemgetter(0)):
        flags = [flag for _, flag in group]
        ended = flags.count(False)
        if ended:
            share *= 1 - ended / at_risk
            times.append(time)
            alive.append(share)
            risk.append(at_risk)
        at_risk -= len(flags)
    return Survival(tuple(times), tuple(alive), tuple(risk), len(order), sum(censored))


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a rate; (0, 1) when nothing, or less, was tried."""
    if not 0 <= hits <= n or n == 0:
        return 0.0, 1.0
    p = hits / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, centre - half), min(1.0, centre + half)


def nice_step(span: float, parts: int = 6) -> float:
    """Return a step of 1, 2 or 5 times a power of ten that cuts ``span`` in about ``parts``."""
    if span <= 0:
        return 1.0
    raw = span / parts
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
