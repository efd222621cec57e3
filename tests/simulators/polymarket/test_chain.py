"""The chain stub: JSON-RPC with raw transactions, and relayed batches."""

from __future__ import annotations

import json

import pytest
from eth_account import Account
from hypothesis import given
from hypothesis import strategies as st

from simulators.polymarket import operations
from simulators.polymarket.chain import decode_transaction
from simulators.polymarket.contracts import (
    OFFRAMP,
    ONRAMP,
    PUSD,
    USDC_E,
    RevertError,
    execute,
    selector,
    view,
)
from simulators.polymarket.keccak import BadSignatureError, word
from simulators.polymarket.ledger import (
    COLLATERAL_ADAPTER,
    CONDITIONAL_TOKENS,
    NEG_RISK_COLLATERAL_ADAPTER,
    ROUTER,
)
from simulators.polymarket.units import ONE
from tests.simulators.polymarket.kit import make_market, make_trader, make_world, running


def data(signature, *words):
    return selector(signature) + b"".join(word(item) for item in words)


@pytest.fixture
def world():
    return make_world(balance_cache="fresh")


@pytest.mark.parametrize("typed", [False, True])
def test_raw_transactions_decode_to_their_sender(typed):
    account = Account.from_key("0x" + "22" * 32)
    tx = {"to": PUSD, "value": 0, "data": "0x" + "ab" * 68, "gas": 200_000, "nonce": 3,
          "chainId": 137}  # fmt: skip
    tx |= {"maxFeePerGas": 10**9, "maxPriorityFeePerGas": 10**9} if typed else {"gasPrice": 10**9}
    raw = bytes(account.sign_transaction(tx).raw_transaction)
    sender, nonce, to, payload, chain_id = decode_transaction(raw)
    assert (sender, nonce, to, chain_id) == (account.address, 3, PUSD, 137)
    assert payload == bytes.fromhex("ab" * 68)


@given(st.binary(max_size=200))
def test_garbage_transactions_are_refused(raw):
    with pytest.raises((ValueError, IndexError)):
        decode_transaction(raw)


def test_approvals_wrap_and_transfer(world):
    trader, friend = make_trader(world, approved=False), make_trader(world, "b")
    wallet = trader.wallet
    wrap = data("wrap(address,address,uint256)", USDC_E, wallet.address, 40 * ONE)
    with pytest.raises(RevertError, match="insufficient allowance"):
        execute(world, wallet, ONRAMP, wrap)
    execute(world, wallet, USDC_E, data("approve(address,uint256)", ONRAMP, 40 * ONE))
    execute(world, wallet, ONRAMP, wrap)
    assert (wallet.cash, wallet.usdce) == (1040 * ONE, 960 * ONE)
    with pytest.raises(RevertError):
        execute(world, wallet, OFFRAMP, wrap)
    execute(world, wallet, PUSD, data("transfer(address,uint256)", friend.wallet.address, ONE))
    assert friend.wallet.cash == 1001 * ONE
    with pytest.raises(RevertError, match="exceeds balance"):
        execute(world, wallet, PUSD, data("transfer(address,uint256)", friend.wallet.address,
                                          10_000 * ONE))  # fmt: skip
    with pytest.raises(RevertError, match="unknown function 0xdeadbeef"):
        execute(world, wallet, PUSD, bytes.fromhex("deadbeef"))
    assert world.ledger.total() == world.ledger.minted


@pytest.mark.parametrize(("changes", "adapter"), [
    ({}, COLLATERAL_ADAPTER), ({"neg_risk": True}, NEG_RISK_COLLATERAL_ADAPTER),
])  # fmt: skip
def test_split_merge_redeem_through_the_adapters(world, changes, adapter):
    market, trader = make_market(world, **changes), make_trader(world)
    condition = int(market.condition_id, 16)
    sets = [2, 1, 2]

    def call(name, *tail):
        offset = 32 * (4 + len(tail))
        kind = f"{name}(address,bytes32,bytes32,uint256[]{',uint256' if tail else ''})"
        execute(world, trader.wallet, adapter, data(kind, PUSD, 0, condition, offset, *tail, *sets))

    call("splitPosition", 30 * ONE)
    call("mergePositions", 10 * ONE)
    assert [trader.wallet.tokens[t] for t in market.tokens] == [20 * ONE] * 2
    with pytest.raises(RevertError, match="not resolved"):
        call("redeemPositions")
    operations.resolve(world, market, (ONE, 0))
    call("redeemPositions")
    assert trader.wallet.tokens == {}
    assert trader.wallet.cash == 1000 * ONE
    wrong = COLLATERAL_ADAPTER if changes else NEG_RISK_COLLATERAL_ADAPTER
    adapter = wrong
    with pytest.raises(RevertError, match="wrong adapter"):
        call("splitPosition", ONE)


def test_the_router_of_protocol_v2_redeems_one_outcome(world):
    market, trader = make_market(world, version="v2"), make_trader(world)
    condition = bytes.fromhex(market.condition_id[2:])
    execute(world, trader.wallet, ROUTER, data("split(bytes31,uint256)", condition, 30 * ONE))
    execute(world, trader.wallet, ROUTER, data("merge(bytes31,uint256)", condition, 10 * ONE))
    operations.resolve(world, market, (ONE // 2, ONE // 2))
    redeem = data("redeem(bytes31,uint256,uint256)", condition, 1, 5 * ONE)
    execute(world, trader.wallet, ROUTER, redeem)
    assert [trader.wallet.tokens[t] for t in market.tokens] == [20 * ONE, 15 * ONE]
    assert trader.wallet.cash == (1000 - 20) * ONE + 25 * ONE // 10


def test_views(world):
    market, trader = make_market(world), make_trader(world)
    wallet = trader.wallet
    world.ledger.split(wallet, market, 7 * ONE)

    def read(to, signature, *words):
        return int.from_bytes(view(world, to, data(signature, *words)), "big")

    assert read(PUSD, "balanceOf(address)", wallet.address) == 993 * ONE
    token = int(market.tokens[0])
    owned = "balanceOf(address,uint256)"
    assert read(CONDITIONAL_TOKENS, owned, wallet.address, token) == 7 * ONE
    assert read(PUSD, "allowance(address,address)", wallet.address, COLLATERAL_ADAPTER) > ONE
    approved = "isApprovedForAll(address,address)"
    assert read(CONDITIONAL_TOKENS, approved, wallet.address, COLLATERAL_ADAPTER) == 1
    condition = int(market.condition_id, 16)
    bottom = "payoutDenominator(bytes32)"
    assert read(CONDITIONAL_TOKENS, bottom, condition) == 0
    operations.resolve(world, market, (ONE // 2, ONE // 2))
    top = "payoutNumerators(bytes32,uint256)"
    assert 2 * read(CONDITIONAL_TOKENS, top, condition, 1) == read(
        CONDITIONAL_TOKENS, bottom, condition
    )
    with pytest.raises(RevertError):
        view(world, PUSD, b"\0\0\0\0")


@pytest.mark.asyncio
async def test_rpc_over_http_with_batches_nonces_and_reverts(tmp_path):
    async with running(tmp_path) as venue:
        account = venue.ready["accounts"][0]

        async def rpc(*requests):
            body = [{"jsonrpc": "2.0", "id": n, "method": m, "params": p}
                    for n, (m, p) in enumerate(requests)]  # fmt: skip
            payload = body if len(body) > 1 else body[0]
            async with venue.http.post(venue.ready["rpc"], json=payload) as answer:
                return await answer.json()

        both = await rpc(("eth_chainId", []), ("eth_call", [{"to": PUSD, "data": "0x0000"}]))
        assert both[0]["result"] == "0x89"
        assert "execution reverted" in both[1]["error"]["message"]
        signer = Account.from_key(account["private_key"])

        def raw(nonce, payload, chain_id=137):
            tx = {"to": PUSD, "value": 0, "data": payload, "gas": 1, "gasPrice": 1,
                  "nonce": nonce, "chainId": chain_id}  # fmt: skip
            return "0x" + signer.sign_transaction(tx).raw_transaction.hex()

        approve = data("approve(address,uint256)", COLLATERAL_ADAPTER, 5)
        sent = await rpc(("eth_sendRawTransaction", [raw(0, approve)]))
        receipt = await rpc(("eth_getTransactionReceipt", [sent["result"]]))
        assert receipt["result"]["status"] == "0x1"
        again = await rpc(("eth_sendRawTransaction", [raw(0, approve)]))
        assert "nonce is 0, want 1" in again["error"]["message"]
        too_much = data("transfer(address,uint256)", COLLATERAL_ADAPTER, 10**18)
        sent = await rpc(("eth_sendRawTransaction", [raw(1, too_much)]))
        receipt = await rpc(("eth_getTransactionReceipt", [sent["result"]]))
        assert receipt["result"]["status"] == "0x0"
        wrong = await rpc(("eth_sendRawTransaction", [raw(2, approve, 1)]))
        assert "invalid chain id" in wrong["error"]["message"]
        assert (await rpc(("eth_getTransactionReceipt", ["0x00"])))["result"] is None
        assert "not supported" in (await rpc(("eth_mine", [])))["error"]["message"]
        assert json.dumps(both)


@pytest.mark.asyncio
async def test_the_relayer_refuses_other_keys_and_old_nonces(tmp_path):
    async with running(tmp_path) as venue:
        account = next(a for a in venue.ready["accounts"] if a["signature_type"] == 3)
        body = {
            "type": "WALLET",
            "from": account["address"],
            "nonce": "0",
            "signature": "0x" + "11" * 64 + "1b",
            "depositWalletParams": {
                "depositWallet": account["funder"],
                "deadline": "1",
                "calls": [{"target": PUSD, "value": "0", "data": "0x"}],
            },
        }

        async def submit(**changes):
            async with venue.http.post(
                venue.ready["relayer"] + "/submit", json={**body, **changes}
            ) as answer:
                return answer.status, (await answer.json())["error"]

        assert (await submit())[0] == 400
        assert "does not match on-chain nonce 0" in (await submit(nonce="7"))[1]
        assert "unsupported" in (await submit(type="MAGIC"))[1]
        assert (await submit(**{"from": "0x12"}))[0] == 400
        assert issubclass(BadSignatureError, ValueError)
