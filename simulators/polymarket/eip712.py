"""EIP-712 orders and logins: hashes and verification for every signature type of the venue."""

from __future__ import annotations

from dataclasses import dataclass

from simulators.polymarket.keccak import BadSignatureError, hex_bytes, keccak256, recover, word

EXCHANGE_V2 = "0xE111180000d2663C0091e4f400237545B87B996B"
NEG_RISK_EXCHANGE_V2 = "0xe2222d279d744050d28e00520010520000310F59"
EXCHANGE_V3 = "0xe3333700cA9d93003F00f0F71f8515005F6c00Aa"

ORDER_TYPE = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    "bytes32 builder)"
)
_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
_AUTH_DOMAIN_TYPE = "EIP712Domain(string name,string version,uint256 chainId)"
_AUTH_TYPE = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_AUTH_MESSAGE = "This message attests that I control the given wallet"
_WRAP_TYPE = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    "address verifyingContract,bytes32 salt)" + ORDER_TYPE
)
_SESSION_MAGIC = bytes.fromhex("6492" * 16)

ORDER_TYPEHASH = keccak256(ORDER_TYPE.encode())
_WRAP_TYPEHASH = keccak256(_WRAP_TYPE.encode())
_WALLET_NAME = keccak256(b"DepositWallet")
_WALLET_VERSION = keccak256(b"1")


@dataclass(frozen=True, slots=True)
class SignedOrder:
    """The signed fields of an order as they came over the wire, amounts in base units (1e-6)."""

    salt: int
    maker: str
    signer: str
    token_id: int
    maker_amount: int
    taker_amount: int
    side: int
    signature_type: int
    timestamp: int
    metadata: bytes
    builder: bytes
    signature: str


def domain_separator(exchange: str, version: str, chain_id: int) -> bytes:
    """Return the separator of the exchange domain, version "2" or "3"."""
    return keccak256(
        keccak256(_DOMAIN_TYPE.encode())
        + keccak256(b"Polymarket CTF Exchange")
        + keccak256(version.encode())
        + word(chain_id)
        + word(exchange)
    )


def order_struct_hash(order: SignedOrder) -> bytes:
    """Return the EIP-712 struct hash of the order."""
    return keccak256(
        ORDER_TYPEHASH
        + word(order.salt)
        + word(order.maker)
        + word(order.signer)
        + word(order.token_id)
        + word(order.maker_amount)
        + word(order.taker_amount)
        + word(order.side)
        + word(order.signature_type)
        + word(order.timestamp)
        + order.metadata
        + order.builder
    )


def order_hash(order: SignedOrder, separator: bytes) -> bytes:
    """Return the EIP-712 hash, which is the order id at the venue."""
    return keccak256(b"\x19\x01" + separator + order_struct_hash(order))


def recover_order_key(order: SignedOrder, separator: bytes, chain_id: int) -> str:
    """Return the address of the key that really signed the order.

    Types 0, 1 and 2 carry 65 bytes over the order hash. Type 3 carries the ERC-7739 wrap: inner
    signature, exchange separator, struct hash, type string and its length; a session key wraps
    that once more with its own address and the 6492 magic.

    Raises
    ------
    BadSignatureError
        If the bytes do not have the shape of the declared type or recover to nobody.
    """
    try:
        raw = hex_bytes(order.signature)
    except ValueError as error:
        raise BadSignatureError(str(error)) from error
    if order.signature_type != 3:
        return recover(order_hash(order, separator), raw)
    session = ""
    if raw.endswith(_SESSION_MAGIC):
        session, raw = _unwrap_session(raw[: -len(_SESSION_MAGIC)])
    key = _recover_wrapped(order, separator, chain_id, raw)
    if session and session.lower() != key.lower():
        raise BadSignatureError("the session key named in the signature did not make it")
    return key


def _recover_wrapped(order: SignedOrder, separator: bytes, chain_id: int, raw: bytes) -> str:
    kind = ORDER_TYPE.encode()
    expected = separator + order_struct_hash(order) + kind + len(kind).to_bytes(2, "big")
    if len(raw) != 65 + len(expected):
        raise BadSignatureError(f"type 3 signature has {len(raw)} bytes, 317 expected")
    if raw[65:] != expected:
        raise BadSignatureError("type 3 signature wraps another order or another exchange")
    wrapped = keccak256(
        _WRAP_TYPEHASH
        + order_struct_hash(order)
        + _WALLET_NAME
        + _WALLET_VERSION
        + word(chain_id)
        + word(order.signer)
        + word(0)
    )
    return recover(keccak256(b"\x19\x01" + separator + wrapped), raw[:65])


def _unwrap_session(payload: bytes) -> tuple[str, bytes]:
    """Decode ``abi.encode(bytes32 signer, bytes32 zero, bytes signature)``."""
    if len(payload) < 128:
        raise BadSignatureError("session signature is too short")
    length = int.from_bytes(payload[96:128], "big")
    if int.from_bytes(payload[64:96], "big") != 96 or len(payload) < 128 + length:
        raise BadSignatureError("session signature is malformed")
    return "0x" + payload[12:32].hex(), payload[128 : 128 + length]


def login_hash(address: str, timestamp: str, nonce: int, chain_id: int) -> bytes:
    """Return the digest of a `ClobAuth` login (L1 headers)."""
    domain = keccak256(
        keccak256(_AUTH_DOMAIN_TYPE.encode())
        + keccak256(b"ClobAuthDomain")
        + keccak256(b"1")
        + word(chain_id)
    )
    struct = keccak256(
        keccak256(_AUTH_TYPE.encode())
        + word(address)
        + keccak256(timestamp.encode())
        + word(nonce)
        + keccak256(_AUTH_MESSAGE.encode())
    )
    return keccak256(b"\x19\x01" + domain + struct)


def is_position_id(asset_id: int) -> bool:
    """Return whether an asset is a Protocol-V2 position id: bits 40 to 103 are zero."""
    return asset_id & (((1 << 64) - 1) << 40) == 0
