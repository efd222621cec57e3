"""What keeps a report from being written."""

from __future__ import annotations


class ReportError(Exception):
    """The output folder is not one, or a file in it is missing or of another schema."""
