"""The subcommands of ``twinbook``, one module each, imported only when called."""
