"""Find where a net edge is possible before any replay: whole columns at a time.

The scan applies the gate of :mod:`core.gate` to the top-of-book sidecars: the same cost bounds,
as tables over the 10,001 prices of the catalog's grid. What the gate lets through is a hit; a
window is a run of hits. A book on which the strategy would trade is always inside a window,
because the strategy's own first question is this gate. Ages, sizes, hurdles and cash are not
looked at: they only refuse more.

Held boxes can be sold back early, so after the first window of a pair the scan also keeps the
times at which the best bids could beat holding (:mod:`core.early_close`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from backtests.data.dataset import WINDOWS_FILE, Dataset, SessionInfo
from backtests.data.recording import PRICE_UNITS
from backtests.data.store import write_whole
from backtests.data.top import Ints, Merged, TopFile, merged_slices
from core.contracts import Direction
from core.early_close import hold_value_n
from core.fees import KalshiFees, UnknownFeesError
from core.fees.base import FeeSchedule
from core.fees.kalshi import datetime_ns
from core.gate import GateTable
from core.money import SCALE
from core.opportunity import PairSetup
from core.pairs import Pair, PairMarket
from core.policy import Policy

WINDOWS_SCHEMA_VERSION = 1
#: hold_value_n is in 1e-9 dollars; table entries are 1e-6.
_HOLD_PER_UNIT = 1_000
_UNITS_PER_PRICE = SCALE // PRICE_UNITS

Table = NDArray[np.int32]


class Window(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A stretch in which the gate lets a pair through.

    ``start_ns`` is the observation that opened it, ``end_ns`` the one that closed it (or the last
    of the session). ``kind`` is ``open`` (a box could cost less than a dollar) or ``close``
    (selling a box back could beat holding it). ``edge_u`` is the largest edge by the bounds in
    units of $0.000001 per contract, ``rows`` the observations inside.
    """

    pair_id: str
    session: str
    kind: Literal["open", "close"]
    start_ns: int
    end_ns: int
    edge_u: int
    rows: int


class Scan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The result of a scan: windows by pair and time, and how much was looked at."""

    schema_version: int
    dataset: str
    size_min: str
    rows: int
    hits: int
    windows: tuple[Window, ...]


def scan_dataset(
    dataset: Dataset,
    *,
    pairs: Sequence[Pair] | None = None,
    policy: Policy | None = None,
    write: bool = True,
) -> Scan:
    """Find the windows of every pair and session; write ``windows.json``.

    Parameters
    ----------
    dataset : Dataset
        With sidecars (``top/``).
    pairs : sequence of Pair, optional
        The pairs as the strategy gets them (fees overridden, say); default: the dataset's own.
    policy : Policy, optional
        The strategy's settings; the smallest size and the early close matter here.
    write : bool
        Write ``windows.json`` into the dataset.

    Raises
    ------
    DataError
        If a sidecar is missing or wrong.
    """
    policy = policy or Policy()
    windows: list[Window] = []
    rows = hits = 0
    tables = _TableCache()
    opened: set[str] = set()
    for session in dataset.sessions:
        for pair in pairs if pairs is not None else dataset.pairs():
            if pair.pair_id not in session.pair_ids or pair.session not in (None, session.name):
                continue
            held = pair.pair_id in opened  # boxes of an earlier session may still be held
            found, count, hit = _scan_pair(dataset, pair, session, policy, tables, held=held)
            windows += found
            opened |= {w.pair_id for w in found if w.kind == "open"}
            rows += count
            hits += hit
    scan = Scan(
        schema_version=WINDOWS_SCHEMA_VERSION,
        dataset=dataset.manifest.name,
        size_min=str(policy.size_min),
        rows=rows,
        hits=hits,
        windows=tuple(windows),
    )
    if write:
        body = msgspec.json.encode(scan, order="deterministic")
        write_whole(dataset.path / WINDOWS_FILE, msgspec.json.format(body, indent=1) + b"\n")
    return scan


def _scan_pair(
    dataset: Dataset,
    pair: Pair,
    session: SessionInfo,
    policy: Policy,
    tables: _TableCache,
    *,
    held: bool,
) -> tuple[list[Window], int, int]:
    bounds = [tables.get(m, session, pair, policy) for m in pair.markets]
    hold_u = _hold_u(pair, session, policy)
    opened = _Runs(pair, session, "open")
    closing = _Runs(pair, session, "close")
    rows = hits = 0
    files = [TopFile(dataset.top_path(m.yes_id)) for m in pair.markets]
    flip = (pair.a.inverse, pair.b.inverse)
    for merged in merged_slices(files, session.start_ns, session.end_ns, flip=flip):
        edge = _edges(merged, bounds[0], bounds[1])
        opened.add(merged.ts_ns, edge)
        hits += int(np.count_nonzero(edge > 0))
        rows += len(edge)
        if policy.close_early and (held or opened.first_ns):
            gain = _close_gain(merged, bounds[0], bounds[1], hold_u)
            if not held:
                gain[: int(np.searchsorted(merged.ts_ns, opened.first_ns))] = -1
            closing.add(merged.ts_ns, gain)
    return opened.windows() + closing.windows(), rows, hits


def _edges(m: Merged, a: _Bounds, b: _Bounds) -> NDArray[np.int32]:
    """Return a dollar less the cheaper box, by the gate's bounds (positive: let through)."""
    yes_no = a.buy[m.a_ask] + b.buy[PRICE_UNITS - m.b_bid]
    no_yes = a.buy[PRICE_UNITS - m.a_bid] + b.buy[m.b_ask]
    return np.asarray(SCALE - np.minimum(yes_no, no_yes))


def _close_gain(
    m: Merged, a: _Bounds, b: _Bounds, hold_u: dict[Direction, int]
) -> NDArray[np.int32]:
    """Return proceeds of selling one box of the better direction, less what holding is worth."""
    yes_no = a.sell[m.a_bid] + b.sell[PRICE_UNITS - m.b_ask] - hold_u[Direction.YES_NO]
    no_yes = a.sell[PRICE_UNITS - m.a_ask] + b.sell[m.b_bid] - hold_u[Direction.NO_YES]
    return np.asarray(np.maximum(yes_no, no_yes))


class _Runs:
    """Joins runs of hits into windows, slice by slice."""

    def __init__(self, pair: Pair, session: SessionInfo, kind: Literal["open", "close"]) -> None:
        self._pair_id = pair.pair_id
        self._session = session.name
        self._kind = kind
        self._found: list[list[int]] = []  # start, end, best edge, rows
        self._is_open = False

    @property
    def first_ns(self) -> int:
        """Start of the first window, 0 without one."""
        return self._found[0][0] if self._found else 0

    def add(self, ts_ns: Ints, edge: NDArray[np.int32]) -> None:
        """Take the next slice: times and edges, positive where the gate lets through."""
        up = np.concatenate(([False], edge > 0, [False]))
        first = np.flatnonzero(up[1:] & ~up[:-1])
        after = np.flatnonzero(~up[1:] & up[:-1])
        best = np.maximum.reduceat(edge, first) if len(first) else first
        runs = zip(first.tolist(), after.tolist(), best.tolist(), strict=True)
        if self._is_open and not up[1]:
            self._found[-1][1] = int(ts_ns[0])  # the observation that closed it
        for i, j, top in runs:
            end = int(ts_ns[min(j, len(ts_ns) - 1)])
            if i == 0 and self._is_open:
                start, _, edge_before, rows = self._found.pop()
                self._found.append([start, end, max(top, edge_before), rows + j])
            else:
                self._found.append([int(ts_ns[i]), end, top, j - i])
        self._is_open = bool(up[-2])

    def windows(self) -> list[Window]:
        """Return the windows so far."""
        return [
            Window(self._pair_id, self._session, self._kind, start, end, edge, rows)
            for start, end, edge, rows in self._found
        ]


# -- bounds -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Bounds:
    """Over all prices of the grid: what a BUY costs at least, what a SELL brings at most."""

    buy: Table
    sell: Table


class _TableCache:
    """Bounds by schedule: two hundred markets share a handful of them."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], _Bounds] = {}

    def get(self, market: PairMarket, session: SessionInfo, pair: Pair, policy: Policy) -> _Bounds:
        """Return the bounds that hold during the whole session."""
        setup_size = PairSetup(pair, policy).size_min_u
        key = (market.fees, setup_size, *_moments(market, session))
        if key not in self._known:
            self._known[key] = self._build(market, session, setup_size)
        return self._known[key]

    @staticmethod
    def _build(market: PairMarket, session: SessionInfo, size_min_u: int) -> _Bounds:
        buys, sells = [], []
        for moment in _moments(market, session):
            schedule = _schedule(market, moment)
            gate = GateTable(schedule, size_min_u, SCALE)
            buys.append([gate[p * _UNITS_PER_PRICE] for p in range(PRICE_UNITS + 1)])
            sells.append([_sale(schedule, p * _UNITS_PER_PRICE) for p in range(PRICE_UNITS + 1)])
        return _Bounds(
            np.array(buys, dtype=np.int32).min(axis=0), np.array(sells, dtype=np.int32).max(axis=0)
        )


def _sale(schedule: FeeSchedule | None, price_u: int) -> int:
    """Return the most one contract sold at a price can bring (minus a dollar: no quote)."""
    if not 0 < price_u < SCALE:
        return -SCALE
    if schedule is None:
        return price_u
    return price_u - schedule.floor_per_contract_u(price_u, 1)


def _schedule(market: PairMarket, at_ns: int) -> FeeSchedule | None:
    try:
        return market.fees.at(at_ns)
    except UnknownFeesError:
        return None  # counted as no fee: the strategy refuses with its own reason


def _moments(market: PairMarket, session: SessionInfo) -> tuple[int, ...]:
    """Return the times at which other fees may begin to apply during the session."""
    inside = {session.start_ns, session.end_ns}
    if isinstance(market.fees, KalshiFees):
        changes: list[datetime] = [c.at for c in (*market.fees.changes, *market.fees.event_changes)]
        if market.fees.waiver_until is not None:
            changes.append(market.fees.waiver_until)
        inside |= {t for t in map(datetime_ns, changes) if session.start_ns < t < session.end_ns}
    return tuple(sorted(inside))


def _hold_u(pair: Pair, session: SessionInfo, policy: Policy) -> dict[Direction, int]:
    """Return the least a held box is worth during the session: at its start, the longest wait."""
    setup = PairSetup(pair, policy)
    days = setup.lockup_days(session.start_ns, policy)
    return {
        d: hold_value_n(setup.divergence[d], policy.rate_year, days) // _HOLD_PER_UNIT
        for d in Direction
    }
