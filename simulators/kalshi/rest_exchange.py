"""The exchange itself, the account's limits and keys, the historical cutoff."""

from __future__ import annotations

from simulators.kalshi.auth import ApiKey, load_public_key
from simulators.kalshi.errors import flat, nested
from simulators.kalshi.limits import DEFAULT_COST, budget, published_costs
from simulators.kalshi.rest import Core, Reply, Request, Route, ok
from simulators.kalshi.rest_orders import decoded
from simulators.kalshi.state import SHARDS
from simulators.kalshi.units import NS_PER_S, rfc3339, seconds

_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_FAR_S = 400 * 86_400
ALL_DAY = {"open_time": "00:00", "close_time": "24:00"}


def get_status(core: Core, _: Request) -> Reply:
    """Return which shards are open; the flags at the top are those of shard 0."""
    state = core.state
    shards = [
        {
            "exchange_index": shard,
            "description": name,
            "exchange_active": not state.exchange_paused.get(shard, 0),
            "trading_active": not (
                state.trading_paused.get(shard, 0) or state.exchange_paused.get(shard, 0)
            ),
            "intra_exchange_transfers_active": True,
        }
        for shard, name in SHARDS.items()
    ]
    body = {
        "exchange_active": shards[0]["exchange_active"],
        "trading_active": shards[0]["trading_active"],
        "intra_exchange_transfers_active": True,
        "exchange_index_statuses": shards,
    }
    resume_ns = max(state.exchange_paused.get(0, 0), state.trading_paused.get(0, 0))
    if resume_ns > 1:
        body["exchange_estimated_resume_time"] = rfc3339(resume_ns)
    return ok(body)


def get_schedule(core: Core, _: Request) -> Reply:
    """Return the weekly hours, Eastern time: closed on Thursday from 03:00 to 05:00."""
    thursday = [
        {"open_time": "00:00", "close_time": "03:00"},
        {"open_time": "05:00", "close_time": "24:00"},
    ]
    now_s = seconds(core.state.now_ns)
    hours: dict[str, object] = {
        day: thursday if day == "thursday" else [dict(ALL_DAY)] for day in _DAYS
    }
    hours["start_time"] = rfc3339((now_s - _FAR_S) * NS_PER_S)
    hours["end_time"] = rfc3339((now_s + _FAR_S) * NS_PER_S)
    return ok({"schedule": {"standard_hours": [hours], "maintenance_windows": []}})


def get_user_data_timestamp(core: Core, _: Request) -> Reply:
    """Return up to when reads of orders, fills, positions and balance are complete."""
    return ok({"as_of_time": rfc3339(core.state.read.as_of_ns(core.state.now_ns))})


def get_cutoff(core: Core, _: Request) -> Reply:
    """Return the times before which data is under /historical."""
    markets = rfc3339(core.state.markets_cutoff_ns())
    return ok(
        {
            "market_settled_ts": markets,
            "trades_created_ts": markets,
            "orders_updated_ts": rfc3339(core.state.orders_cutoff_ns()),
            "market_positions_last_updated_ts": markets,
        }
    )


def get_limits(core: Core, request: Request) -> Reply:
    """Return the account's tier and buckets."""
    tier = request.member.tier
    b = budget(tier, core.state.switches)
    grants = []
    if tier not in ("basic", "advanced"):
        expires = seconds(core.state.now_ns) + 30 * 86_400
        grants.append(
            {
                "exchange_instance": "event_contract",
                "level": tier,
                "expires_ts": expires,
                "source": "volume",
            }
        )
    return ok(
        {
            "usage_tier": tier,
            "read": {"refill_rate": b.read_rate, "bucket_capacity": b.read_capacity},
            "write": {"refill_rate": b.write_rate, "bucket_capacity": b.write_capacity},
            "grants": grants,
        }
    )


def get_costs(_: Core, __: Request) -> Reply:
    """Return the token costs that differ from the default."""
    return ok({"default_cost": DEFAULT_COST, "endpoint_costs": published_costs()})


def post_upgrade(core: Core, request: Request) -> Reply:
    """Raise a basic account to advanced; it needs an order by API first."""
    if not request.member.orders_created:
        raise nested(400, "invalid_parameters", details="at least one API order is required")
    if request.member.tier == "basic":
        request.member.tier = "advanced"
        core.limits.set_tier(request.member.user_id)
    return ok({})


def get_volume_progress(_: Core, __: Request) -> Reply:
    """Return no progress: volume tiers are set by the operator here."""
    return ok({"volume_progress": []})


def get_keys(core: Core, request: Request) -> Reply:
    """Return the account's keys."""
    rows = []
    for key in core.keys.keys.values():
        if key.user_id == request.member.user_id:
            row: dict[str, object] = {
                "api_key_id": key.key_id,
                "name": key.name,
                "scopes": list(key.scopes),
            }
            if key.subaccount is not None:
                row["subaccount"] = key.subaccount
            rows.append(row)
    body: dict[str, object] = {"api_keys": rows}
    shift = -86_400 if request.member.attestation_lapsed else 90 * 86_400
    body["api_key_region_expiration_ts"] = seconds(core.state.now_ns) + shift
    return ok(body)


def post_key(core: Core, request: Request) -> Reply:
    """Register a public key."""
    body = decoded(request)
    if not isinstance(body, dict) or not isinstance(body.get("public_key"), str):
        raise flat("public_key is required", "invalid_parameters")
    try:
        public = load_public_key(body["public_key"])
    except ValueError as error:
        raise flat("public_key is not a valid PEM key", "invalid_parameters") from error
    scopes, subaccount = body.get("scopes", ["read", "write"]), body.get("subaccount")
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
        raise flat("scopes must be a list of strings", "invalid_parameters")
    if subaccount is not None and subaccount not in range(64):
        raise flat("subaccount must be between 0 and 63", "invalid_parameters")
    key = ApiKey(
        core.state.new_id("key"),
        request.member.user_id,
        public,
        str(body.get("name", "key")),
        tuple(scopes),
        subaccount,
    )
    core.keys.add(key)
    return Reply(201, {"api_key_id": key.key_id})


def delete_key(core: Core, request: Request) -> Reply:
    """Remove a key of the account."""
    key = core.keys.keys.get(request.path["api_key"])
    if key is None or key.user_id != request.member.user_id:
        raise nested(404, "not_found")
    del core.keys.keys[key.key_id]
    return Reply(204)


ROUTES = (
    Route("GET", "/exchange/status", "GetExchangeStatus", get_status),
    Route("GET", "/exchange/schedule", "GetExchangeSchedule", get_schedule),
    Route(
        "GET", "/exchange/user_data_timestamp", "GetUserDataTimestamp", get_user_data_timestamp
    ),
    Route("GET", "/historical/cutoff", "GetHistoricalCutoff", get_cutoff),
    Route("GET", "/account/limits", "GetAccountApiLimits", get_limits, auth=True),
    Route("GET", "/account/endpoint_costs", "GetAccountEndpointCosts", get_costs),
    Route(
        "POST", "/account/api_usage_level/upgrade", "UpgradeLevel", post_upgrade,
        auth=True, scope="write",
    ),
    Route(
        "GET", "/account/api_usage_level/volume_progress", "VolumeProgress", get_volume_progress,
        auth=True,
    ),
    Route("GET", "/api_keys", "GetApiKeys", get_keys, auth=True),
    Route("POST", "/api_keys", "CreateApiKey", post_key, auth=True, scope="write"),
    Route("DELETE", "/api_keys/{api_key}", "DeleteApiKey", delete_key, auth=True, scope="write"),
)  # fmt: skip
