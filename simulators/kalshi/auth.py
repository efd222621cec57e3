"""Verification of signed requests: RSA-PSS and Ed25519 (KALSHI, authentication).

The message is ``timestamp_ms + METHOD + PATH``: no query, no body, no host.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)

from simulators.kalshi.errors import RefusalError, nested
from simulators.kalshi.units import NS_PER_MS
from simulators.switches import Switches

KEY_HEADER = "KALSHI-ACCESS-KEY"
TIMESTAMP_HEADER = "KALSHI-ACCESS-TIMESTAMP"
SIGNATURE_HEADER = "KALSHI-ACCESS-SIGNATURE"
SCOPES = ("read", "write")

type PublicKey = RSAPublicKey | Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key of an account. ``subaccount`` locks it to one; None leaves it free."""

    key_id: str
    user_id: str
    public_key: PublicKey
    name: str = "key"
    scopes: tuple[str, ...] = SCOPES
    subaccount: int | None = None

    @property
    def key_type(self) -> str:
        """Return ``rsa`` or ``ed25519``."""
        return "rsa" if isinstance(self.public_key, RSAPublicKey) else "ed25519"


class KeyRing:
    """The keys that the venue knows."""

    def __init__(self) -> None:
        self.keys: dict[str, ApiKey] = {}

    def add(self, key: ApiKey) -> None:
        """Register a key."""
        self.keys[key.key_id] = key

    def verify(
        self,
        headers: Mapping[str, str],
        method: str,
        path: str,
        wall_ns: int,
        switches: Switches,
    ) -> ApiKey:
        """Return the key that signed a request.

        Raises
        ------
        RefusalError
            401 in one of the four bodies seen on the wire.

        """
        signature = headers.get(SIGNATURE_HEADER, "")
        if not signature:
            raise nested(401, "signature_is_missing_from_headers")
        key = self.keys.get(headers.get(KEY_HEADER, ""))
        if key is None:
            raise nested(401, "authentication_error", "authentication_error", "NOT_FOUND")
        timestamp = headers.get(TIMESTAMP_HEADER, "")
        if not _fresh(timestamp, wall_ns, switches):
            raise nested(401, "header_timestamp_expired")
        if not _signed(key, f"{timestamp}{method.upper()}{path}".encode(), signature):
            raise _bad_signature(switches)
        return key


def signed_headers(headers: Mapping[str, str]) -> bool:
    """Return whether a request tries to authenticate."""
    return any(name in headers for name in (KEY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER))


def write_key(
    folder: Path, name: str, key_type: str
) -> tuple[Path, RSAPublicKey | Ed25519PublicKey]:
    """Make a private key, write its PEM readable by the user alone, return path and public key.

    RSA comes as PKCS#1 and Ed25519 as PKCS#8, as the venue hands them out.
    """
    private: RSAPrivateKey | Ed25519PrivateKey
    if key_type == "rsa":
        private = generate_private_key(public_exponent=65537, key_size=2048)
        form = serialization.PrivateFormat.TraditionalOpenSSL
    elif key_type == "ed25519":
        private = Ed25519PrivateKey.generate()
        form = serialization.PrivateFormat.PKCS8
    else:
        raise ValueError(f"key type is {key_type!r}, allowed rsa, ed25519")
    pem = private.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())
    path = folder / f"{name}.pem"
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(pem)
    return path, private.public_key()


def load_public_key(pem: str) -> PublicKey:
    """Return a public key from PEM.

    Raises
    ------
    ValueError
        It is not a PEM public key of a supported type.

    """
    key = serialization.load_pem_public_key(pem.encode())
    if not isinstance(key, RSAPublicKey | Ed25519PublicKey):
        raise ValueError("the public key must be RSA or Ed25519")
    return key


def _fresh(timestamp: str, wall_ns: int, switches: Switches) -> bool:
    if not timestamp.isascii() or not timestamp.isdigit() or len(timestamp) > 20:
        return False
    ahead_ms = int(timestamp) - wall_ns // NS_PER_MS
    past, future = switches.number("clock_skew_past_ms"), switches.number("clock_skew_future_ms")
    return -past <= ahead_ms <= future


def _signed(key: ApiKey, message: bytes, signature: str) -> bool:
    try:
        raw = base64.b64decode(signature, validate=True)
        if isinstance(key.public_key, RSAPublicKey):
            pss = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.DIGEST_LENGTH)
            key.public_key.verify(raw, message, pss, hashes.SHA256())
        else:
            key.public_key.verify(raw, message)
    except (InvalidSignature, binascii.Error, ValueError):
        return False
    return True


def _bad_signature(switches: Switches) -> RefusalError:
    message = "authentication_error"
    if switches["auth_message"] == "sentence":
        message = "We could not authenticate your request"
    return nested(401, "authentication_error", message, "INCORRECT_API_KEY_SIGNATURE")
