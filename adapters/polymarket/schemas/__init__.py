"""Wire structs of the four hosts: fields as sent, tolerant of new ones, no domain types."""
