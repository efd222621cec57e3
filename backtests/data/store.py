"""Write a folder or a file completely, or not at all."""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from backtests.data.errors import DataError


@contextmanager
def new_folder(target: Path, *, replace: bool = False) -> Iterator[Path]:
    """Give a temporary sibling of ``target`` to fill; rename it to ``target`` at the end.

    On any error the sibling is removed and ``target`` is as it was before.

    Raises
    ------
    DataError
        If ``target`` exists and may not be replaced, or its parent is not a folder.
    """
    target = target.absolute()
    occupied = target.exists() and (not target.is_dir() or any(target.iterdir()))
    if occupied and not replace:
        raise DataError(target, "it exists already", "a new or empty folder (or --replace)")
    target.parent.mkdir(parents=True, exist_ok=True)
    work = target.parent / f".{target.name}.{secrets.token_hex(4)}.part"
    try:
        work.mkdir()  # inside: a signal right after it must still find the cleaning up
        yield work
        old = work.with_suffix(".old")
        if target.is_dir():
            target.rename(old)
        work.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise


def write_whole(path: Path, data: bytes) -> None:
    """Write a file through a temporary sibling and a rename."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as out:
            out.write(data)
            out.flush()
            os.fsync(out.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file (hex), read in blocks."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
