"""``twinbook account``: one subgroup per venue."""

from __future__ import annotations

from twinbook.commands._venues import join

app = join("account", "Move cash, set allocations and allowances.")
