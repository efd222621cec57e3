"""``twinbook venue``: one subgroup per venue."""

from __future__ import annotations

from twinbook.commands._venues import join

app = join("venue", "Check keys, limits and balances; list and show markets.")
