"""A run's folder: held by one process at a time, of one run, its files whole or not there."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sieve.errors import FolderBusy, SettingInvalid


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Makes ``folder`` where it is missing, and holds it for the length of the block.

    The lock is the operating system's and gone with its process, however that ends. Raises
    FolderBusy where another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise FolderBusy(
            f"another process is at work in {folder}: wait for its end, or name another folder"
        ) from None
    try:
        yield
    finally:
        lock.release()


def claim(path: Path, facts: Mapping[str, Any]) -> None:
    """Make a folder the run's by writing ``facts`` to ``path`` in it, or see that it is. Raises
    SettingInvalid where it holds a run with others."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        put(path, json.dumps(facts, indent=2) + "\n")
        return
    theirs = facts_in(path)
    other = sorted(k for k in {*theirs, *facts} if theirs.get(k) != facts.get(k))
    if other:
        raise SettingInvalid(
            f"{path.parent} holds a run with another {', '.join(other)}: name another folder, or "
            f"give what stands in its {path.name}"
        )


def facts_in(path: Path) -> dict[str, Any]:
    """What was claimed. Raises SettingInvalid for what is no such file."""
    try:
        facts = json.loads(path.read_bytes())
    except ValueError as error:
        raise SettingInvalid(f"{path} is damaged ({error}): name another folder") from error
    if not isinstance(facts, dict):
        raise SettingInvalid(f"{path} holds no settings of a run: name another folder")
    return facts


def put(path: Path, text: str) -> None:
    """Writes a file as a whole, or leaves what was there."""
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)
