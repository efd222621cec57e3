"""Polymarket: CLOB V2, ready for Protocol V2."""
