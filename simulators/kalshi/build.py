"""Builds a venue from what it was started with; replay builds the same one again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from simulators.faults import FaultPlan
from simulators.kalshi.app import KalshiApp
from simulators.kalshi.auth import ApiKey, PublicKey
from simulators.kalshi.catalogue import list_scenario
from simulators.kalshi.limits import budget
from simulators.kalshi.market_port import add_crowd
from simulators.kalshi.model import Account
from simulators.kalshi.state import SHARDS, State
from simulators.kalshi.switchboard import TABLE
from simulators.kalshi.units import DOLLAR
from simulators.log import RequestLog
from simulators.scenario import Scenario, load_scenario
from simulators.seeds import uuid_of
from simulators.switches import Switches


@dataclass(frozen=True, slots=True)
class AccountSpec:
    """A funded test account: its key type, rate tier, dollars on each shard, locked subaccount."""

    name: str
    key_type: str
    tier: str = "premier"
    dollars: int = 100_000
    subaccount: int | None = None


@dataclass(frozen=True, slots=True)
class VenueSpec:
    """Everything that decides how a venue behaves, besides its inputs."""

    seed: int
    scenario: str
    start_ns: int
    accounts: tuple[AccountSpec, ...]
    switches: Mapping[str, Any] = field(default_factory=dict)
    faults: Sequence[Mapping[str, Any]] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the header of a log."""
        return {
            "seed": self.seed,
            "scenario": self.scenario,
            "start_ns": self.start_ns,
            "accounts": [
                [a.name, a.key_type, a.tier, a.dollars, a.subaccount] for a in self.accounts
            ],
            "switches": dict(self.switches),
            "faults": [dict(rule) for rule in self.faults],
        }

    @classmethod
    def from_json(cls, row: Mapping[str, Any]) -> VenueSpec:
        """Return the spec that a log's header states."""
        accounts = tuple(AccountSpec(*values) for values in row["accounts"])
        return cls(
            row["seed"],
            row["scenario"],
            row["start_ns"],
            accounts,
            row["switches"],
            row["faults"],
        )


DEFAULT_ACCOUNTS = (("alice", "rsa"), ("bob", "ed25519"), ("carol", "rsa"), ("dave", "ed25519"))


def default_accounts(tier: str, dollars: int = 100_000) -> tuple[AccountSpec, ...]:
    """Return the four accounts of a launch: two of each key type."""
    return tuple(AccountSpec(name, kind, tier, dollars) for name, kind in DEFAULT_ACCOUNTS)


def build_app(
    spec: VenueSpec,
    public_keys: Mapping[str, PublicKey],
    log_path: Path | None = None,
    scenario: Scenario | None = None,
) -> KalshiApp:
    """Build a venue. ``public_keys`` is by account name.

    Raises
    ------
    ValueError
        A tier, switch, fault or scenario is unknown; nothing was started.

    """
    for account in spec.accounts:
        budget(account.tier, Switches(TABLE))
    state = State(spec.seed, spec.start_ns, Switches(TABLE, spec.switches))
    listing = scenario or load_scenario(spec.scenario, spec.start_ns)
    state.hazards = listing.hazards
    app = KalshiApp(state, FaultPlan(spec.seed, spec.faults), RequestLog("kalshi", log_path))
    app.log.header(**spec.to_json())
    app.port.fair.update(list_scenario(state, listing))
    add_crowd(state)
    for account in spec.accounts:
        _admit(app, account, public_keys[account.name])
    return app


def key_id_of(seed: int, name: str) -> str:
    """Return the key id of a test account: fixed by seed and name."""
    return uuid_of(seed, "key id", name)


def _admit(app: KalshiApp, spec: AccountSpec, public_key: PublicKey) -> None:
    state = app.state
    account = Account(uuid_of(state.seed, "user", spec.name), spec.name, spec.tier)
    if spec.subaccount is not None:
        account.subaccounts.add(spec.subaccount)
    state.add_account(account)
    for shard in SHARDS:
        state.deposit(account.user_id, shard, spec.dollars * DOLLAR, spec.subaccount or 0)
    key = ApiKey(
        key_id_of(state.seed, spec.name),
        account.user_id,
        public_key,
        spec.name,
        subaccount=spec.subaccount,
    )
    app.core.keys.add(key)
