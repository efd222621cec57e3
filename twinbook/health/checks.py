"""Checks of this machine. Each takes what it needs, returns findings, and never raises."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
import time
import tomllib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Literal

import msgspec

Status = Literal["ok", "warn", "fail"]
GIB = 2**30

#: Wheels of nautilus_trader 1.231.0: manylinux_2_35, macOS 26 on arm64, Windows x64 (PyPI file
#: list, 2026-11).
GLIBC_MIN = (2, 35)
PYTHON_MIN, PYTHON_END = (3, 12), (3, 14)
DISK_FAIL, DISK_WARN = 1 * GIB, 5 * GIB
MEMORY_FAIL, MEMORY_WARN = GIB // 2, 2 * GIB
FILES_MIN = 1_024
LOCK_FILE = "requirements.lock"
#: Without these no backtest runs; other packages may lag the lock file with a warning.
VITAL = ("nautilus-trader", "msgspec", "pyarrow", "pandas", "numpy", "typer")
_LOCKED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)\s*(;[^\\]*)?")


class Finding(msgspec.Struct, frozen=True):
    """One line: how it is, what was examined, what was found, how to mend it."""

    status: Status
    what: str
    found: str
    fix: str = ""


def examine(
    here: Path, *, root: Path | None = None, env: Mapping[str, str] | None = None
) -> list[Finding]:
    """Run every check that needs no network.

    Parameters
    ----------
    here : Path
        The folder the program runs in: examined for disk space and the right to write.
    root : Path or None
        The repository, with the lock file and ``configs/``; ``here`` by default.
    env : Mapping or None
        The environment; the process's own by default.
    """
    env = os.environ if env is None else env
    root = here if root is None else root
    return [
        check_python(sys.version_info[:3]),
        check_platform(sys.platform, platform.machine(), platform.libc_ver()),
        *check_packages(root / LOCK_FILE),
        check_disk(here),
        check_memory(_available_memory()),
        check_writing(here),
        check_sqlite(here),
        check_files(_file_limit()),
        *check_data(env.get("TWINBOOK_DATA")),
        *check_configs(root / "configs"),
        check_clock_sync(_kernel_clock()),
        check_wall_clock(time.time_ns()),
        check_monotonic(time.time_ns, time.monotonic_ns),
        check_timezone(datetime.now().astimezone().tzname() or "unknown"),
    ]


# -- the interpreter and its packages --------------------------------------------------


def check_python(version: tuple[int, ...]) -> Finding:
    """Python 3.12 or 3.13."""
    words = ".".join(str(v) for v in version)
    if PYTHON_MIN <= version[:2] < PYTHON_END:
        return Finding("ok", "python", words)
    fix = "install Python 3.13 (3.12 works) and remove .venv; `./run` then picks it up"
    return Finding("fail", "python", f"{words}, allowed 3.12 or 3.13", fix)


def check_platform(system: str, machine: str, libc: tuple[str, str]) -> Finding:
    """A platform that Nautilus has wheels for."""
    words = f"{system} {machine} {' '.join(libc).strip()}".strip()
    if system == "linux":
        name, version = libc
        numbers = tuple(int(n) for n in re.findall(r"\d+", version)[:2])
        if name == "glibc" and numbers >= GLIBC_MIN:
            return Finding("ok", "platform", words)
        return Finding(
            "fail",
            "platform",
            f"{words}, glibc 2.35 or newer is needed",
            "use Debian 12, Ubuntu 22.04 or newer (Alpine's musl has no wheels), or a container",
        )
    if (system, machine.lower()) in {("darwin", "arm64"), ("win32", "amd64")}:
        return Finding("warn", "platform", words, "not tested by us; Linux is")
    return Finding("fail", "platform", f"{words}: no wheels", "use Linux with glibc 2.35 or newer")


def locked_versions(text: str) -> dict[str, tuple[str, bool]]:
    """Return package -> (version, whether a marker limits it to some platforms)."""
    found: dict[str, tuple[str, bool]] = {}
    for line in text.splitlines():
        match = _LOCKED.match(line)
        if match:
            name = re.sub(r"[-_.]+", "-", match[1]).lower()
            found[name] = (match[2], match[3] is not None)
    return found


def check_packages(lock: Path, installed: Callable[[str], str] = metadata.version) -> list[Finding]:
    """Compare what is installed with ``requirements.lock``."""
    if not lock.is_file():
        return [_vital_only(installed)]
    wrong: list[str] = []
    vital: list[str] = []
    locked = locked_versions(lock.read_text(encoding="utf-8"))
    for name, (wanted, limited) in sorted(locked.items()):
        try:
            found = installed(name)
        except metadata.PackageNotFoundError:
            if limited:
                continue
            found = "missing"
        if found != wanted:
            (vital if name in VITAL else wrong).append(f"{name} {found} (lock: {wanted})")
    fix = "remove .venv and call `./run` again: it installs exactly what the lock file names"
    if vital:
        return [Finding("fail", "packages", _few(vital + wrong), fix)]
    if wrong:
        return [Finding("warn", "packages", _few(wrong), fix)]
    return [Finding("ok", "packages", f"{len(locked)} as locked")]


def _vital_only(installed: Callable[[str], str]) -> Finding:
    missing = []
    for name in VITAL:
        try:
            installed(name)
        except metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        return Finding(
            "fail", "packages", f"missing: {', '.join(missing)}", "install twinbook anew"
        )
    return Finding(
        "warn",
        "packages",
        "no requirements.lock in this folder: versions not compared",
        "run `twinbook doctor` in the folder of the repository",
    )


def _few(items: list[str], most: int = 4) -> str:
    rest = len(items) - most
    return ", ".join(items[:most]) + (f" and {rest} more" if rest > 0 else "")


# -- the machine ---------------------------------------------------------------


def _size(amount: int) -> str:
    return f"{amount / GIB:.1f} GiB"


def check_disk(here: Path) -> Finding:
    """Room for the environment (1.5 GiB), datasets and results."""
    try:
        free = shutil.disk_usage(here).free
    except OSError as error:
        return Finding("fail", "disk", f"{here}: {error.strerror}", "run in a folder that exists")
    return disk_finding(free)


def disk_finding(free: int) -> Finding:
    """Judge free bytes."""
    words = f"{_size(free)} free"
    fix = "free some space, or work on another disk: a day of two full books takes about 1 GiB"
    if free < DISK_FAIL:
        return Finding("fail", "disk", f"{words}, at least {_size(DISK_FAIL)} is needed", fix)
    if free < DISK_WARN:
        return Finding("warn", "disk", f"{words}, {_size(DISK_WARN)} is comfortable", fix)
    return Finding("ok", "disk", words)


def _available_memory() -> int | None:
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return None
    match = re.search(r"^MemAvailable:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) * 1024 if match else None


def check_memory(available: int | None) -> Finding:
    """Memory for a replay: 1 GiB with 200 instruments."""
    if available is None:
        return Finding("warn", "memory", "cannot be read here", "make sure 2 GiB are free")
    words = f"{_size(available)} available"
    fix = "close something: a replay of 200 instruments stays below 1 GiB"
    if available < MEMORY_FAIL:
        return Finding("fail", "memory", f"{words}, {_size(MEMORY_FAIL)} is the least", fix)
    if available < MEMORY_WARN:
        return Finding("warn", "memory", f"{words}, {_size(MEMORY_WARN)} is comfortable", fix)
    return Finding("ok", "memory", words)


def check_writing(here: Path) -> Finding:
    """Results can be written here, and temporary files somewhere."""
    for place, fix in (
        (here, "run in a folder of your own, or give --output a path you may write"),
        (Path(tempfile.gettempdir()), "set TMPDIR to a folder you may write"),
    ):
        try:
            with tempfile.TemporaryFile(dir=place) as file:
                file.write(b"x")
        except OSError as error:
            return Finding("fail", "writing", f"{place}: {error.strerror}", fix)
    return Finding("ok", "writing", f"{here} and {tempfile.gettempdir()}")


def check_sqlite(here: Path) -> Finding:
    """The journal needs SQLite with a write-ahead log on a local disk."""
    words = f"SQLite {sqlite3.sqlite_version}"
    try:
        with tempfile.TemporaryDirectory(dir=here, prefix=".doctor-") as folder:
            db = sqlite3.connect(Path(folder) / "probe.db")
            mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            db.close()
    except (OSError, sqlite3.Error) as error:
        return Finding("warn", "journal", f"{words}: {error}", "keep the journal on a local disk")
    if mode != "wal":
        fix = "put the journal on a local disk: network file systems keep no write-ahead log"
        return Finding("warn", "journal", f"{words}, log mode {mode} in {here}", fix)
    return Finding("ok", "journal", f"{words}, write-ahead log works here")


def _file_limit() -> int | None:
    try:
        import resource
    except ImportError:  # not a POSIX system
        return None
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return None if limit == resource.RLIM_INFINITY else limit


def check_files(limit: int | None) -> Finding:
    """Open files: a catalog opens many."""
    if limit is None:
        return Finding("ok", "open files", "no limit")
    if limit >= FILES_MIN:
        return Finding("ok", "open files", f"limit {limit}")
    return Finding("warn", "open files", f"limit {limit}", f"ulimit -n {FILES_MIN}")


# -- data and settings ---------------------------------------------------------------

_GET = (
    "`twinbook data generate --seed 7 --output DIR` makes a synthetic session,"
    " `twinbook data download` fetches public archives (docs/data.md)"
)


def check_data(value: str | None) -> list[Finding]:
    """Recordings: named by TWINBOOK_DATA, readable, of a known form."""
    if not value:
        words = "TWINBOOK_DATA is not set: the demo uses its embedded synthetic session"
        return [
            Finding("warn", "data", words, f"to use recordings, set it to their folder; {_GET}")
        ]
    folder = Path(value)
    if not folder.is_dir():
        return [Finding("warn", "data", f"TWINBOOK_DATA={value}: no such folder", _GET)]
    if not os.access(folder, os.R_OK | os.X_OK):
        return [Finding("warn", "data", f"{value}: may not be read", "change its permissions")]
    recordings = sorted({p.parent for p in _shallow(folder, "pairs.json")} - _datasets(folder))
    datasets = sorted(_datasets(folder))
    if not recordings and not datasets:
        words = f"{value}: no recording (pairs.json with parquet) and no dataset (dataset.json)"
        return [Finding("warn", "data", words, _GET)]
    empty = [p for p in recordings if not any(p.glob("*.parquet"))]
    found = [Finding("ok", "data", f"{value}: {_places(recordings, datasets)}")]
    found += [
        Finding("warn", "data", f"{p}: pairs.json without a parquet file", "copy its sessions too")
        for p in empty
    ]
    return found


def _shallow(folder: Path, name: str) -> list[Path]:
    """Find a file at most three folders down; a catalog is too deep to walk."""
    return [p for depth in ("", "*/", "*/*/", "*/*/*/") for p in folder.glob(depth + name)]


def _datasets(folder: Path) -> set[Path]:
    return {p.parent for p in _shallow(folder, "dataset.json")}


def _places(recordings: list[Path], datasets: list[Path]) -> str:
    parts = []
    if recordings:
        sessions = sum(len(list(p.glob("*.parquet"))) for p in recordings)
        parts.append(f"{sessions} recorded sessions in {len(recordings)} folders")
    if datasets:
        parts.append(f"{len(datasets)} datasets")
    return ", ".join(parts)


def check_configs(folder: Path) -> list[Finding]:
    """Every settings file is TOML, and those of a known kind are valid."""
    files = sorted(folder.glob("*.toml")) if folder.is_dir() else []
    if not files:
        return [Finding("warn", "settings", f"{folder}: no .toml file", "give --config a file")]
    found = []
    for file in files:
        error = config_error(file)
        if error:
            found.append(Finding("warn", "settings", error, "mend the line, or restore the file"))
    names = ", ".join(f.name for f in files)
    return found or [Finding("ok", "settings", f"{names} parse")]


def config_error(file: Path) -> str | None:
    """Return what is wrong with a settings file, or None."""
    from configs.backtest import BacktestConfig
    from configs.loader import ConfigError, load

    try:
        with file.open("rb") as stream:
            tomllib.load(stream)
        if file.stem in {"backtest", "demo"}:
            load(file, BacktestConfig)
    except tomllib.TOMLDecodeError as error:
        return f"{file}: {error}"
    except (ConfigError, OSError, UnicodeDecodeError) as error:
        return str(error)
    return None


# -- the clock ---------------------------------------------------------------

_STA_UNSYNC = 0x40
_TIME_ERROR = 5


class _Timex(ctypes.Structure):
    """``struct timex`` of Linux (adjtimex(2)); the tail keeps its size."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("tail", ctypes.c_char * 256),
    )


def _kernel_clock() -> tuple[bool, int] | None:
    """Return whether the kernel's clock is synchronised and its largest error in µs.

    ``adjtimex`` with no mode set only reads and needs no right.
    """
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        buffer = _Timex(modes=0)
        state = libc.adjtimex(ctypes.byref(buffer))
    except (OSError, AttributeError):
        return None
    if state < 0:
        return None
    return state != _TIME_ERROR and not buffer.status & _STA_UNSYNC, int(buffer.maxerror)


def check_clock_sync(state: tuple[bool, int] | None) -> Finding:
    """The clock is disciplined: signatures carry a time, and ages are compared with it."""
    fix = "enable time synchronisation: `timedatectl set-ntp true`, chrony, or your host's"
    if state is None:
        return Finding("warn", "clock", "synchronisation cannot be read here", fix)
    synchronised, error_us = state
    if not synchronised:
        return Finding("warn", "clock", "the kernel says: not synchronised", fix)
    words = f"synchronised, error at most {error_us / 1000:.0f} ms"
    if error_us > 1_000_000:
        return Finding("warn", "clock", words, fix)
    return Finding("ok", "clock", words)


#: No machine that runs this lives before its release.
RELEASED_NS = int(datetime(2026, 11, 1, tzinfo=UTC).timestamp()) * 1_000_000_000


def check_wall_clock(now_ns: int) -> Finding:
    """The date is possible: a wrong one makes venues refuse every signature."""
    now = datetime.fromtimestamp(now_ns // 1_000_000_000, tz=UTC)
    words = f"{now:%Y-%m-%d %H:%M:%S} UTC"
    if now_ns < RELEASED_NS:
        past = f"{words}: before this version was written"
        return Finding("fail", "date", past, "set the clock")
    return Finding("ok", "date", words)


def check_monotonic(wall: Callable[[], int], steady: Callable[[], int]) -> Finding:
    """The wall clock runs with the monotonic one: no stepping while we look."""
    wall_0, steady_0 = wall(), steady()
    previous = steady_0
    for _ in range(2_000):
        now = steady()
        if now < previous:
            return Finding("fail", "monotonic", "went backwards", "this host's clock is broken")
        previous = now
    drift = abs((wall() - wall_0) - (steady() - steady_0))
    if drift > 5_000_000:
        words = f"the wall clock stepped by {drift / 1e6:.1f} ms while we looked"
        return Finding(
            "warn", "monotonic", words, "let time synchronisation settle, then try again"
        )
    return Finding("ok", "monotonic", "steady")


def check_timezone(name: str) -> Finding:
    """All times are UTC; the zone only matters for reading other programs' logs."""
    note = "" if name == "UTC" else " (everything here is written in UTC all the same)"
    return Finding("ok", "timezone", f"{name}{note}")
