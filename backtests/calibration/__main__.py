"""Print the hazard's marginals beside those of the ledger it was made from.

::

    python -m backtests.calibration [--attempts 20000] [--seed 1]
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from decimal import Decimal

from backtests.calibration.measure import measure


def main(argv: Sequence[str] | None = None) -> int:
    """Print the table; exit 1 if a marginal is more than two points off."""
    parser = argparse.ArgumentParser("python -m backtests.calibration")
    parser.add_argument("--attempts", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args(argv)
    marginals = measure(args.attempts, args.seed)
    lines = [f"{'':26}{'engine':>9}{'ledger':>9}{'apart':>8}   ({marginals.attempts:,} attempts)"]
    worst = Decimal(0)
    for name, measured, ledger in marginals.rows():
        worst = max(worst, abs(measured - ledger))
        lines.append(f"{name:26}{measured:9.2f}{ledger:9.2f}{measured - ledger:+8.2f}")
    sys.stdout.write("\n".join(lines) + "\n")
    return int(worst > 2)


sys.exit(main())
