"""Tests of the local Polymarket."""
