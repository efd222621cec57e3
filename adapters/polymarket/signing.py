"""Native EIP-712 order hashes and signatures, L1 and L2 authentication. Pure.

The identity of an order at the venue *is* its EIP-712 hash, so it is known before anything is sent:
whoever writes the hash down first can always ask "did it land?" and can always re-send the same
bytes without creating a second order.

Rules of the venue, numbered; the code cites them:

1. Domain `{name "Polymarket CTF Exchange", version, chainId, verifyingContract}`; version "2" for
   the standard and the neg-risk exchange, "3" for ExchangeV3 (Protocol V2 position ids).
2. The struct has eleven fields in `ORDER_TYPE`'s order; `side` is 0 for BUY and 1 for SELL;
   `timestamp` is the creation time in milliseconds.
3. `expiration`, order type, post-only and owner are not signed.
4. Wallet types 0, 1, 2: signer is the EOA, signature 65 bytes `r‖s‖v`.
5. Wallet type 3 (deposit wallet): maker = signer = the wallet. The EOA signs a `TypedDataSign`
   (ERC-7739) under the exchange's domain; the bytes sent are inner signature 65 ‖ domain separator
   32 ‖ order struct hash 32 ‖ order type string 186 ‖ its length as uint16: 317 bytes.
6. L1 headers (key creation only): `ClobAuth` under domain `{ClobAuthDomain, "1", chainId}`.
7. L2 headers: HMAC-SHA256 over `timestamp + METHOD + path + body`; the path has no query string;
   `POLY_ADDRESS` is always the EOA, also for proxy, safe and deposit wallets.

References
----------
`polymarket-client` 0.14.0 `_internal/actions/orders/typed_data.py`, `_internal/{l1_auth,hmac}.py`;
`py-clob-client-v2` 1.2.1 `order_utils/exchange_order_builder_v2.py`. Read 2026-11-21.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final, NamedTuple

import msgspec
from coincurve import PrivateKey
from Crypto.Hash import keccak as _keccak_module

from adapters.common.errors import UsageError
from adapters.polymarket.constants import (
    CHAIN_ID_POLYGON,
    EXCHANGE_V2,
    EXCHANGE_V3,
    NEG_RISK_EXCHANGE_V2,
    SALT_MAX,
    ZERO_BYTES32,
    SignatureType,
)

ORDER_TYPE: Final = (
    "Order(uint256 salt,address maker,address signer,uint256 tokenId,uint256 makerAmount,"
    "uint256 takerAmount,uint8 side,uint8 signatureType,uint256 timestamp,bytes32 metadata,"
    "bytes32 builder)"
)
_TYPED_DATA_SIGN_TYPE: Final = (
    "TypedDataSign(Order contents,string name,string version,uint256 chainId,"
    "address verifyingContract,bytes32 salt)" + ORDER_TYPE
)
_DOMAIN_TYPE: Final = (
    "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
)
_AUTH_DOMAIN_TYPE: Final = "EIP712Domain(string name,string version,uint256 chainId)"
_AUTH_TYPE: Final = "ClobAuth(address address,string timestamp,uint256 nonce,string message)"
_AUTH_MESSAGE: Final = "This message attests that I control the given wallet"
_UINT256_MAX: Final = 2**256 - 1


class SigningError(UsageError):
    """A value that cannot be signed; the message names the field, never a secret."""


def keccak256(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 digest (the original padding, not SHA-3's)."""
    return _keccak_module.new(digest_bits=256, data=data).digest()


def checksum_address(address: str | bytes) -> str:
    """Return an address in EIP-55 mixed case.

    >>> checksum_address("0x19e7e376e7c213b7e7e7e46cc70a5dd086daff2a")
    '0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A'
    """
    raw = address if isinstance(address, bytes) else address_bytes("address", address)
    text = raw.hex()
    digest = keccak256(text.encode()).hex()
    return "0x" + "".join(
        letter.upper() if letter.isalpha() and int(nibble, 16) >= 8 else letter
        for letter, nibble in zip(text, digest, strict=False)
    )


def address_bytes(field: str, address: str) -> bytes:
    """Return the 20 bytes of a hex address.

    Raises
    ------
    SigningError
        When `address` is not `0x` and 40 hex digits; `field` names it in the message.
    """
    try:
        raw = bytes.fromhex(address.removeprefix("0x").removeprefix("0X"))
    except ValueError:
        raw = b""
    if len(raw) != 20:
        raise SigningError(f"{field}: found {address!r}, expected 0x and 40 hex digits")
    return raw


def _word(field: str, value: int) -> bytes:
    if not 0 <= value <= _UINT256_MAX:
        raise SigningError(f"{field}: found {value}, expected an integer in [0, 2^256)")
    return value.to_bytes(32, "big")


def _bytes32(field: str, text: str) -> bytes:
    try:
        raw = bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != 32:
        raise SigningError(f"{field}: found {text!r}, expected 0x and 64 hex digits")
    return raw


def domain_separator(*, version: str, chain_id: int, contract: str) -> bytes:
    """Return the EIP-712 domain separator of one exchange contract (rule 1)."""
    return keccak256(
        keccak256(_DOMAIN_TYPE.encode())
        + keccak256(b"Polymarket CTF Exchange")
        + keccak256(version.encode())
        + _word("chain_id", chain_id)
        + bytes(12)
        + address_bytes("contract", contract)
    )


class Exchange(NamedTuple):
    """An exchange contract an order can be signed for, with its separator computed once."""

    name: str
    contract: str
    version: str
    separator: bytes


def exchange(name: str, contract: str, version: str, chain_id: int = CHAIN_ID_POLYGON) -> Exchange:
    """Return an `Exchange` with its domain separator."""
    separator = domain_separator(version=version, chain_id=chain_id, contract=contract)
    return Exchange(name, contract, version, separator)


STANDARD: Final = exchange("exchange_v2", EXCHANGE_V2, "2")
NEG_RISK: Final = exchange("neg_risk_exchange_v2", NEG_RISK_EXCHANGE_V2, "2")
PROTOCOL_V2: Final = exchange("exchange_v3", EXCHANGE_V3, "3")

_ORDER_TYPE_HASH: Final = keccak256(ORDER_TYPE.encode())
_TYPED_DATA_SIGN_HASH: Final = keccak256(_TYPED_DATA_SIGN_TYPE.encode())
_WALLET_NAME_HASH: Final = keccak256(b"DepositWallet")
_WALLET_VERSION_HASH: Final = keccak256(b"1")
_POLY_1271_TRAILER: Final = ORDER_TYPE.encode() + len(ORDER_TYPE).to_bytes(2, "big")
_SIDE_WORDS: Final = {"BUY": bytes(32), "SELL": (1).to_bytes(32, "big")}


class OrderFields(msgspec.Struct, frozen=True, kw_only=True):
    """What one order signs, besides the wallet. Amounts in millionths of pUSD or shares."""

    salt: int
    token_id: str
    maker_amount: int
    taker_amount: int
    side: str
    """`BUY` or `SELL`."""
    timestamp_ms: int
    metadata: str = ZERO_BYTES32
    builder: str = ZERO_BYTES32


class SignedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """A signed order: `order_hash` is the venue's order id."""

    fields: OrderFields
    exchange_name: str
    maker: str
    signer: str
    signature_type: int
    order_hash: str
    signature: str


class OrderSigner:
    """Signs orders for one wallet.

    Parameters
    ----------
    private_key : str
        Hex key of the owner EOA. Never kept as text, never shown.
    signature_type : SignatureType
        Kind of wallet that holds the funds.
    funder : str, optional
        Address of the proxy, safe or deposit wallet; must be absent or the EOA itself for type 0.
    chain_id : int
        137 on Polygon.

    Raises
    ------
    SigningError
        On a malformed key or address, or a wallet type without its wallet.
    """

    __slots__ = ("_chain_word", "_key", "_maker_word", "_signer_word", "_type_word",
                 "address", "chain_id", "maker", "signature_type", "signer")  # fmt: skip

    def __init__(
        self,
        private_key: str,
        *,
        signature_type: SignatureType = SignatureType.EOA,
        funder: str | None = None,
        chain_id: int = CHAIN_ID_POLYGON,
    ) -> None:
        self._key = _load_key(private_key)
        public = self._key.public_key.format(compressed=False)[1:]
        eoa = keccak256(public)[12:]
        self.address = checksum_address(eoa)
        self.signature_type = SignatureType(signature_type)
        self.chain_id = chain_id
        wallet = eoa if funder is None else address_bytes("funder", funder)
        if self.signature_type is SignatureType.EOA and wallet != eoa:
            raise SigningError(
                f"funder: found {funder!r}, but an EOA (signature type 0) holds its own funds; "
                "leave it out, or set the signature type of that wallet (1 proxy, 2 safe, "
                "3 deposit wallet)"
            )
        if self.signature_type is not SignatureType.EOA and wallet == eoa:
            raise SigningError(
                f"funder: missing; signature type {int(self.signature_type)} needs the address of "
                "the wallet that holds the funds (shown on the profile page)"
            )
        self.maker = checksum_address(wallet)
        owns_signature = self.signature_type is SignatureType.DEPOSIT_WALLET
        signer = wallet if owns_signature else eoa  # rules 4 and 5
        self.signer = checksum_address(signer)
        self._maker_word = bytes(12) + wallet
        self._signer_word = bytes(12) + signer
        self._type_word = _word("signature_type", int(self.signature_type))
        self._chain_word = _word("chain_id", chain_id)

    def __repr__(self) -> str:
        return f"OrderSigner(address={self.address}, signature_type={int(self.signature_type)})"

    def struct_hash(self, fields: OrderFields) -> bytes:
        """Return the EIP-712 struct hash of an order (rule 2)."""
        if not 0 <= fields.salt <= SALT_MAX:
            raise SigningError(f"salt: found {fields.salt}, expected an integer in [0, 2^53)")
        side = _SIDE_WORDS.get(fields.side)
        if side is None:
            raise SigningError(f"side: found {fields.side!r}, expected BUY or SELL")
        return keccak256(
            b"".join(
                (
                    _ORDER_TYPE_HASH,
                    fields.salt.to_bytes(32, "big"),
                    self._maker_word,
                    self._signer_word,
                    _word("token_id", _token_int(fields.token_id)),
                    _word("maker_amount", fields.maker_amount),
                    _word("taker_amount", fields.taker_amount),
                    side,
                    self._type_word,
                    _word("timestamp_ms", fields.timestamp_ms),
                    _bytes32("metadata", fields.metadata),
                    _bytes32("builder", fields.builder),
                )
            )
        )

    def order_hash(self, fields: OrderFields, venue: Exchange) -> str:
        """Return the order id the venue will use, without signing."""
        return "0x" + keccak256(b"\x19\x01" + venue.separator + self.struct_hash(fields)).hex()

    def sign_order(self, fields: OrderFields, venue: Exchange) -> SignedOrder:
        """Hash and sign an order for an exchange.

        Raises
        ------
        SigningError
            When a field does not fit its type.
        """
        contents = self.struct_hash(fields)
        digest = keccak256(b"\x19\x01" + venue.separator + contents)
        if self.signature_type is SignatureType.DEPOSIT_WALLET:
            signature = self._sign_1271(contents, venue)
        else:
            signature = self._sign_digest(digest)
        return SignedOrder(
            fields=fields,
            exchange_name=venue.name,
            maker=self.maker,
            signer=self.signer,
            signature_type=int(self.signature_type),
            order_hash="0x" + digest.hex(),
            signature="0x" + signature.hex(),
        )

    def _sign_1271(self, contents: bytes, venue: Exchange) -> bytes:
        wrapped = keccak256(
            b"".join(
                (
                    _TYPED_DATA_SIGN_HASH,
                    contents,
                    _WALLET_NAME_HASH,
                    _WALLET_VERSION_HASH,
                    self._chain_word,
                    self._signer_word,
                    bytes(32),
                )
            )
        )
        inner = self._sign_digest(keccak256(b"\x19\x01" + venue.separator + wrapped))
        return inner + venue.separator + contents + _POLY_1271_TRAILER  # rule 5

    def _sign_digest(self, digest: bytes) -> bytes:
        signature: bytes = self._key.sign_recoverable(digest, hasher=None)
        return signature[:64] + bytes((signature[64] + 27,))

    def sign_l1(self, *, timestamp_s: int, nonce: int = 0) -> str:
        """Return the wallet signature that creates or derives API keys (rule 6)."""
        domain = keccak256(
            keccak256(_AUTH_DOMAIN_TYPE.encode())
            + keccak256(b"ClobAuthDomain")
            + keccak256(b"1")
            + self._chain_word
        )
        struct = keccak256(
            keccak256(_AUTH_TYPE.encode())
            + bytes(12)
            + address_bytes("address", self.address)
            + keccak256(str(timestamp_s).encode())
            + _word("nonce", nonce)
            + keccak256(_AUTH_MESSAGE.encode())
        )
        return "0x" + self._sign_digest(keccak256(b"\x19\x01" + domain + struct)).hex()

    def sign_transaction_digest(self, digest: bytes) -> bytes:
        """Sign a 32-byte digest of an on-chain transaction or a wallet batch: 65 bytes."""
        if len(digest) != 32:
            raise SigningError(f"digest: found {len(digest)} bytes, expected 32")
        return self._sign_digest(digest)


def _token_int(token_id: str) -> int:
    if not token_id.isascii() or not token_id.isdigit():
        raise SigningError(f"token_id: found {token_id!r}, expected a decimal integer")
    return int(token_id)


def _load_key(private_key: str) -> PrivateKey:
    problem = SigningError("private key: expected 0x and 64 hex digits (value not shown)")
    try:
        raw = bytes.fromhex(private_key.strip().removeprefix("0x"))
    except ValueError:
        raise problem from None
    if len(raw) != 32:
        raise problem
    try:
        return PrivateKey(raw)
    except ValueError:
        raise SigningError("private key: not a valid secp256k1 key (value not shown)") from None


class ApiSecret:
    """The decoded HMAC secret of one API key; hidden from repr and errors.

    Raises
    ------
    SigningError
        When the text is not url-safe base64.
    """

    __slots__ = ("_hmac",)

    def __init__(self, secret: str) -> None:
        padded = secret + "=" * (-len(secret) % 4)
        try:
            key = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            raise SigningError("api secret: expected url-safe base64 (value not shown)") from None
        self._hmac = hmac.new(key, digestmod=hashlib.sha256)

    def __repr__(self) -> str:
        return "ApiSecret(...)"

    def sign(self, *, timestamp_s: int, method: str, path: str, body: bytes = b"") -> str:
        """Return the L2 signature (rule 7); `path` without host and query string."""
        mac = self._hmac.copy()
        mac.update(f"{timestamp_s}{method}{path}".encode())
        mac.update(body)
        return base64.urlsafe_b64encode(mac.digest()).decode()


class ApiKey(NamedTuple):
    """The identity of one API key. `secret` and `passphrase` never appear in repr."""

    key: str
    secret: ApiSecret
    passphrase: str

    def __repr__(self) -> str:
        return f"ApiKey(key={self.key[:8]}…)"


def l1_headers(signer: OrderSigner, *, timestamp_s: int, nonce: int = 0) -> dict[str, str]:
    """Return the headers of a key-creating request."""
    return {
        "POLY_ADDRESS": signer.address,
        "POLY_SIGNATURE": signer.sign_l1(timestamp_s=timestamp_s, nonce=nonce),
        "POLY_TIMESTAMP": str(timestamp_s),
        "POLY_NONCE": str(nonce),
    }


def l2_headers(
    address: str,
    api_key: ApiKey,
    *,
    timestamp_s: int,
    method: str,
    path: str,
    body: bytes = b"",
) -> dict[str, str]:
    """Return the headers of a private request; sign the exact bytes that are sent."""
    signature = api_key.secret.sign(timestamp_s=timestamp_s, method=method, path=path, body=body)
    return {
        "POLY_ADDRESS": address,
        "POLY_SIGNATURE": signature,
        "POLY_TIMESTAMP": str(timestamp_s),
        "POLY_API_KEY": api_key.key,
        "POLY_PASSPHRASE": api_key.passphrase,
    }
