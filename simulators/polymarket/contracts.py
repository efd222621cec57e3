"""The contracts a wallet calls, as far as an account needs them: calldata in, state out.

pUSD and USDC.e (ERC-20), the Conditional Tokens and the PositionManager (ERC-1155), the
collateral adapters, the Router of Protocol V2, the on- and off-ramp, a deposit wallet's session
keys. Anything else reverts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from simulators.polymarket import operations
from simulators.polymarket.keccak import ZERO_ADDRESS, checksum_address, keccak256, word
from simulators.polymarket.ledger import (
    COLLATERAL_ADAPTER,
    CONDITIONAL_TOKENS,
    NEG_RISK_ADAPTER,
    NEG_RISK_COLLATERAL_ADAPTER,
    POSITION_MANAGER,
    PUSD,
    ROUTER,
    operator_key,
)
from simulators.polymarket.model import Market, Wallet
from simulators.polymarket.wallets import DEPOSIT_BEACON, DEPOSIT_FACTORY
from simulators.polymarket.world import World

USDC_E = "0x2791Bca1f2de4661ED88A30C99A7a9449Aa84174"
ONRAMP = "0x93070a847efEf7F70739046A929D47a521F5B8ee"
OFFRAMP = "0x2957922Eb93258b93368531d39fAcCA3B4dC5854"

_COINS = (PUSD.lower(), USDC_E.lower())
_SHARES = (CONDITIONAL_TOKENS.lower(), POSITION_MANAGER.lower())


class RevertError(ValueError):
    """The contract reverts; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Args:
    """Calldata after its selector, read word by word."""

    data: bytes

    def number(self, index: int) -> int:
        """Return an unsigned integer."""
        raw = self.data[32 * index : 32 * index + 32]
        if len(raw) != 32:
            raise RevertError("calldata is too short")
        return int.from_bytes(raw, "big")

    def address(self, index: int) -> str:
        """Return an address."""
        return checksum_address("0x" + word(self.number(index))[12:].hex())

    def word(self, index: int) -> bytes:
        """Return 32 raw bytes."""
        return word(self.number(index))

    def numbers(self, index: int) -> list[int]:
        """Return a dynamic array of integers whose offset stands at `index`."""
        start = self.number(index) // 32
        return [self.number(start + 1 + n) for n in range(min(1000, self.number(start)))]


def selector(signature: str) -> bytes:
    """Return the four bytes of a function."""
    return keccak256(signature.encode())[:4]


def _wallet(world: World, address: str) -> Wallet:
    return world.ledger.open(address, address, 0)


def _allowance_key(coin: str, spender: str) -> str:
    prefix = "" if coin.lower() == PUSD.lower() else "usdc.e:"
    return prefix + spender.lower()


def _market(world: World, condition: str) -> Market:
    market = world.markets.get(condition.lower())
    if market is None:
        raise RevertError("unknown condition")
    return market


def _spend(wallet: Wallet, coin: str, spender: str, amount: int) -> None:
    if wallet.allowances.get(_allowance_key(coin, spender), 0) < amount:
        raise RevertError("ERC20: insufficient allowance")


def _approve(world: World, wallet: Wallet, to: str, args: Args) -> None:
    del world
    if to.lower() not in _COINS:
        raise RevertError("not an ERC-20")
    wallet.allowances[_allowance_key(to, args.address(0))] = args.number(1)


def _transfer(world: World, wallet: Wallet, to: str, args: Args) -> None:
    target, amount = _wallet(world, args.address(0)), args.number(1)
    if to.lower() == PUSD.lower():
        operations.move(world, wallet, target, "", amount)
    elif to.lower() == USDC_E.lower() and wallet.usdce >= amount:
        wallet.usdce -= amount
        target.usdce += amount
    else:
        raise RevertError("ERC20: transfer amount exceeds balance")


def _approve_operator(world: World, wallet: Wallet, to: str, args: Args) -> None:
    del world
    if to.lower() not in (*_SHARES, NEG_RISK_ADAPTER.lower()):
        raise RevertError("not an ERC-1155")
    contract = CONDITIONAL_TOKENS if to.lower() == NEG_RISK_ADAPTER.lower() else to
    key = operator_key(contract, args.address(0))
    if args.number(1):
        wallet.operators.add(key)
    else:
        wallet.operators.discard(key)


def _transfer_shares(world: World, wallet: Wallet, to: str, args: Args) -> None:
    source = _wallet(world, args.address(0))
    if source is not wallet and operator_key(to, wallet.address) not in source.operators:
        raise RevertError("ERC1155: caller is not owner nor approved")
    token = str(args.number(2))
    operations.move(world, source, _wallet(world, args.address(1)), token, args.number(3))


def _wrap(world: World, wallet: Wallet, to: str, args: Args) -> None:
    """``wrap(asset, to, amount)`` of the on-ramp; the asset must be USDC.e and approved."""
    amount = args.number(2)
    if to.lower() != ONRAMP.lower() or args.address(0).lower() != USDC_E.lower():
        raise RevertError("OnlyUnpaused()")
    _spend(wallet, USDC_E, ONRAMP, amount)
    target = _wallet(world, args.address(1))
    operations.on_chain(world, wallet, "wrap", None, amount)
    if target is not wallet:
        operations.move(world, wallet, target, "", amount)


def _adapter_market(world: World, wallet: Wallet, to: str, args: Args, spend: int) -> Market:
    market = _market(world, "0x" + args.word(2).hex())
    right = NEG_RISK_COLLATERAL_ADAPTER if market.neg_risk else COLLATERAL_ADAPTER
    if to.lower() != right.lower() or args.address(0).lower() != PUSD.lower():
        raise RevertError("wrong adapter or collateral for this condition")
    if spend:
        _spend(wallet, PUSD, to, spend)
    elif operator_key(CONDITIONAL_TOKENS, to) not in wallet.operators:
        raise RevertError("ERC1155: need operator approval for 3rd party transfers.")
    return market


def _split(world: World, wallet: Wallet, to: str, args: Args) -> None:
    market = _adapter_market(world, wallet, to, args, args.number(4))
    operations.on_chain(world, wallet, "split", market, args.number(4))


def _merge(world: World, wallet: Wallet, to: str, args: Args) -> None:
    market = _adapter_market(world, wallet, to, args, 0)
    operations.on_chain(world, wallet, "merge", market, args.number(4))


def _redeem(world: World, wallet: Wallet, to: str, args: Args) -> None:
    operations.on_chain(world, wallet, "redeem", _adapter_market(world, wallet, to, args, 0))


def _router_market(world: World, wallet: Wallet, to: str, args: Args, spend: int) -> Market:
    if to.lower() != ROUTER.lower():
        raise RevertError("not the router")
    if spend:
        _spend(wallet, PUSD, ROUTER, spend)
    elif operator_key(POSITION_MANAGER, ROUTER) not in wallet.operators:
        raise RevertError("ERC1155: need operator approval for 3rd party transfers.")
    return _market(world, "0x" + args.word(0)[:31].hex() + "00")


def _split_v2(world: World, wallet: Wallet, to: str, args: Args) -> None:
    market = _router_market(world, wallet, to, args, args.number(1))
    operations.on_chain(world, wallet, "split", market, args.number(1))


def _merge_v2(world: World, wallet: Wallet, to: str, args: Args) -> None:
    market = _router_market(world, wallet, to, args, 0)
    operations.on_chain(world, wallet, "merge", market, args.number(1))


def _redeem_v2(world: World, wallet: Wallet, to: str, args: Args) -> None:
    market = _router_market(world, wallet, to, args, 0)
    part = (args.number(1), args.number(2))
    operations.on_chain(world, wallet, "redeem", market, only=part)


def _authorize(world: World, wallet: Wallet, to: str, args: Args) -> None:
    del world
    if to.lower() != wallet.address.lower():
        raise RevertError("only the wallet itself")
    wallet.session_keys.add(args.address(0).lower())


def _revoke(world: World, wallet: Wallet, to: str, args: Args) -> None:
    del world
    if to.lower() != wallet.address.lower():
        raise RevertError("only the wallet itself")
    wallet.session_keys.discard(args.address(0).lower())


type Do = Callable[[World, Wallet, str, Args], None]

_CTF = "(address,bytes32,bytes32,uint256[]"
_CALLS: dict[bytes, Do] = {
    selector("approve(address,uint256)"): _approve,
    selector("transfer(address,uint256)"): _transfer,
    selector("setApprovalForAll(address,bool)"): _approve_operator,
    selector("safeTransferFrom(address,address,uint256,uint256,bytes)"): _transfer_shares,
    selector("wrap(address,address,uint256)"): _wrap,
    selector(f"splitPosition{_CTF},uint256)"): _split,
    selector(f"mergePositions{_CTF},uint256)"): _merge,
    selector(f"redeemPositions{_CTF})"): _redeem,
    selector("split(bytes31,uint256)"): _split_v2,
    selector("merge(bytes31,uint256)"): _merge_v2,
    selector("redeem(bytes31,uint256,uint256)"): _redeem_v2,
    selector("authorizeSessionSigner(address,uint256)"): _authorize,
    selector("revokeSessionSigner(address)"): _revoke,
}


def execute(world: World, wallet: Wallet, to: str, data: bytes) -> None:
    """Run one call of a wallet.

    Raises
    ------
    RevertError
        The call is unknown or the contract refuses it.
    """
    action = _CALLS.get(data[:4])
    if action is None:
        raise RevertError(f"unknown function 0x{data[:4].hex()}")
    try:
        action(world, wallet, to, Args(data[4:]))
    except RevertError:
        raise
    except ValueError as error:
        raise RevertError(str(error)) from error


def _balance(world: World, to: str, args: Args) -> bytes:
    wallet = world.wallet(args.address(0))
    if wallet is None:
        return word(0)
    if to.lower() in _COINS:
        return word(wallet.cash if to.lower() == PUSD.lower() else wallet.usdce)
    return word(wallet.tokens.get(str(args.number(1)), 0))


def _balance_batch(world: World, to: str, args: Args) -> bytes:
    del to
    owners, tokens = args.numbers(0), args.numbers(1)
    found = [world.wallet("0x" + word(owner)[12:].hex()) for owner in owners]
    amounts = [
        wallet.tokens.get(str(token), 0) if wallet is not None else 0
        for wallet, token in zip(found, tokens, strict=True)
    ]
    return word(32) + word(len(amounts)) + b"".join(word(amount) for amount in amounts)


def _allowance(world: World, to: str, args: Args) -> bytes:
    wallet = world.wallet(args.address(0))
    key = _allowance_key(to, args.address(1))
    return word(wallet.allowances.get(key, 0) if wallet is not None else 0)


def _is_operator(world: World, to: str, args: Args) -> bytes:
    wallet = world.wallet(args.address(0))
    contract = CONDITIONAL_TOKENS if to.lower() == NEG_RISK_ADAPTER.lower() else to
    key = operator_key(contract, args.address(1))
    return word(int(wallet is not None and key in wallet.operators))


def _beacon(world: World, to: str, args: Args) -> bytes:
    del world, args
    return word(DEPOSIT_BEACON if to.lower() == DEPOSIT_FACTORY.lower() else ZERO_ADDRESS)


def _payout_top(world: World, to: str, args: Args) -> bytes:
    del to
    market = world.markets.get("0x" + args.word(0).hex())
    if market is None or market.payouts is None:
        return word(0)
    return word(market.payouts[args.number(1)])


def _payout_bottom(world: World, to: str, args: Args) -> bytes:
    del to
    market = world.markets.get("0x" + args.word(0).hex())
    return word(0 if market is None or market.payouts is None else sum(market.payouts))


_VIEWS: dict[bytes, Callable[[World, str, Args], bytes]] = {
    selector("balanceOf(address)"): _balance,
    selector("balanceOf(address,uint256)"): _balance,
    selector("balanceOfBatch(address[],uint256[])"): _balance_batch,
    selector("allowance(address,address)"): _allowance,
    selector("isApprovedForAll(address,address)"): _is_operator,
    selector("decimals()"): lambda _w, _t, _a: word(6),
    selector("payoutNumerators(bytes32,uint256)"): _payout_top,
    selector("payoutDenominator(bytes32)"): _payout_bottom,
    bytes.fromhex("49493a4d"): _beacon,
}


def view(world: World, to: str, data: bytes) -> bytes:
    """Return the ABI-encoded answer of a read.

    Raises
    ------
    RevertError
        The function is unknown.
    """
    read = _VIEWS.get(data[:4])
    if read is None:
        raise RevertError("execution reverted")
    return read(world, to, Args(data[4:]))
