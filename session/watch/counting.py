"""A standing query for a number: what is told is that it changed. Pure."""

from __future__ import annotations

from dataclasses import replace

from session.watch.hysteresis import Rule, State


def count(rule: Rule, state: State, number: int, share: float, at: float) -> tuple[State, bool]:
    """One window further, at which the likeliest number has this `share` among all; whether that is
    news. An unsure number leaves things as they are; what changes in quiet hours is told after."""
    if share < rule.threshold or number == state.count or rule.is_quiet(at):
        return state, False
    return replace(state, count=number, events=state.events + 1), True
