"""Price grids: bands of steps by label (KALSHI, price grid). ``price_ranges`` is the truth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulators.kalshi.units import DOLLAR_PX, price


@dataclass(frozen=True, slots=True)
class Band:
    """Prices from ``start`` to ``end`` inclusive lie on multiples of ``step``, in $0.0001."""

    start: int
    end: int
    step: int

    def to_json(self) -> dict[str, Any]:
        """Return the band as it stands in ``price_ranges``."""
        return {"start": price(self.start), "end": price(self.end), "step": price(self.step)}


def _edges(edge: int, centre: int, width: int = 1000) -> tuple[Band, ...]:
    if edge == centre:
        return (Band(0, DOLLAR_PX, centre),)
    return (
        Band(0, width, edge),
        Band(width, DOLLAR_PX - width, centre),
        Band(DOLLAR_PX - width, DOLLAR_PX, edge),
    )


STRUCTURES: dict[str, tuple[Band, ...]] = {
    "linear_cent": _edges(100, 100),
    "deci_cent": _edges(10, 10),
    "tapered_deci_cent": _edges(10, 100),
    "center_whole_edge_half_cent": _edges(50, 100),
    "center_whole_edge_quint_cent": _edges(20, 100),
    "center_half_edge_half_cent": _edges(50, 50),
    "center_half_edge_quint_cent": _edges(20, 50),
    "center_half_edge_deci_cent": _edges(10, 50),
    "center_quint_edge_quint_cent": _edges(20, 20),
    "center_quint_edge_deci_cent": _edges(10, 20),
    "center_centi_edge_centi_cent": _edges(1, 1),
    "center_deci_edge_centi_cent": _edges(1, 10, width=100),
    # The ranges of this label are published nowhere we can read: ours are a guess.
    "banded_centi_cent": _edges(1, 20, width=500),
}


def orderable(bands: tuple[Band, ...], px: int) -> bool:
    """Return whether an order may carry this price: strictly inside (0, 1) and on a band's step.

    At a band's edge the grids of both neighbours count.
    """
    if not 0 < px < DOLLAR_PX:
        return False
    return any(b.start <= px <= b.end and (px - b.start) % b.step == 0 for b in bands)


def coarsest_step(bands: tuple[Band, ...]) -> int:
    """Return the largest step of all bands, valid everywhere in the book."""
    return max(band.step for band in bands)
