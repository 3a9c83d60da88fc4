"""``echosieve report``: what runs have shown, as docs/RESULTS.md.

``results`` folds the outcomes of a run into what stands in the repository; ``page`` writes tables
of it (``summary``, ``targets``, ``tables``, ``effects``, ``trainings``, ``memory``, ``regret``,
``density``), ``plots``, and what is ``missing``.
"""
