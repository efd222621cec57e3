"""Who owns what: cash, tokens, what open orders and unmined trades commit, and market collateral.

Nothing moves before a trade is mined. Cash in wallets plus collateral locked in markets plus the
fee account is constant; while a market is open its YES supply, its NO supply and its collateral
are equal.
"""

from __future__ import annotations

from collections.abc import Iterable

from simulators.polymarket.eip712 import EXCHANGE_V2, EXCHANGE_V3, NEG_RISK_EXCHANGE_V2
from simulators.polymarket.model import BUY, Fill, Market, Order, Refusal, Trade, Wallet
from simulators.polymarket.units import ONE

MAX_ALLOWANCE = (1 << 256) - 1
SPENDERS = (EXCHANGE_V2, NEG_RISK_EXCHANGE_V2, EXCHANGE_V3)
CONDITIONAL_TOKENS = "0x4D97DCd97eC945f40cF65F87097ACe5EA0476045"
POSITION_MANAGER = "0x006F54F7f9A22e0000CC2AB60031000000ae9fEF"
COLLATERAL_ADAPTER = "0xAdA100Db00Ca00073811820692005400218FcE1f"
NEG_RISK_COLLATERAL_ADAPTER = "0xadA2005600Dec949baf300f4C6120000bDB6eAab"
NEG_RISK_ADAPTER = "0xd91E80cF2E7be2e162c6513ceD06f1dD0dA35296"
PUSD = "0xC011a7E12a19f7B1f670d46F03B03f3342E82DFB"
PERPS_DEPOSIT = "0xDCa4af75705dbB50f62437045afF9921947917d2"
AUTO_REDEEMER = "0xa1200000d0002264C9a1698e001292D00E1b00af"
BINARY_MODULE = "0x1000008dD9001B968442c1000017eaE6E0dA00Ba"
NEG_RISK_MODULE = "0x200000900045e3B6259600682756002200028933"
ROUTER = "0x12121212006e4CD160D18e3f00711DA5c3372600"
ADAPTERS = (
    COLLATERAL_ADAPTER,
    NEG_RISK_COLLATERAL_ADAPTER,
    NEG_RISK_ADAPTER,
    ROUTER,
    PERPS_DEPOSIT,
    AUTO_REDEEMER,
    BINARY_MODULE,
    NEG_RISK_MODULE,
)


def operator_key(contract: str, operator: str) -> str:
    """Return how a wallet remembers an ERC-1155 approval."""
    return f"{contract}:{operator}".lower()


def shares_contract(market: Market) -> str:
    """Return the ERC-1155 contract that holds a market's tokens."""
    return POSITION_MANAGER if market.version == "v2" else CONDITIONAL_TOKENS


def exchange_of(market: Market) -> str:
    """Return the exchange contract that settles a market."""
    if market.version == "v2":
        return EXCHANGE_V3
    return NEG_RISK_EXCHANGE_V2 if market.neg_risk else EXCHANGE_V2


class Ledger:
    """All wallets, the collateral of all markets and the fees taken."""

    def __init__(self) -> None:
        self.wallets: dict[str, Wallet] = {}
        self.collateral: dict[str, int] = {}
        self.fees = 0
        self.minted = 0

    def open(self, address: str, owner: str, signature_type: int) -> Wallet:
        """Return the wallet of an address, made empty and without approvals if it is new."""
        wallet = self.wallets.get(address.lower())
        if wallet is None:
            wallet = self.wallets[address.lower()] = Wallet(address, owner, signature_type)
        return wallet

    def find(self, address: str) -> Wallet | None:
        """Return the wallet of an address in any spelling."""
        return self.wallets.get(address.lower())

    def fund(self, wallet: Wallet, amount: int) -> None:
        """Bring `amount` of new pUSD into the world, to a wallet."""
        wallet.cash += amount
        self.minted += amount
        self.refresh(wallet)

    def approve_all(self, wallet: Wallet) -> None:
        """Give every approval that trading, splitting, merging and redeeming need."""
        for spender in (*SPENDERS, *ADAPTERS):
            wallet.allowances[spender.lower()] = MAX_ALLOWANCE
            for contract in (CONDITIONAL_TOKENS, POSITION_MANAGER):
                wallet.operators.add(operator_key(contract, spender))

    def refresh(self, wallet: Wallet) -> None:
        """Make the order book's view of a wallet equal to the chain."""
        wallet.seen_cash = wallet.cash
        wallet.seen_tokens = dict(wallet.tokens)

    def split(self, wallet: Wallet, market: Market, amount: int) -> None:
        """Turn collateral into one token of each outcome.

        Raises
        ------
        ValueError
            The wallet has less than `amount`.
        """
        if amount <= 0 or wallet.cash < amount:
            raise ValueError("split amount exceeds balance")
        wallet.cash -= amount
        self._lock(market, amount)
        for token in market.tokens:
            _add(wallet.tokens, token, amount)

    def merge(self, wallet: Wallet, market: Market, amount: int) -> None:
        """Turn one token of each outcome back into collateral.

        Raises
        ------
        ValueError
            The wallet has less than `amount` of either token.
        """
        if amount <= 0 or any(wallet.tokens.get(token, 0) < amount for token in market.tokens):
            raise ValueError("merge amount exceeds balance")
        for token in market.tokens:
            _add(wallet.tokens, token, -amount)
        self._lock(market, -amount)
        wallet.cash += amount

    def redeem(
        self, wallet: Wallet, market: Market, only: tuple[int, int] | None = None
    ) -> tuple[int, dict[int, int]]:
        """Pay out a resolved market's tokens; return the cash paid and shares burnt per outcome.

        `only` limits it to (outcome, shares), as Protocol V2 does.

        Raises
        ------
        ValueError
            The market has no result yet, or the wallet has fewer shares than asked.
        """
        if market.payouts is None:
            raise ValueError("condition is not resolved")
        paid = 0
        burnt: dict[int, int] = {}
        for index, token in enumerate(market.tokens):
            have = wallet.tokens.get(token, 0)
            shares = have if only is None else (only[1] if only[0] == index else 0)
            if shares > have:
                raise ValueError("redeem amount exceeds balance")
            if shares:
                burnt[index] = shares
                _add(wallet.tokens, token, -shares)
                paid += shares * market.payouts[index] // ONE
        wallet.cash += paid
        self._lock(market, -paid)
        return paid, burnt

    def transfer(self, source: Wallet, target: Wallet, token: str, amount: int) -> None:
        """Move pUSD (`token` empty) or shares between wallets on chain.

        Raises
        ------
        ValueError
            The source has less than `amount`.
        """
        have = source.tokens.get(token, 0) if token else source.cash
        if amount < 0 or have < amount:
            raise ValueError("transfer amount exceeds balance")
        if token:
            _add(source.tokens, token, -amount)
            _add(target.tokens, token, amount)
        else:
            source.cash -= amount
            target.cash += amount

    def commit(self, order: Order, sign: int = 1) -> None:
        """Reserve (or with -1 release) what the unmatched rest of an order may still give."""
        if order.side == BUY:
            order.wallet.open_cash += sign * max(0, order.budget - order.given)
        else:
            _add(order.wallet.open_tokens, order.token, sign * order.left)

    def check(self, order: Order, needed: int, detailed: bool) -> None:
        """Refuse an order that the wallet cannot cover net of its other commitments.

        Raises
        ------
        Refusal
            400 ``not enough balance / allowance``.
        """
        wallet, spender = order.wallet, exchange_of(order.market)
        if order.side == BUY:
            have = wallet.seen_cash
            free = have - wallet.open_cash - wallet.flight_cash
            allowance = wallet.allowances.get(spender.lower(), 0)
        else:
            have = wallet.seen_tokens.get(order.token, 0)
            free = have - wallet.open_tokens.get(order.token, 0)
            free -= wallet.flight_tokens.get(order.token, 0)
            key = operator_key(shares_contract(order.market), spender)
            allowance = MAX_ALLOWANCE if key in wallet.operators else 0
        text = "not enough balance / allowance"
        if needed > free:
            detail = f": the balance is not enough -> balance: {have}, order amount: {needed}"
            if have >= needed:
                detail = (
                    f": the balance is not enough -> balance: {have}, sum of active orders:"
                    f" {have - free}, order amount: {needed}"
                )
            raise Refusal(400, text + (detail if detailed else ""))
        if needed > allowance:
            detail = (
                f": the allowance is not enough -> spender: {spender}, allowance: {allowance},"
                f" order amount: {needed}"
            )
            raise Refusal(400, text + (detail if detailed else ""))

    def covered(self, wallet: Wallet) -> list[str]:
        """Return what the wallet's commitments exceed: ``"cash"`` and token ids."""
        short = ["cash"] if wallet.open_cash + wallet.flight_cash > wallet.cash else []
        for token, amount in wallet.open_tokens.items():
            if amount + wallet.flight_tokens.get(token, 0) > wallet.tokens.get(token, 0):
                short.append(token)
        return short

    def hold(self, trade: Trade, sign: int = 1) -> None:
        """Reserve (or with -1 release) what a matched trade will move when it is mined."""
        taker = trade.taker
        if taker.side == BUY:
            taker.wallet.flight_cash += sign * (trade.cash + trade.fee)
        else:
            _add(taker.wallet.flight_tokens, taker.token, sign * trade.shares)
        for fill in trade.fills:
            maker = fill.maker
            if maker.side == BUY:
                maker.wallet.flight_cash += sign * fill.maker_cash
            else:
                _add(maker.wallet.flight_tokens, maker.token, sign * fill.shares)

    def settle(self, trade: Trade) -> bool:
        """Move a mined trade's cash and tokens; return False, moving nothing, if funds left."""
        if not self._payable(trade):
            return False
        taker = trade.taker
        for fill in trade.fills:
            self._move(taker, fill)
        taker.wallet.cash -= trade.fee
        self.fees += trade.fee
        for wallet in self._parties(trade):
            self.refresh(wallet)
        return True

    def supply(self, token: str) -> int:
        """Return how many of a token exist."""
        return sum(wallet.tokens.get(token, 0) for wallet in self.wallets.values())

    def total(self) -> int:
        """Return all pUSD: wallets, locked collateral and fees. Equals `minted` at all times."""
        cash = sum(wallet.cash for wallet in self.wallets.values())
        return cash + sum(self.collateral.values()) + self.fees

    def _payable(self, trade: Trade) -> bool:
        cash: dict[str, int] = {}
        tokens: dict[tuple[str, str], int] = {}
        taker = trade.taker
        parts = [(taker, trade.shares, trade.cash + (trade.fee if taker.side == BUY else 0))]
        parts += [(fill.maker, fill.shares, fill.maker_cash) for fill in trade.fills]
        for order, shares, amount in parts:
            key = order.wallet.address.lower()
            if order.side == BUY:
                cash[key] = cash.get(key, 0) + amount
            else:
                tokens[key, order.token] = tokens.get((key, order.token), 0) + shares
        return all(self.wallets[key].cash >= amount for key, amount in cash.items()) and all(
            self.wallets[key].tokens.get(token, 0) >= amount
            for (key, token), amount in tokens.items()
        )

    def _move(self, taker: Order, fill: Fill) -> None:
        maker, market = fill.maker, taker.market
        for order, amount in ((taker, fill.taker_cash), (maker, fill.maker_cash)):
            sign = 1 if order.side == BUY else -1
            order.wallet.cash -= sign * amount
            _add(order.wallet.tokens, order.token, sign * fill.shares)
        if fill.kind == "mint":
            self._lock(market, fill.shares)
        elif fill.kind == "merge":
            self._lock(market, -fill.shares)

    def _parties(self, trade: Trade) -> Iterable[Wallet]:
        seen = {trade.taker.wallet.address: trade.taker.wallet}
        seen.update({fill.maker.wallet.address: fill.maker.wallet for fill in trade.fills})
        return seen.values()

    def _lock(self, market: Market, amount: int) -> None:
        _add(self.collateral, market.condition_id, amount)


def _add(table: dict[str, int], key: str, amount: int) -> None:
    value = table.get(key, 0) + amount
    if value:
        table[key] = value
    else:
        table.pop(key, None)
