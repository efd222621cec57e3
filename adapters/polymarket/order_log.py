"""The write-ahead log of signed orders: what was about to be sent, and under which hash.

One JSON line per order, flushed before the order leaves. After a crash the hash tells which of the
venue's orders are ours and which strategy's; the body is the only thing that may ever be sent again
for that order.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from adapters.common.errors import ConfigError


class LoggedOrder(msgspec.Struct, frozen=True, omit_defaults=True):
    """One signed order.

    Attributes
    ----------
    body : str
        The exact JSON of the order as sent (it carries a signature, no secret).
    """

    order_id: str
    client_order_id: str
    strategy_id: str
    instrument_id: str
    market: str
    side: str
    price: str
    quantity: str
    order_type: str
    ts_ns: int
    body: str


class OrderLog(Protocol):
    """Where orders are written down; raising means the order is not sent."""

    def write(self, orders: Sequence[LoggedOrder]) -> None:
        """Write orders down durably before returning."""

    def read(self) -> list[LoggedOrder]:
        """Return the orders written so far, oldest first."""

    def close(self) -> None:
        """Release the file."""


class MemoryOrderLog:
    """Remembers within the process only: for public data and tests."""

    def __init__(self) -> None:
        self._orders: list[LoggedOrder] = []

    def write(self, orders: Sequence[LoggedOrder]) -> None:
        """Remember orders."""
        self._orders.extend(orders)

    def read(self) -> list[LoggedOrder]:
        """Return what was remembered."""
        return list(self._orders)

    def close(self) -> None:
        """Nothing to release."""


class FileOrderLog:
    """Appends to a file; survives the process, and power loss with `durable`.

    Raises
    ------
    ConfigError
        When the file cannot be opened or holds something else than orders. A last line cut off by
        a crash is no error: that order was never sent.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        self._path = path
        self._durable = durable
        self._orders = _read(path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: BinaryIO = path.open("ab", buffering=0)
        except OSError as exc:
            raise ConfigError("order_log_path", str(path), f"a writable file ({exc})") from exc
        os.chmod(path, 0o600)
        if self._cut_off():
            self._file.write(b"\n")

    def _cut_off(self) -> bool:
        data = self._path.read_bytes()
        return bool(data) and not data.endswith(b"\n")

    def write(self, orders: Sequence[LoggedOrder]) -> None:
        """Append orders and make them durable."""
        lines = b"".join(msgspec.json.encode(order) + b"\n" for order in orders)
        self._file.write(lines)
        if self._durable:
            os.fdatasync(self._file.fileno())
        self._orders.extend(orders)

    def read(self) -> list[LoggedOrder]:
        """Return the orders written so far."""
        return list(self._orders)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _read(path: Path) -> list[LoggedOrder]:
    if not path.exists():
        return []
    orders: list[LoggedOrder] = []
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if not line:
            continue
        try:
            orders.append(msgspec.json.decode(line, type=LoggedOrder))
        except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
            if _is_cut(line):
                continue
            raise ConfigError(
                "order_log_path", f"{path}, line {number}: {exc}", "a file written by this adapter"
            ) from exc
    return orders


def _is_cut(line: bytes) -> bool:
    return line.startswith(b'{"order_id"') and not line.endswith(b"}")
