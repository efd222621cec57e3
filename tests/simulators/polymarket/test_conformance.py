"""Recorded production frames and payload samples against what the local venue prints."""

from __future__ import annotations

import json

import pytest

from simulators.polymarket import operations, orders
from simulators.polymarket.frames import book_hash, initial_book, rest_book, trade_book
from simulators.polymarket.gammajson import event_json, market_json
from simulators.polymarket.public import full_market
from simulators.polymarket.records import order_event, rest_trade, trade_event
from simulators.polymarket.routes import Call
from simulators.polymarket.units import ONE, text, units
from tests.simulators.polymarket.kit import SPORTS, make_market, make_trader, make_world

pytestmark = pytest.mark.data
REAL = "read_only_text_samples/polymarket_ws_real/book_then_price_change_2026-08-30.jsonl"
SAMPLES = "nautechsystems+nautilus_trader"


def public(recordings, name):
    path = recordings / "public" / name
    return path if path.exists() else recordings / name


@pytest.fixture
def frames(recordings):
    lines = public(recordings, REAL).read_text().splitlines()
    return [json.loads(line) for line in lines]


def sample(recordings, name):
    folder = public(recordings, SAMPLES)
    return json.loads(next(folder.glob(f"*{name}")).read_text())


def as_rest(frame, bids, asks, stamp):
    """A stream book has no minimum and no neg-risk flag: they come from the catalogue."""
    return {
        "market": frame["market"],
        "asset_id": frame["asset_id"],
        "timestamp": stamp,
        "hash": "",
        "bids": bids,
        "asks": asks,
        "min_order_size": "5",
        "tick_size": frame["tick_size"],
        "neg_risk": False,
        "last_trade_price": frame["last_trade_price"],
    }


def test_real_book_hashes(frames):
    """The recorded book, and the recorded change applied to it, hash to what production sent."""
    book, change = frames
    found = {}
    for neg_risk in (False, True):
        body = as_rest(book, book["bids"], book["asks"], book["timestamp"])
        found[neg_risk] = book_hash({**body, "neg_risk": neg_risk})
    assert book["hash"] in found.values()
    neg_risk = found[True] == book["hash"]
    entry = change["price_changes"][0]
    assert entry["side"] == "BUY"
    bids = [
        {"price": level["price"], "size": entry["size"]} if level["price"] == entry["price"]
        else level
        for level in book["bids"]
    ]  # fmt: skip
    body = as_rest(book, bids, book["asks"], change["timestamp"])
    assert book_hash({**body, "neg_risk": neg_risk}) == entry["hash"]


def test_the_venue_rebuilds_the_real_book_bit_by_bit(frames):
    """Levels of the recording set here print, order and hash as there, on both tokens."""
    book, change = frames
    world = make_world()
    tokens = (book["asset_id"], change["price_changes"][1]["asset_id"])
    for neg_risk in (False, True):
        market = make_market(world, 1 + neg_risk, neg_risk=neg_risk)
        market.condition_id = book["market"]
        market.tokens = tokens
        world.markets[book["market"]] = market
        world.by_token.update(dict.fromkeys(tokens, market))
        bids, asks = ([(units(r["price"]), units(r["size"])) for r in book[s]]
                      for s in ("bids", "asks"))  # fmt: skip
        operations.quote(world, market, bids, asks)
        market.last_hash_price = units(book["last_trade_price"])
        market.changed_ns = int(book["timestamp"]) * 10**6
        printed = rest_book(market, 0)
        assert (printed["bids"], printed["asks"]) == (book["bids"], book["asks"])
        if printed["hash"] == book["hash"]:
            break
    else:
        pytest.fail("neither neg-risk flag gives the recorded hash")
    market.changed_ns = int(change["timestamp"]) * 10**6
    level = change["price_changes"][0]
    world.now_ns = market.changed_ns
    world.drain()
    fewer = [(p, units(level["size"]) if p == units(level["price"]) else s) for p, s in bids]
    operations.quote(world, market, fewer, asks)
    sent = [e.payload for e in world.drain() if e.payload.get("event_type") == "price_change"]
    assert sent == [change]


def test_frame_shapes(frames):
    world = make_world()
    market, trader = make_market(world), make_trader(world)
    operations.quote(world, market, [(480_000, 10 * ONE)], [(520_000, 10 * ONE)])
    book, change = frames
    assert list(initial_book(market, 0)) == list(book)
    world.drain()
    trader.post(market, "BUY", "0.4", 10)
    ours = next(e.payload for e in world.drain() if e.payload["event_type"] == "price_change")
    assert list(ours) == list(change)
    assert list(ours["price_changes"][0]) == list(change["price_changes"][0])
    assert set(trade_book(market, 0)) == set(book) - {"tick_size", "last_trade_price"}


def kinds(value):
    """Return the JSON type names of an object's fields."""
    names = {bool: "bool", int: "number", float: "number", str: "text", type(None): "null"}
    return {key: names.get(type(item), type(item).__name__) for key, item in value.items()}


def agree(ours, theirs, *, missing=(), other=()):
    """Every field of the sample is there with its type, save those named with a reason."""
    mine, wanted = kinds(ours), kinds(theirs)
    lost = set(wanted) - set(mine) - set(missing)
    assert not lost, f"fields of the sample that are missing: {sorted(lost)}"
    wrong = {
        key: (mine[key], kind)
        for key, kind in wanted.items()
        if key in mine
        and key not in other
        and "null" not in (kind, mine[key])
        and mine[key] != kind
    }
    assert not wrong


@pytest.fixture
def traded():
    world = make_world()
    market, trader = make_market(world, fees=SPORTS), make_trader(world)
    operations.quote(world, market, [(480_000, 10 * ONE)], [(520_000, 10 * ONE)])
    answer = trader.post(market, "BUY", "0.52", 25)
    return world, market, trader, world.orders[answer["orderID"]]


@pytest.mark.parametrize("name", [
    "ws_user_order_placement.json", "ws_user_order_update.json", "ws_user_order_cancellation.json",
    "ws_user_order_venue_cancel.json", "ws_user_order_fok_killed.json",
    "ws_user_order_matched.json", "order_cancel.json",
])  # fmt: skip
def test_order_events_have_the_samples_fields(recordings, traded, name):
    world, _, _, order = traded
    theirs = sample(recordings, name)
    agree(order_event(order, "UPDATE", world.now_ns, world.switches), theirs)


@pytest.mark.parametrize("name", ["ws_user_trade_msg.json", "user_trade1.json",
                                  "user_trade3.json"])  # fmt: skip
def test_trade_events_have_the_samples_fields(recordings, traded, name):
    world, _, trader, _ = traded
    trade = next(iter(world.trades.values()))
    ours = trade_event(trade, trader.key.address.lower(), world.now_ns, world.switches)
    theirs = sample(recordings, name)
    agree(ours, theirs)
    if theirs["maker_orders"]:
        agree(ours["maker_orders"][0], theirs["maker_orders"][0])


def test_rest_records_have_the_samples_fields(recordings, traded):
    world, market, trader, order = traded
    from simulators.polymarket.records import open_order

    agree(open_order(order), sample(recordings, "http_open_orders_page.json")["data"][0])
    trade = next(iter(world.trades.values()))
    ours = rest_trade(trade, trader.key.address.lower(), world.now_ns, world.switches)
    agree(ours, sample(recordings, "http_trade_report.json"))
    agree(rest_book(market, 0), sample(recordings, "http_responses__book.json"))
    reply = orders.cancel(world, trader.key, [order.id])
    assert set(reply) == set(sample(recordings, "http_cancel_response_ok.json"))


def test_market_records_have_the_samples_fields(recordings, traded):
    world, market, _, _ = traded
    call = Call(world, None, {}, {}, None)  # type: ignore[arg-type] - limits are not used here
    theirs = sample(recordings, "clob_market_closed_binary_accepting_true.json")
    ours = full_market(call, market)
    agree(ours, theirs)
    agree(ours["tokens"][0], theirs["tokens"][0])


# Editorial and statistical fields of the site: no trading client reads them.
SITE = {
    "approved", "automaticallyActive", "automaticallyResolved", "closedTime", "competitive",
    "createdAt", "customLiveness", "cyom", "deploying", "deployingTimestamp", "featured", "funded",
    "hasReviewedDates", "holdingRewardsEnabled", "liquidityClob", "manualActivation", "new",
    "oneDayPriceChange", "oneHourPriceChange", "oneMonthPriceChange", "oneWeekPriceChange",
    "pagerDutyNotificationEnabled", "pendingDeployment", "ready", "requiresTranslation",
    "resolvedBy", "restricted", "rfqEnabled", "sentDiscord", "spread", "startDateIso",
    "submitted_by", "umaEndDate", "umaReward", "umaResolutionStatus", "updatedAt", "volume1mo",
    "volume1wk", "volume1yr", "volume24hr", "volumeClob", "groupItemThreshold", "line",
    "feeType", "feesEnabled", "makerBaseFee", "takerBaseFee", "twitterCardImage", "bestBid",
    "volume1moClob", "volume1wkClob", "volume1yrClob", "volume24hrClob", "showGmpSeries",
    "showGmpOutcome", "seriesColor", "makerRebatesFeeShareBps", "countryName", "electionType",
    "gmpChartMode", "startTime",
}  # fmt: skip


@pytest.mark.parametrize("name", ["gamma_market_sports_market_money_line.json",
                                  "gamma_market.json"])  # fmt: skip
def test_gamma_markets_have_the_samples_fields(recordings, name):
    theirs = sample(recordings, name)
    theirs = theirs[0] if isinstance(theirs, list) else theirs
    world = make_world()
    market = make_market(world, game_id="1", sports_type="moneyline", game_start_ns=10**18,
                         seconds_delay=3, fees=SPORTS, line="")  # fmt: skip
    agree(market_json(world, market), theirs, missing=SITE)
    assert text(ONE) == "1"


def test_gamma_events_have_the_samples_fields(recordings):
    theirs = sample(recordings, "gamma_event.json")[0]
    world = make_world()
    market = make_market(world, neg_risk=True)
    event = world.events[market.event_id]
    event.neg_risk_id = "0x00"
    editorial = {"commentCount", "sortBy", "openInterest", "resolutionSource", "image", "icon",
                 "volume1wk", "cumulativeMarkets", "showAllOutcomes", "showMarketImages",
                 "estimateValue", "cantEstimate", "commentsEnabled", "subcategory"}  # fmt: skip
    agree(event_json(world, event), theirs, missing=SITE | editorial)
