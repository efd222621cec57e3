"""What each answer proves: errors in every captured shape, and the classification of commands."""

from __future__ import annotations

import json

import pytest

from adapters.common.errors import (
    ConnectFailed,
    ConnectionLost,
    ProtocolError,
    RateLimited,
    RequestTimeout,
    UsageError,
    VenueUnavailable,
)
from adapters.common.outcome import NOT_SENT, Accepted, Rejected, Unknown, classify
from adapters.common.transport import HttpResponse
from adapters.kalshi import replies
from adapters.kalshi.schemas import rest

ACK = {
    "order_id": "b001",
    "client_order_id": "c-1",
    "fill_count": "0.00",
    "remaining_count": "1.00",
    "ts_ms": 1781159360866,
}


def answer(status: int, body: object = None, **headers: str) -> HttpResponse:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, raw, headers)


def create(attempt: object):
    (outcome,) = classify(1, attempt, read=replies.read_create, refused=replies.create_refused)
    return outcome


def cancel(attempt: object):
    (outcome,) = classify(1, attempt, read=replies.read_cancel, refused=replies.cancel_refused)
    return outcome


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (
            {"error": {"code": "insufficient_balance", "message": "insufficient balance"}},
            "insufficient_balance",
        ),
        (
            {
                "error": {
                    "code": "invalid_order",
                    "message": "m",
                    "details": "post only cross",
                    "service": "x",
                }
            },
            "invalid_order",
        ),
        (
            {"code": "bad_request", "message": "bad request", "details": "json: cannot unmarshal"},
            "bad_request",
        ),
        ({"msg": "Parameter validation failed for GetMarkets"}, "parameter_validation_failed"),
        ({"error": "too many requests"}, "too_many_requests"),
    ],
)
def test_all_four_shapes_of_error_are_read(body: dict, code: str) -> None:
    assert replies.error_body(answer(400, body)).code == code
    assert create(answer(400, body)) == Rejected(code, create(answer(400, body)).reason)


@pytest.mark.parametrize("body", [b"", b"<html>", {}, [], None, {"error": {}}, b"\xff", 7])
def test_a_refusal_that_cannot_be_read_proves_nothing(body: object) -> None:
    assert isinstance(create(answer(400, body)), Unknown)
    assert isinstance(cancel(answer(403, body)), Unknown)


@pytest.mark.parametrize("status", [500, 502, 503, 504, 408, 425, 499, 301])
def test_a_server_that_does_not_know_leaves_us_not_knowing(status: int) -> None:
    body = {"error": {"code": "internal_error", "message": "m"}}
    assert isinstance(create(answer(status, body)), Unknown)
    assert isinstance(cancel(answer(status, body)), Unknown)


def test_a_duplicate_id_is_a_question_about_the_first_attempt() -> None:
    body = {"error": {"code": "order_already_exists", "message": "order already exists"}}
    assert isinstance(create(answer(409, body)), Unknown)


@pytest.mark.parametrize("code", ["trading_is_paused", "exchange_is_paused"])
def test_a_pause_is_a_refusal(code: str) -> None:
    assert create(answer(409, {"error": {"code": code, "message": "m"}})).code == code
    assert replies.is_pause(code)


def test_not_found_on_a_cancel_never_means_cancelled() -> None:
    body = {"error": {"code": "not_found", "message": "not found"}}
    assert isinstance(cancel(answer(404, body)), Unknown)
    assert create(answer(404, {"error": {"code": "market_not_found", "message": "m"}})) == Rejected(
        "market_not_found", "m"
    )


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_2xx_with_an_order_id_is_an_order(status: int) -> None:
    assert create(answer(status, ACK)).value.order_id == "b001"


@pytest.mark.parametrize("body", [{}, {"order_id": ""}, b"", b"ok", {"order_id": None}])
def test_a_2xx_without_an_order_id_is_not_believed(body: object) -> None:
    assert isinstance(create(answer(201, body)), Unknown)


def test_a_rate_limit_was_not_applied() -> None:
    assert create(answer(429, {"error": "too many requests"})).code == "too_many_requests"
    refusal = replies.refusal(answer(429, {"error": "too many requests"}, **{"retry-after": "3"}))
    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after_s == 3.0
    assert isinstance(replies.refusal(answer(503)), VenueUnavailable)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConnectFailed("x"), Rejected),
        (UsageError("x"), Rejected),
        (RequestTimeout("x"), Unknown),
        (ConnectionLost("x"), Unknown),
        (ProtocolError("x"), Unknown),
    ],
)
@pytest.mark.parametrize("n", [1, 3])
def test_what_never_left_is_rejected_and_what_may_have_landed_is_unknown(
    error: Exception, kind: type, n: int
) -> None:
    found = classify(n, error, read=lambda _: [], refused=lambda _: None)
    assert len(found) == n
    assert all(isinstance(outcome, kind) for outcome in found)
    if kind is Rejected:
        assert all(outcome.code == NOT_SENT for outcome in found)


def test_a_batch_of_one_is_a_single_and_of_none_an_error() -> None:
    body = {"orders": [ACK]}
    (found,) = classify(
        1,
        answer(201, body),
        read=lambda r: replies.read_batch_create(r, ["c-1"]),
        refused=replies.create_refused,
    )
    assert found == create(answer(201, ACK))
    with pytest.raises(UsageError):
        classify(0, answer(201, body), read=lambda _: [], refused=lambda _: None)


def test_batch_results_are_matched_by_id_whatever_their_order() -> None:
    rows = [
        {"client_order_id": "c-3", "error": {"code": "invalid_price", "message": "m"}},
        {**ACK, "client_order_id": "c-1"},
    ]
    found = classify(
        3,
        answer(201, {"orders": rows}),
        read=lambda r: replies.read_batch_create(r, ["c-1", "c-2", "c-3"]),
        refused=replies.create_refused,
    )
    assert isinstance(found[0], Accepted)
    assert isinstance(found[1], Unknown), "an order nobody mentions is not known"
    assert found[2] == Rejected("invalid_price", "m")


def test_a_batch_item_that_already_exists_is_a_question() -> None:
    rows = [{"client_order_id": "c-1", "error": {"code": "order_already_exists"}}]
    (found,) = classify(
        1,
        answer(201, {"orders": rows}),
        read=lambda r: replies.read_batch_create(r, ["c-1"]),
        refused=replies.create_refused,
    )
    assert isinstance(found, Unknown)


def test_batch_cancel_errors_prove_nothing() -> None:
    rows = [
        {"order_id": "b1", "reduced_by": "1.00"},
        {"order_id": "b2", "error": {"code": "not_found"}},
    ]
    found = classify(
        2,
        answer(200, {"orders": rows}),
        read=lambda r: replies.read_batch_cancel(r, ["b1", "b2"]),
        refused=replies.cancel_refused,
    )
    assert found[0] == Accepted(rest.CancelAck(order_id="b1", reduced_by="1.00"))
    assert isinstance(found[1], Unknown)


def test_more_results_than_orders_are_not_believed() -> None:
    found = classify(1, answer(201, {}), read=lambda _: [1, 2], refused=replies.create_refused)
    assert isinstance(found[0], Unknown)
