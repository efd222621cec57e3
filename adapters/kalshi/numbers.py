"""The venue's decimal strings: exact, bounded, fast (pure).

Prices count in units of $0.000001 and sizes in units of 0.000001 contract, as everywhere in the
house, because responses may carry up to six decimals. The two readers remember what they have
read: a book repeats a few hundred prices and sizes.
"""

from __future__ import annotations

from decimal import Decimal
from functools import lru_cache

from adapters.common.errors import ProtocolError

UNITS = 1_000_000
ONE = UNITS


@lru_cache(maxsize=65_536)
def units(text: str) -> int:
    """Return the decimal string in units of 0.000001.

    Raises
    ------
    ProtocolError
        Not a plain decimal number with at most six decimals, or absurdly long.
    """
    negative = text.startswith("-")
    digits = text[1:] if negative else text
    whole, point, fraction = digits.partition(".")
    plain = digits.isascii() and whole.isdigit() and (fraction.isdigit() or not point)
    if not plain or len(digits) > 24:
        raise ProtocolError(f"a decimal number expected, found {text[:40]!r}")
    if len(fraction) > 6:
        if fraction[6:].strip("0"):
            raise ProtocolError(f"at most six decimals expected, found {text[:40]!r}")
        fraction = fraction[:6]
    value = int(whole) * UNITS + (int(fraction.ljust(6, "0")) if fraction else 0)
    return -value if negative else value


def decimal(text: str) -> Decimal:
    """Return the decimal string as a Decimal; raises like :func:`units`."""
    return Decimal(units(text)).scaleb(-6)


def price_units(text: str) -> int:
    """Return a price strictly inside (0, 1) in units, or raise ``ProtocolError``."""
    value = units(text)
    if not 0 < value < ONE:
        raise ProtocolError(f"a price between 0 and 1 expected, found {text!r}")
    return value


def text4(price_u: int) -> str:
    """Return a price in units as the four-decimal string that requests carry."""
    whole, rest = divmod(price_u, 100)
    assert rest == 0, "prices of orders have at most four decimals"
    return f"{whole // 10_000}.{whole % 10_000:04d}"


def text2(size_u: int) -> str:
    """Return a size in units as the two-decimal string that requests carry."""
    whole, rest = divmod(size_u, 10_000)
    assert rest == 0, "sizes of orders have at most two decimals"
    return f"{whole // 100}.{whole % 100:02d}"
