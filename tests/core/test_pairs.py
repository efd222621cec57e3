"""Pairs: reading, refusing, trading conditions, conversion of recordings."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from core.contracts import Direction, Outcome, State, Venue
from core.fees import KalshiFees, PolymarketFees, PolymarketUSFees
from core.fees.kalshi import datetime_ns
from core.pairs import (
    Approval,
    Clause,
    MarketTerms,
    Pair,
    PairMarket,
    PairsError,
    Route,
    Settlement,
    blind,
    encode_pairs,
    parse_pairs,
    tradeable,
    uniform_ticks,
)
from core.reasons import Reason
from core.recorded import is_recorded, parse_recorded

D = Decimal
NOW = datetime(2026, 11, 1, tzinfo=UTC)
NOW_NS = datetime_ns(NOW)
HASH_A, HASH_B = "a" * 64, "b" * 64


def terms(currency="USD", **changes):
    fields = {
        "ticks": uniform_ticks("0.01"),
        "lot": D("0.01"),
        "size_min": D("0.01"),
        "currency": currency,
    }
    return MarketTerms(**{**fields, **changes})


def make(**changes):
    fields = {
        "pair_id": "NBA-POR-WAS",
        "markets": (
            PairMarket(
                venue=Venue.KALSHI,
                market="KXNBAGAME-26JAN27PORWAS-POR",
                yes="KXNBAGAME-26JAN27PORWAS-POR-YES",
                no="KXNBAGAME-26JAN27PORWAS-POR-NO",
                terms=terms(),
                fees=KalshiFees("quadratic_with_maker_fees"),
                rules_sha256=HASH_A,
                routes=(
                    Route(
                        market="KXNBAGAME-26JAN27PORWAS-WAS",
                        yes="KXNBAGAME-26JAN27PORWAS-WAS-YES",
                        no="KXNBAGAME-26JAN27PORWAS-WAS-NO",
                        inverse=True,
                    ),
                ),
            ),
            PairMarket(
                venue=Venue.POLYMARKET,
                market="nba-por-was-2026-01-27",
                yes="111",
                no="222",
                inverse=True,
                terms=terms("pUSD", notional_min=D(1)),
                fees=PolymarketFees(D("0.05")),
                rules_sha256=HASH_B,
            ),
        ),
        "relation": "equivalent",
        "grade": "A",
        "family": "KXNBAGAME x nba moneyline",
        "approval": Approval(by="ada", at=NOW - timedelta(days=1)),
        "observed_since": NOW - timedelta(days=2),
        "divergence": (
            Clause(name="oracle error", q=D("0.0005"), yes_no=D(0), no_yes=D(0)),
            Clause(name="void", q=D("0.002"), yes_no=D("1.3"), no_yes=D("0.7")),
        ),
    }
    return Pair(**{**fields, **changes})


def edited(change):
    raw = json.loads(encode_pairs([make()]))
    change(raw)
    return json.dumps(raw).encode()


def test_a_file_round_trips():
    pairs = (make(), make(pair_id="OTHER", session="s2"))
    assert parse_pairs(encode_pairs(pairs)) == pairs
    assert encode_pairs(parse_pairs(encode_pairs(pairs))) == encode_pairs(pairs)


def test_orientation_turns_the_inverse_market():
    pair = make()
    assert pair.a.instrument(Outcome.YES) == "KXNBAGAME-26JAN27PORWAS-POR-YES.KALSHI"
    assert pair.b.instrument(Outcome.YES) == "222.POLYMARKET"
    assert pair.instruments(Direction.YES_NO) == (pair.a.yes_id, "111.POLYMARKET")
    assert pair.instruments(Direction.NO_YES) == (pair.a.no_id, "222.POLYMARKET")


def test_settlement_is_read_in_the_pairs_frame():
    pair = make()
    markets = tuple(
        msgspec.structs.replace(m, settlement=Settlement(value=D(v)))
        for m, v in zip(pair.markets, ("1", "0"), strict=True)
    )
    settled = make(markets=markets)
    assert settled.settled_state == State("settled", D(1), D(1))
    assert pair.settled_state is None
    assert blind([settled])[0].settled_state is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema=2), r"pairs\.json: schema: found 2, allowed 1"),
        (lambda r: r.update(extra=1), "found field 'extra'"),
        (lambda r: r.update(pairs={}), r"pairs: found \{\}, allowed a list"),
        (lambda r: r["pairs"][0].update(grade="E"),
         r"NBA-POR-WAS\)\.grade: found 'E': .*, allowed A, B, C, D"),
        (lambda r: r["pairs"][0].update(colour="red"), "unknown field `colour`"),
        (lambda r: r["pairs"][0].pop("family"), "missing required field `family`"),
        (lambda r: r["pairs"][0]["markets"].pop(), "length 2"),
        (lambda r: r["pairs"][0]["markets"][0]["terms"].update(lot=0.01),
         r"markets\[0\]\.terms\.lot: found number 0\.01 \(write decimals as text\)"),
        (lambda r: r["pairs"][0]["markets"][0]["terms"].update(lot="0"), "lot: found 0"),
        (lambda r: r["pairs"][0]["markets"][0]["terms"].update(ticks=[]), "no bands"),
        (lambda r: r["pairs"][0]["markets"][0].update(rules_sha256="abc"), "rules_sha256"),
        (lambda r: r["pairs"][0]["markets"][1].update(venue="KALSHI"), "two different venues"),
        (lambda r: r["pairs"][0]["markets"][1].update(no="111"), "yes and no are both"),
        (lambda r: r["pairs"][0]["markets"][1]["settlement"].update(value="1.2"),
         r"found 1\.2, allowed 0 to 1"),
        (lambda r: r["pairs"][0]["divergence"][0].update(q="2"), "q: found 2"),
        (lambda r: r["pairs"][0]["divergence"][0].update(yes_no="3"), "yes_no: found 3"),
        (lambda r: r["pairs"][0].update(approval={"by": "ada", "at": "2026-01-01T00:00:00"}),
         r"approval\.at: found '2026-01-01T00:00:00'"),
        (lambda r: r["pairs"][0]["markets"][0]["fees"].update(kind="bitmex"), "bitmex"),
        (lambda r: r["pairs"].append(r["pairs"][0]), "appears twice"),
        (lambda r: r["pairs"].append({**r["pairs"][0], "pair_id": "B"}), "allowed in one"),
    ],
)  # fmt: skip
def test_a_wrong_file_says_where_and_what(change, message):
    with pytest.raises(PairsError, match=message):
        parse_pairs(edited(change))


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"null"])
def test_what_is_no_pairs_file_is_refused(data):
    with pytest.raises(PairsError, match=r"my\.json"):
        parse_pairs(data, "my.json")


def today(a=HASH_A, b=HASH_B):
    pair = make()
    return {pair.a.market: a, pair.b.market: b}


@pytest.mark.parametrize(
    ("changes", "options", "reason"),
    [
        ({}, {}, None),
        ({}, {"rules_today": today()}, None),
        ({}, {"rules_today": today(b="c" * 64)}, Reason.RULE_CHANGED),
        ({}, {"rules_today": {}}, Reason.RULE_CHANGED),
        ({"relation": "subset"}, {}, Reason.RELATION),
        ({"grade": "C"}, {}, Reason.GRADE),
        ({"approval": None}, {}, Reason.NOT_APPROVED),
        ({"approval": Approval(by="ada", at=NOW + timedelta(days=1))}, {}, Reason.NOT_APPROVED),
        ({"approval": Approval(by="r", at=NOW, kind="recorded")}, {}, Reason.NOT_APPROVED),
        ({"approval": Approval(by="r", at=NOW, kind="recorded")}, {"allow_recorded": True}, None),
        ({}, {"observe_ns_min": 3 * 86_400 * 10**9}, Reason.NOT_OBSERVED_LONG_ENOUGH),
        ({"observed_since": None}, {"observe_ns_min": 1}, Reason.NOT_OBSERVED_LONG_ENOUGH),
    ],
)
def test_when_a_pair_may_trade(changes, options, reason):
    refusal = tradeable(make(**changes), NOW_NS, **options)
    assert (refusal[0] if refusal else None) is reason


def test_a_market_without_a_rules_hash_or_past_its_close_does_not_trade():
    pair = make()
    a = msgspec.structs.replace(pair.a, rules_sha256=None)
    assert tradeable(make(markets=(a, pair.b)), NOW_NS)[0] is Reason.RULE_CHANGED
    b = msgspec.structs.replace(pair.b, close_time=NOW)
    assert tradeable(make(markets=(pair.a, b)), NOW_NS)[0] is Reason.MARKET_CLOSED
    assert tradeable(make(markets=(pair.a, b)), NOW_NS - 1) is None


def test_the_documented_example_is_a_valid_file():
    text = (Path(__file__).parents[2] / "docs" / "pairs.md").read_text()
    example = text.split("```json\n")[1].split("```")[0]
    (pair,) = parse_pairs(example, "docs/pairs.md")
    now_ns = datetime_ns(datetime(2026, 1, 27, tzinfo=UTC))
    assert tradeable(pair, now_ns, observe_ns_min=86_400 * 10**9) is None
    assert pair.b.instrument(Outcome.YES) == f"{pair.b.no}.POLYMARKET"


RECORDED = {
    "pair_id": "KXWC-26-FR",
    "session": "S1",
    "kalshi_ticker": "KXWC-26-FR",
    "kalshi_ticker_opposite": "KXWC-26-XX",
    "polymarket_token_yes": "108",
    "polymarket_venue": "polymarket_international_clob",
    "relation": "YES=YES",
    "fees_assumed": {
        "kalshi": {
            "type": "quadratic",
            "multiplier": "1",
            "regime": "2026q2",
            "member_precision": "0.0001",
        },
        "polymarket": {"venue": "polymarket", "rate": "0", "exponent": "1"},
    },
    "settlement": {"kalshi": "0", "polymarket": None},
    "settled_at": "2026-07-20T00:00:00Z",
    "expected_settlement": "2026-07-20T00:00:00Z",
    "terms": {
        "kalshi": {"tick": "0.001", "lot": "0.01", "min_size": "0.01", "currency": "USD"},
        "polymarket": {"tick": "0.001", "lot": "0.01", "min_size": "5", "currency": "pUSD"},
    },
}


NOTES = {
    "settlement_note": "public knowledge",
    "fees_note": "assumed",
    "mapping_source": "the venue's own mapping",
}


def recorded(**changes):
    return json.dumps([{**RECORDED, **changes}]).encode()


def test_a_recordings_pair_becomes_schema_one():
    (pair,) = parse_recorded(recorded(**NOTES), accept=True)
    assert pair.note == "assumed"
    assert pair.a.yes_id == "KXWC-26-FR-YES.KALSHI"
    assert (pair.b.yes_id, pair.b.no_id) == ("108.POLYMARKET", "108-NO.POLYMARKET")
    assert (pair.a.settlement.value, pair.b.settlement.value) == (0, None)
    assert pair.a.routes[0].inverse
    assert pair.b.terms.notional_min == 1
    assert tradeable(pair, NOW_NS)[0] is Reason.NOT_APPROVED
    assert tradeable(pair, NOW_NS, allow_recorded=True) is None
    assert parse_pairs(encode_pairs([pair])) == (pair,)


def test_an_unaccepted_recording_is_watched_only():
    (pair,) = parse_recorded(recorded(), accept=False)
    assert tradeable(pair, NOW_NS, allow_recorded=True)[0] is Reason.NOT_APPROVED


def test_polymarket_us_has_its_own_fees_and_currency():
    rows = recorded(
        polymarket_venue="polymarket_us",
        polymarket_slug="aec-nba",
        fees_assumed={
            **RECORDED["fees_assumed"],
            "polymarket": {"venue": "polymarket_us", "rate": "0.0695"},
        },
        settlement={"kalshi": None, "polymarket_us": None},
        settled_at=None,
        expected_settlement=None,
        terms={
            "kalshi": RECORDED["terms"]["kalshi"],
            "polymarket_us": {"tick": "0.001", "lot": "1", "min_size": "1", "currency": "USD"},
        },
    )
    (pair,) = parse_recorded(rows, accept=True)
    assert pair.b.venue is Venue.POLYMARKET_US
    assert pair.b.fees == PolymarketUSFees(D("0.0695"))
    assert pair.b.yes_id == "aec-nba-YES.POLYMARKET_US"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"polymarket_venue": "other"}, "polymarket_venue: found 'other'"),
        ({"settlement": {}}, "field 'kalshi' is missing"),
        ({"settlement": {"kalshi": 0.5, "polymarket": None}}, "settlement: found 0.5"),
        ({"expected_settlement": "soon"}, "soon"),
    ],
)
def test_a_wrong_recording_says_what(changes, message):
    with pytest.raises(PairsError, match=message):
        parse_recorded(recorded(**changes), accept=True, source="q.json")


LONG_SIDE = "long side of slug = kalshi_ticker YES; -inverse = opposite"


@pytest.mark.parametrize("relation", ["YES=YES", LONG_SIDE])
def test_a_recorded_pair_of_the_same_orientation(relation):
    (pair,) = parse_recorded(recorded(relation=relation), accept=True)
    assert (pair.a.inverse, pair.b.inverse) == (False, False)
    assert pair.instruments(Direction.YES_NO) == ("KXWC-26-FR-YES.KALSHI", "108-NO.POLYMARKET")


def test_a_recorded_pair_of_opposite_orientation():
    settlement = {"kalshi": "0", "polymarket": "1"}
    rows = recorded(relation="YES=NO", settlement=settlement)
    (pair,) = parse_recorded(rows, accept=True)
    assert (pair.a.inverse, pair.b.inverse) == (False, True)
    assert pair.instruments(Direction.YES_NO) == ("KXWC-26-FR-YES.KALSHI", "108.POLYMARKET")
    assert pair.instruments(Direction.NO_YES) == ("KXWC-26-FR-NO.KALSHI", "108-NO.POLYMARKET")
    assert (pair.settled_state.yes_a, pair.settled_state.yes_b) == (0, 0)
    assert parse_pairs(encode_pairs([pair])) == (pair,)


@pytest.mark.parametrize("relation", ["NO=YES", "yes=no", "YES=NO ", "", None, 1, ["YES=NO"]])
def test_an_orientation_that_is_not_known_is_refused(relation):
    with pytest.raises(PairsError) as error:
        parse_recorded(recorded(relation=relation), accept=True, source="q.json")
    assert str(error.value) == (
        f"q.json: pairs[0] (KXWC-26-FR): relation: found {relation!r}, "
        f"allowed 'YES=YES', {LONG_SIDE!r}, 'YES=NO'"
    )


@pytest.mark.parametrize("value", [5, 5.5, True, ["x"], {"x": 1}, "", "x" * 201])
@pytest.mark.parametrize(
    "field",
    [
        "pair_id",
        "session",
        "kalshi_ticker",
        "kalshi_ticker_opposite",
        "polymarket_venue",
        "polymarket_token_yes",
        "polymarket_slug",
    ],
)
def test_a_name_that_is_no_text_is_refused(field, value):
    with pytest.raises(PairsError) as error:
        parse_recorded(recorded(**{field: value}), accept=True, source="q.json")
    message = str(error.value)
    assert message.startswith("q.json: pairs[0] (")
    assert f"): {field}: found {value!r}, allowed text of 1 to 200 characters" in message


def test_a_name_may_be_null_only_where_it_may_be_absent():
    (pair,) = parse_recorded(recorded(session=None, kalshi_ticker_opposite=None), accept=True)
    assert (pair.session, pair.a.routes) == (None, ())
    with pytest.raises(PairsError, match="pair_id: found None, allowed text"):
        parse_recorded(recorded(pair_id=None), accept=True)
    with pytest.raises(PairsError, match="fees_note: found 7, allowed text"):
        parse_recorded(recorded(fees_note=7), accept=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"relatoin": "YES=NO"}, "found field 'relatoin' (did you mean 'relation'?), allowed "),
        ({"kalshi_ticker_oposite": "KX"}, "(did you mean 'kalshi_ticker_opposite'?)"),
        ({"settled": None}, "(did you mean 'settled_at'?)"),
        ({"zzz": 1}, "found field 'zzz', allowed expected_settlement, "),
        (
            {"terms": {**RECORDED["terms"], "polymarket": {"tik": "0.01"}}},
            "found field 'terms.polymarket.tik' (did you mean 'tick'?), "
            "allowed currency, lot, min_size, tick",
        ),
        ({"settlement": {"kalsi": "0"}}, "'settlement.kalsi' (did you mean 'kalshi'?)"),
        ({"fees_assumed": {"kalshi": 3}}, "fees_assumed.kalshi: found 3, allowed an object"),
        ({"terms": []}, "terms: found [], allowed an object"),
    ],
)
def test_a_key_that_nobody_reads_is_refused(changes, message):
    with pytest.raises(PairsError) as error:
        parse_recorded(recorded(**changes), accept=True, source="q.json")
    assert str(error.value).startswith("q.json: pairs[0] (KXWC-26-FR): ")
    assert message in str(error.value)


KALSHI_ASSUMED = {**RECORDED["fees_assumed"]["kalshi"], "regime": "2027x"}
EURO = {**RECORDED["terms"]["polymarket"], "currency": "EUR"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"fees_assumed": {**RECORDED["fees_assumed"], "kalshi": KALSHI_ASSUMED}},
            "fees_assumed.kalshi.regime: found '2027x', allowed legacy, 2026q2, 2026q3, null",
        ),
        (
            {"terms": {**RECORDED["terms"], "polymarket": EURO}},
            "terms.polymarket.currency: found 'EUR', allowed USD, pUSD",
        ),
        ({"settled_at": "2026-07-20T00:00:00"}, "settled_at: found '2026-07-20T00:00:00', allow"),
        ({"expected_settlement": "2026-07-20"}, "expected_settlement: found '2026-07-20', allow"),
        ({"settled_at": 5}, "settled_at: found 5, allowed 2026-07-20T00:00:00Z or null"),
    ],
)
def test_what_schema_one_would_refuse_is_refused_in_the_words_of_the_recording(changes, message):
    with pytest.raises(PairsError) as error:
        parse_recorded(recorded(**changes), accept=True, source="q.json")
    assert str(error.value).startswith(f"q.json: pairs[0] (KXWC-26-FR): {message}")


def test_a_recorded_pair_that_stands_twice_is_refused():
    rows = json.dumps([RECORDED, RECORDED])
    with pytest.raises(PairsError, match=r"^q\.json: pair_id 'KXWC-26-FR' appears twice"):
        parse_recorded(rows, accept=True, source="q.json")


@pytest.mark.parametrize("data", [b"{}", b"nonsense", b"[3]"])
def test_what_is_no_recording_is_refused(data):
    with pytest.raises(PairsError, match=r"q\.json"):
        parse_recorded(data, accept=True, source="q.json")


def test_the_two_kinds_of_file_are_told_apart():
    assert is_recorded(recorded())
    assert not is_recorded(encode_pairs([make()]))
    with pytest.raises(PairsError) as error:
        parse_recorded(b"3", accept=True, source="q.json")
    assert str(error.value) == ('q.json: found int, allowed a list of pairs or {"schema": 1, ...}')


@pytest.mark.data
def test_every_recording_converts(recordings):
    files = sorted(recordings.glob("*/quotes*/pairs.json"))
    assert files
    for file in files:
        pairs = parse_recorded(file.read_bytes(), accept=True, source=file.name)
        assert parse_pairs(encode_pairs(pairs)) == pairs
        for pair in pairs:
            for market in pair.markets:
                assert market.fees.at(NOW_NS)
