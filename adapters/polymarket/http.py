"""The CLOB's REST endpoints: one method each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import msgspec

from adapters.common.errors import ProtocolError, UsageError, VenueRefusal
from adapters.common.outcome import Attempt, Outcome, Rejected, classify
from adapters.common.transport import HttpResponse
from adapters.polymarket import refusals
from adapters.polymarket.constants import (
    BOOKS_MAX,
    CANCEL_ORDERS_MAX,
    CURSOR_END,
    CURSOR_FIRST,
    POST_ORDERS_MAX,
    AssetType,
    SignatureType,
)
from adapters.polymarket.refusals import refused, refused_text
from adapters.polymarket.rest import Params, RestClient
from adapters.polymarket.schemas import clob
from adapters.polymarket.schemas.wire import decimal, decode
from adapters.polymarket.schemas.ws import UserFrame
from adapters.polymarket.signing import (
    ApiKey,
    ApiSecret,
    OrderSigner,
    SignedOrder,
    l1_headers,
    l2_headers,
)

_BOOK: Final = msgspec.json.Decoder(clob.Book)
_BOOKS: Final = msgspec.json.Decoder(list[clob.Book])
_CLOB_MARKET: Final = msgspec.json.Decoder(clob.ClobMarket)
_MARKET: Final = msgspec.json.Decoder(clob.MarketRecord)
_TICK: Final = msgspec.json.Decoder(clob.TickSize)
_PAGE: Final = msgspec.json.Decoder(clob.Page)
_ORDER: Final = msgspec.json.Decoder(UserFrame | None)
_BALANCE: Final = msgspec.json.Decoder(clob.BalanceAllowance)
_REPLY: Final = msgspec.json.Decoder(clob.OrderReply)
_REPLIES: Final = msgspec.json.Decoder(list[clob.OrderReply])
_CANCEL: Final = msgspec.json.Decoder(clob.CancelReply)
_VERSION: Final = msgspec.json.Decoder(clob.VersionReply)
_TIME: Final = msgspec.json.Decoder(int | str)
_KEY: Final = msgspec.json.Decoder(clob.ApiKeyReply)
_CLOSED_ONLY: Final = msgspec.json.Decoder(clob.ClosedOnlyReply)
_HEARTBEAT: Final = msgspec.json.Decoder(clob.HeartbeatReply)
_NOTES: Final = msgspec.json.Decoder(list[clob.Notification])
_HISTORY: Final = msgspec.json.Decoder(clob.PriceHistory)

_ACCEPTED: Final = frozenset({"live", "matched", "delayed", "unmatched"})
_PAGES_MAX: Final = 1_000
_encode: Final = msgspec.json.Encoder().encode


def order_body(
    signed: SignedOrder, *, owner: str, order_type: str, post_only: bool, expiration_s: int
) -> dict[str, object]:
    """Return the body of one order as the venue wants it; salt and signature type are numbers."""
    fields = signed.fields
    body: dict[str, object] = {
        "deferExec": False,
        "order": {
            "salt": fields.salt,
            "maker": signed.maker,
            "signer": signed.signer,
            "tokenId": fields.token_id,
            "makerAmount": str(fields.maker_amount),
            "takerAmount": str(fields.taker_amount),
            "side": fields.side,
            "expiration": str(expiration_s),
            "signatureType": signed.signature_type,
            "timestamp": str(fields.timestamp_ms),
            "metadata": fields.metadata,
            "builder": fields.builder,
            "signature": signed.signature,
        },
        "owner": owner,
        "orderType": order_type,
    }
    if post_only:
        body["postOnly"] = True
    return body


class ClobClient:
    """The CLOB for one account, or for public reads only.

    Parameters
    ----------
    signer, api_key : optional
        Needed for private calls; a private call without them raises ``UsageError``.
    clock_s : callable
        Unix seconds for signatures, already corrected for the venue's clock.
    """

    def __init__(
        self,
        rest: RestClient,
        *,
        signer: OrderSigner | None = None,
        api_key: ApiKey | None = None,
        clock_s: Callable[[], int],
    ) -> None:
        self.rest = rest
        self._signer = signer
        self.api_key = api_key
        self._clock_s = clock_s

    # -- public -----------------------------------------------------------------------------------

    async def version(self) -> int:
        """Return the order version the venue accepts."""
        return (await self.rest.read(_VERSION, "/version", scope="clob")).version

    async def time_s(self) -> int:
        """Return the venue's clock in unix seconds."""
        return int(await self.rest.read(_TIME, "/time", scope="clob"))

    async def book(self, asset_id: str) -> clob.Book:
        """Return the book of one token."""
        return await self.rest.read(_BOOK, "/book", [("token_id", asset_id)], scope="book")

    async def books(self, asset_ids: Sequence[str]) -> list[clob.Book]:
        """Return the books of many tokens; the venue may leave some out."""
        found: list[clob.Book] = []
        for start in range(0, len(asset_ids), BOOKS_MAX):
            chunk = asset_ids[start : start + BOOKS_MAX]
            body = _encode([{"token_id": asset_id} for asset_id in chunk])
            found += await self.rest.read(_BOOKS, "/books", scope="books", body=body)
        return found

    async def tick_size(self, asset_id: str) -> Decimal:
        """Return the current tick size of a token."""
        params = [("token_id", asset_id)]
        reply = await self.rest.read(_TICK, "/tick-size", params, scope="book")
        return decimal("minimum_tick_size", reply.minimum_tick_size)

    async def clob_market(self, condition_id: str) -> clob.ClobMarket:
        """Return the live parameters of a market."""
        return await self.rest.read(_CLOB_MARKET, f"/clob-markets/{condition_id}", scope="clob")

    async def market(self, condition_id: str) -> clob.MarketRecord:
        """Return the big record of a market: winner and closed flags."""
        return await self.rest.read(_MARKET, f"/markets/{condition_id}", scope="clob")

    async def prices_history(self, asset_id: str, params: Params) -> clob.PriceHistory:
        """Return historical prices of a token."""
        query = [("market", asset_id), *params]
        return await self.rest.read(_HISTORY, "/prices-history", query, scope="clob")

    # -- keys -------------------------------------------------------------------------------------

    async def create_or_derive_key(self, *, nonce: int = 0) -> tuple[ApiKey, str]:
        """Return the account's API key and its secret as text; derive it when one exists.

        Raises
        ------
        VenueRefusal
            When neither works.
        """
        signer = self._need_signer()

        def headers() -> Mapping[str, str]:
            return l1_headers(signer, timestamp_s=self._clock_s(), nonce=nonce)

        path = "/auth/derive-api-key"
        try:
            reply = await self.rest.read(_KEY, path, scope="auth", headers=headers)
        except VenueRefusal as refusal:
            if refusal.status != 400:
                raise
            path = "/auth/api-key"
            reply = await self.rest.read(_KEY, path, scope="auth", headers=headers, body=b"")
        key = ApiKey(reply.apiKey, ApiSecret(reply.secret), reply.passphrase)
        return key, reply.secret

    async def closed_only(self) -> bool:
        """Tell whether the account may only reduce."""
        path = "/auth/ban-status/closed-only"
        return (await self._private(_CLOSED_ONLY, path, scope="auth")).closed_only

    # -- private reads ----------------------------------------------------------------------------

    async def open_orders(self, market: str = "") -> list[UserFrame]:
        """Return every open order, all pages."""
        return await self._pages("/data/orders", [("market", market)] if market else [])

    async def order(self, order_id: str) -> UserFrame | None:
        """Return one order, or None when the venue does not know it (any more)."""
        try:
            found = await self._private(_ORDER, f"/data/order/{order_id}", scope="ledger")
        except VenueRefusal as refusal:
            if refusal.status == 404:
                return None
            raise
        return found if found is not None and found.id else None

    async def trades(
        self, *, market: str = "", trade_id: str = "", after_s: int | None = None
    ) -> list[UserFrame]:
        """Return the account's trades, all pages.

        Filtered by market, never by asset: the venue's asset filter sees the taker's asset only
        and loses maker fills of the other outcome.
        """
        params = [("market", market)] if market else []
        if trade_id:
            params.append(("id", trade_id))
        if after_s is not None:
            params.append(("after", str(after_s)))
        return await self._pages("/data/trades", params)

    async def balance(self, asset_type: AssetType, asset_id: str = "") -> clob.BalanceAllowance:
        """Return balance and allowances in millionths."""
        return await self._private(
            _BALANCE, "/balance-allowance", self._balance_params(asset_type, asset_id), "balance"
        )

    async def refresh_balance(self, asset_type: AssetType, asset_id: str = "") -> None:
        """Make the venue read the chain again; needed after on-chain moves."""
        params = self._balance_params(asset_type, asset_id)
        path = "/balance-allowance/update"
        response = await self.rest.send(
            "GET", path, params, scope="balance_update", headers=self._headers("GET", path)
        )
        if response.status >= 400:
            error = refusals.read_error(response)
            raise VenueRefusal(response.status, error.code.value, error.text)

    async def notifications(self) -> list[clob.Notification]:
        """Return the account's notifications."""
        kind = str(int(self._need_signer().signature_type))
        return await self._private(
            _NOTES, "/notifications", [("signature_type", kind)], scope="ledger"
        )

    def _balance_params(self, asset_type: AssetType, asset_id: str) -> Params:
        kind = str(int(SignatureType(self._need_signer().signature_type)))
        params = [("asset_type", asset_type.value), ("signature_type", kind)]
        return [*params, ("token_id", asset_id)] if asset_id else params

    # -- commands ---------------------------------------------------------------------------------

    async def post_orders(
        self, bodies: Sequence[Mapping[str, object]], order_ids: Sequence[str]
    ) -> tuple[Outcome[clob.OrderReply], ...]:
        """Place 1 to 15 orders; one outcome for each, in order.

        Raises
        ------
        UsageError
            When the batch is empty or too long, or the account has no keys.
        """
        if not 1 <= len(bodies) <= POST_ORDERS_MAX or len(bodies) != len(order_ids):
            raise UsageError(f"orders: found {len(bodies)}, allowed 1 to {POST_ORDERS_MAX}")
        single = len(bodies) == 1
        path = "/order" if single else "/orders"
        body = _encode(bodies[0] if single else list(bodies))
        attempt = await self._command("POST", path, body, scope="orders", cost=len(bodies))
        decoder = _REPLY if single else _REPLIES

        def read(response: HttpResponse) -> list[clob.OrderReply | Rejected | None]:
            found = decode(decoder, response.body, f"POST {path}")
            replies = found if isinstance(found, list) else [found]
            return [read_reply(r, i) for r, i in zip(replies, order_ids, strict=False)]

        return classify(len(bodies), attempt, read=read, refused=refused)

    async def cancel_orders(self, order_ids: Sequence[str]) -> dict[str, Outcome[str]]:
        """Cancel orders in chunks of 1000; one outcome per id."""
        outcomes: dict[str, Outcome[str]] = {}
        for start in range(0, len(order_ids), CANCEL_ORDERS_MAX):
            chunk = list(order_ids[start : start + CANCEL_ORDERS_MAX])
            single = len(chunk) == 1
            path = "/order" if single else "/orders"
            body = _encode({"orderID": chunk[0]} if single else chunk)
            attempt = await self._command("DELETE", path, body, scope="cancels", cost=len(chunk))
            found = classify(
                len(chunk),
                attempt,
                read=lambda response, ids=chunk: read_cancels(response, ids),
                refused=refused,
            )
            outcomes.update(zip(chunk, found, strict=True))
        return outcomes

    async def cancel_market(
        self, *, market: str = "", asset_id: str = ""
    ) -> Outcome[clob.CancelReply]:
        """Cancel every open order of a market or of one token."""
        fields = {"market": market, "asset_id": asset_id}
        body = _encode({name: value for name, value in fields.items() if value})
        attempt = await self._command("DELETE", "/cancel-market-orders", body, scope="cancels")
        return self._cancel_outcome(attempt)

    async def cancel_all(self) -> Outcome[clob.CancelReply]:
        """Cancel every open order of the API key."""
        return self._cancel_outcome(
            await self._command("DELETE", "/cancel-all", b"", scope="cancels")
        )

    async def heartbeat(self, heartbeat_id: str, *, again: bool = True) -> str:
        """Beat once and return the id of the next beat.

        A wrong id is answered with the right one, which is returned for an immediate second beat:
        the refused call does not move the deadline.
        """
        body = _encode({"heartbeat_id": heartbeat_id})
        path = "/v1/heartbeats"
        response = await self.rest.send(
            "POST", path, scope="clob", headers=self._headers("POST", path, body), body=body
        )
        if 200 <= response.status < 300:
            return decode(_HEARTBEAT, response.body, path).heartbeat_id
        error = refusals.read_error(response)
        if again and error.heartbeat_id and error.heartbeat_id != heartbeat_id:
            return await self.heartbeat(error.heartbeat_id, again=False)
        raise VenueRefusal(response.status, error.code.value, error.text)

    # -- plumbing ---------------------------------------------------------------------------------

    def _cancel_outcome(self, attempt: Attempt) -> Outcome[clob.CancelReply]:
        def read(response: HttpResponse) -> list[clob.CancelReply]:
            return [decode(_CANCEL, response.body, "DELETE")]

        return classify(1, attempt, read=read, refused=refused)[0]

    async def _command(
        self, method: str, path: str, body: bytes, *, scope: str, cost: float = 1.0
    ) -> Attempt:
        headers = self._headers(method, path, body)
        return await self.rest.attempt(
            method, path, scope=scope, cost=cost, headers=headers, body=body
        )

    async def _private[T](
        self,
        decoder: msgspec.json.Decoder[T],
        path: str,
        params: Params = (),
        scope: str = "ledger",
    ) -> T:
        return await self.rest.read(
            decoder, path, params, scope=scope, headers=lambda: self._headers("GET", path)
        )

    async def _pages(self, path: str, params: Params) -> list[UserFrame]:
        """Read every page; a failure on any page is a failure of the whole."""
        rows: list[UserFrame] = []
        cursor = CURSOR_FIRST
        for _ in range(_PAGES_MAX):
            page = await self._private(_PAGE, path, [*params, ("next_cursor", cursor)])
            rows.extend(page.data)
            cursor = page.next_cursor or CURSOR_END
            if cursor == CURSOR_END:
                return rows
        raise ProtocolError(f"{path}: more than {_PAGES_MAX} pages")

    def _headers(self, method: str, path: str, body: bytes = b"") -> Mapping[str, str]:
        signer = self._need_signer()
        if self.api_key is None:
            raise UsageError(f"{method} {path} needs an API key: run `twinbook account polymarket`")
        return l2_headers(
            signer.address,
            self.api_key,
            timestamp_s=self._clock_s(),
            method=method,
            path=path,
            body=body,
        )

    def _need_signer(self) -> OrderSigner:
        if self._signer is None:
            raise UsageError("this call needs a wallet: set POLYMARKET_PRIVATE_KEY")
        return self._signer


def read_reply(reply: clob.OrderReply, order_id: str) -> clob.OrderReply | Rejected | None:
    """Read one order's answer: taken, refused, or (None) saying nothing that helps.

    `success` alone is no acceptance: batch entries carry `success:true` with an `errorMsg`.
    """
    if reply.errorMsg:
        return refused_text(reply.errorMsg)
    if not reply.success:
        return Rejected(refusals.Code.OTHER.value, "refused without a reason")
    status = (reply.status or "live").lower()
    if not reply.orderID or status not in _ACCEPTED:
        return None
    if reply.orderID.lower() != order_id:
        raise ProtocolError(f"order id: found {reply.orderID[:80]!r}, expected {order_id}")
    return reply


def read_cancels(response: HttpResponse, order_ids: Iterable[str]) -> list[str | Rejected | None]:
    """Read one result per id; HTTP 200 says nothing about any of them."""
    reply = decode(_CANCEL, response.body, "DELETE")
    done = {order_id.lower() for order_id in reply.canceled or ()}
    failed = {order_id.lower(): why for order_id, why in (reply.not_canceled or {}).items()}
    results: list[str | Rejected | None] = []
    for order_id in order_ids:
        if order_id in done:
            results.append(order_id)
        elif order_id in failed:
            results.append(Rejected("NOT_CANCELED", failed[order_id][:200]))
        else:
            results.append(None)
    return results
