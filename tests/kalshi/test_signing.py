"""Signatures, checked with the verifying half of cryptography and the venue's own examples."""

from __future__ import annotations

from base64 import b64decode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from adapters.kalshi.signing import auth_headers, message, sign

RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
# RFC 8032, test 3: key, message, signature.
RFC_KEY = bytes.fromhex("c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7")
RFC_MESSAGE = bytes.fromhex("af82")
RFC_SIGNATURE = bytes.fromhex(
    "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
    "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a"
)


def test_the_signed_bytes_are_time_method_and_path() -> None:
    assert message(
        "get", "/trade-api/v2/portfolio/orders?limit=5&status=resting", 1703123456789
    ) == (b"1703123456789GET/trade-api/v2/portfolio/orders")


def test_ed25519_equals_the_published_vector() -> None:
    assert (
        b64decode(sign(Ed25519PrivateKey.from_private_bytes(RFC_KEY), RFC_MESSAGE)) == RFC_SIGNATURE
    )


@pytest.mark.parametrize("salt", [32, 0, 20, 222])
def test_rsa_is_pss_with_a_salt_of_exactly_32(salt: int) -> None:
    payload = message("POST", "/trade-api/v2/portfolio/events/orders", 1)
    signature = b64decode(sign(RSA, payload))
    pss = padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=salt)
    if salt == 32:
        RSA.public_key().verify(signature, payload, pss, hashes.SHA256())
    else:
        with pytest.raises(InvalidSignature):
            RSA.public_key().verify(signature, payload, pss, hashes.SHA256())


def test_headers_are_the_three_of_the_venue() -> None:
    key = Ed25519PrivateKey.generate()
    headers = auth_headers("id-1", key, "GET", "/trade-api/ws/v2", 1781159360866)
    assert list(headers) == [
        "KALSHI-ACCESS-KEY",
        "KALSHI-ACCESS-TIMESTAMP",
        "KALSHI-ACCESS-SIGNATURE",
    ]
    assert headers["KALSHI-ACCESS-TIMESTAMP"] == "1781159360866"
    key.public_key().verify(
        b64decode(headers["KALSHI-ACCESS-SIGNATURE"]), b"1781159360866GET/trade-api/ws/v2"
    )
