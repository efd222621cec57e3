"""Faults by plan: which request or message is hit is decided by its ordinal, never by time.

A plan is a list of rules. Each rule names a kind, a scope and which of the matching requests or
messages it hits. Every rule counts its own matches from 1, so "the third create from now" is
``{"kind": "reject", "scope": "POST /portfolio/events/orders", "at": [3]}``. The same plan and the
same traffic give the same faults in every run.

Scopes
------
``"<METHOD> <path template>"`` for requests, ``"ws:<channel>"`` for messages to a client,
``"ws:command:<cmd>"`` for messages from a client, ``"ws:connect"`` for the upgrade. ``*`` and
``?`` match as in shell patterns: ``"POST *"``, ``"ws:*"``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from simulators.seeds import chance
from simulators.wire import Json

REQUEST_KINDS: dict[str, str] = {
    "reject": "not applied; answered with status (400) and code or body",
    "error_before_accept": "not applied; answered with status (503)",
    "timeout_before_accept": "not applied; the connection stays open without an answer",
    "accept_then_timeout": "applied; the connection stays open without an answer",
    "accept_then_5xx": "applied; answered with status (503) and body (keep_body: the true one)",
    "late_reply": "applied; answered after messages (1) more messages went to that account",
    "delayed_visibility": "applied; reads do not show it for the next requests (3) reads",
    "rate_limit": "429, not applied",
    "pause": "a pause of scope_of (trading, exchange) holds for this and requests (5) more",
    "clock_skew": "the venue's wall clock is off by ms (30000) for requests (3) requests",
    "reset": "the connection is cut; applied (false) says whether before or after the effect",
    "unknown_fields": "applied; the answer carries extra fields at every level",
}
MESSAGE_KINDS: dict[str, str] = {
    "drop": "the message is lost (its sequence number is used up)",
    "duplicate": "the message is sent twice",
    "reorder": "the message is sent after the next span (1) messages of its connection",
    "late": "the message is sent after messages (3) more messages of its connection",
    "seq_gap": "the sequence counter jumps by by (1) before the message",
    "half_open": "the socket stays open, nothing more is sent, nothing read is answered",
    "reset": "the connection is cut without a close frame",
    "close": "the server closes with code (1001)",
    "overflow": "the venue's terminal overflow error, then silence on that subscription",
    "unknown_fields": "the message carries extra fields",
    "missing_field": "the field named by field is left out of the message",
}
CONNECT_KINDS: dict[str, str] = {
    "reject": "the upgrade is refused with status (502)",
    "half_open": "the upgrade succeeds, then nothing is ever sent",
    "reset": "the connection is cut before the upgrade is answered",
    "clock_skew": "the venue's wall clock is off by ms (30000) for this upgrade",
}
KINDS = frozenset(REQUEST_KINDS) | frozenset(MESSAGE_KINDS) | frozenset(CONNECT_KINDS)

_RULE_KEYS = frozenset(
    {"id", "kind", "scope", "at", "every", "probability", "account", "times", "params"}
)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault that hits one request or message.

    Attributes
    ----------
    kind
        One of `REQUEST_KINDS`, `MESSAGE_KINDS` or `CONNECT_KINDS`.
    rule
        Id of the rule that fired.
    ordinal
        Which match of that rule this is, from 1.
    params
        The rule's parameters; what a kind understands is in its description.

    """

    kind: str
    rule: str
    ordinal: int
    params: Mapping[str, Any] = field(default_factory=dict)

    def number(self, name: str, default: int) -> int:
        """Return an integer parameter, or its default."""
        return int(self.params.get(name, default))

    def text(self, name: str, default: str = "") -> str:
        """Return a text parameter, or its default."""
        return str(self.params.get(name, default))

    def flag(self, name: str) -> bool:
        """Return a yes/no parameter; absent is no."""
        return bool(self.params.get(name, False))


@dataclass(slots=True)
class FaultRule:
    """One rule of a plan; `FaultRule.parse` checks it.

    Exactly one of ``at`` (ordinals), ``every`` (each n-th) and ``probability`` (0 to 1, drawn
    from the plan's seed, the rule's id and the ordinal) says which matches are hit. ``times``
    bounds the hits (0 = no bound); ``account`` limits the rule to one account or key id.
    """

    id: str
    kind: str
    scope: str
    at: frozenset[int] = frozenset()
    every: int = 0
    probability: float = 0.0
    account: str = ""
    times: int = 0
    params: dict[str, Any] = field(default_factory=dict)
    matched: int = 0
    hits: int = 0

    @classmethod
    def parse(cls, row: Mapping[str, Any], default_id: str) -> FaultRule:
        """Build a rule from its JSON form.

        Raises
        ------
        ValueError
            A key, the kind, the selector or a parameter is wrong; the message says which.

        """
        unknown = sorted(set(row) - _RULE_KEYS)
        if unknown:
            raise ValueError(f"fault rule: unknown key {unknown[0]!r}, known {sorted(_RULE_KEYS)}")
        kind, scope = row.get("kind"), row.get("scope")
        if kind not in KINDS:
            raise ValueError(f"fault rule: kind is {kind!r}, allowed {sorted(KINDS)}")
        if not isinstance(scope, str) or not scope:
            raise ValueError(f"fault rule: scope is {scope!r}, expected a text such as 'POST *'")
        _check_kind_fits(kind, scope)
        params = row.get("params", {})
        if not isinstance(params, Mapping):
            raise ValueError(f"fault rule: params is {params!r}, expected an object")
        rule = cls(
            id=str(row.get("id") or default_id),
            kind=kind,
            scope=scope,
            at=_ordinals(row.get("at")),
            every=_count(row, "every"),
            probability=_probability(row.get("probability", 0.0)),
            account=str(row.get("account", "")),
            times=_count(row, "times"),
            params=dict(params),
        )
        if sum((bool(rule.at), rule.every > 0, rule.probability > 0)) != 1:
            raise ValueError("fault rule: give exactly one of at, every, probability")
        return rule

    def to_json(self) -> dict[str, Any]:
        """Return the rule with its counters."""
        return {
            "id": self.id,
            "kind": self.kind,
            "scope": self.scope,
            "at": sorted(self.at),
            "every": self.every,
            "probability": self.probability,
            "account": self.account,
            "times": self.times,
            "params": self.params,
            "matched": self.matched,
            "hits": self.hits,
        }

    def fires(self, seed: int) -> bool:
        """Return whether the match counted last is hit."""
        if self.times and self.hits >= self.times:
            return False
        if self.at:
            return self.matched in self.at
        if self.every:
            return self.matched % self.every == 0
        return chance(self.probability, seed, "fault", self.id, self.matched)


class FaultPlan:
    """The rules in force at one venue, in the order in which they were added."""

    def __init__(self, seed: int, rules: Iterable[Mapping[str, Any]] = ()) -> None:
        self._seed = seed
        self._rules: dict[str, FaultRule] = {}
        self._issued = 0
        self.extend(rules)

    def add(self, row: Mapping[str, Any]) -> FaultRule:
        """Add one rule from its JSON form and return it (an existing id is replaced)."""
        return self.extend([row])[0]

    def extend(self, rows: Iterable[Mapping[str, Any]]) -> list[FaultRule]:
        """Add several rules; none is added if one of them is refused.

        Raises
        ------
        ValueError
            As `FaultRule.parse`.

        """
        parsed = [
            FaultRule.parse(row, f"f{self._issued + n}") for n, row in enumerate(rows, start=1)
        ]
        self._issued += len(parsed)
        for rule in parsed:
            self._rules[rule.id] = rule
        return parsed

    def remove(self, rule_id: str) -> bool:
        """Take one rule out; False if there is none of that id."""
        return self._rules.pop(rule_id, None) is not None

    def clear(self) -> None:
        """Take all rules out."""
        self._rules.clear()

    def rules(self) -> list[dict[str, Any]]:
        """Return the rules with how often each matched and hit."""
        return [rule.to_json() for rule in self._rules.values()]

    def hit(self, scope: str, account: str = "") -> tuple[Fault, ...]:
        """Count one request or message of ``scope`` and return the faults that hit it.

        Parameters
        ----------
        scope
            ``"POST /portfolio/events/orders"``, ``"ws:orderbook_delta"`` …
        account
            Account or key id of the request or connection, for rules limited to one.

        """
        found: list[Fault] = []
        for rule in self._rules.values():
            if rule.account and rule.account != account:
                continue
            if not fnmatchcase(scope, rule.scope):
                continue
            rule.matched += 1
            if rule.fires(self._seed):
                rule.hits += 1
                found.append(Fault(rule.kind, rule.id, rule.matched, rule.params))
        return tuple(found)


def add_unknown_fields(value: Json, ordinal: int) -> Json:
    """Return a JSON-like value with an unexpected field in every object, to prove tolerance."""
    if isinstance(value, Mapping):
        grown = {key: add_unknown_fields(item, ordinal) for key, item in value.items()}
        grown[f"x_unannounced_{ordinal}"] = {"since": "tomorrow", "n": ordinal}
        return grown
    if isinstance(value, list):
        return [add_unknown_fields(item, ordinal) for item in value]
    return value


def find(faults: Iterable[Fault], *kinds: str) -> Fault | None:
    """Return the first fault of one of ``kinds``, or None."""
    for fault in faults:
        if fault.kind in kinds:
            return fault
    return None


def _check_kind_fits(kind: str, scope: str) -> None:
    if scope == "*":
        return
    if scope == "ws:connect":
        allowed = CONNECT_KINDS
    elif scope.startswith("ws:"):
        allowed = MESSAGE_KINDS
    else:
        allowed = REQUEST_KINDS
    if kind not in allowed:
        raise ValueError(
            f"fault rule: kind {kind!r} does not fit scope {scope!r}; "
            f"allowed there: {sorted(allowed)}"
        )


def _ordinals(value: Json) -> frozenset[int]:
    if value is None:
        return frozenset()
    if not isinstance(value, list) or not all(_is_ordinal(item) for item in value):
        raise ValueError(f"fault rule: at is {value!r}, expected a list of integers >= 1")
    return frozenset(value)


def _is_ordinal(value: Json) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _count(row: Mapping[str, Any], name: str) -> int:
    value = row.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"fault rule: {name} is {value!r}, expected an integer >= 0")
    return value


def _probability(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"fault rule: probability is {value!r}, expected 0 to 1")
    return float(value)
