"""Every choice that the venue's documents leave open, by name (KALSHI, uncertain)."""

from __future__ import annotations

from simulators.switches import Switch


def _flag(name: str, why: str, default: bool = False) -> Switch:
    return Switch(name, default, (True, False), why)


def _choice(name: str, why: str, *values: str) -> Switch:
    return Switch(name, values[0], values, why)


def _number(name: str, default: int, why: str) -> Switch:
    return Switch(name, default, (), why)


TABLE: tuple[Switch, ...] = (
    _flag("use_yes_price_default", "form of a book subscription without the flag (2)"),
    _choice("post_only_cross", "answer to a crossing post-only order (3)",
            "reject_400", "accept_then_cancel"),
    _choice("fok_failure", "answer to a fill-or-kill that finds too little (4)",
            "error_409", "error_400", "canceled_201"),
    _choice("fok_code", "code of that error (4)",
            "fill_or_kill_insufficient_resting_volume", "fok_insufficient_volume"),
    _choice("never_resting_user_order", "user_order messages of orders that never rest (5)",
            "final", "none", "new_and_final"),
    _choice("user_order_and_fill", "which of the two comes first (5)",
            "fill_first", "order_first"),
    _flag("rejected_create_user_order", "a refused create shows on user_orders as canceled (6)"),
    _choice("get_snapshot_seq", "sequence number of a get_snapshot reply (7)", "next", "none"),
    _flag("get_snapshot_id", "a get_snapshot reply echoes the command's id (7)", default=True),
    _choice("resubscribe_seq", "first seq of a channel subscribed again on a connection (7)",
            "restart", "continue"),
    _choice("subscribe_again", "subscribe to a channel already subscribed",
            "merge", "new_sid", "error_6"),
    _number("subscription_markets_max", 0, "markets on one sid before error 26; 0 = no limit (8)"),
    _number("connections_max", 200, "WebSocket connections of one account (8)"),
    _choice("tier_table", "figures of the rate tiers (9)", "sep2026", "aug2026"),
    _choice("auto_route_billing", "buckets billed for an auto-routed write (9)",
            "unscoped", "every_shard"),
    _number("batch_orders_max", 0, "largest batch; 0 = the write budget only (10)"),
    _number("clock_skew_past_ms", 10_000, "how old a signature's timestamp may be (11)"),
    _number("clock_skew_future_ms", 10_000, "how far ahead it may be (11)"),
    _choice("client_order_id_reuse", "whether an id is free again once its order is archived (12)",
            "never", "after_archive"),
    _choice("client_order_id_chars", "characters and length accepted in a client id (12)",
            "word", "any"),
    _choice("balance_precision", "step of balances: direct members or brokers (13)",
            "centicent", "cent"),
    _choice("fee_cost", "fee_cost of a fill: after or before the rebate (13)", "net", "gross"),
    _choice("event_netting", "cash returned for NO positions of a MECNET event (14)",
            "off", "mecnet"),
    _choice("resting_collateral", "whether resting orders lower the balance (15)",
            "at_match", "reserved"),
    _choice("ask_cost_leg", "leg of taker_/maker_fill_cost_dollars for an ask (16)", "no", "yes"),
    _choice("dispute_messages", "lifecycle messages at disputed and amended (17)",
            "silent", "determined_again"),
    _choice("dispute_value", "settlement_value_dollars in REST during a dispute (17)",
            "kept", "cleared"),
    _number("public_requests_per_s", 0, "limit of unauthenticated requests; 0 = none (18)"),
    _choice("price_limits", "lowest and highest orderable price (19)",
            "first_step", "whole_cent"),
    _choice("decrease_to_zero", "decrease of an order to nothing (20)", "cancel", "reject"),
    _choice("amend_to_filled", "amend to the filled count (20)", "cancel", "reject"),
    _choice("status_paused_filter", "status=paused on GET /markets (22)", "accept", "reject_400"),
    _choice("legacy_direction", "side, action, is_yes, taker_side (23)", "present", "removed"),
    _choice("halt_code", "refusal while one market is halted (24)",
            "MARKET_INACTIVE", "trading_is_paused", "exchange_is_paused"),
    _choice("market_inactive_status", "HTTP status of MARKET_INACTIVE", "400", "409"),
    _choice("market_not_found_status", "HTTP status of market_not_found", "404", "400"),
    _choice("create_status", "HTTP status of an accepted create (25)", "201", "200"),
    _choice("attestation_body", "body of the 403 of a lapsed location attestation (26)",
            "nested", "flat"),
    _flag("amend_needs_client_id", "amend refuses a missing client_order_id (27)"),
    _choice("fee_regime", "rounding of fees: by trade date, or always one of them",
            "by_date", "legacy", "2026q2", "2026q3"),
    _number("read_lag_ms_max", 0, "reads of orders, fills, positions and balance lag by 0 to this"),
    _choice("fill_and_trade", "order of the private fill and the public trade of one execution",
            "seeded", "fill_first", "trade_first"),
    _number("missing_ticker_ts_permille", 0, "ticker messages without ts_ms, in thousandths"),
    _flag("missing_fills", "no fill messages at all: fills are found by REST only"),
    _flag("sending_ts", "sending_ts_ms on every message", default=True),
    _flag("unknown_fields", "extra fields in every answer and message"),
    _flag("cancel_all_tail", "cancel-all also cancels orders of the next minute"),
    _flag("cancel_client_id", "client_order_id in the answer to a cancel"),
    _choice("orderbook_order", "order of REST book levels", "ascending", "descending"),
    _choice("empty_book_side", "an empty side of a REST book", "empty", "missing"),
    _number("close_cancel_ms", 2000, "from close to the cancellation of resting orders"),
    _number("market_404_ms", 0, "a new market answers 404 for so long after its message"),
    _number("transfer_ms", 0, "from a transfer's acceptance to its completion"),
    _number("transfer_404_ms", 0, "a new transfer answers 404 for so long"),
    _flag("weekly_pause", "the trading pause of Thursday 03:00–05:00 ET"),
    _flag("error_service_key", "the service key of June 2026 in exchange errors"),
    _choice("auth_message", "text of the 401 of a bad signature", "code", "sentence"),
)  # fmt: skip
