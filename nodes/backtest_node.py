"""Backtest the cross-venue arbitrage on recorded or generated books.

::

    python -m nodes.backtest_node --config configs/backtest.toml --data DIR --output runs/mine

``--data`` is a dataset (``twinbook data load``) or a folder of recordings in the schema of
``docs/data.md``. The output folder is described in ``docs/results_schema.md``; it appears complete
or not at all. Exit codes: 0 done; 2 the settings or the data are wrong (one line on stderr says
what); 3 the simulation stopped or did not reconcile; 130 interrupted.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports below, which take seconds
    from nodes.stop import quit_at_once

    quit_at_once("backtest: interrupted, nothing was written")

import argparse
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from backtests.data import (
    DataError,
    Dataset,
    build_dataset,
    check_dataset,
    cut_windows,
    generate_dataset,
    is_dataset,
    open_dataset,
    scan_dataset,
)
from backtests.errors import BacktestError, RunFailedError
from backtests.node import ReplayNode, ReplayPlan
from backtests.replay import ReplayCounts
from backtests.report import ReportError, write_report
from backtests.results.extract import Sessions
from backtests.results.tables import DecisionTable
from backtests.results.write import (
    DECISIONS_FILE,
    QUALITY_FILE,
    SUMMARY_FILE,
    DecisionLog,
    RunInfo,
    dataset_facts,
    encode_summary,
    new_folder,
    write_results,
)
from configs.backtest import PLACES, BacktestConfig
from configs.loader import ConfigError, config_hash, load, to_toml
from core.pairs import Pair, PairsError, encode_pairs
from core.reasons import Reason
from nodes.backtest_plan import make_plan, merge_sessions, override_fees
from nodes.progress import Progress
from nodes.stop import EXIT_INTERRUPTED, Stopped, stoppable

EXIT_BAD_INPUT = 2
EXIT_RUN_FAILED = 3

_HINT = (
    "hint: no pair is approved; set data.accept_recorded = true to trade a recording's own pairs "
    "in a backtest"
)

_BAD_INPUT = (ConfigError, DataError, PairsError, BacktestError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    args = _arguments().parse_args(argv)
    try:
        config = load(args.config, BacktestConfig)
        if args.show_config:
            _say(to_toml(config).rstrip())
            return 0
        with stoppable() as stop:
            report = backtest(
                config,
                data=args.data,
                output=args.output or _default(args.config),
                check=stop.check,
            )
    except (RunFailedError, ReportError) as error:
        return _fail(error, EXIT_RUN_FAILED)
    except _BAD_INPUT as error:
        return _fail(error, EXIT_BAD_INPUT)
    except Stopped as stopped:
        return _fail("interrupted, nothing was written", stopped.code)
    except KeyboardInterrupt:
        return _fail("interrupted, nothing was written", EXIT_INTERRUPTED)
    _say(str(report))
    return 0


def _arguments() -> argparse.ArgumentParser:
    text = (__doc__ or "").split("::")[0].strip()
    parser = argparse.ArgumentParser("python -m nodes.backtest_node", description=text)
    parser.add_argument("--config", type=Path, required=True, help="settings, a TOML file")
    parser.add_argument("--data", type=Path, help="a dataset or a folder of recordings")
    parser.add_argument("--output", type=Path, help="folder to write (default: runs/<config>)")
    parser.add_argument(
        "--show-config", action="store_true", help="print the effective settings and stop"
    )
    return parser


def _default(config: Path) -> Path:
    return Path("runs") / config.stem


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _note(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _fail(error: object, code: int) -> int:
    _note(f"backtest: {' '.join(str(error).split())}")
    return code


def backtest(
    config: BacktestConfig,
    *,
    data: Path | None,
    output: Path,
    check: Callable[[], None] = lambda: None,
) -> Path:
    """Run one backtest and write its folder.

    Parameters
    ----------
    config : BacktestConfig
        All settings.
    data : Path, optional
        A dataset or a folder of recordings; wins over ``data.dir``.
    output : Path
        Folder to write; an earlier result there is replaced.
    check : Callable, optional
        Called between chunks of rows; may raise to stop the run.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    DataError, PairsError, BacktestError
        If the input is wrong, the simulation stops early or does not reconcile. Nothing is
        written then.
    """
    with _new_output(output) as draft:
        with _dataset(config, data, draft.parent / f"{draft.name}.data") as whole:
            pairs = merge_sessions(whole.pairs(), str(whole.pairs_path))
            pairs = override_fees(pairs, config.fees)
            with _windows(whole, pairs, config, draft) as dataset:
                plan = make_plan(dataset, pairs, config)
                info = _info(dataset, plan, config)
                _note(_heading(info, pairs, plan))
                summary = _replay(plan, info, pairs, draft, check)
                if plan.hazard is not None and config.fills.compare:
                    summary["without_hazard"] = _without_hazard(plan, info, pairs, draft, check)
                    (draft / SUMMARY_FILE).write_text(encode_summary(summary))
            if whole.quality() is None:
                check_dataset(whole)
            shutil.copyfile(whole.path / QUALITY_FILE, draft / QUALITY_FILE)
        (draft / "pairs.json").write_bytes(encode_pairs(pairs))
        (draft / "config.toml").write_text(to_toml(config))
        report = write_report(draft)
    _note(_ending(summary))
    if set(summary["decisions"]["refused"]) == {Reason.NOT_APPROVED.value}:
        _note(_HINT)
    return output / report.name


@contextmanager
def _new_output(output: Path) -> Iterator[Path]:
    """Give the folder to fill; a place where none can be made is wrong input, not a crash."""
    with ExitStack() as stack:
        try:
            draft = stack.enter_context(new_folder(output))
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise BacktestError(f"--output {output}: cannot create: {reason}") from None
        yield draft


def _replay(
    plan: ReplayPlan,
    info: RunInfo,
    pairs: Sequence[Pair],
    folder: Path,
    check: Callable[[], None],
    what: str = "replay",
) -> dict[str, Any]:
    sessions = Sessions(info.sessions)
    total = info.data["deltas"]

    def on_chunk(counts: ReplayCounts) -> None:
        check()
        progress.update(counts.deltas, total)

    with (
        DecisionTable(folder / DECISIONS_FILE, sessions.at) as table,
        Progress(what, "rows") as progress,
    ):
        log = DecisionLog(table, sessions)
        node = ReplayNode(
            plan,
            on_chunk=on_chunk,
            on_decision=log.add,
        )
        try:
            replay = node.replay()
            check()
            if not replay.collector.counters:
                raise RunFailedError("the strategy did not run: see [replay] log_level = 'ERROR'")
            return write_results(folder, replay, info, log, pairs)
        finally:
            node.dispose()


def _without_hazard(
    plan: ReplayPlan,
    info: RunInfo,
    pairs: Sequence[Pair],
    draft: Path,
    check: Callable[[], None],
) -> dict[str, Any]:
    """Run the same day in a perfect world; return its headline for the summary."""
    folder = draft.parent / f"{draft.name}.pure"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    try:
        pure = msgspec.structs.replace(plan, hazard=None)
        summary = _replay(pure, info, pairs, folder, check, "replay without hazard")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {
        "pnl": summary["pnl"],
        "boxes": {key: summary["boxes"][key] for key in ("opened", "contracts", "cost")},
        "orders": summary["orders"],
        "decisions": {"taken": summary["decisions"]["taken"]},
    }


@contextmanager
def _windows(
    whole: Dataset, pairs: Sequence[Pair], config: BacktestConfig, draft: Path
) -> Iterator[Dataset]:
    """Give the data to replay: all of it, or what the scan's windows need."""
    if not config.replay.windows_only:
        yield whole
        return
    work = draft.parent / f"{draft.name}.windows"
    try:
        scan = scan_dataset(whole, pairs=pairs, policy=config.strategy, write=False)
        yield cut_windows(whole, scan, work, replace=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _dataset(config: BacktestConfig, data: Path | None, work: Path) -> Iterator[Dataset]:
    """Open, load or generate the data; what was made for this run alone is removed after it."""
    source = data or (Path(config.data.dir) if config.data.dir else None)
    try:
        if source is not None and is_dataset(source):
            dataset = open_dataset(source)
        elif source is not None:
            dataset = _load(source, work, config)
        elif config.data.synthetic is not None:
            _note(f"generating a synthetic session, seed {config.data.synthetic.seed}")
            dataset = generate_dataset(work, config.data.synthetic)
        else:
            raise ConfigError(
                "--data: not given, allowed a dataset or a folder of recordings "
                "(or set data.dir or [data.synthetic] in the settings)"
            )
        yield dataset
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _load(source: Path, work: Path, config: BacktestConfig) -> Dataset:
    with Progress("load", "rows") as progress:
        try:
            return build_dataset(
                source,
                work,
                accept_recorded=config.data.accept_recorded,
                sessions=config.data.sessions or None,
                progress=lambda done, total, _: progress.update(done, total),
            )
        except DataError as error:
            if error.field != "--session":
                raise
            # the loader names the option of `twinbook data load`; here a setting chooses
            raise DataError(source, error.found, error.allowed, field="data.sessions") from None


def _info(dataset: Dataset, plan: ReplayPlan, config: BacktestConfig) -> RunInfo:
    facts = dataset_facts(dataset, windows_only=config.replay.windows_only)
    facts["deltas"] = sum(info.deltas for info in dataset.instruments)
    return RunInfo(
        config_hash=config_hash(config, without=PLACES),
        synthetic=dataset.synthetic,
        data=facts,
        models=_models(plan, config),
        sessions=[(session.name, session.start_ns) for session in dataset.sessions],
        span_ns=dataset.span_ns,
        capital={venue.name: venue.capital for venue in plan.venues},
        currencies={venue.name: venue.currency for venue in plan.venues},
    )


def _models(plan: ReplayPlan, config: BacktestConfig) -> dict[str, Any]:
    return {
        "fills": config.fills.model,
        "hazard_seed": config.fills.seed if plan.hazard else None,
        "latency_ms": {venue.name: venue.latency_ms for venue in plan.venues},
        "matching_delay_ms": {venue.name: venue.delay_ms for venue in plan.venues},
        "checks_off": [reason.value for reason in config.strategy.checks_off],
        "fees": {
            name: value if isinstance(value, str) else str(value)
            for name in config.fees.__struct_fields__
            if (value := getattr(config.fees, name)) is not None
        },
    }


def _heading(info: RunInfo, pairs: Sequence[Pair], plan: ReplayPlan) -> str:
    kind = "synthetic" if info.synthetic else "recorded"
    venues = ", ".join(f"{v.name} {v.capital} {v.currency}" for v in plan.venues)
    return (
        f"{info.data['name']}: {kind}, {len(info.sessions)} session(s), {len(pairs)} pair(s), "
        f"{info.data['deltas']:,} rows; capital {venues}; fills {info.models['fills']}; "
        f"config {info.config_hash[:12]}"
    )


def _ending(summary: dict[str, Any]) -> str:
    boxes, decisions, pnl = summary["boxes"], summary["decisions"], summary["pnl"]
    refused = ", ".join(f"{reason} {count:,}" for reason, count in decisions["refused"].items())
    return (
        f"{decisions['evaluated']:,} decisions, {decisions['taken']:,} taken"
        f"{f' (refused: {refused})' if refused else ''}; {boxes['opened']:,} boxes of "
        f"{boxes['contracts']} contracts; profit and loss {pnl['total']}; cash difference "
        f"{summary['reconciliation']['cash_difference']}"
    )


if __name__ == "__main__":
    sys.exit(main())
