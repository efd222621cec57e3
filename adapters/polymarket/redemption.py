"""What moves on chain: approvals, wrapping, split, merge, redeem. Pure: calls in, bytes out.

A `Call` says in words what it does before anybody signs it. For an EOA the transaction is built and
signed here (EIP-1559); proxy, safe and deposit wallets execute calls through the venue's relayer,
which takes the same calls.

References
----------
docs.polymarket.com "Contracts", "Manage positions", "pUSD"; `polymarket-client` 0.14.0
`_internal/actions/relayer/calls.py`. Read 2026-11-21.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import msgspec

from adapters.common.errors import UsageError
from adapters.polymarket.constants import (
    AUTO_REDEEMER,
    COLLATERAL_ONRAMP,
    CONDITIONAL_TOKENS,
    CTF_COLLATERAL_ADAPTER,
    EXCHANGE_V2,
    EXCHANGE_V3,
    NEG_RISK_COLLATERAL_ADAPTER,
    NEG_RISK_EXCHANGE_V2,
    POSITION_MANAGER,
    PUSD,
    ROUTER,
    USDC_E,
    ProtocolVersion,
)
from adapters.polymarket.signing import OrderSigner, address_bytes, keccak256

UINT256_MAX: Final = 2**256 - 1


class Call(msgspec.Struct, frozen=True):
    """One contract call, with what it does in plain words."""

    to: str
    data: bytes
    what: str


class Approval(msgspec.Struct, frozen=True):
    """One approval trading needs: a spender of pUSD, or an operator of outcome tokens."""

    token: str
    spender: str
    name: str
    is_erc20: bool
    optional: bool = False


APPROVALS: Final = (
    Approval(PUSD, EXCHANGE_V2, "pUSD -> Exchange V2", True),
    Approval(PUSD, NEG_RISK_EXCHANGE_V2, "pUSD -> Neg-risk Exchange V2", True),
    Approval(PUSD, EXCHANGE_V3, "pUSD -> Exchange V3 (Protocol V2)", True),
    Approval(CONDITIONAL_TOKENS, EXCHANGE_V2, "shares -> Exchange V2", False),
    Approval(CONDITIONAL_TOKENS, NEG_RISK_EXCHANGE_V2, "shares -> Neg-risk Exchange V2", False),
    Approval(POSITION_MANAGER, EXCHANGE_V3, "positions -> Exchange V3 (Protocol V2)", False),
    Approval(PUSD, CTF_COLLATERAL_ADAPTER, "pUSD -> collateral adapter (split)", True, True),
    Approval(
        PUSD, NEG_RISK_COLLATERAL_ADAPTER, "pUSD -> neg-risk adapter (split)", True, True
    ),
    Approval(
        CONDITIONAL_TOKENS, CTF_COLLATERAL_ADAPTER, "shares -> collateral adapter (redeem)",
        False, True,
    ),
    Approval(
        CONDITIONAL_TOKENS, NEG_RISK_COLLATERAL_ADAPTER, "shares -> neg-risk adapter (redeem)",
        False, True,
    ),
    Approval(PUSD, ROUTER, "pUSD -> Router (Protocol V2 split)", True, True),
    Approval(POSITION_MANAGER, ROUTER, "positions -> Router (Protocol V2 redeem)", False, True),
    Approval(POSITION_MANAGER, AUTO_REDEEMER, "positions -> AutoRedeemer", False, True),
)  # fmt: skip


def _selector(signature: str) -> bytes:
    return keccak256(signature.encode())[:4]


def _word(value: int) -> bytes:
    if not 0 <= value <= UINT256_MAX:
        raise UsageError(f"amount: found {value}, expected an integer in [0, 2^256)")
    return value.to_bytes(32, "big")


def _address(address: str) -> bytes:
    return bytes(12) + address_bytes("address", address)


def _units(amount: Decimal) -> int:
    scaled = amount.scaleb(6)
    if amount <= 0 or scaled != int(scaled):
        raise UsageError(f"amount: found {amount}, expected more than 0 with at most 6 decimals")
    return int(scaled)


def _condition(condition_id: str, length: int) -> bytes:
    digits = condition_id.removeprefix("0x")
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        raw = b""
    if len(raw) not in (31, 32):
        raise UsageError(f"condition id: found {condition_id!r}, expected 62 or 64 hex digits")
    return raw[:length].ljust(32, b"\0")


def approve(approval: Approval) -> Call:
    """Return the call that gives an approval without a limit."""
    if approval.is_erc20:
        data = _selector("approve(address,uint256)")
        data += _address(approval.spender) + _word(UINT256_MAX)
    else:
        data = _selector("setApprovalForAll(address,bool)")
        data += _address(approval.spender) + _word(1)
    return Call(approval.token, data, f"approve {approval.name}, without a limit")


def ask_approval(approval: Approval, owner: str) -> Call:
    """Return the read that tells whether an approval stands."""
    name = "allowance" if approval.is_erc20 else "isApprovedForAll"
    data = _selector(f"{name}(address,address)") + _address(owner) + _address(approval.spender)
    return Call(approval.token, data, f"ask {approval.name}")


def ask_balance(token: str, owner: str) -> Call:
    """Return the read of an ERC-20 balance."""
    return Call(token, _selector("balanceOf(address)") + _address(owner), "ask balance")


def wrap(amount: Decimal, recipient: str) -> tuple[Call, Call]:
    """Return the calls that turn USDC.e into pUSD, one for one."""
    units = _units(amount)
    approval = _selector("approve(address,uint256)")
    approval += _address(COLLATERAL_ONRAMP) + _word(units)
    data = _selector("wrap(address,address,uint256)")
    data += _address(USDC_E) + _address(recipient) + _word(units)
    return (
        Call(USDC_E, approval, f"approve {amount} USDC.e -> on-ramp"),
        Call(COLLATERAL_ONRAMP, data, f"wrap {amount} USDC.e into pUSD for {recipient}"),
    )


def _partition_call(name: str, condition_id: str, neg_risk: bool, amount: Decimal | None) -> Call:
    """Build a call of the collateral adapter with the binary partition [1, 2]."""
    types = "address,bytes32,bytes32,uint256[]" + (",uint256" if amount is not None else "")
    heads = 5 if amount is not None else 4
    data = _selector(f"{name}({types})")
    data += _address(PUSD) + bytes(32) + _condition(condition_id, 32) + _word(heads * 32)
    if amount is not None:
        data += _word(_units(amount))
    data += _word(2) + _word(1) + _word(2)
    target = NEG_RISK_COLLATERAL_ADAPTER if neg_risk else CTF_COLLATERAL_ADAPTER
    how_much = "" if amount is None else f" {amount}"
    return Call(target, data, f"{name}{how_much} of {condition_id}")


def split(condition_id: str, amount: Decimal, *, version: ProtocolVersion, neg_risk: bool) -> Call:
    """Return the call that turns pUSD into as many shares of both outcomes."""
    if version is ProtocolVersion.V1:
        return _partition_call("splitPosition", condition_id, neg_risk, amount)
    data = _selector("split(bytes31,uint256)") + _condition(condition_id, 31)
    return Call(ROUTER, data + _word(_units(amount)), f"split {amount} of {condition_id}")


def merge(condition_id: str, amount: Decimal, *, version: ProtocolVersion, neg_risk: bool) -> Call:
    """Return the call that turns equal shares of both outcomes back into pUSD."""
    if version is ProtocolVersion.V1:
        return _partition_call("mergePositions", condition_id, neg_risk, amount)
    data = _selector("merge(bytes31,uint256)") + _condition(condition_id, 31)
    return Call(ROUTER, data + _word(_units(amount)), f"merge {amount} of {condition_id}")


def redeem(
    condition_id: str,
    shares: Sequence[Decimal],
    *,
    version: ProtocolVersion,
    neg_risk: bool,
) -> list[Call]:
    """Return the calls that redeem a resolved market; `shares` held of each outcome.

    The v1 adapters redeem everything at once; the Router redeems one outcome a call.
    """
    if version is ProtocolVersion.V1:
        return [_partition_call("redeemPositions", condition_id, neg_risk, None)]
    calls = []
    for index, held in enumerate(shares):
        if held > 0:
            data = _selector("redeem(bytes31,uint256,uint256)") + _condition(condition_id, 31)
            data += _word(index) + _word(_units(held))
            what = f"redeem {held} shares of outcome {index} of {condition_id}"
            calls.append(Call(ROUTER, data, what))
    return calls


# -- transactions of an EOA -----------------------------------------------------------------------


class Fees(msgspec.Struct, frozen=True):
    """Gas terms in wei."""

    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    gas_limit: int


def sign_transaction(
    signer: OrderSigner, call: Call, *, nonce: int, fees: Fees
) -> tuple[bytes, str]:
    """Return the signed EIP-1559 transaction and its hash."""
    fields: list[object] = [
        signer.chain_id,
        nonce,
        fees.max_priority_fee_per_gas,
        fees.max_fee_per_gas,
        fees.gas_limit,
        address_bytes("to", call.to),
        0,
        call.data,
        [],
    ]
    signature = signer.sign_transaction_digest(keccak256(b"\x02" + rlp(fields)))
    r, s = (int.from_bytes(signature[n : n + 32], "big") for n in (0, 32))
    raw = b"\x02" + rlp([*fields, signature[64] - 27, r, s])
    return raw, "0x" + keccak256(raw).hex()


def rlp(value: object) -> bytes:
    """Return the RLP encoding of bytes, non-negative integers and lists of them.

    >>> rlp([1, b"dog", []]).hex()
    'c60183646f67c0'
    """
    if isinstance(value, int):
        return rlp(value.to_bytes((value.bit_length() + 7) // 8, "big"))
    if isinstance(value, bytes):
        if len(value) == 1 and value[0] < 0x80:
            return value
        return _rlp_length(len(value), 0x80) + value
    assert isinstance(value, list), "only bytes, integers and lists are encoded"
    body = b"".join(rlp(item) for item in value)
    return _rlp_length(len(body), 0xC0) + body


def _rlp_length(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes((offset + length,))
    raw = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((offset + 55 + len(raw),)) + raw
