"""Start the simulated venues: ``python -m simulators [kalshi|polymarket …]``."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from simulators.launcher import VENUES, LaunchConfig, now_ns_of_start, serve
from simulators.scenario import SCENARIOS

_ABOUT = """Local venues that speak the real protocols on loopback. Without a venue's name every
one that exists is started. Without --ready the connection details are printed. SIGTERM stops."""

_EXAMPLES = """examples:
  python -m simulators --seed 7 --ready /tmp/venues.json
  python -m simulators kalshi --kalshi-tier basic --switch kalshi.read_lag_ms_max=500
  python -m simulators --scenario calibrated --faults faults.json

faults.json: {"kalshi": [{"kind": "reject", "scope": "POST *", "at": [3]}]}; the vocabulary, the
switches and the admin interface are described in simulators/README.md"""


def parser() -> argparse.ArgumentParser:
    """Return the command line's parser."""
    p = argparse.ArgumentParser(
        prog="python -m simulators",
        description=_ABOUT,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    p.add_argument("venues", nargs="*", metavar="VENUE", help=f"{', '.join(VENUES)}; none = all")
    p.add_argument("--seed", type=int, default=7, help="seed of every draw (7)")
    p.add_argument("--ready", type=Path, help="file to write the connection details to")
    p.add_argument("--scenario", choices=SCENARIOS, default="default")
    p.add_argument("--host", default="127.0.0.1", help="loopback address (127.0.0.1)")
    p.add_argument("--admin-port", type=int, default=0, help="0 = a free one")
    p.add_argument("--state", type=Path, help="folder for keys and logs (a temporary one)")
    p.add_argument("--step-ms", type=int, default=200, help="background market: ms a step (200)")
    p.add_argument("--virtual-clock", action="store_true", help="time moves by the admin only")
    p.add_argument("--faults", type=Path, help="JSON file of fault rules by venue")
    p.add_argument(
        "--switch", action="append", default=[], metavar="VENUE.NAME=VALUE", help="set a switch"
    )
    p.add_argument("--log", action="store_true", help="write VENUE.log.jsonl into --state")
    p.add_argument("--kalshi-tier", default="premier", help="rate tier of the accounts (premier)")
    p.add_argument("--kalshi-rest-port", type=int, default=0, help="0 = a free one")
    p.add_argument("--kalshi-ws-port", type=int, default=0, help="0 = a free one")
    p.add_argument(
        "--option", action="append", default=[], metavar="VENUE.NAME=VALUE", help="venue's option"
    )
    return p


def config_of(args: argparse.Namespace) -> LaunchConfig:
    """Turn parsed arguments into a configuration.

    Raises
    ------
    ValueError
        A file or an option is wrong; the message says which.

    """
    if not args.host.startswith("127.") and args.host not in ("localhost", "::1"):
        raise ValueError(f"--host is {args.host!r}: only loopback addresses are allowed")
    options = _by_venue(args.option, "--option")
    kalshi = {
        "tier": args.kalshi_tier,
        "rest_port": args.kalshi_rest_port,
        "ws_port": args.kalshi_ws_port,
    }
    if args.log:
        if args.state is None:
            raise ValueError("--log needs --state: the folder to write the logs to")
        for venue in VENUES:
            options.setdefault(venue, {})["log"] = True
    options["kalshi"] = {**kalshi, **options.get("kalshi", {})}
    return LaunchConfig(
        venues=tuple(dict.fromkeys(args.venues)),
        seed=args.seed,
        scenario=args.scenario,
        host=args.host,
        admin_port=args.admin_port,
        virtual_start_ns=now_ns_of_start(args.virtual_clock),
        step_ms=args.step_ms,
        state=args.state,
        ready=args.ready,
        options=options,
        switches=_by_venue(args.switch, "--switch"),
        faults=_fault_file(args.faults),
    )


def _by_venue(pairs: list[str], option: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        venue, dot, key = name.partition(".")
        if not equals or not dot or venue not in VENUES:
            raise ValueError(f"{option} {pair!r}: expected VENUE.NAME=VALUE")
        found.setdefault(venue, {})[key] = _value(value)
    return found


def _value(text: str) -> str | int | bool:
    if text in ("true", "false"):
        return text == "true"
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < 19 else text


def _fault_file(path: Path | None) -> dict[str, list[dict[str, Any]]]:
    if path is None:
        return {}
    try:
        rules = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise ValueError(f"--faults {path}: {error}") from error
    if not isinstance(rules, dict) or not all(isinstance(rows, list) for rows in rules.values()):
        raise ValueError(f"--faults {path}: expected an object of venue → list of rules")
    return rules


def main(argv: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    args = parser().parse_args(argv)
    try:
        asyncio.run(serve(config_of(args)))
    except (ValueError, OSError) as error:
        print(f"simulators: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
