"""``twinbook journal``: look into the journal, take backtests in, upgrade it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from backtests.report.text import clock, count, some
from core.money import to_text
from journal.errors import JournalError

app = typer.Typer(no_args_is_help=True, help="Look into the journal (docs/journal.md).")

#: Exit code for input that cannot be used; typer itself uses 2 for a wrong command line.
EXIT_BAD_INPUT = 3
#: Exit code of ``check`` when belief, fees or intents are not as they should be.
EXIT_FOUND = 1

JournalFile = Annotated[Path, typer.Argument(metavar="JOURNAL", help="The journal's file.")]


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except JournalError as error:
        typer.echo(f"twinbook journal: {error}", err=True)
        raise typer.Exit(EXIT_BAD_INPUT) from None


@app.command("import")
def import_(
    run_dir: Annotated[Path, typer.Argument(metavar="RUN_DIR", help="A backtest's folder.")],
    journal: JournalFile,
    name: Annotated[
        str | None,
        typer.Option("--name", help="Name of the run; folder and config hash by default."),
    ] = None,
) -> None:
    """Take a backtest's results into a journal, all or nothing."""
    from journal.importer import import_run

    with _one_line_errors():
        run = import_run(run_dir, journal, run_id=name)
    typer.echo(f"{run.run_id} imported into {journal}")


@app.command()
def runs(journal: JournalFile) -> None:
    """List the runs: what each decided, sent, and how it ended."""
    from journal.queries import list_runs, reading

    with _one_line_errors(), reading(journal) as connection:
        found = list_runs(connection)
    if not found:
        typer.echo(f"{journal}: no run yet")
    for run in found:
        end = run.end_state or "not ended: running, or killed"
        typer.echo(
            f"{clock(run.started_ns)}  {run.kind:<8}  {run.run_id}  {end};"
            f" {some(run.decisions, 'decision')}, {count(run.taken)} taken,"
            f" {some(run.intents, 'intent')}, {some(run.orders, 'order')},"
            f" {some(run.incidents, 'incident')}"
        )


@app.command()
def story(
    journal: JournalFile,
    decision_id: Annotated[str, typer.Argument(metavar="DECISION", help="Id of the decision.")],
) -> None:
    """Tell everything that followed from one decision, in the order of time."""
    from journal import queries

    with _one_line_errors():
        with queries.reading(journal) as connection:
            told = queries.story(connection, decision_id)
        if not told:
            raise JournalError(f"{journal}: no decision {decision_id!r}")
    for event in told:
        typer.echo(
            f"{clock(event.ts_ns)}  {event.what:<18}  {event.subject}  {event.note}".rstrip()
        )


@app.command()
def check(journal: JournalFile) -> None:
    """Say where fees, beliefs or intents are not as they should be; exit code 1 if any."""
    from journal import queries

    lines: list[str] = []
    with _one_line_errors(), queries.reading(journal) as connection:
        found = queries.list_runs(connection)
        for scope in sorted({r.scope for r in found}):
            lines += [
                f"fee {m.venue} {m.trade_id}: expected {to_text(m.expected)}, charged"
                f" {to_text(m.charged)}"
                for m in queries.fee_misses(connection, scope)
            ]
            lines += [
                f"intent {i.intent_id} of run {i.run_id} has no end: {to_text(i.quantity)}"
                f" {i.pair_id}, {some(len(i.orders), 'order')} written"
                for i in queries.open_intents(connection, scope)
            ]
        for run in found:
            lines += [
                f"belief {m.venue} {m.subject} at {clock(m.believed_ns)}:"
                f" {to_text(m.believed)}, true {to_text(m.true)}"
                for m in queries.belief_misses(connection, run.run_id)
            ]
    for line in lines:
        typer.echo(line)
    if lines:
        raise typer.Exit(EXIT_FOUND)
    what = "no fee differs from what was expected, no belief from the truth, no intent is open"
    typer.echo(f"{some(len(found), 'run')}: {what}")


@app.command()
def upgrade(journal: JournalFile) -> None:
    """Bring an older journal to this version's tables; the old file is kept beside it."""
    from journal.migrate import upgrade as bring

    with _one_line_errors():
        before, now, copy = bring(journal)
    if copy is None:
        typer.echo(f"{journal}: schema version {now}, nothing to do")
    else:
        typer.echo(f"{journal}: schema version {before} -> {now}; the old file is {copy}")
