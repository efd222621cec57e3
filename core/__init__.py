"""Pure decisions about money: no Nautilus, no I/O, no clock, no randomness."""
