"""A run's output folder, told to a person: ``write_report`` makes its ``report.html``."""

from __future__ import annotations

from backtests.report.errors import ReportError
from backtests.report.page import write_report

__all__ = ["ReportError", "write_report"]
