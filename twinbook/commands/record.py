"""``twinbook record``: one subgroup per venue."""

from __future__ import annotations

from twinbook.commands._venues import join

app = join("record", "Record public books and trades into a dataset.")
