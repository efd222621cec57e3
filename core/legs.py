"""The two-leg machine: one table, every cell filled, unknown is a place one can stand in.

::

    PLANNED ─intent saved─► WORKING ─both filled─► HEDGED ─settled─► SETTLED
                              ├─ one filled or partial ─► EXPOSED ─hedge─► COMPLETING | UNWINDING
                              │                                            | HOLDING
                              ├─ any unknown ───────────► FROZEN ─known─► where the fills lead
                              └─ nothing filled ────────► FLAT
    HEDGED ─close─► CLOSING ─► FLAT | HEDGED (part) | EXPOSED

State and event in, state and actions out: no clock, no I/O. Sizes are units of 0.000001
contracts. An order is *closed* when the venue says that it can fill no more; only then is it
counted out. A fill always counts, in every phase: late, double-checked or reverted fills move the
box to EXPOSED rather than being lost.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Literal, NamedTuple

from core.contracts import Side
from core.hedge import HedgeChoice


class Phase(StrEnum):
    """Where a box stands."""

    PLANNED = "planned"
    WORKING = "working"
    EXPOSED = "exposed"
    COMPLETING = "completing"
    UNWINDING = "unwinding"
    HOLDING = "holding"
    FROZEN = "frozen"
    CLOSING = "closing"
    HEDGED = "hedged"
    FLAT = "flat"
    SETTLED = "settled"


END = frozenset({Phase.HEDGED, Phase.FLAT, Phase.SETTLED})
"""Phases in which nothing is in progress."""


class Kind(StrEnum):
    """What can happen to a box."""

    INTENT_SAVED = "intent_saved"
    INTENT_FAILED = "intent_failed"
    FILL = "fill"
    CLOSED = "closed"
    UNKNOWN = "unknown"
    HEDGE = "hedge"
    CLOSE = "close"
    DEADLINE = "deadline"
    REVERTED = "reverted"
    SETTLED = "settled"


class Event(NamedTuple):
    """One event. ``leg`` is 0 (A) or 1 (B) where it concerns one order.

    ``FILL`` and ``REVERTED`` carry ``side`` and ``size_u``; ``CLOSED`` says that the leg's live
    order can fill no more (after an ``UNKNOWN`` it is the answer of asking the venue); ``HEDGE``
    carries the choice and the limit of its order; ``CLOSE`` carries size, both limits and the leg
    to sell first.
    """

    kind: Kind
    leg: int = 0
    side: Side = Side.BUY
    size_u: int = 0
    choice: HedgeChoice | None = None
    limits_u: tuple[int, int] = (0, 0)


Role = Literal["open", "complete", "unwind", "close"]


class SaveIntent(NamedTuple):
    """Write the box to the journal before anything is sent; answer INTENT_SAVED or _FAILED."""


class Place(NamedTuple):
    """Send one IOC limit order."""

    leg: int
    side: Side
    size_u: int
    limit_u: int
    role: Role


class Query(NamedTuple):
    """Ask the venue for the leg's order by client id; answer with FILLs, then CLOSED."""

    leg: int


class Cancel(NamedTuple):
    """Cancel the leg's live order (a delayed order past its deadline)."""

    leg: int


class AskHedge(NamedTuple):
    """Decide what to do with ``size_u`` excess contracts of ``leg``; answer with HEDGE."""

    leg: int
    size_u: int


class SetDeadline(NamedTuple):
    """Send DEADLINE after this many ns."""

    delay_ns: int


class Finished(NamedTuple):
    """The box came to rest in ``phase``."""

    phase: Phase


Action = SaveIntent | Place | Query | Cancel | AskHedge | SetDeadline | Finished


class Live(NamedTuple):
    """The order a leg has at the venue."""

    side: Side
    size_u: int
    filled_u: int = 0
    unknown: bool = False


class Leg(NamedTuple):
    """One leg's orders and fills, summed over the box's life."""

    bought_u: int = 0
    sold_u: int = 0
    ordered_buy_u: int = 0
    ordered_sell_u: int = 0
    live: Live | None = None

    @property
    def net_u(self) -> int:
        """Contracts held of this leg."""
        return self.bought_u - self.sold_u


class Rules(NamedTuple):
    """Times and counts of the machine.

    Attributes
    ----------
    lot_u
        Excess below one lot counts as balanced: it cannot be traded.
    order_ns
        How long an order may take before it is asked for.
    wait_ns
        Pause before an exposed box is decided again.
    hold_ns
        Pause before a held single leg is decided again.
    attempts_max
        Completion orders per box; then only unwinding or holding is left.
    """

    lot_u: int = 10_000
    order_ns: int = 10_000_000_000
    wait_ns: int = 5_000_000_000
    hold_ns: int = 600_000_000_000
    attempts_max: int = 1


class Box(NamedTuple):
    """The whole state of one box.

    ``first`` is the leg sent first; None sends both together. ``to_sell`` is the leg that follows
    in a close, with its limit.
    """

    phase: Phase
    size_u: int
    limits_u: tuple[int, int]
    first: int | None
    rules: Rules
    legs: tuple[Leg, Leg] = (Leg(), Leg())
    attempts: int = 0
    started: tuple[bool, bool] = (False, False)
    to_sell: tuple[int, int] | None = None

    @property
    def excess(self) -> tuple[int, int]:
        """Return (leg, size) of the contracts without counterpart; size 0 when balanced."""
        difference = self.legs[0].net_u - self.legs[1].net_u
        leg = 0 if difference > 0 else 1
        # after a reverted fill a leg can be below zero: only what is held can be in excess
        size = min(abs(difference), max(0, self.legs[leg].net_u))
        return (leg, size) if size >= self.rules.lot_u else (0, 0)

    @property
    def boxes_u(self) -> int:
        """Complete boxes held."""
        return max(0, min(self.legs[0].net_u, self.legs[1].net_u))

    @property
    def live_legs(self) -> list[int]:
        """Return the legs with an order at the venue."""
        return [i for i, leg in enumerate(self.legs) if leg.live is not None]


Step = tuple[Box, list[Action]]


class ImpossibleEvent(RuntimeError):
    """An event that cannot happen in this phase: a bug of ours, not of a venue."""


def new_box(
    size_u: int,
    limits_u: tuple[int, int],
    first: int | None,
    rules: Rules = Rules(),  # noqa: B008 - immutable
) -> Step:
    """Plan a box and ask for its intent to be saved."""
    if size_u <= 0:
        raise ValueError(f"size_u: found {size_u}, allowed more than 0")
    return Box(Phase.PLANNED, size_u, limits_u, first, rules), [SaveIntent()]


def adopt_box(held_u: tuple[int, int], rules: Rules) -> Step:
    """Take over contracts held since before a restart: hedged, or exposed and to be decided."""
    legs = tuple(Leg(bought_u=held, ordered_buy_u=held) for held in held_u)
    box = Box(Phase.HEDGED, max(held_u), (0, 0), 0, rules, (legs[0], legs[1]), started=(True, True))
    return _rest(box)


def step(box: Box, event: Event) -> Step:
    """Apply one event.

    Raises
    ------
    ImpossibleEvent
        For a cell of the table that only a bug can reach.
    """
    return TABLE[box.phase, event.kind](box, event)


# -- building blocks --------------------------------------------------------------------------


def _with_leg(box: Box, index: int, leg: Leg) -> Box:
    legs = (leg, box.legs[1]) if index == 0 else (box.legs[0], leg)
    return box._replace(legs=legs)


def _place(box: Box, index: int, side: Side, size_u: int, limit_u: int, role: Role) -> Step:
    leg = box.legs[index]
    if leg.live is not None:
        raise ImpossibleEvent(f"leg {index} already has a live order")
    if side is Side.BUY:
        leg = leg._replace(ordered_buy_u=leg.ordered_buy_u + size_u, live=Live(side, size_u))
    else:
        leg = leg._replace(ordered_sell_u=leg.ordered_sell_u + size_u, live=Live(side, size_u))
    started = (True, box.started[1]) if index == 0 else (box.started[0], True)
    box = _with_leg(box, index, leg)._replace(started=started)
    return box, [Place(index, side, size_u, limit_u, role), SetDeadline(box.rules.order_ns)]


def _book(box: Box, event: Event) -> Box:
    """Count a fill, whatever the phase."""
    leg = box.legs[event.leg]
    if event.side is Side.BUY:
        leg = leg._replace(bought_u=leg.bought_u + event.size_u)
    else:
        leg = leg._replace(sold_u=leg.sold_u + event.size_u)
    if leg.live is not None and leg.live.side is event.side:
        leg = leg._replace(live=leg.live._replace(filled_u=leg.live.filled_u + event.size_u))
    return _with_leg(box, event.leg, leg)


def _rest(box: Box) -> Step:
    """Decide where a box without live orders stands, from its fills alone."""
    box = box._replace(to_sell=None)
    leg, size = box.excess
    if size:
        return box._replace(phase=Phase.EXPOSED), [AskHedge(leg, size)]
    phase = Phase.HEDGED if box.boxes_u >= box.rules.lot_u else Phase.FLAT
    return box._replace(phase=phase), [Finished(phase)]


def _continue(box: Box) -> Step:
    """Go on after an order closed: wait for the other, send the second leg, or come to rest."""
    if box.live_legs:
        return box, []
    if box.to_sell is not None:
        leg, size = box.excess
        index, limit_u = box.to_sell
        if size and leg == index:
            box = box._replace(phase=Phase.CLOSING, to_sell=None)
            return _place(box, index, Side.SELL, size, limit_u, "close")
    elif box.first is not None:
        second = 1 - box.first
        filled = box.legs[box.first].net_u
        fresh = box.started[box.first] and not box.started[second]
        if fresh and filled >= box.rules.lot_u:
            size = filled // box.rules.lot_u * box.rules.lot_u
            box = box._replace(phase=Phase.WORKING)
            return _place(box, second, Side.BUY, size, box.limits_u[second], "open")
    return _rest(box)


# -- cells ------------------------------------------------------------------------------------


def _impossible(box: Box, event: Event) -> Step:
    raise ImpossibleEvent(f"{event.kind.value} in phase {box.phase.value}")


def _ignore(box: Box, _event: Event) -> Step:
    return box, []


def _start(box: Box, _event: Event) -> Step:
    box = box._replace(phase=Phase.WORKING)
    order = (0, 1) if box.first is None else (box.first,)
    actions: list[Action] = []
    for leg in order:
        box, placed = _place(box, leg, Side.BUY, box.size_u, box.limits_u[leg], "open")
        actions += placed
    return box, actions


def _abandon(box: Box, _event: Event) -> Step:
    return box._replace(phase=Phase.FLAT), [Finished(Phase.FLAT)]


def _fill(box: Box, event: Event) -> Step:
    return _book(box, event), []


def _late_fill(box: Box, event: Event) -> Step:
    """A fill while no order is live: the venue is right, the box stands anew."""
    return _rest(_book(box, event))


def _late_more(box: Box, event: Event) -> Step:
    box = _book(box, event)
    leg, size = box.excess
    return (box, [AskHedge(leg, size)]) if size else _rest(box)


def _closed(box: Box, event: Event) -> Step:
    leg = box.legs[event.leg]
    if leg.live is None:
        return box, []  # told twice: an answer to a query and the event itself
    missed = box.phase is Phase.UNWINDING and leg.live.filled_u == 0
    after, actions = _continue(_with_leg(box, event.leg, leg._replace(live=None)))
    if missed and after.phase is Phase.EXPOSED:
        # nobody took the sale: selling again into the same book would spin, so pause first
        actions = [SetDeadline(box.rules.wait_ns)]
    return after, actions


def _unknown(box: Box, event: Event) -> Step:
    leg = box.legs[event.leg]
    if leg.live is None:
        return box, []  # the order was already counted out on positive evidence
    box = _with_leg(box, event.leg, leg._replace(live=leg.live._replace(unknown=True)))
    box = box._replace(phase=Phase.FROZEN)
    return box, [Query(event.leg), SetDeadline(box.rules.order_ns)]


def _thaw(box: Box, event: Event) -> Step:
    """An order became known while frozen: go on when nothing is unknown any more."""
    leg = box.legs[event.leg]
    if leg.live is None:
        return box, []
    box = _with_leg(box, event.leg, leg._replace(live=None))
    if any(other.live is not None for other in box.legs):
        return box, []
    return _continue(box)


def _overdue(box: Box, _event: Event) -> Step:
    """Past the deadline with an order live: it is unknown now; cancel what may rest and ask."""
    actions: list[Action] = []
    for index in box.live_legs:
        leg = box.legs[index]
        assert leg.live is not None
        box = _with_leg(box, index, leg._replace(live=leg.live._replace(unknown=True)))
        actions += [Cancel(index), Query(index)]
    if not actions:
        return box, []
    return box._replace(phase=Phase.FROZEN), [*actions, SetDeadline(box.rules.order_ns)]


def _again(box: Box, _event: Event) -> Step:
    leg, size = box.excess
    if not size:
        return _rest(box)
    return box._replace(phase=Phase.EXPOSED), [AskHedge(leg, size)]


def _hedge(box: Box, event: Event) -> Step:
    leg, size = box.excess
    if not size:
        return _rest(box)
    if event.choice is HedgeChoice.COMPLETE:
        missing = 1 - leg
        box = box._replace(phase=Phase.COMPLETING, attempts=box.attempts + 1)
        size = min(event.size_u or size, size)
        return _place(box, missing, Side.BUY, size, event.limits_u[missing], "complete")
    if event.choice is HedgeChoice.UNWIND:
        box = box._replace(phase=Phase.UNWINDING)
        size = min(event.size_u or size, size)
        return _place(box, leg, Side.SELL, size, event.limits_u[leg], "unwind")
    if event.choice is HedgeChoice.WAIT:
        return box._replace(phase=Phase.EXPOSED), [SetDeadline(box.rules.wait_ns)]
    return box._replace(phase=Phase.HOLDING), [SetDeadline(box.rules.hold_ns)]


def _close(box: Box, event: Event) -> Step:
    """Sell one leg back first, then of the other what was sold."""
    size = min(event.size_u, box.legs[0].net_u, box.legs[1].net_u)
    if size < box.rules.lot_u:
        return box, []
    second = 1 - event.leg
    box = box._replace(phase=Phase.CLOSING, to_sell=(second, event.limits_u[second]))
    return _place(box, event.leg, Side.SELL, size, event.limits_u[event.leg], "close")


def _revert(box: Box, event: Event) -> Step:
    """A fill that the venue took back: its contracts are gone, the other leg stands alone."""
    leg = box.legs[event.leg]
    if event.side is Side.BUY:
        leg = leg._replace(bought_u=leg.bought_u - event.size_u)
    else:
        leg = leg._replace(sold_u=leg.sold_u - event.size_u)
    box = _with_leg(box, event.leg, leg)
    if box.live_legs:
        return box, []  # decided when the live order closes
    return _rest(box)


def _paid(box: Box, _event: Event) -> Step:
    return box._replace(phase=Phase.SETTLED), [Finished(Phase.SETTLED)]


Cell = Callable[[Box, Event], Step]


def _table(rows: dict[Phase, tuple[Cell, ...]]) -> dict[tuple[Phase, Kind], Cell]:
    """Read the rows below; a missing row or cell fails at import."""
    kinds = tuple(Kind)
    assert set(rows) == set(Phase), "every phase needs a row"
    assert all(len(cells) == len(kinds) for cells in rows.values()), "every cell must be filled"
    return {(p, k): cell for p, cells in rows.items() for k, cell in zip(kinds, cells, strict=True)}


_X, _N = _impossible, _ignore

# fmt: off
TABLE: dict[tuple[Phase, Kind], Cell] = _table({
    #   saved   failed    fill        closed   unknown   hedge   close  deadline  reverted settled
    Phase.PLANNED:
       (_start, _abandon, _X,         _X,      _X,       _X,     _X,     _N,       _X,      _paid),
    Phase.WORKING:
       (_X,     _X,       _fill,      _closed, _unknown, _N,     _N,     _overdue, _revert, _paid),
    Phase.EXPOSED:
       (_X,     _X,       _late_more, _N,      _N,       _hedge, _N,     _again,   _revert, _paid),
    Phase.COMPLETING:
       (_X,     _X,       _fill,      _closed, _unknown, _N,     _N,     _overdue, _revert, _paid),
    Phase.UNWINDING:
       (_X,     _X,       _fill,      _closed, _unknown, _N,     _N,     _overdue, _revert, _paid),
    Phase.HOLDING:
       (_X,     _X,       _late_more, _N,      _N,       _hedge, _N,     _again,   _revert, _paid),
    Phase.FROZEN:
       (_X,     _X,       _fill,      _thaw,   _unknown, _N,     _N,     _overdue, _revert, _paid),
    Phase.CLOSING:
       (_X,     _X,       _fill,      _closed, _unknown, _N,     _N,     _overdue, _revert, _paid),
    Phase.HEDGED:
       (_X,     _X,       _late_fill, _N,      _N,       _N,     _close, _N,       _revert, _paid),
    Phase.FLAT:
       (_N,     _N,       _late_fill, _N,      _N,       _N,     _N,     _N,       _revert, _N),
    Phase.SETTLED:
       (_X,     _X,       _fill,      _closed, _N,       _N,     _N,     _N,       _N,      _N),
})  # _X: only a bug of ours gets there; _N: true, but nothing follows from it here
# fmt: on
