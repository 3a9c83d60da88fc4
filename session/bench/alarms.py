"""What was watched for, against what was told of it: the figures that benchmarks give of alarms.

An event is a stretch in which a watched thing is visible during the last second of at least one
window, as that is what the queries ask about. It is found where an alarm begins within it or up to
a window after it. The delay is counted in windows after the first that could tell. A thing that
came for less is a glimpse: who tells of it is not wrong, and who does not misses nothing.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from sieve.tokens import WINDOW_S
from stream.world.scene import Scene

NOW_S = 1.0  # a thing is there if it was visible for so long before the end of a window


@dataclass(frozen=True, slots=True)
class Alarms:
    """How well things were watched for, over all watches of all streams."""

    hours: float
    watches: int
    events: int
    alarms: int
    found: int
    glimpsed: int
    precision: float
    recall: float
    f1: float
    delay_windows: float | None  # median; None where nothing was found
    false_per_hour: float
    answered: float  # mean share of yes and no in the first token

    @staticmethod
    def of(kept: Sequence[Kept]) -> Alarms:
        totals = Counter[str]()
        for one in kept:
            totals.update(events=len(one.events), alarms=len(one.alarms), found=len(one.found))
            totals.update(glimpsed=len(one.glimpsed))
        false = totals["alarms"] - totals["found"] - totals["glimpsed"]
        precision = totals["found"] / max(1, totals["found"] + false)
        recall = totals["found"] / max(1, totals["events"])
        hours = sum({one.seed: one.seconds for one in kept}.values()) / 3_600
        delays = [alarm.told_s - event.first_s for one in kept for event, alarm in one.found]
        return Alarms(
            hours=round(hours, 3),
            watches=len(kept),
            events=totals["events"],
            alarms=totals["alarms"],
            found=totals["found"],
            glimpsed=totals["glimpsed"],
            precision=round(precision, 3),
            recall=round(recall, 3),
            f1=round(2 * precision * recall / max(1e-9, precision + recall), 3),
            delay_windows=median(delays) / WINDOW_S if delays else None,
            false_per_hour=round(false / hours, 2),
            answered=round(sum(one.answered for one in kept) / len(kept), 3),
        )


@dataclass(frozen=True, slots=True)
class Stretch:
    """When a thing was there; ``first_s``: the end of the first window that could tell."""

    start_s: float
    end_s: float
    first_s: float


@dataclass(frozen=True, slots=True)
class Alarm:
    """What a watch took for an event; told at ``told_s``."""

    start_s: float
    told_s: float


@dataclass(frozen=True, slots=True)
class Kept:
    """One watch over one stream; ``glimpses``: when its thing was there for too short to tell."""

    seed: int
    seconds: int
    events: tuple[Stretch, ...]
    alarms: tuple[Alarm, ...]
    answered: float
    glimpses: tuple[tuple[float, float], ...] = ()

    @property
    def found(self) -> list[tuple[Stretch, Alarm]]:
        """Each event with the first alarm that begins in it; none counts twice."""
        pairs, left = [], list(self.alarms)
        for event in self.events:
            for alarm in left:
                if event.start_s - WINDOW_S < alarm.start_s < event.end_s + WINDOW_S:
                    pairs.append((event, alarm))
                    left.remove(alarm)
                    break
        return pairs

    @property
    def glimpsed(self) -> list[Alarm]:
        """Those that tell of no event, but in whose windows the thing was there."""
        found = {id(alarm) for _, alarm in self.found}
        return [
            alarm
            for alarm in self.alarms
            if id(alarm) not in found
            and any(a_s < alarm.told_s and alarm.start_s < b_s for a_s, b_s in self.glimpses)
        ]


def held(
    scene: Scene, name: str, seconds: int, alarms: Sequence[Alarm], answered: float = 1.0
) -> Kept:
    """The watch for one thing, beside what there was of it."""
    events = tuple(stretches(scene, name, seconds))
    told = {(event.start_s, event.end_s) for event in events}
    glimpses = (part for part in visible(scene, name, float(seconds)) if part not in told)
    return Kept(scene.seed, seconds, events, tuple(alarms), answered, tuple(glimpses))


def stretches(scene: Scene, name: str, seconds: int) -> list[Stretch]:
    """When a thing is there, as far as a query can tell at the end of a window."""
    found = []
    for start_s, end_s in visible(scene, name, float(seconds)):
        first_s = WINDOW_S * math.ceil((start_s + NOW_S) / WINDOW_S)
        if first_s <= min(end_s, seconds):
            found.append(Stretch(start_s, end_s, first_s))
    return found


def visible(scene: Scene, name: str, until_s: float) -> list[tuple[float, float]]:
    """The stretches in which a thing is visible, those that touch joined."""
    joined: list[tuple[float, float]] = []
    for segment in scene.segments(0.0, until_s):
        if name not in {thing.name for thing in segment.things}:
            continue
        if joined and segment.start_s - joined[-1][1] < 1e-6:
            joined[-1] = (joined[-1][0], segment.end_s)
        else:
            joined.append((segment.start_s, segment.end_s))
    return joined
