"""Typed settings: TOML in, frozen structs out, every mistake named with its nearest fix.

``backtest``  what ``nodes.backtest_node`` can be told
``loader``    reading, checking, hashing and writing back
"""
