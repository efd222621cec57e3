"""Nautilus actors that watch and record, and never trade."""
