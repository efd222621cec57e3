"""Kalshi: Trade API v2 with the V2 order endpoints."""
