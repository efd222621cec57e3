"""Simulated venues, written from the venues' own documents; they import nothing of ours."""
