"""What is certain, and what is doubtful, about a span of the world."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from stream.world.segment import Segment, Sound, Symbol, Thing

SHOWN_S = 1.0  # what is visible for less is not asked about
HEARD_S = 0.4  # what began to sound later than this before the question is not asked about


@dataclass(frozen=True, slots=True)
class Heard:
    """A sound and what was visible with it."""

    sound: Sound
    segment: Segment

    @property
    def name(self) -> str:
        return self.sound.name


@dataclass(frozen=True, slots=True)
class Sighting:
    """A thing and the segment in which it is visible."""

    thing: Thing
    segment: Segment

    @property
    def name(self) -> str:
        return self.thing.name


@dataclass(frozen=True, slots=True)
class Span:
    """[since_s, now_s): of everything that overlaps it, what is in it for long enough."""

    since_s: float
    now_s: float
    shown: tuple[Segment, ...]  # visible long enough
    glimpsed: tuple[Segment, ...]  # visible, but too briefly
    heard: tuple[Heard, ...]  # wholly inside, or begun long enough ago; in order of time
    muddled: tuple[Heard, ...]  # cut by an edge
    symbols: tuple[Segment, ...]  # their symbols are visible long enough
    blurred: tuple[Segment, ...]  # their symbols are cut by an edge
    now: Segment | None  # visible at the end, if it is shown
    first: Segment | None  # visible at the beginning, if it is shown

    @staticmethod
    def of(segments: Sequence[Segment], since_s: float, now_s: float) -> Span:
        """``segments``: all that overlap [since_s, now_s), in order."""

        def seen_s(start_s: float, end_s: float) -> float:
            return min(end_s, now_s) - max(start_s, since_s)

        shown = tuple(s for s in segments if seen_s(s.start_s, s.end_s) >= SHOWN_S)
        sounding = [
            Heard(sound, segment)
            for segment in segments
            for sound in segment.sounds
            if sound.end_s > since_s and sound.start_s < now_s
        ]
        heard = tuple(h for h in sounding if since_s <= h.sound.start_s <= now_s - HEARD_S)
        visible = [
            (segment, seen_s(segment.symbol.start_s, segment.symbol.end_s), segment.symbol)
            for segment in segments
            if segment.symbol
        ]
        symbols = tuple(
            segment
            for segment, seen, symbol in visible
            if seen >= min(SHOWN_S, symbol.end_s - symbol.start_s)
        )
        return Span(
            since_s=since_s,
            now_s=now_s,
            shown=shown,
            glimpsed=tuple(s for s in segments if s not in shown),
            heard=heard,
            muddled=tuple(h for h in sounding if h not in heard),
            symbols=symbols,
            blurred=tuple(s for s, seen, _ in visible if seen > 0 and s not in symbols),
            now=segments[-1] if segments[-1] in shown else None,
            first=segments[0] if segments[0] in shown else None,
        )

    @property
    def whole_s(self) -> tuple[float, float]:
        return self.since_s, self.now_s

    def within(self, *parts: Segment | Sound | Symbol) -> tuple[float, float]:
        """From the beginning of the first to the end of the last of ``parts``, within the span."""
        start_s = min(part.start_s for part in parts)
        end_s = max(part.end_s for part in parts)
        return max(self.since_s, start_s), min(self.now_s, end_s)

    @property
    def symbols_clear(self) -> bool:
        return len(self.symbols) <= 1 and not self.blurred

    @property
    def seen(self) -> list[Thing]:
        """All things that are shown."""
        return [thing for segment in self.shown for thing in segment.things]

    @property
    def visible(self) -> list[Thing]:
        """All things that are visible, however briefly."""
        return self.seen + [thing for segment in self.glimpsed for thing in segment.things]

    @property
    def single(self) -> list[Sighting]:
        """Shown things that are seen once only."""
        names = [thing.name for thing in self.visible]
        return [
            Sighting(thing, segment)
            for segment in self.shown
            for thing in segment.things
            if names.count(thing.name) == 1
        ]

    @property
    def single_sounds(self) -> list[Heard]:
        """Heard sounds whose name is audible once only."""
        return [h for h in self.heard if self.audible.count(h.name) == 1]

    @property
    def audible(self) -> list[str]:
        """The names of all sounds, however much of them is in the span."""
        return [h.name for h in self.heard + self.muddled]
