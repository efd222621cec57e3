"""Strategies: Nautilus events in, core decisions, commands out."""
