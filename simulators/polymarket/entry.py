"""From the JSON of ``POST /order`` to a checked order: every rule, in the venue's sequence.

1. payload, owner, signer  2. account flags  3. mode of the engine  4. market, version, signature
5. tick  6. minimum size and $1  7. precision  8. expiration  9. balance and allowance
10. duplicate  11. post-only.  Matching comes after.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from simulators.polymarket.amounts import (
    Terms,
    check_lot,
    check_precision,
    crosses,
    order_terms,
)
from simulators.polymarket.eip712 import (
    EXCHANGE_V3,
    SignedOrder,
    domain_separator,
    order_hash,
    recover_order_key,
)
from simulators.polymarket.keccak import (
    BadSignatureError,
    address_bytes,
    checksum_address,
    hex_bytes,
)
from simulators.polymarket.ledger import exchange_of
from simulators.polymarket.lifecycle import plan_fee
from simulators.polymarket.matching import plan_match
from simulators.polymarket.model import (
    BUY,
    RESTING_TYPES,
    SELL,
    TAKING_TYPES,
    Market,
    Order,
    Refusal,
    Wallet,
)
from simulators.polymarket.units import ONE, text
from simulators.polymarket.wallets import DEPOSIT
from simulators.polymarket.world import NS_PER_S, ApiKey, World
from simulators.wire import Json

_UINT256 = 1 << 256
_MAX_SALT = 1 << 53
_SAFETY_S = 60
_BAD = "Invalid order payload"


@dataclass(frozen=True, slots=True)
class Entry:
    """A parsed order with its wallet, market and id."""

    signed: SignedOrder
    order_type: str
    post_only: bool
    expiration_s: int
    defer: bool
    side: str
    market: Market
    wallet: Wallet
    id: str


def parse(world: World, key: ApiKey, body: Json) -> Entry:
    """Read one order object and verify who sent it.

    Raises
    ------
    Refusal
        With the venue's status and text.
    """
    signed, raw = _read(body)
    order_type, post_only = body.get("orderType"), body.get("postOnly", False)
    if order_type not in (*RESTING_TYPES, *TAKING_TYPES) or not isinstance(post_only, bool):
        raise Refusal(400, _BAD)
    if post_only and order_type not in RESTING_TYPES:
        raise Refusal(400, "invalid post-only order: only GTC and GTD orders are allowed")
    if body.get("owner") != key.key:
        raise Refusal(400, "the order owner has to be the owner of the API KEY")
    wallet = _wallet(world, key, signed)
    side = (BUY, SELL)[signed.side]
    if wallet.banned:
        raise Refusal(400, f"'{wallet.address}' address banned")
    if wallet.closed_only and side == BUY:
        raise Refusal(400, f"'{wallet.address}' address in closed only mode")
    check_mode(world, post_only=post_only)
    market = world.market_of(str(signed.token_id))
    if market is None or market.closed:
        raise Refusal(400, f"the orderbook {signed.token_id} does not exist")
    if not market.accepting:
        raise Refusal(400, "the market is not yet ready to process new orders")
    order_id = _verify(world, key, signed, market)
    defer = body.get("deferExec", False) is True
    expiration = _integer(raw.get("expiration", "0"))
    return Entry(signed, order_type, post_only, expiration, defer, side, market, wallet, order_id)


def check_mode(world: World, *, post_only: bool = False, cancel: bool = False) -> None:
    """Refuse what the engine's mode does not allow now.

    Raises
    ------
    Refusal
        425 while restarting, 503 while stopped, cancel-only or post-only.
    """
    if world.mode == "restarting":
        raise Refusal(425, "the matching engine is restarting", retry_after=2)
    if world.mode == "disabled":
        long = "Trading is currently disabled. Check polymarket.com for updates"
        short = "trading is disabled"
        raise Refusal(503, long if world.switches["disabled_text"] == "long" else short)
    if world.mode == "cancel_only" and not cancel:
        raise Refusal(
            503,
            "Trading is currently cancel-only. New orders are not accepted, but cancels are"
            " allowed.",
        )
    if world.mode == "post_only" and not post_only and not cancel:
        raise Refusal(
            503,
            "post-only mode: only post-only orders and cancels are allowed",
            code="post_only_mode",
            retry_after_seconds=79,
            retry_after=79,
        )


def build(world: World, key: ApiKey, entry: Entry) -> Order:
    """Check price, size, precision, expiry, funds and duplicates; return the order, not placed.

    Raises
    ------
    Refusal
        With the venue's status and text.
    """
    signed, market = entry.signed, entry.market
    terms = order_terms(
        entry.id,
        entry.side,
        entry.order_type,
        signed.maker_amount,
        signed.taker_amount,
        market.tick,
    )
    order = Order(
        id=entry.id,
        wallet=entry.wallet,
        owner_key=key.key,
        market=market,
        outcome=market.index(str(signed.token_id)),
        side=entry.side,
        price=terms.price,
        size=terms.shares,
        budget=terms.budget,
        order_type=entry.order_type,
        created_ns=world.now_ns,
        post_only=entry.post_only,
        expiration_s=entry.expiration_s,
        signed=signed,
        by=key.address.lower(),
    )
    taking = is_marketable(order)
    _check_sizes(world, order, terms, marketable=taking)
    if world.switches["sub_cent_sizes"] == "reject":
        check_lot(order.side, order.order_type, terms.shares)
    cap = bool(world.switches["cap_marketable"]) and taking
    check_precision(
        order.side, order.order_type, signed.maker_amount, signed.taker_amount, cap_resting=cap
    )
    _check_expiration(world, order)
    if world.switches["duplicate_check"] == "first":
        _check_duplicate(world, order)
    world.ledger.check(order, needed(world, order), world.switches["balance_text"] == "detailed")
    _check_duplicate(world, order)
    if order.post_only and taking:
        raise Refusal(400, "invalid post-only order: order crosses book")
    return order


def is_marketable(order: Order) -> bool:
    """Return whether an order would trade at once."""
    if order.order_type in TAKING_TYPES:
        return True
    bid, ask = order.market.book.best(order.outcome)
    opposite = ask if order.side == BUY else bid
    signed = order.signed
    if signed is None:
        return opposite is not None and (
            order.price >= opposite if order.side == BUY else order.price <= opposite
        )
    return crosses(order.side, signed.maker_amount, signed.taker_amount, opposite)


def needed(world: World, order: Order) -> int:
    """Return what the wallet must have free: the amount it may give, plus the fee of a BUY now."""
    if order.side != BUY:
        return order.left
    plan = plan_match(order, skip_own=world.switches["self_trade"] == "skip")
    rest = max(0, order.budget - order.given - plan.cash)
    return plan.cash + rest + plan_fee(world, order, plan.fills)


def _read(body: Json) -> tuple[SignedOrder, dict[str, Any]]:
    raw = body.get("order") if isinstance(body, dict) else None
    if not isinstance(raw, dict):
        raise Refusal(400, _BAD)
    if "feeRateBps" in raw or "nonce" in raw:
        raise Refusal(400, "order_version_mismatch")
    try:
        salt, kind = raw["salt"], raw["signatureType"]
        if type(salt) is not int or not 0 <= salt <= _MAX_SALT or kind not in (0, 1, 2, 3):
            raise ValueError("salt or signature type")
        signed = SignedOrder(
            salt=salt,
            maker=_address(raw["maker"]),
            signer=_address(raw["signer"]),
            token_id=_integer(raw["tokenId"]),
            maker_amount=_integer(raw["makerAmount"]),
            taker_amount=_integer(raw["takerAmount"]),
            side=(BUY, SELL).index(raw["side"]),
            signature_type=kind,
            timestamp=_integer(raw["timestamp"]),
            metadata=_bytes32(raw["metadata"]),
            builder=_bytes32(raw["builder"]),
            signature=str(raw["signature"]),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise Refusal(400, _BAD) from error
    return signed, raw


def _wallet(world: World, key: ApiKey, signed: SignedOrder) -> Wallet:
    """Check that the API key's address may sign for the maker."""
    wallet = world.wallet(signed.maker)
    if wallet is None or wallet.signature_type != signed.signature_type:
        if signed.signature_type == 0 and signed.maker.lower() != signed.signer.lower():
            raise Refusal(400, "maker address not allowed, please use the deposit wallet flow")
        if wallet is None or signed.signature_type != DEPOSIT:
            raise Refusal(400, "maker address not allowed, please use the deposit wallet flow")
        raise Refusal(400, "Invalid order payload")
    signer = signed.signer.lower()
    owner = key.address.lower()
    if signed.signature_type == DEPOSIT:
        allowed = owner == wallet.owner.lower() or owner in wallet.session_keys
        if signer != wallet.address.lower() or not allowed:
            raise Refusal(400, "the order signer address has to be the address of the API KEY")
    elif signer != owner or owner != wallet.owner.lower():
        raise Refusal(400, "the order signer address has to be the address of the API KEY")
    return wallet


def _verify(world: World, key: ApiKey, signed: SignedOrder, market: Market) -> str:
    versions = [("3", EXCHANGE_V3)] if market.version == "v2" else [("2", exchange_of(market))]
    if market.version == "v1" and world.switches["order_version"] == "v3_only":
        raise Refusal(400, "order_version_mismatch")
    for version, exchange in versions:
        separator = domain_separator(exchange, version, world.chain_id)
        if world.trusting:
            return "0x" + order_hash(signed, separator).hex()
        try:
            signer = recover_order_key(signed, separator, world.chain_id)
        except BadSignatureError:
            continue
        if signer.lower() == key.address.lower():
            return "0x" + order_hash(signed, separator).hex()
    raise Refusal(400, "invalid signature")


def _check_sizes(world: World, order: Order, terms: Terms, *, marketable: bool) -> None:
    dollars = terms.shares * terms.price // ONE
    bound = not marketable or world.switches["min_size_on"] == "all"
    if order.order_type in RESTING_TYPES and bound:
        size = terms.shares if world.switches["min_size_unit"] == "shares" else dollars
        if size < order.market.min_size:
            raise Refusal(
                400,
                f"order {order.id} is invalid. Size ({text(size)}) lower than the minimum:"
                f" {text(order.market.min_size)}",
            )
    spend = terms.budget if order.side == BUY else ONE
    if order.side == BUY and marketable and not order.post_only and spend < ONE:
        raise Refusal(
            400, f"invalid amount for a marketable BUY order (${text(spend)}), min size: $1"
        )


def _check_expiration(world: World, order: Order) -> None:
    now_s = world.client_ns() // NS_PER_S
    if order.order_type == "GTD":
        if order.expiration_s - _SAFETY_S <= now_s:
            raise Refusal(400, "invalid expiration")
    elif order.expiration_s:
        raise Refusal(400, "invalid expiration")


def _check_duplicate(world: World, order: Order) -> None:
    if order.id in world.orders:
        raise Refusal(400, f"order {order.id} is invalid. Duplicated.")


def _integer(value: Json) -> int:
    """Read a non-negative uint256 written as a decimal string, nothing else."""
    if not isinstance(value, str) or not value.isdecimal() or not value.isascii():
        raise Refusal(400, _BAD)
    parsed = int(value) if len(value) <= 78 else _UINT256
    if parsed >= _UINT256:
        raise Refusal(400, _BAD)
    return parsed


def _address(value: Json) -> str:
    if not isinstance(value, str):
        raise Refusal(400, _BAD)
    address_bytes(value)
    return checksum_address(value)


def _bytes32(value: Json) -> bytes:
    raw = hex_bytes(value) if isinstance(value, str) else b""
    if len(raw) != 32:
        raise Refusal(400, _BAD)
    return raw
