"""A sieve for a backbone that exists, from clips with answers or recordings without.

The way: ``clips`` (of ``messages``) or ``recordings`` -> ``library`` (decoded by ``media``,
answered by ``teacher``, weighed by ``saliency``) -> ``viewing`` (the windows through the towers)
-> ``window_loss`` (sieve, memory by ``competition``, answer) -> ``student`` (one method a stage;
``exchange``). ``tuning`` holds every setting, ``finetune`` runs it in a folder, ``fresh`` makes a
new sieve, ``finished`` writes it.
"""
