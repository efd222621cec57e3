"""Read the venue's REST answers: four shapes of error, and what each proves (pure).

Shapes (captured 2026-06-11 on demo): nested ``{"error": {code, message, details?}}``, flat
``{code, message, details?}``, bare ``{"msg": …}`` and bare ``{"error": "…"}``. Branch on ``code``,
never on text.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from adapters.common.errors import ProtocolError, RateLimited, VenueRefusal, VenueUnavailable
from adapters.common.outcome import Rejected
from adapters.common.transport import HttpResponse
from adapters.kalshi.schemas import rest

#: The id was used before: an earlier attempt of ours may have landed, so this is no refusal of
#: the order but a question to ask. Source: captured 409, also for ids of cancelled orders.
DUPLICATE_ID = "order_already_exists"
#: Statuses that prove nothing although they are below 500: a proxy or the server gave up waiting.
_UNPROVEN = frozenset({408, 421, 425, 499})
_PAUSES = frozenset({"trading_is_paused", "exchange_is_paused"})


class _ErrorShape(msgspec.Struct, frozen=True):
    error: rest.ErrorBody | str | None = None
    code: str = ""
    message: str = ""
    details: str = ""
    msg: str = ""


_ERRORS = msgspec.json.Decoder(_ErrorShape)


def error_body(response: HttpResponse) -> rest.ErrorBody | None:
    """Return what an error answer says, None if it is none of the four shapes."""
    try:
        shape = _ERRORS.decode(response.body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return None
    if isinstance(shape.error, rest.ErrorBody):
        return shape.error if shape.error.code or shape.error.message else None
    if isinstance(shape.error, str):
        return rest.ErrorBody(code="_".join(shape.error.lower().split()), message=shape.error)
    if shape.code or shape.message:
        return rest.ErrorBody(code=shape.code, message=shape.message, details=shape.details)
    if shape.msg:
        return rest.ErrorBody(code="parameter_validation_failed", message=shape.msg)
    return None


def refusal(response: HttpResponse) -> VenueRefusal:
    """Return the exception for an answer that is not 2xx."""
    found = error_body(response) or rest.ErrorBody(message=f"HTTP {response.status}")
    if response.status == 429:
        return RateLimited(
            response.status, found.code, found.message, retry_after_s=response.retry_after_s()
        )
    if response.status >= 500:
        return VenueUnavailable(response.status, found.code, found.message, found.details)
    return VenueRefusal(response.status, found.code, found.message, found.details)


def create_refused(response: HttpResponse) -> Rejected | None:
    """Say what a create's answer outside 2xx proves.

    None (unknown) for 5xx, for a duplicate id (an earlier attempt may live), for a body nobody
    can read and for statuses of a proxy that gave up; else the venue's refusal.
    """
    found = _proof(response)
    if found is None or found.code == DUPLICATE_ID:
        return None
    return _rejected(response, found)


def cancel_refused(response: HttpResponse) -> Rejected | None:
    """Say what a cancel's answer outside 2xx proves.

    404 is the same for cancelled, executed and unknown orders: it proves nothing.
    """
    found = _proof(response)
    if found is None or response.status == 404:
        return None
    return _rejected(response, found)


def amend_refused(response: HttpResponse) -> Rejected | None:
    """Say what an amend's or decrease's answer outside 2xx proves; 404 as for a cancel."""
    return cancel_refused(response)


def is_pause(code: str) -> bool:
    """Whether a refusal means that trading, or the exchange, is paused."""
    return code in _PAUSES


def is_fok_kill(code: str) -> bool:
    """Whether a refusal of a fill-or-kill order means that it found too little to fill.

    The exact code is not captured; the engine's vocabulary (docs /fix/order-entry) calls it
    ``FOK_INSUFFICIENT_VOLUME``.
    """
    return code.lower().startswith(("fill_or_kill", "fok_"))


def _proof(response: HttpResponse) -> rest.ErrorBody | None:
    if response.status >= 500 or response.status < 400 or response.status in _UNPROVEN:
        return None
    return error_body(response)


def _rejected(response: HttpResponse, found: rest.ErrorBody) -> Rejected:
    text = ": ".join(part for part in (found.message, found.details) if part)
    return Rejected(found.code or f"http_{response.status}", text or f"HTTP {response.status}")


def decode[T](kind: type[T], response: HttpResponse) -> T:
    """Return the body as ``kind``.

    Raises
    ------
    ProtocolError
        The body is something else.
    """
    try:
        return msgspec.json.decode(response.body, type=kind)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as exc:
        raise ProtocolError(f"{kind.__name__}: {exc}") from exc


def read_create(response: HttpResponse) -> Sequence[rest.OrderAck]:
    """Read a create's 2xx: an order exists only if it has an id."""
    ack = decode(rest.OrderAck, response)
    if not ack.order_id:
        raise ProtocolError("an order without an id")
    return [ack]


def read_cancel(response: HttpResponse) -> Sequence[rest.CancelAck]:
    """Read a cancel's 2xx."""
    return [decode(rest.CancelAck, response)]


def read_batch_create(
    response: HttpResponse, client_ids: Sequence[str]
) -> list[rest.OrderAck | Rejected | None]:
    """Read a batch create's 2xx, one entry per client id in the order given.

    Results are matched on the client id; where the venue leaves it out, by position.
    """
    reply = decode(rest.BatchReply, response)
    by_id = {item.client_order_id: item for item in reply.orders if item.client_order_id}
    results: list[rest.OrderAck | Rejected | None] = []
    for index, client_id in enumerate(client_ids):
        item = by_id.get(client_id)
        if item is None and index < len(reply.orders):
            positional = reply.orders[index]
            item = None if positional.client_order_id else positional
        results.append(_batch_entry(item))
    return results


def read_batch_cancel(
    response: HttpResponse, order_ids: Sequence[str]
) -> list[rest.CancelAck | Rejected | None]:
    """Read a batch cancel's 2xx, one entry per order id in the order given."""
    reply = decode(rest.BatchReply, response)
    by_id = {item.order_id: item for item in reply.orders if item.order_id}
    results: list[rest.CancelAck | Rejected | None] = []
    for order_id in order_ids:
        item = by_id.get(order_id)
        if item is None or item.reduced_by is None or item.error is not None:
            # An item's error may be the ambiguous "not found": prove nothing, ask.
            results.append(None)
        else:
            results.append(
                rest.CancelAck(order_id=order_id, reduced_by=item.reduced_by, ts_ms=item.ts_ms)
            )
    return results


def _batch_entry(item: rest.BatchItem | None) -> rest.OrderAck | Rejected | None:
    if item is None:
        return None
    if item.error is not None:
        if item.error.code in {"", DUPLICATE_ID}:
            return None
        text = ": ".join(part for part in (item.error.message, item.error.details) if part)
        return Rejected(item.error.code, text or item.error.code)
    if not item.order_id:
        return None
    return rest.OrderAck(
        order_id=item.order_id,
        client_order_id=item.client_order_id,
        fill_count=item.fill_count,
        remaining_count=item.remaining_count,
        average_fill_price=item.average_fill_price,
        average_fee_paid=item.average_fee_paid,
        ts_ms=item.ts_ms,
    )
