"""``twinbook data``: load, generate, check, scan, cut and download market data."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from backtests.data import (
    DataError,
    Dataset,
    GeneratorSettings,
    build_dataset,
    check_dataset,
    cut_windows,
    generate_dataset,
    open_dataset,
    scan_dataset,
)
from backtests.data.archives.files import (
    HOUR_FORMAT,
    Archive,
    hours,
    parse_hour,
    polymarket_archive,
)
from backtests.data.load import read_pairs
from backtests.data.statistics import describe
from core.contracts import Venue

app = typer.Typer(
    no_args_is_help=True, help="Load, generate, check and scan market data (docs/data.md)."
)

#: Exit code for input that cannot be used; typer itself uses 2 for a wrong command line.
EXIT_BAD_DATA = 3

#: Tables keep their width in a pipe or a file; a terminal decides for itself.
_out = Console(highlight=False, width=None if sys.stdout.isatty() else 150)
_err = Console(stderr=True, highlight=False)

Output = Annotated[Path, typer.Option("--output", "-o", help="New folder for the dataset.")]
Replace = Annotated[bool, typer.Option("--replace", help="Replace the folder if it exists.")]
DatasetDir = Annotated[Path, typer.Argument(metavar="DIR", help="A dataset folder.")]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    """Turn bad input into one line on stderr and an exit code."""
    try:
        yield
    except DataError as error:
        _err.print(f"twinbook data: {error}", soft_wrap=True, markup=False)
        raise typer.Exit(EXIT_BAD_DATA) from None
    except ValueError as error:
        _err.print(f"twinbook data: {error}", soft_wrap=True, markup=False)
        raise typer.Exit(EXIT_BAD_DATA) from None


@contextmanager
def _progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar with counts and the time left; nothing where there is no terminal."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_err, transient=True, disable=not _err.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@app.command()
def load(
    src: Annotated[Path, typer.Argument(metavar="SRC_DIR", help="Folder of recordings.")],
    output: Output,
    session: Annotated[
        list[str] | None, typer.Option("--session", "-s", help="Load only this session.")
    ] = None,
    accept_recorded: Annotated[
        bool,
        typer.Option(
            "--accept-recorded/--no-accept-recorded",
            help="Let backtests trade the recordings' own pairs.",
        ),
    ] = True,
    replace: Replace = False,
) -> None:
    """Turn recordings (*.parquet and pairs.json) into a dataset."""
    with _one_line_errors(), _progress("loading") as show:
        dataset = build_dataset(
            src,
            output,
            accept_recorded=accept_recorded,
            sessions=session or None,
            progress=lambda done, total, _name: show(done, total),
            replace=replace,
        )
    _summary(dataset)


@app.command()
def generate(
    output: Output,
    seed: Annotated[int, typer.Option(help="Everything random follows from it.")] = 7,
    pairs: Annotated[int, typer.Option(help="Number of pairs.")] = 6,
    minutes: Annotated[float, typer.Option(help="Length of the session.")] = 90.0,
    rate: Annotated[float, typer.Option(help="Multiplies the message rate.")] = 1.0,
    levels: Annotated[int, typer.Option(help="Price levels a side.")] = 6,
    style: Annotated[str, typer.Option(help="mixed, outright or game.")] = "mixed",
    replace: Replace = False,
) -> None:
    """Generate a synthetic session of both venues from a seed."""
    with _one_line_errors(), _progress("generating") as show:
        if style not in ("mixed", "outright", "game"):
            raise DataError("--style", repr(style), "mixed, outright or game")
        settings = GeneratorSettings(
            seed=seed, pairs=pairs, minutes=minutes, rate=rate, levels=levels, style=style
        )
        dataset = generate_dataset(output, settings, progress=show, replace=replace)
    _summary(dataset)


@app.command()
def check(directory: DatasetDir) -> None:
    """Check a dataset: gaps, crossed books, stale legs, clocks, sums; write quality.json."""
    with _one_line_errors():
        dataset = open_dataset(directory)
        result = check_dataset(dataset)
    _out.print(_book_table(result))
    _out.print(_pair_table(result))
    for feed in result["feeds"]:
        for gap in feed["gaps"]:
            _out.print(
                f"gap: {feed['session']} {feed['venue']} silent for "
                f"{gap['length_ns'] / 1e9:.0f} s from {gap['start_ns']}"
            )
    issues = result["issues"]
    kinds = sorted({i["kind"] for i in issues})
    counted = ", ".join(f"{k} {sum(i['kind'] == k for i in issues)}" for k in kinds)
    _out.print(f"{len(issues)} issues{': ' + counted if counted else ''}")
    _out.print(f"wrote {directory / 'quality.json'}", soft_wrap=True)


@app.command()
def scan(
    directory: DatasetDir,
    cut: Annotated[
        Path | None, typer.Option("--cut", help="Write the smaller dataset with the windows alone.")
    ] = None,
    gap: Annotated[
        int | None,
        typer.Option(help="Also cut out quiet stretches longer than this many seconds."),
    ] = None,
    replace: Replace = False,
) -> None:
    """Find windows with a possible net edge before any replay; write windows.json."""
    with _one_line_errors():
        dataset = open_dataset(directory)
        found = scan_dataset(dataset)
        smaller = None
        if cut is not None:
            gap_ns = None if gap is None else gap * 1_000_000_000
            smaller = cut_windows(dataset, found, cut, gap_ns=gap_ns, replace=replace)
    table = Table(title="windows with a possible net edge")
    for name in ("pair", "session", "windows", "seconds", "best edge $"):
        table.add_column(name, justify="left" if name in ("pair", "session") else "right")
    opened = [w for w in found.windows if w.kind == "open"]
    for pair, session in sorted({(w.pair_id, w.session) for w in opened}):
        mine = [w for w in opened if (w.pair_id, w.session) == (pair, session)]
        seconds = sum(w.end_ns - w.start_ns for w in mine) / 1e9
        best = max(w.edge_u for w in mine) / 1e6
        table.add_row(pair, session, str(len(mine)), f"{seconds:.1f}", f"{best:.4f}")
    _out.print(table)
    _out.print(f"{found.rows} observations, {found.hits} with a possible edge")
    _out.print(f"wrote {directory / 'windows.json'}", soft_wrap=True)
    if smaller is not None:
        _summary(smaller)


@app.command()
def stats(directory: DatasetDir) -> None:
    """Print spread, depth, message rate and edges: what the generator is calibrated to."""
    with _one_line_errors():
        found = describe(open_dataset(directory))
    table = Table(title="books by venue")
    rows: dict[str, Any] = {v: s for v, s in found.venues.items()}
    table.add_column("statistic")
    for venue in rows:
        table.add_column(venue, justify="right")
    for name in next(iter(rows.values())).__struct_fields__:
        table.add_row(name, *(str(getattr(s, name)) for s in rows.values()))
    _out.print(table)
    edges = Table(title="gross edges")
    edges.add_column("statistic")
    edges.add_column("value", justify="right")
    for name in found.edges.__struct_fields__:
        edges.add_row(name, str(getattr(found.edges, name)))
    _out.print(edges)


@app.command()
def download(
    mirror: Annotated[Path, typer.Argument(metavar="MIRROR", help="Folder to fill.")],
    first: Annotated[str, typer.Option("--from", help="First UTC hour, e.g. 2026-06-01T12.")],
    last: Annotated[str, typer.Option("--to", help="Last UTC hour, included.")],
    venue: Annotated[
        list[str] | None, typer.Option(help="kalshi or polymarket; default: both.")
    ] = None,
    proxy: Annotated[str | None, typer.Option(help="HTTP proxy.")] = None,
) -> None:
    """Download hours of the public L2 archives, resuming what was interrupted."""
    from backtests.data.archives.download import DownloadSettings, Result
    from backtests.data.archives.download import download as fetch

    with _one_line_errors(), _progress("downloading") as show:
        wanted = _wanted_hours(first, last, venue or ["kalshi", "polymarket"])
        outcomes = asyncio.run(
            fetch(
                mirror,
                wanted,
                DownloadSettings(proxy=proxy),
                progress=lambda _name, done, total: show(done, total),
            )
        )
    for outcome in outcomes:
        why = f": {outcome.why}" if outcome.why else f" ({outcome.bytes} bytes)"
        line = f"{outcome.archive}/{outcome.name} {outcome.result.value}{why}"
        _out.print(line, soft_wrap=True, markup=False)
    if any(o.result is Result.FAILED for o in outcomes):
        raise typer.Exit(EXIT_BAD_DATA)


def _wanted_hours(first: str, last: str, venues: list[str]) -> list[tuple[Archive, datetime]]:
    """Return the hours of the venues in time order."""
    span = list(hours(parse_hour(first), parse_hour(last)))
    if not span:
        raise DataError("--to", last, f"an hour from {first} on")
    wanted = []
    for hour in span:
        for name in venues:
            if name not in ("kalshi", "polymarket"):
                raise DataError("--venue", repr(name), "kalshi or polymarket")
            archive = Archive.KALSHI if name == "kalshi" else polymarket_archive(hour)
            if not archive.first <= hour <= archive.last:
                allowed = f"{archive.first:{HOUR_FORMAT}} to {archive.last:{HOUR_FORMAT}}"
                raise DataError(archive.value, f"{hour:{HOUR_FORMAT}}", allowed, field="hour")
            wanted.append((archive, hour))
    return wanted


@app.command()
def archive(
    mirror: Annotated[Path, typer.Argument(metavar="MIRROR", help="Folder of archive hours.")],
    pairs: Annotated[Path, typer.Option(help="pairs.json: tickers and YES tokens.")],
    first: Annotated[str, typer.Option("--from", help="First UTC hour, e.g. 2026-06-01T12.")],
    last: Annotated[str, typer.Option("--to", help="Last UTC hour, included.")],
    output: Output,
    seed_hours: Annotated[int, typer.Option(help="Hours read before to seed the books.")] = 2,
    use_degraded: Annotated[bool, typer.Option(help="Read files that failed the test.")] = False,
    reproduced_min: Annotated[
        float, typer.Option(help="Leave out pairs that reproduced a smaller share of snapshots.")
    ] = 0.0,
    kalshi_delay_ms: Annotated[int, typer.Option(help="Modelled delay of Kalshi's feed.")] = 50,
    polymarket_delay_ms: Annotated[int, typer.Option(help="Likewise of Polymarket's.")] = 50,
    replace: Replace = False,
) -> None:
    """Rebuild the books of pairs from a mirror of the archives into a dataset."""
    from backtests.data.archives.load import load_archives
    from backtests.data.archives.settings import ArchiveSettings

    with _one_line_errors(), _progress("rebuilding") as show:
        dataset = load_archives(
            mirror,
            read_pairs(pairs, accept_recorded=True),
            output,
            ArchiveSettings(
                first=parse_hour(first),
                last=parse_hour(last),
                seed_hours=seed_hours,
                use_degraded=use_degraded,
                reproduced_min=reproduced_min,
                delay_ms={
                    Venue.KALSHI: kalshi_delay_ms,
                    Venue.POLYMARKET: polymarket_delay_ms,
                },
            ),
            progress=lambda done, total, _name: show(done, total),
            replace=replace,
        )
    coverage = json.loads((dataset.path / "coverage.json").read_bytes())
    table = Table(title="books rebuilt from the archives")
    for name in ("market", "observations", "snapshots reproduced", "share"):
        table.add_column(name, justify="left" if name == "market" else "right")
    for name, market in coverage["markets"].items():
        compared = f"{market['snapshots_reproduced']} of {market['snapshots_compared']}"
        share = market["reproduced_share"]
        shown = "–" if share is None else f"{share:.0%}"
        table.add_row(_short(name), str(market["observations"]), compared, shown)
    _out.print(table)
    for entry in coverage["files"]:
        if entry["verdict"] != "accept":
            _out.print(f"{entry['file']}: {entry['verdict']}: {entry['why']}", soft_wrap=True)
    for pair, why in coverage["pairs_dropped"].items():
        _out.print(f"left out {pair}: {why}", soft_wrap=True)
    _summary(dataset)


def _summary(dataset: Dataset) -> None:
    manifest = dataset.manifest
    label = "synthetic dataset" if dataset.synthetic else "dataset"
    table = Table(title=f"{label} {manifest.name}")
    for name in ("session", "kind", "pairs", "observations", "deltas", "minutes"):
        table.add_column(name, justify="left" if name in ("session", "kind") else "right")
    for s in dataset.sessions:
        minutes = (s.end_ns - s.start_ns) / 6e10
        row = (str(len(s.pair_ids)), str(s.observations), str(s.deltas), f"{minutes:.1f}")
        table.add_row(s.name, s.kind, *row)
    _out.print(table)
    if manifest.counts:
        _out.print(", ".join(f"{k} {v}" for k, v in sorted(manifest.counts.items())))
    _out.print(f"wrote {dataset.path}", soft_wrap=True)


def _short(name: str) -> str:
    return name if len(name) <= 44 else f"{name[:20]}…{name[-23:]}"


def _book_table(result: dict[str, Any]) -> Table:
    synthetic = " (synthetic)" if result["synthetic"] else ""
    table = Table(title=f"books of {result['dataset']}{synthetic}")
    for name in (
        "instrument", "role", "seen", "one-sided", "crossed", "locked", "spread", "YES+NO ask min",
        "longest gap s", "order",
    ):  # fmt: skip
        left = name in ("instrument", "role")
        width = 24 if name == "instrument" else len(name.split()[0])
        table.add_column(name, justify="left" if left else "right", min_width=width)
    for name, book in result["instruments"].items():
        table.add_row(
            _short(name),
            book["role"],
            str(book["observations"]),
            f"{book['one_sided_share']:.1%}",
            str(book["crossed"]),
            str(book["locked"]),
            book["spread_median"] or "–",
            book["yes_ask_plus_no_ask"]["min"] or "–",
            f"{book['gap_max_ns'] / 1e9:.1f}",
            "ok" if not book["out_of_order"] else f"{book['out_of_order']} back",
        )
    return table


def _pair_table(result: dict[str, Any]) -> Table:
    table = Table(title="pairs")
    for name in ("pair", "session", "stale legs", "ask sums min", "below $1"):
        table.add_column(name, justify="left" if name in ("pair", "session") else "right")
    for pair in result["pairs"]:
        sums = [s for s in pair["ask_sums"].values() if s["min"] is not None]
        table.add_row(
            _short(pair["pair_id"]),
            pair["session"],
            " / ".join(f"{share:.0%}" for share in pair["stale_share"].values()),
            min((s["min"] for s in sums), default="–"),
            " / ".join(f"{s['below_one_share']:.0%}" for s in sums) or "–",
        )
    return table
