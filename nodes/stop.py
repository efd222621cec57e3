"""Ctrl-C and SIGTERM: stop, leave nothing behind, say so in one line.

The standard library alone is imported here, so that a command can be told to stop while its own
imports still run.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_INTERRUPTED = 130
EXIT_TERMINATED = 143


class Stopped(KeyboardInterrupt):
    """A signal asked the command to stop; ``code`` is the exit code, 128 plus the signal."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.code = 128 + number


def quit_at_once(line: str) -> None:
    """Let a signal end the process with one line: for the time before there is work to undo."""

    def leave(number: int, _: FrameType | None) -> None:
        os.write(2, f"{line}\n".encode())
        os._exit(128 + number)

    signal.signal(signal.SIGINT, leave)
    signal.signal(signal.SIGTERM, leave)


class Stop:
    """Remembers a signal: compiled code on the way may swallow the first exception."""

    def __init__(self) -> None:
        self._number: int | None = None

    def receive(self, number: int, _: FrameType | None) -> None:
        """Handle a signal; a second one does not disturb the cleaning up after the first."""
        if self._number is None:
            self._number = number
            raise Stopped(number)

    def check(self) -> None:
        """Raise again what was swallowed."""
        if self._number is not None:
            raise Stopped(self._number)


@contextmanager
def stoppable() -> Iterator[Stop]:
    """Turn both signals into :class:`Stopped` inside the block (main thread only)."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    earlier = {s: signal.signal(s, stop.receive) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
