"""From what is set for a watch to its rule, and from a change to what is told of it. Pure."""

from __future__ import annotations

from session import wire
from session.errors import SettingInvalid
from session.watch.hysteresis import RELEASE, Change, Rule
from session.watch.quiet import Quiet

WITHIN_S = 60.0  # what is long past is easily taken for what is there (docs/LOG.md)


def rule_of(settings: wire.WatchPatch, asked: wire.WatchPatch | None = None) -> Rule:
    """`asked`: the part of them that is new, and at fault where they do not fit together; all of
    them by default. Raises SettingInvalid."""
    given = settings.model_dump(
        include={"threshold", "release", "min_s", "cooldown_s", "update_s"}, exclude_none=True
    )
    if "threshold" in given:
        given.setdefault("release", min(RELEASE, given["threshold"]))
    quiet = tuple(quiet_of(hours, place) for place, hours in enumerate(settings.quiet or ()))
    try:
        return Rule(**given, quiet=quiet)
    except ValueError as error:  # the bounds of each have been checked, not of one by the other
        param = "threshold" if (asked or settings).release is None else "release"
        raise SettingInvalid(str(error), param=param) from error


def quiet_of(hours: wire.QuietHours, place: int) -> Quiet:
    """The hours at a `place` of the list. Raises SettingInvalid."""
    try:
        return Quiet(hours.start, hours.end, hours.zone)
    except ValueError as error:
        raise SettingInvalid(str(error), param=f"quiet.{place}") from error


def within_s_of(settings: wire.WatchCreate) -> float | None:
    """How far back the model looks for the answer: where it is to count, over all it remembers."""
    if settings.within_s is None and settings.kind == "event":
        return WITHIN_S
    return settings.within_s


def event_of(watch: str, settings: wire.WatchCreate, change: Change) -> wire.WatchEvent:
    """A change without its evidence."""
    return wire.WatchEvent(
        change=change.kind,
        id=f"{watch}.{change.number}",
        watch=watch,
        query=settings.query,
        started_s=change.started_s,
        ended_s=change.ended_s,
        probability=None,
        spans=[wire.Span(start_s=start_s, end_s=end_s) for start_s, end_s in change.spans],
    )
