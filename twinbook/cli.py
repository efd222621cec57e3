"""The ``twinbook`` command: one subcommand per module, imported only when it is called.

Importing Nautilus takes two seconds, so ``twinbook --help`` must not.
"""

from __future__ import annotations

import importlib
import sys

import typer

#: subcommand -> (module with a ``typer.Typer`` named ``app``, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "data": ("twinbook.commands.data", "Load, generate, check and scan market data."),
    "report": ("twinbook.commands.report", "Write a run's report.html again."),
    "why": ("twinbook.commands.why", "Say why nothing was traded: refusals and nearest miss."),
    "journal": ("twinbook.commands.journal", "Look into the journal, take backtests in."),
    "venue": ("twinbook.commands.venue", "Check a venue: key, clock, limits, balances, markets."),
    "account": ("twinbook.commands.account", "Set up and fund venue accounts; dry run first."),
    "record": ("twinbook.commands.record", "Record public books and trades into a dataset."),
    "doctor": ("twinbook.commands.doctor", "Say what is missing here and how to get it."),
}


def build(argv: list[str]) -> typer.Typer:
    """Return the command tree with only the subcommand named in ``argv`` really imported."""
    app = typer.Typer(
        no_args_is_help=True,
        add_completion=False,
        help="Trade one event on two books: Kalshi and Polymarket.",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
    )

    @app.callback()
    def _root() -> None:
        """Trade one event on two books: Kalshi and Polymarket."""

    wanted = next((a for a in argv if not a.startswith("-")), None)
    for name, (module, help_line) in COMMANDS.items():
        if name == wanted:
            app.add_typer(importlib.import_module(module).app, name=name, help=help_line)
        else:
            app.add_typer(typer.Typer(), name=name, help=help_line)
    return app


def main() -> None:
    """Entry point of the console script."""
    build(sys.argv[1:])()
