"""Order hashes, signatures and headers against fixed vectors and both official SDKs."""

from __future__ import annotations

import dataclasses
import json

import pytest
from eth_account import Account
from hypothesis import given, settings
from hypothesis import strategies as st
from polymarket._internal.actions.orders.typed_data import (
    build_order_signature,
    build_order_typed_data,
)
from polymarket._internal.hmac import build_hmac_signature
from polymarket._internal.l1_auth import build_api_key_auth_typed_data
from py_clob_client_v2.order_utils.exchange_order_builder_v2 import ExchangeOrderBuilderV2
from py_clob_client_v2.order_utils.model.order_data_v2 import OrderV2
from py_clob_client_v2.order_utils.model.side import Side
from py_clob_client_v2.order_utils.model.signature_type_v2 import SignatureTypeV2
from py_clob_client_v2.signer import Signer

from adapters.common.errors import UsageError
from adapters.polymarket.constants import SALT_MAX, SignatureType
from adapters.polymarket.signing import (
    NEG_RISK,
    PROTOCOL_V2,
    STANDARD,
    ApiKey,
    ApiSecret,
    OrderFields,
    OrderSigner,
    checksum_address,
    l1_headers,
    l2_headers,
)

KEY = "0x" + "11" * 32
ADDRESS = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
WALLET = "0x" + "34" * 20
TOKEN = "72690798903588392269001731007662425920353908498880709179939493847828858696064"
V2_TOKEN = "663574927012476832975694178961957910328055987427402067619466963999000625152"

VECTORS = {
    "standard": (
        STANDARD,
        SignatureType.EOA,
        TOKEN,
        "0x2e3ad14aca12e1d74980bdc5c25dfc175998f265401ac4f40d42ab1350f1bf48",
        "0xf84797e20a5f5df26c5574d2303afb1409b20416035cdfa7911213ed63af995f171fbbe19c901ec9b4118efa"
        "202be2b8415e3241828d8d617fa3bf40635926fc1c",
    ),
    "neg risk": (
        NEG_RISK,
        SignatureType.EOA,
        TOKEN,
        "0x4578878c6c4e32626302bd903557178aeef0b83bb583588cec771ad0d8dc7064",
        "0x3cc241830b8a75cbe41e16cf0de8db4c0ec76283bb1e530ebfedf75e781f8089160fd34b018b00b15861f984"
        "26aa34916cfceaceea12825053c1930a152236cd1c",
    ),
    "protocol v2": (
        PROTOCOL_V2,
        SignatureType.EOA,
        V2_TOKEN,
        "0xecc372d06a7d7a4c76352240518fac571c820b1694725eba4fecb97017fda2a2",
        "0xc27a127cd22ef2692ccbc497eb36fe67d706a913dd376061270a805a2103ce6170b785c3d45c75f93667f04a"
        "baaa391f04cd34245af47cd8e2a06f390cce6de21c",
    ),
    "deposit wallet": (
        STANDARD,
        SignatureType.DEPOSIT_WALLET,
        TOKEN,
        "0x6dcffc6c34187a6ef57d8504843eb589188bb550237336147eab22cb63869dc2",
        None,
    ),
}


def signer(kind: SignatureType = SignatureType.EOA, key: str = KEY) -> OrderSigner:
    return OrderSigner(key, signature_type=kind, funder=WALLET if kind else None)


def fields(**changes: object) -> OrderFields:
    base: dict[str, object] = {
        "salt": 479249096354,
        "token_id": TOKEN,
        "maker_amount": 5_000_000,
        "taker_amount": 10_000_000,
        "side": "BUY",
        "timestamp_ms": 1_760_000_000_000,
    }
    return OrderFields(**(base | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", VECTORS)
def test_vector(name: str) -> None:
    venue, kind, token, order_hash, signature = VECTORS[name]
    signed = signer(kind).sign_order(fields(token_id=token), venue)
    assert signed.order_hash == order_hash
    assert signer(kind).order_hash(fields(token_id=token), venue) == order_hash
    if signature is not None:
        assert signed.signature == signature
    else:
        raw = bytes.fromhex(signed.signature[2:])
        assert len(raw) == 317
        assert raw[:32].hex().startswith("fd57b5348f642806be2a24e5855b31f60c4d2e63a771d70a")
        assert raw[65:97] == venue.separator
        assert raw[-2:] == b"\x00\xba"


def test_domain_separators() -> None:
    assert STANDARD.separator.hex().startswith("3264e159346253e26a64e00b69032db0")
    assert NEG_RISK.separator.hex().startswith("9b858f53327b0bd13af8ec14cfb35234")
    assert PROTOCOL_V2.separator.hex().startswith("466c63910185bbd55e8679264200c4e0")


def test_l1_vector() -> None:
    headers = l1_headers(signer(), timestamp_s=1_760_000_000)
    assert headers["POLY_ADDRESS"] == ADDRESS
    assert headers["POLY_SIGNATURE"].startswith(
        "0x95da8bdccaf0091205a2dfb3d1fdee53ab50699ede77f476"
    )


def test_l2_vectors() -> None:
    key = ApiKey("key", ApiSecret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), "pass")
    get = l2_headers(ADDRESS, key, timestamp_s=1_760_000_000, method="GET", path="/data/orders")
    assert get["POLY_SIGNATURE"] == "ri4ufM9PbKL2ag7t13rKC0z8PPY-Qyde2dOuP-GbB18="
    cancel = key.secret.sign(
        timestamp_s=1_760_000_000, method="DELETE", path="/order", body=b'{"orderID":"0xabc"}'
    )
    assert cancel == "n1PuBDvPCuMcIwU_oVlyK1vfsTiCdo5IVkQTudovpTg="


# -- both SDKs as oracles -------------------------------------------------------------------------

venues = st.sampled_from([STANDARD, NEG_RISK, PROTOCOL_V2])
bytes32 = st.binary(min_size=32, max_size=32).map(lambda b: "0x" + b.hex())
orders = st.builds(
    OrderFields,
    salt=st.integers(0, SALT_MAX),
    token_id=st.integers(0, 2**256 - 1).map(str),
    maker_amount=st.integers(0, 2**128),
    taker_amount=st.integers(0, 2**128),
    side=st.sampled_from(["BUY", "SELL"]),
    timestamp_ms=st.integers(0, 2**53),
    metadata=bytes32,
    builder=bytes32,
)
keys = st.integers(1, 2**255).map(lambda n: "0x" + n.to_bytes(32, "big").hex())
kinds = st.sampled_from(list(SignatureType))


@settings(max_examples=60, deadline=None)
@given(order=orders, venue=venues, kind=kinds, key=keys)
def test_equals_py_clob_client_v2(order, venue, kind, key) -> None:  # type: ignore[no-untyped-def]
    ours = signer(kind, key)
    theirs = ExchangeOrderBuilderV2(
        venue.contract, 137, Signer(key, 137), domain_version=venue.version
    )
    unsigned = OrderV2(
        salt=str(order.salt),
        maker=ours.maker,
        signer=ours.signer,
        tokenId=order.token_id,
        makerAmount=str(order.maker_amount),
        takerAmount=str(order.taker_amount),
        side=Side.BUY if order.side == "BUY" else Side.SELL,
        signatureType=SignatureTypeV2(int(kind)),
        timestamp=str(order.timestamp_ms),
        metadata=order.metadata,
        builder=order.builder,
        expiration="0",
    )
    typed = theirs.build_order_typed_data(unsigned)
    signed = ours.sign_order(order, venue)
    assert signed.order_hash == theirs.build_order_hash(typed)
    assert signed.signature == theirs.build_order_signature(typed)


@dataclasses.dataclass
class _Unsigned:
    """The attributes `polymarket-client` reads from its own unsigned order."""

    salt: int
    maker: str
    signer: str
    token_id: str
    maker_amount: int
    taker_amount: int
    side: str
    signature_type: int
    timestamp: int
    metadata: str
    builder: str
    exchange_address: str
    protocol_version: str
    chain_id: int = 137


@settings(max_examples=60, deadline=None)
@given(order=orders, venue=venues, kind=kinds, key=keys)
def test_equals_polymarket_client(order, venue, kind, key) -> None:  # type: ignore[no-untyped-def]
    ours = signer(kind, key)
    unsigned = _Unsigned(
        salt=order.salt,
        maker=ours.maker,
        signer=ours.signer,
        token_id=order.token_id,
        maker_amount=order.maker_amount,
        taker_amount=order.taker_amount,
        side=order.side,
        signature_type=int(kind),
        timestamp=order.timestamp_ms,
        metadata=order.metadata,
        builder=order.builder,
        exchange_address=venue.contract,
        protocol_version=venue.version,
    )
    typed = build_order_typed_data(unsigned)  # type: ignore[arg-type]
    inner = Account.sign_typed_data(key, full_message=typed).signature.hex()
    inner = inner if inner.startswith("0x") else "0x" + inner
    expected = build_order_signature(unsigned, inner)  # type: ignore[arg-type]
    assert ours.sign_order(order, venue).signature == expected


@settings(max_examples=30, deadline=None)
@given(key=keys, timestamp_s=st.integers(0, 2**40), nonce=st.integers(0, 2**40))
def test_l1_equals_polymarket_client(key: str, timestamp_s: int, nonce: int) -> None:
    ours = OrderSigner(key)
    typed = build_api_key_auth_typed_data(
        address=ours.address, chain_id=137, timestamp=timestamp_s, nonce=nonce
    )
    theirs = Account.sign_typed_data(key, full_message=typed).signature.hex()
    assert ours.sign_l1(timestamp_s=timestamp_s, nonce=nonce) == "0x" + theirs.removeprefix("0x")
    assert ours.address == Account.from_key(key).address


@settings(max_examples=50, deadline=None)
@given(
    secret=st.binary(min_size=1, max_size=64),
    timestamp_s=st.integers(0, 2**40),
    body=st.none() | st.dictionaries(st.text(max_size=5), st.integers(), max_size=3),
)
def test_l2_equals_polymarket_client(secret, timestamp_s, body) -> None:  # type: ignore[no-untyped-def]
    import base64

    text = base64.urlsafe_b64encode(secret).decode()
    raw = json.dumps(body, separators=(",", ":")) if body is not None else None
    theirs = build_hmac_signature(
        secret=text, timestamp=timestamp_s, method="POST", path="/order", body=raw
    )
    ours = ApiSecret(text).sign(
        timestamp_s=timestamp_s, method="POST", path="/order", body=(raw or "").encode()
    )
    assert ours == theirs


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["", "0x12", "zz" * 32, "0x" + "00" * 32, "0x" + "ff" * 32])
def test_bad_key_is_refused_and_never_shown(key: str) -> None:
    with pytest.raises(UsageError, match="private key") as caught:
        OrderSigner(key)
    assert not key or key.removeprefix("0x") not in str(caught.value)


def test_secrets_are_not_in_repr() -> None:
    key = ApiKey("0123456789abcdef", ApiSecret("c2VjcmV0LXNlY3JldA=="), "passphrase-1")
    text = repr(signer()) + repr(key) + str(key) + repr(key.secret)
    assert "11" * 8 not in text
    assert "passphrase-1" not in text
    assert "c2VjcmV0" not in text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"salt": -1}, "salt"),
        ({"salt": 2**53}, "salt"),
        ({"side": "buy"}, "side"),
        ({"token_id": "0x12"}, "token_id"),
        ({"token_id": "1²"}, "token_id"),
        ({"maker_amount": -5}, "maker_amount"),
        ({"taker_amount": 2**256}, "taker_amount"),
        ({"metadata": "0x12"}, "metadata"),
        ({"builder": "hello"}, "builder"),
    ],
)
def test_bad_field_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        signer().sign_order(fields(**change), STANDARD)


@pytest.mark.parametrize(
    ("kind", "funder", "message"),
    [
        (SignatureType.EOA, WALLET, "holds its own funds"),
        (SignatureType.POLY_PROXY, None, "needs the address"),
        (SignatureType.DEPOSIT_WALLET, None, "needs the address"),
        (SignatureType.GNOSIS_SAFE, "0x1234", "40 hex digits"),
    ],
)
def test_wallet_must_fit_its_type(kind: SignatureType, funder: str | None, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        OrderSigner(KEY, signature_type=kind, funder=funder)


def test_bad_api_secret() -> None:
    with pytest.raises(UsageError, match="base64"):
        ApiSecret("not base64!!")


def test_checksum_of_a_known_address() -> None:
    assert checksum_address(ADDRESS.lower()) == ADDRESS
