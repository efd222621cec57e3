"""The ``twinbook`` command: one subcommand per module, imported only when it is called.

Importing Nautilus takes two seconds, so ``twinbook --help`` must not.
"""

from __future__ import annotations

import importlib

import click
import typer
from typer.core import TyperGroup

#: subcommand -> (module with a ``typer.Typer`` named ``app``, one line of help)
COMMANDS: dict[str, tuple[str, str]] = {
    "data": ("twinbook.commands.data", "Load, generate, check and scan market data."),
    "doctor": (
        "twinbook.commands.doctor",
        "Say what is missing on this machine and how to get it.",
    ),
    "why": (
        "twinbook.commands.why",
        "Say why nothing was traded: refusals by reason, nearest miss.",
    ),
}


class LazyGroup(TyperGroup):
    """A command group that imports a subcommand's module only when that subcommand runs."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command, or None for an unknown name."""
        if cmd_name not in COMMANDS:
            return None
        module, help_line = COMMANDS[cmd_name]
        if ctx.resilient_parsing or (not ctx.protected_args and not ctx.args):
            return click.Command(cmd_name, help=help_line)
        command = typer.main.get_command(importlib.import_module(module).app)
        command.name = cmd_name
        return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    help="Trade one event on two books: Kalshi and Polymarket.",
)


@app.callback()
def _root() -> None:
    """Trade one event on two books: Kalshi and Polymarket."""


def main() -> None:
    """Entry point of the console script."""
    app()
