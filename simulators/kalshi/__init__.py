"""A local Kalshi."""
