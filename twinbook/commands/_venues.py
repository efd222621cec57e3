"""Join the per-venue subcommands that exist under one command."""

from __future__ import annotations

import importlib

import typer

VENUES = ("kalshi", "polymarket")


def join(command: str, help_line: str) -> typer.Typer:
    """Return ``twinbook COMMAND`` with a subgroup for each venue that has a module for it."""
    app = typer.Typer(no_args_is_help=True, help=help_line)
    for venue in VENUES:
        name = f"twinbook.commands.{command}_{venue}"
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as exc:
            if exc.name != name:
                raise
            continue
        app.add_typer(module.app, name=venue)
    return app
