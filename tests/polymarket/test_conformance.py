"""The conformance suite on Polymarket."""

from __future__ import annotations

import pytest_asyncio

from tests.conformance.execution import ExecutionConformance
from tests.polymarket.support.scripted import PolymarketScript


class TestPolymarket(ExecutionConformance):
    can_modify = False

    @pytest_asyncio.fixture
    async def script(self):
        script = PolymarketScript()
        await script.open()
        yield script
        await script.close()
