"""Plumbing that every venue adapter shares; no venue is named here.

``errors`` (what can go wrong), ``outcome`` (Accepted, Rejected, Unknown), ``transport`` (bytes),
``stream`` (a socket kept open), ``limiter``, ``retry``, ``ledger`` (orders and fills, whatever the
order of the news), ``frames`` (raw frames on disk), ``health`` (how good a feed is).
"""
