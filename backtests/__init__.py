"""Backtests: datasets in, exact results out."""
