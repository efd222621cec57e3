"""The bootstrap script's promises that can be checked without building an environment."""

from __future__ import annotations

import os
import stat
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_run_is_executable_and_posix() -> None:
    run = ROOT / "run"
    assert run.stat().st_mode & stat.S_IXUSR
    assert run.read_text().startswith("#!/bin/sh\n")
    subprocess.run(["sh", "-n", str(run)], check=True)


def test_run_without_arguments_explains_itself() -> None:
    env = {**os.environ, "TWINBOOK_PYTHON": ""}
    out = subprocess.run(
        ["sh", str(ROOT / "run"), "--help"], capture_output=True, text=True, env=env, check=True
    ).stdout
    assert "./run demo" in out
    assert "./run test" in out


def test_twinbook_help_is_fast_to_import() -> None:
    """``twinbook --help`` must not import Nautilus: it costs two seconds."""
    code = (
        "import sys; sys.argv=['twinbook','--help']\n"
        "from twinbook.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code\n"
        "assert 'nautilus_trader' not in sys.modules\n"
    )
    out = subprocess.run(
        [str(ROOT / ".venv" / "bin" / "python"), "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    ).stdout
    assert "doctor" in out
