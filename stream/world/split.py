"""Which things and sounds may come together: the held-out compositions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from stream.world.segment import COLOURS, SHAPES, SOUNDS, Thing

Split = Literal["train", "held-out", "any"]
SPLITS: tuple[Split, ...] = ("train", "held-out", "any")
_COLOURS = tuple(COLOURS)


def held_out(thing: Thing, sound: str) -> bool:
    """Whether the thing and the sound are never together in training: a fifth of all pairs.

    Every thing has one or two such sounds. Of each colour all shapes but one, and of each shape
    four colours or more, come together with each sound in training: only the combination is new.
    """
    colour, shape = _COLOURS.index(thing.colour), SHAPES.index(thing.shape)
    return (colour + 2 * shape + 3 * SOUNDS.index(sound)) % 5 == 0


def together(split: Split, things: Iterable[Thing], sound: str) -> bool:
    """Whether the sound may be heard while the things are visible."""
    if split == "any":
        return True
    return all(held_out(thing, sound) == (split == "held-out") for thing in things)
