"""What can be wrong with market data, said in one line.

::

    DataError               a file, row or field that cannot be used; the message says all of it
    └── UnhealthyArchive    an archive file failed its health test (numbers in the message)
"""

from __future__ import annotations

from pathlib import Path


class DataError(Exception):
    """Bad input: names the file, the row, the field, what was found and what is allowed.

    Parameters
    ----------
    file : str or Path
        The file or folder that is wrong.
    found : object
        What stands there.
    allowed : str
        What may stand there.
    row : int, optional
        Zero-based row of the file.
    field : str, optional
        Column or key.
    """

    def __init__(
        self,
        file: str | Path,
        found: object,
        allowed: str,
        *,
        row: int | None = None,
        field: str | None = None,
    ) -> None:
        self.file = str(file)
        self.found = found
        self.allowed = allowed
        self.row = row
        self.field = field
        place = self.file
        if row is not None:
            place += f": row {row}"
        if field is not None:
            place += f": {field}"
        super().__init__(f"{place}: found {found}; allowed: {allowed}")


class UnhealthyArchive(DataError):
    """An archive file that must not be replayed: its health test failed."""
