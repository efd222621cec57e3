"""Ctrl-C and SIGTERM, in a process of its own: one line, the exit code, nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from nodes.stop import Stop, Stopped, stoppable

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = "[data.synthetic]\npairs = 20\nminutes = 60\n"
LINE = "backtest: interrupted, nothing was written"


def stop_at(tmp_path: Path, seen: str, number: int, *flags: str) -> tuple[int, str]:
    """Start a run, send the signal once a line with ``seen`` is on stderr; return code and rest."""
    settings = tmp_path / "c.toml"
    settings.write_text(SETTINGS)
    command = [sys.executable, *flags, "-m", "nodes.backtest_node", "--config", str(settings)]
    with subprocess.Popen(
        [*command, "--output", str(tmp_path / "runs" / "out")],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any(seen in line for line in process.stderr)
        process.send_signal(number)
        _, rest = process.communicate(timeout=60)
    return process.returncode, rest


@pytest.mark.parametrize(
    ("seen", "number", "code"),
    [
        ("generating a synthetic session", signal.SIGTERM, 143),
        ("session(s)", signal.SIGTERM, 143),
        ("session(s)", signal.SIGINT, 130),
    ],
)
def test_a_stopped_run_leaves_nothing(tmp_path: Path, seen: str, number: int, code: int) -> None:
    found, rest = stop_at(tmp_path, seen, number)
    assert found == code, rest
    assert rest.splitlines()[-1] == LINE
    assert "Traceback" not in rest
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_while_importing_is_no_traceback(tmp_path: Path, number: int, code: int) -> None:
    """``msgspec`` is loaded after the handlers stand and before the seconds of the others."""
    found, rest = stop_at(tmp_path, " msgspec\n", number, "-X", "importtime")
    assert found == code, rest
    assert rest.splitlines()[-1] == LINE
    assert "Traceback" not in rest
    assert not (tmp_path / "runs").exists()


def test_a_swallowed_signal_is_raised_again_and_a_second_one_lets_the_cleaning_finish() -> None:
    stop = Stop()
    stop.check()
    with pytest.raises(Stopped) as first:
        stop.receive(signal.SIGTERM, None)
    assert first.value.code == 143
    stop.receive(signal.SIGINT, None)
    with pytest.raises(Stopped) as again:
        stop.check()
    assert again.value.code == 143


def test_the_handlers_of_before_return() -> None:
    before = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with pytest.raises(Stopped), stoppable():
        signal.raise_signal(signal.SIGTERM)
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == before
