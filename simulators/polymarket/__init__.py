"""A local Polymarket: order book, catalogue, data and chain, written from the venue's documents."""

from __future__ import annotations

from simulators.polymarket.app import PolymarketVenue
from simulators.venue import LaunchContext


def create_venue(context: LaunchContext) -> PolymarketVenue:
    """Return the venue for the launcher."""
    return PolymarketVenue(context)
