"""All faults at once, keyed by ordinal, for flows that must end exactly right."""

from __future__ import annotations

from tests.kalshi.support.venue import SimVenue

CREATE = "POST /portfolio/events/orders"
CANCEL = "DELETE /portfolio/events/orders/{order_id}"
AMEND = "POST /portfolio/events/orders/{order_id}/amend"
DECREASE = "POST /portfolio/events/orders/{order_id}/decrease"
BATCH_CANCEL = "DELETE /portfolio/events/orders/batched"

ALL = (
    ("accept_then_timeout", CREATE, {"every": 9}),
    ("accept_then_5xx", CREATE, {"every": 7}),
    ("error_before_accept", CREATE, {"every": 13}),
    ("timeout_before_accept", CREATE, {"every": 29}),
    ("rate_limit", CREATE, {"every": 17}),
    ("reject", CREATE, {"every": 19}),
    ("delayed_visibility", CREATE, {"every": 8}),
    ("late_reply", CREATE, {"every": 11}),
    ("accept_then_timeout", CANCEL, {"every": 5}),
    ("accept_then_5xx", CANCEL, {"every": 3}),
    ("error_before_accept", CANCEL, {"every": 7}),
    ("rate_limit", CANCEL, {"every": 4}),
    ("accept_then_5xx", BATCH_CANCEL, {"every": 3}),
    ("accept_then_timeout", BATCH_CANCEL, {"at": [2]}),
    ("accept_then_5xx", AMEND, {"every": 3}),
    ("error_before_accept", AMEND, {"every": 4}),
    ("accept_then_5xx", DECREASE, {"every": 3}),
    ("error_before_accept", DECREASE, {"every": 4}),
    ("drop", "ws:fill", {"every": 4}),
    ("duplicate", "ws:fill", {"every": 3}),
    ("reorder", "ws:fill", {"every": 5}),
    ("late", "ws:fill", {"every": 6}),
    ("unknown_fields", "ws:*", {"every": 7}),
    ("drop", "ws:user_orders", {"every": 5}),
    ("duplicate", "ws:user_orders", {"every": 3}),
    ("reorder", "ws:user_orders", {"every": 4}),
    ("late", "ws:user_orders", {"every": 7}),
    ("drop", "ws:orderbook_delta", {"every": 400}),
    ("seq_gap", "ws:orderbook_delta", {"every": 700}),
    ("reorder", "ws:orderbook_delta", {"every": 500}),
    ("duplicate", "ws:orderbook_delta", {"every": 300}),
    ("late", "ws:orderbook_delta", {"every": 900}),
    ("reset", "ws:orderbook_delta", {"every": 3000}),
    ("overflow", "ws:orderbook_delta", {"every": 4100}),
    ("half_open", "ws:fill", {"at": [20, 90]}),
    ("half_open", "ws:orderbook_delta", {"at": [6100]}),
    ("reset", "ws:fill", {"every": 23}),
    ("close", "ws:user_orders", {"every": 61}),
    ("rate_limit", "GET *", {"every": 31}),
    ("accept_then_5xx", "GET *", {"every": 37}),
    ("unknown_fields", "GET *", {"every": 5}),
)

#: Every uncertain item of the venue that an adapter can notice, at its other setting.
OTHER_SETTINGS = {
    "use_yes_price_default": True,
    "post_only_cross": "accept_then_cancel",
    "fok_failure": "canceled_201",
    "never_resting_user_order": "none",
    "user_order_and_fill": "order_first",
    "get_snapshot_seq": "none",
    "get_snapshot_id": False,
    "resubscribe_seq": "continue",
    "subscribe_again": "new_sid",
    "auto_route_billing": "every_shard",
    "balance_precision": "cent",
    "ask_cost_leg": "yes",
    "legacy_direction": "removed",
    "market_inactive_status": "409",
    "create_status": "200",
    "decrease_to_zero": "reject",
    "amend_to_filled": "reject",
    "cancel_client_id": True,
    "orderbook_order": "descending",
    "empty_book_side": "missing",
    "resting_collateral": "reserved",
    "sending_ts": False,
    "auth_message": "sentence",
    "error_service_key": True,
}


def set_all(venue: SimVenue) -> None:
    """Switch on every fault, and a read model that lags up to half a second."""
    venue.switch(read_lag_ms_max=500, unknown_fields=True, missing_ticker_ts_permille=100)
    for kind, scope, when in ALL:
        venue.fault(kind, scope, **when)
