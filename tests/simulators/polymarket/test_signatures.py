"""Order ids, order signatures of every type, logins: against the published vectors."""

from __future__ import annotations

import pytest
from coincurve import PrivateKey

from simulators.polymarket import eip712, orders, wallets
from simulators.polymarket.keccak import (
    BadSignatureError,
    keccak256,
    public_key_address,
    recover,
    word,
)
from simulators.polymarket.model import Refusal
from tests.simulators.polymarket.kit import (
    make_market,
    make_trader,
    make_world,
    separator_of,
    sign_digest,
    signed_order,
)

SECRET = "0x" + "11" * 32
OWNER = "0x19E7E376E7C213B7E7e7e46cc70A5dD086DAff2A"
V1_TOKEN = 72690798903588392269001731007662425920353908498880709179939493847828858696064
V2_TOKEN = 663574927012476832975694178961957910328055987427402067619466963999000625152
VECTORS = {
    "standard": (eip712.EXCHANGE_V2, "2", V1_TOKEN, OWNER, 0,
        "2e3ad14aca12e1d74980bdc5c25dfc175998f265401ac4f40d42ab1350f1bf48",
        "f84797e20a5f5df26c5574d2303afb1409b20416035cdfa7911213ed63af995f171fbbe19c901ec9b4118efa"
        "202be2b8415e3241828d8d617fa3bf40635926fc1c"),
    "neg-risk": (eip712.NEG_RISK_EXCHANGE_V2, "2", V1_TOKEN, OWNER, 0,
        "4578878c6c4e32626302bd903557178aeef0b83bb583588cec771ad0d8dc7064",
        "3cc241830b8a75cbe41e16cf0de8db4c0ec76283bb1e530ebfedf75e781f8089160fd34b018b00b15861f984"
        "26aa34916cfceaceea12825053c1930a152236cd1c"),
    "protocol v2": (eip712.EXCHANGE_V3, "3", V2_TOKEN, OWNER, 0,
        "ecc372d06a7d7a4c76352240518fac571c820b1694725eba4fecb97017fda2a2",
        "c27a127cd22ef2692ccbc497eb36fe67d706a913dd376061270a805a2103ce6170b785c3d45c75f93667f04a"
        "baaa391f04cd34245af47cd8e2a06f390cce6de21c"),
}  # fmt: skip
WRAPPED = (
    "fd57b5348f642806be2a24e5855b31f60c4d2e63a771d70a8ce6a2737d1a55af14f7673814c9ccdb2afc303cef15"
    "c0e0b2e004d77e43bb2076f0516487cce9f41b"
    "3264e159346253e26a64e00b69032db0e7d32f94628de3e6eecb50304d7af3d2"
    "4e248b2a5e8e98319999c885d8ca41975159d0060b3df5ff880232d0d3764888"
)


def order(token, maker, kind, signature):
    return eip712.SignedOrder(
        479249096354, maker, maker, token, 5_000_000, 10_000_000, 0, kind, 1_760_000_000_000,
        bytes(32), bytes(32), signature,
    )  # fmt: skip


@pytest.mark.parametrize("name", VECTORS)
def test_vectors_give_the_published_id_and_recover_the_owner(name):
    exchange, version, token, maker, kind, digest, signature = VECTORS[name]
    separator = eip712.domain_separator(exchange, version, 137)
    signed = order(token, maker, kind, "0x" + signature)
    assert eip712.order_hash(signed, separator).hex() == digest
    assert eip712.recover_order_key(signed, separator, 137) == OWNER
    assert eip712.is_position_id(token) is (version == "3")


def test_deposit_wallet_vector_unwraps_to_the_owner():
    tail = eip712.ORDER_TYPE.encode().hex() + "00ba"
    wallet = "0x" + "34" * 20
    signed = order(V1_TOKEN, wallet, 3, "0x" + WRAPPED + tail)
    separator = eip712.domain_separator(eip712.EXCHANGE_V2, "2", 137)
    assert len(signed.signature) == 2 + 2 * 317
    assert eip712.recover_order_key(signed, separator, 137) == OWNER
    other = eip712.domain_separator(eip712.NEG_RISK_EXCHANGE_V2, "2", 137)
    with pytest.raises(BadSignatureError, match="another order or another exchange"):
        eip712.recover_order_key(signed, other, 137)


def test_domain_separators_are_the_published_ones():
    assert eip712.domain_separator(eip712.EXCHANGE_V2, "2", 137).hex().startswith("3264e159346253")
    assert (
        eip712.domain_separator(eip712.NEG_RISK_EXCHANGE_V2, "2", 137)
        .hex()
        .startswith("9b858f53327b0bd1")
    )
    assert eip712.domain_separator(eip712.EXCHANGE_V3, "3", 137).hex().startswith("466c63910185bb")
    assert eip712.ORDER_TYPEHASH.hex().startswith("bb86318a2138f5fa")


def test_login_vector():
    digest = eip712.login_hash(OWNER, "1760000000", 0, 137)
    signature = bytes.fromhex(
        "95da8bdccaf0091205a2dfb3d1fdee53ab50699ede77f476b89b5c94c69f61b30369b2b8cd307712ef8290ec"
        "7e8fb9436b77f1eff27b49a36263cd242c4f60771c"
    )
    assert recover(digest, signature) == OWNER


def test_wallet_addresses_are_those_of_the_official_client():
    from polymarket._internal import wallet as official
    from polymarket.environments import PRODUCTION

    config = PRODUCTION._config.wallet_derivation
    assert wallets.proxy_wallet(OWNER) == official.derive_proxy_wallet_address(OWNER, config)
    assert wallets.safe_wallet(OWNER) == official.derive_safe_wallet_address(OWNER, config)
    deposit = official.derive_beacon_deposit_wallet_address(OWNER, config)
    assert wallets.deposit_wallet(OWNER) == deposit
    assert wallets.wallet_for(OWNER, wallets.EOA) == OWNER


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
@pytest.mark.parametrize("changes", [{}, {"neg_risk": True}, {"version": "v2"}])
def test_every_wallet_type_trades_on_every_kind_of_market(kind, changes):
    world = make_world()
    market = make_market(world, **changes)
    trader = make_trader(world, kind=kind)
    body = trader.body(market, "BUY", "0.4", 10)
    answer = orders.post_order(world, trader.key, body)
    expected = eip712.order_hash(signed_order(body["order"]), separator_of(market)).hex()
    assert answer["orderID"] == "0x" + expected
    assert answer["status"] == "live"


@pytest.mark.parametrize("kind", [0, 1, 2, 3])
def test_wrong_exchange_wrong_key_and_changed_amounts_are_refused(kind):
    world = make_world()
    standard, negative = make_market(world, 1), make_market(world, 2, neg_risk=True)
    trader, other = make_trader(world, "a", kind), make_trader(world, "b", kind)
    wrong_exchange = trader.body(standard, "BUY", "0.4", 10, separator=separator_of(negative))
    wrong_key = trader.body(standard, "BUY", "0.4", 10, secret=other.account.private_key)
    changed = trader.body(standard, "BUY", "0.4", 10)
    changed["order"]["takerAmount"] = "20000000"
    for body in (wrong_exchange, wrong_key, changed):
        with pytest.raises(Refusal, match="invalid signature") as caught:
            orders.post_order(world, trader.key, body)
        assert caught.value.status == 400
    assert not world.orders


def test_session_key_signs_for_the_deposit_wallet_it_was_given():
    world = make_world()
    market = make_market(world)
    owner, session = make_trader(world, "a", 3), make_trader(world, "b", 0)
    body = owner.body(market, "BUY", "0.4", 10, secret=session.account.private_key)
    raw = bytes.fromhex(body["order"]["signature"][2:])
    payload = word(session.account.owner) + word(0) + word(96) + word(len(raw))
    payload += raw + bytes(-len(raw) % 32)
    body["order"]["signature"] = "0x" + (payload + bytes.fromhex("6492" * 16)).hex()
    body["owner"] = session.key.key
    with pytest.raises(Refusal, match="address of the API KEY"):
        orders.post_order(world, session.key, body)
    owner.wallet.session_keys.add(session.account.owner.lower())
    assert orders.post_order(world, session.key, body)["status"] == "live"


@pytest.mark.parametrize("signature", ["0x", "0x1234", "zz", "0x" + "00" * 65, "0x" + "ff" * 65])
def test_garbage_signatures_are_refused_not_raised(signature):
    world = make_world()
    market, trader = make_market(world), make_trader(world)
    body = trader.body(market, "BUY", "0.4", 10)
    body["order"]["signature"] = signature
    with pytest.raises(Refusal, match="invalid signature"):
        orders.post_order(world, trader.key, body)


def test_upper_half_signatures_are_refused():
    digest = keccak256(b"x")
    good = sign_digest(SECRET, digest)
    order_n = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    flipped = order_n - int.from_bytes(good[32:64], "big")
    twin = good[:32] + flipped.to_bytes(32, "big") + bytes([55 - good[64]])
    assert recover(digest, good) == public_key_address(PrivateKey(bytes([17] * 32)).public_key)
    with pytest.raises(BadSignatureError, match="upper half"):
        recover(digest, twin)
