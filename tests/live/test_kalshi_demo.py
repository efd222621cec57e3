"""Kalshi's demo environment: one contract at one cent is rested and cancelled, nothing is bought.

Run with ``KALSHI_DEMO_KEY_ID`` and ``KALSHI_DEMO_PRIVATE_KEY_PATH`` set:
``./run pytest -m live tests/live/test_kalshi_demo.py``.
"""

from __future__ import annotations

import subprocess
import sys

import pytest

from adapters.kalshi.credentials import has_credential

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(not has_credential("demo"), reason="no KALSHI_DEMO_ key is set"),
]


def test_every_call_the_adapter_makes_works_on_demo() -> None:
    command = [sys.executable, "-m", "tests.kalshi.support.live_probe"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "ok its cancel" in found.stdout


def test_the_check_command_finds_everything_in_order() -> None:
    code = "from twinbook.cli import main; main()"
    command = [sys.executable, "-c", code, "venue", "kalshi", "check", "--env", "demo"]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert found.returncode == 0, found.stdout + found.stderr
