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
from backtests.data.quality import pair_view
from backtests.data.recording import PRICE_UNITS
from backtests.data.store import write_whole
from backtests.data.top import Ints, Mask, Top
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
    a, b = (pair_view(dataset, m, session, sizes=False) for m in pair.markets)
    bounds = [tables.get(m, session, pair, policy) for m in pair.markets]
    merged = merge(a, b)
    if not len(merged.ts_ns):
        return [], len(a) + len(b), 0
    edge = _edges(merged, bounds[0], bounds[1])
    windows = _windows(pair, session, "open", merged.ts_ns, edge)
    hits = int(np.count_nonzero(edge > 0))
    if (windows or held) and policy.close_early:
        gain = _close_gain(merged, bounds[0], bounds[1], _hold_u(pair, session, policy))
        if not held:
            gain[: int(np.searchsorted(merged.ts_ns, windows[0].start_ns))] = -1
        windows += _windows(pair, session, "close", merged.ts_ns, gain)
    return windows, len(a) + len(b), hits


# -- both books at once -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Merged:
    """Both books after every observation of either, once both were seen."""

    ts_ns: Ints
    a_bid: NDArray[np.int32]
    a_ask: NDArray[np.int32]
    b_bid: NDArray[np.int32]
    b_ask: NDArray[np.int32]


def merge(a: Top, b: Top) -> Merged:
    """Line up two books in time order; times are unique over all books of a dataset."""
    n, m = len(a), len(b)
    at_a = np.arange(n) + np.searchsorted(b.ts_ns, a.ts_ns)
    from_a: Mask = np.zeros(n + m, dtype=bool)
    from_a[at_a] = True
    row_a = np.cumsum(from_a) - 1
    row_b = np.arange(n + m) - row_a - 1
    first = int(max(np.searchsorted(row_a, 0), np.searchsorted(row_b, 0)))
    from_a, row_a, row_b = from_a[first:], row_a[first:], row_b[first:]
    if not len(row_a):
        none = np.empty(0, dtype=np.int32)
        return Merged(np.empty(0, dtype=np.int64), none, none, none, none)
    ts = np.where(from_a, a.ts_ns[row_a], b.ts_ns[row_b])
    return Merged(ts, a.bid[row_a], a.ask[row_a], b.bid[row_b], b.ask[row_b])


def _edges(m: Merged, a: _Bounds, b: _Bounds) -> NDArray[np.int32]:
    """Return a dollar less the cheaper box, by the gate's bounds (positive: let through)."""
    yes_no = a.buy[m.a_ask] + b.buy[PRICE_UNITS - m.b_bid]
    no_yes = a.buy[PRICE_UNITS - m.a_bid] + b.buy[m.b_ask]
    return SCALE - np.minimum(yes_no, no_yes)


def _close_gain(
    m: Merged, a: _Bounds, b: _Bounds, hold_u: dict[Direction, int]
) -> NDArray[np.int32]:
    """Return proceeds of selling one box of the better direction, less what holding is worth."""
    yes_no = a.sell[m.a_bid] + b.sell[PRICE_UNITS - m.b_ask] - hold_u[Direction.YES_NO]
    no_yes = a.sell[PRICE_UNITS - m.a_ask] + b.sell[m.b_bid] - hold_u[Direction.NO_YES]
    return np.maximum(yes_no, no_yes)


def _windows(
    pair: Pair,
    session: SessionInfo,
    kind: Literal["open", "close"],
    ts_ns: Ints,
    edge: NDArray[np.int32],
) -> list[Window]:
    up = np.concatenate(([False], edge > 0, [False]))
    first = np.flatnonzero(up[1:] & ~up[:-1])
    after = np.flatnonzero(~up[1:] & up[:-1])
    best = np.maximum.reduceat(edge, first) if len(first) else first
    return [
        Window(
            pair_id=pair.pair_id,
            session=session.name,
            kind=kind,
            start_ns=int(ts_ns[i]),
            end_ns=int(ts_ns[min(j, len(ts_ns) - 1)]),
            edge_u=int(top),
            rows=int(j - i),
        )
        for i, j, top in zip(first, after, best, strict=True)
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
