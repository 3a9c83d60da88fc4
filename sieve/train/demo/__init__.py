"""The built-in model, trained from nothing on the synthetic world: what makes ``sieve/demo``.

The way: ``tiny`` (the model) -> ``towers`` (first stage) -> ``bank`` (their outputs over many
streams) -> ``batch`` (crops, questions by ``packing``) -> ``forward`` (``sieving``, the memory by
``replay``, ``decode``) -> ``objective``, ``exchanging`` -> ``stages``. ``recipe`` says how long,
``pipeline`` runs it in a folder, ``exam`` looks how it goes, ``export`` writes the directory,
``study`` varies it.
"""
