"""The latent fair price of an event and what each venue shows of it.

The log odds follow a mean-reverting diffusion with jumps. Each venue sees every jump after its
own reaction time: one venue at once, the other later. Between the two the books disagree, and a
stale quote stands at a price that is a true edge for whoever is faster. A slow basis sits on one
venue on top.

Everything is drawn by (seed, stream, pair, chunk), so a chunk does not depend on how it is read.
Statistics are binary floats; prices become integers in :mod:`backtests.data.synthetic.book`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from backtests.data.synthetic.settings import Style

Floats = NDArray[np.float64]

_GRID_S = 0.5
#: The log odds fall back to their start with this half-life, so that a long session stays a market.
_HALF_LIFE_S = 3 * 3600.0
_BASIS_HALF_LIFE_S = 1200.0
_PATH, _JUMPS, _BASIS, _START = range(4)


def rng(seed: int, *key: int) -> np.random.Generator:
    """Return the generator of one named stream."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *key])))


@dataclass(slots=True)
class Jump:
    """A jump of the log odds and when each venue (Kalshi, Polymarket) reacts, in seconds."""

    at_s: float
    size: float
    seen_s: tuple[float, float]


class FairPrice:
    """The path of one pair, generated chunk by chunk.

    Parameters
    ----------
    seed, pair : int
        Name the random streams.
    style : Style
        Volatility, jumps, lag and basis.
    """

    def __init__(self, seed: int, pair: int, style: Style) -> None:
        self._seed = seed
        self._pair = pair
        self._style = style
        self.start_price = float(rng(seed, _START, pair).uniform(*style.price))
        self._mean = math.log(self.start_price / (1 - self.start_price))
        self._x = 0.0
        self._basis = 0.0
        self._jumps: list[Jump] = []
        self._grid: Floats = np.zeros(1)
        self._x_path: Floats = np.zeros(1)
        self._basis_path: Floats = np.zeros(1)

    def advance(self, chunk: int, start_s: float, end_s: float) -> None:
        """Draw the path from ``start_s`` to ``end_s`` (seconds since the session's start)."""
        steps = max(1, math.ceil((end_s - start_s) / _GRID_S))
        self._grid = np.asarray(start_s + np.arange(steps + 1) * ((end_s - start_s) / steps))
        step_s = (end_s - start_s) / steps
        path = rng(self._seed, _PATH, self._pair, chunk).standard_normal(steps)
        sigma = self._style.vol * math.sqrt(step_s / 60)
        self._x_path = _reverting(self._x, path * sigma, step_s, _HALF_LIFE_S)
        self._x = float(self._x_path[-1])
        kappa = math.log(2) / _BASIS_HALF_LIFE_S
        basis = rng(self._seed, _BASIS, self._pair, chunk).standard_normal(steps)
        scale = self._style.basis * math.sqrt(2 * kappa * step_s)
        self._basis_path = _reverting(self._basis, basis * scale, step_s, _BASIS_HALF_LIFE_S)
        self._basis = float(self._basis_path[-1])
        self._forget(start_s)
        self._jumps += self._new_jumps(chunk, start_s, end_s)

    def venue_price(self, venue: int, at_s: Floats) -> Floats:
        """Return the price venue 0 (Kalshi) or 1 (Polymarket) believes at these times."""
        odds = self._mean + np.interp(at_s, self._grid, self._x_path)
        kappa = math.log(2) / _HALF_LIFE_S
        for jump in self._jumps:
            seen = at_s >= jump.seen_s[venue]
            odds = odds + np.where(seen, jump.size * np.exp(-kappa * (at_s - jump.at_s)), 0.0)
        price = 1 / (1 + np.exp(-odds))
        if venue == 1:
            price = price + np.interp(at_s, self._grid, self._basis_path)
        return np.clip(price, 0.0005, 0.9995)

    def seen(self, venue: int, start_s: float, end_s: float) -> Floats:
        """Return when a venue reacts to jumps in [start, end), in seconds."""
        times = [j.seen_s[venue] for j in self._jumps if start_s <= j.seen_s[venue] < end_s]
        return np.array(times, dtype=np.float64)

    def fair(self, at_s: float) -> float:
        """Return the latent price at one time of the last chunk drawn."""
        odds = self._mean + float(np.interp(at_s, self._grid, self._x_path))
        kappa = math.log(2) / _HALF_LIFE_S
        odds += sum(j.size * math.exp(-kappa * (at_s - j.at_s)) for j in self._jumps)
        return 1 / (1 + math.exp(-odds))

    def _new_jumps(self, chunk: int, start_s: float, end_s: float) -> list[Jump]:
        draw = rng(self._seed, _JUMPS, self._pair, chunk)
        count = int(draw.poisson(self._style.jumps * (end_s - start_s) / 3600))
        times = np.sort(draw.uniform(start_s, end_s, count))
        out = []
        for at in times:
            size = float(draw.standard_normal()) * self._style.jump
            first = float(draw.uniform(0.05, 0.4))
            late = first + self._style.lag_s * math.exp(
                self._style.lag_sigma * float(draw.standard_normal())
            )
            seen = (at + first, at + late) if draw.random() < 0.5 else (at + late, at + first)
            out.append(Jump(float(at), size, seen))
        return out

    def _forget(self, now_s: float) -> None:
        """Fold jumps that both venues have seen into the path, so that the list stays short."""
        kappa = math.log(2) / _HALF_LIFE_S
        kept = []
        for jump in self._jumps:
            if max(jump.seen_s) < now_s:
                decay = np.exp(-kappa * (self._grid - jump.at_s))
                self._x_path = self._x_path + jump.size * decay
                self._x += jump.size * float(decay[-1])
            else:
                kept.append(jump)
        self._jumps = kept


def _reverting(start: float, shocks: Floats, step_s: float, half_life_s: float) -> Floats:
    """Ornstein-Uhlenbeck path by a scaled cumulative sum (exact, no loop)."""
    kappa = math.log(2) / half_life_s
    t = np.arange(len(shocks) + 1) * step_s
    grown = np.concatenate(([0.0], np.cumsum(shocks * np.exp(kappa * t[1:]))))
    return np.asarray((start + grown) * np.exp(-kappa * t))
