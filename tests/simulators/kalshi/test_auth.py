"""Signatures: both key types, the recorded 401 bodies, the skew window."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding

from simulators.kalshi.auth import ApiKey, KeyRing, write_key
from simulators.kalshi.errors import RefusalError
from simulators.kalshi.switchboard import TABLE
from simulators.switches import Switches
from tests.simulators.kalshi.support import make_venue

NOW_MS = 1_795_248_000_000
PATH = "/trade-api/v2/portfolio/balance"
KEY_ID = "00000000-0000-4000-8000-000000000001"


def pss(private, message, salt=32, digest=None):
    digest = digest or hashes.SHA256()
    return private.sign(message, padding.PSS(padding.MGF1(digest), salt), digest)


@pytest.fixture(params=["rsa", "ed25519"])
def signer(request, tmp_path):
    path, public = write_key(tmp_path, "key", request.param)
    pem = path.read_bytes()
    header = b"BEGIN RSA PRIVATE KEY" if request.param == "rsa" else b"BEGIN PRIVATE KEY"
    assert header in pem
    assert path.stat().st_mode & 0o777 == 0o600
    private = serialization.load_pem_private_key(pem, None)
    ring = KeyRing()
    ring.add(ApiKey(KEY_ID, "user", public))

    def sign(message: bytes) -> bytes:
        return pss(private, message) if request.param == "rsa" else private.sign(message)

    return ring, sign, private


def headers(sign, timestamp=NOW_MS, method="GET", path=PATH, **changes):
    signature = base64.b64encode(sign(f"{timestamp}{method}{path}".encode())).decode()
    found = {
        "KALSHI-ACCESS-KEY": KEY_ID,
        "KALSHI-ACCESS-TIMESTAMP": str(timestamp),
        "KALSHI-ACCESS-SIGNATURE": signature,
    } | changes
    return {name: value for name, value in found.items() if value is not None}


def verify(ring, given, method="GET", path=PATH, **switches):
    return ring.verify(given, method, path, NOW_MS * 10**6, Switches(TABLE, switches))


def refused(ring, given, **kwargs):
    with pytest.raises(RefusalError) as caught:
        verify(ring, given, **kwargs)
    assert caught.value.status == 401
    return caught.value.body["error"]


def test_a_good_signature_names_its_key(signer):
    ring, sign, _ = signer
    assert verify(ring, headers(sign)).user_id == "user"


def test_the_four_bodies(signer):
    ring, sign, _ = signer
    bad = headers(sign, path="/trade-api/v2/other")
    assert refused(ring, bad) == {
        "code": "authentication_error",
        "message": "authentication_error",
        "details": "INCORRECT_API_KEY_SIGNATURE",
    }
    unknown = headers(sign, **{"KALSHI-ACCESS-KEY": "nobody"})
    assert refused(ring, unknown) == {
        "code": "authentication_error",
        "message": "authentication_error",
        "details": "NOT_FOUND",
    }
    missing = headers(sign, **{"KALSHI-ACCESS-SIGNATURE": None})
    assert refused(ring, missing) == {
        "code": "signature_is_missing_from_headers",
        "message": "signature is missing from headers",
    }
    expired = {"code": "header_timestamp_expired", "message": "header timestamp expired"}
    assert refused(ring, headers(sign, timestamp=NOW_MS - 30_000)) == expired


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"KALSHI-ACCESS-TIMESTAMP": "soon"}, "header_timestamp_expired"),
        ({"KALSHI-ACCESS-TIMESTAMP": None}, "header_timestamp_expired"),
        ({"KALSHI-ACCESS-TIMESTAMP": "9" * 40}, "header_timestamp_expired"),
        ({"KALSHI-ACCESS-SIGNATURE": "not base64!"}, "authentication_error"),
        ({"KALSHI-ACCESS-SIGNATURE": "AAAA"}, "authentication_error"),
        ({"KALSHI-ACCESS-KEY": None}, "authentication_error"),
    ],
)
def test_broken_headers(signer, changes, code):
    ring, sign, _ = signer
    assert refused(ring, headers(sign, **changes))["code"] == code


@pytest.mark.parametrize("method", ["POST", "DELETE", "get"])
def test_the_method_is_signed_in_upper_case(signer, method):
    ring, sign, _ = signer
    assert verify(ring, headers(sign, method=method.upper()), method=method)
    other = "PUT" if method != "PUT" else "GET"
    assert refused(ring, headers(sign, method=other), method=method)


@pytest.mark.parametrize(
    ("offset_ms", "good"),
    [(0, True), (-5000, True), (5000, True), (-10_000, True), (-10_001, False), (10_001, False),
     (300_000, False)],
)  # fmt: skip
def test_the_skew_window(signer, offset_ms, good):
    ring, sign, _ = signer
    given = headers(sign, timestamp=NOW_MS + offset_ms)
    if good:
        verify(ring, given)
    else:
        refused(ring, given)


def test_the_skew_window_is_a_switch_on_each_side(signer):
    ring, sign, _ = signer
    ahead = headers(sign, timestamp=NOW_MS + 30_000)
    assert verify(ring, ahead, clock_skew_future_ms=30_000)
    behind = headers(sign, timestamp=NOW_MS - 6000)
    refused(ring, behind, clock_skew_past_ms=5000)


def test_the_text_of_september_by_switch(signer):
    ring, sign, _ = signer
    bad = headers(sign, path="/x")
    assert refused(ring, bad, auth_message="sentence")["message"].startswith("We could not")


@pytest.mark.parametrize(
    ("salt", "digest"), [(20, hashes.SHA256()), (222, hashes.SHA256()), (32, hashes.SHA512())]
)
def test_rsa_with_another_salt_or_digest_is_refused(tmp_path, salt, digest):
    path, public = write_key(tmp_path, "key", "rsa")
    private = serialization.load_pem_private_key(path.read_bytes(), None)
    ring = KeyRing()
    ring.add(ApiKey(KEY_ID, "user", public))
    given = headers(lambda message: pss(private, message, salt, digest))
    assert refused(ring, given)["details"] == "INCORRECT_API_KEY_SIGNATURE"


def test_an_unknown_key_type_is_refused(tmp_path):
    with pytest.raises(ValueError, match="allowed rsa, ed25519"):
        write_key(tmp_path, "key", "dsa")


def test_a_key_registered_by_the_api_signs_and_can_be_deleted(tmp_path):
    venue = make_venue()
    _, public = write_key(tmp_path, "new", "rsa")
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    ).decode()
    body = {"name": "new", "public_key": pem, "scopes": ["read"]}
    made = venue.send("POST", "/api_keys", body=body)
    assert made.status == 201
    key_id = made.body["api_key_id"]
    assert venue.app.core.keys.keys[key_id].key_type == "rsa"
    assert len(venue.get("/api_keys")["api_keys"]) == 2
    for bad in ({"public_key": "x"}, {}, body | {"scopes": "read"}, body | {"subaccount": 64}):
        assert venue.send("POST", "/api_keys", body=bad).status == 400
    assert venue.send("DELETE", f"/api_keys/{key_id}", "bob").status == 404
    assert venue.send("DELETE", f"/api_keys/{key_id}").status == 204
    assert len(venue.get("/api_keys")["api_keys"]) == 1
