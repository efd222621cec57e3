"""One host's REST: limits, retries of reads, errors. Knows no endpoint."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

import msgspec

from adapters.common.errors import AdapterError, RateLimited, VenueRefusal, VenueUnavailable
from adapters.common.limiter import Limiter, TokenBucket
from adapters.common.outcome import Attempt
from adapters.common.retry import ReadRetry
from adapters.common.transport import HttpRequest, HttpResponse, HttpTransport
from adapters.polymarket.refusals import Code, read_error
from adapters.polymarket.schemas.wire import decode

type Params = Sequence[tuple[str, str]]

ENGINE_RESTART: Final = 425

_BUCKETS: Final[Mapping[str, tuple[float, float]]] = {
    # Two thirds of the published limits (docs.polymarket.com "Rate limits", October 2026).
    "clob": (600.0, 900.0),
    "book": (100.0, 150.0),
    "books": (30.0, 50.0),
    "ledger": (30.0, 50.0),
    "balance": (12.0, 20.0),
    "balance_update": (3.0, 5.0),
    "auth": (6.0, 10.0),
    "gamma": (18.0, 30.0),
    "data": (12.0, 20.0),
    "geoblock": (1.0, 5.0),
    # Per signer, Standard tier: 40 orders and 80 cancels per second, bursts of 60 and 120.
    "orders": (38.0, 60.0),
    "cancels": (76.0, 1200.0),
}


def make_limiter(
    clock_ns: Callable[[], int], sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
) -> Limiter:
    """Return the limiter one account's clients share."""
    buckets = {name: TokenBucket(rate, burst) for name, (rate, burst) in _BUCKETS.items()}
    return Limiter(buckets, clock_ns=clock_ns, sleep=sleep)


class RestClient:
    """Sends requests to one host.

    Parameters
    ----------
    base_url : str
        Scheme and host, without a trailing slash.
    on_refusal : callable, optional
        Told about every 403, so that eligibility can be looked at again.
    """

    def __init__(
        self,
        *,
        base_url: str,
        transport: HttpTransport,
        limiter: Limiter,
        retry: ReadRetry | None = None,
        timeout_s: float = 10.0,
        on_refusal: Callable[[VenueRefusal], None] | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._transport = transport
        self.limiter = limiter
        self._retry = retry or ReadRetry()
        self._timeout_s = timeout_s
        self._on_refusal = on_refusal

    async def read[T](
        self,
        decoder: msgspec.json.Decoder[T],
        path: str,
        params: Params = (),
        *,
        scope: str,
        headers: Callable[[], Mapping[str, str]] | None = None,
        body: bytes | None = None,
    ) -> T:
        """Read, with retries; headers are made anew for each try.

        Raises
        ------
        TransportError, VenueRefusal, ProtocolError
            The last failure, as it is.
        """
        method = "GET" if body is None else "POST"

        async def once() -> T:
            response = await self.send(
                method,
                path,
                params,
                scope=scope,
                headers=headers() if headers else {},
                body=body,
            )
            self._raise_for_status(response)
            return decode(decoder, response.body, f"{method} {path}")

        return await self._retry.run(once)

    async def send(
        self,
        method: str,
        path: str,
        params: Params = (),
        *,
        scope: str,
        cost: float = 1.0,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> HttpResponse:
        """Send once, after waiting for our turn; drain the bucket when told we are too fast."""
        await self.limiter.acquire(scope, cost)
        query = "?" + urlencode(params) if params else ""
        all_headers = {"User-Agent": "twinbook", "Accept": "application/json", **(headers or {})}
        if body is not None:
            all_headers["Content-Type"] = "application/json"
        request = HttpRequest(
            method=method,
            url=f"{self._base_url}{path}{query}",
            headers=all_headers,
            body=body,
            timeout_s=self._timeout_s,
        )
        response = await self._transport.send(request)
        if response.status == 429:
            self.limiter.drain(scope)
        return response

    async def attempt(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        cost: float,
        headers: Mapping[str, str],
        body: bytes,
    ) -> Attempt:
        """Send a command once and return the answer or what was raised instead of one."""
        try:
            response = await self.send(
                method, path, scope=scope, cost=cost, headers=headers, body=body
            )
        except AdapterError as exc:
            return exc
        if response.status == 403 and self._on_refusal is not None:
            error = read_error(response)
            self._on_refusal(VenueRefusal(403, error.code.value, error.text))
        return response

    def _raise_for_status(self, response: HttpResponse) -> None:
        status = response.status
        if 200 <= status < 300:
            return
        error = read_error(response)
        code = error.code.value
        if status in (429, ENGINE_RESTART) or error.code is Code.RATE_LIMIT:
            raise RateLimited(status, code, error.text, error.retry_after_s)
        if status >= 500:
            raise VenueUnavailable(status, code, error.text)
        refusal = VenueRefusal(status, code, error.text)
        if status == 403 and self._on_refusal is not None:
            self._on_refusal(refusal)
        raise refusal
