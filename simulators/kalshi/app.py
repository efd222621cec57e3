"""The venue without sockets: requests and commands in, answers and messages out, all logged.

Every input carries the time at which it happens. The same inputs at the same times give the same
outputs; `simulators.kalshi.replay` proves it on any log.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from simulators.faults import Fault, FaultPlan, add_unknown_fields, find
from simulators.kalshi.auth import ApiKey, KeyRing, signed_headers
from simulators.kalshi.candles import CandleStore
from simulators.kalshi.errors import RefusalError, flat, nested, not_found, too_many_requests
from simulators.kalshi.events import VenueEvent
from simulators.kalshi.exchange import Exchange
from simulators.kalshi.limits import Limits
from simulators.kalshi.market_port import KalshiMarketPort
from simulators.kalshi.operator import Operator
from simulators.kalshi.rest import Core, Reply
from simulators.kalshi.router import PREFIX, answer, decode_body, find_route, refused
from simulators.kalshi.state import State
from simulators.kalshi.units import NS_PER_MS
from simulators.kalshi.ws_session import Frame, WsSession
from simulators.log import RequestLog
from simulators.wire import Json

WS_PATH = "/trade-api/ws/v2"


@dataclass(frozen=True, slots=True)
class HttpInput:
    """One HTTP request: ``path`` as sent, ``query`` with every value of each key."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    raw: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpOutput:
    """What to answer, and how.

    Attributes
    ----------
    action
        ``""`` answer now, ``hang`` never, ``reset`` cut the connection, ``late`` answer once
        ``messages`` more messages went to the account's sockets.

    """

    status: int
    body: Json
    action: str = ""
    messages: int = 0


@dataclass(slots=True)
class Verdict:
    """What authentication said: a key, or the refusal; neither for an unsigned request."""

    key: ApiKey | None = None
    refusal: RefusalError | None = None


@dataclass(slots=True)
class _Skew:
    """A clock that is off for some more requests."""

    ns: int = 0
    requests: int = 0


@dataclass(slots=True)
class Connection:
    """One open WebSocket, without its socket."""

    number: int
    session: WsSession
    frames: list[Frame] = field(default_factory=list)


class KalshiApp:
    """The whole venue as a deterministic machine."""

    def __init__(self, state: State, faults: FaultPlan, log: RequestLog) -> None:
        self.state = state
        self.faults = faults
        self.log = log
        self.exchange = Exchange(state)
        self.core = Core(
            state, self.exchange, CandleStore(state), KeyRing(), Limits(state.switches)
        )
        self.operator = Operator(self.core)
        self.port = KalshiMarketPort(state)
        self.connections: dict[int, Connection] = {}
        self._skew = _Skew()
        self._pauses: list[tuple[int, str]] = []
        self._requests = 0
        state.listeners.append(self._fan_out)

    # requests

    def authenticate(self, request: HttpInput, wall_ns: int, faults: Sequence[Fault]) -> Verdict:
        """Check the signature of a request, if it has one, against the venue's wall clock."""
        skew = find(faults, "clock_skew")
        if skew is not None:
            self._skew = _Skew(skew.number("ms", 30_000) * NS_PER_MS, skew.number("requests", 3))
        if self._skew.requests:
            self._skew.requests -= 1
            wall_ns += self._skew.ns
        if not signed_headers(request.headers):
            return Verdict()
        try:
            key = self.core.keys.verify(
                request.headers, request.method, request.path, wall_ns, self.state.switches
            )
        except RefusalError as refusal:
            return Verdict(refusal=refusal)
        return Verdict(key)

    def request(self, request: HttpInput, now_ns: int, wall_ns: int) -> HttpOutput:
        """Handle one HTTP request."""
        name, _ = self._named(request)
        key_id = request.headers.get("KALSHI-ACCESS-KEY", "")
        faults = self.faults.hit(name, key_id)
        verdict = self.authenticate(request, wall_ns, faults)
        return self.apply(request, now_ns, verdict, faults)

    def apply(
        self, request: HttpInput, now_ns: int, verdict: Verdict, faults: Sequence[Fault]
    ) -> HttpOutput:
        """Handle one HTTP request whose authentication is known."""
        self.exchange.advance(now_ns)
        self._end_pauses()
        name, found = self._named(request)
        body = decode_body(request.raw)
        early = self._before(faults)
        if early is not None:
            reply, output = early
        else:
            held = find(faults, "delayed_visibility")
            if held is not None:
                self.state.read.hold(held.number("requests", 3))
            if verdict.refusal is not None:
                reply = refused(self.core, verdict.refusal)
            elif found is None:
                reply = refused(self.core, not_found())
            else:
                reply = answer(self.core, found, request.query, body, verdict.key)
            reply, output = self._after(reply, faults)
        self._write(request, name, verdict, reply, faults, now_ns)
        return output

    def _named(self, request: HttpInput) -> tuple[str, Any]:
        path = request.path.removeprefix(PREFIX)
        found = find_route(request.method, path) if path != request.path else None
        return (found.route.name if found else f"{request.method} {path}"), found

    def _before(self, faults: Sequence[Fault]) -> tuple[Reply, HttpOutput] | None:
        """Return the outcome of a fault that keeps the request from being applied."""
        fault = find(
            faults, "reject", "error_before_accept", "timeout_before_accept", "rate_limit", "pause"
        )
        cut = find(faults, "reset")
        if cut is not None and not cut.flag("applied"):
            return Reply(0), HttpOutput(0, None, "reset")
        if fault is None:
            return None
        if fault.kind == "pause":
            scope, length = fault.text("scope_of", "trading"), fault.number("requests", 5)
            self.exchange.pause(scope)
            self._pauses.append((self._requests + length, scope))
            return None
        if fault.kind == "timeout_before_accept":
            return Reply(0), HttpOutput(0, None, "hang")
        reply = self._refusal_of(fault)
        return reply, HttpOutput(reply.status, reply.body)

    def _refusal_of(self, fault: Fault) -> Reply:
        if fault.kind == "rate_limit":
            return refused(self.core, too_many_requests())
        if "body" in fault.params:
            return Reply(fault.number("status", 400), fault.params["body"])
        if fault.kind == "error_before_accept":
            status = fault.number("status", 503)
            return refused(self.core, flat("", fault.text("code", "service_unavailable"), status))
        status = fault.number("status", 400)
        return refused(self.core, nested(status, fault.text("code", "invalid_order")))

    def _after(self, reply: Reply, faults: Sequence[Fault]) -> tuple[Reply, HttpOutput]:
        """Return what is said about a request that was applied."""
        if find(faults, "accept_then_timeout"):
            return reply, HttpOutput(0, None, "hang")
        if find(faults, "reset"):
            return reply, HttpOutput(0, None, "reset")
        failed = find(faults, "accept_then_5xx")
        if failed is not None:
            status = failed.number("status", 503)
            body = failed.params.get("body", flat("", "service_unavailable", status).body)
            if failed.flag("keep_body"):
                body = reply.body
            return reply, HttpOutput(status, body)
        body = reply.body
        grown = find(faults, "unknown_fields")
        if grown is not None or self.state.switches["unknown_fields"]:
            body = add_unknown_fields(body, grown.ordinal if grown is not None else 0)
        late = find(faults, "late_reply")
        if late is not None:
            return reply, HttpOutput(reply.status, body, "late", late.number("messages", 1))
        return reply, HttpOutput(reply.status, body)

    def _end_pauses(self) -> None:
        self._requests += 1
        for until, scope in [p for p in self._pauses if p[0] < self._requests]:
            self._pauses.remove((until, scope))
            self.exchange.resume(scope)

    def _write(
        self,
        request: HttpInput,
        name: str,
        verdict: Verdict,
        reply: Reply,
        faults: Sequence[Fault],
        now_ns: int,
    ) -> None:
        refusal = verdict.refusal.body if verdict.refusal is not None else None
        status = verdict.refusal.status if verdict.refusal is not None else 0
        self.log.append(
            now_ns=now_ns,
            kind="rest",
            route=name,
            subject=verdict.key.key_id if verdict.key is not None else "",
            request={
                "method": request.method,
                "path": request.path,
                "query": {key: list(values) for key, values in request.query.items()},
                "raw": request.raw.decode("utf-8", "replace"),
                "refused": [status, refusal] if refusal is not None else None,
                "id": request.headers.get("KALSHI-ACCESS-KEY", ""),
            },
            status=reply.status,
            reply=reply.body,
            faults=[fault.kind for fault in faults],
        )

    # sockets

    def open_socket(self, number: int, verdict: Verdict, now_ns: int) -> Connection | RefusalError:
        """Open a connection for a verified key, or say why not."""
        self.exchange.advance(now_ns)
        opened: Connection | RefusalError
        if verdict.refusal is not None:
            opened = verdict.refusal
        elif verdict.key is None:
            opened = nested(401, "signature_is_missing_from_headers")
        elif self._too_many(verdict.key):
            opened = too_many_requests()
        else:
            session = WsSession(self.state, verdict.key, number, self.faults)
            opened = self.connections[number] = Connection(number, session)
        refusal = opened if isinstance(opened, RefusalError) else None
        self.log.append(
            now_ns=now_ns,
            kind="ws_open",
            route=WS_PATH,
            subject=str(number),
            request={
                "id": verdict.key.key_id if verdict.key is not None else "",
                "refused": [refusal.status, refusal.body] if refusal is not None else None,
            },
            status=refusal.status if refusal is not None else 101,
        )
        return opened

    def command(self, number: int, text: str, now_ns: int) -> tuple[Fault, ...]:
        """Handle one message of a client; the replies wait in its connection.

        A command that a fault hits is lost; the faults are returned for the socket's sake.
        """
        self.exchange.advance(now_ns)
        connection = self.connections.get(number)
        if connection is None:
            return ()
        scope = f"ws:command:{command_name(text)}"
        faults = self.faults.hit(scope, connection.session.key.key_id)
        self.log.append(
            now_ns=now_ns,
            kind="ws_in",
            route=scope,
            subject=str(number),
            request=text,
            faults=[fault.kind for fault in faults],
        )
        if not find(faults, "drop", "half_open", "reset", "close"):
            connection.session.receive(text)
        return faults

    def close_socket(self, number: int, now_ns: int) -> None:
        """Forget a connection."""
        if self.connections.pop(number, None) is not None:
            self.log.append(now_ns=now_ns, kind="ws_close", route=WS_PATH, subject=str(number))

    def take_frames(self, now_ns: int) -> dict[int, list[Frame]]:
        """Return what each connection is to be sent since the last call."""
        found: dict[int, list[Frame]] = {}
        for number, connection in self.connections.items():
            frames = connection.session.take()
            if frames:
                found[number] = frames
                if self.log.path is not None:
                    self._log_frames(number, frames, now_ns)
        return found

    def _log_frames(self, number: int, frames: list[Frame], now_ns: int) -> None:
        for frame in frames:
            self.log.append(
                now_ns=now_ns,
                kind="ws_out",
                route=frame.channel,
                subject=str(number),
                reply=frame.body,
                faults=[fault.kind for fault in frame.faults],
            )

    def _too_many(self, key: ApiKey) -> bool:
        mine = [c for c in self.connections.values() if c.session.key.user_id == key.user_id]
        return len(mine) >= self.state.switches.number("connections_max")

    def _fan_out(self, event: VenueEvent) -> None:
        for connection in self.connections.values():
            connection.session.on_event(event)

    # the operator and the crowd

    def operate(self, name: str, body: Mapping[str, Any], now_ns: int) -> Json:
        """Run an operator's action and log it.

        Raises
        ------
        ValueError, KeyError
            The action is unknown or its arguments are wrong; nothing was changed.

        """
        self.exchange.advance(now_ns)
        result = self.operator.run(name, body)
        if name not in self.operator.READS:
            self.log.append(
                now_ns=now_ns, kind="admin", route=name, request=dict(body), reply=result
            )
        return result

    def quote(self, key: str, bids: Any, asks: Any, now_ns: int) -> None:  # noqa: ANN401 - Levels
        """Set the house's ladder of one market (background market)."""
        self.exchange.advance(now_ns)
        if self.port.quote(key, bids, asks):
            rows = [[[str(p), str(q)] for p, q in side] for side in (bids, asks)]
            self.log.append(now_ns=now_ns, kind="tick", route="quote", request=[key, *rows])

    def take(self, key: str, side: str, price: Any, size: Any, now_ns: int) -> None:  # noqa: ANN401
        """Send one order of the crowd (background market)."""
        self.exchange.advance(now_ns)
        self.port.take(key, side, price, size)
        self.log.append(
            now_ns=now_ns, kind="tick", route="take", request=[key, side, str(price), str(size)]
        )


def command_name(text: str) -> str:
    """Return the ``cmd`` of a client's message, or ``""`` if there is none."""
    row = decode_body(text.encode())
    name = row.get("cmd") if isinstance(row, dict) else None
    return name if isinstance(name, str) else ""
