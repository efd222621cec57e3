"""Opt-in tests against real demo environments: ``pytest -m live``, never in CI."""
