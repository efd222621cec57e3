"""Entry points that compose a running system."""
