"""The log of everything a simulated venue was asked and what it said, fit for replay.

One JSON object a line. The first line is the header (what the venue was started with); each
other line is an entry. Secrets never reach the log: they are replaced before an entry exists.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from simulators.wire import Json

REDACTED = "[redacted]"

_SECRET_NAMES = frozenset(
    {
        "private_key",
        "privatekey",
        "secret",
        "api_secret",
        "passphrase",
        "api_passphrase",
        "password",
        "authorization",
        "kalshi-access-signature",
        "poly_signature",
        "poly_passphrase",
        "poly_api_key",
        "signature",
        "auth",
    }
)


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One input of the venue and its answer.

    Attributes
    ----------
    ordinal
        1, 2, 3 … over the whole log.
    now_ns
        The exchange's time at which the input was applied.
    kind
        ``rest``, ``ws_open``, ``ws_in``, ``ws_out``, ``ws_close``, ``tick`` (background market),
        ``admin`` (an operator's action) or ``plan`` (faults and switches changed).
    route
        ``"POST /portfolio/events/orders"``, a WebSocket channel or an admin action.
    subject
        The account or connection concerned, or ``""``.
    request, status, reply
        What came in, the HTTP status (0 where there is none) and what went out.
    faults
        Kinds of the faults that hit this input.

    """

    ordinal: int
    now_ns: int
    kind: str
    route: str
    subject: str
    request: Any
    status: int
    reply: Any
    faults: tuple[str, ...] = ()


class RequestLog:
    """Append-only log; keeps the newest ``keep`` entries in memory, all of them in ``path``."""

    def __init__(self, venue: str, path: Path | None = None, keep: int = 20_000) -> None:
        self.venue = venue
        self.path = path
        self._entries: deque[LogEntry] = deque(maxlen=keep)
        self._ordinal = 0
        self._file = path.open("w", encoding="utf-8") if path is not None else None

    def header(self, **fields: Json) -> None:
        """Write what the venue was started with (seed, scenario, switches) as the first line."""
        self._write({"log": 1, "venue": self.venue, **redact(fields)})

    def append(
        self,
        *,
        now_ns: int,
        kind: str,
        route: str,
        subject: str = "",
        request: Json = None,
        status: int = 0,
        reply: Json = None,
        faults: Iterable[str] = (),
    ) -> LogEntry:
        """Add one entry, with secrets taken out, and return it."""
        self._ordinal += 1
        entry = LogEntry(
            self._ordinal,
            now_ns,
            kind,
            route,
            subject,
            redact(request),
            status,
            redact(reply),
            tuple(faults),
        )
        self._entries.append(entry)
        self._write(asdict(entry))
        return entry

    @property
    def last(self) -> LogEntry | None:
        """Return the newest entry."""
        return self._entries[-1] if self._entries else None

    def entries(self, after: int = 0, kind: str = "", limit: int = 1000) -> list[LogEntry]:
        """Return up to ``limit`` kept entries with an ordinal above ``after``, oldest first."""
        found: list[LogEntry] = []
        for entry in self._entries:
            if entry.ordinal > after and (not kind or entry.kind == kind):
                found.append(entry)
                if len(found) == limit:
                    break
        return found

    def close(self) -> None:
        """Close the file. Entries in memory stay readable."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, row: Mapping[str, Any]) -> None:
        if self._file is not None:
            self._file.write(json.dumps(row, separators=(",", ":"), sort_keys=True) + "\n")
            self._file.flush()


def redact(value: Json) -> Json:
    """Return a copy of a JSON-like value with every secret replaced by ``[redacted]``."""
    if isinstance(value, Mapping):
        return {
            key: REDACTED if str(key).lower() in _SECRET_NAMES and item else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [redact(item) for item in value]
    return value


def read_log(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Read a log file back.

    Returns
    -------
    tuple
        The header and the entries, in order.

    Raises
    ------
    ValueError
        The file is not a log of this version; the message names the file and the line.

    """
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not JSON ({error.msg})") from error
    if not rows or rows[0].get("log") != 1:
        raise ValueError(f'{path}, line 1: expected a header with "log": 1')
    return rows[0], rows[1:]
