"""Selection apart from refinement: the tokens of one method in the states of another.

EchoingPixels' CS2 both chooses tokens and rewrites them. These two arms say which of it counts:
what CS2 chooses, entering raw; and what another method chooses, entering as CS2 refines it.
"""

from __future__ import annotations

from dataclasses import replace

from sieve.pool import Pool
from sieve.select import Selection, Selector, Text


class RawStates:
    """What ``chooser`` keeps enters the LLM as the towers gave it, and so does the question."""

    def __init__(self, chooser: Selector) -> None:
        self._chooser = chooser

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        chosen = self._chooser.select(pool, count, before, after)
        text = after.embeds if after is not None else None
        return replace(chosen, states=pool.embeds[chosen.keep], after=text)


class RefinedStates:
    """What ``chooser`` keeps, by its scores, enters the LLM in the states of ``refiner``."""

    def __init__(self, chooser: Selector, refiner: Selector) -> None:
        self._chooser, self._refiner = chooser, refiner

    def select(self, pool: Pool, count: int, before: Text, after: Text | None = None) -> Selection:
        chosen = self._chooser.select(pool, count, before, after)
        whole = self._refiner.select(pool, len(pool), before, after)
        return replace(chosen, states=whole.states[chosen.keep], after=whole.after)
