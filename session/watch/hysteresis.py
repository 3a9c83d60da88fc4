"""A standing query: from a probability for each window to events that begin and end once. Pure.

An event begins when the probability has reached `threshold` and then not fallen below `release` for
`min_s`; it ends with the first window below `release`. What lies between the two neither begins nor
ends one. For `cooldown_s` after an end none begins.

In quiet hours nothing is told. One that is open when they begin stays open; how it went on is told
when they are over, its end with the time at which it really ended. What would begin in them begins
when they are over, if it is still there. Only the end of the session, or of the watch itself, is
told at any hour: nobody else could tell of it later.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pydantic import TypeAdapter

from session import wire
from session.watch.quiet import Quiet

Kind = Literal["new", "update", "end"]
THRESHOLD, RELEASE = wire.THRESHOLD, wire.RELEASE
MOST_SPANS = 16  # of an event; older ones are joined


@dataclass(frozen=True, slots=True)
class Rule:
    """When a query becomes an event. Raises ValueError for numbers that cannot be meant.
    ``update_s``: how often an open event is told of again."""

    threshold: float = THRESHOLD
    release: float = RELEASE
    min_s: float = 0.0
    cooldown_s: float = 0.0
    update_s: float = 10.0
    quiet: tuple[Quiet, ...] = ()

    def __post_init__(self) -> None:
        if not 0.0 < self.release <= self.threshold < 1.0:
            raise ValueError(
                "release and threshold are probabilities with 0 < release <= threshold < 1, not "
                f"{self.release} and {self.threshold}"
            )
        for name in ("min_s", "cooldown_s", "update_s"):
            if not 0.0 <= getattr(self, name) < float("inf"):
                raise ValueError(f"{name} is a number of seconds, not {getattr(self, name)}")

    def is_quiet(self, at: float) -> bool:
        return any(hours.covers(at) for hours in self.quiet)


@dataclass(frozen=True, slots=True)
class Sight:
    """A window [start_s, end_s) that was judged; it ended at ``at`` (Unix seconds)."""

    start_s: float
    end_s: float
    at: float
    yes: float


@dataclass(frozen=True, slots=True)
class Open:
    """An event that has begun and not been told to have ended. ``spans``: where it was seen."""

    number: int
    started_s: float
    told_s: float
    spans: tuple[tuple[float, float], ...]
    ended_s: float | None = None  # it ended in quiet hours

    def seen(self, sight: Sight) -> Open:
        *before, (start_s, end_s) = self.spans
        if sight.start_s - end_s < 1e-6 or len(self.spans) == MOST_SPANS:
            return replace(self, spans=(*before, (start_s, sight.end_s)))
        return replace(self, spans=(*self.spans, (sight.start_s, sight.end_s)))


@dataclass(frozen=True, slots=True)
class State:
    """All that is known between two windows; it outlives the process as JSON. ``since_s``: where
    what may become an event began; ``calm_until_s``: no event begins before."""

    events: int = 0
    since_s: float | None = None
    open: Open | None = None
    calm_until_s: float = 0.0
    count: int | None = None  # of a watch that counts: the number that was told last


@dataclass(frozen=True, slots=True)
class Change:
    """What is told. ``number`` counts the events of a watch from 1 on."""

    kind: Kind
    number: int
    started_s: float
    ended_s: float | None
    spans: tuple[tuple[float, float], ...]


def resumed(state: State) -> State:
    """After a time that nobody watched: what may become an event has to last from now on."""
    return replace(state, since_s=None)


def advance(rule: Rule, state: State, sight: Sight) -> tuple[State, tuple[Change, ...]]:
    """One window further."""
    if state.open is None:
        return _before(rule, state, sight)
    event = state.open
    if event.ended_s is None and sight.yes < rule.release:
        event = replace(event, ended_s=sight.start_s)
    elif event.ended_s is None:
        event = event.seen(sight)
    if rule.is_quiet(sight.at):
        return replace(state, open=event), ()
    if event.ended_s is not None:
        over, changes = _ended(rule, state, event, event.ended_s)
        after, more = _before(rule, over, sight)
        return after, (*changes, *more)
    if sight.end_s - event.told_s < rule.update_s:
        return replace(state, open=event), ()
    event = replace(event, told_s=sight.end_s)
    return replace(state, open=event), (_change("update", event, None),)


def finish(rule: Rule, state: State, now_s: float) -> tuple[State, tuple[Change, ...]]:
    """The session, or the watch, ends at ``now_s``."""
    if state.open is None:
        return replace(state, since_s=None), ()
    ended_s = now_s if state.open.ended_s is None else state.open.ended_s
    return _ended(rule, state, state.open, ended_s)


def _before(rule: Rule, state: State, sight: Sight) -> tuple[State, tuple[Change, ...]]:
    """While no event is open."""
    enough = rule.release if state.since_s is not None else rule.threshold
    calm = sight.start_s < state.calm_until_s
    if sight.yes < enough or calm or rule.is_quiet(sight.at):
        return replace(state, since_s=None), ()
    since_s = sight.start_s if state.since_s is None else state.since_s
    if sight.end_s - since_s < rule.min_s:
        return replace(state, since_s=since_s), ()
    event = Open(state.events + 1, since_s, sight.end_s, ((since_s, sight.end_s),))
    return replace(state, events=event.number, since_s=None, open=event), (
        _change("new", event, None),
    )


def _ended(
    rule: Rule, state: State, event: Open, ended_s: float
) -> tuple[State, tuple[Change, ...]]:
    over = State(events=state.events, calm_until_s=ended_s + rule.cooldown_s)
    return over, (_change("end", event, ended_s),)


def _change(kind: Kind, event: Open, ended_s: float | None) -> Change:
    return Change(kind, event.number, event.started_s, ended_s, event.spans)


STATE: TypeAdapter[State] = TypeAdapter(State)
