"""Venue adapters: data, execution and instruments for NautilusTrader."""
