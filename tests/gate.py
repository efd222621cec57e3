"""Every check, in order, with its time: formatting, lint, types, import rules, shell, tests.

``./run test`` runs all of it; ``./run test PATH…`` runs pytest on those paths alone;
``./run full`` adds the tests marked ``full``.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

CHECKS: list[tuple[str, list[str]]] = [
    ("format", ["ruff", "format", "--check", "."]),
    ("lint", ["ruff", "check", "."]),
    ("types", ["mypy"]),
    ("imports", ["lint-imports", "--no-cache"]),
    ("shell", ["shellcheck", "run", ".ci/run"]),
]


def main(argv: list[str]) -> int:
    """Run the checks named above, then pytest; stop at the first failure."""
    full = "--full" in argv
    rest = [a for a in argv if a != "--full"]
    named = any(not a.startswith("-") for a in rest)
    marks = "not live" if full else "not live and not full"
    tests = ["pytest", "-q", "-m", marks, "--durations=10", *rest]
    steps = [*([] if named else CHECKS), ("tests", tests)]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    if full:
        env.setdefault("TWINBOOK_HYPOTHESIS", "explore")
    for name, command in steps:
        print(f"== {name}: {' '.join(command)}", flush=True)
        start = time.monotonic()
        code = subprocess.run(command, cwd=ROOT, env=env, check=False).returncode
        print(
            f"== {name}: {'ok' if code == 0 else 'FAILED'} in {time.monotonic() - start:.1f} s",
            flush=True,
        )
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
