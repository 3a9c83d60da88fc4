"""Measuring a model: the suite on the synthetic world, and public benchmarks.

``suite`` is the command; ``run`` puts the questions of ``tasks`` to ``arms``, case by case
(``case``, ``trial``), into a journal of ``outcomes``; ``report`` tells of them. Apart from that,
each with a command of its own: ``benchmarks``, ``accuracy`` (the built-in model's card),
``distillation``, ``prefill``.
"""
