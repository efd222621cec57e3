"""Play a log of the local Kalshi again: ``python -m simulators.kalshi FILE``."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from simulators.kalshi.replay import replay


def main(argv: list[str] | None = None) -> int:
    """Replay a log; exit 0 if every answer is the same, 1 if not, 2 if the file is no log."""
    parser = argparse.ArgumentParser(
        prog="python -m simulators.kalshi",
        description="Play a log again on a fresh venue and report every answer that differs.",
    )
    parser.add_argument("log", type=Path, help="kalshi.log.jsonl of a run with --log")
    args = parser.parse_args(argv)
    try:
        found = replay(args.log)
    except (ValueError, KeyError, OSError) as error:
        print(f"simulators.kalshi: {error}", file=sys.stderr)
        return 2
    for ordinal, logged, replayed in found.differences[:20]:
        print(f"entry {ordinal}: logged {logged!r}, replayed {replayed!r}")
    print(f"{found.entries} entries, {found.frames} messages, {len(found.differences)} differences")
    return 1 if found.differences else 0


if __name__ == "__main__":
    raise SystemExit(main())
