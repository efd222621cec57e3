"""The command line: every subcommand of the table exists and is imported only when asked for."""

from __future__ import annotations

import importlib
import sys

import pytest
import typer

from twinbook.cli import COMMANDS, build


@pytest.mark.parametrize("name", COMMANDS)
def test_every_subcommand_has_an_app_and_a_line_of_help(name: str) -> None:
    module, line = COMMANDS[name]
    assert isinstance(importlib.import_module(module).app, typer.Typer)
    assert line.endswith(".")
    assert len(line) <= 60


def test_only_the_wanted_subcommand_is_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted, _ = COMMANDS["why"]
    for module, _line in COMMANDS.values():
        monkeypatch.delitem(sys.modules, module, raising=False)
    build(["why", "--help"])
    loaded = {module for module, _line in COMMANDS.values() if module in sys.modules}
    assert loaded == {wanted}
