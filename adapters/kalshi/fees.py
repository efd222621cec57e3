"""A market's fee terms from its series, event and own record, for ``core.fees`` (pure)."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal

from adapters.kalshi.schemas import rest
from adapters.kalshi.times import EPOCH, moment
from core.fees.kalshi import KalshiFeeChange, KalshiFees

#: Type under which ``core.fees`` refuses to trade, where the venue names none.
UNKNOWN = "unknown"


def fee_terms(
    market: rest.Market,
    event: rest.Event | None,
    series: rest.Series | None,
    *,
    series_changes: Iterable[rest.SeriesFeeChange] = (),
    event_changes: Iterable[rest.EventFeeChange] = (),
) -> KalshiFees:
    """Join what the venue says about a market's fees.

    An event's override counts from the beginning, its scheduled overrides from their times; a
    series that is missing, or that names no type, leaves terms under which nobody may trade.

    References
    ----------
    docs /getting_started/fee_rounding and SDK 3.34.0 ``series_fee_change``, read 2026-08-22.
    """
    overrides = list(_event_changes(event, event_changes))
    waiver = market.fee_waiver_expiration_time
    return KalshiFees(
        type=(series.fee_type if series is not None else None) or UNKNOWN,
        multiplier=_multiplier(series),
        changes=tuple(
            KalshiFeeChange(moment(change.scheduled_ts), change.fee_type, change.fee_multiplier)
            for change in series_changes
            if change.scheduled_ts is not None
        ),
        event_changes=tuple(overrides),
        waiver_until=moment(waiver) if waiver else None,
    )


def _multiplier(series: rest.Series | None) -> Decimal:
    """Return the series' multiplier; one where it states none."""
    if series is None or series.fee_multiplier is None:
        return Decimal(1)
    return series.fee_multiplier


def _event_changes(
    event: rest.Event | None, changes: Iterable[rest.EventFeeChange]
) -> Iterable[KalshiFeeChange]:
    if event is not None and event.fee_type_override:
        yield KalshiFeeChange(EPOCH, event.fee_type_override, event.fee_multiplier_override)
    for change in changes:
        if change.scheduled_ts is not None:
            yield KalshiFeeChange(
                moment(change.scheduled_ts),
                change.fee_type_override,
                change.fee_multiplier_override,
            )
