"""The house keeps its own rules: layout, sizes, lock file, changelog, purity."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ROOTS = PYPROJECT["tool"]["uv"]["build-backend"]["module-name"]
LINES_MAX = 700


def tracked(*patterns: str) -> list[Path]:
    """Files git knows (or, in an export without git, the files on disk) that match."""
    try:
        out = subprocess.run(
            ["git", "ls-files", "--", *patterns],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split("\n")
        found = [ROOT / line for line in out if line]
    except (OSError, subprocess.CalledProcessError):
        found = [p for pattern in patterns for p in ROOT.rglob(pattern.lstrip("/"))]
        found = [p for p in found if not {".venv", ".uv"} & set(p.relative_to(ROOT).parts)]
    return [p for p in found if p.is_file()]


@pytest.mark.parametrize("name", ROOTS)
def test_every_root_package_is_ours(name: str) -> None:
    """A package of the same name in site-packages must never win over ours."""
    module = importlib.import_module(name)
    assert module.__file__ is not None
    assert Path(module.__file__).resolve().is_relative_to(ROOT)


def test_every_root_package_is_listed_everywhere() -> None:
    listed = set(PYPROJECT["tool"]["importlinter"]["root_packages"])
    assert listed == set(ROOTS)
    on_disk = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert on_disk == set(ROOTS)


def test_tests_package_is_ours() -> None:
    """A dependency installs a top-level ``tests``; ours must be the one that is imported."""
    import tests

    assert Path(tests.__file__).resolve().parent == ROOT / "tests"


def test_lock_file_has_hashes_and_no_host() -> None:
    text = (ROOT / "requirements.lock").read_text()
    assert "://" not in text
    names = re.findall(r"^([A-Za-z0-9_.-]+)==", text, flags=re.MULTILINE)
    assert len(names) > 50
    blocks = re.split(r"^(?=[A-Za-z0-9_.-]+==)", text, flags=re.MULTILINE)[1:]
    assert [b.split("==")[0] for b in blocks if "--hash=sha256:" not in b] == []


def test_lock_file_satisfies_the_direct_dependencies() -> None:
    locked = {
        m[0].lower().replace("_", "-")
        for m in re.findall(
            r"^([A-Za-z0-9_.-]+)(==)", (ROOT / "requirements.lock").read_text(), flags=re.MULTILINE
        )
    }
    declared = [
        *PYPROJECT["project"]["dependencies"],
        *PYPROJECT["dependency-groups"]["dev"],
        *(d for group in PYPROJECT["project"]["optional-dependencies"].values() for d in group),
    ]
    names = {re.split(r"[=<>;\[ ]", d)[0].lower().replace("_", "-") for d in declared}
    assert names - locked == set()


def test_every_dependency_has_its_reason() -> None:
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    declared = [
        *PYPROJECT["project"]["dependencies"],
        *PYPROJECT["dependency-groups"]["dev"],
        *(d for group in PYPROJECT["project"]["optional-dependencies"].values() for d in group),
    ]
    names = {re.split(r"[=<>;\[ ]", d)[0] for d in declared}
    assert {n for n in names if f"| `{n}`" not in reasons} == set()


def test_no_lock_file_of_another_kind() -> None:
    assert tracked("uv.lock", "poetry.lock", "*/uv.lock") == []


def test_changelog_and_package_agree_on_the_version() -> None:
    import twinbook

    version = PYPROJECT["project"]["version"]
    assert twinbook.__version__ == version
    first = re.search(r"^## \[?v?([^\]\s]+)", (ROOT / "CHANGELOG.md").read_text(), flags=re.M)
    assert first is not None
    assert first.group(1) == version


def test_files_stay_small_enough_to_hold_in_the_head() -> None:
    long = {
        str(p.relative_to(ROOT)): n
        for p in tracked("*.py")
        if (n := len(p.read_text().splitlines())) > LINES_MAX
    }
    assert long == {}


def test_no_large_file_and_no_recording_is_in_the_repository() -> None:
    large = [str(p.relative_to(ROOT)) for p in tracked("*") if p.stat().st_size > 1_500_000]
    assert large == []
    assert tracked("*.parquet", "*.zst", "*.db") == []


def test_notebooks_are_plain_scripts_without_outputs() -> None:
    assert tracked("*.ipynb") == []


STATISTICS = {"clauses.py"}  # quantiles of a distribution: probabilities, never money


def test_core_never_uses_binary_floats() -> None:
    """No float literal, no ``float(...)`` call in core, except where it is statistics."""
    found = []
    for path in sorted((ROOT / "core").rglob("*.py")):
        if path.name in STATISTICS:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            literal = isinstance(node, ast.Constant) and isinstance(node.value, float)
            call = (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id == "float"
            )
            if literal or call:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert found == []


def test_ci_and_readme_call_the_same_commands() -> None:
    ci = (ROOT / ".ci" / "run").read_text()
    readme = (ROOT / "README.md").read_text()
    for command in ("./run demo", "./run test"):
        assert command in ci
        assert command in readme


def test_no_empty_bodies_in_the_product() -> None:
    """A bare ``raise NotImplementedError`` is a stub; abstract methods say ``@abstractmethod``."""
    stub = re.compile(r"raise NotImplementedError(\(\))?\s*(#.*)?$")
    found = [
        f"{p.relative_to(ROOT)}:{i}"
        for p in tracked("*.py")
        if p.relative_to(ROOT).parts[0] != "tests"
        for i, line in enumerate(p.read_text().splitlines(), 1)
        if stub.search(line)
    ]
    assert found == []


def test_no_left_overs() -> None:
    marks = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b|pragma: no cover")
    found = [
        f"{p.relative_to(ROOT)}:{i}"
        for p in tracked("*.py")
        if p != Path(__file__).resolve()
        for i, line in enumerate(p.read_text().splitlines(), 1)
        if marks.search(line)
    ]
    assert found == []
