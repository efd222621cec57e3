"""Why nothing, or little, was traded: refusals by reason, and how near each came to a trade.

Pure functions over decision columns; the report and ``twinbook why`` tell the same story.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from backtests.report.folder import Bools, Decisions


@dataclass(frozen=True)
class NearMiss:
    """The refusal that came nearest to a trade: largest net edge less required edge."""

    ts_ns: int
    session: str
    pair_id: str
    direction: str
    gross_edge: Decimal | None
    net_edge: Decimal | None
    required_edge: Decimal | None
    detail: str

    @property
    def short_by(self) -> Decimal | None:
        """Dollars per contract that were missing; zero or less: the edge alone was enough."""
        if self.net_edge is None or self.required_edge is None:
            return None
        return self.required_edge - self.net_edge


@dataclass(frozen=True)
class Refusals:
    """All refusals of one reason (of one pair, or of all)."""

    reason: str
    count: int
    share: Decimal
    nearest: NearMiss | None

    @property
    def change(self) -> str:
        """What would have had to be different, as a sentence."""
        return change_needed(self.reason, self.nearest)


#: Refusals that say the book itself cannot be believed: an edge seen in it was never on offer.
UNBELIEVED = frozenset(
    {
        "crossed",
        "locked",
        "one_sided",
        "wide_spread",
        "too_good",
        "stale_leg",
        "leg_skew",
        "consumed",
        "unknown_fees",
    }
)
#: Reasons that an edge alone overcomes; for the others the sentence says what else was in the way.
_EDGE = {"no_edge", "below_hurdle"}
_IN_THE_WAY = {
    "not_approved": "an approval of the pair",
    "relation": "a pair whose two markets are equivalent",
    "grade": "a better grade of the pair",
    "not_observed_long_enough": "more time observing the pair first",
    "rule_changed": "a fresh reading and approval of the venue's changed rules",
    "unknown_fees": "a fee schedule this version knows",
    "market_closed": "a market still open",
    "stale_leg": "a fresher look at the older of the two books",
    "leg_skew": "both books seen closer together in time",
    "one_sided": "a quote on both sides of both books",
    "crossed": "a book whose bid is below its ask",
    "locked": "a book whose bid is below its ask",
    "wide_spread": "a narrower spread",
    "too_good": "an edge small enough to be believed, or proof that this one is real",
    "consumed": "new size in the book: what was shown had been taken already",
    "below_min_size": "more size in the book, or a smaller minimum order",
    "no_cash": "more free cash on the venue that ran short",
    "pair_busy": "the pair's earlier box finished first",
    "holds_other_side": "no holding of the opposite side of this market",
    "limit_box": "a higher limit per box",
    "limit_pair": "a higher limit per pair",
    "limit_venue": "a higher limit per venue",
    "limit_total": "a higher limit on everything at risk",
    "limit_family": "a higher limit per family of rules",
    "limit_loss": "a loss limit not yet reached",
    "limit_rate": "a higher limit on the rate of orders",
    "halted": "trading not halted",
}
PLAIN = {
    "no_edge": "No edge after fees",
    "below_hurdle": "Edge below the required edge",
    "not_approved": "Pair not approved",
    "relation": "Markets not equivalent",
    "grade": "Grade too low",
    "not_observed_long_enough": "Not observed long enough",
    "rule_changed": "Rules changed",
    "unknown_fees": "Fee schedule unknown",
    "market_closed": "Market closed",
    "stale_leg": "Book too old",
    "leg_skew": "Books seen too far apart",
    "one_sided": "Book with one side only",
    "crossed": "Crossed book",
    "locked": "Locked book",
    "wide_spread": "Spread too wide",
    "too_good": "Edge too good to be true",
    "consumed": "Size already taken",
    "below_min_size": "Below the minimum size",
    "no_cash": "Not enough cash",
    "pair_busy": "Pair busy with another box",
    "holds_other_side": "Other side already held",
    "limit_box": "Limit per box",
    "limit_pair": "Limit per pair",
    "limit_venue": "Limit per venue",
    "limit_total": "Limit on total exposure",
    "limit_family": "Limit per rule family",
    "limit_loss": "Loss limit",
    "limit_rate": "Order rate limit",
    "halted": "Trading halted",
}


def plain(reason: str) -> str:
    """Return a reason code in words."""
    return PLAIN.get(reason, reason.replace("_", " ").capitalize())


def cents(amount: Decimal) -> str:
    """Write dollars per contract as cents: ``1.16 c``."""
    value = amount * 100
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return f"{text.replace('-', '−')} c"


def change_needed(reason: str, nearest: NearMiss | None) -> str:
    """Say what would have had to be different for the nearest miss to be a trade."""
    short = None if nearest is None else nearest.short_by
    if reason in _EDGE:
        if short is None:
            return "The two asks together had to be cheaper."
        if short <= 0:
            return "The best prices were enough, but no size that could be sent gained from them."
        return f"The two asks together had to be {cents(short)} cheaper."
    need = _IN_THE_WAY.get(reason, "the condition named by its reason code")
    if short is None:
        return f"It needed {need}."
    if short <= 0:
        return f"It needed {need}; the edge itself was enough."
    return f"It needed {need}, and asks {cents(short)} cheaper together."


def by_reason(decisions: Decisions, pair_id: str | None = None) -> list[Refusals]:
    """Return refusals by reason, most frequent first, with the nearest miss of each."""
    mine: Bools = decisions.outcome == "refused"
    if pair_id is not None:
        mine = mine & (decisions.pair_id == pair_id)
    total = int(mine.sum())
    found = []
    for reason in sorted({str(r) for r in decisions.reason[mine]}):
        rows = np.flatnonzero(mine & (decisions.reason == reason))
        share = Decimal(len(rows)) / Decimal(total)
        found.append(Refusals(reason, len(rows), share, _nearest(decisions, rows)))
    return sorted(found, key=lambda r: (-r.count, r.reason))


def _nearest(decisions: Decisions, rows: npt.NDArray[np.intp]) -> NearMiss | None:
    net, required = decisions.net, decisions.required
    known = rows[net.present[rows]]
    if not len(known):
        return None
    both = known[required.present[known]]
    rows = both if len(both) else known
    # the first of equals: the same run names the same row each time
    row = int(rows[np.argmax(net.values[rows] - required.values[rows])])
    return NearMiss(
        ts_ns=int(decisions.ts_ns[row]),
        session=str(decisions.session[row] or ""),
        pair_id=str(decisions.pair_id[row]),
        direction=str(decisions.direction[row]),
        gross_edge=decisions.gross.at(row),
        net_edge=net.at(row),
        required_edge=required.at(row),
        detail=decisions.detail(row),
    )
