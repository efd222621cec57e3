"""What `twinbook doctor` examines: this machine, and with `--online` the venues."""
