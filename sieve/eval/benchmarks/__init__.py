"""Real benchmarks: their files read, their questions asked, their scores computed.

The way: ``catalogue`` (which benchmarks) -> one loader a benchmark (its files -> ``Item``) ->
``prompt`` -> ``streamed`` or ``offline`` (the media and the question -> what the model says) ->
``parse`` -> ``score``. ``runner`` walks it and can go on after a kill; ``command`` is its command.
"""
