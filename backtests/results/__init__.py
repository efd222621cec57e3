"""From a finished run to the folder described in ``docs/results_schema.md``.

``rows``      what is written, as plain records
``extract``   orders, fills and settlements out of Nautilus, with the story in their tags
``boxes``     which fill belongs to which box, and what became of it (pure)
``equity``    cash, holdings and worst state over time (pure)
``summary``   the numbers of ``summary.json`` (pure)
``tables``    parquet with exact decimals
``write``     the folder: complete or not at all
"""
