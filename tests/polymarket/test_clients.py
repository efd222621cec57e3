"""REST answers, settings, credentials and the order log: every outcome and every bad input."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.common.errors import (
    ConfigError,
    ConnectFailed,
    CredentialError,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    UsageError,
    VenueRefusal,
    VenueUnavailable,
)
from adapters.common.outcome import Accepted, Rejected, Unknown
from adapters.common.retry import Backoff, ReadRetry
from adapters.common.transport import HttpRequest, HttpResponse
from adapters.polymarket import credentials
from adapters.polymarket.config import (
    PolymarketDataClientConfig,
    PolymarketExecClientConfig,
    hosts,
    trading_hosts,
)
from adapters.polymarket.http import ClobClient
from adapters.polymarket.order_log import FileOrderLog, LoggedOrder
from adapters.polymarket.rest import RestClient, make_limiter
from adapters.polymarket.signing import ApiKey, ApiSecret, OrderSigner

ID = "0x" + "ab" * 32
OTHER = "0x" + "cd" * 32
LIVE = {"success": True, "errorMsg": "", "orderID": ID, "status": "live", "tradeIDs": []}
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


class Answers:
    """A transport that gives prepared answers."""

    def __init__(self, *answers: object) -> None:
        self.answers = list(answers)
        self.requests: list[HttpRequest] = []

    async def send(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        assert isinstance(answer, HttpResponse)
        return answer

    async def close(self) -> None:
        return


def http(status: int, body: Any, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, raw, headers)


async def no_sleep(_: float) -> None:
    return


def client(*answers: object) -> tuple[ClobClient, Answers]:
    transport = Answers(*answers)
    rest = RestClient(
        base_url="http://clob",
        transport=transport,
        limiter=make_limiter(lambda: 0, sleep=no_sleep),
        retry=ReadRetry(attempts=3, backoff=Backoff(first_s=0.0, most_s=0.0)),
    )
    key = ApiKey("key", ApiSecret(SECRET), "pass")
    signer = OrderSigner("0x" + "11" * 32)
    return ClobClient(rest, signer=signer, api_key=key, clock_s=lambda: 1), transport


HTML = b"<!DOCTYPE html><html>Attention Required! | Cloudflare</html>"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "kind", "code"),
    [
        (http(200, LIVE), Accepted, ""),
        (http(200, LIVE | {"status": "matched", "takingAmount": "5"}), Accepted, ""),
        (http(200, LIVE | {"status": "delayed"}), Accepted, ""),
        (http(200, LIVE | {"errorMsg": "not enough balance / allowance"}), Rejected, "BALANCE"),
        (http(200, LIVE | {"success": False}), Rejected, "REFUSED"),
        (http(200, LIVE | {"errorMsg": "order x is invalid. Duplicated."}), Unknown, ""),
        (http(200, LIVE | {"orderID": ""}), Unknown, ""),
        (http(200, LIVE | {"orderID": OTHER}), Unknown, ""),
        (http(200, LIVE | {"status": "teleported"}), Unknown, ""),
        (http(200, b"OK"), Unknown, ""),
        (http(400, {"error": "breaks minimum tick size rule: 0.01"}), Rejected, "TICK"),
        (http(400, {"error": "no orders found to match with FAK order."}), Rejected, "KILLED"),
        (http(400, {"error": "order couldn't be fully filled. FOK"}), Rejected, "KILLED"),
        (http(400, {"error": "post: context canceled"}), Unknown, ""),
        (http(400, {"error": "order 0x is invalid. Duplicated."}), Unknown, ""),
        (http(401, {"error": "Unauthorized/Invalid api key"}), Rejected, "UNAUTHORIZED"),
        (http(403, HTML), Rejected, "GEOBLOCK"),
        (http(403, {"error": "Trading restricted in your region"}), Rejected, "GEOBLOCK"),
        (http(404, {"error": "market not found"}), Rejected, "NOT_FOUND"),
        (http(425, b""), Unknown, ""),
        (http(429, HTML), Rejected, "RATE_LIMITED"),
        (http(500, {"error": "could not insert order"}), Unknown, ""),
        (http(502, HTML), Unknown, ""),
        (http(503, {"error": "x", "code": "post_only_mode"}), Rejected, "POST_ONLY_MODE"),
        (http(503, {"error": "Trading is currently cancel-only. New"}), Rejected, "CANCEL_ONLY"),
        (http(503, {"error": "trading is disabled"}), Rejected, "TRADING_DISABLED"),
        (http(503, HTML), Unknown, ""),
        (RequestTimeout("no answer"), Unknown, ""),
        (ConnectFailed("refused"), Rejected, "NOT_SENT"),
    ],
)
async def test_the_outcome_of_an_order(answer, kind, code) -> None:  # type: ignore[no-untyped-def]
    clob, _ = client(answer)
    (outcome,) = await clob.post_orders([{}], [ID])
    assert isinstance(outcome, kind)
    if code:
        assert outcome.code.startswith(code)


@pytest.mark.asyncio
async def test_each_entry_of_a_batch_has_its_own_outcome() -> None:
    refused = {"success": True, "errorMsg": "post-only mode: …", "orderID": "", "status": ""}
    clob, transport = client(http(200, [LIVE, refused, LIVE | {"orderID": OTHER}]))
    third = "0x" + "ef" * 32
    outcomes = await clob.post_orders([{}, {}, {}, {}], [ID, OTHER, third, third])
    # The third entry names another order: nothing in this answer can be trusted.
    assert all(isinstance(outcome, Unknown) for outcome in outcomes)
    clob, transport = client(http(200, [LIVE, refused]))
    first, second, missing = await clob.post_orders([{}, {}, {}], [ID, OTHER, third])
    assert (type(first), type(second), type(missing)) == (Accepted, Rejected, Unknown)
    assert transport.requests[0].url.endswith("/orders")


@pytest.mark.asyncio
@pytest.mark.parametrize("count", [0, 16])
async def test_a_batch_has_one_to_fifteen_orders(count: int) -> None:
    clob, transport = client(http(200, []))
    with pytest.raises(UsageError, match="allowed 1 to 15"):
        await clob.post_orders([{}] * count, [ID] * count)
    assert transport.requests == []


@pytest.mark.asyncio
async def test_cancel_results_are_read_per_id() -> None:
    reply = {"canceled": [ID.upper().replace("0X", "0x")], "not_canceled": {OTHER: "matched"}}
    clob, _ = client(http(200, reply))
    outcomes = await clob.cancel_orders([ID, OTHER, "0x1"])
    assert isinstance(outcomes[ID], Accepted)
    assert outcomes[OTHER] == Rejected("NOT_CANCELED", "matched")
    assert isinstance(outcomes["0x1"], Unknown)


@pytest.mark.asyncio
async def test_a_missing_page_is_an_error_not_a_short_list() -> None:
    page = {"data": [], "next_cursor": "MTAw"}
    clob, _ = client(http(200, page), http(500, {"error": "x"}))
    with pytest.raises(VenueUnavailable):
        await clob.open_orders()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (http(425, b""), RateLimited),
        (http(429, HTML, **{"retry-after": "0"}), RateLimited),
        (http(503, HTML), VenueUnavailable),
        (http(403, HTML), VenueRefusal),
        (http(200, HTML), ProtocolError),
        (RequestTimeout("no answer"), RequestTimeout),
    ],
)
async def test_reads_are_repeated_and_then_raise(answer, error) -> None:  # type: ignore[no-untyped-def]
    clob, transport = client(answer)
    with pytest.raises(error):
        await clob.book("1")
    repeated = error in (RateLimited, VenueUnavailable, RequestTimeout)
    assert len(transport.requests) == (3 if repeated else 1)


@pytest.mark.asyncio
async def test_requests_are_signed_over_the_path_without_its_query() -> None:
    clob, transport = client(http(200, {"data": [], "next_cursor": "LTE="}))
    await clob.open_orders(market="0x1")
    (request,) = transport.requests
    assert request.url == "http://clob/data/orders?market=0x1&next_cursor=MA%3D%3D"
    key = ApiSecret(SECRET)
    assert request.headers["POLY_SIGNATURE"] == key.sign(
        timestamp_s=1, method="GET", path="/data/orders"
    )


@pytest.mark.asyncio
async def test_a_wrong_heartbeat_id_is_corrected_at_once() -> None:
    wrong = http(400, {"error_msg": "Invalid Heartbeat ID", "heartbeat_id": "right"})
    clob, transport = client(wrong, http(200, {"heartbeat_id": "next"}))
    assert await clob.heartbeat("stale") == "next"
    assert json.loads(transport.requests[1].body) == {"heartbeat_id": "right"}
    clob, _ = client(wrong)
    with pytest.raises(VenueRefusal):
        await clob.heartbeat("right")


@given(st.integers(100, 599), st.binary(max_size=60))
def test_any_answer_has_an_outcome(status: int, body: bytes) -> None:
    import asyncio

    async def run() -> None:
        clob, _ = client(HttpResponse(status, body))
        (outcome,) = await clob.post_orders([{}], [ID])
        assert isinstance(outcome, Rejected | Unknown)

    asyncio.run(run())


# -- settings -------------------------------------------------------------------------------------

LOCAL = {
    "environment": "local",
    "clob_url": "http://127.0.0.1:1",
    "gamma_url": "http://127.0.0.1:1",
    "data_api_url": "http://localhost:1",
    "ws_url": "ws://[::1]:1/ws",
    "geoblock_url": "http://127.0.0.1:1/api/geoblock",
}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"environment": "demo"}, "environment: found 'demo', allowed: production or local"),
        ({"clob_url": None}, "clob_url: found None"),
        ({"gamma_url": "https://gamma-api.polymarket.com"}, "gamma_url: found"),
        ({"signature_type": 4}, "signature_type: found 4"),
        ({"resolve_interval_s": 0.0}, "resolve_interval_s: found 0.0"),
        ({"environment": "production"}, "sends no order to production"),
        ({"environment": "production", "armed": True}, "armed=True changes nothing"),
    ],
)
def test_wrong_settings_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        trading_hosts(PolymarketExecClientConfig(**(LOCAL | change)))
    assert message in str(caught.value)


def test_public_data_of_production_needs_no_setting() -> None:
    found = hosts(PolymarketDataClientConfig())
    assert found.clob == "https://clob.polymarket.com"
    assert found.real_money
    assert not trading_hosts(PolymarketExecClientConfig(**LOCAL)).real_money


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({}, "POLYMARKET_PRIVATE_KEY is not set"),
        ({credentials.PRIVATE_KEY: "0x12"}, "64 hex digits"),
        ({credentials.PRIVATE_KEY: "0x" + "11" * 32}, "needs the address"),
        (
            {credentials.PRIVATE_KEY: "0x" + "11" * 32, credentials.FUNDER: "0xzz"},
            "40 hex digits",
        ),
    ],
)
def test_wrong_wallets_are_named(env: dict[str, str], message: str) -> None:
    with pytest.raises(CredentialError, match=message) as caught:
        credentials.load_signer(3, env=env)
    assert "11" * 8 not in str(caught.value)


def test_api_keys_are_all_or_none() -> None:
    assert credentials.load_api_key({}) is None
    with pytest.raises(CredentialError, match="PASSPHRASE not set"):
        credentials.load_api_key({credentials.API_KEY: "a", credentials.API_SECRET: SECRET})
    everything = {
        credentials.API_KEY: "a",
        credentials.API_SECRET: "%%%",
        credentials.API_PASSPHRASE: "p",
    }
    with pytest.raises(CredentialError, match="base64"):
        credentials.load_api_key(everything)
    found = credentials.load_api_key(everything | {credentials.API_SECRET: SECRET})
    assert SECRET not in repr(found)


# -- the order log --------------------------------------------------------------------------------


def entry(n: int) -> LoggedOrder:
    return LoggedOrder(
        order_id=f"0x{n:064x}", client_order_id=f"O-{n}", strategy_id="S-1", instrument_id="1.P",
        market="m", side="BUY", price="0.5", quantity="10", order_type="GTC", ts_ns=n, body="{}",
    )  # fmt: skip


def names(path: Path) -> list[str]:
    log = FileOrderLog(path)
    log.close()
    return [e.client_order_id for e in log.read()]


def test_the_log_survives_the_process(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "orders.jsonl"
    log = FileOrderLog(path)
    log.write([entry(1), entry(2)])
    log.close()
    again = FileOrderLog(path)
    again.write([entry(3)])
    again.close()
    assert names(path) == ["O-1", "O-2", "O-3"]
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_line_cut_by_a_crash_was_never_sent(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    log = FileOrderLog(path)
    log.write([entry(1), entry(2)])
    log.close()
    path.write_bytes(path.read_bytes()[:-20])
    again = FileOrderLog(path)
    again.write([entry(3)])
    again.close()
    assert names(path) == ["O-1", "O-3"]


def test_another_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "orders.jsonl"
    path.write_text("hello\n")
    with pytest.raises(ConfigError, match="line 1"):
        FileOrderLog(path)
    with pytest.raises(ConfigError, match="writable"):
        FileOrderLog(tmp_path / "orders.jsonl" / "x")
