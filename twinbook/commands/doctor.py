"""``twinbook doctor``: what is missing on this machine, and how to get it.

Every line says ok, warn or fail, what was found, and what to do. Only a fail, something without
which nothing runs, makes the exit code non-zero. No network is touched unless ``--online`` asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from twinbook.health.checks import LOCK_FILE, Finding, examine
from twinbook.health.online import examine_online

app = typer.Typer(
    help="Say what is missing here and how to get it.",
    subcommand_metavar="",
    context_settings={"allow_interspersed_args": True},
)

#: Exit code when something blocks.
EXIT_BLOCKED = 1


@app.callback(invoke_without_command=True)
def doctor(
    online: Annotated[
        bool,
        typer.Option("--online", help="Also ask both venues for their time (no keys, no data)."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say what is missing here and how to get it."""
    found = examine(Path.cwd(), root=_root(Path.cwd()))
    if online:
        found += examine_online()
    typer.echo(as_data(found) if as_json else "\n".join(as_text(found)))
    if any(f.status == "fail" for f in found):
        raise typer.Exit(EXIT_BLOCKED)


def _root(here: Path) -> Path:
    """Return the repository: this folder, or the one the program runs from."""
    home = Path(__file__).resolve().parents[2]
    return here if (here / LOCK_FILE).is_file() or not (home / LOCK_FILE).is_file() else home


def as_text(found: Sequence[Finding]) -> list[str]:
    """Return one line per finding, with the remedy below where one is needed."""
    wide = max(len(f.what) for f in found)
    lines = []
    for f in found:
        lines.append(f"{f.status:<5} {f.what:<{wide}}  {f.found}")
        if f.fix:
            lines.append(f"{'':<5} {'':<{wide}}  -> {f.fix}")
    fails, warns = (sum(f.status == s for f in found) for s in ("fail", "warn"))
    if fails:
        lines.append(f"{fails} of {len(found)} checks block, {warns} warn.")
    elif warns:
        lines.append(f"Nothing blocks; {warns} of {len(found)} checks warn.")
    else:
        lines.append(f"All {len(found)} checks are fine.")
    return lines


def as_data(found: Sequence[Finding]) -> str:
    """Return the findings as JSON."""
    rows = [
        {"status": f.status, "check": f.what, "found": f.found, "fix": f.fix or None} for f in found
    ]
    blocked = any(f.status == "fail" for f in found)
    return json.dumps({"blocked": blocked, "checks": rows}, indent=1, ensure_ascii=False)
