"""Sign a request: pure, ``(method, path, time, key) → headers``.

The signed bytes are the Unix time in milliseconds, the method in capitals and the path from the
root, without separators: ``1781159360866GET/trade-api/v2/portfolio/balance``. Query, body and
host are not covered.

References
----------
docs.kalshi.com /getting_started/quick_start_authenticated_requests and /getting_started/api_keys,
read 2026-08-22; Ed25519 keys: changelog 2026-09-24; salt length: SDK 3.34.0 ``auth.py``.
"""

from __future__ import annotations

from base64 import b64encode

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256

type PrivateKey = Ed25519PrivateKey | RSAPrivateKey

_SHA256 = SHA256()
_PSS = PSS(mgf=MGF1(_SHA256), salt_length=_SHA256.digest_size)


def message(method: str, path: str, ts_ms: int) -> bytes:
    """Return the bytes that are signed; a query in ``path`` is cut off."""
    return f"{ts_ms}{method.upper()}{path.partition('?')[0]}".encode()


def sign(key: PrivateKey, payload: bytes) -> str:
    """Return the signature in padded base64: Ed25519 as it is, RSA as PSS with SHA-256."""
    if isinstance(key, RSAPrivateKey):
        return b64encode(key.sign(payload, _PSS, _SHA256)).decode()
    return b64encode(key.sign(payload)).decode()


def auth_headers(
    key_id: str, key: PrivateKey, method: str, path: str, ts_ms: int
) -> dict[str, str]:
    """Return the three headers of an authenticated request.

    Parameters
    ----------
    path : str
        From the root, for example ``/trade-api/v2/portfolio/balance``.
    ts_ms : int
        Unix time in milliseconds; the venue allows about five seconds of skew.
    """
    return {
        "KALSHI-ACCESS-KEY": key_id,
        "KALSHI-ACCESS-TIMESTAMP": str(ts_ms),
        "KALSHI-ACCESS-SIGNATURE": sign(key, message(method, path, ts_ms)),
    }
