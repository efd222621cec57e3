"""``twinbook report``: write a run's report again, from its files alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from backtests.report import ReportError, write_report

app = typer.Typer(
    help="Write a run's report.html again.",
    subcommand_metavar="",
    context_settings={"allow_interspersed_args": True},
)

#: Exit code for input that cannot be used; typer itself uses 2 for a wrong command line.
EXIT_BAD_INPUT = 3


@app.callback(invoke_without_command=True)
def report(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A backtest's folder.")],
) -> None:
    """Write report.html of a backtest's folder and print its path."""
    try:
        path = write_report(run_dir)
    except ReportError as error:
        typer.echo(f"twinbook report: {error}", err=True)
        raise typer.Exit(EXIT_BAD_INPUT) from None
    typer.echo(str(path))
