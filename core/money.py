"""The money boundary: Decimal and scaled integers, rounding against us, price and lot grids.

One unit is ``0.000001`` of a dollar, of a price or of a contract. Hot paths calculate in units
(``int``), everything shown or stored is ``Decimal`` with six places. A binary float raises
``TypeError`` here and nowhere gets further.
"""

from __future__ import annotations

from bisect import bisect_right
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_EVEN, Decimal, InvalidOperation
from itertools import pairwise

import msgspec

SCALE = 1_000_000
"""Units in one dollar, one contract, or a price of one."""

_UNIT = Decimal("0.000001")
_LIMIT = Decimal(10) ** 15


def dec(value: object, field: str = "value") -> Decimal:
    """Take an amount into the money world.

    Parameters
    ----------
    value
        ``Decimal``, ``int`` or decimal ``str``.
    field
        Name used in the error.

    Raises
    ------
    TypeError
        For a float, a bool or any other type.
    ValueError
        For text that is no finite decimal number.

    Examples
    --------
    >>> dec("0.47")
    Decimal('0.47')
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | int | str):
        raise TypeError(
            f"{field}: found {value!r} ({type(value).__name__}), allowed Decimal, int or text"
        )
    try:
        amount = Decimal(value)
    except InvalidOperation:
        raise ValueError(f"{field}: found {value!r}, allowed a decimal number") from None
    if not amount.is_finite() or abs(amount) >= _LIMIT:
        raise ValueError(f"{field}: found {value!r}, allowed a finite number below 1e15")
    return amount


def to_units(value: object, field: str = "value") -> int:
    """Convert an amount to units of 0.000001 exactly.

    Raises
    ------
    ValueError
        When the amount is finer than one unit: rounding is the caller's decision.

    Examples
    --------
    >>> to_units("0.47")
    470000
    """
    amount = dec(value, field)
    scaled = amount.scaleb(6)
    units = int(scaled)
    if units != scaled:
        raise ValueError(f"{field}: found {amount}, allowed at most 6 decimal places")
    return units


def from_units(units: int) -> Decimal:
    """Convert units to a ``Decimal`` with exactly six places.

    Examples
    --------
    >>> from_units(470000)
    Decimal('0.470000')
    """
    return Decimal(units).scaleb(-6)


def floor_units(value: Decimal) -> int:
    """Convert to units, rounding toward minus infinity."""
    return int(value.scaleb(6).to_integral_value(ROUND_FLOOR))


def ceil_units(value: Decimal) -> int:
    """Convert to units, rounding toward plus infinity."""
    return int(value.scaleb(6).to_integral_value(ROUND_CEILING))


def to_text(value: Decimal) -> str:
    """Write an amount without exponent and without trailing zeros.

    Examples
    --------
    >>> to_text(Decimal("1.500000"))
    '1.5'
    """
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def floor_to(value: Decimal, step: Decimal) -> Decimal:
    """Round down to a multiple of ``step``."""
    return (value / step).to_integral_value(ROUND_FLOOR) * step


def ceil_to(value: Decimal, step: Decimal) -> Decimal:
    """Round up to a multiple of ``step``."""
    return (value / step).to_integral_value(ROUND_CEILING) * step


def half_even_to(value: Decimal, step: Decimal) -> Decimal:
    """Round to the nearest multiple of ``step``, ties to even (banker's rounding)."""
    return (value / step).to_integral_value(ROUND_HALF_EVEN) * step


def ceil_div(numerator: int, denominator: int) -> int:
    """Divide integers rounding up (``denominator`` > 0)."""
    return -(-numerator // denominator)


def half_even_div(numerator: int, denominator: int) -> int:
    """Divide integers rounding to nearest, ties to even (``denominator`` > 0)."""
    quotient, rest = divmod(numerator, denominator)
    twice = 2 * rest
    if twice > denominator or (twice == denominator and quotient & 1):
        quotient += 1
    return quotient


class TickBand(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One band of a price grid: prices from ``start`` to ``end`` move in ``step`` (dollars)."""

    start: Decimal
    end: Decimal
    step: Decimal


class PriceGrid:
    """Orderable prices of one market, as bands (Kalshi ``price_ranges``; one band elsewhere).

    The bands must cover 0 to 1 without a hole. Prices 0 and 1 are never orderable. At the edge of
    two bands both grids contain the edge.

    Raises
    ------
    ValueError
        When bands are empty, overlap, leave a hole, or a step does not divide its band.

    Examples
    --------
    >>> grid = PriceGrid.uniform(Decimal("0.01"))
    >>> grid.floor_u(476_000), grid.ceil_u(476_000)
    (470000, 480000)
    """

    __slots__ = ("_bands", "_starts", "bands")

    def __init__(self, bands: tuple[TickBand, ...]) -> None:
        if not bands:
            raise ValueError("price grid: found no bands, allowed at least one")
        self.bands = bands
        self._bands = tuple((to_units(b.start), to_units(b.end), to_units(b.step)) for b in bands)
        if self._bands[0][0] != 0 or self._bands[-1][1] != SCALE:
            raise ValueError("price grid: bands must run from 0 to 1")
        for (_, end, _), (start, _, _) in pairwise(self._bands):
            if end != start:
                raise ValueError(
                    f"price grid: band ends at {from_units(end)}, next starts at "
                    f"{from_units(start)}: no hole and no overlap allowed"
                )
        for start, end, step in self._bands:
            if step <= 0 or end <= start or (end - start) % step:
                raise ValueError(
                    f"price grid: step {from_units(step)} does not divide the band "
                    f"{from_units(start)} to {from_units(end)}"
                )
        self._starts = tuple(b[0] for b in self._bands)

    @classmethod
    def uniform(cls, step: Decimal) -> PriceGrid:
        """Make a grid with one tick size everywhere."""
        return cls((TickBand(Decimal(0), Decimal(1), step),))

    def _band(self, price_u: int) -> tuple[int, int, int]:
        return self._bands[max(0, bisect_right(self._starts, price_u) - 1)]

    def floor_u(self, price_u: int) -> int:
        """Round a price in units down to the grid (for BUY limits that must not cost more)."""
        start, _, step = self._band(price_u)
        return start + (price_u - start) // step * step

    def ceil_u(self, price_u: int) -> int:
        """Round a price in units up to the grid (for SELL limits that must not earn less)."""
        start, _, step = self._band(price_u)
        return start + ceil_div(price_u - start, step) * step

    def contains_u(self, price_u: int) -> bool:
        """Say whether an order at this price (units) is possible: on the grid, inside (0, 1)."""
        return 0 < price_u < SCALE and self.floor_u(price_u) == price_u

    def step_u(self, price_u: int) -> int:
        """Return the tick size in units at this price."""
        return self._band(price_u)[2]
