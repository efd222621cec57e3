"""Charts as inline SVG: crisp in print, readable without colour, themed by the page's CSS.

Every chart has a title and a description for screen readers; its numbers stand in a table or in
the text beside it. Paths are bounded: a line never has more than ``POINTS_MAX`` points.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from backtests.report.stats import Survival, nice_step
from backtests.report.text import MINUS, Markup, esc, join, span, tag

WIDTH: Final = 760
POINTS_MAX: Final = 600
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 16, 24, 40


@dataclass(frozen=True)
class Scale:
    """A linear scale from values to pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return a value's pixel."""
        share = (value - self.low) / (self.high - self.low) if self.high != self.low else 0.5
        return self.start + share * (self.end - self.start)

    def ticks(self, parts: int = 5) -> list[float]:
        """Return round values inside the scale."""
        step = nice_step(self.high - self.low, parts)
        first = -(-self.low // step)
        found, k = [], first
        while k * step <= self.high + step * 1e-9:
            found.append(k * step)
            k += 1
        return found


def n(value: float) -> str:
    """Write a coordinate with one decimal."""
    return f"{value:.1f}".removesuffix(".0")


def figure(chart: Markup, caption: object) -> Markup:
    """Wrap a chart with the caption that says how to read it."""
    return tag("figure", chart, tag("figcaption", caption))


def svg(title: str, description: str, height: int, *children: object) -> Markup:
    """Return an SVG with its accessible name and description."""
    return tag(
        "svg",
        tag("title", title),
        tag("desc", description),
        *children,
        viewBox=f"0 0 {WIDTH} {height}",
        role="img",
        aria_label=title,
        cls="chart",
    )


def text(x: float, y: float, words: str, cls: str = "tick", anchor: str = "middle") -> Markup:
    """Return a text element."""
    return tag("text", words, x=n(x), y=n(y), cls=cls, text_anchor=anchor)


def line(x1: float, y1: float, x2: float, y2: float, cls: str) -> Markup:
    """Return a straight line."""
    return tag("line", x1=n(x1), y1=n(y1), x2=n(x2), y2=n(y2), cls=cls)


def rect(x: float, y: float, width: float, height: float, cls: str, hint: str = "") -> Markup:
    """Return a rectangle with an optional hover text."""
    inner = tag("title", hint) if hint else Markup()
    return tag(
        "rect", inner, x=n(x), y=n(y), width=n(max(width, 0.5)), height=n(max(height, 0)), cls=cls
    )


def y_axis(scale: Scale, write: Callable[[float], str], unit: str, parts: int = 4) -> Markup:
    """Return grid lines with their values, and the unit above the axis."""
    parts_found: list[object] = [text(_LEFT - 8, _TOP - 12, unit, "unit", "end")] if unit else []
    for value in scale.ticks(parts):
        y = scale(value)
        parts_found.append(line(_LEFT, y, WIDTH - _RIGHT, y, "zero" if value == 0 else "grid"))
        parts_found.append(text(_LEFT - 8, y + 4, write(value), "tick", "end"))
    return join(parts_found)


def tidy(value: float) -> str:
    """Write an axis value without needless digits and with a true minus sign."""
    body = f"{abs(value):,.10f}".rstrip("0").rstrip(".")
    if len(body.partition(".")[2]) > 4:
        body = f"{abs(value):.4g}"
    return f"{MINUS}{body}" if value < 0 and body != "0" else body


@dataclass(frozen=True)
class Series:
    """A quantity over time, for drawing: instants (ns) and values."""

    name: str
    ts_ns: npt.NDArray[np.int64]
    values: npt.NDArray[np.float64]

    def thin(self) -> list[tuple[int, float]]:
        """Keep about ``POINTS_MAX`` points: of each stretch its first, lowest, highest and last."""
        n_points = len(self.values)
        keep = np.arange(n_points, dtype=np.int64)
        if n_points > POINTS_MAX:
            parts = np.array_split(keep, POINTS_MAX // 4)
            chosen = {int(i) for p in parts for i in (p[0], p[-1])}
            chosen |= {int(p[np.argmin(self.values[p])]) for p in parts}
            chosen |= {int(p[np.argmax(self.values[p])]) for p in parts}
            keep = np.asarray(sorted(chosen), dtype=np.int64)
        return [(int(self.ts_ns[i]), float(self.values[i])) for i in keep]


def _cuts(ordered: npt.NDArray[np.int64]) -> list[int]:
    """Return the places where an axis is cut: i stands for the silence after the i-th instant.

    The longest silence is cut while it lasts over two hours and over a quarter of what is shown.
    """
    silences = np.diff(ordered)
    shown = int(ordered[-1] - ordered[0])
    found: list[int] = []
    for place in np.argsort(-silences, kind="stable"):
        silence = int(silences[place])
        if silence <= max(shown // 4, 7_200 * 10**9):
            break
        found.append(int(place))
        shown -= silence
    return sorted(found)


class TimeAxis:
    """Time in pixels, with long stretches in which nothing happened cut to a marked gap."""

    def __init__(
        self, times_ns: npt.NDArray[np.int64] | Sequence[int], start: float, end: float
    ) -> None:
        ordered = np.unique(np.asarray(times_ns, dtype=np.int64))
        if not len(ordered):
            ordered = np.zeros(1, dtype=np.int64)
        ends = [*_cuts(ordered), len(ordered) - 1]
        starts = [0, *(e + 1 for e in ends[:-1])]
        busy = [(int(ordered[a]), int(ordered[b])) for a, b in zip(starts, ends, strict=True)]
        gap = 34.0
        room = end - start - gap * (len(busy) - 1)
        least = room * 0.06
        lengths = [b - a for a, b in busy]
        free = room - least * len(busy)
        total = sum(lengths) or 1
        self.parts: list[tuple[int, int, float, float]] = []
        x = start
        for (a, b), length in zip(busy, lengths, strict=True):
            share = length / total if sum(lengths) else 1 / len(busy)
            width = least + free * share
            self.parts.append((a, b, x, x + width))
            x += width + gap

    def __call__(self, ts_ns: int) -> float:
        """Return an instant's pixel."""
        for a, b, x1, x2 in self.parts:
            if ts_ns <= b:
                return x1 + (x2 - x1) * (max(ts_ns - a, 0) / (b - a) if b > a else 0.5)
        return self.parts[-1][3]

    def draw(self, y: float, label: Callable[[int], str]) -> Markup:
        """Return the axis: the ends of each stretch where there is room, cuts with their length."""
        found: list[object] = []
        wanted: list[tuple[float, str, str, str]] = []
        first, last = self.parts[0], self.parts[-1]
        wanted.append((first[2], label(first[0]), "tick", "start"))
        if last[1] > first[0]:
            wanted.append((last[3], label(last[1]), "tick", "end"))
        for i, (a, b, x1, x2) in enumerate(self.parts):
            found.append(line(x1, y, x2, y, "axis"))
            if i:
                before = self.parts[i - 1]
                found.append(line(before[3], y, x1, y, "cut"))
                middle = (before[3] + x1) / 2
                found.append(text(middle, y + 31, f"{span(a - before[1])} cut", "cutlabel"))
                wanted.append((x1, label(a), "tick", "start"))
            if i < len(self.parts) - 1:
                wanted.append((x2, label(b), "tick", "end"))
        taken: list[tuple[float, float]] = []
        for x, words, kind, anchor in wanted:
            wide = 6.4 * len(words)
            left = x - {"start": 0.0, "middle": wide / 2, "end": wide}[anchor]
            if all(left > end + 8 or left + wide < start - 8 for start, end in taken):
                taken.append((left, left + wide))
                found.append(text(x, y + 17, words, kind, anchor))
        return join(found)


def steps(
    title: str,
    description: str,
    series: Sequence[Series],
    axis: TimeAxis,
    label: Callable[[int], str],
    unit: str,
    height: int = 220,
) -> Markup:
    """Draw quantities that hold until they change."""
    low = min((float(q.values.min()) for q in series), default=0.0)
    high = max((float(q.values.max()) for q in series), default=0.0)
    pad = (high - low) * 0.08 or max(abs(high) * 0.001, 1.0)
    y = Scale(low - pad, high + pad, height - _BOTTOM, _TOP)
    found: list[object] = [y_axis(y, tidy, unit)]
    for i, quantity in enumerate(series):
        kept = quantity.thin()
        path, last = "", 0.0
        for k, (ts, value) in enumerate(kept):
            x, py = axis(ts), y(value)
            path += f"M{n(x)} {n(py)}" if k == 0 else f"H{n(x)}V{n(py)}"
            last = py
        if kept:
            path += f"H{n(axis.parts[-1][3])}"
            found.append(tag("path", tag("title", quantity.name), d=path, cls=f"line s{i}"))
            found.append(tag("circle", cx=n(axis.parts[-1][3]), cy=n(last), r="3", cls=f"dot s{i}"))
    found.append(axis.draw(height - _BOTTOM + 6, label))
    return svg(title, description, height, *found)


@dataclass(frozen=True)
class Bar:
    """One bar of a waterfall: a step, or a subtotal that stands on zero."""

    name: str
    amount: float
    words: str
    total: bool = False


def waterfall(title: str, description: str, bars: Sequence[Bar]) -> Markup:
    """Draw horizontal bars, each beginning where the one before ended."""
    row, label, right = 30, 196, 118
    height = _TOP + row * len(bars) + 10
    ends: list[tuple[float, float]] = []
    level = 0.0
    for bar in bars:
        start = 0.0 if bar.total else level
        level = bar.amount if bar.total else level + bar.amount
        ends.append((start, level))
    edges = [e for pair in ends for e in pair] + [0.0]
    x = Scale(min(edges), max(edges), label + 10, WIDTH - right)
    if min(edges) == max(edges):
        x = Scale(0.0, 1.0, label + 10, WIDTH - right)
    found: list[object] = [line(x(0), _TOP - 6, x(0), height - 6, "axis")]
    for i, (bar, (start, end)) in enumerate(zip(bars, ends, strict=True)):
        y = _TOP + i * row
        kind = "total" if bar.total else "gain" if end >= start else "loss"
        left, wide = min(x(start), x(end)), abs(x(end) - x(start))
        found.append(
            rect(left, y + 3, max(wide, 1.2), row - 11, f"bar {kind}", f"{bar.name}: {bar.words}")
        )
        if i + 1 < len(bars) and not bars[i + 1].total:
            found.append(line(x(end), y + row - 8, x(end), y + row + 3, "join"))
        found.append(
            text(label - 4, y + 15, bar.name, "name strong" if bar.total else "name", "end")
        )
        found.append(
            text(WIDTH - 6, y + 15, bar.words, "value strong" if bar.total else "value", "end")
        )
    return svg(title, description, height, *found)


def histogram(
    title: str,
    description: str,
    edges: Sequence[float],
    stacks: Sequence[tuple[str, Sequence[int]]],
    axis_name: str,
    marks: Sequence[tuple[float, str]] = (),
    palette: Sequence[str] = ("q0", "q1", "q2"),
    height: int = 230,
) -> Markup:
    """Draw counts per bin, stacked; ``marks`` are vertical lines with a label.

    ``palette`` names the class of each stack.
    """
    tallest = max((sum(col) for col in zip(*(c for _, c in stacks), strict=True)), default=0)
    x = Scale(edges[0], edges[-1], _LEFT, WIDTH - _RIGHT)
    # room above the bars for the labels of the marks
    head = 1.08 + 0.12 * len(marks)
    y = Scale(0, max(tallest, 1) * head, height - _BOTTOM, _TOP)
    found: list[object] = [y_axis(y, tidy, "count")]
    for i in range(len(edges) - 1):
        base = 0
        x1, x2 = x(edges[i]), x(edges[i + 1])
        for k, (name, counts) in enumerate(stacks):
            if counts[i]:
                top, bottom = y(base + counts[i]), y(base)
                hint = f"{name}: {counts[i]:,} from {tidy(edges[i])} to {tidy(edges[i + 1])}"
                found.append(
                    rect(x1 + 0.5, top, x2 - x1 - 1, bottom - top, f"fill {palette[k]}", hint)
                )
            base += counts[i]
    bottom = height - _BOTTOM
    found.append(line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "axis"))
    found += [text(x(v), bottom + 16, tidy(v)) for v in x.ticks(8)]
    found.append(text((_LEFT + WIDTH - _RIGHT) / 2, bottom + 33, axis_name, "unit"))
    for k, (value, words) in enumerate(marks):
        if edges[0] <= value <= edges[-1]:
            found.append(line(x(value), _TOP, x(value), bottom, "mark"))
            side = "end" if x(value) > WIDTH * 0.6 else "start"
            shift = -5 if side == "end" else 5
            found.append(text(x(value) + shift, _TOP + 8 + 16 * k, words, "marklabel", side))
    return svg(title, description, height, *found)


def survival(
    title: str, description: str, curve: Survival, horizon: float, height: int = 230
) -> Markup:
    """Draw the share of opportunities still alive against time."""
    x = Scale(0, horizon, _LEFT, WIDTH - _RIGHT)
    y = Scale(0, 1, height - _BOTTOM, _TOP)
    bottom = height - _BOTTOM
    found: list[object] = [y_axis(y, lambda v: f"{abs(v) * 100:.0f} %", "alive")]
    path, level = f"M{n(x(0))} {n(y(1))}", 1.0
    points = list(zip(curve.times, curve.alive, strict=True))
    size = max(1, len(points) // POINTS_MAX)
    for time, alive in points[::size]:
        if time > horizon:
            break
        path += f"H{n(x(time))}V{n(y(alive))}"
        level = alive
    path += f"H{n(x(horizon))}"
    found.append(tag("path", d=f"{path}V{n(y(0))}H{n(x(0))}Z", cls="area s0"))
    found.append(tag("path", d=path, cls="line s0"))
    median = curve.median
    if median is not None and median <= horizon:
        found.append(line(x(0), y(0.5), x(median), y(0.5), "mark"))
        found.append(line(x(median), y(0.5), x(median), bottom, "mark"))
        found.append(
            text(x(median) + 6, y(0.5) - 6, f"median {span(median * 1e9)}", "marklabel", "start")
        )
    found.append(line(_LEFT, bottom, WIDTH - _RIGHT, bottom, "axis"))
    found += [text(x(v), bottom + 16, tidy(v)) for v in x.ticks(8)]
    found.append(
        text((_LEFT + WIDTH - _RIGHT) / 2, bottom + 33, "seconds since first seen", "unit")
    )
    assert level <= 1
    return svg(title, description, height, *found)


def share_bar(share: float) -> Markup:
    """Draw a share as a small bar inside a table cell."""
    inner = tag("i", style=f"width:{max(share * 100, 0.5):.1f}%")
    return tag("span", inner, cls="sharebar", aria_hidden="true")


def legend(names: Sequence[str], palette: Sequence[str]) -> Markup:
    """Return the key of a chart's series; ``palette`` names the class of each."""
    items = [
        tag("span", tag("i", cls=f"key {kind}"), esc(name))
        for name, kind in zip(names, palette, strict=True)
    ]
    return tag("p", *items, cls="legend")
