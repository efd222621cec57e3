"""Refusals in the four shapes that the venue speaks (KALSHI, error bodies)."""

from __future__ import annotations

from typing import Any


class RefusalError(Exception):
    """The venue says no. ``status`` is the HTTP status, ``body`` the JSON of the answer."""

    def __init__(self, status: int, body: dict[str, Any], code: str) -> None:
        super().__init__(code)
        self.status = status
        self.body = body
        self.code = code


def nested(status: int, code: str, message: str = "", details: str = "") -> RefusalError:
    """Return a refusal of authentication or of the exchange: ``{"error": {"code", "message"}}``."""
    error = {"code": code, "message": message or code.replace("_", " ")}
    if details:
        error["details"] = details
    return RefusalError(status, {"error": error}, code)


def flat(details: str, code: str = "bad_request", status: int = 400) -> RefusalError:
    """Return a refusal of an undecodable body: ``{"code", "message", "details"}``."""
    body = {"code": code, "message": code.replace("_", " "), "details": details}
    return RefusalError(status, body, code)


def bare(details: str) -> RefusalError:
    """Return a refusal of a query parameter: ``{"msg": …}``."""
    return RefusalError(400, {"msg": details}, "parameter_validation")


def too_many_requests() -> RefusalError:
    """Return the refusal of an empty token bucket: ``{"error": "too many requests"}``."""
    return RefusalError(429, {"error": "too many requests"}, "too_many_requests")


def bad_parameter(operation: str, field: str, tag: str) -> RefusalError:
    """Return the venue's words for a query parameter that fails validation."""
    return bare(
        f"Parameter validation failed for {operation}: Key: '{operation}Params.{field}' "
        f"Error:Field validation for '{field}' failed on the '{tag}' tag"
    )


def insufficient_balance() -> RefusalError:
    """Return the refusal of an order that the shard's cash cannot fund."""
    return nested(400, "insufficient_balance")


def not_found() -> RefusalError:
    """Return the one body for orders unknown, canceled and executed alike."""
    return nested(404, "not_found")


def market_not_found(status: int) -> RefusalError:
    """Return the refusal of an unknown ticker, or of a ticker on another shard."""
    return nested(status, "market_not_found")
