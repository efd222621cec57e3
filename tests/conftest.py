"""Shared rules of the test run: no network beyond loopback, recordings by environment only."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from hypothesis import settings

# The same examples at every run: a red test is about the change, not about luck.
# TWINBOOK_HYPOTHESIS=explore looks for new ones (./run full does).
settings.register_profile("same", derandomize=True, deadline=None, print_blob=True)
settings.register_profile("explore", deadline=None, print_blob=True)
settings.load_profile(os.environ.get("TWINBOOK_HYPOTHESIS", "same"))

_LOOPBACK = {"127.0.0.1", "::1", "localhost", "0.0.0.0", "::"}
_real_connect = socket.socket.connect
_real_connect_ex = socket.socket.connect_ex


def _guard(address: object) -> None:
    if isinstance(address, tuple) and address and str(address[0]) not in _LOOPBACK:
        host = str(address[0])
        if not host.startswith("127."):
            raise RuntimeError(f"a test tried to reach {host}: tests use loopback only")


def _connect(self: socket.socket, address: object) -> None:
    _guard(address)
    return _real_connect(self, address)  # type: ignore[arg-type]


def _connect_ex(self: socket.socket, address: object) -> int:
    _guard(address)
    return _real_connect_ex(self, address)  # type: ignore[arg-type]


socket.socket.connect = _connect  # type: ignore[method-assign, assignment]
socket.socket.connect_ex = _connect_ex  # type: ignore[method-assign, assignment]


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recordings named by TWINBOOK_DATA, or a skip that CI turns into a failure."""
    value = os.environ.get("TWINBOOK_DATA", "")
    path = Path(value) if value else None
    if path is None or not path.is_dir():
        reason = f"TWINBOOK_DATA is {value!r}: set it to the folder of recordings"
        if "data" in os.environ.get("TWINBOOK_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)
    return path
