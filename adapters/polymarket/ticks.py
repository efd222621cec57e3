"""Which tick size holds now, and how sure we are. Pure.

A tick can get finer in mid-life. Order of trust: the stream's `tick_size_change`, then
`GET /tick-size`, then the catalogue. While an asset's stream is whole, a change would have been
heard, so what we hold is current; otherwise it is asked for before an order is signed.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec


class _Tick(msgspec.Struct):
    size: Decimal
    confirmed_ns: int


class TickBook:
    """Tick sizes by token.

    Parameters
    ----------
    age_max_ns : int
        How long an answer of REST counts without a whole stream.
    """

    def __init__(self, age_max_ns: int = 5_000_000_000) -> None:
        self._age_max_ns = age_max_ns
        self._ticks: dict[str, _Tick] = {}
        self._whole: set[str] = set()

    def confirm(self, asset_id: str, size: Decimal, now_ns: int) -> None:
        """Take a tick size from the stream or from `GET /tick-size`."""
        self._ticks[asset_id] = _Tick(size, now_ns)

    def stream_whole(self, asset_id: str, *, whole: bool) -> None:
        """Note whether the asset's stream is connected and its book verified."""
        if whole:
            self._whole.add(asset_id)
        else:
            self._whole.discard(asset_id)

    def doubt(self, asset_id: str) -> None:
        """Ask again before the next order: the venue refused one for its tick."""
        found = self._ticks.get(asset_id)
        if found is not None:
            found.confirmed_ns = -self._age_max_ns
        self._whole.discard(asset_id)

    def last(self, asset_id: str) -> Decimal | None:
        """Return the last confirmed tick size, however old; the catalogue's may be older."""
        found = self._ticks.get(asset_id)
        return found.size if found else None

    def current(self, asset_id: str, now_ns: int) -> Decimal | None:
        """Return the tick size if it can be relied on now, else None: ask REST."""
        found = self._ticks.get(asset_id)
        if found is None:
            return None
        if asset_id in self._whole or now_ns - found.confirmed_ns <= self._age_max_ns:
            return found.size
        return None
