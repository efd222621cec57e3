"""Minimum, median and shares of long streams in little memory, without floats on the values."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: A sample keeps every value up to this many, then every second, every third, ...
SAMPLE_MAX = 1_000_000

Values = NDArray[Any]


class Tally:
    """Exact counts of integers from ``low`` to ``high`` (prices, spreads, sums of two asks)."""

    def __init__(self, low: int, high: int) -> None:
        self._low = low
        self._bins = np.zeros(high - low + 1, dtype=np.int64)

    def add(self, values: Values) -> None:
        """Count more values."""
        shifted = values.astype(np.int64) - self._low
        self._bins += np.bincount(shifted, minlength=len(self._bins))

    @property
    def count(self) -> int:
        """How many values were counted."""
        return int(self._bins.sum())

    @property
    def least(self) -> int | None:
        """The smallest value."""
        seen = np.flatnonzero(self._bins)
        return int(seen[0]) + self._low if len(seen) else None

    @property
    def median(self) -> int | None:
        """The lower median, an observed value."""
        if not self.count:
            return None
        rank = (self.count - 1) // 2
        return int(np.searchsorted(np.cumsum(self._bins), rank, side="right")) + self._low

    def below(self, value: int) -> int:
        """How many values lie below ``value``."""
        return int(self._bins[: max(0, value - self._low)].sum())

    def at(self, value: int) -> int:
        """How often ``value`` was seen."""
        return int(self._bins[value - self._low])


class Sample:
    """The median of values of any size, from a systematic sample of a stream of known length.

    Parameters
    ----------
    length : int
        Values to come, at most; up to ``SAMPLE_MAX`` the median is exact.
    """

    def __init__(self, length: int) -> None:
        self._stride = max(1, -(-length // SAMPLE_MAX))
        self._next = 0
        self._kept: list[Values] = []

    def add(self, values: Values) -> None:
        """See more values."""
        self._kept.append(values[self._next :: self._stride].copy())
        self._next = (self._next - len(values)) % self._stride

    @property
    def median(self) -> int | None:
        """The lower median of the sample, an observed value."""
        values = np.concatenate(self._kept) if self._kept else np.empty(0)
        if not len(values):
            return None
        at = (len(values) - 1) // 2
        return int(np.partition(values, at)[at])
