"""A local Kalshi: the venue's REST and WebSocket interfaces on loopback.

`create_venue` is what the launcher calls; `simulators.kalshi.build.build_app` gives the same
venue without sockets, with time as an argument.
"""

from __future__ import annotations

from simulators.kalshi.server import KalshiVenue
from simulators.venue import LaunchContext


def create_venue(context: LaunchContext) -> KalshiVenue:
    """Return a Kalshi that is not listening yet.

    Raises
    ------
    ValueError
        A tier, a switch or a fault rule is unknown; nothing was started.

    """
    return KalshiVenue(context)
