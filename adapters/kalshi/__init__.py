"""Kalshi: Trade API v2 with the V2 order endpoints.

Pure leaves (no Nautilus, no I/O, no clock): ``constants``, ``signing``, ``schemas``, ``symbols``,
``numbers``, ``protocol``, ``netting``, ``orders``, ``replies``. Shells: ``credentials``, ``http``,
``websocket``. At the framework's edge: ``config``, ``parsing``, ``fees``, ``providers``, ``data``,
``execution``, ``factories``.
"""

from __future__ import annotations

from adapters.common.currencies import register_currencies

register_currencies()
