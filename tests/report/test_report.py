"""The report: exact numbers, sums that hold, no request to anywhere, every kind of run."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from backtests.report import ReportError, write_report
from backtests.report.text import plain_number, usd
from tests.report import scenarios

D = Decimal
VOID = {"meta", "br", "wbr", "link", "img", "input", "hr"}
MAKERS = [
    scenarios.every_kind,
    scenarios.one_box,
    scenarios.nothing_taken,
    scenarios.nothing_seen,
]


class Page(HTMLParser):
    """Parse strictly: every element is closed in order, ids are unique, text is kept."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.tables: list[list[list[str]]] = []
        self._cell = False
        self.feed(source)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(names) == len(set(names)), f"{tag} repeats an attribute"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in {"td", "th"}:
            self.tables[-1][-1].append("")
            self._cell = True

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, f"<{tag}/> is not void"
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag
        if tag in {"td", "th"}:
            self._cell = False

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            return
        self.words.append(data)
        if self._cell:
            self.tables[-1][-1][-1] += data

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def table(self, *heads: str) -> list[list[str]]:
        """Return the rows of the table whose head begins with these words."""
        for table in self.tables:
            if table[0][: len(heads)] == list(heads):
                return table[1:]
        raise AssertionError(f"no table {heads}")


def page_of(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


def summary_of(run: Path) -> dict:
    return json.loads((run / "summary.json").read_text())


def money(text: str) -> Decimal:
    found = D(text.replace("$", "").replace(",", "").replace("−", "-").replace("+", ""))
    assert usd(found, sign=text.startswith("+")) == text, "written exactly"
    return found


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scenarios.every_kind(tmp_path_factory.mktemp("report") / "run")


@pytest.fixture(scope="module")
def page(run: Path) -> Page:
    return page_of(run)


# -- numbers --------------------------------------------------------------------------------------


def test_the_headline_states_the_summary(run: Path, page: Page) -> None:
    summary = summary_of(run)
    total, fees = D(summary["pnl"]["total"]), D("4.68114")
    assert sum(D(v) for v in summary["pnl"]["fees"].values()) == fees
    assert f"gained {usd(total)} on $25,000.00 of capital, after {usd(fees)} of fees" in page.text
    assert "opened 6 boxes of together 130 contracts" in page.text
    assert f"Result{usd(total, sign=True)}" in page.text
    assert "not annualised: a box is still open" in page.text
    assert "Reconciled to the last digit." in page.text
    for venue, end in summary["capital"]["end"].items():
        assert usd(D(end)) in page.text, venue


def test_the_waterfall_adds_up_exactly_in_the_page_itself(run: Path, page: Page) -> None:
    rows = page.table("Step", "What it is", "Dollars")
    amounts = {name: money(dollars) for name, _, dollars in rows}
    locked, result = amounts.pop("Locked at opening"), amounts.pop("Result")
    assert sum(amounts.values()) == result == D(summary_of(run)["pnl"]["total"])
    first = ["Edge detected", "Not filled", "Slippage", "Entry fees"]
    assert sum(amounts[name] for name in first) == locked == D(summary_of(run)["pnl"]["locked"])
    bars = [d for t, d in page.tags if t == "rect" and "bar" in (d.get("class") or "")]
    assert len(bars) == len(rows)


def test_tables_add_up(run: Path, page: Page) -> None:
    cash = page.table("Venue", "Cash at start")
    for column in range(1, 6):
        assert sum(money(r[column]) for r in cash[:-1]) == money(cash[-1][column])
    for row in cash:
        assert money(row[1]) + money(row[2]) == money(row[3])
    pairs = page.table("Pair", "Looks", "Taken", "Boxes")
    for column in (5, 6, 7):
        assert sum(money(r[column]) for r in pairs[:-1]) == money(pairs[-1][column])
    assert sum(int(r[1]) for r in pairs[:-1]) == int(pairs[-1][1])
    refusals = page.table("Reason", "Looks", "Share")
    assert sum(int(r[1]) for r in refusals[:-1]) == int(refusals[-1][1])
    assert int(refusals[-1][1]) == sum(summary_of(run)["decisions"]["refused"].values())
    boxes = page.table("Opened, UTC", "Pair", "Contracts")
    assert sum(money(r[7]) for r in boxes) == D(summary_of(run)["pnl"]["total"])
    odd = page.table("Box", "Pair", "Contracts", "Paid per contract")
    assert [r[3] for r in odd[:-1]] == ["$1.3000"]  # a void: 0.80 and 0.50


def test_every_fill_is_shown_as_it_was(run: Path, page: Page) -> None:
    shown = page.table("Time, UTC", "Venue", "Contract")
    fills = pq.read_table(run / "fills.parquet").to_pylist()
    assert len(shown) == len(fills) == 26
    for row, fill in zip(shown, fills, strict=True):
        assert row[4] == plain_number(fill["quantity"])
        assert (money(row[6]), money(row[7])) == (fill["fee"], fill["cash"])
        assert row[3] == f"{fill['side'].lower()} {fill['outcome']}"


def test_what_cannot_be_known_is_said(page: Page) -> None:
    assert "The books were polled, about every 3.7 s." in page.text
    assert "Latencies below that interval prove nothing here" in page.text
    assert "1 box still open." in page.text
    assert "Fills run through a hazard model." in page.text
    assert "4 pairs were accepted as recorded." in page.text
    assert "6 boxes are a small sample." in page.text
    assert "rules differ rarely, and then at once" in page.text


def test_rates_come_with_number_and_interval(page: Page) -> None:
    assert re.search(r"5\.69 %; 95 % interval 2\.78 % to 11\.28 %, n = 123", page.text)
    hazard = page.table("Leg", "Attempts", "Filled", "Rate", "95 % interval")
    assert hazard[0][1:4] == ["7", "7", "100.0 %".replace(" ", "\u00a0")]
    assert "Kaplan–Meier estimate, n = 13; 6 are right-censored" in page.text


# -- every kind of run ----------------------------------------------------------------------------


@pytest.mark.parametrize("make", MAKERS)
def test_well_formed_self_contained_and_accessible(tmp_path: Path, make: Callable) -> None:
    run = make(tmp_path / "run")
    source = write_report(run).read_text(encoding="utf-8")
    page = Page(source)
    assert re.findall(r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}", source) == []
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|\son\w+=", source)
    ids = [d["id"] for _, d in page.tags if "id" in d]
    assert len(ids) == len(set(ids))
    links = [d["href"] for t, d in page.tags if t == "a"]
    assert links
    assert {str(h).removeprefix("#") for h in links} <= set(ids)
    for tag, attributes in page.tags:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert attributes["aria-label"]
        if tag == "section":
            assert attributes["id"]
    opened = [t for t, _ in page.tags]
    assert opened.count("caption") == opened.count("table")
    assert opened.count("title") >= 1 + opened.count("svg")
    assert opened.count("h1") == 1
    assert "lang" in dict(next(d for t, d in page.tags if t == "html"))
    assert "nan" not in page.text.lower().replace("finance", "")
    assert "None" not in page.text


def test_no_trade_says_why(tmp_path: Path) -> None:
    page = page_of(scenarios.nothing_taken(tmp_path / "run"))
    assert "Nothing was traded. The fast gate let 30 looks through" in page.text
    assert "Most often: crossed book (20 looks, 66.7 %)." in page.text
    assert "No order was filled." in page.text
    assert "No decision to trade was taken" in page.text
    rows = page.table("Reason", "Looks", "Share")
    assert [r[:2] for r in rows] == [
        ["Crossed book", "20"],
        ["Edge below the required edge", "10"],
        ["All", "30"],
    ]


def test_no_look_at_all(tmp_path: Path) -> None:
    page = page_of(scenarios.nothing_seen(tmp_path / "run"))
    assert "nothing came near" in page.text
    assert "No look passed the fast gate" in page.text
    assert "Fills are pure." in page.text
    assert "not annualised: nothing was bought" in page.text


def test_synthetic_data_are_labelled_from_top_to_bottom(tmp_path: Path) -> None:
    page = page_of(scenarios.one_box(tmp_path / "run"))
    assert page.text.count("Synthetic data") >= 2
    assert "SYNTHETIC DATA" in page.text
    assert "The data are synthetic." in page.text
    assert "recorded session" not in page.text
    real = page_of(scenarios.every_kind(tmp_path / "real"))
    assert "synthetic" not in real.text.lower()


def test_thousands_of_fills_make_a_bounded_page(tmp_path: Path) -> None:
    run = scenarios.many(tmp_path / "run", boxes=1_200)
    path = write_report(run)
    assert path.stat().st_size < 250_000
    page = Page(path.read_text(encoding="utf-8"))
    fills = pq.read_table(run / "fills.parquet").num_rows
    assert fills > 4_000
    assert f"The first 100 of {fills:,} fills; the rest are in the parquet file" in page.text
    assert len(page.table("Time, UTC", "Venue", "Contract")) == 100
    for tag, attributes in page.tags:
        if tag == "path":
            assert len(attributes["d"] or "") < 15_000


def test_the_same_run_gives_the_same_page(run: Path) -> None:
    assert write_report(run).read_bytes() == write_report(run).read_bytes()


# -- wrong runs -----------------------------------------------------------------------------------


def change_summary(run: Path, change: Callable[[dict], None]) -> None:
    summary = summary_of(run)
    change(summary)
    (run / "summary.json").write_text(json.dumps(summary))


@pytest.mark.parametrize(
    ("change", "claim"),
    [
        (
            lambda s: s["reconciliation"].update(cash_difference="0.01"),
            "The engine's accounts equal",
        ),
        (lambda s: s["capital"]["end"].update(KALSHI="1"), "cash at the end"),
        (lambda s: s["pnl"]["fees"].update(KALSHI="1"), "fees stated"),
        (lambda s: s["pnl"].update(locked="1"), "The result = its parts"),
        (lambda s: s["waterfall"][0].update(amount="1"), "add up"),
        (lambda s: s["decisions"].update(evaluated=1), "Every decision is recorded"),
        (lambda s: s["pairs"][0].update(pnl="1"), "The results of all pairs"),
    ],
)
def test_a_run_that_does_not_add_up_raises_the_alarm(
    tmp_path: Path, change: Callable, claim: str
) -> None:
    run = scenarios.every_kind(tmp_path / "run")
    assert "Do not rely on this run" not in page_of(run).text
    change_summary(run, change)
    page = page_of(run)
    assert "Do not rely on this run: it does not add up." in page.text
    assert claim in page.text
    assert "Not reconciled" in page.text
    assert any(d.get("role") == "alert" for _, d in page.tags)


def test_what_comes_from_the_data_cannot_become_markup(tmp_path: Path) -> None:
    run = scenarios.nothing_taken(tmp_path / "run")
    attack = "<script>alert(1)</script>&\"'"
    table = pq.read_table(run / "decisions.parquet")
    rows = [r | {"pair_id": attack, "reason": attack} for r in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, schema=table.schema), run / "decisions.parquet")
    change_summary(run, lambda s: s["data"].update(name=attack))
    page = page_of(run)
    assert "script" not in [t for t, _ in page.tags]
    assert attack in page.text


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda d: (d / "summary.json").unlink(), r"summary\.json: missing"),
        (lambda d: (d / "summary.json").write_text("{"), "cannot be read as JSON"),
        (lambda d: (d / "summary.json").write_text("[]"), "found list, allowed an object"),
        (lambda d: change_summary(d, lambda s: s.update(schema_version=2)), "found 2, allowed 1"),
        (lambda d: change_summary(d, lambda s: s["pnl"].pop("total")), r"pnl\.total is missing"),
        (lambda d: change_summary(d, lambda s: s["pnl"].update(total=0.1)), "allowed decimal text"),
        (lambda d: (d / "fills.parquet").unlink(), r"fills\.parquet: missing"),
        (lambda d: (d / "boxes.parquet").write_bytes(b"PAR1"), r"boxes\.parquet"),
        (lambda d: (d / "pairs.json").write_text("{}"), "pairs: a list is required"),
    ],
)
def test_a_broken_folder_is_one_clear_error(tmp_path: Path, damage: Callable, message: str) -> None:
    run = scenarios.one_box(tmp_path / "run")
    damage(run)
    with pytest.raises(ReportError, match=message) as caught:
        write_report(run)
    assert "\n" not in str(caught.value)
    assert not (run / "report.html").exists()
    assert list(run.glob(".report*")) == []


def test_a_missing_column_is_named(tmp_path: Path) -> None:
    run = scenarios.one_box(tmp_path / "run")
    table = pq.read_table(run / "decisions.parquet").drop_columns(["net_edge"])
    pq.write_table(table, run / "decisions.parquet")
    with pytest.raises(ReportError, match="net_edge"):
        write_report(run)


def test_money_as_a_float_column_is_refused(tmp_path: Path) -> None:
    run = scenarios.one_box(tmp_path / "run")
    table = pq.read_table(run / "decisions.parquet")
    column = table["net_edge"].cast(pa.float64())
    table = table.set_column(table.schema.get_field_index("net_edge"), "net_edge", column)
    pq.write_table(table, run / "decisions.parquet")
    with pytest.raises(ReportError, match=r"decimal128\(18, 6\) is required"):
        write_report(run)
