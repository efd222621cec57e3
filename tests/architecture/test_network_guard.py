"""The guard in conftest really stops a connection that leaves this machine."""

from __future__ import annotations

import socket

import pytest


def test_a_connection_beyond_loopback_is_refused() -> None:
    with socket.socket() as s, pytest.raises(RuntimeError, match="loopback only"):
        s.connect(("192.0.2.1", 80))


def test_a_connection_on_loopback_is_allowed() -> None:
    with socket.socket() as server, socket.socket() as client:
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        client.connect(server.getsockname())
        assert client.getpeername() == server.getsockname()
