"""A tour of a dataset and of a backtest on it: books, edge over time, decisions, profit and loss.

    ./run marimo edit notebooks/backtest_tour.py -- --dataset DIR --run RUN_DIR
    ./run python notebooks/backtest_tour.py --dataset DIR --run RUN_DIR

Without arguments it makes a short synthetic session and a backtest of it in a temporary folder.
"""

import marimo

__generated_with = "0.25.2"
app = marimo.App(width="medium", app_title="Backtest tour")


@app.cell
def _():
    import json
    import tempfile
    from decimal import Decimal
    from pathlib import Path

    import marimo as mo
    import numpy as np
    import plotly.graph_objects as go
    import pyarrow.parquet as pq
    from nautilus_trader.model.book import OrderBook
    from nautilus_trader.model.data import OrderBookDelta, OrderBookDeltas
    from nautilus_trader.model.enums import BookType
    from nautilus_trader.model.identifiers import InstrumentId

    from backtests.data import GeneratorSettings, generate_dataset, open_dataset
    from backtests.data.recording import NO_ASK, NO_BID
    from backtests.data.top import read_top
    from backtests.report.folder import Folder
    from backtests.report.refusals import by_reason, cents, plain

    return (
        BookType,
        Decimal,
        Folder,
        GeneratorSettings,
        InstrumentId,
        NO_ASK,
        NO_BID,
        OrderBook,
        OrderBookDelta,
        OrderBookDeltas,
        Path,
        by_reason,
        cents,
        generate_dataset,
        go,
        json,
        mo,
        np,
        open_dataset,
        plain,
        pq,
        read_top,
        tempfile,
    )


@app.cell
def _(GeneratorSettings, Path, generate_dataset, mo, open_dataset, tempfile):
    # Which dataset and which run: given on the command line, or made here.
    _args = mo.cli_args()
    _given = [_args.get("dataset"), _args.get("run")]
    if any(_given) and not all(_given):
        raise SystemExit("give both --dataset DIR and --run RUN_DIR, or neither")
    if all(_given):
        scratch = None
        dataset, run_dir = open_dataset(Path(_given[0])), Path(_given[1])
    else:
        from configs.backtest import BacktestConfig, DataSettings
        from nodes.backtest_node import backtest

        scratch = tempfile.TemporaryDirectory(prefix="twinbook-tour-")  # gone when the tour ends
        _work = Path(scratch.name)
        dataset = generate_dataset(_work / "data", GeneratorSettings(seed=7, pairs=3, minutes=20))
        run_dir = backtest(
            # the generator's pairs were approved by nobody: this backtest accepts them
            BacktestConfig(data=DataSettings(accept_recorded=True)),
            data=_work / "data",
            output=_work / "run",
        ).parent
    return dataset, run_dir, scratch


@app.cell
def _(Folder, dataset, mo, run_dir):
    run = Folder(run_dir)
    decisions = run.decisions
    pair_of = {p.pair_id: p for p in dataset.pairs()}
    mo.md(f"""
    # From two books to profit and loss

    {"**Synthetic data.** A seeded generator made these books; nothing here says what a market would have paid." if dataset.synthetic else "Recorded data."}

    Dataset `{dataset.manifest.name}`: {len(dataset.instruments)} YES books, {len(pair_of)} pairs,
    {len(dataset.sessions)} session(s), {dataset.manifest.counts.get("deltas", 0):,} deltas.
    Run `{run_dir.name}`: {run.summary["decisions"]["evaluated"]:,} decisions,
    {run.summary["boxes"]["opened"]} boxes, result ${run.summary["pnl"]["total"]}.
    """)
    return decisions, pair_of, run


@app.cell
def _(dataset, decisions, mo, np, pair_of):
    # The pair with the most decisions: it has most to show.
    _names, _counts = np.unique(decisions.pair_id.astype(str), return_counts=True)
    _first = str(_names[np.argmax(_counts)]) if len(_names) else next(iter(pair_of))
    choice = mo.ui.dropdown(sorted(pair_of), value=_first, label="Pair")
    mo.vstack([choice, mo.md(f"Sessions: {', '.join(s.name for s in dataset.sessions)}")])
    return (choice,)


@app.cell
def _(choice, dataset, mo, pair_of):
    pair = pair_of[choice.value]
    _rows = [
        {
            "venue": m.venue.value,
            "YES": m.yes_id,
            "NO": m.no_id,
            "turned round": m.inverse,
            "settled at": "unknown" if m.settlement.value is None else str(m.settlement.value),
        }
        for m in pair.markets
    ]
    instruments = dataset.catalog().instruments(
        instrument_ids=[i for m in pair.markets for i in (m.yes_id, m.no_id)]
    )
    mo.vstack(
        [
            mo.md("## The pair, and its four instruments in the catalog"),
            mo.ui.table(_rows, selection=None),
            mo.ui.table(
                [
                    {
                        "instrument": str(i.id),
                        "currency": i.quote_currency.code,
                        "tick": str(i.price_increment),
                        "lot": str(i.size_increment),
                    }
                    for i in instruments
                ],
                selection=None,
            ),
        ]
    )
    return instruments, pair


@app.cell
def _(
    BookType,
    InstrumentId,
    OrderBook,
    OrderBookDelta,
    OrderBookDeltas,
    dataset,
    mo,
    pair,
    read_top,
):
    # Full books: replay the catalog's deltas of the first minute into Nautilus order books.
    def _book_of(yes_id):
        _start = int(read_top(dataset.top_path(yes_id)).ts_ns[0])
        _deltas = dataset.catalog().query(
            OrderBookDelta, identifiers=[yes_id], start=_start, end=_start + 60 * 10**9
        )
        _id = InstrumentId.from_str(yes_id)
        _book = OrderBook(_id, BookType.L2_MBP)
        _book.apply_deltas(OrderBookDeltas(_id, _deltas))
        return _book, len(_deltas)

    books = {m.venue.value: _book_of(m.yes_id) for m in pair.markets}
    mo.vstack(
        [
            mo.md("## The books after one minute, rebuilt from the catalog"),
            *(
                mo.vstack(
                    [
                        mo.md(f"**{_venue}** ({_n:,} deltas)"),
                        mo.plain_text(_book.pprint(num_levels=5)),
                    ]
                )
                for _venue, (_book, _n) in books.items()
            ),
            mo.md(
                "A level of 0.0000 or 1.0000 is a placeholder for an empty side: the engine needs two"
                " sides, the strategy ignores it."
            ),
        ]
    )
    return (books,)


@app.cell
def _(NO_ASK, NO_BID, choice, dataset, go, mo, np, pair, read_top):
    # Best prices of the pair's YES on both venues. Floats from here on are for drawing alone.
    POINTS = 4_000

    def pair_view(market):
        """Best bid and ask of the pair's YES: (times, bid, ask) in dollars, NaN where empty."""
        _top = read_top(dataset.top_path(market.yes_id))
        _bid = np.where(_top.bid == NO_BID, np.nan, _top.bid / 10_000)
        _ask = np.where(_top.ask == NO_ASK, np.nan, _top.ask / 10_000)
        if market.inverse:
            _bid, _ask = 1 - _ask, 1 - _bid
        return _top.ts_ns, _bid, _ask

    def drawn(ts_ns, *columns):
        """At most POINTS of each column, with times that Plotly reads as UTC."""
        _step = max(1, len(ts_ns) // POINTS)
        return ts_ns[::_step].astype("datetime64[ns]"), *(c[::_step] for c in columns)

    sides = [pair_view(m) for m in pair.markets]
    book_chart = go.Figure()
    for _market, _side, _colour in zip(pair.markets, sides, ("#14595f", "#b3702a"), strict=True):
        _t, _b, _a = drawn(*_side)
        for _name, _y, _dash in (("bid", _b, "dot"), ("ask", _a, "solid")):
            book_chart.add_scatter(
                x=_t, y=_y, name=f"{_market.venue.value} {_name}", mode="lines",
                line={"shape": "hv", "color": _colour, "dash": _dash, "width": 1.3},
            )  # fmt: skip
    book_chart.update_layout(
        title=f"{choice.value}: best prices of YES", yaxis_title="dollars per contract",
        xaxis_title="UTC", template="simple_white", height=380,
    )  # fmt: skip
    mo.vstack([mo.md("## Best prices on both venues"), book_chart])
    return book_chart, drawn, sides


@app.cell
def _(choice, decisions, drawn, go, mo, np, sides):
    # Gross edge of both boxes at every look: one dollar less both asks.
    def _last(ts_ns, values, at):
        return values[np.clip(np.searchsorted(ts_ns, at, side="right") - 1, 0, None)]

    (ts_a, bid_a, ask_a), (ts_b, bid_b, ask_b) = sides
    looks = np.union1d(ts_a, ts_b)
    looks = looks[looks >= max(ts_a[0], ts_b[0])]
    gross = {
        "YES first, NO second": 1 - _last(ts_a, ask_a, looks) - (1 - _last(ts_b, bid_b, looks)),
        "NO first, YES second": 1 - (1 - _last(ts_a, bid_a, looks)) - _last(ts_b, ask_b, looks),
    }
    edge_chart = go.Figure()
    for (_name, _values), _colour in zip(gross.items(), ("#14595f", "#b3702a"), strict=True):
        _t, _v = drawn(looks, _values * 100)
        edge_chart.add_scatter(
            x=_t, y=_v, name=f"gross, {_name}", mode="lines",
            line={"shape": "hv", "color": _colour, "width": 1},
        )  # fmt: skip
    _mine = decisions.pair_id == choice.value
    for _outcome, _colour in (("refused", "#9aa5a4"), ("taken", "#a63d2f")):
        _rows = np.flatnonzero(_mine & (decisions.outcome == _outcome) & decisions.net.present)
        edge_chart.add_scatter(
            x=decisions.ts_ns[_rows].astype("datetime64[ns]"),
            y=decisions.net.values[_rows] / 10_000, mode="markers", name=f"net, {_outcome}",
            marker={"size": 5, "color": _colour},
        )  # fmt: skip
    edge_chart.add_hline(y=0, line_width=1)
    edge_chart.update_layout(
        title="Edge of both boxes; dots are decisions, after fees",
        yaxis_title="cents per contract", xaxis_title="UTC", template="simple_white", height=380,
    )  # fmt: skip
    mo.vstack([mo.md("## Edge over time"), edge_chart])
    return edge_chart, gross


@app.cell
def _(by_reason, cents, decisions, mo, plain):
    refusals = by_reason(decisions)
    _rows = [
        {
            "reason": plain(r.reason),
            "looks": r.count,
            "nearest miss": ""
            if r.nearest is None or r.nearest.net_edge is None
            else f"{r.nearest.pair_id}: net {cents(r.nearest.net_edge)}",
            "what had to be different": r.change,
        }
        for r in refusals
    ]
    mo.vstack(
        [
            mo.md("## Decisions that were refused"),
            mo.ui.table(_rows, selection=None) if _rows else mo.md("None."),
        ]
    )
    return (refusals,)


@app.cell
def _(Decimal, go, mo, pq, run, run_dir):
    # Profit and loss: cash per venue, and the way from detected edge to the result.
    equity = pq.read_table(run_dir / "equity.parquet").to_pylist()
    pnl_chart = go.Figure()
    for _venue in run.summary["capital"]["start"]:
        _rows = [r for r in equity if r["venue"] == _venue and r["ts_ns"] > 0]
        _start = Decimal(run.summary["capital"]["start"][_venue])
        pnl_chart.add_scatter(
            x=[r["ts_ns"] // 1_000_000 for r in _rows], name=f"{_venue} cash",
            y=[float(r["cash"] - _start) for r in _rows], mode="lines", line={"shape": "hv"},
        )  # fmt: skip
    pnl_chart.update_xaxes(type="date")
    pnl_chart.update_layout(
        title="Cash against the start", yaxis_title="dollars", xaxis_title="UTC",
        template="simple_white", height=340,
    )  # fmt: skip
    steps = [(s["step"].replace("_", " "), Decimal(s["amount"])) for s in run.summary["waterfall"]]
    total = Decimal(run.summary["pnl"]["total"])
    difference = sum((amount for _, amount in steps), Decimal(0)) - total
    assert difference == 0, f"the waterfall misses the result by {difference}"
    mo.vstack(
        [
            mo.md("## Profit and loss"),
            pnl_chart,
            mo.ui.table(
                [
                    {"step": name, "dollars": str(amount)}
                    for name, amount in [*steps, ("result", total)]
                ],
                selection=None,
            ),
            mo.md(
                f"The steps add up to the result exactly. Cash difference of the reconciliation:"
                f" `{run.summary['reconciliation']['cash_difference']}`. The whole story is in"
                f" `{run_dir.name}/report.html`."
            ),
        ]
    )
    return pnl_chart, total


@app.cell
def _(book_chart, books, decisions, edge_chart, instruments, json, pnl_chart, refusals, total):
    # One line for whoever runs this as a script.
    print(
        json.dumps(
            {
                "instruments": len(instruments),
                "book_deltas": sum(n for _, n in books.values()),
                "decisions": len(decisions),
                "refused": sum(r.count for r in refusals),
                "charts": sum(len(c.data) for c in (book_chart, edge_chart, pnl_chart)),
                "result": str(total),
            }
        )
    )
    return


if __name__ == "__main__":
    app.run()
