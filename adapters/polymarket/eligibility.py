"""May this account trade from here? Asked at start, after every 403, and every few minutes.

Reads keep working from places where orders are refused, so a healthy feed proves nothing. What is
found turns trading off with one plain sentence; nothing here looks for a way around it.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from adapters.common.errors import AdapterError
from adapters.polymarket.http import ClobClient
from adapters.polymarket.rest import RestClient
from adapters.polymarket.schemas.clob import GeoblockReply

_GEOBLOCK: Final = msgspec.json.Decoder(GeoblockReply)
_ORDER_VERSION: Final = 2


class Permission(StrEnum):
    """What the account may do."""

    TRADE = "trade"
    REDUCE = "reduce"
    """Only sell what is held, and cancel."""
    NOTHING = "nothing"


class Eligibility(NamedTuple):
    """The answer and, unless everything is allowed, one sentence for the user."""

    permission: Permission
    reason: str = ""

    def refuses(self, side: str) -> str | None:
        """Return why an order must not be sent, or None."""
        if self.permission is Permission.NOTHING:
            return self.reason
        if self.permission is Permission.REDUCE and side == "BUY":
            return self.reason
        return None


async def check_eligibility(
    clob: ClobClient, geoblock: RestClient | None, geoblock_path: str = ""
) -> Eligibility:
    """Ask the venue about version, place and account.

    A question that fails leaves trading off: no answer is not a yes.
    """
    try:
        version = await clob.version()
        if version != _ORDER_VERSION:
            return Eligibility(
                Permission.NOTHING,
                f"the venue asks for order version {version}, this release signs version "
                f"{_ORDER_VERSION}: update it",
            )
        if geoblock is not None:
            place = await geoblock.read(_GEOBLOCK, geoblock_path, scope="geoblock")
            if place.blocked:
                where = " ".join(part for part in (place.country, place.region) if part)
                return Eligibility(
                    Permission.NOTHING,
                    f"Polymarket does not accept orders from here ({where or 'unknown place'}); "
                    "see docs/venues/polymarket.md, who may trade where",
                )
        if await clob.closed_only():
            return Eligibility(
                Permission.REDUCE,
                "the account is in closed-only mode: it may sell what it holds and cancel, not buy",
            )
    except AdapterError as exc:
        return Eligibility(Permission.NOTHING, f"could not ask whether trading is allowed: {exc}")
    return Eligibility(Permission.TRADE)
