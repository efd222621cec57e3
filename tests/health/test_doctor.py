"""``twinbook doctor``: every check in each of its states, and the command as a whole."""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path

import pytest
from typer.testing import CliRunner

from twinbook.commands.doctor import app
from twinbook.health import checks
from twinbook.health.checks import GIB, RELEASED_NS, Finding
from twinbook.health.online import _skew, skew_finding

RUNNER = CliRunner()


@pytest.mark.parametrize(
    ("finding", "status"),
    [
        (checks.check_python((3, 13, 0)), "ok"),
        (checks.check_python((3, 12, 9)), "ok"),
        (checks.check_python((3, 11, 7)), "fail"),
        (checks.check_python((3, 14, 0)), "fail"),
        (checks.check_platform("linux", "x86_64", ("glibc", "2.36")), "ok"),
        (checks.check_platform("linux", "x86_64", ("glibc", "2.31")), "fail"),
        (checks.check_platform("linux", "x86_64", ("", "")), "fail"),
        (checks.check_platform("darwin", "arm64", ("", "")), "warn"),
        (checks.check_platform("darwin", "x86_64", ("", "")), "fail"),
        (checks.check_platform("win32", "AMD64", ("", "")), "warn"),
        (checks.disk_finding(20 * GIB), "ok"),
        (checks.disk_finding(3 * GIB), "warn"),
        (checks.disk_finding(GIB // 2), "fail"),
        (checks.check_memory(8 * GIB), "ok"),
        (checks.check_memory(GIB), "warn"),
        (checks.check_memory(GIB // 4), "fail"),
        (checks.check_memory(None), "warn"),
        (checks.check_files(4_096), "ok"),
        (checks.check_files(None), "ok"),
        (checks.check_files(256), "warn"),
        (checks.check_clock_sync((True, 20_000)), "ok"),
        (checks.check_clock_sync((True, 5_000_000)), "warn"),
        (checks.check_clock_sync((False, 0)), "warn"),
        (checks.check_clock_sync(None), "warn"),
        (checks.check_wall_clock(RELEASED_NS + 1), "ok"),
        (checks.check_wall_clock(0), "fail"),
        (checks.check_timezone("CET"), "ok"),
        (skew_finding("online kalshi", 200, 0.1, 0.0), "ok"),
        (skew_finding("online kalshi", 200, 0.1, 5.0), "warn"),
        (skew_finding("online kalshi", 200, 0.1, 45.0), "fail"),
    ],
)
def test_states(finding: Finding, status: str) -> None:
    assert finding.status == status
    assert finding.found
    assert bool(finding.fix) == (status != "ok"), "whoever is warned is told what to do"


def test_skew_allows_for_the_cut_off_second() -> None:
    assert _skew(100.2, 100.4, 100.0) == 0.0
    assert _skew(100.0, 100.1, 99.0) == 0.0
    assert _skew(103.5, 103.6, 100.0) == 2.5
    assert _skew(100.0, 100.5, 104.0) == 3.5


def test_a_clock_that_steps_and_one_that_goes_back() -> None:
    wall = iter([0, 60_000_000_000])
    steady = iter(range(10_000))
    assert checks.check_monotonic(lambda: next(wall), lambda: next(steady)).status == "warn"
    back = iter([5, 6, 4])
    assert checks.check_monotonic(lambda: 0, lambda: next(back)).status == "fail"


def lock(folder: Path, text: str) -> Path:
    path = folder / "requirements.lock"
    path.write_text(text)
    return path


LOCK = (
    "nautilus-trader==1.231.0 \\\n    --hash=sha256:00\n"
    "rich==15.0.0 \\\n    --hash=sha256:00\n    # via typer\n"
    "tzdata==2026.1 ; sys_platform == 'win32' \\\n    --hash=sha256:00\n"
)


@pytest.mark.parametrize(
    ("installed", "status", "said"),
    [
        ({"nautilus-trader": "1.231.0", "rich": "15.0.0"}, "ok", "3 as locked"),
        ({"nautilus-trader": "1.231.0", "rich": "14.0"}, "warn", "rich 14.0 (lock: 15.0.0)"),
        ({"nautilus-trader": "1.230.0", "rich": "15.0.0"}, "fail", "nautilus-trader 1.230.0"),
        ({"rich": "15.0.0"}, "fail", "nautilus-trader missing"),
    ],
)
def test_packages_against_the_lock(tmp_path: Path, installed: dict, status: str, said: str) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    (finding,) = checks.check_packages(lock(tmp_path, LOCK), version)
    assert finding.status == status
    assert said in finding.found


def test_packages_without_a_lock(tmp_path: Path) -> None:
    (finding,) = checks.check_packages(tmp_path / "requirements.lock")
    assert finding.status == "warn"


def test_the_repository_is_as_locked() -> None:
    root = Path(__file__).resolve().parents[2]
    (finding,) = checks.check_packages(root / "requirements.lock")
    assert finding.status == "ok", finding


def test_data(tmp_path: Path) -> None:
    def says(value: object) -> list[tuple[str, str]]:
        return [
            (f.status, f.found) for f in checks.check_data(None if value is None else str(value))
        ]

    assert says(None)[0][0] == "warn"
    assert "no such folder" in says(tmp_path / "none")[0][1]
    assert "no recording" in says(tmp_path)[0][1]
    quotes = tmp_path / "a" / "quotes"
    quotes.mkdir(parents=True)
    (quotes / "pairs.json").write_text("[]")
    assert [s for s, _ in says(tmp_path)] == ["ok", "warn"]
    (quotes / "S1.parquet").write_bytes(b"")
    dataset = tmp_path / "ds"
    dataset.mkdir()
    for name in ("dataset.json", "pairs.json"):
        (dataset / name).write_text("{}")
    assert says(tmp_path) == [("ok", f"{tmp_path}: 1 recorded sessions in 1 folders, 1 datasets")]


def test_configs(tmp_path: Path) -> None:
    assert checks.check_configs(tmp_path)[0].status == "warn"
    (tmp_path / "other.toml").write_text("a = 1\n")
    assert checks.check_configs(tmp_path)[0].status == "ok"
    (tmp_path / "broken.toml").write_text("a = \n")
    (tmp_path / "backtest.toml").write_text("nonsense = 1\n")
    found = checks.check_configs(tmp_path)
    assert [f.status for f in found] == ["warn", "warn"]
    assert "backtest.toml" in found[0].found
    assert "nonsense" in found[0].found
    assert "broken.toml" in found[1].found


def test_writing_where_nothing_may_be_written(tmp_path: Path) -> None:
    assert checks.check_writing(tmp_path).status == "ok"
    assert checks.check_writing(tmp_path / "none").status == "fail"
    assert checks.check_disk(tmp_path / "none").status == "fail"
    assert checks.check_sqlite(tmp_path / "none").status == "warn"
    assert list(tmp_path.iterdir()) == []


def test_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(Path(__file__).resolve().parents[2])
    result = RUNNER.invoke(app, ["--json"])
    found = json.loads(result.output)
    names = {c["check"] for c in found["checks"]}
    assert {"python", "platform", "packages", "disk", "memory", "writing", "journal", "data",
            "settings", "clock", "date", "monotonic", "timezone"} <= names  # fmt: skip
    assert not any(c["check"].startswith("online") for c in found["checks"])
    assert result.exit_code == int(found["blocked"])
    text = RUNNER.invoke(app, [])
    assert text.exit_code == result.exit_code
    assert "python" in text.output


def test_from_another_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = {c["check"]: c for c in json.loads(RUNNER.invoke(app, ["--json"]).output)["checks"]}
    assert found["packages"]["status"] == found["settings"]["status"] == "ok"
    assert str(tmp_path) in found["writing"]["found"]
    assert list(tmp_path.iterdir()) == []


def test_a_blocker_sets_the_exit_code(monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = [Finding("fail", "python", "3.9", "install 3.13"), Finding("warn", "x", "y", "z")]
    monkeypatch.setattr("twinbook.commands.doctor.examine", lambda _here, **_: blocked)
    result = RUNNER.invoke(app, [])
    assert result.exit_code == 1
    assert "-> install 3.13" in result.output
    assert "1 of 2 checks block, 1 warn" in result.output
    monkeypatch.setattr("twinbook.commands.doctor.examine", lambda _here, **_: blocked[1:])
    assert RUNNER.invoke(app, []).exit_code == 0
