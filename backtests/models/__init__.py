"""How the simulated venues fill, charge, delay and settle.

``ledger``    what was taken from a book stays taken (pure)
``hazard``    chance that a leg fills at all, from a public ledger of real trading (pure)
``fills``     the two of them as a Nautilus ``FillModel``
``fees``      ``core.fees`` as a Nautilus ``FeeModel``
``venue``     NO books, exact latency and the ledger's eyes, per simulated venue
"""
