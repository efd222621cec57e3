"""Seeded draws that depend on names and ordinals, never on the order of calls or on a clock."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from uuid import UUID

_SPAN = 1 << 64


def draw(seed: int, *key: object) -> int:
    """Return an integer in [0, 2**64) fixed by ``seed`` and ``key``.

    Two calls with the same arguments agree in every process: the parts are hashed as text.
    """
    text = "\x1f".join([str(seed), *(str(part) for part in key)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")


def chance(probability: float, seed: int, *key: object) -> bool:
    """Return True with ``probability`` (0 to 1), decided by ``seed`` and ``key`` alone."""
    return draw(seed, *key) < int(probability * _SPAN)


def between(low: int, high: int, seed: int, *key: object) -> int:
    """Return an integer in [low, high], decided by ``seed`` and ``key`` alone."""
    return low + draw(seed, *key) % (high - low + 1)


def pick[T](items: Sequence[T], seed: int, *key: object) -> T:
    """Return one element of a non-empty sequence, decided by ``seed`` and ``key`` alone."""
    return items[draw(seed, *key) % len(items)]


def uuid_of(seed: int, *key: object) -> str:
    """Return a version-4 shaped UUID string fixed by ``seed`` and ``key``."""
    text = "\x1f".join([str(seed), *(str(part) for part in key)])
    raw = bytearray(hashlib.sha256(b"uuid:" + text.encode()).digest()[:16])
    raw[6] = (raw[6] & 0x0F) | 0x40
    raw[8] = (raw[8] & 0x3F) | 0x80
    return str(UUID(bytes=bytes(raw)))
