"""Progress on a terminal and in a log, by a clock the test winds itself."""

from __future__ import annotations

import io

from nodes.progress import Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def test_a_log_gets_a_plain_line_now_and_then_and_one_at_the_end() -> None:
    out, clock = io.StringIO(), Clock()
    with Progress("replay", "rows", stream=out, clock=clock) as progress:
        for second in range(26):
            clock.now_s = second
            progress.update(second * 4_000, 100_000)
    assert out.getvalue().splitlines() == [
        "replay:  40%  40,000 of 100,000 rows  4,000/s  15 s left",
        "replay:  80%  80,000 of 100,000 rows  4,000/s  5 s left",
        "replay: 100%  100,000 of 100,000 rows  4,000/s  25 s in all",
    ]


def test_a_terminal_gets_one_bar_that_moves() -> None:
    out, clock = Terminal(), Clock()
    with Progress("load", "rows", stream=out, clock=clock) as progress:
        clock.now_s = 3600.0
        progress.update(1_000, 4_000)
        clock.now_s = 7200.0
        progress.update(4_000, 4_000)
    first, last = out.getvalue().strip().split("\r")
    assert "[========                      ]  25%" in first
    assert "3 h 00 min left" in first
    assert "[==============================] 100%" in last
    assert out.getvalue().endswith("\n")


def test_an_error_wipes_the_bar() -> None:
    out, clock = Terminal(), Clock()
    try:
        with Progress("load", "rows", stream=out, clock=clock) as progress:
            clock.now_s = 1.0
            progress.update(1, 4)
            raise ValueError
    except ValueError:
        pass
    assert out.getvalue().endswith("\r")


def test_nothing_to_do_is_all_done() -> None:
    assert "100%" in Progress("x", "rows", stream=io.StringIO()).describe(0, 0, 0.0)
