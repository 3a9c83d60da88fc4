"""The vocabulary of the synthetic world, and what a stretch of it holds (times: scene seconds)."""

from __future__ import annotations

from dataclasses import dataclass

COLOURS = {
    "red": (225, 30, 30),
    "green": (30, 190, 40),
    "blue": (40, 60, 230),
    "yellow": (235, 220, 40),
    "purple": (160, 40, 190),
    "cyan": (40, 210, 220),
}
SHAPES = ("circle", "square", "triangle", "cross")
SOUNDS = ("low beep", "high beep", "click", "buzz", "rise", "fall", "hiss")
SYMBOLS = tuple("0123456789")
OBJECTS = tuple(f"{colour} {shape}" for colour in COLOURS for shape in SHAPES)
MOST_THINGS = 3  # at once


@dataclass(frozen=True, slots=True)
class Thing:
    """A coloured shape."""

    colour: str
    shape: str

    @staticmethod
    def named(name: str) -> Thing:
        """The thing of a name such as "red circle"."""
        return Thing(*name.split())

    @property
    def name(self) -> str:
        return f"{self.colour} {self.shape}"

    @property
    def number(self) -> int:
        """Its place in ``OBJECTS``."""
        return OBJECTS.index(self.name)


@dataclass(frozen=True, slots=True)
class Sound:
    """Heard in [start_s, end_s)."""

    name: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Symbol:
    """A digit, visible in [start_s, end_s); ``faint``: hardly brighter than what is behind it."""

    digit: str
    start_s: float
    end_s: float
    faint: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """What the world shows and sounds in [start_s, end_s).

    All ``things`` are visible all the time, each in a cell of its own, in the order of ``OBJECTS``;
    ``sounds`` come in order of time. ``still``: a frozen picture, to the pixel, but for a symbol
    and for what flickers. ``flicker``: share of the nine cells with nothing but changing noise.
    Raises ValueError where something lies outside the segment, or for too many things.
    """

    index: int
    start_s: float
    end_s: float
    things: tuple[Thing, ...] = ()
    symbol: Symbol | None = None
    sounds: tuple[Sound, ...] = ()
    still: bool = False
    flicker: float = 0.0

    def __post_init__(self) -> None:
        if len(self.things) > MOST_THINGS:
            raise ValueError(f"at most {MOST_THINGS} things at once, not {len(self.things)}")
        numbers = [thing.number for thing in self.things]
        if numbers != sorted(set(numbers)):
            raise ValueError(f"things must differ and be in the order of OBJECTS: {self.picture}")
        timed: list[Sound | Symbol] = [*self.sounds]
        timed += [self.symbol] if self.symbol else []
        for part in timed:
            if not self.start_s <= part.start_s < part.end_s <= self.end_s:
                raise ValueError(f"{part} lies outside [{self.start_s}, {self.end_s}) s")

    @property
    def thing(self) -> Thing | None:
        """The thing, where there is exactly one."""
        return self.things[0] if len(self.things) == 1 else None

    @property
    def sound(self) -> Sound | None:
        """The sound, where there is exactly one."""
        return self.sounds[0] if len(self.sounds) == 1 else None

    @property
    def picture(self) -> str:
        """What is visible in words: "red circle and blue square", "nothing"."""
        return " and ".join(thing.name for thing in self.things) or "nothing"
