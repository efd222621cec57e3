"""Seeded generator of synthetic two-venue sessions (docs/data.md, "Generator")."""

from __future__ import annotations

from backtests.data.synthetic.session import generate_dataset
from backtests.data.synthetic.settings import GeneratorSettings

__all__ = ["GeneratorSettings", "generate_dataset"]
