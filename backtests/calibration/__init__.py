"""The hazard model, run through the engine and counted."""
