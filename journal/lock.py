"""One writer per journal, by an advisory lock that the kernel drops when its holder dies.

A file that merely exists is no lock: after ``kill -9`` it would stay and stop the restart.
``flock`` is released with the process, however it ends; the text in the file only says who held
it last.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self

from journal.errors import JournalLocked


class WriterLock:
    """Hold the right to write one journal.

    Parameters
    ----------
    journal : Path
        The journal's file; the lock lives beside it as ``<name>.lock``.
    holder : str
        Who holds it, shown to whoever is refused.

    Raises
    ------
    JournalLocked
        Another process (or this one, twice) holds the lock.
    """

    def __init__(self, journal: Path, holder: str) -> None:
        self.path = journal.with_name(journal.name + ".lock")
        self._fd: int | None = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            said = os.pread(self._fd, 200, 0).decode("utf-8", "replace").strip() or "unknown"
            os.close(self._fd)
            self._fd = None
            raise JournalLocked(
                f"{journal}: another writer is open ({said}). One account has one writer: stop it,"
                " or give this run its own journal"
            ) from error
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"{holder}, pid {os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Give the lock up. The file stays: deleting it would let two holders each lock one."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.release()
