"""``twinbook record kalshi``: public books and trades of chosen markets, into a dataset."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from nautilus_trader.core.data import Data
from nautilus_trader.persistence.catalog import ParquetDataCatalog

from adapters.common.errors import AdapterError, ConfigError
from adapters.common.frames import FrameTap
from adapters.kalshi import parsing
from adapters.kalshi.books import BookFault, YesBook
from adapters.kalshi.protocol import Channel
from adapters.kalshi.providers import KalshiInstrumentProvider
from adapters.kalshi.recording import BookRecorder
from adapters.kalshi.symbols import Leg
from adapters.kalshi.websocket import KalshiStream
from backtests.data.dataset import (
    CATALOG_DIR,
    DATASET_SCHEMA_VERSION,
    PAIRS_FILE,
    TOP_DIR,
    InstrumentInfo,
    Manifest,
    SessionInfo,
    write_manifest,
)
from backtests.data.deltas import TopWriter
from backtests.data.errors import DataError
from backtests.data.store import new_folder
from twinbook.commands._kalshi import (
    EXIT_UNUSABLE,
    Env,
    KeyFile,
    KeyId,
    Proxy,
    RestUrl,
    Session,
    Wanted,
    WsUrl,
    err,
    out,
    run,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Kalshi: record public books and trades. Ctrl-C ends a recording and keeps it.",
)

_FLUSH_S = 5.0


@app.callback()
def _group() -> None:
    """Kalshi: record public books and trades. Ctrl-C ends a recording and keeps it."""


@app.command()
def start(
    tickers: Annotated[list[str], typer.Argument(metavar="TICKER...")],
    output: Annotated[Path, typer.Option("--output", "-o", help="New folder for the dataset.")],
    seconds: Annotated[float, typer.Option(help="How long; 0 until Ctrl-C.", min=0)] = 0.0,
    poll: Annotated[bool, typer.Option("--poll", help="Poll REST even with a key.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between polls.", min=0.2)] = 2.0,
    replace: Annotated[bool, typer.Option("--replace", help="Replace the folder.")] = False,
    frames: Annotated[Path | None, typer.Option(help="Also keep raw frames here (zstd).")] = None,
    env: Env = "demo",
    key_id: KeyId = "",
    key_file: KeyFile = "",
    rest_url: RestUrl = "",
    ws_url: WsUrl = "",
    proxy: Proxy = "",
) -> None:
    """Record markets into a dataset: from the stream with a key, else by polling REST."""
    wanted = Wanted(env, key_id, key_file, rest_url, ws_url, proxy)

    async def work(session: Session) -> None:
        await _record(
            session, tickers, output, seconds, interval, frames, poll=poll, replace=replace
        )

    try:
        run(wanted, work, private=False)
    except DataError as exc:
        err.print(f"record: {exc}", markup=False, soft_wrap=True)
        raise typer.Exit(EXIT_UNUSABLE) from None


async def _record(
    session: Session,
    tickers: list[str],
    output: Path,
    seconds: float,
    interval: float,
    frames: Path | None,
    *,
    poll: bool,
    replace: bool,
) -> None:
    if not tickers:
        raise ConfigError("TICKER", "nothing", "at least one ticker")
    wanted = list(dict.fromkeys(tickers))
    provider = KalshiInstrumentProvider(session.http, time.time_ns)
    await provider.load_tickers(wanted)
    streamed = session.credential is not None and not poll
    recorder = BookRecorder(time.time_ns)
    stop = _stop_on_signals(seconds)
    with new_folder(output, replace=replace) as folder:
        catalog = ParquetDataCatalog(str(folder / CATALOG_DIR))
        catalog.write_data(provider.list_all())
        source = (
            _stream(session, wanted, recorder, stop, frames)
            if streamed
            else _poll(session, wanted, recorder, stop, interval)
        )
        feed = asyncio.get_running_loop().create_task(source)
        while not feed.done():
            await asyncio.wait({feed}, timeout=_FLUSH_S)
            _write(catalog, recorder.take())
        await feed
        _write(catalog, recorder.take())
        _write_tops(folder, recorder)
        if not recorder.observations:
            raise ConfigError("TICKER", " ".join(wanted), "markets with a book: none was seen")
        kind = "message" if streamed else "polled"
        (folder / PAIRS_FILE).write_text(json.dumps({"schema": 1, "pairs": []}) + "\n")
        write_manifest(folder, _manifest(recorder, output.name, kind, interval))
    total = sum(recorder.observations.values())
    out.print(f"{total} observations of {len(recorder.observations)} books in {output}")


def _stop_on_signals(seconds: float) -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    if seconds:
        loop.call_later(seconds, stop.set)
    return stop


async def _stream(
    session: Session,
    tickers: list[str],
    recorder: BookRecorder,
    stop: asyncio.Event,
    frames: Path | None,
) -> None:
    """Record the stream, through reconnects, until told to stop."""
    assert session.credential is not None, "a stream is opened only with a key"
    await session.http.load_limits()  # a wrong key fails here, in one line
    tap = FrameTap(frames) if frames is not None else None
    stream = KalshiStream(
        name="record",
        url=session.environment.ws_url,
        credential=session.credential,
        transport=session.transport,
        clock_ns=time.time_ns,
        on_event=recorder.on_event,
        on_state=lambda connected: err.print("connected" if connected else "connection lost"),
        idle_timeout_s=25.0,
        tap=tap,
    )
    for channel in (Channel.BOOK, Channel.TRADE):
        stream.protocol.want(channel, tickers)
    running = asyncio.get_running_loop().create_task(stream.run())
    await stop.wait()
    await stream.close()
    await running
    if tap is not None:
        tap.close()


async def _poll(
    session: Session,
    tickers: list[str],
    recorder: BookRecorder,
    stop: asyncio.Event,
    interval: float,
) -> None:
    """Poll books and trades; a poll that fails is said and left out."""
    started_s = int(time.time())
    while not stop.is_set():
        try:
            await _poll_once(session, tickers, recorder, started_s)
        except AdapterError as exc:
            err.print(f"poll failed: {exc}", markup=False, soft_wrap=True)
        try:
            async with asyncio.timeout(interval):
                await stop.wait()
        except TimeoutError:
            continue


async def _poll_once(
    session: Session, tickers: list[str], recorder: BookRecorder, started_s: int
) -> None:
    found = await session.http.orderbooks(tickers)
    now_ns = time.time_ns()
    for ticker in tickers:
        levels = found.get(ticker)
        if levels is None:
            continue
        book = YesBook()
        try:
            book.load(levels.yes_dollars or (), levels.no_dollars or (), yes_price=False)
        except BookFault as exc:
            err.print(f"{ticker}: book left out: {exc}", markup=False, soft_wrap=True)
            continue
        recorder.on_poll(ticker, book, now_ns)
    for ticker in tickers:
        records = await session.http.trades(ticker, limit=200, min_ts=started_s)
        recorder.on_trades(records[::-1])


def _write(catalog: ParquetDataCatalog, rows: list[Data]) -> None:
    if rows:
        catalog.write_data(rows)


def _write_tops(folder: Path, recorder: BookRecorder) -> None:
    (folder / TOP_DIR).mkdir()
    for ticker, tops in recorder.tops.items():
        writer = TopWriter(folder / TOP_DIR, parsing.instrument_id(ticker, Leg.YES).value)
        columns = np.array(tops, dtype=np.int64).T
        writer.append(*columns)
        writer.close()


def _manifest(recorder: BookRecorder, name: str, kind: str, interval: float) -> Manifest:
    start_ns, end_ns = min(recorder.first_ns.values()), max(recorder.last_ns.values())
    session = SessionInfo(
        name=name,
        kind="message" if kind == "message" else "polled",
        start_ns=start_ns,
        end_ns=end_ns,
        observations=sum(recorder.observations.values()),
        deltas=sum(recorder.deltas.values()),
        pair_ids=(),
        poll_ns=int(interval * 1e9) if kind == "polled" else None,
    )
    books = [
        InstrumentInfo(
            instrument_id=parsing.instrument_id(ticker, Leg.YES).value,
            no_instrument_id=parsing.instrument_id(ticker, Leg.NO).value,
            venue="KALSHI",
            venue_instrument=ticker,
            pair_ids=(),
            role="leg",
            currency="USD",
            sessions=(name,),
            observations=recorder.observations[ticker],
            deltas=recorder.deltas[ticker],
            first_ns=recorder.first_ns[ticker],
            last_ns=recorder.last_ns[ticker],
            one_sided=recorder.one_sided.get(ticker, 0),
        )
        for ticker in sorted(recorder.observations)
    ]
    return Manifest(
        schema_version=DATASET_SCHEMA_VERSION,
        name=name,
        synthetic=False,
        seed=None,
        span_ns=(start_ns, end_ns),
        sessions=(session,),
        instruments=tuple(books),
        sources=(),
        counts={},
    )
