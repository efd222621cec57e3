"""Keccak-256, addresses and secp256k1 recovery: the few primitives the venue verifies with."""

from __future__ import annotations

from coincurve import PublicKey
from Crypto.Hash import keccak as _keccak

ZERO_ADDRESS = "0x" + "0" * 40
_HALF_ORDER = 0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A0


class BadSignatureError(ValueError):
    """A signature that is malformed or recovers to nobody."""


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest of `data` (the pre-standard padding Ethereum uses)."""
    return _keccak.new(digest_bits=256, data=data).digest()


def checksum_address(address: str) -> str:
    """Return the EIP-55 spelling of a 20-byte hex address.

    Raises
    ------
    ValueError
        If `address` is not ``0x`` and 40 hex digits.
    """
    body = address[2:].lower() if address[:2] in ("0x", "0X") else ""
    if len(body) != 40:
        raise ValueError(f"address {address!r} is not 0x and 40 hex digits")
    int(body, 16)
    digest = keccak256(body.encode()).hex()
    return "0x" + "".join(
        c.upper() if int(d, 16) >= 8 else c for c, d in zip(body, digest, strict=False)
    )


def address_bytes(address: str) -> bytes:
    """Return the 20 bytes of a hex address."""
    raw = bytes.fromhex(address[2:])
    if len(raw) != 20:
        raise ValueError(f"address {address!r} is not 20 bytes")
    return raw


def hex_bytes(text: str) -> bytes:
    """Return the bytes of ``0x``-prefixed hex; raise `ValueError` for anything else."""
    if not text.startswith("0x"):
        raise ValueError(f"{text[:12]!r} is not 0x-prefixed hex")
    return bytes.fromhex(text[2:])


def word(value: int | str | bytes) -> bytes:
    """Return one 32-byte ABI word: an unsigned integer, an address or up to 32 raw bytes."""
    if isinstance(value, int):
        return value.to_bytes(32, "big")
    if isinstance(value, str):
        return address_bytes(value).rjust(32, b"\0")
    return value.rjust(32, b"\0")


def public_key_address(key: PublicKey) -> str:
    """Return the checksummed address of a public key."""
    return checksum_address("0x" + keccak256(key.format(compressed=False)[1:])[12:].hex())


def recover(digest: bytes, signature: bytes) -> str:
    """Return the address whose key made the 65-byte `signature` over `digest`.

    Raises
    ------
    BadSignatureError
        If the length, the recovery id or the s half is wrong (EIP-2), or no key fits.
    """
    if len(signature) != 65:
        raise BadSignatureError(f"signature has {len(signature)} bytes, 65 expected")
    v = signature[64]
    recovery = v - 27 if v >= 27 else v
    if recovery not in (0, 1):
        raise BadSignatureError(f"recovery id {v} is not 27 or 28")
    if int.from_bytes(signature[32:64], "big") > _HALF_ORDER:
        raise BadSignatureError("signature uses the upper half of s")
    try:
        key = PublicKey.from_signature_and_message(
            signature[:64] + bytes([recovery]), digest, hasher=None
        )
    except (ValueError, Exception) as error:
        raise BadSignatureError(f"signature recovers to no key: {error}") from error
    return public_key_address(key)
