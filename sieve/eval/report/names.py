"""What arms are called in tables: one method, one name. Pure."""

from __future__ import annotations

from collections.abc import Iterable

_CALLED = {"newest windows whole": "recent-N"}  # the same, in the tasks about forgetting


def called(arm: str) -> str:
    """The name of an arm in every table and plot."""
    return _CALLED.get(arm, arm)


def listed(arms: Iterable[str]) -> str:
    """`one`, `another` and `a third`."""
    names = [f"`{called(arm)}`" for arm in arms]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
