"""Load an API key from a file or the environment; the only module here that reads either.

Variables, by environment: ``KALSHI_DEMO_KEY_ID`` and ``KALSHI_DEMO_PRIVATE_KEY_PATH`` (or the PEM
text itself in ``KALSHI_DEMO_PRIVATE_KEY``) for demo; ``KALSHI_KEY_ID``,
``KALSHI_PRIVATE_KEY_PATH``, ``KALSHI_PRIVATE_KEY`` for production. Demo and production keys belong
to different accounts.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from adapters.common.errors import CredentialError
from adapters.kalshi.signing import PrivateKey

_PREFIX = {"demo": "KALSHI_DEMO_", "production": "KALSHI_"}


class Credential:
    """An API key id and its private key; shows neither in any text.

    Attributes
    ----------
    key_type : str
        ``ed25519`` or ``rsa``.
    """

    __slots__ = ("key", "key_id")

    def __init__(self, key_id: str, key: PrivateKey) -> None:
        self.key_id = key_id
        self.key = key

    @property
    def key_type(self) -> str:
        """The kind of private key."""
        return "ed25519" if isinstance(self.key, Ed25519PrivateKey) else "rsa"

    def __repr__(self) -> str:
        return f"Credential(key_id=…{self.key_id[-4:]}, key_type={self.key_type})"

    __str__ = __repr__

    def __reduce__(self) -> tuple[object, ...]:
        raise CredentialError("a credential is never pickled or copied to another process")


def parse_private_key(pem: bytes, source: str) -> PrivateKey:
    """Return the private key in ``pem``.

    Parameters
    ----------
    source : str
        Where the bytes came from, for the message.

    Raises
    ------
    CredentialError
        Not a PEM private key, encrypted, or neither Ed25519 nor RSA of at least 2048 bits.
    """
    allowed = "allowed: an unencrypted PEM private key, Ed25519 (PKCS#8) or RSA (PKCS#1 or PKCS#8)"
    if b"PUBLIC KEY" in pem and b"PRIVATE KEY" not in pem:
        raise CredentialError(f"{source}: found a public key, {allowed}")
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError:
        raise CredentialError(f"{source}: found an encrypted key, {allowed}") from None
    except (ValueError, UnsupportedAlgorithm):
        # Not chained: a parser's message may quote what it could not parse.
        raise CredentialError(f"{source}: found no readable private key, {allowed}") from None
    if isinstance(key, Ed25519PrivateKey):
        return key
    if isinstance(key, RSAPrivateKey):
        if key.key_size < 2048:
            raise CredentialError(f"{source}: found RSA of {key.key_size} bits, allowed: 2048 up")
        return key
    kind = type(key).__name__.lstrip("_").replace("PrivateKey", "")
    raise CredentialError(f"{source}: found a key of type {kind}, {allowed}")


def load_credential(
    environment: str,
    *,
    key_id: str | None = None,
    private_key_path: str | None = None,
    env: Mapping[str, str] | None = None,
) -> Credential:
    """Return the credential from the arguments or else from the environment.

    Raises
    ------
    CredentialError
        Something is missing or unusable; names the setting and the variable that would fill it.
    """
    variables = os.environ if env is None else env
    prefix = _PREFIX.get(environment, "KALSHI_")
    found_id = key_id or variables.get(f"{prefix}KEY_ID", "")
    if not found_id.strip():
        raise CredentialError(f"key_id: found nothing, set it or {prefix}KEY_ID")
    path = private_key_path or variables.get(f"{prefix}PRIVATE_KEY_PATH", "")
    if path:
        return Credential(found_id.strip(), parse_private_key(_read(path), f"private key {path}"))
    pem = variables.get(f"{prefix}PRIVATE_KEY", "")
    if pem:
        text = pem.replace("\\n", "\n").encode()
        return Credential(found_id.strip(), parse_private_key(text, f"{prefix}PRIVATE_KEY"))
    raise CredentialError(
        f"private_key_path: found nothing, set it, {prefix}PRIVATE_KEY_PATH or {prefix}PRIVATE_KEY"
    )


def has_credential(environment: str, *, env: Mapping[str, str] | None = None) -> bool:
    """Return whether the environment names a key at all."""
    variables = os.environ if env is None else env
    prefix = _PREFIX.get(environment, "KALSHI_")
    named = variables.get(f"{prefix}PRIVATE_KEY_PATH") or variables.get(f"{prefix}PRIVATE_KEY")
    return bool(variables.get(f"{prefix}KEY_ID") and named)


def _read(path: str) -> bytes:
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as exc:
        reason = exc.strerror or type(exc).__name__
        raise CredentialError(f"private_key_path: cannot read {path} ({reason})") from None
