"""The account and venue commands against the local venue and its chain."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from adapters.polymarket import credentials
from tests.polymarket.support.simulator import Simulator
from twinbook.commands import account_polymarket, venue_polymarket

D = Decimal
FAST = {"mined_ms_min": 50, "mined_ms_max": 100, "confirmed_ms": 50}
runner = CliRunner()


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with Simulator(tmp_path_factory.mktemp("venue"), seed=3, switches=FAST) as found:
        yield found


@pytest.fixture
def urls(simulator: Simulator) -> list[str]:
    venue = simulator.venue
    return [
        "--environment", "local", "--clob-url", venue["clob"], "--gamma-url", venue["gamma"],
        "--data-url", venue["data"], "--geoblock-url", venue["geoblock"],
    ]  # fmt: skip


@pytest.fixture
def wallet(simulator: Simulator, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    for name in (credentials.API_KEY, credentials.API_SECRET, credentials.API_PASSPHRASE):
        monkeypatch.delenv(name, raising=False)

    def use(number: int) -> dict:
        account = simulator.venue["accounts"][number]
        monkeypatch.setenv(credentials.PRIVATE_KEY, account["private_key"])
        monkeypatch.setenv(credentials.FUNDER, account["funder"])
        return account

    return use


def account(*arguments: str):  # type: ignore[no-untyped-def]
    return runner.invoke(account_polymarket.app, list(arguments))


@pytest.mark.parametrize("number", range(4))
def test_keys_are_derived_and_hidden(urls, wallet, number) -> None:  # type: ignore[no-untyped-def]
    found = wallet(number)
    kind = ["--signature-type", str(found["signature_type"])]
    hidden = account("keys", *urls, *kind)
    assert hidden.exit_code == 0, hidden.output
    assert found["api_key"] in hidden.output
    assert found["api_secret"] not in hidden.output
    shown = account("keys", *urls, *kind, "--show")
    assert found["api_secret"] in shown.output
    assert found["private_key"][2:] not in shown.output


def test_show(simulator: Simulator, urls, wallet) -> None:  # type: ignore[no-untyped-def]
    found = wallet(0)
    result = account("show", *urls, "--rpc-url", simulator.venue["rpc"])
    assert result.exit_code == 0, result.output
    assert found["address"] in result.output
    assert "permission  trade" in result.output
    assert "10000 as the venue sees it" in result.output
    assert "approval    yes      pUSD -> Exchange V2" in result.output


def test_approvals_are_shown_first_and_given_on_execute(simulator: Simulator, urls, wallet) -> None:  # type: ignore[no-untyped-def]
    address = wallet(4)["address"]
    simulator.patch(f"/polymarket/accounts/{address}", {"approved": False})
    where = [*urls, "--rpc-url", simulator.venue["rpc"]]
    dry = account("approve", *where)
    assert dry.exit_code == 0, dry.output
    assert "transaction 1 of 6: approve pUSD -> Exchange V2" in dry.output
    assert "0x095ea7b3" in dry.output
    assert "Dry run: nothing was signed" in dry.output
    assert "missing  pUSD -> Exchange V2" in account("show", *where).output
    declined = runner.invoke(account_polymarket.app, ["approve", *where, "--execute"], input="n\n")
    assert declined.exit_code == 1
    assert "stopped before transaction 1" in declined.output
    done = account("approve", *where, "--execute", "--yes")
    assert done.exit_code == 0, done.output
    assert "done 6 of 6" in done.output
    assert "Nothing to do" in account("approve", *where).output


def test_wrap_moves_dollars_on_chain(simulator: Simulator, urls, wallet) -> None:  # type: ignore[no-untyped-def]
    found = wallet(0)
    where = [*urls, "--rpc-url", simulator.venue["rpc"]]
    before = simulator.account(0)
    dry = account("wrap", "250.5", *where)
    assert "wrap 250.5 USDC.e into pUSD" in dry.output
    assert simulator.account(0)["cash"] == before["cash"]
    done = account("wrap", "250.5", *where, "--execute", "--yes")
    assert done.exit_code == 0, done.output
    after = simulator.account(0)
    assert D(after["cash"]) - D(before["cash"]) == D("250.5")
    assert D(before["usdce"]) - D(after["usdce"]) == D("250.5")
    assert after["address"] == found["funder"]


def test_redeem_pays_the_winner(simulator: Simulator, urls, wallet) -> None:  # type: ignore[no-untyped-def]
    found = wallet(0)
    market = next(m for m in simulator.get("/polymarket/markets") if m["slug"] == "shutdown")
    buy(simulator, market, found)
    where = [*urls, "--rpc-url", simulator.venue["rpc"]]
    early = account("redeem", market["condition_id"], *where)
    assert early.exit_code == 1
    assert "is not resolved" in early.output
    simulator.post(f"/polymarket/markets/{market['condition_id']}/resolve", {"payouts": ["1", "0"]})
    before = D(simulator.account(0)["cash"])
    dry = account("redeem", market["condition_id"], *where)
    assert "7 shares" in dry.output, dry.output
    assert account("approve", "--optional", *where, "--execute", "--yes").exit_code == 0
    done = account("redeem", market["condition_id"], *where, "--execute", "--yes")
    assert done.exit_code == 0, done.output
    assert D(simulator.account(0)["cash"]) - before == 7


@pytest.mark.parametrize("slug", ["cpi-3", "eth-5k", "fed-next-h0"])
def test_split_and_merge_are_each_others_inverse(simulator, urls, wallet, slug) -> None:  # type: ignore[no-untyped-def]
    wallet(0)
    market = next(m for m in simulator.get("/polymarket/markets") if m["slug"] == slug)
    where = [*urls, "--rpc-url", simulator.venue["rpc"]]
    assert account("approve", "--optional", *where, "--execute", "--yes").exit_code == 0
    before = simulator.account(0)
    assert "Dry run" in account("split", market["condition_id"], "12.5", *where).output
    done = account("split", market["condition_id"], "12.5", *where, "--execute", "--yes")
    assert done.exit_code == 0, done.output
    after = simulator.account(0)
    assert D(before["cash"]) - D(after["cash"]) == D("12.5")
    assert [D(after["tokens"][t]) for t in market["tokens"]] == [D("12.5")] * 2
    done = account("merge", market["condition_id"], "12.5", *where, "--execute", "--yes")
    assert done.exit_code == 0, done.output
    assert simulator.account(0)["cash"] == before["cash"]


def buy(simulator: Simulator, market: dict, found: dict) -> None:
    """Give the wallet seven shares of the first outcome."""
    import asyncio
    import time

    from adapters.polymarket.amounts import taker_buy_amounts
    from adapters.polymarket.config import PolymarketDataClientConfig, hosts
    from adapters.polymarket.http import order_body
    from adapters.polymarket.hub import PolymarketHub
    from adapters.polymarket.signing import OrderFields, OrderSigner

    async def work() -> None:
        hub = PolymarketHub(
            hosts(PolymarketDataClientConfig(**simulator.urls)), clock_ns=time.time_ns
        )
        hub.join()
        signer = OrderSigner(found["private_key"])
        clob = hub.account(signer, None)
        clob.api_key, _ = await clob.create_or_derive_key()
        await hub.provider.load_assets([market["tokens"][0]])
        known = hub.provider.market(market["tokens"][0])
        # Dollars for exactly seven shares at the best ask.
        ask = D((await clob.book(market["tokens"][0])).asks[-1].price)
        amounts = taker_buy_amounts(ask, D(7), D("0.01"))
        fields = OrderFields(
            salt=1,
            token_id=market["tokens"][0],
            maker_amount=amounts.maker,
            taker_amount=amounts.taker,
            side="BUY",
            timestamp_ms=time.time_ns() // 1_000_000,
        )
        signed = signer.sign_order(fields, known.exchange)
        body = order_body(
            signed, owner=clob.api_key.key, order_type="FAK", post_only=False, expiration_s=0
        )
        await clob.post_orders([body], [signed.order_hash])
        await hub.leave()

    asyncio.run(work())
    deadline = time.monotonic() + 20
    while D(simulator.account(0)["tokens"].get(market["tokens"][0], "0")) != 7:
        assert time.monotonic() < deadline, simulator.account(0)["trades"][-1:]
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["wrap", "0"], "allowed more than 0"),
        (["wrap", "abc"], "allowed more than 0"),
        (["wrap", "1.0000001"], "at most 6 decimals"),
        (["wrap", "99999999"], "the wallet holds"),
        (["redeem", "0x12"], "condition id"),
        (["approve", "--signature-type", "7"], "allowed: 0, 1, 2, 3"),
    ],
)
def test_bad_input_is_one_clear_line(simulator, urls, wallet, arguments, message) -> None:  # type: ignore[no-untyped-def]
    wallet(0)
    result = account(*arguments, *urls, "--rpc-url", simulator.venue["rpc"])
    assert result.exit_code == 1
    assert message in result.output
    assert "Traceback" not in result.output


def test_a_local_venue_needs_local_addresses(wallet) -> None:  # type: ignore[no-untyped-def]
    wallet(0)
    result = account("keys", "--environment", "local", "--clob-url", "https://example.org")
    assert result.exit_code == 1
    assert "on this machine" in result.output


def test_a_missing_wallet_is_named(urls, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv(credentials.PRIVATE_KEY, raising=False)
    result = account("keys", *urls)
    assert result.exit_code == 1
    assert "POLYMARKET_PRIVATE_KEY is not set" in result.output


def test_other_wallets_are_not_signed_for(simulator, urls, wallet) -> None:  # type: ignore[no-untyped-def]
    wallet(1)
    where = [*urls, "--rpc-url", simulator.venue["rpc"], "--signature-type", "3"]
    result = account("wrap", "5", *where, "--execute", "--yes")
    assert result.exit_code == 1
    assert "relayer" in result.output


def test_venue_commands(simulator: Simulator, urls) -> None:  # type: ignore[no-untyped-def]
    checked = runner.invoke(venue_polymarket.app, ["check", *urls])
    assert checked.exit_code == 0, checked.output
    assert "order version  2" in checked.output
    listed = runner.invoke(venue_polymarket.app, ["list", *urls])
    assert "nba-bos-nyk" in listed.output
    shown = runner.invoke(venue_polymarket.app, ["show", "eth-5k", *urls])
    assert shown.exit_code == 0, shown.output
    assert "rules sha256" in shown.output
    assert ".POLYMARKET" in shown.output
    missing = runner.invoke(venue_polymarket.app, ["show", "no-such-market", *urls])
    assert missing.exit_code == 1
    assert "not in the catalogue" in missing.output


def test_rlp_and_transaction_match_eth_account() -> None:
    from eth_account import Account

    from adapters.polymarket.redemption import APPROVALS, Fees, approve, sign_transaction
    from adapters.polymarket.signing import OrderSigner

    key = "0x" + "11" * 32
    call = approve(APPROVALS[0])
    for nonce in (0, 1, 127, 128, 70_000):
        raw, tx_hash = sign_transaction(
            OrderSigner(key), call, nonce=nonce, fees=Fees(60_000_000_000, 30_000_000_000, 80_000)
        )
        theirs = Account.sign_transaction(
            {
                "type": 2, "chainId": 137, "nonce": nonce, "to": call.to, "value": 0,
                "data": call.data, "gas": 80_000, "maxFeePerGas": 60_000_000_000,
                "maxPriorityFeePerGas": 30_000_000_000,
            },
            key,
        )  # fmt: skip
        assert raw == bytes(theirs.raw_transaction)
        assert tx_hash == "0x" + bytes(theirs.hash).hex()


def test_calls_match_polymarket_client(tmp_path: Path) -> None:
    from polymarket._internal.actions.relayer import calls as theirs

    from adapters.polymarket import redemption as ours
    from adapters.polymarket.constants import (
        CTF_COLLATERAL_ADAPTER,
        PUSD,
        ROUTER,
        ProtocolVersion,
    )

    condition, v2 = "0x" + "ab" * 32, "0x" + "cd" * 31
    v1_split = ours.split(condition, D("2.5"), version=ProtocolVersion.V1, neg_risk=False)
    assert (
        "0x" + v1_split.data.hex()
        == theirs.ctf_split_position_call(
            target=CTF_COLLATERAL_ADAPTER, collateral=PUSD, condition_id=condition, amount=2_500_000
        ).data
    )
    v1_merge = ours.merge(condition, D("2.5"), version=ProtocolVersion.V1, neg_risk=False)
    assert (
        "0x" + v1_merge.data.hex()
        == theirs.ctf_merge_positions_call(
            target=CTF_COLLATERAL_ADAPTER, collateral=PUSD, condition_id=condition, amount=2_500_000
        ).data
    )
    (redeem,) = ours.redeem(condition, [], version=ProtocolVersion.V1, neg_risk=False)
    assert (
        "0x" + redeem.data.hex()
        == theirs.ctf_redeem_positions_call(
            ctf=CTF_COLLATERAL_ADAPTER, collateral=PUSD, condition_id=condition
        ).data
    )
    v2_split = ours.split(v2, D(1), version=ProtocolVersion.V2, neg_risk=False)
    assert (
        "0x" + v2_split.data.hex()
        == theirs.router_split_call(router=ROUTER, condition_id=v2, amount=1_000_000).data
    )
    (v2_redeem,) = ours.redeem(v2, [D(3), D(0)], version=ProtocolVersion.V2, neg_risk=False)
    assert (
        "0x" + v2_redeem.data.hex()
        == theirs.router_redeem_call(
            router=ROUTER, condition_id=v2, outcome_index=0, amount=3_000_000
        ).data
    )
