"""Building blocks of the page: sections, tables, key figures, notes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from backtests.report.text import Markup, esc, join, tag


@dataclass(frozen=True)
class Column:
    """A table's column: its head, and whether it holds numbers (set right)."""

    head: str
    number: bool = False
    id: bool = False


def section(anchor: str, title: str, *children: object) -> Markup:
    """Return a titled section that the navigation can point to."""
    return tag("section", tag("h2", title), *children, id=anchor)


def para(*children: object, cls: str | None = None) -> Markup:
    """Return a paragraph."""
    return tag("p", *children, cls=cls)


def chart(body: Markup) -> Markup:
    """Let a chart scroll sideways on a narrow screen instead of shrinking to nothing."""
    return tag("div", body, cls="scrollchart")


def table(
    caption: str,
    columns: Sequence[Column],
    rows: Iterable[Sequence[object]],
    total: Sequence[object] | None = None,
    *,
    dense: bool = False,
) -> Markup:
    """Return a table with a caption; ``total`` is set apart as the last row.

    ``dense`` sets it smaller and keeps cells on one line, for long lists.
    """
    heads = [tag("th", c.head, scope="col", cls="r" if c.number else None) for c in columns]
    body = [tag("tr", *_cells(columns, row)) for row in rows]
    if total is not None:
        body.append(tag("tr", *_cells(columns, total), cls="sum"))
    return tag(
        "div",
        tag(
            "table",
            tag("caption", caption),
            tag("thead", tag("tr", *heads)),
            tag("tbody", join(body, "\n")),
            cls="dense" if dense else None,
        ),
        cls="scroll",
        # a region that scrolls must be reachable by keyboard
        tabindex="0",
        role="region",
        aria_label=caption,
    )


def _cells(columns: Sequence[Column], row: Sequence[object]) -> list[Markup]:
    kinds = ["r" if c.number else "id" if c.id else None for c in columns]
    return [
        tag("td", breakable(value) if kind == "id" else value, cls=kind)
        for kind, value in zip(kinds, row, strict=True)
    ]


def breakable(value: object) -> Markup:
    """Let an identifier break after its hyphens."""
    if isinstance(value, Markup):
        return value
    return Markup(esc(value).replace("-", "-<wbr/>"))


def figures(items: Sequence[tuple[str, str, str, str]]) -> Markup:
    """Return key figures: (label, number, remark, tone); tone is ``good``, ``bad`` or empty."""
    cells = [
        tag(
            "div",
            tag("dt", label),
            tag("dd", tag("span", number, cls=f"num {tone}".strip()), tag("small", remark)),
        )
        for label, number, remark, tone in items
    ]
    return tag("dl", *cells, cls="figures")


def notes(items: Iterable[object]) -> Markup:
    """Return a list of remarks."""
    return tag("ul", *(tag("li", item) for item in items), cls="notes")


def details(summary: str, *children: object) -> Markup:
    """Return a part that opens on demand; print shows its summary line alone."""
    return tag("details", tag("summary", summary), *children)


def pre(body: str) -> Markup:
    """Return preformatted text."""
    return tag("pre", body, tabindex="0")
