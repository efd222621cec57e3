"""Public L2 archives of both venues (PMXT): download, test, rebuild, load (docs/data.md).

The archives are dated: Polymarket v1 2026-02-21T16 to 2026-04-15T08, v2 2026-04-13T19 to
2026-08-10T00, Kalshi 2026-05-14T14 to 2026-06-11T03 (UTC hours). Data: CC BY 4.0, attribution
"pmxt, archive.pmxt.dev"; the venues' own terms apply on top.
"""

from __future__ import annotations
