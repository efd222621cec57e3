"""What can go wrong in a backtest, said in one line.

::

    BacktestError           the run cannot start or its result cannot be trusted
    ├── ReplayError         the data cannot be replayed: place, found, allowed
    └── RunFailedError      the simulation stopped before its end or does not reconcile
"""

from __future__ import annotations


class BacktestError(Exception):
    """Base of what stops a backtest; the message is one line for the user."""


class ReplayError(BacktestError):
    """Data that cannot be replayed.

    Parameters
    ----------
    place : str
        File, field or instrument.
    found : object
        What is there.
    allowed : str
        What is allowed there.
    """

    def __init__(self, place: str, found: object, allowed: str) -> None:
        super().__init__(f"{place}: found {found}, allowed {allowed}")


class RunFailedError(BacktestError):
    """A simulation that stopped early, or whose books do not balance to the last digit."""
