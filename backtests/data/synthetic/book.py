"""L2 books as deltas, vectorised over the messages of one chunk.

A book is a window of ``levels`` consecutive price levels below the best bid and above the best
ask. When a best price moves by ``m`` steps, ``m`` levels enter and ``m`` leave; a message that
moves nothing changes the size of one level. Which levels exist follows from the best price alone,
so no message needs the one before it, and a chunk is a handful of numpy expressions.

Both sides use one coordinate: the price in steps for bids, ``steps - price`` for asks; the best
is then always the largest and 0 means "no quote".
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from backtests.data.deltas import (
    ACTION_ADD,
    ACTION_CLEAR,
    ACTION_DELETE,
    ACTION_UPDATE,
    F_LAST,
    F_SNAPSHOT,
    SENTINEL_SIZE,
    SIDE_BUY,
    SIDE_NONE,
    SIDE_SELL,
    DeltaColumns,
    Ints,
)
from backtests.data.recording import PRICE_UNITS
from backtests.data.synthetic.settings import VenueStyle

Mask = NDArray[np.bool_]

#: Row numbers fit below this; keys are price * _ROWS + row.
_ROWS = 1 << 40
_LOT_UNITS = 100
#: Deeper levels are larger; the best one is the thinnest.
_DEPTH_GROWTH = 0.35


@dataclass(slots=True)
class BookState:
    """What one chunk hands to the next: best prices (side coordinate), sizes, message count."""

    best: list[int] = field(default_factory=lambda: [0, 0])
    sizes: list[Ints] = field(default_factory=list)
    sequence: int = 0


@dataclass(slots=True)
class ChunkBook:
    """The deltas of a chunk and the best prices after each message."""

    deltas: DeltaColumns
    bid: Ints
    ask: Ints
    bid_size: Ints
    ask_size: Ints


def build_chunk(
    state: BookState,
    best: tuple[Ints, Ints],
    ts_event: Ints,
    ts_init: Ints,
    style: VenueStyle,
    levels: int,
    draw: np.random.Generator,
) -> ChunkBook:
    """Turn best prices per message into deltas; the first message is a snapshot.

    Parameters
    ----------
    state : BookState
        The book at the end of the chunk before; changed to the end of this one.
    best : pair of int arrays
        Best bid and best ask after each message, in the side's own coordinate.
    ts_event, ts_init : int arrays
        Times of the messages (ns UTC), ``ts_init`` strictly increasing.
    style : VenueStyle
        Sizes and step.
    levels : int
        Levels kept on each side.
    draw : numpy Generator
        Source of the sizes.
    """
    parts = [_keyframe(state, best, levels, style, draw)]
    moved = np.zeros(len(ts_init), dtype=bool)
    for side in (0, 1):
        rows = _moves(best[side], side, levels)
        moved[rows.event] = True
        parts.append(rows)
    moved[0] = True
    parts.append(_updates(best, np.flatnonzero(~moved), levels, draw))
    rows = _Rows.join(parts)
    order = np.argsort(rows.event, kind="stable")
    rows = rows.take(order)
    fresh = rows.size < 0
    depth = np.where(rows.side == SIDE_BUY, best[0][rows.event], best[1][rows.event]) - rows.p
    rows.size[fresh] = _draw_sizes(style, depth[fresh], draw)
    last_row = np.searchsorted(rows.event, np.arange(len(ts_init)), side="right") - 1
    top_sizes = []
    state.sizes = []
    for side in (0, 1):
        sizes = _Sizes(rows, side)
        top_sizes.append(sizes.at(best[side], last_row))
        window = best[side][-1] - np.arange(levels)
        state.sizes.append(sizes.at(window, np.full(levels, last_row[-1])))
        state.best[side] = int(best[side][-1])
    chunk = _finish(rows, best, top_sizes, last_row, ts_event, ts_init, style, state.sequence)
    state.sequence += len(ts_init)
    return chunk


@dataclass(slots=True)
class _Rows:
    """Delta rows before times: message, side, coordinate, size (-1: to be drawn), action."""

    event: Ints
    side: NDArray[np.uint8]
    p: Ints
    size: Ints
    action: NDArray[np.uint8]

    @classmethod
    def join(cls, parts: list[_Rows]) -> _Rows:
        return cls(*(np.concatenate([getattr(p, n) for p in parts]) for n in cls.__slots__))

    def take(self, order: Ints) -> _Rows:
        return _Rows(*(getattr(self, n)[order] for n in self.__slots__))


def _rows(event: Ints, side: int, p: Ints, size: int, action: int) -> _Rows:
    n = len(event)
    return _Rows(
        event,
        np.full(n, SIDE_BUY if side == 0 else SIDE_SELL, dtype=np.uint8),
        p,
        np.full(n, size, dtype=np.int64),
        np.full(n, action, dtype=np.uint8),
    )


def _keyframe(
    state: BookState,
    best: tuple[Ints, Ints],
    levels: int,
    style: VenueStyle,
    draw: np.random.Generator,
) -> _Rows:
    """The whole book after the first message; levels that were there keep their size."""
    zero = np.zeros(1, dtype=np.int64)
    clear = _Rows(
        zero,
        np.array([SIDE_NONE], dtype=np.uint8),
        zero,
        zero.copy(),
        np.array([ACTION_CLEAR], dtype=np.uint8),
    )
    parts = [clear]
    for side in (0, 1):
        p = best[side][0] - np.arange(levels)
        p = p[p >= 1]
        rows = _rows(np.zeros(len(p), dtype=np.int64), side, p, 0, ACTION_ADD)
        rows.size[:] = _draw_sizes(style, best[side][0] - p, draw)
        if state.sizes:
            old = state.best[side] - p
            known = (old >= 0) & (old < levels)
            rows.size[known] = state.sizes[side][old[known]]
        parts += [rows, _rows(zero, side, zero, SENTINEL_SIZE, ACTION_ADD)]
    return _Rows.join(parts)


def _moves(best: Ints, side: int, levels: int) -> _Rows:
    """Levels that leave and enter as the best price moves."""
    step = np.diff(best)
    at = np.flatnonzero(step) + 1
    step = step[at - 1]
    count = np.minimum(np.abs(step), levels)
    event = np.repeat(at, count)
    i = np.arange(len(event)) - np.repeat(np.cumsum(count) - count, count)
    up = np.repeat(step > 0, count)
    now, before = best[event], best[event - 1]
    enter = np.where(up, now - i, now - levels + 1 + i)
    leave = np.where(up, before - levels + 1 + i, before - i)
    parts = [
        _rows(event[leave >= 1], side, leave[leave >= 1], 0, ACTION_DELETE),
        _rows(event[enter >= 1], side, enter[enter >= 1], -1, ACTION_ADD),
    ]
    return _Rows.join(parts)


def _updates(best: tuple[Ints, Ints], event: Ints, levels: int, draw: np.random.Generator) -> _Rows:
    """One level's new size for each message that moved no level; the best ones change most."""
    pick = draw.random((2, len(event)))
    empty_bid, empty_ask = best[0][event] < 1, best[1][event] < 1
    ask = ((pick[0] < 0.5) | empty_bid) & ~empty_ask
    top = np.where(ask, best[1][event], best[0][event])
    depth = np.floor(pick[1] ** 3 * np.minimum(levels, np.maximum(top, 1))).astype(np.int64)
    rows = _rows(event, 0, top - depth, -1, ACTION_UPDATE)
    rows.side[ask] = SIDE_SELL
    nothing = empty_bid & empty_ask
    rows.p[nothing] = 0
    rows.size[nothing] = SENTINEL_SIZE
    return rows


def _draw_sizes(style: VenueStyle, depth: Ints, draw: np.random.Generator) -> Ints:
    """Log-normal sizes in 0.01 contract, whole contracts, at least one."""
    median = style.size * (1 + _DEPTH_GROWTH * depth)
    drawn = median * np.exp(style.size_sigma * draw.standard_normal(len(depth)))
    return np.clip(np.rint(drawn), 1, 20_000_000).astype(np.int64) * _LOT_UNITS


class _Sizes:
    """The size last set at a level, looked up by (coordinate, row)."""

    def __init__(self, rows: _Rows, side: int) -> None:
        code = SIDE_BUY if side == 0 else SIDE_SELL
        mine = np.flatnonzero((rows.side == code) & (rows.action != ACTION_DELETE))
        keys = rows.p[mine] * _ROWS + mine
        order = np.argsort(keys)
        self._keys = keys[order]
        self._size = rows.size[mine][order]

    def at(self, p: Ints, row: Ints) -> Ints:
        """Return the size at coordinate ``p`` after row ``row`` (0 where there is no level)."""
        found = np.searchsorted(self._keys, p * _ROWS + row, side="right") - 1
        found = np.maximum(found, 0)
        there = (p >= 1) & (self._keys[found] // _ROWS == p)
        return np.where(there, self._size[found], 0)


def _finish(
    rows: _Rows,
    best: tuple[Ints, Ints],
    top_sizes: list[Ints],
    last_row: Ints,
    ts_event: Ints,
    ts_init: Ints,
    style: VenueStyle,
    sequence: int,
) -> ChunkBook:
    flags = np.where(rows.event == 0, F_SNAPSHOT, 0).astype(np.uint8)
    flags[last_row] |= F_LAST
    price = rows.p * style.tick
    price = np.where(rows.side == SIDE_SELL, PRICE_UNITS - price, price)
    deltas = DeltaColumns(
        action=rows.action,
        side=rows.side,
        price=price,
        size=rows.size,
        flags=flags,
        sequence=sequence + rows.event,
        ts_event=ts_event[rows.event],
        ts_init=ts_init[rows.event],
    )
    bid = best[0] * style.tick
    ask = PRICE_UNITS - best[1] * style.tick
    return ChunkBook(deltas, bid, ask, top_sizes[0], top_sizes[1])
