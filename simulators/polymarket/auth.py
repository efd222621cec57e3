"""API keys, the L1 wallet login and the L2 request signature, all really verified."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping

from simulators.polymarket.eip712 import login_hash
from simulators.polymarket.keccak import checksum_address, hex_bytes, recover
from simulators.polymarket.model import Refusal
from simulators.polymarket.world import NS_PER_S, ApiKey, World

_L1_AGE_S = 300
_UNAUTHORIZED = "Unauthorized/Invalid api key"
_BAD_L1 = "Invalid L1 Request headers"


def make_key(world: World, address: str, nonce: int, *, readonly: bool = False) -> ApiKey:
    """Return the credentials of an address and nonce: the same ones every time."""
    kind = "readonly" if readonly else "key"
    text = f"{world.seed}:{kind}:{address.lower()}:{nonce}"
    digest = hashlib.sha256(text.encode()).digest()
    passphrase = hashlib.sha256(b"passphrase:" + digest).hexdigest()
    return ApiKey(
        key=world.uuid("api", kind, address.lower(), nonce),
        secret=base64.urlsafe_b64encode(digest).decode(),
        passphrase=passphrase,
        address=checksum_address(address),
        nonce=nonce,
        readonly=readonly,
    )


def check_login(world: World, headers: Mapping[str, str], wall_ns: int) -> tuple[str, int]:
    """Verify L1 headers and return address and nonce.

    Raises
    ------
    Refusal
        401 when a header is missing, the time is off or the signature is another wallet's.
    """
    try:
        address = checksum_address(headers["POLY_ADDRESS"])
        stamp, nonce = headers["POLY_TIMESTAMP"], int(headers.get("POLY_NONCE", "0"))
        digest = login_hash(address, stamp, nonce, world.chain_id)
        signer = recover(digest, hex_bytes(headers["POLY_SIGNATURE"]))
        age_s = abs(wall_ns // NS_PER_S - int(stamp))
    except (KeyError, ValueError, OverflowError) as error:
        raise Refusal(401, _BAD_L1) from error
    if signer != address or age_s > _L1_AGE_S:
        raise Refusal(401, _BAD_L1)
    return address, nonce


def create_key(world: World, address: str, nonce: int) -> ApiKey:
    """Make the API key of a nonce.

    Raises
    ------
    Refusal
        400 when it exists.
    """
    key = make_key(world, address, nonce)
    if key.key in world.keys:
        raise Refusal(400, "Could not create api key")
    world.keys[key.key] = key
    return key


def derive_key(world: World, address: str, nonce: int) -> ApiKey:
    """Return the existing API key of a nonce.

    Raises
    ------
    Refusal
        400 when there is none.
    """
    key = make_key(world, address, nonce)
    if key.key not in world.keys:
        raise Refusal(400, "Could not derive api key!")
    return key


def sign_request(secret: str, stamp: str, method: str, path: str, body: str) -> str:
    """Return the L2 signature: HMAC-SHA256 over time, method, path without query, and body."""
    key = base64.urlsafe_b64decode(secret)
    message = f"{stamp}{method}{path}{body}".encode()
    return base64.urlsafe_b64encode(hmac.new(key, message, hashlib.sha256).digest()).decode()


def check_request(
    world: World, headers: Mapping[str, str], method: str, path: str, body: str, wall_ns: int
) -> ApiKey:
    """Verify L2 headers and return the API key.

    Raises
    ------
    Refusal
        401 when a header is missing or wrong, the time is off, or the key cannot write.
    """
    key = world.keys.get(headers.get("POLY_API_KEY", ""))
    stamp = headers.get("POLY_TIMESTAMP", "")
    if key is None or not stamp.isdecimal():
        raise Refusal(401, _UNAUTHORIZED)
    right = sign_request(key.secret, stamp, method, path, body)
    matches = (
        headers.get("POLY_ADDRESS", "").lower() == key.address.lower()
        and hmac.compare_digest(
            headers.get("POLY_PASSPHRASE", "").encode(), key.passphrase.encode()
        )
        and hmac.compare_digest(headers.get("POLY_SIGNATURE", "").encode(), right.encode())
    )
    fresh = abs(wall_ns // NS_PER_S - int(stamp)) <= world.switches.number("l2_skew_s")
    if not matches or not fresh or (key.readonly and method != "GET"):
        raise Refusal(401, _UNAUTHORIZED)
    return key


def check_socket(world: World, auth: object) -> ApiKey | None:
    """Return the key of a user socket's first frame, None when the credentials are wrong."""
    if not isinstance(auth, dict):
        return None
    key = world.keys.get(str(auth.get("apiKey", "")))
    if key is None:
        return None
    given = f"{auth.get('secret', '')}\0{auth.get('passphrase', '')}".encode()
    right = f"{key.secret}\0{key.passphrase}".encode()
    return key if hmac.compare_digest(given, right) else None
