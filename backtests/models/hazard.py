"""The chance that a leg fills, from the only public ledger of real two-leg trading.

Source: the trade log in the git history of ``rao/pm-kalshi-arbitrage-bot``: 1,939 attempts on
BTC 15-minute markets, 2026-02-08 to 10, Polymarket first (IOC), Kalshi second (FOK), recounted.

=========================  =====================================================================
first leg filled           39.9 %: 29 % when the displayed size is up to 4 times ours, 40 % from
                           4 to 20 times, 48 % above
by net edge                48 % at 3 to 5 cents, falling to 27 % above 15: fat edges are stale
second leg, given first    63.3 %: 54, 65 and 80 % by the same size ratio
unwind                     2.53 cents per contract, entry to exit
=========================  =====================================================================

These marginals already contain latency and staleness: a leg under this hazard gets no latency
model (the settings refuse the combination). They are of one kind of market; pre-game and outright
markets behave better: put your own measurements in ``[fills]`` of the settings.

How the two marginals of the first leg combine is not in the log; size and edge are taken as
independent: chance = chance by size ratio x (chance by edge / overall chance). Between 5 and
15 cents the log gives no numbers; the two middle steps are our straight line.

Draws are keyed by the identity of the order and the seed, never by call order, so that a second
run, a chunked run or one more order elsewhere changes nothing. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from hashlib import blake2b

import msgspec

_DRAW_BITS = 64

#: (at least this displayed size per contract wanted, chance)
Steps = tuple[tuple[Decimal, Decimal], ...]


def _steps(*rows: tuple[str, str]) -> Steps:
    return tuple((Decimal(edge), Decimal(chance)) for edge, chance in rows)


class HazardTable(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Chances by step: the first number is the lower bound of the step, the second the chance.

    ``first_by_ratio`` and ``second_by_ratio`` go by displayed size within the limit over the
    order's size; ``first_by_edge`` goes by net edge in dollars per contract; ``first_overall`` is
    the chance over all edges. ``unwind_cost`` is dollars per contract, entry price less exit
    price, before fees.
    """

    first_by_ratio: Steps = _steps(("0", "0.29"), ("4", "0.40"), ("20", "0.48"))
    first_by_edge: Steps = _steps(
        ("0", "0.48"), ("0.05", "0.42"), ("0.10", "0.35"), ("0.15", "0.27")
    )
    first_overall: Decimal = Decimal("0.399")
    second_by_ratio: Steps = _steps(("0", "0.54"), ("4", "0.65"), ("20", "0.80"))
    unwind_cost: Decimal = Decimal("0.0253")

    def __post_init__(self) -> None:
        for field in ("first_by_ratio", "first_by_edge", "second_by_ratio"):
            steps = getattr(self, field)
            bounds = [lower for lower, _ in steps]
            if not steps or bounds[0] != 0 or bounds != sorted(set(bounds)):
                raise ValueError(f"{field}: found {bounds}, allowed rising bounds from 0")
            wrong = [chance for _, chance in steps if not 0 <= chance <= 1]
            if wrong:
                raise ValueError(f"{field}: found chance {wrong[0]}, allowed 0 to 1")
        if not 0 < self.first_overall <= 1:
            raise ValueError(f"first_overall: found {self.first_overall}, allowed above 0 to 1")
        if not 0 <= self.unwind_cost < 1:
            raise ValueError(f"unwind_cost: found {self.unwind_cost}, allowed 0 to below 1")

    def first(self, ratio: Decimal, edge: Decimal | None) -> Decimal:
        """Return the chance that a first leg fills.

        Parameters
        ----------
        ratio : Decimal
            Displayed size within the limit over the size wanted.
        edge : Decimal, optional
            Net edge of the decision in dollars per contract; without it only the ratio counts.

        Examples
        --------
        >>> HazardTable().first(Decimal(10), Decimal("0.20")).quantize(Decimal("0.001"))
        Decimal('0.271')
        """
        chance = _step(self.first_by_ratio, ratio)
        if edge is not None:
            chance = chance * _step(self.first_by_edge, edge) / self.first_overall
        return min(chance, Decimal(1))

    def second(self, ratio: Decimal) -> Decimal:
        """Return the chance that a second leg fills, given that the first did."""
        return _step(self.second_by_ratio, ratio)


def _step(steps: Sequence[tuple[Decimal, Decimal]], value: Decimal) -> Decimal:
    chance = steps[0][1]
    for lower, step_chance in steps:
        if value < lower:
            break
        chance = step_chance
    return chance


def draw(seed: int, *identity: object) -> Decimal:
    """Return a number in [0, 1) that depends on the seed and the identity alone.

    Examples
    --------
    >>> draw(1, "O-1") == draw(1, "O-1"), draw(1, "O-1") == draw(2, "O-1")
    (True, False)
    """
    text = "\x1f".join(str(part) for part in (seed, *identity))
    number = int.from_bytes(blake2b(text.encode(), digest_size=_DRAW_BITS // 8).digest(), "big")
    return Decimal(number) / Decimal(1 << _DRAW_BITS)


def round_randomly(value: Decimal, step: Decimal, uniform: Decimal) -> Decimal:
    """Round to a multiple of ``step``, up or down by chance, so that the mean is ``value``.

    Examples
    --------
    >>> round_randomly(Decimal("0.0253"), Decimal("0.01"), Decimal("0.52"))
    Decimal('0.03')
    >>> round_randomly(Decimal("0.0253"), Decimal("0.01"), Decimal("0.54"))
    Decimal('0.02')
    """
    whole = value // step
    rest = value / step - whole
    return (whole + (1 if uniform < rest else 0)) * step
