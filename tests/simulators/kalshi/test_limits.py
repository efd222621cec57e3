"""Rate limits, scopes, restricted keys, attestation, cash between shards and subaccounts."""

from __future__ import annotations

import uuid
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.kalshi.limits import Bucket, budget
from simulators.kalshi.switchboard import TABLE
from simulators.switches import Switches
from tests.simulators.kalshi.support import GAME, ORDERS, SHARD0, make_venue

TOO_MANY = {"error": "too many requests"}


@pytest.mark.parametrize(
    ("tier", "table", "expected"),
    [
        ("basic", "sep2026", (200, 400, 100, 100)),
        ("advanced", "sep2026", (300, 600, 300, 600)),
        ("expert", "sep2026", (600, 600, 600, 1200)),
        ("premier", "sep2026", (1200, 1200, 1200, 2400)),
        ("premier", "aug2026", (1000, 1000, 1000, 2000)),
        ("prestige", "sep2026", (12_000, 12_000, 9600, 19_200)),
    ],
)
def test_tier_figures(tier, table, expected):
    b = budget(tier, Switches(TABLE, {"tier_table": table}))
    assert (b.read_rate, b.read_capacity, b.write_rate, b.write_capacity) == expected


def test_basic_allows_ten_creates_and_refills_ten_a_second():
    venue = make_venue(tier="basic")
    assert [venue.order(count="1").status for _ in range(11)] == [201] * 10 + [429]
    refused = venue.order(count="1")
    assert (refused.status, refused.body) == (429, TOO_MANY)
    venue.after(ms=100)
    assert [venue.order(count="1").status for _ in range(2)] == [201, 429]


def test_a_refused_request_was_not_applied():
    venue = make_venue(tier="basic")
    for _ in range(12):
        venue.order(count="1", client_order_id=None)
    venue.after(10)
    assert len(venue.get("/portfolio/orders")["orders"]) == 10


def test_cancels_cost_two_and_reads_have_their_own_bucket():
    venue = make_venue(tier="basic")
    made = [venue.placed(count="1")["order_id"] for _ in range(8)]
    query = {"market_ticker": GAME}
    found = [venue.send("DELETE", f"{ORDERS}/{oid}", query=query).status for oid in made]
    assert found == [200] * 8
    assert [venue.send("GET", "/portfolio/balance").status for _ in range(41)] == [200] * 40 + [429]


def test_a_batch_is_admitted_whole_or_not_at_all():
    venue = make_venue(tier="basic")
    body = {
        "ticker": GAME,
        "side": "bid",
        "count": "1",
        "price": "0.40",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "maker",
    }
    output = venue.send("POST", f"{ORDERS}/batched", body={"orders": [body] * 11})
    assert (output.status, output.body) == (429, TOO_MANY)
    assert venue.get("/portfolio/orders")["orders"] == []
    output = venue.send("POST", f"{ORDERS}/batched", body={"orders": [body] * 10})
    assert output.status == 201
    assert venue.order().status == 429


def test_an_explicit_shard_has_its_own_write_bucket():
    venue = make_venue(tier="basic")
    assert [venue.order(count="1", exchange_index=3).status for _ in range(11)][-1] == 429
    assert venue.order(ticker=SHARD0, count="1", exchange_index=0).status == 201


@pytest.mark.parametrize(("switch", "status"), [("unscoped", 201), ("every_shard", 429)])
def test_auto_routed_writes_by_switch(switch, status):
    venue = make_venue(tier="basic", auto_route_billing=switch)
    for _ in range(10):
        venue.order(count="1")
    assert venue.order(count="1", exchange_index=3).status == status


def test_public_requests_are_free_without_keys_unless_switched():
    venue = make_venue(tier="basic")
    assert {venue.send("GET", "/markets", who="").status for _ in range(100)} == {200}
    venue = make_venue(public_requests_per_s=5)
    assert [venue.send("GET", "/markets", who="").status for _ in range(6)][-1] == 429


def test_the_operator_can_change_a_tier():
    venue = make_venue(tier="basic")
    venue.operate("tier", user="alice", tier="prestige")
    assert venue.get("/account/limits")["usage_tier"] == "prestige"
    assert [venue.order(count="1").status for _ in range(30)] == [201] * 30


def test_upgrade_needs_an_order_first():
    venue = make_venue(tier="basic")
    assert venue.send("POST", "/account/api_usage_level/upgrade").status == 400
    venue.placed(count="1")
    assert venue.send("POST", "/account/api_usage_level/upgrade").status == 200
    assert venue.get("/account/limits")["usage_tier"] == "advanced"


@settings(max_examples=200)
@given(
    st.integers(1, 5000),
    st.integers(1, 5000),
    st.lists(st.tuples(st.integers(0, 3 * 10**9), st.integers(1, 300)), max_size=60),
)
def test_a_bucket_never_gives_more_than_capacity_plus_refill(rate, capacity, asks):
    bucket, now, spent = Bucket(rate, capacity, 0), 0, 0
    for wait, cost in asks:
        now += wait
        if bucket.has(cost, now):
            bucket.spend(cost)
            spent += cost
        assert spent * 10**9 <= capacity * 10**9 + rate * now


# permissions


def with_key(venue, **changes):
    key = venue.app.core.keys.keys[venue.key_id("alice")]
    venue.app.core.keys.add(replace(key, **changes))
    return venue


def test_a_read_key_cannot_trade():
    venue = with_key(make_venue(), scopes=("read",))
    output = venue.order()
    assert (output.status, output.body["error"]["code"]) == (403, "forbidden")
    assert venue.send("GET", "/portfolio/balance").status == 200


@pytest.mark.parametrize(
    ("scopes", "trade", "move"),
    [(("read", "write::trade"), 201, 403), (("read", "write::transfer"), 403, 200)],
)
def test_child_scopes(scopes, trade, move):
    venue = with_key(make_venue(), scopes=scopes)
    body = {"source": "event_contract", "destination": "event_contract", "amount": 100,
            "destination_exchange_shard": 3}  # fmt: skip
    assert venue.order().status == trade
    path = "/portfolio/intra_exchange_instance_transfer"
    assert venue.send("POST", path, body=body).status == move


def test_a_restricted_key_stays_in_its_subaccount():
    venue = make_venue()
    venue.send("POST", "/portfolio/subaccounts")
    venue.operate("deposit", user="alice", dollars="50", exchange_index=3, subaccount=1)
    venue.placed()
    foreign = venue.get("/portfolio/orders")["orders"][0]["order_id"]
    with_key(venue, subaccount=1)
    assert venue.order(subaccount=2).status == 403
    assert venue.order(subaccount=0).status == 403
    assert venue.get("/portfolio/orders")["orders"] == []
    assert venue.send("GET", f"/portfolio/orders/{foreign}").status == 404
    query = {"market_ticker": GAME}
    assert venue.send("DELETE", f"{ORDERS}/{foreign}", query=query).status == 404
    own = venue.placed(count="1")
    order = venue.get(f"/portfolio/orders/{own['order_id']}")["order"]
    assert order["subaccount_number"] == 1
    balance = venue.get("/portfolio/balance")
    assert balance["balance_dollars"] == "50.0000"
    assert "balance_breakdown" not in balance
    assert venue.send("GET", "/portfolio/subaccounts/balances").status == 403


@pytest.mark.parametrize("body", ["nested", "flat"])
def test_lapsed_attestation_by_switch(body):
    venue = make_venue(attestation_body=body)
    venue.operate("attestation", user="alice")
    output = venue.order(ticker=GAME)
    assert output.status == 403
    assert ("error" in output.body) == (body == "nested")
    assert venue.order(ticker=SHARD0).status == 201


# cash


def move(venue, amount=10_000, source=0, destination=3, **more):
    body = {"source": "event_contract", "destination": "event_contract", "amount": amount,
            "source_exchange_shard": source, "destination_exchange_shard": destination}  # fmt: skip
    return venue.send("POST", "/portfolio/intra_exchange_instance_transfer", body=body | more)


def shard_cash(venue, shard):
    return venue.get("/portfolio/balance", exchange_index=shard)["balance_dollars"]


def test_a_transfer_in_flight_is_nowhere_but_not_lost():
    venue = make_venue(transfer_ms=1000, transfer_404_ms=500)
    transfer_id = move(venue).body["transfer_id"]
    path = f"/portfolio/intra_exchange_instance_transfers/{transfer_id}"
    assert venue.send("GET", path).status == 404
    assert (shard_cash(venue, 0), shard_cash(venue, 3)) == ("99999.0000", "100000.0000")
    assert venue.gap() == 0
    venue.after(ms=500)
    assert venue.get(path)["transfer"]["status"] == "pending"
    venue.after(ms=500)
    assert venue.get(path)["transfer"]["status"] == "complete"
    assert shard_cash(venue, 3) == "100001.0000"


def test_a_transfer_id_is_good_once():
    venue = make_venue()
    once = str(uuid.uuid4())
    assert move(venue, client_transfer_id=once).status == 200
    assert move(venue, client_transfer_id=once).status == 409
    assert shard_cash(venue, 3) == "100001.0000"


@pytest.mark.parametrize(
    "bad",
    [
        {"amount": 0}, {"amount": -5}, {"amount": 10**15}, {"destination": 9}, {"destination": 0},
        {"client_transfer_id": "x"}, {"amount": "5"}, {"source_subaccount": 4},
    ],
)  # fmt: skip
def test_a_bad_transfer_moves_nothing(bad):
    venue = make_venue()
    assert move(venue, **bad).status >= 400
    assert venue.get("/portfolio/balance")["balance_dollars"] == "400000.0000"
    assert shard_cash(venue, 0) == "100000.0000"


def allocate(venue, *rows, **more):
    body = {"allocations": [{"exchange_index": i, "percent": p} for i, p in rows]} | more
    return venue.send("POST", "/portfolio/target_balance_allocation", body=body)


def test_target_allocation_moves_cash_every_ten_seconds():
    venue = make_venue()
    assert allocate(venue, (0, 25), (3, 75), resting_margin_reservation="none").status == 200
    venue.after(10)
    assert [shard_cash(venue, s) for s in range(4)] == [
        "100000.0000", "0.0000", "0.0000", "300000.0000",
    ]  # fmt: skip
    assert allocate(venue).status == 200
    move(venue, source=3, destination=1)
    venue.after(10)
    assert shard_cash(venue, 1) == "1.0000"
    assert venue.gap() == 0


def test_resting_orders_keep_their_margin_in_place():
    venue = make_venue()
    venue.placed(ticker=SHARD0, count="100000", price="0.50")
    allocate(venue, (3, 100), resting_margin_reservation="sum")
    venue.after(10)
    assert shard_cash(venue, 0) == "50000.0000"


@pytest.mark.parametrize(
    "rows", [[(0, 50)], [(0, 50), (0, 50)], [(0, 101), (1, -1)], [(9, 100)], [(0, 60), (3, 60)]]
)
def test_a_bad_allocation_is_refused(rows):
    venue = make_venue()
    assert allocate(venue, *rows).status == 400
    assert venue.get("/portfolio/target_balance_allocation")["allocations"] == []


def test_subaccounts_hold_their_own_cash_and_positions():
    venue = make_venue()
    assert venue.send("POST", "/portfolio/subaccounts").body == {"subaccount_number": 1}
    body = {"client_transfer_id": str(uuid.uuid4()), "from_subaccount": 0, "to_subaccount": 1,
            "amount_cents": 1000, "exchange_index": 3}  # fmt: skip
    assert venue.send("POST", "/portfolio/subaccounts/transfer", body=body).status == 200
    assert venue.send("POST", "/portfolio/subaccounts/transfer", body=body).status == 409
    assert venue.order(count="50", subaccount=1).status == 400
    venue.placed("bob", side="ask", price="0.40", count="10")
    venue.placed(count="10", price="0.40", subaccount=1)
    assert venue.get("/portfolio/positions")["market_positions"] == []
    assert len(venue.get("/portfolio/positions", subaccount=1)["market_positions"]) == 1
    assert venue.gap() == 0


def test_an_exchange_index_that_is_no_number_is_billed_and_refused_like_any_other():
    venue = make_venue()
    made = venue.placed()
    for odd in ("²", "x", "9" * 5000, "--1"):
        query = {"market_ticker": GAME, "exchange_index": odd}
        assert venue.send("DELETE", f"{ORDERS}/{made['order_id']}", query=query).status == 400
