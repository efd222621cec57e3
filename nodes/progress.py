"""Progress of a long run: a bar on a terminal, a plain line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TextIO

_PLAIN_EVERY_S = 10.0
_BAR_EVERY_S = 0.2
_BAR_WIDTH = 30


class Progress:
    """Shows done, total, rate and the time left, on stderr.

    Parameters
    ----------
    what : str
        What is being done.
    unit : str
        What is counted.
    stream : TextIO, optional
        Where to write; stderr.
    clock : Callable, optional
        Seconds, monotonic (tests).
    """

    def __init__(
        self,
        what: str,
        unit: str,
        *,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._what = what
        self._unit = unit
        self._out = stream if stream is not None else sys.stderr
        self._clock = clock
        self._is_tty = self._out.isatty()
        self._began_s = clock()
        self._shown_s = self._began_s
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._is_tty and self._width:
            self._out.write("\n" if kind is None else "\r" + " " * self._width + "\r")
            self._out.flush()

    def update(self, done: int, total: int) -> None:
        """Show the state if it is time to; always at the end."""
        now_s = self._clock()
        every_s = _BAR_EVERY_S if self._is_tty else _PLAIN_EVERY_S
        if done < total and now_s - self._shown_s < every_s:
            return
        self._shown_s = now_s
        line = self.describe(done, total, now_s - self._began_s)
        if self._is_tty:
            self._out.write("\r" + line.ljust(self._width))
            self._width = len(line)
        else:
            self._out.write(line + "\n")
        self._out.flush()

    def describe(self, done: int, total: int, elapsed_s: float) -> str:
        """Return the line: bar or share, count, rate, time left."""
        share = min(1.0, done / total) if total else 1.0
        rate = done / elapsed_s if elapsed_s > 0 else 0.0
        left = _duration((total - done) / rate) if rate and done < total else _duration(elapsed_s)
        end = "left" if done < total else "in all"
        filled = round(share * _BAR_WIDTH)
        bar = f"[{'=' * filled}{' ' * (_BAR_WIDTH - filled)}] " if self._is_tty else ""
        counted = f"{done:,} of {total:,} {self._unit}"
        return f"{self._what}: {bar}{share:4.0%}  {counted}  {rate:,.0f}/s  {left} {end}"


def _duration(seconds: float) -> str:
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
