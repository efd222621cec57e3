"""Plumbing that every venue adapter shares; no venue is named here."""
