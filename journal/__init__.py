"""The journal: write-ahead intents, decisions, orders and fills in SQL."""
