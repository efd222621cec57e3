"""What the venue's error texts mean. The only place that reads them. Pure.

The CLOB has no machine-readable codes (one exception: `post_only_mode`), and its HTTP statuses are
derived from the text, so the text has to be read. Everything not in the table is `OTHER`: refused
if the status says so, unknown if it does not.

References
----------
docs.polymarket.com "Error codes" (October 2026); issues named in `docs/venues/polymarket.md`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from adapters.common.outcome import Rejected
from adapters.common.transport import HttpResponse
from adapters.polymarket.schemas.clob import ErrorReply

_errors: Final = msgspec.json.Decoder(ErrorReply)


class Code(StrEnum):
    """Our names for the venue's refusals."""

    AMBIGUOUS = "AMBIGUOUS"
    """The server gave up in the middle: look the order up by its hash."""
    DUPLICATE = "DUPLICATE"
    """The same order was placed before: look it up by its hash."""
    KILLED = "KILLED"
    """A FOK or FAK found nothing to match: a normal outcome."""
    TICK = "TICK_SIZE"
    SIZE = "MINIMUM_SIZE"
    PRECISION = "PRECISION"
    BALANCE = "BALANCE_OR_ALLOWANCE"
    POST_ONLY_CROSS = "POST_ONLY_WOULD_CROSS"
    EXPIRATION = "EXPIRATION"
    VERSION = "ORDER_VERSION"
    SIGNATURE = "SIGNATURE"
    OWNER = "OWNER_OR_SIGNER"
    BANNED = "BANNED"
    CLOSED_ONLY = "CLOSED_ONLY"
    GEOBLOCK = "GEOBLOCK"
    AUTH = "UNAUTHORIZED"
    RATE_LIMIT = "RATE_LIMITED"
    POST_ONLY_MODE = "POST_ONLY_MODE"
    CANCEL_ONLY = "CANCEL_ONLY"
    DISABLED = "TRADING_DISABLED"
    NOT_READY = "MARKET_NOT_READY"
    NOT_FOUND = "NOT_FOUND"
    HEARTBEAT = "HEARTBEAT_ID"
    OTHER = "REFUSED"


_TEXTS: Final[tuple[tuple[str, Code], ...]] = (
    ("context canceled", Code.AMBIGUOUS),
    ("duplicated", Code.DUPLICATE),
    ("couldn't be fully filled", Code.KILLED),
    ("no orders found to match", Code.KILLED),
    ("fok orders are filled or killed", Code.KILLED),
    ("breaks minimum tick size", Code.TICK),
    ("lower than the minimum", Code.SIZE),
    ("min size:", Code.SIZE),
    ("invalid amounts", Code.PRECISION),
    ("max accuracy", Code.PRECISION),
    ("not enough balance", Code.BALANCE),
    ("order crosses book", Code.POST_ONLY_CROSS),
    ("crosses the book", Code.POST_ONLY_CROSS),
    ("invalid expiration", Code.EXPIRATION),
    ("order_version_mismatch", Code.VERSION),
    ("invalid order version", Code.VERSION),
    ("invalid signature", Code.SIGNATURE),
    ("has to be the owner", Code.OWNER),
    ("has to be the address of the api key", Code.OWNER),
    ("maker address not allowed", Code.OWNER),
    ("address banned", Code.BANNED),
    ("closed only mode", Code.CLOSED_ONLY),
    ("restricted in your region", Code.GEOBLOCK),
    ("post-only mode", Code.POST_ONLY_MODE),
    ("cancel-only", Code.CANCEL_ONLY),
    ("trading is currently disabled", Code.DISABLED),
    ("trading is disabled", Code.DISABLED),
    ("not yet ready", Code.NOT_READY),
    ("match delayed due to market", Code.NOT_READY),
    ("rate limit exceeded", Code.RATE_LIMIT),
    ("too many requests", Code.RATE_LIMIT),
    ("invalid heartbeat id", Code.HEARTBEAT),
    ("invalid api key", Code.AUTH),
    ("unauthorized", Code.AUTH),
    ("not found", Code.NOT_FOUND),
)

PROVES_NOTHING: Final = frozenset({Code.AMBIGUOUS, Code.DUPLICATE})
"""Refusals after which the order may nevertheless exist."""

_MODES: Final = frozenset({Code.POST_ONLY_MODE, Code.CANCEL_ONLY, Code.DISABLED})
STOPS_TRADING: Final = frozenset({Code.GEOBLOCK, Code.BANNED, Code.CLOSED_ONLY})
"""Refusals that turn trading off until the account is looked at."""


class VenueError(NamedTuple):
    """An error body, read."""

    code: Code
    text: str
    retry_after_s: float | None
    heartbeat_id: str


def error_code(text: str) -> Code:
    """Return the code of an error text.

    >>> error_code("order 0x1 is invalid. Duplicated.")
    <Code.DUPLICATE: 'DUPLICATE'>
    """
    lower = text.lower()
    for fragment, code in _TEXTS:
        if fragment in lower:
            return code
    return Code.OTHER


def read_error(response: HttpResponse) -> VenueError:
    """Read any error answer; a body that is no JSON (Cloudflare) is described, not quoted."""
    retry_after_s = response.retry_after_s()
    try:
        body = _errors.decode(response.body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        code = {403: Code.GEOBLOCK, 429: Code.RATE_LIMIT}.get(response.status, Code.OTHER)
        kind = "an HTML page" if response.body.lstrip()[:1] == b"<" else "no JSON"
        return VenueError(code, f"the answer is {kind}", retry_after_s, "")
    text = body.error or body.error_msg or body.errorMsg or ""
    code = Code.POST_ONLY_MODE if body.code == "post_only_mode" else error_code(text)
    if code is Code.OTHER and response.status == 403:
        code = Code.GEOBLOCK
    if code is Code.OTHER and response.status == 401:
        code = Code.AUTH
    if retry_after_s is None and isinstance(body.retry_after_seconds, int | float):
        retry_after_s = float(body.retry_after_seconds)
    return VenueError(code, text[:300], retry_after_s, body.heartbeat_id or "")


def refused(response: HttpResponse) -> Rejected | None:
    """Tell whether a non-2xx answer to a command proves that nothing was applied.

    1. 4xx other than 408 and 425 do, unless the text says the server gave up or knows the order.
    2. 425 (engine restart) and 5xx do not, except the 503 of a trading mode, which names itself.
    """
    error = read_error(response)
    if error.code in PROVES_NOTHING:
        return None
    if response.status in (408, 425):
        return None
    if 400 <= response.status < 500:
        return Rejected(error.code.value, error.text or f"HTTP {response.status}")
    if response.status == 503 and error.code in _MODES:
        return Rejected(error.code.value, error.text)
    return None


def refused_text(text: str) -> Rejected | None:
    """As `refused`, for the `errorMsg` of a 200 answer."""
    code = error_code(text)
    return None if code in PROVES_NOTHING else Rejected(code.value, text[:300])
