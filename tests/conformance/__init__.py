"""What every execution client must survive, written once and bound to each venue."""
