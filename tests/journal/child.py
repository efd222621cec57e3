"""A writer that dies by its own hand: ``python child.py PATH MODE N SYNCHRONOUS``.

``statement``: kill -9 before the N-th SQL statement from the start of the first intent on.
``endless``: write intents until somebody kills us; each is announced after it is durable.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from journal.store import Journal
from tests.journal import build


def main() -> None:
    path, mode, n, synchronous = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.argv[4]
    journal = Journal(path, build.run(f"child-{mode}-{n}"), synchronous=synchronous)
    left = n

    def die(_sql: str) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if mode == "statement":
        journal._db.set_trace_callback(die)
    i = 0
    while mode == "endless" or i < 2:
        i += 1
        journal.add_decision(build.decision(i))
        journal.write_intent(build.intent(i))
        os.write(1, f"I-{i}\n".encode())
        journal.write_order(build.order(i, 1))
        os.write(1, f"O-{i}-1\n".encode())
        journal.add_fill(build.fill(i))
    journal.abandon()


main()
