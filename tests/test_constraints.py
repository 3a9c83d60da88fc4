"""The pins with which everything is installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().split()
    return {
        canonicalize_name(name): version for name, _, version in (x.partition("==") for x in lines)
    }


def needed(
    name: str, extras: frozenset[str], done: set[tuple[str, frozenset[str]]]
) -> Iterator[str]:
    """What a package with some of its extras pulls in here, all the way down."""
    for text in distribution(name).requires or []:
        wanted = Requirement(text)
        applies = not wanted.marker or any(
            wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}
        )
        key = canonicalize_name(wanted.name), frozenset(wanted.extras)
        if applies and key not in done:
            done.add(key)
            yield key[0]
            with suppress(PackageNotFoundError):  # what another build of torch needs
                yield from needed(*key, done)


def everything() -> set[str]:
    return set(needed("echosieve", frozenset({"dev"}), set())) - {"echosieve"}


def test_all_that_is_installed_is_pinned_as_it_is_pinned() -> None:
    pinned = pins()
    installed = {name: version for name in everything() if (version := _version(name))}
    assert len(installed) > 80
    assert installed == {name: pinned.get(name) for name in installed}


def test_nothing_else_is_pinned() -> None:
    assert set(pins()) - everything() <= {"hatchling"}


def _version(name: str) -> str | None:
    try:
        return distribution(name).version.partition("+")[0]
    except PackageNotFoundError:
        return None
