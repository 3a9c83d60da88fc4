"""A stream in which watched things come when they are to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sieve.errors import SettingInvalid
from stream.world.plot import FIRST_WORLD
from stream.world.scene import Segment, Thing

WATCHED = ("red circle", "blue square", "yellow cross", "green triangle")
EVENT_S = 6.0
SEGMENT_S = 3.5  # of the first world, on average


@dataclass(frozen=True, slots=True)
class Script:
    """The first world, in which the watched things come when they are to, and never else."""

    events: tuple[int, ...]  # the segments that are events
    kinds: tuple[str, ...] = FIRST_WORLD.kinds

    def next(self, seed: int, past: Sequence[Segment]) -> Segment:
        segment = FIRST_WORLD.next(seed, past)
        end_s, thing = segment.end_s, segment.things[0]
        if len(past) in self.events:
            place = self.events.index(len(past))
            thing, end_s = Thing.named(WATCHED[place % len(WATCHED)]), segment.start_s + EVENT_S
        elif thing.name in WATCHED:
            thing = Thing("purple", thing.shape)
        return Segment(len(past), segment.start_s, end_s, (thing,))


def script_of(seed: int, seconds: int, events: int) -> Script:
    """Events spread over the stream. Raises SettingInvalid where they do not fit."""
    rng = np.random.default_rng([seed, 41])
    apart = int(seconds / SEGMENT_S / (events + 2))
    if apart < 4:
        raise SettingInvalid(f"{events} events do not fit into {seconds} s: take fewer, or longer")
    return Script(tuple(apart * (n + 1) + int(rng.integers(-1, 2)) for n in range(events)))
