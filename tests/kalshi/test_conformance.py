"""The conformance suite on Kalshi."""

from __future__ import annotations

import pytest_asyncio

from tests.conformance.execution import ExecutionConformance
from tests.kalshi.support.scripted import KalshiScript


class TestKalshi(ExecutionConformance):
    @pytest_asyncio.fixture
    async def script(self):
        script = KalshiScript()
        await script.open()
        yield script
        await script.close()
